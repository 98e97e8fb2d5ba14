/* SPDX-License-Identifier: MIT */
/*
 * Helpers for the tests of the barium driver: they find the device, call its ioctls, and create
 * mapped objects with known content.
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

/* The size of a buffer for a PCI address, "0000:00:01.0". */
#define BARIUM_SLOT_LEN 32
/* The size of a buffer for a framebuffer name, "fb0". */
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

/*
 * Opens a node of the device at the PCI address in $BARIUM_DEVICE, or of the first barium device.
 * Skips if there is none.
 */
int barium_open_render(void);
int barium_open_primary(void);
/* Returns a file descriptor, or a negative errno if there is no device. */
int __barium_open_primary(void);

/* Loads another driver and opens the primary node of its device. Skips if there is no device. */
int barium_load_and_open(const char *driver);

/*
 * Opens the render node of the device at PCI address @slot with open() flags @flags. Returns a file
 * descriptor or a negative errno.
 */
int __barium_open_slot(const char *slot, int flags);
/* Stores the PCI address of the device of an open node in @slot. */
void barium_slot(int fd, char slot[static BARIUM_SLOT_LEN]);
/* Opens another client on the node of @fd, with open() flags @flags. */
int barium_reopen(int fd, int flags);

/*
 * Stores the name of the fbdev device that the kernel's console uses on this device ("fb0") in
 * @name. Returns false if there is none.
 */
bool barium_console(int fd, char name[static BARIUM_NAME_LEN]);

/* Writes @text to the existing file @path. Returns 0 or a negative errno. */
int __barium_write_file(const char *path, const char *text);

/* Opens the kernel log at its end. Skips if it cannot be opened. */
int barium_open_log(void);
/* Reads the rest of the kernel log @log. Returns true if a line of it contains @text. */
bool barium_is_logged(int log, const char *text);

/* Calls igt_ioctl(). Returns 0 or a negative errno. */
int barium_ioctl(int fd, unsigned long request, void *arg);

int __barium_get_param(int fd, __u32 param, __u64 *value);
__u64 barium_get_param(int fd, __u32 param);
__u64 barium_vram_size(int fd);
/*
 * Returns the bytes of VRAM that are available. With $BARIUM_MOVES, objects move between VRAM and
 * system memory at any time, so that the number says nothing about a test: returns all of VRAM.
 */
__u64 barium_vram_available(int fd);
/* Returns the size of the largest contiguous object that VRAM has room for. */
__u64 barium_vram_largest_piece(int fd);
size_t barium_page_size(void);

/* On success, stores the size that the driver returns in *size. */
int __barium_gem_create(int fd, __u64 *size, __u32 flags, __u32 *handle);
/*
 * The flags with which barium_gem_create() and barium_bo_create() create objects: 0, or
 * BARIUM_GEM_CREATE_SYSTEM if the name of the program starts with "barium_system_". The Makefile
 * gives tests of mappings such a second name.
 */
__u32 barium_create_flags(void);
/* Skips if these objects are in system memory. */
void barium_require_vram(void);
/* Returns the bytes of VRAM that such an object of @size bytes takes: @size or 0. */
__u64 barium_vram_of(__u64 size);
__u32 barium_gem_create(int fd, __u64 size);
int __barium_gem_mmap_offset(int fd, __u32 handle, __u64 *offset);
__u64 barium_gem_mmap_offset(int fd, __u32 handle);
int __barium_gem_info(int fd, __u32 handle, struct drm_barium_gem_info *info);
void barium_gem_info(int fd, __u32 handle, struct drm_barium_gem_info *info);
/* Gives @advice for an object. On success, stores whether its content was kept in *retained. */
int __barium_madvise(int fd, __u32 handle, __u32 advice, __u32 *retained);
/* Returns true if the content was kept. */
bool barium_madvise(int fd, __u32 handle, __u32 advice);
int __barium_gem_close(int fd, __u32 handle);
/* Exports an object. Returns the file descriptor of a dma-buf, or a negative errno. */
int __barium_gem_export(int fd, __u32 handle, __u32 flags);

/* Calls mmap() for @fd and stores the address in *map. Returns 0 or a negative errno. */
int __barium_mmap(int fd, size_t length, int prot, int flags, __u64 offset, void **map);
/* Creates a shared, readable and writable mapping of an object. */
void *barium_mmap(int fd, __u32 handle, size_t length);
/* Asserts that mmap() fails with @error, a positive errno. */
void barium_mmap_refused(int fd, size_t length, int prot, int flags, __u64 offset, int error);
void barium_munmap(void *map, size_t length);

/* An object and a mapping of all its pages. */
struct barium_bo {
	__u32 handle;
	__u64 size;
	__u64 offset;
	__u8 *map;
};

struct barium_bo barium_bo_create(int fd, size_t pages);
struct barium_bo barium_bo_create_with(int fd, size_t pages, __u32 flags);
/* Removes the mapping unless @bo->map is NULL, and closes the handle unless it is 0. */
void barium_bo_fini(int fd, struct barium_bo *bo);

/*
 * Stamps pages: writes a unique value, computed from @seed and the number of the page in the
 * object, to the first and to the last word of each page. @map maps the object from its page
 * @first.
 */
void barium_stamp(void *map, size_t first, size_t pages, __u32 seed);
void barium_check_stamp(const void *map, size_t first, size_t pages, __u32 seed);
/* Returns true if the stamps are right; barium_check_stamp() asserts that. */
bool barium_is_stamped(const void *map, size_t first, size_t pages, __u32 seed);
void barium_check_zero(const void *map, size_t length);

/* Read or write one byte. Return 0, or the number of the signal that the access raises. */
int barium_try_read(const void *byte);
int barium_try_write(void *byte);

/*
 * Creates objects of @size bytes, which are in VRAM, until VRAM has no room for another one.
 * Returns their number, and their handles in an array that the caller frees.
 */
size_t barium_fill(int fd, __u64 size, __u32 **handles);

/*
 * Creates an object without adjacent pages in VRAM. Returns a file descriptor: its client owns the
 * objects between the pages, and closing it frees them.
 */
int barium_bo_create_scattered(int fd, size_t pages, struct barium_bo *bo);

/* Returns the number of minor faults of the calling thread. */
long barium_minor_faults(void);

/* Calls @run in a child process and returns the wait status. */
int barium_in_child(void (*run)(void *data), void *data);

#endif
