// SPDX-License-Identifier: MIT
/**
 * TEST: barium shrink
 * Description: The driver gives system memory of objects back when the kernel is short of memory.
 *   Writing to /proc/sys/vm/drop_caches makes it give back as much as possible.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory management
 *
 * SUBTEST: dontneed-purged
 * Description: The driver drops the content of an object in system memory that is not needed: the
 *   object reads as zero.
 *
 * SUBTEST: memory-freed
 * Description: The memory is free at once, although the object still exists.
 *
 * SUBTEST: needed-stays
 * Description: Objects that are needed, or needed again, keep their content.
 *
 * SUBTEST: shared-stays
 * Description: The driver keeps the content of an object that gets a dma-buf after DONTNEED.
 *
 * SUBTEST: framebuffer-stays
 * Description: The driver keeps the content of an object that gets a framebuffer after DONTNEED,
 *   also when all handles are closed.
 *
 * SUBTEST: left-vram
 * Description: The content of an object that has left VRAM is dropped from system memory.
 *
 * SUBTEST: vram-stays
 * Description: The driver keeps the content of an object in VRAM, which takes no system memory.
 *
 * SUBTEST: accessed-again
 * Description: The driver drops the content of an object again after a program has accessed it.
 *
 * SUBTEST: under-pressure
 * Description: A program gets the memory of objects that are not needed.
 *
 * SUBTEST: no-swap-stays
 * Description: Without swap, the memory of objects that are needed stays.
 *
 * SUBTEST: swapped-and-back
 * Description: With swap, the kernel swaps objects out, and their mappings get the content back.
 *
 * SUBTEST: swapped-debugger
 * Description: A debugger reads and writes an object that is swapped out.
 *
 * SUBTEST: swapped-dontneed
 * Description: An object that is swapped out and not needed any more reads as zero.
 *
 * SUBTEST: swapped-shown
 * Description: An object that is swapped out can be shown, with its content.
 *
 * SUBTEST: left-vram-swapped
 * Description: An object that has left VRAM is swapped out, and its mappings get the content back.
 *
 * SUBTEST: attached-stays
 * Description: An object that another device has attached to is not swapped out.
 *
 * SUBTEST: written-while-purged
 * Description: Programs can write to objects while their content is dropped again and again.
 *
 * SUBTEST: closed-while-purged
 * Description: Objects can be created and closed while their content is dropped.
 *
 * SUBTEST: unbound-while-purged
 * Description: The device can be unbound while the driver gives memory of its objects back.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_cgroup.h"
#include "barium_lib_huge.h"
#include "barium_lib_kms.h"
#include "barium_lib_mapping.h"
#include "barium_lib_prime.h"
#include "barium_lib_race.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks that the driver gives memory of objects back to the kernel.");

#define SYSTEM BARIUM_GEM_CREATE_SYSTEM
#define WILLNEED BARIUM_MADVISE_WILLNEED
#define DONTNEED BARIUM_MADVISE_DONTNEED
/* The threads of the subtest written-while-purged. */
#define WRITERS 3
/* The objects of the subtest memory-freed. */
#define OBJECTS 64

static void test_purged(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, SYSTEM);
	__u8 *again = barium_mmap(fd, bo.handle, bo.size);

	barium_stamp(bo.map, 0, 64, 1);
	barium_check_stamp(again, 0, 64, 1);
	igt_assert(barium_madvise(fd, bo.handle, DONTNEED));
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	barium_shrink();
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	igt_assert(!barium_madvise(fd, bo.handle, WILLNEED));
	barium_check_zero(again, bo.size);
	barium_stamp(bo.map, 0, 64, 2);
	barium_check_stamp(again, 0, 64, 2);
	barium_shrink();
	barium_check_stamp(again, 0, 64, 2);
	igt_assert(barium_madvise(fd, bo.handle, WILLNEED));
	barium_munmap(again, bo.size);
	barium_bo_fini(fd, &bo);
}

