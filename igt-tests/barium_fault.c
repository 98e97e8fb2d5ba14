// SPDX-License-Identifier: MIT
/*
 * What the first touch of a page finds: the right page of the object, whatever was done to the
 * mapping before, and whoever else touches it. How many faults that takes is in
 * barium_fault_count, the cache mode in barium_cache_mode.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Which page of an object a fault maps.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 64

/* A stamped object; tests look at it through further mappings, which nothing has touched. */
static struct barium_bo stamped(int fd, size_t pages, __u32 seed)
{
	struct barium_bo bo = barium_bo_create(fd, pages);

	barium_stamp(bo.map, 0, pages, seed);
	return bo;
}

/* Page @page of a mapping that shows an object from page @first on. */
static void check_page(__u8 *map, size_t page, size_t first)
{
	barium_check_stamp(map + page * barium_page_size(), first + page, 1, 1);
}

/* Touches all pages: page @first, and then always the one @step further on, around the end. */
static void in_order(int fd, size_t first, size_t step)
{
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	size_t i;

	for (i = 0; i < PAGES; i++)
		check_page(map, (first + i * step) % PAGES, 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void order_forward(int fd)
{
	in_order(fd, 0, 1);
}

static void order_backward(int fd)
{
	in_order(fd, PAGES - 1, PAGES - 1);
}

static void order_scattered(int fd)
{
	/* It has no factor in common with the number of pages, so each page has its turn. */
	in_order(fd, 0, 37);
}

/* Two objects whose pages take turns: neither gets a page of the other. */
static void two_objects(int fd)
{
	struct barium_bo one = barium_bo_create(fd, PAGES), two = barium_bo_create(fd, PAGES);
	size_t i, at;

	for (i = 0; i < PAGES; i++) {
		at = i * barium_page_size();
		barium_stamp(one.map + at, i, 1, 1);
		barium_stamp(two.map + at, i, 1, 2);
	}
	barium_check_stamp(one.map, 0, PAGES, 1);
	barium_check_stamp(two.map, 0, PAGES, 2);
	barium_bo_fini(fd, &one);
	barium_bo_fini(fd, &two);
}

static void written_before_read(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	void *map = barium_mmap(fd, bo.handle, bo.size);

	barium_check_zero(map, bo.size);
	barium_stamp(bo.map, 0, PAGES, 1);
	barium_check_stamp(map, 0, PAGES, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Unmaps @count pages from page @first of an untouched mapping, then looks at the rest. */
static void after_munmap(int fd, size_t first, size_t count)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_munmap(map + first * page, count * page);
	for (i = 0; i < PAGES; i++) {
		if (i < first || i >= first + count)
			check_page(map, i, 0);
	}
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void after_munmap_front(int fd)
{
	after_munmap(fd, 0, 7);
}

static void after_munmap_middle(int fd)
{
	after_munmap(fd, 20, 5);
}

static void after_munmap_end(int fd)
{
	after_munmap(fd, PAGES - 9, 9);
}

static void after_munmap_twice(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_munmap(map, 3 * page);
	barium_munmap(map + 10 * page, 10 * page);
	barium_munmap(map + 22 * page, page);
	check_page(map, 3, 0);
	check_page(map, 9, 0);
	check_page(map, 20, 0);
	check_page(map, 21, 0);
	check_page(map, 23, 0);
	check_page(map, PAGES - 1, 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void after_mprotect(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	igt_assert_eq(mprotect(map + 10 * page, 10 * page, PROT_READ), 0);
	igt_assert_eq(mprotect(map + 30 * page, page, PROT_NONE), 0);
	for (i = 0; i < PAGES; i++) {
		if (i != 30)
			check_page(map, i, 0);
	}

	igt_assert_eq(mprotect(map + 30 * page, page, RW), 0);
	check_page(map, 30, 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Moves pages 5 to 9 of an untouched mapping elsewhere. */
static void after_mremap(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	__u8 *room = mmap(NULL, 5 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(room != MAP_FAILED);
	igt_assert(mremap(map + 5 * page, 5 * page, 5 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
			  room) == room);
	for (i = 0; i < 5; i++)
		check_page(room, i, 5);
	for (i = 10; i < PAGES; i++)
		check_page(map, i, 0);
	check_page(map, 4, 0);

	barium_munmap(room, 5 * page);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Like after_mremap(), with half of the moved pages touched before. */
static void after_mremap_touched(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size), *room;

	for (i = 0; i < PAGES; i += 2)
		check_page(map, i, 0);
	room = mmap(NULL, bo.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(room != MAP_FAILED);
	igt_assert(mremap(map + 16 * page, 16 * page, 16 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
			  room) == room);
	for (i = 0; i < 16; i++)
		check_page(room, i, 16);
	for (i = 32; i < PAGES; i++)
		check_page(map, i, 0);

	barium_munmap(room, bo.size);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void after_fixed(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = stamped(fd, PAGES, 1), other = stamped(fd, 4, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	igt_assert(mmap(map + 8 * page, other.size, RW, MAP_SHARED | MAP_FIXED, fd,
			other.offset) == map + 8 * page);
	check_page(map, 12, 0);
	check_page(map, 7, 0);
	barium_check_stamp(map + 8 * page, 0, 4, 1);
	check_page(map, PAGES - 1, 0);

	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &other);
	barium_bo_fini(fd, &bo);
}

static void fork_untouched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	igt_fork(child, 1)
		barium_stamp(bo.map, 0, PAGES, 1);
	igt_waitchildren();

	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_bo_fini(fd, &bo);
}

static void fork_touched(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES, 1);

	igt_fork(child, 1) {
		barium_check_stamp(bo.map, 0, PAGES, 1);
		barium_stamp(bo.map, 0, PAGES, 2);
	}
	igt_waitchildren();

	barium_check_stamp(bo.map, 0, PAGES, 2);
	barium_bo_fini(fd, &bo);
}

static void fork_split(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_munmap(map, 11 * page);
	igt_fork(child, 1) {
		barium_munmap(map + 20 * page, 3 * page);
		for (i = 11; i < 20; i++)
			check_page(map, i, 0);
		for (i = 23; i < PAGES; i++)
			check_page(map, i, 0);
	}
	igt_waitchildren();

	check_page(map, 20, 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Waits until the other side has written @wanted, which is a matter of milliseconds. */
static void wait_for_turn(__u32 *turn, __u32 wanted)
{
	int tries;

	for (tries = 0; READ_ONCE(*turn) != wanted; tries++) {
		igt_assert_f(tries < 30000, "turn %u never comes\n", wanted);
		usleep(1000);
	}
}

/* Parent and child each have a mapping of their own, and answer each other through it. */
static void two_processes(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	__u32 *turn;
	__u32 i;

	turn = (__u32 *)bo.map;
	WRITE_ONCE(*turn, 0);
	igt_fork(child, 1) {
		turn = barium_mmap(fd, bo.handle, bo.size);
		for (i = 1; i < 20; i += 2) {
			wait_for_turn(turn, i);
			WRITE_ONCE(*turn, i + 1);
		}
	}

	for (i = 0; i < 20; i += 2) {
		wait_for_turn(turn, i);
		WRITE_ONCE(*turn, i + 1);
	}
	igt_waitchildren();
	igt_assert_eq_u32(READ_ONCE(*turn), 20);
	barium_bo_fini(fd, &bo);
}

struct toucher {
	pthread_t thread;
	__u8 *map;
	size_t step;
	bool good;
};

static void *touch_all(void *data)
{
	struct toucher *toucher = data;
	size_t i, page;

	toucher->good = true;
	for (i = 0; i < PAGES; i++) {
		page = i * toucher->step % PAGES;
		if (!barium_is_stamped(toucher->map + page * barium_page_size(), page, 1, 1))
			toucher->good = false;
	}

	return NULL;
}

/* Four threads fault the same mapping, each in an order of its own. */
static void threads(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES, 1);
	struct toucher touchers[4];
	size_t i, round;
	void *map;

	for (round = 0; round < 20; round++) {
		map = barium_mmap(fd, bo.handle, bo.size);
		for (i = 0; i < ARRAY_SIZE(touchers); i++) {
			touchers[i] = (struct toucher){ .map = map, .step = 2 * i + 1 };
			igt_assert_eq(pthread_create(&touchers[i].thread, NULL, touch_all,
						     &touchers[i]), 0);
		}
		for (i = 0; i < ARRAY_SIZE(touchers); i++) {
			pthread_join(touchers[i].thread, NULL);
			igt_assert(touchers[i].good);
		}
		barium_munmap(map, bo.size);
	}
	barium_bo_fini(fd, &bo);
}

/* Accesses of each width, aligned, unaligned, and across the border of two pages. */
static void widths(int fd)
{
	typedef __u8 vector __attribute((vector_size(16), aligned(1)));
	struct barium_bo bo = barium_bo_create(fd, 3);
	const vector ramp = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	size_t page = barium_page_size(), at;
	__u8 *map = bo.map;

	for (at = page - 17; at < page + 3; at++) {
		memset(map, 0, 2 * page);
		*(vector *)(map + at) = ramp;
		igt_assert(map[at] == 1 && map[at + 7] == 8 && map[at + 15] == 16);
		igt_assert(!map[at - 1] && !map[at + 16]);
		igt_assert(*(__u16 __attribute((aligned(1))) *)(map + at + 2) == 0x0403);
		igt_assert(*(__u32 __attribute((aligned(1))) *)(map + at + 4) == 0x08070605);
		igt_assert(*(__u64 __attribute((aligned(1))) *)(map + at + 8) ==
			   0x100f0e0d0c0b0a09);
	}
	barium_bo_fini(fd, &bo);
}

/* The first access to both pages is one access. */
static void border_first_touch(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	__u8 *border = bo.map + barium_page_size();

	*(__u64 __attribute((aligned(1))) *)(border - 3) = 0x0807060504030201;
	igt_assert(border[-3] == 1 && border[-1] == 3 && border[0] == 4 && border[4] == 8);
	barium_bo_fini(fd, &bo);
}

static void atomics(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	__u32 *counter = (__u32 *)bo.map;

	igt_fork(child, 2) {
		for (int i = 0; i < 1000; i++)
			__atomic_add_fetch(counter, 1, __ATOMIC_SEQ_CST);
	}
	igt_waitchildren();
	igt_assert_eq_u32(READ_ONCE(*counter), 2000);
	barium_bo_fini(fd, &bo);
}

static const struct barium_subtest tests[] = {
	{ "order-forward", "Pages touched one after the other are the object's.", order_forward },
	{ "order-backward", "Pages touched from the end are the object's.", order_backward },
	{ "order-scattered", "Pages touched here and there are the object's.", order_scattered },
	{ "two-objects", "Two objects touched by turns keep their pages apart.", two_objects },
	{ "two-mappings", "What is written through one mapping is read through another.",
	  written_before_read },
	{ "after-munmap-front", "A mapping whose start is gone shows the right pages.",
	  after_munmap_front },
	{ "after-munmap-middle", "A mapping with a hole shows the right pages.",
	  after_munmap_middle },
	{ "after-munmap-end", "A mapping whose end is gone shows the right pages.",
	  after_munmap_end },
	{ "after-munmap-twice", "A mapping with several holes shows the right pages.",
	  after_munmap_twice },
	{ "after-mprotect", "A mapping with parts of other protection shows the right pages.",
	  after_mprotect },
	{ "after-mremap", "A part of a mapping that moved untouched shows the right pages.",
	  after_mremap },
	{ "after-mremap-touched", "So does one of which some pages were touched before.",
	  after_mremap_touched },
	{ "after-fixed", "A mapping with another put into it shows the right pages.", after_fixed },
	{ "fork-untouched", "What a child touches first is the object.", fork_untouched },
	{ "fork-touched", "A child's pages are the parent's, not a copy.", fork_touched },
	{ "fork-split", "A mapping that is split before and after a fork shows the right pages.",
	  fork_split },
	{ "two-processes", "Two processes talk through mappings of their own.", two_processes },
	{ "threads", "Threads that touch one mapping at the same time get the right pages.",
	  threads },
	{ "widths", "Accesses of any width and alignment do what they should.", widths },
	{ "border-first-touch", "One access can be the first to two pages.", border_first_touch },
	{ "atomics", "Atomic additions of two processes are all counted.", atomics },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
