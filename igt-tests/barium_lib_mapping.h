/* SPDX-License-Identifier: MIT */
/*
 * What the kernel knows about a mapping: the flags of its VMA and the entries of its page table, as
 * procfs and debugfs show them.
 */
#ifndef BARIUM_LIB_MAPPING_H
#define BARIUM_LIB_MAPPING_H

#include "barium_lib.h"

/* Opens a file of debugfs; NULL if it is not there. */
FILE *barium_debugfs(const char *name);

/*
 * Asserts that the kernel takes the mapping at @addr for one of a device's page frames: shared,
 * without struct pages, not to be expanded, and not to be dumped.
 */
void barium_check_vm_flags(const void *addr);

/* Whether it has the flag with these two letters for the mapping at @addr. */
bool barium_has_vm_flag(const void *addr, const char *flag);

/*
 * The attributes that the page table holds for @addr, as the kernel dumps them, which is like
 * " USR RW PWT NX pte". Skips where the kernel has no such dump, as the next two do.
 */
void barium_page_table_entry(const void *addr, char *entry, size_t length);
/* Whether that entry is write-combining. */
bool barium_is_write_combining(const void *addr);
/* Asserts that it is, and that it is one for programs. */
void barium_check_write_combining(const void *addr);

#endif
