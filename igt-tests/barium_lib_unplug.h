/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests that unbind or remove the device, and check the state after that. The device is
 * that of barium_open_render().
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

/* Unbind and bind the driver, and assert success. */
void barium_unbind(void);
void barium_bind(void);
/* Unbind and bind the device at PCI address @other. */
void barium_unbind_other(const char *other);
void barium_bind_other(const char *other);
/* Removes the device from the PCI bus. */
void barium_remove(void);
/* Rescans the PCI bus, so that a removed device is bound again. */
void barium_rescan(void);

/* Opens the render node of the device. Returns a file descriptor or a negative errno. */
int __barium_open_bound(void);
int barium_open_bound(void);

/* Returns the bytes of VRAM that were available in barium_prepare_unplug(). */
__u64 barium_room(void);
/* Asserts that the same bytes are available, and allocates them once. */
void barium_check_vram(void);
/* Unmaps an object whose handle is invalid since its file was closed or its device unbound. */
void barium_bo_unmap(struct barium_bo *bo);
/* Asserts that zero pages replace VRAM in a mapping, and that they are writable. */
void barium_check_replaced(__u8 *map, size_t length);

#endif
