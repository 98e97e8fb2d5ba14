/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note OR MIT */
/*
 * The interface of the module for tests: /dev/barium_entry shows the page table entries of the
 * process that asks.
 */
#ifndef BARIUM_ENTRY_H
#define BARIUM_ENTRY_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Memory types. */
#define BARIUM_ENTRY_CACHED		0
#define BARIUM_ENTRY_WRITE_COMBINING	1
#define BARIUM_ENTRY_UNCACHED		2
/* The entry has no memory type: the type is a property of the physical address. */
#define BARIUM_ENTRY_BY_ADDRESS		3

/* The process may write; the page counts as written to. */
#define BARIUM_ENTRY_WRITABLE		1
#define BARIUM_ENTRY_DIRTY		2

/**
 * struct barium_entry - The page table entry of an address
 * @address: The address, in the calling process.
 * @value: Returns the entry as the CPU reads it, 0 if there is none.
 * @size: Returns the number of bytes that the entry maps, which tells the level of its table.
 * @pfn: Returns the PFN of the page at @address.
 * @type: Returns one of the memory types.
 * @flags: Returns flags.
 */
struct barium_entry {
	__u64 address;
	__u64 value;
	__u64 size;
	__u64 pfn;
	__u32 type;
	__u32 flags;
};

#define BARIUM_ENTRY_FIND	_IOWR('|', 0x90, struct barium_entry)

#endif
