/* SPDX-License-Identifier: MIT */
/*
 * Calls in which one allocation fails, or one copy from or to userspace: the first, then the
 * second, and so on until the call gets through without meeting the one that would have failed.
 */
#ifndef BARIUM_LIB_NTH_H
#define BARIUM_LIB_NTH_H

#include "barium_lib_unplug.h"

/* What the calls work with. Each takes of it what it needs. */
struct barium_scene {
	int fd;			/* a client of its own for each turn */
	int other;		/* a file beside it */
	int buf;		/* a dma-buf */
	pid_t child;
	__u32 handle;
	__u64 size;
	__u64 value;
	__u8 *map;
	struct barium_bo bo;
};

struct barium_nth_call {
	const char *name;
	const char *what;
	/* Makes what the call needs. May be NULL. */
	void (*prepare)(struct barium_scene *scene);
	/* 0 or a negative errno. What else it does counts as well: no more than the call. */
	int (*call)(struct barium_scene *scene);
	/* Asserts that a call that returned 0 has done all it should. May be NULL. */
	void (*check)(struct barium_scene *scene);
	/* Gives back what the scene has beside its files and its dma-buf. May be NULL. */
	void (*finish)(struct barium_scene *scene);
	/* An errno that is a clean failure beside ENOMEM and EFAULT. */
	int also;
	/* Any errno is a clean failure. */
	bool any_error;
	/* Only every so many'th position is tried, and with $BARIUM_FAULT_FULL; 0 is 1. */
	unsigned int stride;
	unsigned int full_stride;
	/*
	 * The slab cache whose objects count alone, beside copies. Of all that count otherwise,
	 * some come now and then only, so that an allocation is not always at one position.
	 */
	const char *cache;
	/* The function of the kernel in which alone they count. */
	const char *within;
	/* The device is not there before and after each turn: there is no client. */
	bool no_client;
	/* What there is before the first turn and after the last. May be NULL. */
	void (*before)(int fd);
	void (*after)(void);
};

/* Sets up fault injection; skips if the kernel has none. */
void barium_nth_init(void);

/*
 * Repeats a call: first its first allocation or copy fails, then its second, and so on, until the
 * call finishes before it reaches the one that would fail. Each time, asserts that the call fails
 * cleanly or succeeds completely, that a retry succeeds, and that all VRAM is free again. @fd comes
 * from barium_new_bound_client(). Logs the number of failures.
 */
void barium_nth_run(int fd, const struct barium_nth_call *call);
/* The same for a subtest whose call is made from these designated initializers. */
#define barium_nth(...) \
	barium_nth_run(barium_new_bound_client(), &(const struct barium_nth_call){ __VA_ARGS__ })

/*
 * For tests that still list their subtests in a table.
 *
 * Runs a subtest for each call, up to the first one without a name: makes it with its first
 * allocation failing, its second, and so on. Asserts after each that it failed with an error that
 * says so or did all that it should, that it works when it is made once more, and that all VRAM is
 * back. Notes how many were failed.
 */
void barium_nth_subtests(const struct barium_nth_call *calls);

/* Has all allocations of pages fail in tasks that have written 1 to their make-it-fail, or none. */
void barium_fail_pages(bool fail);

#endif
