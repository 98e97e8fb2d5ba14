// SPDX-License-Identifier: MIT
/**
 * TEST: barium hotunplug race
 * Description: Tests that unbind the device repeatedly while processes use it. No process may be
 *   killed or hang, and all VRAM must be available when the device is bound again.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Unbind
 *
 * SUBTEST: writers
 * Description: Processes that write during unbind continue to run.
 *
 * SUBTEST: faults
 * Description: Processes that take faults during unbind continue to run.
 *
 * SUBTEST: creations
 * Description: Objects can be created and closed during unbind.
 *
 * SUBTEST: console
 * Description: Drawing into the fbdev console during unbind does not block.
 *
 * SUBTEST: opens
 * Description: The device can be opened during unbind and bind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Accesses to the device during unbind.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 16
#define CHILDREN 2
/*
 * Size of the mapping of the console's framebuffer, one page. The less damage fbdev has to flush,
 * the larger is the share of time in which its worker waits for a vblank.
 */
#define MAPPED_BYTES 4096

/* Memory shared between a test and its child processes. */
struct board {
	bool stop;
	/* Number of passes each child has completed. */
	__u32 passes[CHILDREN];
};

/* State of one round: a client, its objects and the child processes. */
struct round {
	int client;
	struct barium_bo shared;
	struct barium_bo own[CHILDREN];
	struct board *board;
};

/* Returns the number of rounds: $BARIUM_UNPLUG_ROUNDS, or 8. */
static int rounds(void)
{
	const char *wanted = getenv("BARIUM_UNPLUG_ROUNDS");

	return wanted ? atoi(wanted) : 8;
}

