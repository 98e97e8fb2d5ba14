/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of dma-bufs: export, import and mmap().
 */
#ifndef BARIUM_LIB_PRIME_H
#define BARIUM_LIB_PRIME_H

#include "barium_lib.h"

/* Exports an object with DRM_RDWR. Skips if the driver does not support export. */
int barium_export(int fd, __u32 handle);
/* Like barium_export(), with other flags than DRM_RDWR. */
int barium_export_with(int fd, __u32 handle, __u32 flags);

/* Imports a dma-buf. Returns 0 or a negative errno. */
int __barium_import(int fd, int buf, __u32 *handle);
__u32 barium_import(int fd, int buf);

/* Creates a shared mapping of @pages pages of a dma-buf, from its page @first. */
void *barium_map_buf(int buf, size_t first, size_t pages);

/*
 * Creates a dma-buf of @pages pages of system memory. If @map is not NULL, stores the address of a
 * mapping of these pages in *map. Skips if the kernel has no udmabuf.
 */
int barium_make_udmabuf(size_t pages, __u8 **map);

#endif
