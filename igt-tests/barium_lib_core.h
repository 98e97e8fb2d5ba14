/* SPDX-License-Identifier: MIT */
/*
 * What the tests of core dumps share: making one. What is in it is for the tests to read.
 */
#ifndef BARIUM_LIB_CORE_H
#define BARIUM_LIB_CORE_H

#include "barium_lib.h"

/* Kinds of memory, as /proc/<pid>/coredump_filter numbers them. */
#define BARIUM_CORE_ANON_PRIVATE	0x001
#define BARIUM_CORE_FILE_PRIVATE	0x004
#define BARIUM_CORE_FILE_SHARED		0x008
#define BARIUM_CORE_ALL			0x1ff

/*
 * Has a child, which has the mappings of its parent, dump core with the kinds of memory in @filter.
 * Opens the dump, of which nothing is left once it is closed. Skips where the kernel makes none.
 */
FILE *barium_dump_core(unsigned int filter);

#endif
