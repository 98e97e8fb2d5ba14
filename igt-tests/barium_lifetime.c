// SPDX-License-Identifier: MIT
/**
 * TEST: barium lifetime
 * Description: Objects live as long as a handle or a mapping refers to them, and no longer.
 *   Dma-bufs are tested in barium_prime, unbinding of the device in barium_hotunplug.
 * Category: Core
 * Sub-category: DRM
 * Functionality: lifetime of GEM objects
 *
 * SUBTEST: close-handle
 * Description: A mapping outlives the handle of its object.
 *
 * SUBTEST: close-file
 * Description: A mapping outlives the file.
 *
 * SUBTEST: close-file-with-handles
 * Description: Closing a file frees its objects.
 *
 * SUBTEST: close-file-duplicate
 * Description: A file lives until its last descriptor is closed.
 *
 * SUBTEST: mapping-keeps-vram
 * Description: VRAM that is mapped is not reused.
 *
 * SUBTEST: split-parts
 * Description: Each part of a split mapping keeps the object alive.
 *
 * SUBTEST: split-and-merge
 * Description: Splitting and merging VMAs keeps the reference count balanced.
 *
 * SUBTEST: remap-loop
 * Description: mremap() can move a mapping repeatedly.
 *
 * SUBTEST: remap-shrink
 * Description: A mapping that mremap() shrinks keeps the object to the last page.
 *
 * SUBTEST: map-unmap-loop
 * Description: An object can be mapped and unmapped repeatedly.
 *
 * SUBTEST: create-close-loop
 * Description: Objects can be created and closed repeatedly.
 *
 * SUBTEST: child-outlives-parent
 * Description: A child's mapping outlives the process that created the object.
 *
 * SUBTEST: killed-while-writing
 * Description: Killing a client frees its VRAM.
 *
 * SUBTEST: fork-storm
 * Description: Children that exit do not change the mapping of their parent.
 *
 * SUBTEST: client-storm
 * Description: Clients that exit concurrently free their VRAM.
 *
 * SUBTEST: close-race
 * Description: Of two concurrent GEM_CLOSE calls for a handle, one succeeds.
 *
 * SUBTEST: guess-race
 * Description: Guessed handles of objects that are created and closed do no harm.
 *
 * SUBTEST: replace-while-touched
 * Description: MAP_FIXED can replace a mapping while a thread reads it.
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

IGT_TEST_DESCRIPTION("Checks the lifetime of objects across handles, files and processes.");

#define PAGES 16

static void test_split_parts(int fd)
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
		igt_assert_eq_u64(barium_vram_available(fd), before - barium_vram_of(bo.size));
		barium_munmap(bo.map + i * page, page);
	}
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* mprotect() splits the VMA and merges it again. */
static void test_split_and_merge(int fd)
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

