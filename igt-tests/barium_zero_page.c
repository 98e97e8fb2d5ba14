// SPDX-License-Identifier: MIT
/**
 * TEST: barium zero page
 * Description: Tests of the zero page of an object, which its mappings map after unbind.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Unbind
 *
 * SUBTEST: watched-writes
 * Description: The zero page is write-protected under soft-dirty tracking.
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

/* Checks whether the page table entry for @addr allows writes. */
static void check_writable(const void *addr, bool writable)
{
	struct barium_entry entry;

	barium_find_entry(addr, &entry);
	igt_assert_eq_u32(entry.flags & BARIUM_ENTRY_WRITABLE,
			  writable ? BARIUM_ENTRY_WRITABLE : 0);
}

/* /proc/PID/pagemap leaves out VM_PFNMAP VMAs, so the test reads the page table. */
static void test_watched_writes(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();
	int clear;

	barium_require_entries();
	igt_require_f(barium_has_vm_flag(bo.map, "sd"), "the kernel has no soft-dirty tracking\n");
	barium_unbind();
	igt_fork(child, 1) {
		clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
		igt_assert_lte(0, clear);
		igt_assert_eq(write(clear, "4", 1), 1);
		close(clear);

		READ_ONCE(bo.map[0]);
		check_writable(bo.map, false);
		WRITE_ONCE(bo.map[0], 0x55);
		check_writable(bo.map, true);
		WRITE_ONCE(bo.map[page], 0x66);
		check_writable(bo.map + page, true);
		igt_assert_eq_u32(READ_ONCE(bo.map[0]), 0x66);
	}
	igt_waitchildren();
	barium_bo_unmap(&bo);
	barium_bind();
}

static void test_cached(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_unbind();
	WRITE_ONCE(bo.map[0], 0x55);
	barium_check_cached(bo.map);
	barium_bo_unmap(&bo);
	barium_bind();
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("The zero page is write-protected under soft-dirty tracking.");
	igt_subtest("watched-writes")
		test_watched_writes(barium_new_bound_client());

	igt_describe("The zero page is mapped write-back, as system memory.");
	igt_subtest("cached")
		test_cached(barium_new_bound_client());
}
