/* SPDX-License-Identifier: MIT */
/*
 * Helpers that read the state of a mapping from procfs and debugfs: the flags of its VMA, and its
 * page table entries.
 */
#ifndef BARIUM_LIB_MAPPING_H
#define BARIUM_LIB_MAPPING_H

#include "barium_lib.h"

/* Returns the value of a line of fdinfo with a size, in bytes. */
__u64 barium_size_of(const char *value);

/*
 * Returns the value of a key in the fdinfo of an open node ("drm-resident-memory"), in bytes;
 * UINT64_MAX if the key is missing.
 */
__u64 barium_client_bytes(int fd, const char *key);

/* Opens a file of debugfs for reading. Returns NULL if it does not exist. */
FILE *barium_debugfs(const char *name);

/*
 * Asserts that the VMA at @addr has VM_SHARED, VM_PFNMAP, VM_IO, VM_DONTEXPAND and VM_DONTDUMP, and
 * neither VM_HUGETLB nor VM_MIXEDMAP.
 */
void barium_check_vm_flags(const void *addr);

/* Returns true if VmFlags in smaps has the two-letter code @flag for the VMA at @addr. */
bool barium_has_vm_flag(const void *addr, const char *flag);

/* Skips if the kernel has no page table dump. A test that forks calls this before. */
void barium_require_page_table_dump(void);

/*
 * Stores the attributes of the page table entry for @addr in @entry, in the form of the kernel's
 * page table dump: " USR RW PWT NX pte". This function and the next two skip if the kernel has no
 * dump.
 */
void barium_page_table_entry(const void *addr, char *entry, size_t length);
/* Returns true if the entry is write-combining. */
bool barium_is_write_combining(const void *addr);
/* Asserts that the entry is write-combining and accessible to user mode. */
void barium_check_write_combining(const void *addr);

#endif
