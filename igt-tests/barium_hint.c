// SPDX-License-Identifier: MIT
/**
 * TEST: barium hint
 * Description: Tests of the address that mmap() returns if the caller passes one.
 * Category: Core
 * Sub-category: DRM
 * Functionality: mmap
 *
 * SUBTEST: small
 * Description: mmap() follows a hint if an object smaller than a huge entry fits exactly.
 *
 * SUBTEST: large
 * Description: mmap() follows a hint if an object with room for huge entries fits exactly.
 *
 * SUBTEST: taken
 * Description: mmap() chooses another address if the object does not fit at the hint.
 *
 * SUBTEST: fixed
 * Description: MAP_FIXED replaces the mapping at the address.
 *
 * SUBTEST: fixed-noreplace
 * Description: MAP_FIXED_NOREPLACE maps at a free address, and fails at an occupied one.
 */
#include <errno.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Address hints of mmap().");

#define RW (PROT_READ | PROT_WRITE)
#define HUGE_SIZE (2u << 20)

/* Reserves address space with a hole of @size bytes, and returns the address of the hole. */
static __u8 *make_hole(size_t size)
{
	size_t margin = 4 * HUGE_SIZE + 3 * barium_page_size();
	__u8 *room = mmap(NULL, size + 2 * margin, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	igt_assert(room != MAP_FAILED);
	barium_munmap(room + margin, size);
	return room + margin;
}

static void *map_at(int fd, const struct barium_bo *bo, void *hint, int flags)
{
	return mmap(hint, bo->size, RW, MAP_SHARED | flags, fd, bo->offset);
}

static void follow(size_t size)
{
	int fd = barium_new_client();
	size_t pages = size / barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, pages);
	__u8 *hole = make_hole(bo.size);

	barium_stamp(bo.map, 0, pages, 1);
	igt_assert(map_at(fd, &bo, hole, 0) == hole);
	barium_check_stamp(hole, 0, pages, 1);
}

int igt_main()
{
	igt_describe("mmap() follows a hint if an object smaller than a huge entry fits exactly.");
	igt_subtest("small")
		follow(3 * barium_page_size());

	igt_describe("mmap() follows a hint if an object with room for huge entries fits exactly.");
	igt_subtest("large")
		follow(HUGE_SIZE + 3 * barium_page_size());

	igt_describe("mmap() chooses another address if the object does not fit at the hint.");
	igt_subtest("taken") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 3);
		__u8 *hole = make_hole(bo.size - barium_page_size()), *map;

		barium_stamp(bo.map, 0, 3, 1);
		map = map_at(fd, &bo, hole, 0);
		igt_assert(map != MAP_FAILED && map != hole);
		barium_check_stamp(map, 0, 3, 1);
	}

	igt_describe("MAP_FIXED replaces the mapping at the address.");
	igt_subtest("fixed") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 3);
		__u8 *taken = make_hole(barium_page_size()) - 5 * barium_page_size();

		barium_stamp(bo.map, 0, 3, 1);
		igt_assert(map_at(fd, &bo, taken, MAP_FIXED) == taken);
		barium_check_stamp(taken, 0, 3, 1);
	}

	igt_describe("MAP_FIXED_NOREPLACE maps at a free address, and fails at an occupied one.");
	igt_subtest("fixed-noreplace") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 3);
		__u8 *hole = make_hole(bo.size);

		barium_stamp(bo.map, 0, 3, 1);
		igt_assert(map_at(fd, &bo, hole, MAP_FIXED_NOREPLACE) == hole);
		barium_check_stamp(hole, 0, 3, 1);
		igt_assert(map_at(fd, &bo, hole, MAP_FIXED_NOREPLACE) == MAP_FAILED);
		igt_assert_eq(errno, EEXIST);
	}
}