static void *shrink(void *arg)
{
	bool *done = arg;

	barium_shrink();
	__atomic_store_n(done, true, __ATOMIC_RELEASE);
	return NULL;
}

/*
 * A file that the kernel closes in the background is closed when the write to drop_caches returns.
 * So the memory is compared with what the driver says while that write goes on.
 */
static void test_memory_freed(int fd)
{
	size_t pages = barium_vram_size(fd) / barium_page_size() / OBJECTS, i;
	__u64 total = 0, full, resident, shmem;
	struct barium_bo bos[OBJECTS];
	bool done = false, ended;
	pthread_t thread;

	full = barium_meminfo("Shmem");
	for (i = 0; i < OBJECTS; i++) {
		bos[i] = barium_bo_create_with(fd, pages, SYSTEM);
		barium_stamp(bos[i].map, 0, pages, i);
		barium_madvise(fd, bos[i].handle, DONTNEED);
		total += bos[i].size;
	}
	igt_assert_lte_u64(full + total / 4 * 3, barium_meminfo("Shmem"));
	full = barium_meminfo("Shmem");
	igt_assert_eq(pthread_create(&thread, NULL, shrink, &done), 0);
	do {
		ended = __atomic_load_n(&done, __ATOMIC_ACQUIRE);
		resident = barium_in_memory(fd);
		shmem = barium_meminfo("Shmem");
	} while (!ended && resident > total / 2);
	pthread_join(thread, NULL);
	igt_assert_lte_u64(resident, total / 2);
	igt_assert_lte_u64(shmem, full - total / 4);
	for (i = 0; i < OBJECTS; i++)
		barium_bo_fini(fd, &bos[i]);
}

static void test_needed(int fd)
{
	struct barium_bo needed = barium_bo_create_with(fd, 64, SYSTEM);
	struct barium_bo again = barium_bo_create_with(fd, 64, SYSTEM);

	barium_stamp(needed.map, 0, 64, 1);
	barium_stamp(again.map, 0, 64, 2);
	barium_madvise(fd, again.handle, DONTNEED);
	igt_assert(barium_madvise(fd, again.handle, WILLNEED));
	barium_shrink();
	igt_assert(barium_madvise(fd, needed.handle, WILLNEED));
	igt_assert(barium_madvise(fd, again.handle, WILLNEED));
	barium_check_stamp(needed.map, 0, 64, 1);
	barium_check_stamp(again.map, 0, 64, 2);
	barium_bo_fini(fd, &again);
	barium_bo_fini(fd, &needed);
}

static void test_shared(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, SYSTEM);
	int buf;

	barium_madvise(fd, bo.handle, DONTNEED);
	buf = barium_export(fd, bo.handle);
	barium_stamp(bo.map, 0, 64, 1);
	barium_shrink();
	barium_shrink();
	igt_assert(barium_madvise(fd, bo.handle, WILLNEED));
	barium_check_stamp(bo.map, 0, 64, 1);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void test_framebuffer(int fd)
{
	struct barium_pipe pipe;
	struct barium_bo bo;
	size_t pages;
	__u32 fb;

	barium_find_pipe(fd, &pipe);
	pages = pipe.mode.hdisplay * 4 * pipe.mode.vdisplay / barium_page_size() + 1;
	bo = barium_bo_create_with(fd, pages, SYSTEM);
	barium_stamp(bo.map, 0, pages, 1);
	barium_madvise(fd, bo.handle, DONTNEED);
	fb = barium_add_fb(fd, bo.handle, pipe.mode.hdisplay, pipe.mode.vdisplay,
			   pipe.mode.hdisplay * 4, 0);
	gem_close(fd, bo.handle);
	barium_shrink();
	barium_check_stamp(bo.map, 0, pages, 1);
	barium_remove_fb(fd, fb);
	barium_bo_unmap(&bo);
}

