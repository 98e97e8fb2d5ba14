// SPDX-License-Identifier: MIT
/*
 * What the first touch of a page puts into the page table: the right page of the object, once, with
 * the right cache mode, whatever was done to the mapping before.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Pages, counts and cache modes of faults.");

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

static void order_forward(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	size_t i;

	for (i = 0; i < PAGES; i++)
		check_page(map, i, 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void order_backward(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	size_t i;

	for (i = PAGES; i--;)
		check_page(map, i, 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void order_scattered(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	size_t i;

	/* 37 has no factor in common with the number of pages, so each page has its turn. */
	for (i = 0; i < PAGES; i++)
		check_page(map, i * 37 % PAGES, 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
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

static void require_single_pages(int fd)
{
	igt_require_f(barium_get_param(fd, BARIUM_PARAM_FAULT_AROUND) == 1,
		      "the driver maps more than one page at a time\n");
}

static long write_pages(__u8 *map, size_t pages)
{
	long before = barium_minor_faults();
	size_t i;

	for (i = 0; i < pages; i++)
		WRITE_ONCE(map[i * barium_page_size()], 1);
	return barium_minor_faults() - before;
}

static long read_pages(__u8 *map, size_t pages)
{
	long before = barium_minor_faults();
	size_t i;

	for (i = 0; i < pages; i++)
		READ_ONCE(map[i * barium_page_size()]);
	return barium_minor_faults() - before;
}

static void count_write(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	require_single_pages(fd);
	write_pages(bo.map, 0);
	igt_assert_eq(write_pages(bo.map, PAGES), PAGES);
	igt_assert_eq(write_pages(bo.map, PAGES), 0);
	barium_bo_fini(fd, &bo);
}

static void count_read(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	require_single_pages(fd);
	read_pages(bo.map, 0);
	igt_assert_eq(read_pages(bo.map, PAGES), PAGES);
	igt_assert_eq(read_pages(bo.map, PAGES), 0);
	barium_bo_fini(fd, &bo);
}

/* The entry that a read makes is writable at once where the mapping is. */
static void count_read_then_write(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	write_pages(bo.map, 0);
	read_pages(bo.map, PAGES);
	igt_assert_eq(write_pages(bo.map, PAGES), 0);
	barium_bo_fini(fd, &bo);
}

static void require_fault_around(int fd)
{
	igt_require_f(barium_get_param(fd, BARIUM_PARAM_FAULT_AROUND) > 1,
		      "the driver maps one page at a time\n");
}

/* No more than a fault for each 32 pages: a loose bound, as the policy may change. */
static void count_stream(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4 * PAGES);

	require_fault_around(fd);
	write_pages(bo.map, 0);
	igt_assert_lte(write_pages(bo.map, 4 * PAGES), PAGES / 8);
	igt_assert_eq(write_pages(bo.map, 4 * PAGES), 0);
	barium_bo_fini(fd, &bo);
}

static void count_stream_backward(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4 * PAGES);
	long before;
	size_t i;

	require_fault_around(fd);
	write_pages(bo.map, 0);
	before = barium_minor_faults();
	for (i = 4 * PAGES; i--;)
		WRITE_ONCE(bo.map[i * barium_page_size()], 1);
	igt_assert_lte(barium_minor_faults() - before, PAGES / 8);
	barium_bo_fini(fd, &bo);
}

static void count_random_advice(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	write_pages(bo.map, 0);
	igt_assert_eq(madvise(bo.map, bo.size, MADV_RANDOM), 0);
	igt_assert_eq(write_pages(bo.map, PAGES), PAGES);
	barium_bo_fini(fd, &bo);
}

