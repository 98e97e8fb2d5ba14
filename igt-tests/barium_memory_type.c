// SPDX-License-Identifier: MIT
/**
 * TEST: barium memory type
 * Description: Tests of the memory type of VRAM if another mapping of the BAR exists before the
 *   driver is bound: on x86, the first mapping of a range determines the memory type.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Write-combining
 *
 * SUBTEST: mapped-before
 * Description: The driver logs that VRAM is not write-combining.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("The memory type of VRAM.");

#define PAGES 4

static bool write_combines(void)
{
	int fd = barium_open_bound();
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	bool combines;

	WRITE_ONCE(bo.map[0], 1);
	combines = barium_is_write_combining(bo.map);
	barium_bo_fini(fd, &bo);
	close(fd);
	return combines;
}

static void test_mapped_before(int fd)
{
	FILE *list = barium_debugfs("x86/pat_memtype_list");
	size_t page = barium_page_size();
	char slot[BARIUM_SLOT_LEN], path[PATH_MAX];
	int bar, log;
	void *map;

	igt_require_f(list, "each mapping has a memory type of its own on this architecture\n");
	fclose(list);

	barium_slot(fd, slot);
	igt_require_f(write_combines(), "VRAM is not write-combining\n");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", slot);
	bar = open(path, O_RDWR | O_CLOEXEC);
	igt_require_f(bar >= 0, "the BAR cannot be opened\n");
	log = barium_open_log();
	close(fd);

	barium_unbind();
	map = mmap(NULL, page, PROT_READ, MAP_SHARED, bar, 0);
	barium_bind();
	igt_assert(map != MAP_FAILED);
	igt_assert(barium_is_logged(log, "not write-combining"));
	igt_assert(!write_combines());

	barium_munmap(map, page);
	barium_unbind();
	barium_bind();
	igt_assert(!barium_is_logged(log, "not write-combining"));
	igt_assert(write_combines());
	close(bar);
	close(log);
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("The driver logs that VRAM is not write-combining.");
	igt_subtest("mapped-before")
		test_mapped_before(barium_new_bound_client());
}
