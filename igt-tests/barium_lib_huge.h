/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of objects that are large enough for huge PMDs.
 */
#ifndef BARIUM_LIB_HUGE_H
#define BARIUM_LIB_HUGE_H

#include <stddef.h>

#include "barium_lib.h"

/*
 * Bytes that a huge PMD maps. With pages of 64 KiB these are 512 MiB, which no display of QEMU has
 * room for. Then this is 2 MiB, and barium_require_huge() skips.
 */
#define BARIUM_HUGE barium_huge_size()
size_t barium_huge_size(void);
/* The size of the object of barium_huge_bo_create(), in huge PMDs. */
#define BARIUM_HUGE_COUNT 3

/* Returns the number of pages that a huge PMD maps. */
size_t barium_huge_pages(void);
/* Returns the number of pages of the object of barium_huge_bo_create(). */
size_t barium_huge_bo_pages(void);

/*
 * Creates a stamped, contiguous object of BARIUM_HUGE_COUNT huge PMDs; its mapping has huge PMDs if
 * the kernel supports them. Skips if VRAM is too small.
 */
struct barium_bo barium_huge_bo_create(int fd);

/* Skips if the driver maps nothing with huge PMDs. */
void barium_require_huge(int fd);

#endif
