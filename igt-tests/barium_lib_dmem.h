/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of the dmem controller: the kernel's own numbers for the region of the device,
 * in the cgroups of barium_lib_cgroup.h.
 */
#ifndef BARIUM_LIB_DMEM_H
#define BARIUM_LIB_DMEM_H

#include "barium_lib.h"
#include "barium_lib_cgroup.h"

/* The value "max" of a limit. */
#define BARIUM_DMEM_MAX UINT64_MAX

/* Calls barium_cgroup_init(). The region is that of the device of barium_open_render(). */
void barium_dmem_init(void);

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
