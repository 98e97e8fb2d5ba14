// SPDX-License-Identifier: MIT
/*
 * The memory type of VRAM, where somebody else has mapped it first: on x86 the first mapping of a
 * range decides.
 */
#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_unplug.h"

/**
 * TEST: barium memory type
 * Description: Checks that the driver notices if it does not get VRAM write-combining.
 * Category: Core
 * Mega feature: General Core features
 * Functionality: memory management tests
 * Feature: gem_mmap
 * Test category: functionality test
 *
 * SUBTEST: mapped-before
 * Description: If root has VRAM mapped uncached when the driver is bound, the driver says so.
 */

IGT_TEST_DESCRIPTION("The memory type of VRAM.");

#define PAGES 4

/* Whether the kernel logs a line with @text that /dev/kmsg, @log, has not yet been read up to. */
static bool is_logged(int log, const char *text)
{
	char line[1024];
	bool found = false;
	ssize_t len;

	while ((len = read(log, line, sizeof(line) - 1)) > 0) {
		line[len] = '\0';
		found = found || strstr(line, text);
	}
	return found;
}

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

static void mapped_before(int fd)
{
	size_t page = barium_page_size();
	char slot[BARIUM_SLOT_LEN], path[PATH_MAX];
	int bar, log;
	void *map;

	barium_slot(fd, slot);
	igt_require_f(write_combines(), "VRAM is not write-combining anyway\n");
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", slot);
	log = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	bar = open(path, O_RDWR | O_CLOEXEC);
	igt_require_f(log >= 0 && bar >= 0, "no BAR for root, or no log\n");
	igt_assert_lte(0, lseek(log, 0, SEEK_END));
	close(fd);

	barium_unbind();
	map = mmap(NULL, page, PROT_READ, MAP_SHARED, bar, 0);
	barium_bind();
	igt_assert(map != MAP_FAILED);
	igt_assert(is_logged(log, "not write-combining"));
	igt_assert(!write_combines());

	barium_munmap(map, page);
	barium_unbind();
	barium_bind();
	igt_assert(!is_logged(log, "not write-combining"));
	igt_assert(write_combines());
	close(bar);
	close(log);
}

static const struct barium_subtest tests[] = {
	{ "mapped-before", "The driver says if VRAM is not write-combining.", mapped_before },
	{}
};

int igt_main()
{
	barium_unplug_subtests(tests);
}
