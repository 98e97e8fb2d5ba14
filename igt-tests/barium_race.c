// SPDX-License-Identifier: MIT
/**
 * TEST: barium race
 * Description: Races of threads and processes on the same handles, mappings and objects. Each takes
 *   0.3 s, or $BARIUM_RACE_SECONDS. In any order of events, a page reads what was written to it, or
 *   is not mapped, and all VRAM is available at the end.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Concurrency
 *
 * SUBTEST: handles
 * Description: Threads guess handles that others create and close.
 *
 * SUBTEST: fault-munmap
 * Description: Threads access a range that is unmapped and mapped again.
 *
 * SUBTEST: fault-munmap-large
 * Description: Threads access a range with huge entries that is unmapped and mapped again.
 *
 * SUBTEST: fault-mprotect
 * Description: Threads access a range whose protection changes.
 *
 * SUBTEST: fault-mprotect-large
 * Description: Threads access a range with huge entries whose protection changes.
 *
 * SUBTEST: fault-mremap
 * Description: Threads access a range that is moved away and back.
 *
 * SUBTEST: fault-mremap-large
 * Description: Threads access a range with huge entries that is moved away and back.
 *
 * SUBTEST: fault-fork
 * Description: Threads access a mapping while the process forks.
 *
 * SUBTEST: fault-thp-disabled
 * Description: Threads fault while huge pages are disabled and enabled.
 *
 * SUBTEST: ahead-munmap
 * Description: MAP_AHEAD races with munmap() and mmap().
 *
 * SUBTEST: last-reference
 * Description: Threads access a mapping that holds the last reference.
 *
 * SUBTEST: last-reference-large
 * Description: Threads access huge entries of a mapping that holds the last reference.
 *
 * SUBTEST: two-processes
 * Description: Two processes race for the first access to an object.
 *
 * SUBTEST: two-processes-large
 * Description: Two processes race for the first access to an object with huge entries.
 *
 * SUBTEST: exhaustion
 * Description: Two clients exhaust VRAM concurrently.
 *
 * SUBTEST: kept-objects
 * Description: Cached blocks of freed small objects are available to large ones.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "igt.h"
#include "barium_lib_race.h"

IGT_TEST_DESCRIPTION("Concurrent use of objects, handles and mappings.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 32
/* Large enough for huge entries. */
#define LARGE_PAGES 1024
/*
 * An address far from all other mappings, whose page tables are allocated and freed with the
 * mapping there.
 */
#define FAR ((void *)0x200000000000)

static void map_again(struct barium_arena *arena)
{
	if (mmap(arena->map, arena->bo.size, RW, MAP_SHARED | MAP_FIXED, arena->fd,
		 arena->bo.offset) != arena->map)
		barium_race_failed(arena, "mmap() at the same address fails");
}

