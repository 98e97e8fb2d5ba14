// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of objects that are large enough for huge PMDs; see barium_lib_huge.h.
 */
#include "igt.h"
#include "barium_lib_huge.h"

size_t barium_huge_size(void)
{
	size_t page = barium_page_size();
	/* A page table fills a page. */
	size_t size = page / sizeof(__u64) * page;

	return size <= 64ul << 20 ? size : 2ul << 20;
}

size_t barium_huge_pages(void)
{
	return BARIUM_HUGE / barium_page_size();
}

size_t barium_huge_bo_pages(void)
{
	return BARIUM_HUGE_COUNT * barium_huge_pages();
}

struct barium_bo barium_huge_bo_create(int fd)
{
	struct barium_bo bo = { .size = BARIUM_HUGE_COUNT * BARIUM_HUGE };

	igt_require_f(barium_vram_available(fd) >= 4 * BARIUM_HUGE, "not enough VRAM\n");
	igt_assert_eq(__barium_gem_create(fd, &bo.size, BARIUM_GEM_CREATE_CONTIGUOUS, &bo.handle),
		      0);
	bo.offset = barium_gem_mmap_offset(fd, bo.handle);
	bo.map = barium_mmap(fd, bo.handle, bo.size);
	barium_stamp(bo.map, 0, barium_huge_bo_pages(), 1);
	return bo;
}

void barium_require_huge(int fd)
{
	__u64 huge = barium_get_param(fd, BARIUM_PARAM_HUGE_SIZE);

	igt_require_f(huge, "no huge PMDs\n");
	igt_require_f(huge == BARIUM_HUGE, "no display has room for huge PMDs of %llu MiB\n",
		      (unsigned long long)huge >> 20);
}
