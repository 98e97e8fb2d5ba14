/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests in which several threads use the same mapping or the same handles.
 */
#ifndef BARIUM_LIB_RACE_H
#define BARIUM_LIB_RACE_H

#include <pthread.h>
#include <signal.h>

#include "barium_lib.h"

/* The state that all threads of a test share. */
struct barium_arena {
	bool stop;
	bool failed;
	const char *why;
	__u32 turns;
	int fd;
	struct barium_bo bo;
	__u8 *map;
	size_t pages;
	/* Pages may read as zero, because the device may be unbound. */
	bool may_be_zero;
};

/* Creates and maps an object of @pages pages, and fills it with barium_fill_words(). */
struct barium_arena barium_arena_make(int fd, size_t pages);

/* Returns the duration of a race in seconds: $BARIUM_RACE_SECONDS, or 0.3. */
double barium_race_seconds(void);
double barium_now(void);

typedef void *(*barium_thread)(void *arena);

/* Runs the threads, and calls @main repeatedly, until the duration is over or a thread fails. */
void barium_race(struct barium_arena *arena, const barium_thread *threads, size_t number,
		 void (*main)(struct barium_arena *arena));

/* For threads: return false to stop; count a completed turn; report a failure. */
bool barium_goes_on(struct barium_arena *arena);
void barium_count(struct barium_arena *arena);
void barium_race_failed(struct barium_arena *arena, const char *why);

/* Returns a pseudorandom number of 24 bits. Each thread has its own @state. */
__u32 barium_draw(__u32 *state);

/* Returns the content of the first word of a page. Threads may write to the rest of a page. */
__u64 barium_word_of(size_t page);
void barium_fill_words(__u8 *map, size_t pages);

/* Lets barium_peek() and barium_poke() handle SIGSEGV, in all threads. */
void barium_catch_segv(struct sigaction *old);
/* Read the first word of a page, or write a byte. Return false if the address is not mapped. */
bool barium_peek(const __u8 *page, __u64 *start);
bool barium_poke(__u8 *byte);

/* Threads: access the mapping of the arena, call MAP_AHEAD for it, use guessed handles. */
void *barium_toucher(void *arena);
void *barium_ahead_mapper(void *arena);
void *barium_guesser(void *arena);

/* A thread that increments a counter at the start of each page of a mapping, in turn. */
struct barium_writer {
	pthread_t thread;
	__u8 *map;
	size_t pages;
	bool stop;
	/* The value of each counter, once the thread has ended. */
	__u64 count;
};

void barium_writer_start(struct barium_writer *writer, __u8 *map, size_t pages);
/* Ends the thread after each page has the same count. */
void barium_writer_stop(struct barium_writer *writer);
/* Returns the counter in page @page. */
__u64 barium_writer_counter(const struct barium_writer *writer, size_t page);

/*
 * Lets writers write to new objects in VRAM, calls @move, which moves these out, and asserts that
 * no write was lost, again and again for three times the duration of a race. Returns how often.
 */
size_t barium_write_while_moved(int fd, void (*move)(int fd));

#endif