static void test_left_vram(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, 0);

	barium_stamp(bo.map, 0, 64, 1);
	barium_move_out(fd);
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	igt_assert(barium_madvise(fd, bo.handle, DONTNEED));
	barium_check_stamp(bo.map, 0, 64, 1);
	barium_shrink();
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	igt_assert(!barium_madvise(fd, bo.handle, WILLNEED));
	barium_check_zero(bo.map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_vram(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, 0);

	barium_stamp(bo.map, 0, 64, 1);
	igt_assert(barium_madvise(fd, bo.handle, DONTNEED));
	barium_shrink();
	igt_assert_eq_u64(barium_in_vram(fd), bo.size);
	igt_assert(barium_madvise(fd, bo.handle, WILLNEED));
	barium_check_stamp(bo.map, 0, 64, 1);
	barium_bo_fini(fd, &bo);
}

static void test_accessed_again(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, SYSTEM);
	int i;

	barium_madvise(fd, bo.handle, DONTNEED);
	for (i = 0; i < 3; i++) {
		barium_stamp(bo.map, 0, 64, i);
		igt_assert_eq_u64(barium_in_memory(fd), bo.size);
		barium_shrink();
		igt_assert_eq_u64(barium_in_memory(fd), 0);
		barium_check_zero(bo.map, bo.size);
	}
	igt_assert(!barium_madvise(fd, bo.handle, WILLNEED));
	barium_bo_fini(fd, &bo);
}

/* Writes to memory of @data bytes, as the first process that the OOM killer ends. */
static void take_memory(void *data)
{
	size_t size = *(__u64 *)data, page = barium_page_size(), i;
	__u8 *map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED || __barium_write_file("/proc/self/oom_score_adj", "1000"))
		_exit(1);
	for (i = 0; i < size; i += page)
		map[i] = 1;
	_exit(0);
}

/* The objects take half of the memory that is available, and the program three quarters. */
static void test_under_pressure(int fd)
{
	size_t page = barium_page_size(), pages = (1 << 20) / page, count, kept = 0, i;
	__u64 available = barium_meminfo("MemAvailable"), wanted = available / 4 * 3;
	struct barium_bo bos[512];

	count = available / 2 / (pages * page);
	igt_require_f(count <= ARRAY_SIZE(bos), "%llu MiB of memory are too many to fill\n",
		      available >> 20);
	for (i = 0; i < count; i++) {
		bos[i] = barium_bo_create_with(fd, pages, SYSTEM);
		barium_stamp(bos[i].map, 0, pages, i);
		barium_madvise(fd, bos[i].handle, DONTNEED);
	}
	igt_assert_eq(barium_in_child(take_memory, &wanted), 0);
	for (i = 0; i < count; i++) {
		if (barium_madvise(fd, bos[i].handle, WILLNEED)) {
			barium_check_stamp(bos[i].map, 0, pages, i);
			kept++;
		} else {
			barium_check_zero(bos[i].map, bos[i].size);
		}
		barium_bo_fini(fd, &bos[i]);
	}
	igt_info("note: %zu of %zu objects kept their content\n", kept, count);
	igt_assert_lt_u64(kept, count);
}

static void require_swap(bool has_swap)
{
	igt_require_f(!barium_meminfo("SwapFree") == !has_swap, "the kernel has %s swap\n",
		      has_swap ? "no" : "got");
}

static void test_no_swap(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, SYSTEM);

	require_swap(false);
	barium_stamp(bo.map, 0, 64, 1);
	barium_shrink();
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	barium_check_stamp(bo.map, 0, 64, 1);
	barium_bo_fini(fd, &bo);
}

