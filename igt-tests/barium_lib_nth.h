/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of fault injection: they repeat a call, and let one allocation or one copy from
 * or to userspace fail each time.
 */
#ifndef BARIUM_LIB_NTH_H
#define BARIUM_LIB_NTH_H

#include "barium_lib_unplug.h"

/* The state of a call. Each call uses the members that it needs. */
struct barium_scene {
	int fd;			/* a new client for each repetition */
	int other;		/* another client */
	int buf;		/* a dma-buf */
	pid_t child;
	__u32 handle;
	__u64 size;
	__u64 value;
	__u64 available;	/* bytes of VRAM, before the call; 0 if unknown */
	__u8 *map;
	struct barium_bo bo;
};

struct barium_nth_call {
	const char *what;
	/* Creates the state that the call needs. May be NULL. */
	void (*prepare)(struct barium_scene *scene);
	/* Makes the call, and nothing else. Returns 0 or a negative errno. */
	int (*call)(struct barium_scene *scene);
	/* Asserts that a successful call had its effect. May be NULL. */
	void (*check)(struct barium_scene *scene);
	/* Frees the state, except the files and the dma-buf. May be NULL. */
	void (*finish)(struct barium_scene *scene);
	/* Another errno that is a clean failure, like ENOMEM and EFAULT. */
	int also;
	/* Any errno is a clean failure. */
	bool any_error;
	/* The distance of tried positions, normally and with $BARIUM_FAULT_FULL. 0 means 1. */
	unsigned int stride;
	unsigned int full_stride;
	/*
	 * If set, only objects of this slab cache fail, and copies. Other allocations may happen
	 * only occasionally, so that the position of an allocation changes between repetitions.
	 */
	const char *cache;
	/* If set, only allocations and copies in this kernel function fail. */
	const char *within;
	/* The device is unbound before and after each repetition, so there is no client. */
	bool no_client;
	/* Run before the first and after the last repetition. May be NULL. */
	void (*before)(int fd);
	void (*after)(void);
};

/* Sets up fault injection. Skips if the kernel does not support it. */
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

/* Lets all page allocations fail in tasks with make-it-fail set, or stops that. */
void barium_fail_pages(bool fail);

#endif
