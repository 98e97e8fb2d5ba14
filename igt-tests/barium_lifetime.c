// SPDX-License-Identifier: MIT
/*
 * How long objects live: as long as a handle or a mapping does, and no longer. Dma-bufs are in
 * barium_prime, devices that go away in barium_hotunplug.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Lifetime of objects across handles, files, mappings and processes.");

#define PAGES 16

static void close_handle(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_stamp(bo.map, 0, PAGES / 2, 1);
	gem_close(fd, bo.handle);
	igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);

	barium_stamp(bo.map + bo.size / 2, PAGES / 2, PAGES / 2, 1);
	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_munmap(bo.map, bo.size);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void close_file(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo bo = barium_bo_create(other, PAGES);

	barium_stamp(bo.map, 0, PAGES / 2, 1);
	close(other);
	igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);

	barium_stamp(bo.map + bo.size / 2, PAGES / 2, PAGES / 2, 1);
	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_munmap(bo.map, bo.size);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void close_file_with_handles(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR), i;

	for (i = 0; i < 50; i++)
		barium_gem_create(other, 3 * barium_page_size());
	close(other);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void close_file_duplicate(int fd)
{
	int other = barium_reopen(fd, O_RDWR), copy = dup(other);
	struct barium_bo bo = barium_bo_create(other, PAGES);

	close(other);
	barium_stamp(bo.map, 0, PAGES, 1);
	barium_bo_fini(copy, &bo);
	close(copy);
}

/* What a mapping keeps cannot be had by another object. */
static void mapping_keeps_vram(int fd)
{
	__u64 vram = barium_vram_available(fd), size = vram;
	struct barium_bo bo = barium_bo_create(fd, vram / barium_page_size());
	__u32 handle;

	barium_stamp(bo.map, 0, PAGES, 1);
	gem_close(fd, bo.handle);
	size = barium_page_size();
	igt_assert_eq(__barium_gem_create(fd, &size, 0, &handle), -ENOSPC);
	barium_check_stamp(bo.map, 0, PAGES, 1);

	barium_munmap(bo.map, bo.size);
	gem_close(fd, barium_gem_create(fd, vram));
}

