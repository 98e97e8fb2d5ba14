// SPDX-License-Identifier: MIT
/*
 * Helpers for tests with several threads; see barium_lib_race.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_race.h"

/* Handles are small numbers, so a thread can guess them. */
#define GUESSES 12
/* The threads of barium_write_while_moved(), and their pages. */
#define WRITERS 3
#define WRITER_PAGES 24
#define RW (PROT_READ | PROT_WRITE)

/* Stops all threads. Only the main thread may assert. */
void barium_race_failed(struct barium_arena *arena, const char *why)
{
	arena->why = why;
	WRITE_ONCE(arena->failed, true);
	WRITE_ONCE(arena->stop, true);
}

bool barium_goes_on(struct barium_arena *arena)
{
	return !READ_ONCE(arena->stop);
}

void barium_count(struct barium_arena *arena)
{
	__atomic_add_fetch(&arena->turns, 1, __ATOMIC_RELAXED);
}

__u32 barium_draw(__u32 *state)
{
	*state = *state * 1664525 + 1013904223;
	return *state >> 8;
}

static __thread sigjmp_buf trap;

static void on_segv(int sig)
{
	(void)sig;
	siglongjmp(trap, 1);
}

void barium_catch_segv(struct sigaction *old)
{
	struct sigaction action = { .sa_handler = on_segv };

	sigaction(SIGSEGV, &action, old);
}

/* SIGBUS is not handled, because it must not happen. */
bool barium_peek(const __u8 *page, __u64 *start)
{
	if (sigsetjmp(trap, 1))
		return false;
	*start = READ_ONCE(*(__u64 *)page);
	return true;
}

bool barium_poke(__u8 *byte)
{
	if (sigsetjmp(trap, 1))
		return false;
	WRITE_ONCE(*byte, 1);
	return true;
}

__u64 barium_word_of(size_t page)
{
	return (page + 1) * 0x9e3779b97f4a7c15ull;
}

void barium_fill_words(__u8 *map, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		WRITE_ONCE(*(__u64 *)(map + i * barium_page_size()), barium_word_of(i));
}

/* Another thread may remove the mapping at any time. */
void *barium_toucher(void *data)
{
	struct barium_arena *arena = data;
	__u32 state = (uintptr_t)&state;
	size_t page;
	__u8 *at;
	__u64 word;

	while (barium_goes_on(arena)) {
		page = barium_draw(&state) % arena->pages;
		at = READ_ONCE(arena->map) + page * barium_page_size();
		if (barium_peek(at, &word) && word != barium_word_of(page) &&
		    !(arena->may_be_zero && !word))
			barium_race_failed(arena, "a page has the wrong content");
		barium_poke(at + 64);
		barium_count(arena);
	}
	return NULL;
}

double barium_now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

double barium_race_seconds(void)
{
	const char *wanted = getenv("BARIUM_RACE_SECONDS");

	return wanted && atof(wanted) > 0 ? atof(wanted) : 0.3;
}

void barium_race(struct barium_arena *arena, const barium_thread *threads, size_t number,
		 void (*main)(struct barium_arena *arena))
{
	struct sigaction old;
	double end = barium_now() + barium_race_seconds();
	pthread_t ids[8];
	size_t i;

	igt_assert_lte(number, ARRAY_SIZE(ids));
	barium_catch_segv(&old);
	for (i = 0; i < number; i++)
		igt_assert_eq(pthread_create(&ids[i], NULL, threads[i], arena), 0);
	while (barium_goes_on(arena) && (barium_now() < end || !READ_ONCE(arena->turns)))
		main(arena);
	WRITE_ONCE(arena->stop, true);
	for (i = 0; i < number; i++)
		pthread_join(ids[i], NULL);
	sigaction(SIGSEGV, &old, NULL);
	igt_assert_f(!arena->failed, "%s\n", arena->why);
}

struct barium_arena barium_arena_make(int fd, size_t pages)
{
	struct barium_arena arena = {
		.fd = fd, .bo = barium_bo_create(fd, pages), .pages = pages,
	};

	arena.map = arena.bo.map;
	barium_fill_words(arena.bo.map, pages);
	return arena;
}