static void test_remap_loop(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *area = mmap(NULL, 2 * bo.size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 *to;
	int round;

	igt_assert(area != MAP_FAILED);
	barium_stamp(bo.map, 0, PAGES, 1);
	gem_close(fd, bo.handle);
	bo.handle = 0;
	for (round = 0; round < 100; round++) {
		to = area + round % 2 * bo.size;
		igt_assert(mremap(bo.map, bo.size, bo.size, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
			   to);
		bo.map = to;
		barium_check_stamp(bo.map, 0, PAGES, 1);
	}
	igt_assert_eq_u64(barium_vram_available(fd), before - barium_vram_of(bo.size));

	barium_munmap(area, 2 * bo.size);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void test_remap_shrink(int fd)
{
	__u64 before = barium_vram_available(fd), page = barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t pages;

	barium_stamp(bo.map, 0, PAGES, 1);
	gem_close(fd, bo.handle);
	for (pages = PAGES - 1; pages; pages--) {
		igt_assert(mremap(bo.map, (pages + 1) * page, pages * page, 0) == bo.map);
		barium_check_stamp(bo.map, 0, pages, 1);
		igt_assert_eq_u64(barium_vram_available(fd), before - barium_vram_of(bo.size));
	}
	barium_munmap(bo.map, page);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void test_map_unmap_loop(int fd)
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

struct family {
	int fd;
	int go[2];
	int answer[2];
};

/*
 * Creates an object and a child that keeps only the mapping. On request, the child writes to the
 * mapping and reports whether the content is right. It exits when the pipe is closed.
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

static void test_child_outlives_parent(int fd)
{
	__u64 before = barium_vram_available(fd), size = PAGES * barium_page_size();
	struct family family = { .fd = fd };
	bool good = false;
	int tries;

	igt_assert(!pipe(family.go) && !pipe(family.answer));
	igt_assert_eq(barium_in_child(leave_child, &family), 0);
	close(family.answer[1]);
	igt_assert_eq_u64(barium_vram_available(fd), before - barium_vram_of(size));

	igt_assert_eq(write(family.go[1], "", 1), 1);
	igt_assert_eq(read(family.answer[0], &good, sizeof(good)), sizeof(good));
	igt_assert(good);
	igt_assert_eq_u64(barium_vram_available(fd), before - barium_vram_of(size));

	/* The exit of the grandchild frees the object, but only init can wait for that. */
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

static void test_killed_while_writing(int fd)
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

static void test_fork_storm(int fd)
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

/* The children create and map objects concurrently, and close only some of them. */
static void test_client_storm(int fd)
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

/* Closes a handle that another thread closes, too. */
static void *close_guess(void *data)
{
	struct worker *worker = data;

	worker->closed = !__barium_gem_close(worker->fd, worker->handle);
	return NULL;
}

static void test_close_race(int fd)
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

/* Uses a handle that the main thread creates and closes concurrently. */
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

struct touched {
	__u8 *map;
	bool stop;
	bool good;
};

/* Reads a mapping that the main thread replaces repeatedly with another one of the object. */
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

static void test_replace_while_touched(int fd)
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

int igt_main()
{
	igt_describe("A mapping outlives the handle of its object.");
	igt_subtest("close-handle") {
		int fd = barium_new_client();
		__u64 before = barium_vram_available(fd);
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		barium_stamp(bo.map, 0, PAGES / 2, 1);
		gem_close(fd, bo.handle);
		igt_assert_eq_u64(barium_vram_available(fd), before - barium_vram_of(bo.size));

		barium_stamp(bo.map + bo.size / 2, PAGES / 2, PAGES / 2, 1);
		barium_check_stamp(bo.map, 0, PAGES, 1);
		barium_munmap(bo.map, bo.size);
		igt_assert_eq_u64(barium_vram_available(fd), before);
	}

	igt_describe("A mapping outlives the file.");
	igt_subtest("close-file") {
		int fd = barium_new_client();
		__u64 before = barium_vram_available(fd);
		int other = barium_reopen(fd, O_RDWR);
		struct barium_bo bo = barium_bo_create(other, PAGES);

		barium_stamp(bo.map, 0, PAGES / 2, 1);
		close(other);
		igt_assert_eq_u64(barium_vram_available(fd), before - barium_vram_of(bo.size));

		barium_stamp(bo.map + bo.size / 2, PAGES / 2, PAGES / 2, 1);
		barium_check_stamp(bo.map, 0, PAGES, 1);
		barium_munmap(bo.map, bo.size);
		igt_assert_eq_u64(barium_vram_available(fd), before);
	}

	igt_describe("Closing a file frees its objects.");
	igt_subtest("close-file-with-handles") {
		int fd = barium_new_client();
		__u64 before = barium_vram_available(fd);
		int other = barium_reopen(fd, O_RDWR), i;

		for (i = 0; i < 50; i++)
			barium_gem_create(other, 3 * barium_page_size());
		close(other);
		igt_assert_eq_u64(barium_vram_available(fd), before);
	}

	igt_describe("A file lives until its last descriptor is closed.");
	igt_subtest("close-file-duplicate") {
		int fd = barium_new_client();
		int other = barium_reopen(fd, O_RDWR), copy = dup(other);
		struct barium_bo bo = barium_bo_create(other, PAGES);

		close(other);
		barium_stamp(bo.map, 0, PAGES, 1);
		barium_bo_fini(copy, &bo);
		close(copy);
	}

	igt_describe("VRAM that is mapped is not reused.");
	igt_subtest("mapping-keeps-vram") {
		int fd = barium_new_client();
		__u64 vram = barium_vram_available(fd);
		struct barium_bo bo = barium_bo_create(fd, vram / barium_page_size());

		barium_require_vram();
		barium_stamp(bo.map, 0, PAGES, 1);
		gem_close(fd, bo.handle);
		igt_assert_eq_u64(barium_vram_available(fd), 0);
		barium_check_stamp(bo.map, 0, PAGES, 1);

		barium_munmap(bo.map, bo.size);
		gem_close(fd, barium_gem_create(fd, vram));
	}

	igt_describe("Each part of a split mapping keeps the object alive.");
	igt_subtest("split-parts")
		test_split_parts(barium_new_client());

	igt_describe("Splitting and merging VMAs keeps the reference count balanced.");
	igt_subtest("split-and-merge")
		test_split_and_merge(barium_new_client());

	igt_describe("mremap() can move a mapping repeatedly.");
	igt_subtest("remap-loop")
		test_remap_loop(barium_new_client());

	igt_describe("A mapping that mremap() shrinks keeps the object to the last page.");
	igt_subtest("remap-shrink")
		test_remap_shrink(barium_new_client());

	igt_describe("An object can be mapped and unmapped repeatedly.");
	igt_subtest("map-unmap-loop")
		test_map_unmap_loop(barium_new_client());

	igt_describe("Objects can be created and closed repeatedly.");
	igt_subtest("create-close-loop") {
		int fd = barium_new_client();
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

	igt_describe("A child's mapping outlives the process that created the object.");
	igt_subtest("child-outlives-parent")
		test_child_outlives_parent(barium_new_client());

	igt_describe("Killing a client frees its VRAM.");
	igt_subtest("killed-while-writing")
		test_killed_while_writing(barium_new_client());

	igt_describe("Children that exit do not change the mapping of their parent.");
	igt_subtest("fork-storm")
		test_fork_storm(barium_new_client());

	igt_describe("Clients that exit concurrently free their VRAM.");
	igt_subtest("client-storm")
		test_client_storm(barium_new_client());

	igt_describe("Of two concurrent GEM_CLOSE calls for a handle, one succeeds.");
	igt_subtest("close-race")
		test_close_race(barium_new_client());

	igt_describe("Guessed handles of objects that are created and closed do no harm.");
	igt_subtest("guess-race") {
		int fd = barium_new_client();
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

	igt_describe("MAP_FIXED can replace a mapping while a thread reads it.");
	igt_subtest("replace-while-touched")
		test_replace_while_touched(barium_new_client());
}