static struct board *new_board(void)
{
	struct board *board = mmap(NULL, sizeof(*board), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	igt_assert(board != MAP_FAILED);
	return board;
}

/*
 * Waits until each child has completed two more passes, of which the second began after the call.
 * Fails after 30 s, for example if a child was killed.
 */
static void wait_for_passes(struct board *board)
{
	int i, waited = 0;
	__u32 then;

	for (i = 0; i < CHILDREN; i++) {
		then = READ_ONCE(board->passes[i]);
		while (READ_ONCE(board->passes[i]) - then < 2) {
			igt_assert_f(waited++ < 30000, "child %d makes no progress\n", i);
			usleep(1000);
		}
	}
}

static void end_children(struct board *board)
{
	WRITE_ONCE(board->stop, true);
	igt_waitchildren();
	munmap(board, sizeof(*board));
}

static void begin(struct round *round)
{
	int i;

	round->client = barium_open_bound();
	round->shared = barium_bo_create(round->client, PAGES);
	for (i = 0; i < CHILDREN; i++)
		round->own[i] = barium_bo_create(round->client, PAGES);
	round->board = new_board();
}

static void end(struct round *round)
{
	int i;

	end_children(round->board);
	barium_bo_unmap(&round->shared);
	for (i = 0; i < CHILDREN; i++)
		barium_bo_unmap(&round->own[i]);
	close(round->client);
}

/* Unbinds the device in each round while child processes call @pass in a loop. */
static void race(void (*pass)(const struct round *round, int child, __u32 number))
{
	struct round round;
	int i;

	for (i = 0; i < rounds(); i++) {
		begin(&round);
		igt_fork(child, CHILDREN) {
			for (__u32 number = 0; !READ_ONCE(round.board->stop); number++) {
				pass(&round, child, number);
				WRITE_ONCE(round.board->passes[child], number + 1);
			}
		}

		wait_for_passes(round.board);
		barium_unbind();
		wait_for_passes(round.board);
		end(&round);
		barium_bind();
		barium_check_vram();
	}
}

/* Writes to the object that all children share, and to one of the child's own. */
static void write_both(const struct round *round, int child, __u32 number)
{
	barium_stamp(round->shared.map, 0, PAGES, child);
	barium_stamp(round->own[child].map, 0, PAGES, number);
}

/* Creates a mapping and accesses it. */
static void map_and_access(const struct round *round, int child, __u32 number)
{
	const struct barium_bo *bo = &round->shared;
	void *map;
	int err;

	(void)number;
	err = __barium_mmap(round->client, bo->size, RW, MAP_SHARED, bo->offset, &map);
	igt_assert(!err || err == -ENODEV);
	if (err)
		return;
	barium_stamp(map, 0, PAGES, child);
	barium_munmap(map, bo->size);
}

/* Creates, maps and closes an object. Each step may fail with ENODEV. */
static void create_and_close(const struct round *round, int child, __u32 number)
{
	__u64 size = 3 * barium_page_size(), offset;
	int client = round->client, err;
	__u32 handle;
	void *map;

	(void)number;
	err = __barium_gem_create(client, &size, 0, &handle);
	if (!err)
		err = __barium_gem_mmap_offset(client, handle, &offset);
	if (!err)
		err = __barium_mmap(client, size, RW, MAP_SHARED, offset, &map);
	if (!err) {
		barium_stamp(map, 0, 3, child);
		barium_munmap(map, size);
		err = __barium_gem_close(client, handle);
	}
	igt_assert(!err || err == -ENODEV);
}

/* Children open and close the device during unbind and bind. */
static void test_opens(void)
{
	struct board *board = new_board();
	int i;

	igt_fork(child, CHILDREN) {
		while (!READ_ONCE(board->stop)) {
			int client = __barium_open_bound();
			__u64 value;

			if (client >= 0) {
				__barium_get_param(client, BARIUM_PARAM_VRAM_SIZE, &value);
				close(client);
			}
			WRITE_ONCE(board->passes[child], board->passes[child] + 1);
		}
	}

	for (i = 0; i < rounds(); i++) {
		wait_for_passes(board);
		barium_unbind();
		wait_for_passes(board);
		barium_bind();
	}
	end_children(board);
	barium_check_vram();
}

/*
 * Draws into the console's framebuffer: child 0 through a mapping, child 1 with pwrite(), which
 * fails with ENODEV once the framebuffer is unregistered. msync() makes the kernel flush the damage
 * at once, so that the worker of fbdev waits for a vblank most of the time.
 */
static void draw(struct board *board, int child, int fb, __u8 *map)
{
	static __u8 line[4096];

	while (!READ_ONCE(board->stop)) {
		if (child) {
			memset(line, board->passes[child], sizeof(line));
			igt_assert(pwrite(fb, line, sizeof(line), MAPPED_BYTES) == sizeof(line) ||
				   errno == ENODEV);
		} else {
			memset(map, board->passes[child], MAPPED_BYTES);
			igt_assert_eq(msync(map, MAPPED_BYTES, MS_SYNC), 0);
		}
		WRITE_ONCE(board->passes[child], board->passes[child] + 1);
		usleep(1000);
	}
}

/* Draws into the console before, during and after unbind. */
static void unbind_console(void)
{
	int client = barium_open_bound(), fb;
	char name[BARIUM_NAME_LEN], path[64];
	struct board *board;
	__u8 *map;

	igt_require_f(barium_console(client, name), "the device has no fbdev console\n");
	snprintf(path, sizeof(path), "/dev/%s", name);
	fb = open(path, O_RDWR | O_CLOEXEC);
	igt_require_f(fb >= 0, "the console has no device node\n");
	map = mmap(NULL, MAPPED_BYTES, RW, MAP_SHARED, fb, 0);
	igt_assert(map != MAP_FAILED);
	board = new_board();

	igt_fork(child, CHILDREN)
		draw(board, child, fb, map);

	wait_for_passes(board);
	barium_unbind();
	wait_for_passes(board);
	/* fbdev deferred I/O runs 20 times a second. */
	usleep(200000);
	end_children(board);

	munmap(map, MAPPED_BYTES);
	/* Waits for the deferred I/O worker. */
	close(fb);
	close(client);
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("Processes that write during unbind continue to run.");
	igt_subtest("writers") {
		barium_new_bound_client();
		race(write_both);
	}

	igt_describe("Processes that take faults during unbind continue to run.");
	igt_subtest("faults") {
		barium_new_bound_client();
		race(map_and_access);
	}

	igt_describe("Objects can be created and closed during unbind.");
	igt_subtest("creations") {
		barium_new_bound_client();
		race(create_and_close);
	}

	/*
	 * fbdev flushes damage during unbind, and may wait for a vblank that does not occur any
	 * more. Unbind has to end that wait.
	 */
	igt_describe("Drawing into the fbdev console during unbind does not block.");
	igt_subtest("console") {
		int i;

		barium_new_bound_client();
		for (i = 0; i < rounds(); i++) {
			unbind_console();
			barium_bind();
		}
		barium_check_vram();
	}

	igt_describe("The device can be opened during unbind and bind.");
	igt_subtest("opens") {
		barium_new_bound_client();
		test_opens();
	}
}
