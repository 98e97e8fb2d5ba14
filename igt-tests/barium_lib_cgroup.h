/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of cgroups, with one controller: "memory" or "dmem".
 *
 * A cgroup is a path below the root cgroup of the tests ("a", "parent/a"), and "" is that root.
 */
#ifndef BARIUM_LIB_CGROUP_H
#define BARIUM_LIB_CGROUP_H

#include <stdio.h>

/*
 * Mounts the cgroups, and removes those of the test when the program exits. Skips if the kernel has
 * no cgroups, or not this controller.
 */
void barium_cgroup_init(const char *controller);
/* Undoes barium_cgroup_init(). */
void barium_cgroup_fini(void);
/* Moves the calling process to the root, and removes the cgroups of the test. */
void barium_cgroup_reset(void);

/* Creates a cgroup. Its parent gets no processes then. */
void barium_cgroup_create(const char *group);
/* Removes a cgroup without processes. */
void barium_cgroup_remove(const char *group);
/* Moves the calling process to a cgroup. Returns 0 or a negative errno. */
int __barium_cgroup_enter(const char *group);
void barium_cgroup_enter(const char *group);

/* Writes @value to the file @name of a cgroup ("memory.high"). Returns 0 or a negative errno. */
int __barium_cgroup_set(const char *group, const char *name, const char *value);
void barium_cgroup_set(const char *group, const char *name, const char *value);
/* Opens the file @name of a cgroup for reading. */
FILE *barium_cgroup_open(const char *group, const char *name);
/* Returns the number in the file @name of a cgroup ("memory.current"). */
long barium_cgroup_get(const char *group, const char *name);
/* Returns the number after @key in the file "memory.stat" of a cgroup. */
long barium_cgroup_stat(const char *group, const char *key);

#endif
