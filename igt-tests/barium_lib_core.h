/* SPDX-License-Identifier: MIT */
/*
 * Helper for tests of core dumps: creates one for the test to read.
 */
#ifndef BARIUM_LIB_CORE_H
#define BARIUM_LIB_CORE_H

#include "barium_lib.h"

/* Bits of /proc/PID/coredump_filter. */
#define BARIUM_CORE_ANON_PRIVATE	0x001
#define BARIUM_CORE_FILE_PRIVATE	0x004
#define BARIUM_CORE_FILE_SHARED		0x008
#define BARIUM_CORE_ALL			0x1ff

/*
 * Forks a child, which inherits all mappings, and makes it dump core with the coredump_filter
 * @filter. Returns the dump, which is deleted already. Skips if the kernel writes no core dumps.
 */
FILE *barium_dump_core(unsigned int filter);

#endif
