/* SPDX-License-Identifier: MIT */
/*
 * What those tests share that take the device away: unbinding, binding, and what must hold after
 * that. There is one device in this, that of barium_open_render().
 */
#ifndef BARIUM_LIB_UNPLUG_H
#define BARIUM_LIB_UNPLUG_H

#include "barium_lib.h"

/*
 * For the first fixture of a test that unbinds the device: binds the device if it is unbound, and
 * remembers its PCI address and its available VRAM. When the program exits, the device is bound
 * again. Skips if the program may not unbind devices.
 */
void barium_prepare_unplug(void);
/*
 * Cleans up after the previous subtest, binds the device if that one left it unbound, then opens a
 * client like barium_new_client().
 */
int barium_new_bound_client(void);
int barium_new_bound_primary_client(void);

/*
 * For tests that still list their subtests in a table.
 *
 * Runs subtests up to the first one without a name. Whatever one of them leaves behind, the next
 * one and the next program find the device bound. Skips if it cannot be unbound.
 */
void barium_unplug_subtests(const struct barium_subtest *tests);
/* The same with clients on the primary node. */
void barium_unplug_primary_subtests(const struct barium_subtest *tests);

/* These assert that they work. */
void barium_unbind(void);
void barium_bind(void);
/* The same for the device at another PCI address. */
void barium_unbind_other(const char *other);
void barium_bind_other(const char *other);
/* Removes the device from its bus. */
void barium_remove(void);
/* Finds it there again. */
void barium_rescan(void);

/* Opens the bound device's render node: a descriptor, or a negative errno. */
int __barium_open_bound(void);
int barium_open_bound(void);

/* Bytes of VRAM that were to be had before the first test: the kernel's console has the rest. */
__u64 barium_room(void);
/* Asserts that they are to be had. */
void barium_check_vram(void);
/* Unmaps an object whose handle went with the device, or with its file. */
void barium_bo_unmap(struct barium_bo *bo);
/* Asserts that a mapping reads as zero, and can be written to. */
void barium_check_replaced(__u8 *map, size_t length);

#endif
