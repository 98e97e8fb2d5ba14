// SPDX-License-Identifier: MIT
/**
 * TEST: barium fault
 * Description: The page fault handler maps the right page of an object: in every order of access,
 *   after system calls that change the mapping, after fork(), and with concurrent faults. The
 *   number of faults is tested in barium_fault_count, the cache mode in barium_cache_mode.
 * Category: Core
 * Sub-category: DRM
 * Functionality: page faults
 *
 * SUBTEST: order-forward
 * Description: Faults in ascending order map the right pages.
 *
 * SUBTEST: order-backward
 * Description: Faults in descending order map the right pages.
 *
 * SUBTEST: order-scattered
 * Description: Faults in scattered order map the right pages.
 *
 * SUBTEST: two-objects
 * Description: Alternating faults in two objects map the right pages.
 *
 * SUBTEST: two-mappings
 * Description: Data written through one mapping is read through another.
 *
 * SUBTEST: after-munmap-front
 * Description: Faults map the right pages after munmap() of the start of a mapping.
 *
 * SUBTEST: after-munmap-middle
 * Description: Faults map the right pages after munmap() of the middle.
 *
 * SUBTEST: after-munmap-end
 * Description: Faults map the right pages after munmap() of the end of a mapping.
 *
 * SUBTEST: after-munmap-twice
 * Description: Faults map the right pages in a mapping with several holes.
 *
 * SUBTEST: after-mprotect
 * Description: Faults map the right pages after mprotect() splits a mapping.
 *
 * SUBTEST: after-mremap
 * Description: Faults map the right pages after mremap() moves an untouched part.
 *
 * SUBTEST: after-mremap-touched
 * Description: Faults map the right pages after mremap() moves a touched part.
 *
 * SUBTEST: after-fixed
 * Description: Faults map the right pages around another mapping by MAP_FIXED.
 *
 * SUBTEST: fork-untouched
 * Description: The parent sees data in pages that its child touches first.
 *
 * SUBTEST: fork-touched
 * Description: A child shares touched pages with its parent.
 *
 * SUBTEST: fork-split
 * Description: Faults map the right pages in a mapping split before and after fork().
 *
 * SUBTEST: two-processes
 * Description: Two processes communicate through separate mappings.
 *
 * SUBTEST: threads
 * Description: Concurrent faults of threads in one mapping map the right pages.
 *
 * SUBTEST: widths
 * Description: Accesses of every width and alignment read and write the right bytes.
 *
 * SUBTEST: border-first-touch
 * Description: A single access may be the first to two pages.
 *
 * SUBTEST: atomics
 * Description: Atomic additions of two processes lose no update.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Checks which page of an object a page fault maps.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 64

typedef __u16 unaligned_u16 __attribute((aligned(1)));
typedef __u32 unaligned_u32 __attribute((aligned(1)));
typedef __u64 unaligned_u64 __attribute((aligned(1)));

/* Creates a stamped object. Tests read it through further, untouched mappings. */
static struct barium_bo stamped(int fd, size_t pages, __u32 seed)
{
	struct barium_bo bo = barium_bo_create(fd, pages);

	barium_stamp(bo.map, 0, pages, seed);
	return bo;
}

/* Checks page @page of @map, which maps the object from its page @first. */
static void check_page(__u8 *map, size_t page, size_t first)
{
	barium_check_stamp(map + page * barium_page_size(), first + page, 1, 1);
}

/* Touches every page once: starts at page @first and advances by @step pages, modulo PAGES. */
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

static void test_order_scattered(int fd)
{
	/* 37 and PAGES are coprime, so this reaches each page. */
	in_order(fd, 0, 37);
}

static void test_two_objects(int fd)
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

/* Unmaps @count pages from page @first of an untouched mapping, then checks the other pages. */
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

static void test_after_munmap_twice(int fd)
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

static void test_after_mprotect(int fd)
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

