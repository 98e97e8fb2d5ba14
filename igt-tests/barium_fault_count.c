// SPDX-License-Identifier: MIT
/**
 * TEST: barium fault count
 * Description: The number of page faults that access to a mapping takes: with and without
 *   fault-around and madvise(), and the lock that the faults run under.
 * Category: Core
 * Sub-category: DRM
 * Functionality: page faults
 *
 * SUBTEST: write
 * Description: Writing takes exactly one fault for each page.
 *
 * SUBTEST: read
 * Description: Reading takes exactly one fault for each page.
 *
 * SUBTEST: read-then-write
 * Description: Writing after reading takes no further fault.
 *
 * SUBTEST: stream
 * Description: Writing in ascending order takes few faults.
 *
 * SUBTEST: stream-backward
 * Description: Writing in descending order takes few faults.
 *
 * SUBTEST: random-advice
 * Description: With MADV_RANDOM, writing takes one fault for each page.
 *
 * SUBTEST: will-need
 * Description: One fault maps the whole range of MADV_WILLNEED.
 *
 * SUBTEST: will-need-elsewhere
 * Description: A fault outside the range of MADV_WILLNEED does not map everything.
 *
 * SUBTEST: sequential-advice
 * Description: With MADV_SEQUENTIAL, a fault maps all later pages and no earlier one.
 *
 * SUBTEST: window
 * Description: One fault maps 2 MiB at most, unless with a huge PMD.
 *
 * SUBTEST: around-ends-with-area
 * Description: Fault-around maps no page outside the VMA.
 *
 * SUBTEST: scattered
 * Description: The third fault in a small object maps all of it.
 *
 * SUBTEST: scattered-few
 * Description: Two faults far apart in a new mapping map no other page.
 *
 * SUBTEST: strided
 * Description: Access at a constant stride maps no other page.
 *
 * SUBTEST: under-area-lock
 * Description: Page faults run under the VMA lock, without the mmap lock.
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

IGT_TEST_DESCRIPTION("Checks how many page faults a mapping takes, and under which lock.");

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
 * Runs @pass twice over an untouched object with @advice. Asserts that the first pass takes from
 * @least to @most faults, and the second one none.
 */
static void two_passes(int fd, size_t pages, int advice, long (*pass)(__u8 *map, size_t pages),
		       long least, long most)
{
	struct barium_bo bo = barium_bo_create(fd, pages);
	long faults;

	igt_assert_eq(madvise(bo.map, bo.size, advice), 0);
	/* Faults in the code and data of the test, so that these faults are not counted. */
	pass(bo.map, 0);
	faults = pass(bo.map, pages);
	igt_assert_lte(least, faults);
	igt_assert_lte(faults, most);
	igt_assert_eq(pass(bo.map, pages), 0);
	barium_bo_fini(fd, &bo);
}

static void test_write(int fd)
{
	require_single_pages(fd);
	two_passes(fd, PAGES, MADV_NORMAL, write_pages, PAGES, PAGES);
}

static void require_fault_around(int fd)
{
	igt_require_f(barium_get_param(fd, BARIUM_PARAM_FAULT_AROUND) > 1,
		      "the driver maps one page at a time\n");
}

/* One fault maps at most so many bytes. Without huge PMDs, page tables of 4 KiB map no more. */
#define WINDOW (2ul << 20)

/*
 * Allows one fault for each 32 of 4 * PAGES pages: a loose bound, because the policy may change.
 * Where one fault maps no more than 32 pages, the first fault maps fewer, so one is added.
 */
static long most_of_stream(void)
{
	return PAGES / 8 + (WINDOW / barium_page_size() <= 32);
}

static void test_stream(int fd)
{
	barium_require_vram();
	require_fault_around(fd);
	two_passes(fd, 4 * PAGES, MADV_NORMAL, write_pages, 1, most_of_stream());
}

/* Returns the number of pages of a part of a mapping, eight of which one fault may map. */
static size_t part_pages(void)
{
	return WINDOW / barium_page_size() / 8;
}