void *barium_ahead_mapper(void *data)
{
	struct barium_arena *arena = data;
	struct drm_barium_map_ahead arg = {
		.address = (uintptr_t)arena->map,
		.size = arena->pages * barium_page_size(),
	};

	while (barium_goes_on(arena)) {
		int err = barium_ioctl(arena->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg);

		if (err && err != -EFAULT && err != -ENODEV)
			barium_race_failed(arena, "MAP_AHEAD fails with an unexpected error");
		barium_count(arena);
	}
	return NULL;
}

/* Makes random calls with handles that other threads create and close concurrently. */
void *barium_guesser(void *data)
{
	struct barium_arena *arena = data;
	__u32 state = (uintptr_t)&state, handle;
	struct drm_barium_gem_info info;
	__u64 size, offset, word;
	void *map;
	int err;

	while (barium_goes_on(arena)) {
		handle = 1 + barium_draw(&state) % GUESSES;
		size = (1 + barium_draw(&state) % 4) * barium_page_size();
		switch (barium_draw(&state) % 5) {
		case 0:
			err = __barium_gem_create(arena->fd, &size, 0, &handle);
			if (!err && handle > GUESSES)
				err = __barium_gem_close(arena->fd, handle);
			break;
		case 1:
			err = __barium_gem_close(arena->fd, handle);
			break;
		case 2:
			err = __barium_gem_info(arena->fd, handle, &info);
			break;
		case 3:
			err = __barium_gem_export(arena->fd, handle, DRM_RDWR | DRM_CLOEXEC);
			if (err >= 0)
				close(err);
			break;
		default:
			err = __barium_gem_mmap_offset(arena->fd, handle, &offset);
			if (!err)
				err = __barium_mmap(arena->fd, barium_page_size(), RW, MAP_SHARED,
						    offset, &map);
			if (err)
				break;
			/* Only guessers write to these objects, and always the same values. */
			if (barium_peek(map, &word) && word && word != barium_word_of(0))
				barium_race_failed(arena, "a new object is not zero");
			barium_fill_words(map, 1);
			munmap(map, barium_page_size());
		}
		if (err < 0 && err != -ENOENT && err != -EINVAL && err != -EACCES && err != -ENODEV)
			barium_race_failed(arena, "a guess fails with an unexpected error");
		barium_count(arena);
	}
	return NULL;
}

static void *write_counters(void *data)
{
	struct barium_writer *writer = data;
	size_t page = barium_page_size(), i;

	while (!READ_ONCE(writer->stop)) {
		writer->count++;
		for (i = 0; i < writer->pages; i++) {
			__u64 *counter = (__u64 *)(writer->map + i * page);

			WRITE_ONCE(*counter, READ_ONCE(*counter) + 1);
		}
	}
	return NULL;
}

void barium_writer_start(struct barium_writer *writer, __u8 *map, size_t pages)
{
	*writer = (struct barium_writer) { .map = map, .pages = pages };
	igt_assert_eq(pthread_create(&writer->thread, NULL, write_counters, writer), 0);
}

void barium_writer_stop(struct barium_writer *writer)
{
	WRITE_ONCE(writer->stop, true);
	pthread_join(writer->thread, NULL);
}

__u64 barium_writer_counter(const struct barium_writer *writer, size_t page)
{
	return *(__u64 *)(writer->map + page * barium_page_size());
}

size_t barium_write_while_moved(int fd, void (*move)(int fd))
{
	struct barium_writer writers[WRITERS];
	struct barium_bo bos[WRITERS];
	size_t i, j, rounds = 0;
	double end;

	for (end = barium_now() + 3 * barium_race_seconds(); barium_now() < end; rounds++) {
		/* New objects, as nothing moves these into VRAM again. */
		for (i = 0; i < WRITERS; i++) {
			bos[i] = barium_bo_create(fd, WRITER_PAGES);
			barium_writer_start(&writers[i], bos[i].map, WRITER_PAGES);
		}
		usleep(2000);
		move(fd);
		for (i = 0; i < WRITERS; i++) {
			barium_writer_stop(&writers[i]);
			for (j = 0; j < WRITER_PAGES; j++)
				igt_assert_eq_u64(barium_writer_counter(&writers[i], j),
						  writers[i].count);
		}
		igt_assert_eq_u64(barium_in_vram(fd), 0);
		for (i = 0; i < WRITERS; i++)
			barium_bo_fini(fd, &bos[i]);
	}
	return rounds;
}