/* The second half of the object is never accessed before it is swapped out. */
static void test_swapped(int fd)
{
	size_t pages = 512, half = pages / 2, page = barium_page_size();
	struct barium_bo bo = barium_bo_create_with(fd, pages, SYSTEM);
	__u8 *again = barium_mmap(fd, bo.handle, bo.size);
	int round;

	require_swap(true);
	barium_cgroup_init("memory");
	barium_cgroup_create("a");
	barium_cgroup_enter("a");
	barium_stamp(bo.map, 0, half, 1);
	barium_cgroup_enter("");
	for (round = 1; round < 4; round++) {
		barium_check_stamp(again, 0, half, round);
		barium_shrink();
		igt_assert_eq_u64(barium_in_memory(fd), 0);
		/* It fails if it cannot reclaim all of that, which is more than there is. */
		__barium_cgroup_set("a", "memory.reclaim", "64M");
		igt_assert_lte_u64(half * page / 2, barium_cgroup_get("a", "memory.swap.current"));
		barium_check_stamp(bo.map, 0, half, round);
		igt_assert_eq_u64(barium_in_memory(fd), half * page);
		barium_stamp(again, 0, half, round + 1);
	}
	barium_check_zero(bo.map + half * page, half * page);
	barium_munmap(again, bo.size);
	barium_bo_fini(fd, &bo);
	barium_cgroup_fini();
}

/* The object has huge pages if the kernel has free ones. The last pages do not fill one. */
static void test_left_vram_swapped(int fd)
{
	size_t pages = 2 * barium_huge_pages() + 3;
	struct barium_bo bo = barium_bo_create(fd, pages);
	__u8 *again = barium_mmap(fd, bo.handle, bo.size);
	size_t page = barium_page_size();
	int round;

	require_swap(true);
	barium_stamp(bo.map, 0, pages, 1);
	barium_cgroup_init("memory");
	barium_cgroup_create("a");
	barium_cgroup_enter("a");
	barium_move_out(fd);
	barium_cgroup_enter("");
	for (round = 1; round < 4; round++) {
		igt_assert_eq_u64(barium_in_vram(fd), 0);
		barium_shrink();
		igt_assert_eq_u64(barium_in_memory(fd), 0);
		/* It fails if it cannot reclaim all of that, which is more than there is. */
		__barium_cgroup_set("a", "memory.reclaim", "64M");
		igt_assert_lte_u64(bo.size / 2, barium_cgroup_get("a", "memory.swap.current"));
		/* One page in the middle, first. */
		barium_check_stamp(bo.map + pages / 2 * page, pages / 2, 1, round);
		barium_check_stamp(again, 0, pages, round);
		igt_assert_eq_u64(barium_in_memory(fd), bo.size);
		barium_stamp(bo.map, 0, pages, round + 1);
	}
	barium_madvise(fd, bo.handle, DONTNEED);
	barium_shrink();
	barium_check_zero(again, bo.size);
	barium_munmap(again, bo.size);
	barium_bo_fini(fd, &bo);
	barium_cgroup_fini();
}

static void test_swapped_debugger(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create_with(fd, 4, SYSTEM);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u8 buf[4 * page];

	require_swap(true);
	igt_require_f(mem >= 0, "/proc/self/mem cannot be opened\n");
	barium_stamp(bo.map, 0, 4, 1);
	barium_shrink();
	igt_assert_eq(pread(mem, buf, sizeof(buf), (uintptr_t)bo.map), (int)sizeof(buf));
	barium_check_stamp(buf, 0, 4, 1);
	barium_shrink();
	barium_stamp(buf, 0, 4, 2);
	igt_assert_eq(pwrite(mem, buf, page, (uintptr_t)bo.map), (int)page);
	barium_check_stamp(bo.map, 0, 1, 2);
	barium_check_stamp(bo.map + page, 1, 3, 1);
	close(mem);
	barium_bo_fini(fd, &bo);
}