/*
 * Creates a contiguous object of @pages pages, too few for a huge PMD. Returns an untouched mapping
 * of it within one page table.
 */
static __u8 *map_in_one_table(int fd, struct barium_bo *bo, size_t pages)
{
	/* The size that a page table maps. The table itself fills a page. */
	size_t table = barium_page_size() / sizeof(__u64) * barium_page_size();
	__u8 *area, *at;

	*bo = (struct barium_bo){ .size = pages * barium_page_size() };
	igt_assert_eq(__barium_gem_create(fd, &bo->size, BARIUM_GEM_CREATE_CONTIGUOUS,
					  &bo->handle), 0);
	bo->offset = barium_gem_mmap_offset(fd, bo->handle);
	bo->map = barium_mmap(fd, bo->handle, bo->size);
	barium_stamp(bo->map, 0, pages, 1);

	area = mmap(NULL, 2 * table, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(area != MAP_FAILED);
	at = (__u8 *)(((uintptr_t)area + table - 1) & ~(table - 1));
	igt_assert(mmap(at, bo->size, RW, MAP_SHARED | MAP_FIXED, fd, bo->offset) == at);
	return at;
}

/*
 * Divides a mapping into four parts and calls MADV_WILLNEED for the part @advised. Then touches the
 * middle of the part @touched, so that the driver detects no stream, and returns the number of
 * faults for the remaining pages of that part.
 */
static long faults_after_will_need(int fd, size_t advised, size_t touched)
{
	size_t part = part_pages() * barium_page_size();
	struct barium_bo bo;
	__u8 *map;
	long rest;

	require_fault_around(fd);
	map = map_in_one_table(fd, &bo, 4 * part_pages());
	read_pages(map, 0);
	igt_assert_eq(madvise(map + advised * part, part, MADV_WILLNEED), 0);
	igt_assert_eq(read_pages(map + touched * part + part / 2, 1), 1);
	rest = read_pages(map + touched * part, part_pages());
	barium_check_stamp(map, 0, 4 * part_pages(), 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
	return rest;
}

static void test_sequential_advice(int fd)
{
	size_t page = barium_page_size(), part = part_pages(), first = part + part / 2, i;
	struct barium_bo bo;
	long before;
	__u8 *map;

	require_fault_around(fd);
	map = map_in_one_table(fd, &bo, 4 * part_pages());
	read_pages(map, 0);
	igt_assert_eq(madvise(map, bo.size, MADV_SEQUENTIAL), 0);
	igt_assert_eq(read_pages(map + first * page, 1), 1);
	igt_assert_eq(read_pages(map + first * page, 4 * part - first), 0);

	before = barium_minor_faults();
	for (i = first; i--;)
		READ_ONCE(map[i * page]);
	igt_assert_eq(barium_minor_faults() - before, first);
	barium_check_stamp(map, 0, 4 * part_pages(), 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Checks both ends of the VMA. */
static void test_around_ends_with_area(int fd)
{
	size_t page = barium_page_size(), pages = part_pages(), i, j;
	struct barium_bo bo;
	__u8 *map, *part;

	for (i = 0; i < 2; i++) {
		map = map_in_one_table(fd, &bo, 4 * part_pages());
		part = map + pages * page;
		barium_munmap(map, pages * page);
		barium_munmap(part + pages * page, 2 * pages * page);
		for (j = 0; j < pages; j++)
			READ_ONCE(part[(i ? pages - 1 - j : j) * page]);
		barium_check_stamp(part, pages, pages, 1);
		for (j = 0; j < 4 * pages; j++) {
			if (j < pages || j >= 2 * pages)
				igt_assert_eq(barium_try_read(map + j * page), SIGSEGV);
		}
		barium_munmap(part, pages * page);
		barium_bo_fini(fd, &bo);
	}
}

/* Returns the number of faults for reading the page @index of @map. */
static long faults_of_page(__u8 *map, size_t index)
{
	return read_pages(map + index * barium_page_size(), 1);
}

/* Returns the pages of an object that the driver maps whole with the third fault. */
static size_t small_pages(void)
{
	size_t window = WINDOW / barium_page_size();

	return window < 200 ? window : 200;
}

/* The last fault is the third one. */
static void test_scattered(int fd)
{
	size_t pages = small_pages();
	struct barium_bo bo;
	__u8 *map;

	require_fault_around(fd);
	map = map_in_one_table(fd, &bo, pages);
	read_pages(map, 0);
	igt_assert_eq(faults_of_page(map, pages / 5), 1);
	igt_assert_eq(faults_of_page(map, pages - pages / 4), 1);
	igt_assert_eq(faults_of_page(map, pages / 2), 1);
	igt_assert_eq(read_pages(map, pages), 0);
	barium_check_stamp(map, 0, pages, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Faults in earlier mappings of the same object do not count. */
static void test_scattered_few(int fd)
{
	size_t pages = small_pages(), low = pages / 5, high = pages - pages / 4, i;
	const size_t others[] = { 0, low - 1, low + 1, pages / 2, high - 1, high + 1, pages - 1 };
	struct barium_bo bo;
	__u8 *map;

	require_fault_around(fd);
	for (i = 0; i < ARRAY_SIZE(others); i++) {
		if (i == 0) {
			map = map_in_one_table(fd, &bo, pages);
		} else {
			barium_munmap(map, bo.size);
			igt_assert(mmap(map, bo.size, RW, MAP_SHARED | MAP_FIXED, fd,
					bo.offset) == map);
		}
		read_pages(map, 0);
		igt_assert_eq(faults_of_page(map, low), 1);
		igt_assert_eq(faults_of_page(map, high), 1);
		igt_assert_eq(faults_of_page(map, others[i]), 1);
	}
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_strided(int fd)
{
	size_t stride = 32, pages = small_pages(), i;
	struct barium_bo bo;
	__u8 *map;

	require_fault_around(fd);
	igt_require_f(pages >= 4 * stride, "one fault maps too few pages\n");
	map = map_in_one_table(fd, &bo, pages);
	read_pages(map, 0);
	for (i = 5; i < pages; i += stride)
		igt_assert_eq(faults_of_page(map, i), 1);
	/* Ends the stride, so it is the third fault that counts. */
	igt_assert_eq(faults_of_page(map, 5 + stride / 2), 1);
	igt_assert_eq(read_pages(map, pages), 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

#define TRACEFS "/sys/kernel/tracing"
#define TRACE TRACEFS "/instances/barium_fault_count"
#define LOCK_TAKEN "events/mmap_lock/mmap_lock_acquire_returned"

/* Writes @value to @file of the trace instance. Returns false if it cannot. */
static bool set_trace(const char *file, const char *value)
{
	char path[256];

	snprintf(path, sizeof(path), TRACE "/%s", file);
	return !__barium_write_file(path, value);
}

/*
 * Creates a trace instance that records when the calling thread acquires an mmap lock. Recording is
 * off; returns a file descriptor of the file that starts and stops it. The event itself stays
 * enabled: to disable it patches code, for which some kernels take the mmap lock of an address
 * space of their own.
 */
static int trace_mmap_lock(void)
{
	char filter[64];
	int recording;

	/* Fails if tracefs is mounted already. */
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	rmdir(TRACE);
	igt_require_f(!mkdir(TRACE, 0700), "the kernel has no tracefs instances\n");
	recording = open(TRACE "/tracing_on", O_WRONLY | O_CLOEXEC);
	igt_assert_lte(0, recording);
	snprintf(filter, sizeof(filter), "common_pid == %d", gettid());
	if (!set_trace("tracing_on", "0") || !set_trace(LOCK_TAKEN "/filter", filter) ||
	    !set_trace(LOCK_TAKEN "/enable", "1")) {
		rmdir(TRACE);
		igt_skip("the kernel does not trace the mmap lock\n");
	}
	return recording;
}

static void end_trace(int recording)
{
	close(recording);
	set_trace(LOCK_TAKEN "/enable", "0");
	rmdir(TRACE);
}

/* Returns how often the calling thread acquires the mmap lock in @touch. */
static long count_mmap_locks(int recording, void (*touch)(__u8 *map), __u8 *map)
{
	char line[512], on = '1', off = '0';
	long taken = 0;
	FILE *trace;

	/* Opening the trace for writing clears it. */
	trace = fopen(TRACE "/trace", "w+");
	igt_assert(trace);
	igt_assert_eq(write(recording, &on, 1), 1);
	touch(map);
	igt_assert_eq(write(recording, &off, 1), 1);

	while (fgets(line, sizeof(line), trace)) {
		if (line[0] == '#')
			continue;
		igt_debug("%s", line);
		taken++;
	}
	fclose(trace);
	return taken;
}

/* Reads half of the pages and writes the other half. */
static void touch_some(__u8 *map)
{
	size_t page = barium_page_size(), i;

	for (i = 0; i < PAGES; i += 2) {
		READ_ONCE(map[i * page]);
		WRITE_ONCE(map[(i + 1) * page], 1);
	}
}

/* Page faults in kernel mode take the mmap lock. */
static void touch_from_kernel(__u8 *map)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	size_t i;

	for (i = 0; i < PAGES; i++)
		igt_assert_eq(read(zero, map + i * barium_page_size(), 1), 1);
	close(zero);
}

struct locker {
	pthread_t thread;
	__u8 *map;
	size_t size;
	int turns;
	bool stop;
};

/* Holds the mmap lock for writing nearly all the time. */
static void *hold_mmap_lock(void *data)
{
	struct locker *locker = data;

	while (!READ_ONCE(locker->stop)) {
		mprotect(locker->map, locker->size, PROT_READ);
		mprotect(locker->map, locker->size, RW);
		WRITE_ONCE(locker->turns, locker->turns + 1);
	}

	return NULL;
}

static void start_locker(struct locker *locker)
{
	*locker = (struct locker){ .size = 4 << 20 };
	locker->map = mmap(NULL, locker->size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(locker->map != MAP_FAILED);
	memset(locker->map, 1, locker->size);
	igt_assert_eq(pthread_create(&locker->thread, NULL, hold_mmap_lock, locker), 0);
	while (!READ_ONCE(locker->turns))
		sched_yield();
}

static void stop_locker(struct locker *locker)
{
	WRITE_ONCE(locker->stop, true);
	pthread_join(locker->thread, NULL);
	barium_munmap(locker->map, locker->size);
}

/*
 * Another thread holds the mmap lock most of the time, so a fault that needs it would wait. Counts
 * faults as well, to show that faults happened, and faults of the kernel in the same mapping, which
 * take the mmap lock, to show that the trace works.
 */
static void test_under_area_lock(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2 * PAGES);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	long taken, from_kernel, before, faults;
	struct locker locker;
	int recording;

	recording = trace_mmap_lock();
	/* Disables fault-around, so that there is a fault for each page. */
	igt_assert_eq(madvise(map, bo.size, MADV_RANDOM), 0);
	/* Faults in the code and data of the test, so that these faults are not counted. */
	count_mmap_locks(recording, touch_some, bo.map);

	start_locker(&locker);
	before = barium_minor_faults();
	taken = count_mmap_locks(recording, touch_some, map);
	faults = barium_minor_faults() - before;
	stop_locker(&locker);
	from_kernel = count_mmap_locks(recording, touch_from_kernel,
				       map + PAGES * barium_page_size());
	end_trace(recording);

	igt_assert_lte(PAGES, faults);
	igt_assert_lte(PAGES, from_kernel);
	igt_assert_eq(taken, 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* The object and its mapping are aligned like a window. */
static void test_window(int fd)
{
	__u64 huge = barium_get_param(fd, BARIUM_PARAM_HUGE_SIZE);
	struct barium_bo bo = { .size = 2 * WINDOW };
	size_t page = barium_page_size();
	__u8 *area, *map;

	require_fault_around(fd);
	igt_require_f(!huge || huge > bo.size, "a fault maps a huge PMD\n");
	igt_assert_eq(__barium_gem_create(fd, &bo.size, BARIUM_GEM_CREATE_CONTIGUOUS, &bo.handle),
		      0);
	bo.offset = barium_gem_mmap_offset(fd, bo.handle);
	area = mmap(NULL, bo.size + WINDOW, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(area != MAP_FAILED);
	map = (__u8 *)(((uintptr_t)area + WINDOW - 1) & ~(WINDOW - 1));
	igt_assert(mmap(map, bo.size, RW, MAP_SHARED | MAP_FIXED, fd, bo.offset) == map);

	read_pages(map, 0);
	igt_assert_eq(madvise(map, bo.size, MADV_SEQUENTIAL), 0);
	igt_assert_eq(read_pages(map, WINDOW / page), 1);
	igt_assert_eq(read_pages(map + WINDOW, WINDOW / page), 1);
	barium_munmap(area, bo.size + WINDOW);
	barium_bo_fini(fd, &bo);
}

int igt_main()
{
	igt_describe("Writing takes exactly one fault for each page.");
	igt_subtest("write")
		test_write(barium_new_client());

	igt_describe("Reading takes exactly one fault for each page.");
	igt_subtest("read") {
		int fd = barium_new_client();

		require_single_pages(fd);
		two_passes(fd, PAGES, MADV_NORMAL, read_pages, PAGES, PAGES);
	}

	/* A read fault in a writable mapping inserts a writable PTE. */
	igt_describe("Writing after reading takes no further fault.");
	igt_subtest("read-then-write") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		write_pages(bo.map, 0);
		read_pages(bo.map, PAGES);
		igt_assert_eq(write_pages(bo.map, PAGES), 0);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("Writing in ascending order takes few faults.");
	igt_subtest("stream")
		test_stream(barium_new_client());

	igt_describe("Writing in descending order takes few faults.");
	igt_subtest("stream-backward") {
		int fd = barium_new_client();

		barium_require_vram();
		require_fault_around(fd);
		two_passes(fd, 4 * PAGES, MADV_NORMAL, write_backward, 1, most_of_stream());
	}

	igt_describe("With MADV_RANDOM, writing takes one fault for each page.");
	igt_subtest("random-advice")
		two_passes(barium_new_client(), PAGES, MADV_RANDOM, write_pages, PAGES, PAGES);

	igt_describe("One fault maps the whole range of MADV_WILLNEED.");
	igt_subtest("will-need")
		igt_assert_eq(faults_after_will_need(barium_new_client(), 1, 1), 0);

	igt_describe("A fault outside the range of MADV_WILLNEED does not map everything.");
	igt_subtest("will-need-elsewhere")
		igt_assert_lt(0, faults_after_will_need(barium_new_client(), 1, 3));

	igt_describe("With MADV_SEQUENTIAL, a fault maps all later pages and no earlier one.");
	igt_subtest("sequential-advice")
		test_sequential_advice(barium_new_client());

	igt_describe("One fault maps 2 MiB at most, unless with a huge PMD.");
	igt_subtest("window")
		test_window(barium_new_client());

	igt_describe("Fault-around maps no page outside the VMA.");
	igt_subtest("around-ends-with-area")
		test_around_ends_with_area(barium_new_client());

	igt_describe("The third fault in a small object maps all of it.");
	igt_subtest("scattered")
		test_scattered(barium_new_client());

	igt_describe("Two faults far apart in a new mapping map no other page.");
	igt_subtest("scattered-few")
		test_scattered_few(barium_new_client());

	igt_describe("Access at a constant stride maps no other page.");
	igt_subtest("strided")
		test_strided(barium_new_client());

	igt_describe("Page faults run under the VMA lock, without the mmap lock.");
	igt_subtest("under-area-lock")
		test_under_area_lock(barium_new_client());
}
