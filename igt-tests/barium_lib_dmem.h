/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of the dmem controller: cgroups that VRAM is charged to, with the kernel's own
 * numbers for the region of the device.
 *
 * A cgroup is a path below the root cgroup of the tests ("a", "parent/a"), and "" is that root.
 */
#ifndef BARIUM_LIB_DMEM_H
#define BARIUM_LIB_DMEM_H

#include "barium_lib.h"

/* The value "max" of a limit. */
#define BARIUM_DMEM_MAX UINT64_MAX

/*
 * Mounts the cgroups, and removes those of the test when the program exits. Skips if the kernel has
 * no cgroups or no dmem controller. The region is that of the device of barium_open_render().
 */
void barium_dmem_init(void);
/*
 * For the start of a subtest: moves the calling process to the root, and removes the cgroups that
 * the previous subtest has left.
 */
void barium_dmem_reset(void);

/* Creates a cgroup. Its parent gets no processes then. */
void barium_dmem_create(const char *group);
/* Removes a cgroup without processes. */
void barium_dmem_remove(const char *group);
/* Moves the calling process to a cgroup. */
void barium_dmem_enter(const char *group);

/*
 * Writes @bytes for the region to the file @name of a cgroup ("dmem.max"). Returns 0 or a negative
 * errno: -EINVAL if there is no such region.
 */
int __barium_dmem_set(const char *group, const char *name, __u64 bytes);
void barium_dmem_set(const char *group, const char *name, __u64 bytes);
/* Returns the bytes for the region in the file @name of a cgroup ("dmem.current"). */
__u64 barium_dmem_get(const char *group, const char *name);
/* Returns the bytes that are charged to a cgroup and to those below it ("dmem.current"). */
__u64 barium_dmem_charged(const char *group);

#endif
