/* SPDX-License-Identifier: MIT */
/*
 * Helpers that read the state of a mapping: the flags of its VMA from procfs, and its page table
 * entries from the module of test-module/.
 */
#ifndef BARIUM_LIB_MAPPING_H
#define BARIUM_LIB_MAPPING_H

#include "barium_entry.h"
#include "barium_lib.h"

/* Returns the value of a line of fdinfo with a size, in bytes. */
__u64 barium_size_of(const char *value);

/*
 * Returns the value of a key in the fdinfo of an open node ("drm-resident-memory"), in bytes;
 * UINT64_MAX if the key is missing.
 */
__u64 barium_client_bytes(int fd, const char *key);
/* Returns how long CPUs have copied the content of the client's objects, by fdinfo, in ns. */
__u64 barium_copy_time(int fd);

/* Return how much of the client's objects is in VRAM, and in system memory, by fdinfo, in bytes. */
__u64 barium_in_vram(int fd);
__u64 barium_in_memory(int fd);
/* Returns the value of a line of /proc/meminfo ("Shmem"), in bytes. */
__u64 barium_meminfo(const char *key);

/*
 * Moves all objects out of VRAM that the display cannot show: another client creates a contiguous
 * object of the size of VRAM, and closes it.
 */
void barium_move_out(int fd);

/* Makes the kernel call all shrinkers, without a line in its log. */
void barium_shrink(void);

/* Opens a file of debugfs for reading. Returns NULL if it does not exist. */
FILE *barium_debugfs(const char *name);

/*
 * Asserts that the VMA at @addr has VM_SHARED, VM_PFNMAP, VM_IO, VM_DONTEXPAND and VM_DONTDUMP, and
 * neither VM_HUGETLB nor VM_MIXEDMAP.
 */
void barium_check_vm_flags(const void *addr);

/* Returns true if VmFlags in smaps has the two-letter code @flag for the VMA at @addr. */
bool barium_has_vm_flag(const void *addr, const char *flag);

/*
 * Maps @bo @times times, side by side, so that MAP_AHEAD of all mappings takes long. Returns the
 * address of the first one, or NULL.
 */
void *barium_map_times(int fd, const struct barium_bo *bo, size_t times);

/* Skips if the module of test-module/ is not loaded. A test that forks calls this before. */
void barium_require_entries(void);

/*
 * Stores the page table entry for @addr in @entry, and asserts that there is one. On x86, compares
 * it with the kernel's page table dump, if the kernel has one. This function and the next ones skip
 * if the module of test-module/ is not loaded.
 */
void barium_find_entry(const void *addr, struct barium_entry *entry);
/* Returns true if the entry is write-combining. */
bool barium_is_write_combining(const void *addr);
/* Assert that the entry is write-combining, or cached as system memory is. */
void barium_check_write_combining(const void *addr);
void barium_check_cached(const void *addr);

#endif
