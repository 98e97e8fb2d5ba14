/* SPDX-License-Identifier: MIT */
/*
 * What the kernel tells about a mapping of this process.
 */
#ifndef MAPPING_INFO_H
#define MAPPING_INFO_H

#include <stddef.h>

/* The two-letter flags of the mapping at @addr, as in /proc/self/smaps; "unknown" without. */
void mapping_flags(const void *addr, char *flags, size_t length);

/*
 * The cache mode in the page table entry of the page at @addr, which has to have been touched.
 * "unknown" where debugfs has no page tables (CONFIG_PTDUMP_DEBUGFS) or may not be read.
 */
const char *mapping_cache_mode(const void *addr);

#endif
