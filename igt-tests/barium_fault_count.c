// SPDX-License-Identifier: MIT
/*
 * What it takes to touch a mapping: how many faults, with and without neighbours and advice, and
 * which lock they do without.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("How many faults a mapping takes, and which locks.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 64

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

static long write_backward(__u8 *map, size_t pages)
{
	long before = barium_minor_faults();

	while (pages--)
		WRITE_ONCE(map[pages * barium_page_size()], 1);
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

/*
 * Two passes over an object that nothing has touched, with @advice: the first takes @least to @most
 * faults, the second none.
 */
static void two_passes(int fd, size_t pages, int advice, long (*pass)(__u8 *map, size_t pages),
		       long least, long most)
{
	struct barium_bo bo = barium_bo_create(fd, pages);
	long faults;

	igt_assert_eq(madvise(bo.map, bo.size, advice), 0);
	/* So that its own code and data are there when it counts. */
	pass(bo.map, 0);
	faults = pass(bo.map, pages);
	igt_assert_lte(least, faults);
	igt_assert_lte(faults, most);
	igt_assert_eq(pass(bo.map, pages), 0);
	barium_bo_fini(fd, &bo);
}

static void writing(int fd)
{
	require_single_pages(fd);
	two_passes(fd, PAGES, MADV_NORMAL, write_pages, PAGES, PAGES);
}

static void reading(int fd)
{
	require_single_pages(fd);
	two_passes(fd, PAGES, MADV_NORMAL, read_pages, PAGES, PAGES);
}

/* The entry that a read makes is writable at once where the mapping is. */
static void read_then_write(int fd)
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
static void stream(int fd)
{
	require_fault_around(fd);
	two_passes(fd, 4 * PAGES, MADV_NORMAL, write_pages, 1, PAGES / 8);
}

static void stream_backward(int fd)
{
	require_fault_around(fd);
	two_passes(fd, 4 * PAGES, MADV_NORMAL, write_backward, 1, PAGES / 8);
}

static void random_advice(int fd)
{
	two_passes(fd, PAGES, MADV_RANDOM, write_pages, PAGES, PAGES);
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

/*
 * Advises that the part @advised of a mapping, a quarter of it, will be needed. Touches the middle
 * of the part @touched, from where no stream can be expected; returns the faults that the rest of
 * that part then takes.
 */
static long faults_after_will_need(int fd, size_t advised, size_t touched)
{
	size_t part = PAGES * barium_page_size();
	struct barium_bo bo;
	__u8 *map;
	long rest;

	require_fault_around(fd);
	map = map_in_one_table(fd, &bo);
	read_pages(map, 0);
	igt_assert_eq(madvise(map + advised * part, part, MADV_WILLNEED), 0);
	igt_assert_eq(read_pages(map + touched * part + part / 2, 1), 1);
	rest = read_pages(map + touched * part, PAGES);
	barium_check_stamp(map, 0, 4 * PAGES, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
	return rest;
}

static void will_need(int fd)
{
	igt_assert_eq(faults_after_will_need(fd, 1, 1), 0);
}

static void will_need_elsewhere(int fd)
{
	igt_assert_lt(0, faults_after_will_need(fd, 1, 3));
}

static void sequential_advice(int fd)
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
#define TRACE TRACEFS "/instances/barium_fault_count"
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
	struct barium_bo bo = barium_bo_create(fd, 2 * PAGES);
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

static const struct barium_subtest tests[] = {
	{ "write", "Writing takes one fault for each page, once.", writing },
	{ "read", "Reading takes one fault for each page, once.", reading },
	{ "read-then-write", "Writing after reading takes no further fault.", read_then_write },
	{ "stream", "Writing from start to end takes few faults.", stream },
	{ "stream-backward", "Writing from end to start takes few faults.", stream_backward },
	{ "random-advice", "A program that says so takes one fault for each page.",
	  random_advice },
	{ "will-need", "What a program says it will need comes with one fault.", will_need },
	{ "will-need-elsewhere", "What it does not say so of comes with more.",
	  will_need_elsewhere },
	{ "sequential-advice", "All pages that follow come with one fault, none before it.",
	  sequential_advice },
	{ "around-ends-with-area", "Nothing is mapped where the mapping is not.",
	  around_ends_with_area },
	{ "under-area-lock", "Faults are served without the lock of all of a process's memory.",
	  under_area_lock },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
