/* SPDX-License-Identifier: MIT */
/*
 * What tests share in which several threads do things to the same mapping or the same handles.
 */
#ifndef BARIUM_LIB_RACE_H
#define BARIUM_LIB_RACE_H

#include <signal.h>

#include "barium_lib.h"

/* What all threads of a test see. */
struct barium_arena {
	bool stop;
	bool failed;
	const char *why;
	__u32 turns;
	int fd;
	struct barium_bo bo;
	__u8 *map;
	size_t pages;
	/* A page may have turned to zero, because the device may be gone. */
	bool may_be_zero;
};

/* An object of @pages pages, filled by barium_fill_words(), and a mapping of it. */
struct barium_arena barium_arena_make(int fd, size_t pages);

/* How long a race lasts, in seconds. */
double barium_race_seconds(void);
double barium_now(void);

typedef void *(*barium_thread)(void *arena);

/* Runs these threads beside @main, which is called over and over, until time is up. */
void barium_race(struct barium_arena *arena, const barium_thread *threads, size_t number,
		 void (*main)(struct barium_arena *arena));

/* For threads: whether to go on; that a turn is done; and that the test has failed. */
bool barium_goes_on(struct barium_arena *arena);
void barium_count(struct barium_arena *arena);
void barium_race_failed(struct barium_arena *arena, const char *why);

/* A small generator of numbers of 24 bits; each thread has its own @state. */
__u32 barium_draw(__u32 *state);

/* The first word of each page of the object. The rest of a page is for writing to. */
__u64 barium_word_of(size_t page);
void barium_fill_words(__u8 *map, size_t pages);

/* Have SIGSEGV come back here, in any thread. */
void barium_catch_segv(struct sigaction *old);
/* Reads the first word of a page, writes a byte: false if nothing is mapped there. */
bool barium_peek(const __u8 *page, __u64 *start);
bool barium_poke(__u8 *byte);

/* Threads. They touch the arena's mapping, map it ahead, and guess handles of its client. */
void *barium_toucher(void *arena);
void *barium_ahead_mapper(void *arena);
void *barium_guesser(void *arena);

#endif