/* Each piece of a mapping keeps the object. */
static void split_pieces(int fd)
{
	__u64 before = barium_vram_available(fd), page = barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t i;

	barium_stamp(bo.map, 0, PAGES, 1);
	gem_close(fd, bo.handle);
	for (i = 0; i < PAGES; i += 2)
		barium_munmap(bo.map + i * page, page);

	for (i = 1; i < PAGES; i += 2) {
		barium_check_stamp(bo.map + i * page, i, 1, 1);
		igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);
		barium_munmap(bo.map + i * page, page);
	}
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* Protections split the mapping, and put it together again. */
static void split_and_merge(int fd)
{
	__u64 before = barium_vram_available(fd), page = barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int round;

	for (round = 0; round < 50; round++) {
		igt_assert_eq(mprotect(bo.map + 3 * page, 5 * page, PROT_READ), 0);
		igt_assert_eq(mprotect(bo.map + 5 * page, page, PROT_NONE), 0);
		igt_assert_eq(mprotect(bo.map, bo.size, PROT_READ | PROT_WRITE), 0);
	}
	barium_stamp(bo.map, 0, PAGES, 1);
	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void remap_loop(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *room = mmap(NULL, 2 * bo.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 *to;
	int round;

	igt_assert(room != MAP_FAILED);
	barium_stamp(bo.map, 0, PAGES, 1);
	gem_close(fd, bo.handle);
	bo.handle = 0;
	for (round = 0; round < 100; round++) {
		to = room + round % 2 * bo.size;
		igt_assert(mremap(bo.map, bo.size, bo.size, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
			   to);
		bo.map = to;
		barium_check_stamp(bo.map, 0, PAGES, 1);
	}
	igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);

	barium_munmap(room, 2 * bo.size);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void remap_shrink(int fd)
{
	__u64 before = barium_vram_available(fd), page = barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t pages;

	barium_stamp(bo.map, 0, PAGES, 1);
	gem_close(fd, bo.handle);
	for (pages = PAGES - 1; pages; pages--) {
		igt_assert(mremap(bo.map, (pages + 1) * page, pages * page, 0) == bo.map);
		barium_check_stamp(bo.map, 0, pages, 1);
		igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);
	}
	barium_munmap(bo.map, page);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void map_unmap_loop(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	void *map;
	int round;

	for (round = 0; round < 200; round++) {
		map = barium_mmap(fd, bo.handle, bo.size);
		barium_stamp(map, 0, 1, round);
		barium_munmap(map, bo.size);
	}
	barium_check_stamp(bo.map, 0, 1, round - 1);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void create_close_loop(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo;
	int round;

	for (round = 0; round < 200; round++) {
		bo = barium_bo_create(fd, 1 + round % 9);
		barium_stamp(bo.map, 0, 1, round);
		barium_bo_fini(fd, &bo);
	}
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

struct family {
	int fd;
	int go[2];
	int answer[2];
};

/*
 * Makes an object and a child that has nothing of it but the mapping. The child writes to it when
 * told to, answers whether the object is whole, and goes when the other end of the pipe does.
 */
static void leave_child(void *data)
{
	struct family *family = data;
	int fd = barium_reopen(family->fd, O_RDWR);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	bool good;
	char byte;

	barium_stamp(bo.map, 0, PAGES / 2, 1);
	if (fork())
		return;

	close(fd);
	close(family->go[1]);
	if (read(family->go[0], &byte, 1) == 1) {
		barium_stamp(bo.map + bo.size / 2, PAGES / 2, PAGES / 2, 1);
		good = barium_is_stamped(bo.map, 0, PAGES, 1);
		if (write(family->answer[1], &good, sizeof(good)) == sizeof(good))
			(void)!read(family->go[0], &byte, 1);
	}
}

static void child_outlives_parent(int fd)
{
	__u64 before = barium_vram_available(fd), size = PAGES * barium_page_size();
	struct family family = { .fd = fd };
	bool good = false;
	int tries;

	igt_assert(!pipe(family.go) && !pipe(family.answer));
	igt_assert_eq(barium_in_child(leave_child, &family), 0);
	close(family.answer[1]);
	igt_assert_eq_u64(barium_vram_available(fd), before - size);

	igt_assert_eq(write(family.go[1], "", 1), 1);
	igt_assert_eq(read(family.answer[0], &good, sizeof(good)), sizeof(good));
	igt_assert(good);
	igt_assert_eq_u64(barium_vram_available(fd), before - size);

	/* Nobody can wait for a grandchild's end, which is what the object's end comes with. */
	close(family.go[1]);
	for (tries = 0; tries < 500 && barium_vram_available(fd) != before; tries++)
		usleep(10000);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	close(family.go[0]);
	close(family.answer[0]);
}

struct victim {
	int fd;
	int ready;
};

static void write_until_killed(void *data)
{
	struct victim *victim = data;
	int fd = barium_reopen(victim->fd, O_RDWR);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u32 seed;

	for (seed = 0;; seed++) {
		barium_stamp(bo.map, 0, PAGES, seed);
		if (!seed && write(victim->ready, "", 1) != 1)
			_exit(1);
	}
}

static void killed_while_writing(int fd)
{
	__u64 before = barium_vram_available(fd);
	int ready[2], round, status;
	struct victim victim;
	char byte;
	pid_t pid;

	igt_assert_eq(pipe(ready), 0);
	victim = (struct victim){ .fd = fd, .ready = ready[1] };
	for (round = 0; round < 10; round++) {
		pid = fork();
		igt_assert_lte(0, pid);
		if (!pid)
			write_until_killed(&victim);

		igt_assert_eq(read(ready[0], &byte, 1), 1);
		usleep(round * 300);
		kill(pid, SIGKILL);
		igt_assert_eq(waitpid(pid, &status, 0), pid);
		igt_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
		igt_assert_eq_u64(barium_vram_available(fd), before);
	}
	close(ready[0]);
	close(ready[1]);
}

static void fork_storm(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int round;

	for (round = 0; round < 4; round++) {
		igt_fork(child, 8) {
			size_t at = child * barium_page_size();

			barium_stamp(bo.map + at, child, 1, round);
			if (child % 2)
				barium_munmap(bo.map, bo.size);
		}
		igt_waitchildren();
		barium_check_stamp(bo.map, 0, 8, round);
	}
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* Children that each make, map and leave objects behind at the same time. */
static void client_storm(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other, i;

	igt_fork(child, 8) {
		other = barium_reopen(fd, O_RDWR);
		for (i = 0; i < 20; i++) {
			struct barium_bo bo = barium_bo_create(other, 1 + (i + child) % 7);

			barium_check_zero(bo.map, bo.size);
			barium_stamp(bo.map, 0, 1, child);
			if (i % 3)
				barium_bo_fini(other, &bo);
		}
	}
	igt_waitchildren();
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

struct worker {
	pthread_t thread;
	int fd;
	__u32 handle;
	int closed;
	bool good;
};

/* Closes its guess of a handle that another thread is closing as well. */
static void *close_guess(void *data)
{
	struct worker *worker = data;

	worker->closed = !__barium_gem_close(worker->fd, worker->handle);
	return NULL;
}

static void close_race(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct worker workers[2];
	__u32 handle;
	int round, i;

	for (round = 0; round < 50; round++) {
		handle = barium_gem_create(fd, barium_page_size());
		for (i = 0; i < 2; i++) {
			workers[i] = (struct worker){ .fd = fd, .handle = handle };
			igt_assert_eq(pthread_create(&workers[i].thread, NULL, close_guess,
						     &workers[i]), 0);
		}
		for (i = 0; i < 2; i++)
			pthread_join(workers[i].thread, NULL);
		igt_assert_eq(workers[0].closed + workers[1].closed, 1);
	}
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* Asks about and maps handles that the main thread may not have made yet, or has closed. */
static void *use_guesses(void *data)
{
	struct worker *worker = data;
	struct drm_barium_gem_info info;
	int round, err;
	__u64 offset;
	void *map;

	worker->good = true;
	for (round = 0; round < 300; round++) {
		err = __barium_gem_info(worker->fd, worker->handle, &info);
		if (err && err != -ENOENT)
			worker->good = false;
		err = __barium_gem_mmap_offset(worker->fd, worker->handle, &offset);
		if (err && err != -ENOENT)
			worker->good = false;
		if (!err && !__barium_mmap(worker->fd, barium_page_size(), PROT_READ, MAP_SHARED,
					   offset, &map)) {
			READ_ONCE(*(__u8 *)map);
			munmap(map, barium_page_size());
		}
	}

	return NULL;
}

static void guess_race(int fd)
{
	__u64 before = barium_vram_available(fd);
	__u32 first = barium_gem_create(fd, barium_page_size());
	struct worker worker = { .fd = fd, .handle = first };
	int round;

	gem_close(fd, first);
	igt_assert_eq(pthread_create(&worker.thread, NULL, use_guesses, &worker), 0);
	for (round = 0; round < 300; round++)
		gem_close(fd, barium_gem_create(fd, barium_page_size()));
	pthread_join(worker.thread, NULL);
	igt_assert(worker.good);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

struct touched {
	__u8 *map;
	bool stop;
	bool good;
};

/* Touches a mapping that the main thread keeps replacing by a new one of the same object. */
static void *touch_replaced(void *data)
{
	struct touched *touched = data;
	size_t page;

	touched->good = true;
	while (!READ_ONCE(touched->stop)) {
		for (page = 0; page < PAGES; page++) {
			if (!barium_is_stamped(touched->map + page * barium_page_size(), page, 1,
					       1))
				touched->good = false;
		}
	}

	return NULL;
}

static void replace_while_touched(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct touched touched = {};
	pthread_t thread;
	int round;

	barium_stamp(bo.map, 0, PAGES, 1);
	touched.map = barium_mmap(fd, bo.handle, bo.size);
	igt_assert_eq(pthread_create(&thread, NULL, touch_replaced, &touched), 0);
	for (round = 0; round < 200; round++)
		igt_assert(mmap(touched.map, bo.size, PROT_READ | PROT_WRITE,
				MAP_SHARED | MAP_FIXED, fd, bo.offset) == touched.map);
	WRITE_ONCE(touched.stop, true);
	pthread_join(thread, NULL);
	igt_assert(touched.good);

	barium_munmap(touched.map, bo.size);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static const struct barium_subtest tests[] = {
	{ "close-handle", "A mapping outlives the handle.", close_handle },
	{ "close-file", "A mapping outlives the file.", close_file },
	{ "close-file-with-handles", "The end of a file is the end of its objects.",
	  close_file_with_handles },
	{ "close-file-duplicate", "A file ends with its last descriptor.", close_file_duplicate },
	{ "mapping-keeps-vram", "VRAM that is mapped is not given away.", mapping_keeps_vram },
	{ "split-pieces", "Each piece of a mapping keeps the object.", split_pieces },
	{ "split-and-merge", "Splitting and merging a mapping loses no reference.",
	  split_and_merge },
	{ "remap-loop", "A mapping can move again and again.", remap_loop },
	{ "remap-shrink", "A mapping that shrinks keeps the object to the last page.",
	  remap_shrink },
	{ "map-unmap-loop", "An object can be mapped again and again.", map_unmap_loop },
	{ "create-close-loop", "VRAM can be had and given back again and again.",
	  create_close_loop },
	{ "child-outlives-parent", "A child's mapping outlives the process that made the object.",
	  child_outlives_parent },
	{ "killed-while-writing", "A client that is killed leaves nothing behind.",
	  killed_while_writing },
	{ "fork-storm", "Children that come and go leave the mapping as it is.", fork_storm },
	{ "client-storm", "Clients that come and go together leave nothing behind.",
	  client_storm },
	{ "close-race", "Of two who close one handle, one does.", close_race },
	{ "guess-race", "Guessing handles that come and go does no harm.", guess_race },
	{ "replace-while-touched", "A mapping may be replaced while a thread uses it.",
	  replace_while_touched },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
