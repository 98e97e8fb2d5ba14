// SPDX-License-Identifier: MIT
/**
 * TEST: barium zero page
 * Description: Tests of the zero page of an object, which its mappings map after unbind.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Unbind
 *
 * SUBTEST: watched-writes
 * Description: Soft-dirty tracking detects a write to the zero page.
 *
 * SUBTEST: cached
 * Description: The zero page is mapped write-back, as system memory.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("The zero page of an object after unbind.");

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

static void test_watched_writes(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();
	__u64 entry;
	int clear;

	igt_require_f(barium_has_vm_flag(bo.map, "sd"), "the kernel has no soft-dirty tracking\n");
	barium_unbind();
	igt_fork(child, 1) {
		clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
		igt_assert_lte(0, clear);
		igt_assert_eq(write(clear, "4", 1), 1);
		close(clear);

		READ_ONCE(bo.map[0]);
		entry = pagemap_entry(bo.map);
		igt_assert_f((entry & (PRESENT | SOFT_DIRTY)) == PRESENT,
			     "pagemap has %#llx after a read\n", (unsigned long long)entry);
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

static void test_cached(int fd)
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

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("Soft-dirty tracking detects a write to the zero page.");
	igt_subtest("watched-writes")
		test_watched_writes(barium_new_bound_client());

	igt_describe("The zero page is mapped write-back, as system memory.");
	igt_subtest("cached")
		test_cached(barium_new_bound_client());
}
