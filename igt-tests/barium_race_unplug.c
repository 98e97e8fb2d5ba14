// SPDX-License-Identifier: MIT
/*
 * A device that goes away while threads do things to it that take longer than a fault. What
 * processes do that write, create and open meanwhile is in barium_hotunplug_race.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_race.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Threads against a device that goes away.");

#define PAGES 32
/* Enough for huge entries. */
#define LARGE_PAGES 1024

/* Reads and writes the mapping as a debugger does. */
static void *peeker(void *data)
{
	struct barium_arena *arena = data;
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u32 state = 1;
	size_t page;
	__u64 word;

	while (barium_goes_on(arena)) {
		page = barium_draw(&state) % arena->pages;
		off_t at = (uintptr_t)arena->map + page * barium_page_size();

		/* What is mapped all the time can be read all the time. */
		if (pread(mem, &word, sizeof(word), at) != sizeof(word))
			barium_race_failed(arena, "a debugger is refused");
		else if (word && word != barium_word_of(page))
			barium_race_failed(arena, "a debugger sees another page");
		if (pwrite(mem, "", 1, at + 64) != 1)
			barium_race_failed(arena, "a debugger cannot write");
		barium_count(arena);
	}
	close(mem);
	return NULL;
}

/* Rounds of taking the device away from these threads. */
static void unplugged(const barium_thread *threads, size_t number, size_t pages,
		      void (*take)(void), void (*give)(void))
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
		take();
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
		give();
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

static void unbind_ahead(int fd)
{
	(void)fd;
	unplugged(ahead_threads, ARRAY_SIZE(ahead_threads), LARGE_PAGES, barium_unbind,
		  barium_bind);
}

static void unbind_handles(int fd)
{
	(void)fd;
	unplugged(guessers, ARRAY_SIZE(guessers), PAGES, barium_unbind, barium_bind);
}

/* The first who ask for the page of zeros do so at the same time. */
static void unbind_debugger(int fd)
{
	static const barium_thread threads[] = { peeker, barium_toucher, peeker };

	(void)fd;
	unplugged(threads, ARRAY_SIZE(threads), PAGES, barium_unbind, barium_bind);
}

static void remove_faults(int fd)
{
	static const barium_thread threads[] = {
		barium_toucher, barium_ahead_mapper, barium_toucher,
	};

	(void)fd;
	unplugged(threads, ARRAY_SIZE(threads), LARGE_PAGES, barium_remove, barium_rescan);
}

static const struct barium_subtest tests[] = {
	{ "unbind-ahead", "The device goes while threads map ahead.", unbind_ahead },
	{ "unbind-handles", "The device goes while threads guess handles.", unbind_handles },
	{ "unbind-debugger", "The device goes while a debugger reads and writes.",
	  unbind_debugger },
	{ "remove-faults", "The device is removed while threads fault and map ahead.",
	  remove_faults },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_unplug_subtests(tests);
}
