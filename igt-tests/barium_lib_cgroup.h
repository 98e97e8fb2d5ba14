/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of memory cgroups. A test has one cgroup of its own.
 */
#ifndef BARIUM_LIB_CGROUP_H
#define BARIUM_LIB_CGROUP_H

/* Creates the cgroup, and removes it when the program exits. Skips if there are no cgroups. */
void barium_cgroup_init(void);
/* Removes the cgroup, and moves the calling process out of it before. */
void barium_cgroup_fini(void);

/* Moves the calling process into the cgroup. Returns 0 or a negative errno. */
int barium_cgroup_enter(void);
/* Moves the calling process out of the cgroup. Returns 0 or a negative errno. */
int barium_cgroup_leave(void);

/* Writes @value to the file @name of the cgroup ("memory.high"). Returns 0 or a negative errno. */
int barium_cgroup_set(const char *name, const char *value);
/* Returns the number in the file @name of the cgroup ("memory.current"). */
long barium_cgroup_get(const char *name);
/* Returns the number after @key in the file "memory.stat" of the cgroup. */
long barium_cgroup_stat(const char *key);

#endif