static void test_swapped_dontneed(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, SYSTEM);

	require_swap(true);
	barium_stamp(bo.map, 0, 64, 1);
	barium_shrink();
	igt_assert(barium_madvise(fd, bo.handle, DONTNEED));
	barium_shrink();
	igt_assert(!barium_madvise(fd, bo.handle, WILLNEED));
	barium_check_zero(bo.map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* VRAM is full when the object is created. */
static void test_swapped_shown(int fd)
{
	__u64 size = barium_vram_size(fd);
	struct barium_pipe pipe;
	struct barium_bo bo;
	__u32 fb, handle;
	size_t pages;

	require_swap(true);
	barium_find_pipe(fd, &pipe);
	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	pages = pipe.mode.hdisplay * 4 * pipe.mode.vdisplay / barium_page_size() + 1;
	bo = barium_bo_create_with(fd, pages, BARIUM_GEM_CREATE_CONTIGUOUS);
	barium_stamp(bo.map, 0, pages, 1);
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	barium_shrink();
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	fb = barium_add_fb(fd, bo.handle, pipe.mode.hdisplay, pipe.mode.vdisplay,
			   pipe.mode.hdisplay * 4, 0);
	barium_set_crtc(fd, &pipe, fb, 0, 0);
	igt_assert_eq_u64(barium_in_vram(fd), bo.size);
	barium_check_stamp(bo.map, 0, pages, 1);
	barium_switch_off(fd, &pipe);
	barium_remove_fb(fd, fb);
	barium_bo_fini(fd, &bo);
	gem_close(fd, handle);
}

static void test_attached(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, SYSTEM);
	int importer = barium_load_and_open("vgem"), buf;

	barium_stamp(bo.map, 0, 64, 1);
	buf = barium_export(fd, bo.handle);
	barium_import(importer, buf);
	barium_shrink();
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	barium_check_stamp(bo.map, 0, 64, 1);
	close(buf);
	close(importer);
	barium_bo_fini(fd, &bo);
}

/* The last object is needed: none of its counters may lose a count. */
static void test_written(int fd)
{
	struct barium_writer writers[WRITERS];
	size_t pages = 24, rounds = 0, i, j;
	struct barium_bo bos[WRITERS];
	double end;

	for (i = 0; i < WRITERS; i++) {
		bos[i] = barium_bo_create_with(fd, pages, SYSTEM);
		if (i < WRITERS - 1)
			barium_madvise(fd, bos[i].handle, DONTNEED);
		barium_writer_start(&writers[i], bos[i].map, pages);
	}
	for (end = barium_now() + 3 * barium_race_seconds(); barium_now() < end; rounds++)
		barium_shrink();
	for (i = 0; i < WRITERS; i++) {
		barium_writer_stop(&writers[i]);
		for (j = 0; j < pages; j++) {
			__u64 counter = barium_writer_counter(&writers[i], j);

			if (i < WRITERS - 1)
				igt_assert_lte_u64(counter, writers[i].count);
			else
				igt_assert_eq_u64(counter, writers[i].count);
		}
		igt_assert_eq(barium_madvise(fd, bos[i].handle, WILLNEED), i == WRITERS - 1);
		barium_bo_fini(fd, &bos[i]);
	}
	igt_info("note: %zu rounds\n", rounds);
}

struct churn {
	int fd;
	bool stop;
};

static void *create_and_close(void *data)
{
	struct churn *churn = data;

	while (!READ_ONCE(churn->stop)) {
		struct barium_bo bo = barium_bo_create_with(churn->fd, 4, SYSTEM);

		barium_stamp(bo.map, 0, 4, 1);
		barium_madvise(churn->fd, bo.handle, DONTNEED);
		barium_bo_fini(churn->fd, &bo);
	}
	return NULL;
}

static void test_closed(int fd)
{
	struct churn churn = { .fd = fd };
	pthread_t thread;
	double end;

	igt_assert_eq(pthread_create(&thread, NULL, create_and_close, &churn), 0);
	for (end = barium_now() + 3 * barium_race_seconds(); barium_now() < end;)
		barium_shrink();
	WRITE_ONCE(churn.stop, true);
	pthread_join(thread, NULL);
	igt_assert_eq_u64(barium_in_memory(fd), 0);
}

static void *shrink_on(void *data)
{
	struct churn *churn = data;

	while (!READ_ONCE(churn->stop))
		barium_shrink();
	return NULL;
}

