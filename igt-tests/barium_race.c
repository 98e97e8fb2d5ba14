// SPDX-License-Identifier: MIT
/*
 * Threads and processes that do things to the same handles, mappings and objects at the same time, each
 * for half a second; $BARIUM_RACE_SECONDS makes it longer. Whatever the order turns out to be, a page shows
 * what was written to that page or is not there, and in the end all VRAM is.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>

#include "igt.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("The same objects used from several sides at the same time.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 32
/* Enough for huge entries. */
#define LARGE_PAGES 1024
/* Far from all else in the address space: its page tables come and go with what is mapped there. */
#define FAR ((void *)0x200000000000)
/* Handles are small numbers, so they can be guessed. */
#define GUESSES 12

/* What all threads of a test see. */
struct arena {
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

/* Ends the test: a thread can do no more than say so. */
static void fail(struct arena *arena, const char *why)
{
	arena->why = why;
	WRITE_ONCE(arena->failed, true);
	WRITE_ONCE(arena->stop, true);
}

static bool goes_on(struct arena *arena)
{
	return !READ_ONCE(arena->stop);
}

static void count(struct arena *arena)
{
	__atomic_add_fetch(&arena->turns, 1, __ATOMIC_RELAXED);
}

/* A small generator of numbers; each thread has its own @state. */
static __u32 draw(__u32 *state)
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

/* Reads the stamp of a page: false if nothing is mapped there. SIGBUS kills: it may not happen. */
static bool peek(const __u8 *page, __u64 *start)
{
	if (sigsetjmp(trap, 1))
		return false;
	*start = READ_ONCE(*(__u64 *)page);
	return true;
}

static bool poke(__u8 *byte)
{
	if (sigsetjmp(trap, 1))
		return false;
	WRITE_ONCE(*byte, 1);
	return true;
}

/* What the first word of each page of the object is; the rest of a page is for writing to. */
static __u64 word_of(size_t page)
{
	return (page + 1) * 0x9e3779b97f4a7c15ull;
}

static void fill(__u8 *map, size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++)
		WRITE_ONCE(*(__u64 *)(map + i * barium_page_size()), word_of(i));
}

