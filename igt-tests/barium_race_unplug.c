// SPDX-License-Identifier: MIT
/**
 * TEST: barium race unplug
 * Description: Races of threads against unbinding or removing the device, with operations that take
 *   longer than a fault. barium_hotunplug_race does the same with processes that write, create
 *   objects and open files.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Concurrency
 *
 * SUBTEST: unbind-ahead
 * Description: Unbind races with MAP_AHEAD.
 *
 * SUBTEST: unbind-handles
 * Description: Unbind races with threads that guess handles.
 *
 * SUBTEST: unbind-debugger
 * Description: Unbind races with accesses through /proc/self/mem.
 *
 * SUBTEST: remove-faults
 * Description: Removal of the device races with faults and MAP_AHEAD.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_race.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Threads that race with unbind and removal of the device.");

#define PAGES 32
/* Large enough for huge entries. */
#define LARGE_PAGES 1024

/* Reads and writes the mapping through /proc/self/mem, as a debugger does. */
static void *debugger(void *data)
{
	struct barium_arena *arena = data;
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u32 state = 1;
	size_t page;
	__u64 word;

	while (barium_goes_on(arena)) {
		page = barium_draw(&state) % arena->pages;
		off_t at = (uintptr_t)arena->map + page * barium_page_size();

		/* No access may fail, because nothing unmaps the mapping. */
		if (pread(mem, &word, sizeof(word), at) != sizeof(word))
			barium_race_failed(arena, "a read of /proc/self/mem fails");
		else if (word && word != barium_word_of(page))
			barium_race_failed(arena, "a read of /proc/self/mem returns a wrong page");
		if (pwrite(mem, "", 1, at + 64) != 1)
			barium_race_failed(arena, "a write to /proc/self/mem fails");
		barium_count(arena);
	}
	close(mem);
	return NULL;
}

/* Unplugs the device with @unplug while @threads run, and plugs it in again with @replug. */
static void race_unplug(const barium_thread *threads, size_t number, size_t pages,
			void (*unplug)(void), void (*replug)(void))
{
	struct sigaction old;
	double end = barium_now() + barium_race_seconds();
	pthread_t ids[8];
	size_t i;

	barium_catch_segv(&old);
	do {
		struct barium_arena arena = barium_arena_make(barium_open_bound(), pages);

		arena.may_be_zero = true;
		arena.map = barium_mmap(arena.fd, arena.bo.handle, arena.bo.size);
		for (i = 0; i < number; i++)
			igt_assert_eq(pthread_create(&ids[i], NULL, threads[i], &arena), 0);
		while (READ_ONCE(arena.turns) < 20 && barium_goes_on(&arena))
			usleep(200);
		unplug();
		arena.turns = 0;
		while (READ_ONCE(arena.turns) < 20 && barium_goes_on(&arena))
			usleep(200);
		WRITE_ONCE(arena.stop, true);
		for (i = 0; i < number; i++)
			pthread_join(ids[i], NULL);
		igt_assert_f(!arena.failed, "%s\n", arena.why);

		munmap(arena.map, arena.bo.size);
		barium_bo_unmap(&arena.bo);
		close(arena.fd);
		replug();
		barium_check_vram();
	} while (barium_now() < end);
	sigaction(SIGSEGV, &old, NULL);
}

static const barium_thread ahead_threads[] = {
	barium_ahead_mapper, barium_toucher, barium_ahead_mapper,
};

static const barium_thread guessers[] = {
	barium_guesser, barium_guesser, barium_guesser, barium_guesser,
};

static void test_remove_faults(void)
{
	static const barium_thread threads[] = {
		barium_toucher, barium_ahead_mapper, barium_toucher,
	};

	race_unplug(threads, ARRAY_SIZE(threads), LARGE_PAGES, barium_remove, barium_rescan);
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("Unbind races with MAP_AHEAD.");
	igt_subtest("unbind-ahead") {
		barium_new_bound_client();
		race_unplug(ahead_threads, ARRAY_SIZE(ahead_threads), LARGE_PAGES, barium_unbind,
			    barium_bind);
	}

	igt_describe("Unbind races with threads that guess handles.");
	igt_subtest("unbind-handles") {
		barium_new_bound_client();
		race_unplug(guessers, ARRAY_SIZE(guessers), PAGES, barium_unbind, barium_bind);
	}

	/* Several threads race for the first access to the zero page of the object. */
	igt_describe("Unbind races with accesses through /proc/self/mem.");
	igt_subtest("unbind-debugger") {
		static const barium_thread threads[] = { debugger, barium_toucher, debugger };

		barium_new_bound_client();
		race_unplug(threads, ARRAY_SIZE(threads), PAGES, barium_unbind, barium_bind);
	}

	igt_describe("Removal of the device races with faults and MAP_AHEAD.");
	igt_subtest("remove-faults") {
		barium_new_bound_client();
		test_remove_faults();
	}
}
