/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the barium driver share: finding the device, its ioctls, mapped objects with a
 * recognisable content.
 *
 * As in IGT, __foo() returns a negative errno and foo() asserts success.
 */
#ifndef BARIUM_LIB_H
#define BARIUM_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "barium_drm.h"

/* Long enough for "0000:00:01.0". */
#define BARIUM_SLOT_LEN 32
/* Long enough for "fb0". */
#define BARIUM_NAME_LEN 32

/*
 * Closes all DRM files and dma-bufs of the process and unmaps its mappings of them. A subtest that
 * fails or skips does not reach the end of its body, so the next subtest does this.
 */
void barium_clean_up(void);

/*
 * Cleans up after the previous subtest, then opens a client on the render node, or on the primary
 * node, for the next one. A subtest need not close this client. Skips if there is no device.
 */
int barium_new_client(void);
int barium_new_primary_client(void);

/* For tests that still list their subtests in a table: a subtest with a client of its own. */
struct barium_subtest {
	const char *name;
	const char *what;
	void (*run)(int fd);
};

void barium_run_subtest(const struct barium_subtest *test);
/* The same with a client on the primary node. */
void barium_run_primary_subtest(const struct barium_subtest *test);
/* Runs subtests up to the first one without a name. */
void barium_subtests(const struct barium_subtest *tests);
void barium_primary_subtests(const struct barium_subtest *tests);

/*
 * Opens a node of the device at the PCI address in $BARIUM_DEVICE, or of the first barium device.
 * Skips if there is none.
 */
int barium_open_render(void);
int barium_open_primary(void);
/* A negative errno if there is none. */
int __barium_open_primary(void);

/* Loads another driver and opens the primary node of its device; skips if it has none. */
int barium_load_and_open(const char *driver);

/* Opens the render node of the device at @slot, with open() flags @flags; negative errno. */
int __barium_open_slot(const char *slot, int flags);
/* The PCI address of the device behind an open node. */
void barium_slot(int fd, char slot[static BARIUM_SLOT_LEN]);
/* Opens the same node once more, with open() flags @flags: a client of its own. */
int barium_reopen(int fd, int flags);

/* The name of the framebuffer, "fb0", through which the kernel's console is on the screen. */
bool barium_console(int fd, char name[static BARIUM_NAME_LEN]);

/* ioctl() that starts over when a signal interrupts it; 0 or a negative errno. */
int barium_ioctl(int fd, unsigned long request, void *arg);

int __barium_get_param(int fd, __u32 param, __u64 *value);
__u64 barium_get_param(int fd, __u32 param);
__u64 barium_vram_size(int fd);
__u64 barium_vram_available(int fd);
/* The size of the largest contiguous object that there is room for. */
__u64 barium_vram_largest_piece(int fd);
size_t barium_page_size(void);

/* On success *size is what the driver returned. */
int __barium_gem_create(int fd, __u64 *size, __u32 flags, __u32 *handle);
__u32 barium_gem_create(int fd, __u64 size);
int __barium_gem_mmap_offset(int fd, __u32 handle, __u64 *offset);
__u64 barium_gem_mmap_offset(int fd, __u32 handle);
int __barium_gem_info(int fd, __u32 handle, struct drm_barium_gem_info *info);
void barium_gem_info(int fd, __u32 handle, struct drm_barium_gem_info *info);
int __barium_gem_close(int fd, __u32 handle);
/* Exports an object: a dma-buf's file descriptor, or a negative errno. */
int __barium_gem_export(int fd, __u32 handle, __u32 flags);

/* mmap() of @fd that answers with 0 and the address, or with a negative errno. */
int __barium_mmap(int fd, size_t length, int prot, int flags, __u64 offset, void **map);
/* Maps an object shared, readable and writable. */
void *barium_mmap(int fd, __u32 handle, size_t length);
/* Asserts that an mmap() is refused with @error, a positive errno. */
void barium_mmap_refused(int fd, size_t length, int prot, int flags, __u64 offset, int error);
void barium_munmap(void *map, size_t length);

/* An object and one mapping of the whole of it. */
struct barium_bo {
	__u32 handle;
	__u64 size;
	__u64 offset;
	__u8 *map;
};

struct barium_bo barium_bo_create(int fd, size_t pages);
/* Unmaps and closes what is still there. */
void barium_bo_fini(int fd, struct barium_bo *bo);

/*
 * Stamps: each page gets a value of its own at its start and at its end, made from @seed and the
 * page's number in the object. @map shows the object from page @first on.
 */
void barium_stamp(void *map, size_t first, size_t pages, __u32 seed);
void barium_check_stamp(const void *map, size_t first, size_t pages, __u32 seed);
/* Like barium_check_stamp(), but tells instead of asserting. */
bool barium_is_stamped(const void *map, size_t first, size_t pages, __u32 seed);
void barium_check_zero(const void *map, size_t length);

/* Reads or writes one byte: 0, or the signal that the access raised. */
int barium_try_read(const void *byte);
int barium_try_write(void *byte);

/* Takes VRAM in objects of @size bytes until no more fit; the caller frees *handles. */
size_t barium_fill(int fd, __u64 size, __u32 **handles);

/*
 * Creates an object no two pages of which are neighbours in VRAM. What keeps them apart belongs to
 * the file that is returned, and goes when that is closed.
 */
int barium_bo_create_scattered(int fd, size_t pages, struct barium_bo *bo);

/* Minor faults that the calling thread has taken. */
long barium_minor_faults(void);

/* Runs @run in a child process and returns its wait status. */
int barium_in_child(void (*run)(void *data), void *data);

#endif