/* Moves pages 5 to 9 of an untouched mapping. */
static void test_after_mremap(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	__u8 *area = mmap(NULL, 5 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(area != MAP_FAILED);
	igt_assert(mremap(map + 5 * page, 5 * page, 5 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
			  area) == area);
	for (i = 0; i < 5; i++)
		check_page(area, i, 5);
	for (i = 10; i < PAGES; i++)
		check_page(map, i, 0);
	check_page(map, 4, 0);

	barium_munmap(area, 5 * page);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Like test_after_mremap(), but touches half of the moved pages before. */
static void test_after_mremap_touched(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size), *area;

	for (i = 0; i < PAGES; i += 2)
		check_page(map, i, 0);
	area = mmap(NULL, bo.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(area != MAP_FAILED);
	igt_assert(mremap(map + 16 * page, 16 * page, 16 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
			  area) == area);
	for (i = 0; i < 16; i++)
		check_page(area, i, 16);
	for (i = 32; i < PAGES; i++)
		check_page(map, i, 0);

	barium_munmap(area, bo.size);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_after_fixed(int fd)
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

static void test_fork_split(int fd)
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

/* Waits until the other process writes @wanted, which takes milliseconds. */
static void wait_for_turn(__u32 *turn, __u32 wanted)
{
	int tries;

	for (tries = 0; READ_ONCE(*turn) != wanted; tries++) {
		igt_assert_f(tries < 30000, "timed out waiting for turn %u\n", wanted);
		usleep(1000);
	}
}

/* Parent and child increment a counter in turns, each through its own mapping. */
static void test_two_processes(int fd)
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

/* Four threads fault in the same mapping, each in a different order. */
static void test_threads(int fd)
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

/* The accesses are aligned, unaligned, and across a page boundary. */
static void test_widths(int fd)
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
		igt_assert(*(unaligned_u16 *)(map + at + 2) == 0x0403);
		igt_assert(*(unaligned_u32 *)(map + at + 4) == 0x08070605);
		igt_assert(*(unaligned_u64 *)(map + at + 8) == 0x100f0e0d0c0b0a09);
	}
	barium_bo_fini(fd, &bo);
}

int igt_main()
{
	igt_describe("Faults in ascending order map the right pages.");
	igt_subtest("order-forward")
		in_order(barium_new_client(), 0, 1);

	igt_describe("Faults in descending order map the right pages.");
	igt_subtest("order-backward")
		in_order(barium_new_client(), PAGES - 1, PAGES - 1);

	igt_describe("Faults in scattered order map the right pages.");
	igt_subtest("order-scattered")
		test_order_scattered(barium_new_client());

	igt_describe("Alternating faults in two objects map the right pages.");
	igt_subtest("two-objects")
		test_two_objects(barium_new_client());

	igt_describe("Data written through one mapping is read through another.");
	igt_subtest("two-mappings") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		void *map = barium_mmap(fd, bo.handle, bo.size);

		barium_check_zero(map, bo.size);
		barium_stamp(bo.map, 0, PAGES, 1);
		barium_check_stamp(map, 0, PAGES, 1);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("Faults map the right pages after munmap() of the start of a mapping.");
	igt_subtest("after-munmap-front")
		after_munmap(barium_new_client(), 0, 7);

	igt_describe("Faults map the right pages after munmap() of the middle.");
	igt_subtest("after-munmap-middle")
		after_munmap(barium_new_client(), 20, 5);

	igt_describe("Faults map the right pages after munmap() of the end of a mapping.");
	igt_subtest("after-munmap-end")
		after_munmap(barium_new_client(), PAGES - 9, 9);

	igt_describe("Faults map the right pages in a mapping with several holes.");
	igt_subtest("after-munmap-twice")
		test_after_munmap_twice(barium_new_client());

	igt_describe("Faults map the right pages after mprotect() splits a mapping.");
	igt_subtest("after-mprotect")
		test_after_mprotect(barium_new_client());

	igt_describe("Faults map the right pages after mremap() moves an untouched part.");
	igt_subtest("after-mremap")
		test_after_mremap(barium_new_client());

	igt_describe("Faults map the right pages after mremap() moves a touched part.");
	igt_subtest("after-mremap-touched")
		test_after_mremap_touched(barium_new_client());

	igt_describe("Faults map the right pages around another mapping by MAP_FIXED.");
	igt_subtest("after-fixed")
		test_after_fixed(barium_new_client());

	igt_describe("The parent sees data in pages that its child touches first.");
	igt_subtest("fork-untouched") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		igt_fork(child, 1)
			barium_stamp(bo.map, 0, PAGES, 1);
		igt_waitchildren();

		barium_check_stamp(bo.map, 0, PAGES, 1);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("A child shares touched pages with its parent.");
	igt_subtest("fork-touched") {
		int fd = barium_new_client();
		struct barium_bo bo = stamped(fd, PAGES, 1);

		igt_fork(child, 1) {
			barium_check_stamp(bo.map, 0, PAGES, 1);
			barium_stamp(bo.map, 0, PAGES, 2);
		}
		igt_waitchildren();

		barium_check_stamp(bo.map, 0, PAGES, 2);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("Faults map the right pages in a mapping split before and after fork().");
	igt_subtest("fork-split")
		test_fork_split(barium_new_client());

	igt_describe("Two processes communicate through separate mappings.");
	igt_subtest("two-processes")
		test_two_processes(barium_new_client());

	igt_describe("Concurrent faults of threads in one mapping map the right pages.");
	igt_subtest("threads")
		test_threads(barium_new_client());

	igt_describe("Accesses of every width and alignment read and write the right bytes.");
	igt_subtest("widths")
		test_widths(barium_new_client());

	igt_describe("A single access may be the first to two pages.");
	igt_subtest("border-first-touch") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);
		__u8 *boundary = bo.map + barium_page_size();

		*(unaligned_u64 *)(boundary - 3) = 0x0807060504030201;
		igt_assert(boundary[-3] == 1 && boundary[-1] == 3);
		igt_assert(boundary[0] == 4 && boundary[4] == 8);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("Atomic additions of two processes lose no update.");
	igt_subtest("atomics") {
		int fd = barium_new_client();
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
}
