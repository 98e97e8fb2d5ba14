// SPDX-License-Identifier: MIT
/*
 * The page of zeros that mappings of an object show once the device is gone.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_unplug.h"

/**
 * TEST: barium zero page
 * Description: Checks the page that replaces VRAM in mappings once the device is gone.
 * Category: Core
 * Mega feature: General Core features
 * Functionality: memory management tests
 * Feature: hotunplug
 * Test category: functionality test
 *
 * SUBTEST: watched-writes
 * Description: Soft-dirty tracking sees a write to the page.
 *
 * SUBTEST: cached
 * Description: The page is mapped with the memory type of system memory.
 */

IGT_TEST_DESCRIPTION("The page of zeros that mappings show once the device is gone.");

#define PAGES 4
/* Bits 55 and 63 of an entry in /proc/self/pagemap. */
#define SOFT_DIRTY 0x0080000000000000ull
#define PRESENT 0x8000000000000000ull

static __u64 pagemap_entry(const void *addr)
{
	int file = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	__u64 entry;
	off_t at = (uintptr_t)addr / barium_page_size() * sizeof(entry);

	igt_assert_lte(0, file);
	igt_assert_eq(pread(file, &entry, sizeof(entry), at), sizeof(entry));
	close(file);
	return entry;
}

static void watched_writes(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();
	int clear;

	igt_require_f(barium_has_vm_flag(bo.map, "sd"), "the kernel does not track writes\n");
	barium_unbind();
	igt_fork(child, 1) {
		clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
		igt_assert_lte(0, clear);
		igt_assert_eq(write(clear, "4", 1), 1);
		close(clear);

		READ_ONCE(bo.map[0]);
		igt_assert((pagemap_entry(bo.map) & (PRESENT | SOFT_DIRTY)) == PRESENT);
		WRITE_ONCE(bo.map[0], 0x55);
		igt_assert(pagemap_entry(bo.map) & SOFT_DIRTY);
		WRITE_ONCE(bo.map[page], 0x66);
		igt_assert(pagemap_entry(bo.map + page) & SOFT_DIRTY);
		igt_assert_eq_u32(READ_ONCE(bo.map[0]), 0x66);
	}
	igt_waitchildren();
	barium_bo_unmap(&bo);
	barium_bind();
}

static void cached(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	char entry[512];

	barium_unbind();
	WRITE_ONCE(bo.map[0], 0x55);
	barium_page_table_entry(bo.map, entry, sizeof(entry));
	igt_assert_f(!strstr(entry, " PWT ") && !strstr(entry, " PCD "),
		     "the page table entry is%s\n", entry);
	barium_bo_unmap(&bo);
	barium_bind();
}

static const struct barium_subtest tests[] = {
	{ "watched-writes", "Soft-dirty tracking sees a write to the page.", watched_writes },
	{ "cached", "The page is mapped as system memory.", cached },
	{}
};

int igt_main()
{
	barium_unplug_subtests(tests);
}
