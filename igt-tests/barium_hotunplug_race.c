// SPDX-License-Identifier: MIT
/*
 * The device goes away at the very moment at which processes use it, again and again. None of them
 * may be killed or hang, and what is left behind is given back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Use of the device while it goes away.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 16
#define CHILDREN 2
/*
 * The part of the console's framebuffer that is drawn on through a mapping, a page: the less there
 * is to bring to the screen, the more of the time the kernel waits for a vblank.
 */
#define MAPPED_BYTES 4096

/* Memory that the children of a test share with it. */
struct board {
	bool stop;
	/* How often each child has done what it does. */
	__u32 passes[CHILDREN];
};

/* What there is before the device goes. */
struct round {
	int client;
	struct barium_bo shared;
	struct barium_bo own[CHILDREN];
	struct board *board;
};

/* A test run has this many rounds; a long run asks for more. */
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
 * Waits until each child has made two more passes, so at least one from its start. A child that was
 * killed makes none.
 */
static void wait_for_passes(struct board *board)
{
	int i, waited = 0;
	__u32 then;

	for (i = 0; i < CHILDREN; i++) {
		then = READ_ONCE(board->passes[i]);
		while (READ_ONCE(board->passes[i]) - then < 2) {
			igt_assert_f(waited++ < 30000, "child %d does not go on\n", i);
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

/* Children make passes, one after the other, from before the device goes to after that. */
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

/* Writes to an object that all share, and to one of the child's own. */
static void write_both(const struct round *round, int child, __u32 number)
{
	barium_stamp(round->shared.map, 0, PAGES, child);
	barium_stamp(round->own[child].map, 0, PAGES, number);
}

static void writers(int fd)
{
	(void)fd;
	race(write_both);
}

/* Makes a mapping and touches it first. */
static void map_and_touch(const struct round *round, int child, __u32 number)
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

static void faults(int fd)
{
	(void)fd;
	race(map_and_touch);
}

/* Creates, maps and closes an object, as far as it gets. */
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

static void creations(int fd)
{
	(void)fd;
	race(create_and_close);
}

/* Children that open and close the device, also while it comes back. */
static void opens(int fd)
{
	struct board *board = new_board();
	int i;

	(void)fd;
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
 * Draws on the console's framebuffer, one child through a mapping, the other by writing, which is
 * refused once the framebuffer is gone. What is mapped is synchronised: this makes the kernel bring
 * it to the screen at once, so that it waits for the next vblank nearly all of the time.
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

/* Draws on the console until after the device has gone. */
static void unbind_console(void)
{
	int client = barium_open_bound(), fb;
	char name[BARIUM_NAME_LEN], path[64];
	struct board *board;
	__u8 *map;

	igt_require_f(barium_console(client, name), "no console on this device\n");
	snprintf(path, sizeof(path), "/dev/%s", name);
	fb = open(path, O_RDWR | O_CLOEXEC);
	igt_require_f(fb >= 0, "no node for the console's framebuffer\n");
	map = mmap(NULL, MAPPED_BYTES, RW, MAP_SHARED, fb, 0);
	igt_assert(map != MAP_FAILED);
	board = new_board();

	igt_fork(child, CHILDREN)
		draw(board, child, fb, map);

	wait_for_passes(board);
	barium_unbind();
	wait_for_passes(board);
	/* The kernel looks for changes 20 times a second. */
	usleep(200000);
	end_children(board);

	munmap(map, MAPPED_BYTES);
	/* Waits for what the kernel still does with it. */
	close(fb);
	close(client);
}

/*
 * The kernel brings to the screen what is drawn, while the device goes, and has nowhere to bring it
 * to afterwards. A vblank that it waits for then does not come.
 */
static void draw_console(int fd)
{
	int i;

	(void)fd;
	for (i = 0; i < rounds(); i++) {
		unbind_console();
		barium_bind();
	}
	barium_check_vram();
}

static const struct barium_subtest tests[] = {
	{ "writers", "Processes that write while the device goes do not notice.", writers },
	{ "faults", "Processes that fault while the device goes are not killed.", faults },
	{ "creations", "Objects can be made and closed while the device goes.", creations },
	{ "console", "The console may be drawn on while the device goes.", draw_console },
	{ "opens", "The device can be opened while it comes and goes.", opens },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_unplug_subtests(tests);
}