static void test_unbound(int fd)
{
	struct churn churn = { .fd = fd };
	struct barium_bo bos[16];
	pthread_t thread;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = barium_bo_create_with(fd, 16, SYSTEM);
		barium_stamp(bos[i].map, 0, 16, i);
		if (i % 2)
			barium_madvise(fd, bos[i].handle, DONTNEED);
	}
	igt_assert_eq(pthread_create(&thread, NULL, shrink_on, &churn), 0);
	barium_unbind();
	for (i = 0; i < ARRAY_SIZE(bos); i += 2)
		barium_check_stamp(bos[i].map, 0, 16, i);
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		barium_stamp(bos[i].map, 0, 16, i + 100);
		barium_check_stamp(bos[i].map, 0, 16, i + 100);
	}
	WRITE_ONCE(churn.stop, true);
	pthread_join(thread, NULL);
	barium_shrink();
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		barium_check_stamp(bos[i].map, 0, 16, i + 100);
		barium_bo_unmap(&bos[i]);
	}
	barium_bind();
	barium_check_vram();
}

int igt_main()
{
	igt_describe("Objects in system memory that are not needed are dropped, and read as zero.");
	igt_subtest("dontneed-purged")
		test_purged(barium_new_client());

	igt_describe("The memory is free at once.");
	igt_subtest("memory-freed")
		test_memory_freed(barium_new_client());

	igt_describe("Objects that are needed keep their content.");
	igt_subtest("needed-stays")
		test_needed(barium_new_client());

	igt_describe("The content of an object that gets a dma-buf after DONTNEED is kept.");
	igt_subtest("shared-stays")
		test_shared(barium_new_client());

	igt_describe("The content of an object that gets a framebuffer after DONTNEED is kept.");
	igt_subtest("framebuffer-stays")
		test_framebuffer(barium_new_primary_client());

	igt_describe("The content of an object that has left VRAM is dropped.");
	igt_subtest("left-vram")
		test_left_vram(barium_new_client());

	igt_describe("The content of an object in VRAM is kept.");
	igt_subtest("vram-stays")
		test_vram(barium_new_client());

	igt_describe("Content that was dropped and written again is dropped again.");
	igt_subtest("accessed-again")
		test_accessed_again(barium_new_client());

	igt_describe("A program gets the memory of objects that are not needed.");
	igt_subtest("under-pressure")
		test_under_pressure(barium_new_client());

	igt_describe("Without swap, the memory of objects that are needed stays.");
	igt_subtest("no-swap-stays")
		test_no_swap(barium_new_client());

	igt_describe("The kernel swaps objects out, and their mappings get the content back.");
	igt_subtest("swapped-and-back")
		test_swapped(barium_new_client());

	igt_describe("An object that has left VRAM is swapped out and read back.");
	igt_subtest("left-vram-swapped")
		test_left_vram_swapped(barium_new_client());

	igt_describe("A debugger reads and writes an object that is swapped out.");
	igt_subtest("swapped-debugger")
		test_swapped_debugger(barium_new_client());

	igt_describe("An object that is swapped out and not needed any more reads as zero.");
	igt_subtest("swapped-dontneed")
		test_swapped_dontneed(barium_new_client());

	igt_describe("An object that is swapped out can be shown, with its content.");
	igt_subtest("swapped-shown")
		test_swapped_shown(barium_new_primary_client());

	igt_describe("An object that another device has attached to is not swapped out.");
	igt_subtest("attached-stays")
		test_attached(barium_new_client());

	igt_describe("Programs can write to objects while their content is dropped.");
	igt_subtest("written-while-purged")
		test_written(barium_new_client());

	igt_describe("Objects can be created and closed while their content is dropped.");
	igt_subtest("closed-while-purged")
		test_closed(barium_new_client());

	igt_fixture()
		barium_prepare_unplug();

	igt_describe("The device can be unbound while the driver gives memory back.");
	igt_subtest("unbound-while-purged")
		test_unbound(barium_new_bound_client());
}
