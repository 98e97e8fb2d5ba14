/* SPDX-License-Identifier: MIT */
/*
 * Queries the VMA flags and the page table entries of a mapping of this process.
 */
#ifndef MAPPING_INFO_H
#define MAPPING_INFO_H

#include <stddef.h>

/*
 * Stores the two-letter flags of the VMA at @addr, as in /proc/self/smaps, or "unknown" if there is
 * no VMA at @addr.
 */
void mapping_flags(const void *addr, char *flags, size_t length);

/*
 * Returns the cache mode in the page table entry at @addr. The page must have been accessed before.
 * Returns "unknown" if the kernel has no CONFIG_PTDUMP_DEBUGFS, or debugfs is not readable.
 */
const char *mapping_cache_mode(const void *addr);

#endif
