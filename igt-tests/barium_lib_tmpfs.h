/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests that compare the driver's use of tmpfs with a mount of their own.
 */
#ifndef BARIUM_LIB_TMPFS_H
#define BARIUM_LIB_TMPFS_H

#include <stddef.h>

/*
 * Creates a mount of tmpfs that has no path, with the option huge=@huge unless @huge is NULL. The
 * mount lasts until the file descriptor is closed. Returns a file descriptor of its root directory,
 * or a negative errno.
 */
int __barium_tmpfs(const char *huge);

/* Skips if a file of @size bytes on tmpfs, with huge=within_size, does not get huge pages only. */
void barium_require_huge_tmpfs(size_t size);

#endif
