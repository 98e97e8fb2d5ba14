/* SPDX-License-Identifier: MIT */
/*
 * Dma-bufs: export, import and mapping.
 */
#ifndef BARIUM_LIB_PRIME_H
#define BARIUM_LIB_PRIME_H

#include "barium_lib.h"

/* Exports an object for reading and writing; skips where the driver has no export. */
int barium_export(int fd, __u32 handle);
/* The same with these DRM_* flags. */
int barium_export_with(int fd, __u32 handle, __u32 flags);

/* Imports a dma-buf: 0 or a negative errno. */
int __barium_import(int fd, int buf, __u32 *handle);
/* The handle of a dma-buf that can be imported. */
__u32 barium_import(int fd, int buf);

/* Maps @pages pages of a dma-buf, shared, from page @first on. */
void *barium_map_buf(int buf, size_t first, size_t pages);

#endif