/* A piece of VRAM too small for a huge entry, and an untouched mapping of it in one page table. */
static __u8 *map_in_one_table(int fd, struct barium_bo *bo)
{
	size_t table = 2ul << 20;
	__u8 *room, *at;

	*bo = (struct barium_bo){ .size = 4 * PAGES * barium_page_size() };
	igt_assert_eq(__barium_gem_create(fd, &bo->size, BARIUM_GEM_CREATE_CONTIGUOUS,
					  &bo->handle), 0);
	bo->offset = barium_gem_mmap_offset(fd, bo->handle);
	bo->map = barium_mmap(fd, bo->handle, bo->size);
	barium_stamp(bo->map, 0, 4 * PAGES, 1);

	room = mmap(NULL, 2 * table, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(room != MAP_FAILED);
	at = (__u8 *)(((uintptr_t)room + table - 1) & ~(table - 1));
	igt_assert(mmap(at, bo->size, RW, MAP_SHARED | MAP_FIXED, fd, bo->offset) == at);
	return at;
}

static void count_will_need(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo;
	__u8 *map, *part;

	require_fault_around(fd);
	map = map_in_one_table(fd, &bo);
	part = map + PAGES * page;
	read_pages(map, 0);
	igt_assert_eq(madvise(part, PAGES * page, MADV_WILLNEED), 0);
	/* Not the first page of the part, from where a stream could be expected. */
	igt_assert_eq(read_pages(part + PAGES / 2 * page, 1), 1);
	igt_assert_eq(read_pages(part, PAGES), 0);
	barium_check_stamp(map, 0, 4 * PAGES, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Advice for one part is none for another. */
static void count_will_need_elsewhere(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo;
	__u8 *map, *other;

	require_fault_around(fd);
	map = map_in_one_table(fd, &bo);
	other = map + 3 * PAGES * page;
	read_pages(map, 0);
	igt_assert_eq(madvise(map + PAGES * page, PAGES * page, MADV_WILLNEED), 0);
	igt_assert_eq(read_pages(other + PAGES / 2 * page, 1), 1);
	igt_assert_lt(0, read_pages(other, PAGES));
	barium_check_stamp(map, 0, 4 * PAGES, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void count_sequential_advice(int fd)
{
	size_t page = barium_page_size(), first = PAGES + PAGES / 2, i;
	struct barium_bo bo;
	long before;
	__u8 *map;

	require_fault_around(fd);
	map = map_in_one_table(fd, &bo);
	read_pages(map, 0);
	igt_assert_eq(madvise(map, bo.size, MADV_SEQUENTIAL), 0);
	igt_assert_eq(read_pages(map + first * page, 1), 1);
	igt_assert_eq(read_pages(map + first * page, 4 * PAGES - first), 0);

	before = barium_minor_faults();
	for (i = first; i--;)
		READ_ONCE(map[i * page]);
	igt_assert_eq(barium_minor_faults() - before, first);
	barium_check_stamp(map, 0, 4 * PAGES, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* What is mapped beside a page ends where the area does, on both sides. */
static void around_ends_with_area(int fd)
{
	size_t page = barium_page_size(), i, j;
	struct barium_bo bo;
	__u8 *map, *part;

	for (i = 0; i < 2; i++) {
		map = map_in_one_table(fd, &bo);
		part = map + PAGES * page;
		barium_munmap(map, PAGES * page);
		barium_munmap(part + PAGES * page, 2 * PAGES * page);
		for (j = 0; j < PAGES; j++)
			READ_ONCE(part[(i ? PAGES - 1 - j : j) * page]);
		barium_check_stamp(part, PAGES, PAGES, 1);
		for (j = 0; j < 4 * PAGES; j++) {
			if (j < PAGES || j >= 2 * PAGES)
				igt_assert_eq(barium_try_read(map + j * page), SIGSEGV);
		}
		barium_munmap(part, PAGES * page);
		barium_bo_fini(fd, &bo);
	}
}

#define TRACEFS "/sys/kernel/tracing"
#define TRACE TRACEFS "/instances/barium_fault"
#define LOCK_TAKEN TRACE "/events/mmap_lock/mmap_lock_acquire_returned"

/* Starts a trace of the calling thread's takings of mmap locks, off for now; returns its switch. */
static int trace_mmap_lock(void)
{
	FILE *filter;
	int onoff;

	/* Fails where it is there already. */
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	rmdir(TRACE);
	igt_require_f(!mkdir(TRACE, 0700), "the kernel cannot trace\n");
	onoff = open(LOCK_TAKEN "/enable", O_WRONLY | O_CLOEXEC);
	if (onoff < 0)
		rmdir(TRACE);
	igt_require_f(onoff >= 0, "the kernel does not trace the mmap lock\n");

	filter = fopen(LOCK_TAKEN "/filter", "w");
	igt_assert(filter);
	fprintf(filter, "common_pid == %d\n", gettid());
	igt_assert_eq(fclose(filter), 0);
	return onoff;
}

static void end_trace(int onoff)
{
	close(onoff);
	rmdir(TRACE);
}

/* How many times the calling thread took the mmap lock in @touch of some pages. */
static long locks_taken(int onoff, void (*touch)(__u8 *map), __u8 *map)
{
	char line[512], on = '1', off = '0';
	long taken = 0;
	FILE *trace;

	/* Opening it for writing clears it. */
	trace = fopen(TRACE "/trace", "w+");
	igt_assert(trace);
	igt_assert_eq(write(onoff, &on, 1), 1);
	touch(map);
	igt_assert_eq(write(onoff, &off, 1), 1);

	while (fgets(line, sizeof(line), trace))
		taken += line[0] != '#';
	fclose(trace);
	return taken;
}

/* Half of the pages are read first, half are written. */
static void touch_some(__u8 *map)
{
	size_t page = barium_page_size(), i;

	for (i = 0; i < PAGES; i += 2) {
		READ_ONCE(map[i * page]);
		WRITE_ONCE(map[(i + 1) * page], 1);
	}
}

/* For its own accesses to the process's memory the kernel always takes the mmap lock. */
static void touch_from_kernel(__u8 *map)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	size_t i;

	for (i = 0; i < PAGES; i++)
		igt_assert_eq(read(zero, map + i * barium_page_size(), 1), 1);
	close(zero);
}

struct changer {
	pthread_t thread;
	__u8 *map;
	size_t size;
	int turns;
	bool stop;
};

/* Holds the process's mmap lock for writing nearly all the time. */
static void *change_areas(void *data)
{
	struct changer *changer = data;

	while (!READ_ONCE(changer->stop)) {
		mprotect(changer->map, changer->size, PROT_READ);
		mprotect(changer->map, changer->size, RW);
		WRITE_ONCE(changer->turns, changer->turns + 1);
	}

	return NULL;
}

static void start_changer(struct changer *changer)
{
	*changer = (struct changer){ .size = 4 << 20 };
	changer->map = mmap(NULL, changer->size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(changer->map != MAP_FAILED);
	memset(changer->map, 1, changer->size);
	igt_assert_eq(pthread_create(&changer->thread, NULL, change_areas, changer), 0);
	while (!READ_ONCE(changer->turns))
		sched_yield();
}

static void stop_changer(struct changer *changer)
{
	WRITE_ONCE(changer->stop, true);
	pthread_join(changer->thread, NULL);
	barium_munmap(changer->map, changer->size);
}

/*
 * Another thread has the mmap lock most of the time, and faults do not want it. They are counted,
 * too: no lock is worth nothing if there was no fault. That the count of locks can be trusted is
 * shown by faults in the same mapping that do want the lock.
 */
static void under_area_lock(int fd)
{
	struct barium_bo bo = stamped(fd, 2 * PAGES, 1);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	long taken, from_kernel, before, faults;
	struct changer changer;
	int onoff;

	onoff = trace_mmap_lock();
	/* So that there is a fault for each page. */
	igt_assert_eq(madvise(map, bo.size, MADV_RANDOM), 0);
	/* So that the test's own code and data are there when it counts. */
	locks_taken(onoff, touch_some, bo.map);

	start_changer(&changer);
	before = barium_minor_faults();
	taken = locks_taken(onoff, touch_some, map);
	faults = barium_minor_faults() - before;
	stop_changer(&changer);
	from_kernel = locks_taken(onoff, touch_from_kernel, map + PAGES * barium_page_size());
	end_trace(onoff);

	igt_assert_lte(PAGES, faults);
	igt_assert_lte(PAGES, from_kernel);
	igt_assert_eq(taken, 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static bool is_write_combining(const void *addr)
{
	char entry[256];

	barium_page_table_entry(addr, entry, sizeof(entry));
	return strstr(entry, " PWT ") && !strstr(entry, " PCD ");
}

static void check_write_combining(const void *addr)
{
	char entry[256];

	barium_page_table_entry(addr, entry, sizeof(entry));
	igt_assert_f(strstr(entry, " USR ") && strstr(entry, " PWT ") && !strstr(entry, " PCD "),
		     "the page table entry is%s\n", entry);
}

static void cache_mode(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	size_t page = barium_page_size();
	int on_stack = 0;

	READ_ONCE(bo.map[0]);
	WRITE_ONCE(bo.map[3 * page], 1);
	check_write_combining(bo.map);
	check_write_combining(bo.map + 3 * page);

	/* So that the test is not fooled by a dump that says the same of any page. */
	WRITE_ONCE(on_stack, 1);
	igt_assert(!is_write_combining(&on_stack));
	barium_bo_fini(fd, &bo);
}

static void cache_mode_read_only(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	char entry[256];
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	READ_ONCE(map[0]);
	check_write_combining(map);
	barium_page_table_entry(map, entry, sizeof(entry));
	igt_assert_f(strstr(entry, " ro "), "the page table entry is%s\n", entry);

	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void cache_mode_after_mprotect(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	size_t page = barium_page_size();

	READ_ONCE(bo.map[0]);
	igt_assert_eq(mprotect(bo.map, bo.size, PROT_READ), 0);
	igt_assert_eq(mprotect(bo.map, bo.size, RW), 0);
	WRITE_ONCE(bo.map[0], 1);
	WRITE_ONCE(bo.map[page], 1);
	check_write_combining(bo.map);
	check_write_combining(bo.map + page);
	barium_bo_fini(fd, &bo);
}

static void cache_mode_fork(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	size_t page = barium_page_size();

	READ_ONCE(bo.map[0]);
	check_write_combining(bo.map);
	igt_fork(child, 1) {
		READ_ONCE(bo.map[0]);
		WRITE_ONCE(bo.map[page], 1);
		check_write_combining(bo.map);
		check_write_combining(bo.map + page);
	}
	igt_waitchildren();
	barium_bo_fini(fd, &bo);
}

/* All of VRAM is known as write-combining, not just a part of the BAR. */
static void memory_type(int fd)
{
	FILE *list = barium_debugfs("x86/pat_memtype_list"), *resource;
	char slot[BARIUM_SLOT_LEN], path[128], line[256];
	unsigned long long bar, start, end, covered;
	int rest;

	igt_require_f(list, "the kernel does not list memory types\n");
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
	{ "count-write", "Writing takes one fault for each page, once.", count_write },
	{ "count-read", "Reading takes one fault for each page, once.", count_read },
	{ "count-read-then-write", "Writing after reading takes no further fault.",
	  count_read_then_write },
	{ "count-stream", "Writing from start to end takes few faults.", count_stream },
	{ "count-stream-backward", "Writing from end to start takes few faults.",
	  count_stream_backward },
	{ "count-random-advice", "A program that says so takes one fault for each page.",
	  count_random_advice },
	{ "count-will-need", "What a program says it will need comes with one fault.",
	  count_will_need },
	{ "count-will-need-elsewhere", "What it does not say so of comes with more.",
	  count_will_need_elsewhere },
	{ "count-sequential-advice", "All pages that follow come with one fault, none before it.",
	  count_sequential_advice },
	{ "around-ends-with-area", "Nothing is mapped where the mapping is not.",
	  around_ends_with_area },
	{ "under-area-lock", "Faults are served without the lock of all of a process's memory.",
	  under_area_lock },
	{ "cache-mode", "The page table has touched pages as write-combining.", cache_mode },
	{ "cache-mode-read-only", "Read-only pages are write-combining, and read-only.",
	  cache_mode_read_only },
	{ "cache-mode-after-mprotect", "A change of protection keeps write-combining.",
	  cache_mode_after_mprotect },
	{ "cache-mode-fork", "A child's pages are write-combining.", cache_mode_fork },
	{ "memory-type", "The kernel has all of VRAM as write-combining, and nothing else.",
	  memory_type },
	{ "widths", "Accesses of any width and alignment do what they should.", widths },
	{ "border-first-touch", "One access can be the first to two pages.", border_first_touch },
	{ "atomics", "Atomic additions of two processes are all counted.", atomics },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
