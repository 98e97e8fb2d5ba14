// SPDX-License-Identifier: MIT
/**
 * TEST: barium memcg
 * Description: Tests of kernel memory that the driver charges to the memory cgroup of the client.
 *   DRM and the buddy allocator do not charge the GEM object, its handle, its fake offset and its
 *   buddy blocks.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory cgroup
 *
 * SUBTEST: objects
 * Description: The driver's allocations for objects are charged.
 *
 * SUBTEST: zero-pages
 * Description: The zero pages that replace VRAM after unbind are charged.
 *
 * SUBTEST: system-pages
 * Description: Pages of system memory are charged to the task that touches them.
 */
#include "igt.h"
#include "barium_lib_cgroup.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Kernel memory is charged to the memory cgroup of the client.");

/* The number of one-page objects that a subtest creates. */
#define OBJECTS 2000
/*
 * A lower limit of the bytes that the driver allocates for each of them: the placement record, and
 * the list of the blocks in VRAM. One of them alone takes less.
 */
#define OBJECT_COST 96
/* The kernel charges in batches of 64 pages for each CPU. */
#define BATCH (2 * 64)
/* The kernel flushes its statistics every two seconds. */
#define FLUSH 3

/* Returns the bytes that are charged to the cgroup, to within BATCH pages. */
static long charged(void)
{
	return barium_cgroup_get("a", "memory.current");
}

/* Returns the bytes that are charged for slab objects. */
static long charged_slab(void)
{
	sleep(FLUSH);
	return barium_cgroup_stat("a", "slab_unreclaimable");
}

static void test_objects(int fd)
{
	long before = charged_slab(), during, after;
	__u32 handles[OBJECTS];
	size_t i;

	igt_require_f(barium_vram_available(fd) >= OBJECTS * barium_page_size(),
		      "VRAM is too small\n");
	for (i = 0; i < OBJECTS; i++)
		handles[i] = barium_gem_create(fd, barium_page_size());
	during = charged_slab();
	for (i = 0; i < OBJECTS; i++)
		gem_close(fd, handles[i]);
	after = charged_slab();
	igt_info("note: %ld bytes are charged for each object, %ld remain\n",
		 (during - before) / OBJECTS, (after - before) / OBJECTS);
	igt_assert_lte(OBJECT_COST * OBJECTS, during - before);
	igt_assert_lte(after - before, OBJECT_COST * OBJECTS / 2);
}

static void test_zero_pages(int fd)
{
	long page = barium_page_size(), before, during;
	struct barium_bo *bos;
	size_t i;

	igt_require_f(barium_vram_available(fd) >= (__u64)OBJECTS * page, "VRAM is too small\n");
	bos = calloc(OBJECTS, sizeof(*bos));
	igt_assert(bos);
	for (i = 0; i < OBJECTS; i++)
		bos[i] = barium_bo_create(fd, 1);
	barium_unbind();
	before = charged();
	for (i = 0; i < OBJECTS; i++)
		WRITE_ONCE(bos[i].map[0], 1);
	during = charged();
	igt_info("note: %ld bytes are charged for each zero page\n", (during - before) / OBJECTS);
	igt_assert_lte((OBJECTS - BATCH) * page, during - before);
	for (i = 0; i < OBJECTS; i++)
		barium_bo_unmap(&bos[i]);
	free(bos);
	barium_bind();
}

/* The calling process is in the cgroup. A child leaves it, and touches the other half. */
static void test_system_pages(int fd)
{
	long page = barium_page_size(), before = charged(), half, all;
	struct barium_bo bo = barium_bo_create_with(fd, OBJECTS, BARIUM_GEM_CREATE_SYSTEM);

	igt_assert_lte(charged() - before, BATCH * page);
	barium_stamp(bo.map, 0, OBJECTS / 2, 1);
	half = charged() - before;
	igt_info("note: %ld bytes are charged for each page\n", half / (OBJECTS / 2));
	igt_assert_lte((OBJECTS / 2 - BATCH) * page, half);

	igt_fork(child, 1) {
		barium_cgroup_enter("");
		barium_stamp(bo.map + OBJECTS / 2 * page, OBJECTS / 2, OBJECTS / 2, 1);
	}
	igt_waitchildren();
	all = charged() - before;
	igt_assert_lte(all - half, 2 * BATCH * page);
	barium_check_stamp(bo.map, 0, OBJECTS, 1);
	barium_bo_fini(fd, &bo);
	igt_assert_lte(charged() - before, 2 * BATCH * page);
}

int igt_main()
{
	igt_fixture() {
		barium_prepare_unplug();
		barium_cgroup_init("memory");
		barium_cgroup_create("a");
		barium_cgroup_enter("a");
	}

	igt_describe("The driver's allocations for objects are charged.");
	igt_subtest("objects")
		test_objects(barium_new_bound_client());

	igt_describe("The zero pages that replace VRAM after unbind are charged.");
	igt_subtest("zero-pages")
		test_zero_pages(barium_new_bound_client());

	igt_describe("Pages of system memory are charged to the task that touches them.");
	igt_subtest("system-pages")
		test_system_pages(barium_new_bound_client());

	igt_fixture()
		barium_cgroup_fini();
}