/* Touches pages of the mapping, which may be gone at any time. */
static void *toucher(void *data)
{
	struct arena *arena = data;
	__u32 state = (uintptr_t)&state;
	size_t page;
	__u8 *at;
	__u64 word;

	while (goes_on(arena)) {
		page = draw(&state) % arena->pages;
		at = READ_ONCE(arena->map) + page * barium_page_size();
		if (peek(at, &word) && word != word_of(page) && !(arena->may_be_zero && !word))
			fail(arena, "a page shows what is not its own");
		poke(at + 64);
		count(arena);
	}
	return NULL;
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static double seconds(void)
{
	const char *wanted = getenv("BARIUM_RACE_SECONDS");

	return wanted && atof(wanted) > 0 ? atof(wanted) : 0.5;
}

/* Runs these threads beside @main, which is called over and over, until time is up. */
static void run(struct arena *arena, void *(*const *threads)(void *), size_t number,
		void (*main)(struct arena *arena))
{
	struct sigaction action = { .sa_handler = on_segv }, old;
	double end = now() + seconds();
	pthread_t ids[8];
	size_t i;

	igt_assert_lte(number, ARRAY_SIZE(ids));
	sigaction(SIGSEGV, &action, &old);
	for (i = 0; i < number; i++)
		igt_assert_eq(pthread_create(&ids[i], NULL, threads[i], arena), 0);
	while (goes_on(arena) && (now() < end || !READ_ONCE(arena->turns)))
		main(arena);
	WRITE_ONCE(arena->stop, true);
	for (i = 0; i < number; i++)
		pthread_join(ids[i], NULL);
	sigaction(SIGSEGV, &old, NULL);
	igt_assert_f(!arena->failed, "%s\n", arena->why);
}

static struct arena make_arena(int fd, size_t pages)
{
	struct arena arena = {
		.fd = fd, .bo = barium_bo_create(fd, pages), .pages = pages,
	};

	arena.map = arena.bo.map;
	fill(arena.bo.map, pages);
	return arena;
}

static void put_again(struct arena *arena)
{
	if (mmap(arena->map, arena->bo.size, RW, MAP_SHARED | MAP_FIXED, arena->fd,
		 arena->bo.offset) != arena->map)
		fail(arena, "it cannot be mapped again");
}

/* Two threads that touch a mapping to which @change happens. */
static void touched_while(int fd, size_t pages, void (*change)(struct arena *arena))
{
	static void *(*const threads[])(void *) = { toucher, toucher };
	__u64 before = barium_vram_available(fd);
	struct arena arena = make_arena(fd, pages);

	arena.map = FAR;
	put_again(&arena);
	run(&arena, threads, ARRAY_SIZE(threads), change);
	munmap(arena.map, arena.bo.size);
	barium_bo_fini(fd, &arena.bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void unmap_and_map(struct arena *arena)
{
	size_t half = arena->bo.size / 2;

	munmap(arena->map + half, half);
	munmap(arena->map, half);
	put_again(arena);
}

static void fault_munmap(int fd)
{
	touched_while(fd, PAGES, unmap_and_map);
}

static void fault_munmap_large(int fd)
{
	touched_while(fd, LARGE_PAGES, unmap_and_map);
}

static void protect(struct arena *arena)
{
	static const int prots[] = { PROT_READ, PROT_NONE, RW };
	static unsigned int turn;
	size_t third = arena->pages / 3 * barium_page_size();

	if (mprotect(arena->map + third, third, prots[turn++ % ARRAY_SIZE(prots)]))
		fail(arena, "its protection cannot be changed");
}

static void fault_mprotect(int fd)
{
	touched_while(fd, PAGES, protect);
}

static void fault_mprotect_large(int fd)
{
	touched_while(fd, LARGE_PAGES, protect);
}

/* Away and back. Where it is not, there is nothing. */
static void move(struct arena *arena)
{
	__u8 *from = arena->map, *to;

	to = mremap(from, arena->bo.size, arena->bo.size, MREMAP_MAYMOVE | MREMAP_FIXED,
		    from + 8 * arena->bo.size);
	if (to == MAP_FAILED ||
	    mremap(to, arena->bo.size, arena->bo.size, MREMAP_MAYMOVE | MREMAP_FIXED, from) != from ||
	    mmap(to, arena->bo.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != to)
		fail(arena, "it cannot be moved");
}

/* The room that it moves in is taken, so that nothing else gets in the way. */
static void moved(int fd, size_t pages)
{
	static void *(*const threads[])(void *) = { toucher, toucher };
	struct arena arena = make_arena(fd, pages);
	size_t room = 10 * arena.bo.size;

	arena.map = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(arena.map != MAP_FAILED);
	put_again(&arena);
	run(&arena, threads, ARRAY_SIZE(threads), move);
	munmap(arena.map, room);
	barium_bo_fini(fd, &arena.bo);
}

static void fault_mremap(int fd)
{
	moved(fd, PAGES);
}

static void fault_mremap_large(int fd)
{
	moved(fd, LARGE_PAGES);
}

/* Children that are forked while the threads fault, and look at the same pages. */
static void fork_a_child(struct arena *arena)
{
	int page = arena->turns % arena->pages;
	pid_t pid = fork();
	int status = 1;

	if (!pid)
		_exit(READ_ONCE(*(__u64 *)(arena->map + page * barium_page_size())) !=
		      word_of(page));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		fail(arena, "a child sees another page");
	put_again(arena);
}

static void fault_fork(int fd)
{
	touched_while(fd, PAGES, fork_a_child);
}

static void *ahead_mapper(void *data)
{
	struct arena *arena = data;
	struct drm_barium_map_ahead arg = {
		.address = (uintptr_t)arena->map,
		.size = arena->pages * barium_page_size(),
	};

	while (goes_on(arena)) {
		int err = barium_ioctl(arena->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg);

		if (err && err != -EFAULT && err != -ENODEV)
			fail(arena, "mapping ahead ends with a strange error");
		count(arena);
	}
	return NULL;
}

static void *(*const ahead_threads[])(void *) = { ahead_mapper, toucher, ahead_mapper };

static void ahead_munmap(int fd)
{
	struct arena arena = make_arena(fd, LARGE_PAGES);

	arena.map = barium_mmap(fd, arena.bo.handle, arena.bo.size);
	run(&arena, ahead_threads, ARRAY_SIZE(ahead_threads), unmap_and_map);
	munmap(arena.map, arena.bo.size);
	barium_bo_fini(fd, &arena.bo);
}

/* Does what it likes with handles that other threads make and close at the same time. */
static void *guesser(void *data)
{
	struct arena *arena = data;
	__u32 state = (uintptr_t)&state, handle;
	struct drm_barium_gem_info info;
	__u64 size, offset, word;
	void *map;
	int err;

	while (goes_on(arena)) {
		handle = 1 + draw(&state) % GUESSES;
		size = (1 + draw(&state) % 4) * barium_page_size();
		switch (draw(&state) % 5) {
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
			/* Only these threads write to what they make, and always the same. */
			if (peek(map, &word) && word && word != word_of(0))
				fail(arena, "a new object shows what nobody wrote to it");
			fill(map, 1);
			munmap(map, barium_page_size());
		}
		if (err < 0 && err != -ENOENT && err != -EINVAL && err != -EACCES && err != -ENODEV)
			fail(arena, "a guess ends with a strange error");
		count(arena);
	}
	return NULL;
}

static void *(*const guessers[])(void *) = { guesser, guesser, guesser, guesser };

/* Another client, whose bytes may never be seen by the guessers. */
static void dirty_and_close(struct arena *arena)
{
	struct barium_bo bo = barium_bo_create(arena->bo.handle, 4);

	memset(bo.map, 0xa5, bo.size);
	barium_bo_fini(arena->bo.handle, &bo);
}

static void handles(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct arena arena = { .fd = barium_reopen(fd, O_RDWR) };

	arena.bo.handle = fd;
	run(&arena, guessers, ARRAY_SIZE(guessers), dirty_and_close);
	close(arena.fd);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* The mapping is the last that holds the object: the threads touch it to the end, and beyond. */
static void lose_the_last(struct arena *arena)
{
	struct barium_bo bo = barium_bo_create(arena->fd, arena->pages);

	fill(bo.map, arena->pages);
	gem_close(arena->fd, bo.handle);
	if (mremap(bo.map, bo.size, bo.size, MREMAP_MAYMOVE | MREMAP_FIXED, arena->map) !=
	    arena->map)
		fail(arena, "it cannot be moved");
}

static void last_reference(int fd)
{
	touched_while(fd, PAGES, lose_the_last);
}

static void last_reference_large(int fd)
{
	touched_while(fd, LARGE_PAGES, lose_the_last);
}

/* Every process writes to pages of its own in an object that all touch first at the same time. */
static void first_touch(int fd, size_t pages, int processes)
{
	double end = now() + seconds();
	__u32 *ready, turns = 0;

	ready = mmap(NULL, sizeof(*ready), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(ready != MAP_FAILED);
	while (now() < end) {
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

static void two_processes(int fd)
{
	first_touch(fd, PAGES, 2);
}

static void two_processes_large(int fd)
{
	first_touch(fd, LARGE_PAGES, 2);
}

/* Takes objects of any size until there is no room, and gives all back. Whether all were clean. */
static bool take_all(int fd, __u32 *state)
{
	__u32 taken[256];
	size_t count = 0, page = barium_page_size();
	bool good = true;
	__u64 size;
	void *map;
	int err = 0;

	while (count < ARRAY_SIZE(taken)) {
		size = (1 + draw(state) % (draw(state) % 4 ? 24 : 900)) * page;
		err = __barium_gem_create(fd, &size, draw(state) % 2, &taken[count]);
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
	return good && (!err || err == -ENOSPC);
}

static void exhaustion(int fd)
{
	__u64 before = barium_vram_available(fd);
	double end = now() + seconds();

	igt_fork(child, 2) {
		int own = barium_reopen(fd, O_RDWR);
		__u32 state = child;

		while (now() < end)
			igt_assert(take_all(own, &state));
	}
	igt_waitchildren();
	igt_assert_eq_u64(barium_vram_available(fd), before);
	gem_close(fd, barium_gem_create(fd, before));
}

/*
 * Two threads, of which one never needs more than there is beside what the other has. Small objects
 * that the driver keeps when they are closed are to be had for large ones, whoever closed them.
 */
static void *taker(void *data)
{
	struct arena *arena = data;
	size_t page = barium_page_size(), i;
	__u32 handle, singles[10];

	while (goes_on(arena)) {
		__u64 size = 17 * page;

		if (__barium_gem_create(arena->fd, &size, 0, &handle))
			fail(arena, "there is no room, although there is");
		for (i = 0; i < ARRAY_SIZE(singles); i++) {
			size = page;
			if (__barium_gem_create(arena->fd, &size, 0, &singles[i]))
				fail(arena, "there is no room for a page, although there is");
		}
		for (i = 0; i < ARRAY_SIZE(singles); i++)
			__barium_gem_close(arena->fd, singles[i]);
		__barium_gem_close(arena->fd, handle);
		count(arena);
	}
	return NULL;
}

static void rest(struct arena *arena)
{
	(void)arena;
	usleep(1000);
}

static void kept_objects(int fd)
{
	static void *(*const threads[])(void *) = { taker, taker };
	__u64 before = barium_vram_available(fd);
	struct arena arena = { .fd = barium_reopen(fd, O_RDWR) };

	barium_gem_create(fd, before - 56 * barium_page_size());
	run(&arena, threads, ARRAY_SIZE(threads), rest);
	close(arena.fd);
	igt_assert_eq_u64(barium_vram_available(fd), 56 * barium_page_size());
}

/* Reads and writes the mapping as a debugger does. */
static void *debugger(void *data)
{
	struct arena *arena = data;
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u32 state = 1;
	size_t page;
	__u64 word;

	while (goes_on(arena)) {
		page = draw(&state) % arena->pages;
		off_t at = (uintptr_t)arena->map + page * barium_page_size();

		/* What is mapped all the time can be read all the time. */
		if (pread(mem, &word, sizeof(word), at) != sizeof(word))
			fail(arena, "a debugger is refused");
		else if (word && word != word_of(page))
			fail(arena, "a debugger sees another page");
		if (pwrite(mem, "", 1, at + 64) != 1)
			fail(arena, "a debugger cannot write");
		count(arena);
	}
	close(mem);
	return NULL;
}

/* Rounds of taking the device away from these threads. */
static void unplugged(void *(*const *threads)(void *), size_t number, size_t pages,
		      void (*take)(void), void (*give)(void))
{
	struct sigaction action = { .sa_handler = on_segv }, old;
	double end = now() + seconds();
	pthread_t ids[8];
	size_t i;

	sigaction(SIGSEGV, &action, &old);
	do {
		struct arena arena = make_arena(barium_open_bound(), pages);

		arena.may_be_zero = true;
		arena.map = barium_mmap(arena.fd, arena.bo.handle, arena.bo.size);
		for (i = 0; i < number; i++)
			igt_assert_eq(pthread_create(&ids[i], NULL, threads[i], &arena), 0);
		while (READ_ONCE(arena.turns) < 20 && goes_on(&arena))
			usleep(200);
		take();
		arena.turns = 0;
		while (READ_ONCE(arena.turns) < 20 && goes_on(&arena))
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
	} while (now() < end);
	sigaction(SIGSEGV, &old, NULL);
}

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
	static void *(*const threads[])(void *) = { debugger, toucher, debugger };

	(void)fd;
	unplugged(threads, ARRAY_SIZE(threads), PAGES, barium_unbind, barium_bind);
}

static void remove_faults(int fd)
{
	static void *(*const threads[])(void *) = { toucher, ahead_mapper, toucher };

	(void)fd;
	unplugged(threads, ARRAY_SIZE(threads), LARGE_PAGES, barium_remove, barium_rescan);
}

static const struct barium_subtest tests[] = {
	{ "handles", "Threads guess handles that others make and close.", handles },
	{ "fault-munmap", "Threads touch what is unmapped and mapped again.", fault_munmap },
	{ "fault-munmap-large", "The same with huge entries.", fault_munmap_large },
	{ "fault-mprotect", "Threads touch what changes its protection.", fault_mprotect },
	{ "fault-mprotect-large", "The same with huge entries.", fault_mprotect_large },
	{ "fault-mremap", "Threads touch what moves away and back.", fault_mremap },
	{ "fault-mremap-large", "The same with huge entries.", fault_mremap_large },
	{ "fault-fork", "Threads touch what is forked.", fault_fork },
	{ "ahead-munmap", "Threads map ahead what is unmapped and mapped again.", ahead_munmap },
	{ "last-reference", "Threads touch a mapping that is the last to hold its object.",
	  last_reference },
	{ "last-reference-large", "The same with huge entries.", last_reference_large },
	{ "two-processes", "Two processes are the first to touch an object.", two_processes },
	{ "two-processes-large", "The same with huge entries.", two_processes_large },
	{ "exhaustion", "Two clients exhaust VRAM against each other.", exhaustion },
	{ "kept-objects", "Small objects that were closed make room for large ones.", kept_objects },
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