/* Two threads access a mapping while the caller changes it with @change in a loop. */
static void access_while(int fd, size_t pages, void (*change)(struct barium_arena *arena))
{
	static const barium_thread threads[] = { barium_toucher, barium_toucher };
	__u64 before = barium_vram_available(fd);
	struct barium_arena arena = barium_arena_make(fd, pages);

	arena.map = FAR;
	map_again(&arena);
	barium_race(&arena, threads, ARRAY_SIZE(threads), change);
	munmap(arena.map, arena.bo.size);
	barium_bo_fini(fd, &arena.bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void unmap_and_map(struct barium_arena *arena)
{
	size_t half = arena->bo.size / 2;

	munmap(arena->map + half, half);
	munmap(arena->map, half);
	map_again(arena);
}

static void protect(struct barium_arena *arena)
{
	static const int prots[] = { PROT_READ, PROT_NONE, RW };
	static unsigned int turn;
	size_t third = arena->pages / 3 * barium_page_size();

	if (mprotect(arena->map + third, third, prots[turn++ % ARRAY_SIZE(prots)]))
		barium_race_failed(arena, "mprotect() fails");
}

/* Moves the mapping away and back. The vacated range is mapped with PROT_NONE. */
static void move(struct barium_arena *arena)
{
	size_t size = arena->bo.size;
	__u8 *from = arena->map, *to;

	to = mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, from + 8 * size);
	if (to == MAP_FAILED ||
	    mremap(to, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, from) != from)
		barium_race_failed(arena, "mremap() fails");
	if (mmap(to, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != to)
		barium_race_failed(arena, "mmap() of the vacated range fails");
}

/* Reserves the address range of all moves, so that no other mapping is placed there. */
static void access_while_moving(int fd, size_t pages)
{
	static const barium_thread threads[] = { barium_toucher, barium_toucher };
	struct barium_arena arena = barium_arena_make(fd, pages);
	size_t room = 10 * arena.bo.size;

	arena.map = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(arena.map != MAP_FAILED);
	map_again(&arena);
	barium_race(&arena, threads, ARRAY_SIZE(threads), move);
	munmap(arena.map, room);
	barium_bo_fini(fd, &arena.bo);
}

/* Forks a child, which reads a page of the mapping, while the threads fault on it. */
static void fork_a_child(struct barium_arena *arena)
{
	int page = arena->turns % arena->pages;
	pid_t pid = fork();
	int status = 1;

	if (!pid)
		_exit(READ_ONCE(*(__u64 *)(arena->map + page * barium_page_size())) !=
		      barium_word_of(page));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		barium_race_failed(arena, "a child reads a wrong page");
	map_again(arena);
}

/*
 * Disables huge pages for a time that differs in each call, in which another thread begins a fault,
 * and enables them again.
 */
static void allow_huge_and_read(struct barium_arena *arena)
{
	static __u32 turn;
	size_t page = turn++ % arena->pages;
	double end;
	__u64 word;

	munmap(arena->map, arena->bo.size);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	map_again(arena);
	end = barium_now() + (turn % 100) / 1e6;
	while (barium_now() < end)
		;
	prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
	if (!barium_peek(arena->map + page * barium_page_size(), &word) ||
	    word != barium_word_of(page))
		barium_race_failed(arena, "a page reads a wrong value");
}

static const barium_thread ahead_threads[] = {
	barium_ahead_mapper, barium_toucher, barium_ahead_mapper,
};

static const barium_thread guessers[] = {
	barium_guesser, barium_guesser, barium_guesser, barium_guesser,
};

/* Another client fills an object and closes it. The guessers must not read its contents. */
static void dirty_and_close(struct barium_arena *arena)
{
	struct barium_bo bo = barium_bo_create(arena->bo.handle, 4);

	memset(bo.map, 0xa5, bo.size);
	barium_bo_fini(arena->bo.handle, &bo);
}

static void test_handles(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_arena arena = { .fd = barium_reopen(fd, O_RDWR) };

	arena.bo.handle = fd;
	barium_race(&arena, guessers, ARRAY_SIZE(guessers), dirty_and_close);
	close(arena.fd);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* Replaces the mapping, which holds the last reference to its object, under the threads. */
static void drop_last_reference(struct barium_arena *arena)
{
	struct barium_bo bo = barium_bo_create(arena->fd, arena->pages);

	barium_fill_words(bo.map, arena->pages);
	gem_close(arena->fd, bo.handle);
	if (mremap(bo.map, bo.size, bo.size, MREMAP_MAYMOVE | MREMAP_FIXED, arena->map) !=
	    arena->map)
		barium_race_failed(arena, "mremap() fails");
}

/* Processes take the first faults on an object at the same time. Each writes to its own pages. */
static void first_access(int fd, size_t pages, int processes)
{
	double end = barium_now() + barium_race_seconds();
	__u32 *ready, turns = 0;

	ready = mmap(NULL, sizeof(*ready), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(ready != MAP_FAILED);
	while (barium_now() < end) {
		struct barium_bo bo = barium_bo_create(fd, pages);
		size_t page = barium_page_size(), i;

		*ready = 0;
		igt_fork(child, processes) {
			__atomic_add_fetch(ready, 1, __ATOMIC_SEQ_CST);
			while (READ_ONCE(*ready) < (__u32)processes)
				;
			for (i = child; i < pages; i += processes)
				barium_stamp(bo.map + i * page, i, 1, turns);
		}
		igt_waitchildren();
		barium_check_stamp(bo.map, 0, pages, turns++);
		barium_bo_fini(fd, &bo);
	}
	munmap(ready, sizeof(*ready));
}

/*
 * Creates many objects of random sizes, more than VRAM has room for, and closes them. Returns true
 * if all read as zero and no call failed.
 */
static bool exhaust(int fd, __u32 *state)
{
	__u32 taken[256];
	size_t count = 0, page = barium_page_size();
	bool good = true;
	__u64 size;
	void *map;
	int err = 0;

	while (count < ARRAY_SIZE(taken)) {
		size = (1 + barium_draw(state) % (barium_draw(state) % 4 ? 24 : 900)) * page;
		err = __barium_gem_create(fd, &size, barium_draw(state) % 2, &taken[count]);
		if (err)
			break;
		map = barium_mmap(fd, taken[count++], size);
		good &= !READ_ONCE(*(__u64 *)map) && !READ_ONCE(*(__u64 *)(map + size - 8));
		memset(map, 0xa5, page);
		memset(map + size - page, 0xa5, page);
		barium_munmap(map, size);
	}
	while (count)
		good &= !__barium_gem_close(fd, taken[--count]);
	return good && !err;
}

static void test_exhaustion(int fd)
{
	__u64 before = barium_vram_available(fd);
	double end = barium_now() + barium_race_seconds();

	igt_fork(child, 2) {
		int own = barium_reopen(fd, O_RDWR);
		__u32 state = child;

		while (barium_now() < end)
			igt_assert(exhaust(own, &state));
	}
	igt_waitchildren();
	igt_assert_eq_u64(barium_vram_available(fd), before);
	gem_close(fd, barium_gem_create(fd, before));
}

/*
 * Creates and closes objects. The objects of two such threads always fit into VRAM, so that no call
 * may fail: the driver has to release the freed blocks that it caches for small objects.
 */
static void *allocator(void *data)
{
	struct barium_arena *arena = data;
	size_t page = barium_page_size(), i;
	__u32 handle, singles[10];

	while (barium_goes_on(arena)) {
		__u64 size = 17 * page;

		if (__barium_gem_create(arena->fd, &size, 0, &handle))
			barium_race_failed(arena, "an object does not fit");
		for (i = 0; i < ARRAY_SIZE(singles); i++) {
			size = page;
			if (__barium_gem_create(arena->fd, &size, 0, &singles[i]))
				barium_race_failed(arena, "a page does not fit");
		}
		for (i = 0; i < ARRAY_SIZE(singles); i++)
			__barium_gem_close(arena->fd, singles[i]);
		__barium_gem_close(arena->fd, handle);
		barium_count(arena);
	}
	return NULL;
}

static void wait_a_moment(struct barium_arena *arena)
{
	(void)arena;
	usleep(1000);
}

int igt_main()
{
	igt_describe("Threads guess handles that others create and close.");
	igt_subtest("handles")
		test_handles(barium_new_client());

	igt_describe("Threads access a range that is unmapped and mapped again.");
	igt_subtest("fault-munmap")
		access_while(barium_new_client(), PAGES, unmap_and_map);

	igt_describe("Threads access a range with huge entries that is unmapped and mapped again.");
	igt_subtest("fault-munmap-large")
		access_while(barium_new_client(), LARGE_PAGES, unmap_and_map);

	igt_describe("Threads access a range whose protection changes.");
	igt_subtest("fault-mprotect")
		access_while(barium_new_client(), PAGES, protect);

	igt_describe("Threads access a range with huge entries whose protection changes.");
	igt_subtest("fault-mprotect-large")
		access_while(barium_new_client(), LARGE_PAGES, protect);

	igt_describe("Threads access a range that is moved away and back.");
	igt_subtest("fault-mremap")
		access_while_moving(barium_new_client(), PAGES);

	igt_describe("Threads access a range with huge entries that is moved away and back.");
	igt_subtest("fault-mremap-large")
		access_while_moving(barium_new_client(), LARGE_PAGES);

	igt_describe("Threads access a mapping while the process forks.");
	igt_subtest("fault-fork")
		access_while(barium_new_client(), PAGES, fork_a_child);

	/*
	 * A fault that inserts a page table entry finds a huge entry that a concurrent fault has
	 * installed. The handler must return VM_FAULT_NOPAGE, not VM_FAULT_OOM.
	 */
	igt_describe("Threads fault while huge pages are disabled and enabled.");
	igt_subtest("fault-thp-disabled") {
		int fd = barium_new_client();
		static const barium_thread threads[] = { barium_toucher };
		struct barium_arena arena = barium_arena_make(fd, LARGE_PAGES);

		arena.map = FAR;
		map_again(&arena);
		barium_race(&arena, threads, ARRAY_SIZE(threads), allow_huge_and_read);
		prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
		munmap(arena.map, arena.bo.size);
		barium_bo_fini(fd, &arena.bo);
	}

	igt_describe("MAP_AHEAD races with munmap() and mmap().");
	igt_subtest("ahead-munmap") {
		int fd = barium_new_client();
		struct barium_arena arena = barium_arena_make(fd, LARGE_PAGES);

		arena.map = barium_mmap(fd, arena.bo.handle, arena.bo.size);
		barium_race(&arena, ahead_threads, ARRAY_SIZE(ahead_threads), unmap_and_map);
		munmap(arena.map, arena.bo.size);
		barium_bo_fini(fd, &arena.bo);
	}

	igt_describe("Threads access a mapping that holds the last reference.");
	igt_subtest("last-reference")
		access_while(barium_new_client(), PAGES, drop_last_reference);

	igt_describe("Threads access huge entries of a mapping that holds the last reference.");
	igt_subtest("last-reference-large")
		access_while(barium_new_client(), LARGE_PAGES, drop_last_reference);

	igt_describe("Two processes race for the first access to an object.");
	igt_subtest("two-processes")
		first_access(barium_new_client(), PAGES, 2);

	igt_describe("Two processes race for the first access to an object with huge entries.");
	igt_subtest("two-processes-large")
		first_access(barium_new_client(), LARGE_PAGES, 2);

	igt_describe("Two clients exhaust VRAM concurrently.");
	igt_subtest("exhaustion")
		test_exhaustion(barium_new_client());

	igt_describe("Cached blocks of freed small objects are available to large ones.");
	igt_subtest("kept-objects") {
		int fd = barium_new_client();
		static const barium_thread threads[] = { allocator, allocator };
		__u64 before = barium_vram_available(fd);
		struct barium_arena arena = { .fd = barium_reopen(fd, O_RDWR) };

		barium_require_vram();
		igt_require_f(!getenv("BARIUM_MOVES"), "the objects may leave VRAM\n");
		barium_gem_create(fd, before - 56 * barium_page_size());
		barium_race(&arena, threads, ARRAY_SIZE(threads), wait_a_moment);
		close(arena.fd);
		igt_assert_eq_u64(barium_vram_available(fd), 56 * barium_page_size());
	}
}
