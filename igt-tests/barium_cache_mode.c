// SPDX-License-Identifier: MIT
/**
 * TEST: barium cache mode
 * Description: The cache mode of mappings: write-combining in the page table entries, and in the
 *   memtype list of the kernel, which determines the mode of new entries.
 * Category: Core
 * Sub-category: DRM
 * Functionality: cache mode
 *
 * SUBTEST: touched
 * Description: PTEs of touched pages are write-combining.
 *
 * SUBTEST: read-only
 * Description: PTEs of a read-only mapping are write-combining and read-only.
 *
 * SUBTEST: after-mprotect
 * Description: mprotect() keeps PTEs write-combining.
 *
 * SUBTEST: fork
 * Description: PTEs of a child are write-combining.
 *
 * SUBTEST: memory-type
 * Description: The PAT memtype list covers all of VRAM as write-combining.
 */
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_mapping.h"

IGT_TEST_DESCRIPTION("Checks that mappings are write-combining.");

#define RW (PROT_READ | PROT_WRITE)

static void test_touched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	size_t page = barium_page_size();
	int on_stack = 0;

	READ_ONCE(bo.map[0]);
	WRITE_ONCE(bo.map[3 * page], 1);
	barium_check_write_combining(bo.map);
	barium_check_write_combining(bo.map + 3 * page);

	/* Shows that the module distinguishes system memory. */
	WRITE_ONCE(on_stack, 1);
	igt_assert(!barium_is_write_combining(&on_stack));
	barium_bo_fini(fd, &bo);
}

static void test_read_only(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	struct barium_entry entry;
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	READ_ONCE(map[0]);
	barium_check_write_combining(map);
	barium_find_entry(map, &entry);
	igt_assert(!(entry.flags & BARIUM_ENTRY_WRITABLE));

	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_fork(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	size_t page = barium_page_size();

	READ_ONCE(bo.map[0]);
	barium_check_write_combining(bo.map);
	igt_fork(child, 1) {
		READ_ONCE(bo.map[0]);
		WRITE_ONCE(bo.map[page], 1);
		barium_check_write_combining(bo.map);
		barium_check_write_combining(bo.map + page);
	}
	igt_waitchildren();
	barium_bo_fini(fd, &bo);
}

/* No other memory type overlaps VRAM. */
static void test_memory_type(int fd)
{
	FILE *list = barium_debugfs("x86/pat_memtype_list"), *resource;
	char slot[BARIUM_SLOT_LEN], path[128], line[256];
	unsigned long long bar, start, end, covered;
	int rest;

	igt_require_f(list, "x86 only has a list of memory types\n");
	barium_slot(fd, slot);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", slot);
	resource = fopen(path, "r");
	igt_assert(resource);
	igt_assert_eq(fscanf(resource, "%llx", &bar), 1);
	fclose(resource);

	covered = bar;
	while (fgets(line, sizeof(line), list)) {
		if (sscanf(line, "PAT: [mem %llx-%llx]%n", &start, &end, &rest) != 2 ||
		    end <= bar || start >= bar + barium_vram_size(fd))
			continue;

		igt_assert_f(!strncmp(line + rest, " write-combining", 16), "VRAM: %s", line);
		if (start <= covered && end > covered)
			covered = end;
	}
	fclose(list);
	igt_assert_lte_u64(bar + barium_vram_size(fd), covered);
}

int igt_main()
{
	igt_describe("PTEs of touched pages are write-combining.");
	igt_subtest("touched")
		test_touched(barium_new_client());

	igt_describe("PTEs of a read-only mapping are write-combining and read-only.");
	igt_subtest("read-only")
		test_read_only(barium_new_client());

	igt_describe("mprotect() keeps PTEs write-combining.");
	igt_subtest("after-mprotect") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);
		size_t page = barium_page_size();

		READ_ONCE(bo.map[0]);
		igt_assert_eq(mprotect(bo.map, bo.size, PROT_READ), 0);
		igt_assert_eq(mprotect(bo.map, bo.size, RW), 0);
		WRITE_ONCE(bo.map[0], 1);
		WRITE_ONCE(bo.map[page], 1);
		barium_check_write_combining(bo.map);
		barium_check_write_combining(bo.map + page);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("PTEs of a child are write-combining.");
	igt_subtest("fork")
		test_fork(barium_new_client());

	igt_describe("The PAT memtype list covers all of VRAM as write-combining.");
	igt_subtest("memory-type")
		test_memory_type(barium_new_client());
}
