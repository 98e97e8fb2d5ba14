// SPDX-License-Identifier: MIT
/**
 * TEST: barium budget
 * Description: How many pages a client has to copy because of other clients, and how often other
 *   clients can make its objects leave VRAM.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory management
 *
 * SUBTEST: flips-move-nothing
 * Description: Pictures that the display shows in turn stay in VRAM, whatever other clients create.
 *
 * SUBTEST: new-pictures-among-others
 * Description: A client that creates and shows new pictures copies a limited number of pages for
 *   each, while others take all VRAM that becomes available.
 *
 * SUBTEST: small-moves-little
 * Description: A large object stays in VRAM when a small one is created, and leaves it when the
 *   small one is shown.
 *
 * SUBTEST: loop-moves-once
 * Description: A client that creates and closes a contiguous object again and again makes the
 *   objects of another one leave VRAM once.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_picture.h"
#include "barium_lib_race.h"
#include "barium_lib_trace.h"

IGT_TEST_DESCRIPTION("Checks how many pages clients copy because of other clients.");

#define CONTIGUOUS BARIUM_GEM_CREATE_CONTIGUOUS
/* Four pictures of these sizes fit into the VRAM of the usual test guest, 16 MiB. */
#define WIDTH 1280
#define HEIGHT 800
#define PICTURES 3
#define FLIPS 24
#define ROUNDS 12
#define NEW_PICTURES 2
/* The clients that disturb, in processes of their own. */
#define OTHERS 2
/* The files that such a client opens. Each has a share of VRAM. */
#define FILES 4
/* What each of them has to do before a test ends. */
#define MIN_TURNS 3
/* The objects that such a client keeps, and their maximum number of pages. */
#define KEPT 256
#define MAX_PAGES 64

/* The display under test. */
static struct barium_screen screen;

/* Processes that disturb: 0 if there is none. */
static pid_t pids[OTHERS];
/* How often each has completed a turn. */
static __u32 *turns;

/* Starts processes that call @turn again and again, each with files and a number of its own. */
static void start_others(int fd, void (*turn)(const int files[static FILES], __u32 *state))
{
	size_t i, j;

	turns = mmap(NULL, barium_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	igt_assert(turns != MAP_FAILED);
	for (i = 0; i < OTHERS; i++) {
		pids[i] = fork();
		igt_assert_lte(0, pids[i]);
		if (!pids[i]) {
			__u32 state = i;
			int files[FILES];

			for (j = 0; j < FILES; j++)
				files[j] = barium_reopen(fd, O_RDWR);
			while (true) {
				turn(files, &state);
				__atomic_add_fetch(&turns[i], 1, __ATOMIC_RELAXED);
			}
		}
	}
}

static bool have_disturbed(void)
{
	size_t i;

	for (i = 0; i < OTHERS; i++) {
		igt_assert_eq(waitpid(pids[i], NULL, WNOHANG), 0);
		if (READ_ONCE(turns[i]) < MIN_TURNS)
			return false;
	}
	return true;
}

/* Does nothing if there are none. A test that fails leaves them behind. */
static void end_others(void)
{
	size_t i;

	for (i = 0; i < OTHERS; i++) {
		if (pids[i] <= 0)
			continue;
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
		pids[i] = 0;
	}
	if (turns)
		munmap(turns, barium_page_size());
	turns = NULL;
}

/* Fills VRAM with contiguous objects, then with others, and closes them. */
static void take_and_leave(const int files[static FILES], __u32 *state)
{
	static const size_t parts[] = { 2, 4, 16 };
	struct barium_bo bos[FILES];
	size_t pages, i, j, k;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(parts); i++) {
		pages = barium_vram_size(files[0]) / barium_page_size() / parts[i];
		for (j = 0; j < 2; j++) {
			for (k = 0; k < FILES; k++) {
				bos[k] = barium_bo_create_with(files[k], pages, j ? 0 : CONTIGUOUS);
				WRITE_ONCE(bos[k].map[0], 1);
			}
			for (k = 0; k < FILES; k++)
				barium_bo_fini(files[k], &bos[k]);
		}
	}
}

static void test_flips(int fd)
{
	struct barium_picture pictures[PICTURES];
	size_t i;

	igt_require_f(barium_vram_size(fd) == 16 << 20, "the pictures are to fit into 16 MiB\n");
	barium_create_pictures(fd, &screen, pictures, PICTURES);
	for (i = 0; i < PICTURES; i++)
		barium_set_crtc(fd, &screen.pipe, pictures[i].fb, 0, 0);
	start_others(fd, take_and_leave);
	for (i = 0; i < FLIPS || !have_disturbed(); i++) {
		igt_assert_eq_u64(barium_in_vram(fd), PICTURES * pictures[0].dumb.size);
		barium_flip_to(fd, &screen, &pictures[i % PICTURES], i);
	}
	end_others();
	barium_switch_off(fd, &screen.pipe);
	for (i = 0; i < PICTURES; i++)
		barium_check_stamp(pictures[i].map, 0, pictures[i].dumb.size / barium_page_size(),
				   i);
	barium_destroy_pictures(fd, pictures, PICTURES);
}

/* Replaces one of many small objects by a new one, which takes VRAM if any is available. */
static void take(const int files[static FILES], __u32 *state)
{
	static struct barium_bo kept[KEPT];
	static size_t next;
	size_t i;

	for (i = 0; i < KEPT / FILES; i++) {
		int fd = files[next % FILES];

		if (kept[next].map)
			barium_bo_fini(fd, &kept[next]);
		kept[next] = barium_bo_create(fd, 1 + barium_draw(state) % MAX_PAGES);
		WRITE_ONCE(kept[next].map[0], 1);
		next = (next + 1) % KEPT;
	}
}

static void test_new_pictures(int fd)
{
	__u64 vram = barium_vram_size(fd) / barium_page_size(), before, created, moved = 0;
	struct barium_picture picture, last = {};
	size_t i;

	barium_begin_trace();
	barium_trace_event("barium/barium_move_in");
	barium_trace_event("barium/barium_move_out");
	start_others(fd, take);
	while (!have_disturbed())
		usleep(1000);
	for (i = 0; i < NEW_PICTURES; i++) {
		before = barium_pages_moved_by(getpid());
		picture = barium_create_picture(fd, &screen, 0, i);
		created = barium_pages_moved_by(getpid());
		if (last.map)
			barium_flip_to(fd, &screen, &picture, i);
		else
			barium_set_crtc(fd, &screen.pipe, picture.fb, 0, 0);
		moved = barium_pages_moved_by(getpid());
		igt_info("%llu pages copied to create a picture, %llu to show it\n",
			 created - before, moved - created);
		/* Others may put objects into the range that is freed. */
		igt_assert_lte_u64(created - before,
				   8 * picture.dumb.size / barium_page_size() + vram);
		igt_assert_lte_u64(moved - created, vram);
		barium_check_picture(&screen, &picture, i);
		if (last.map)
			barium_destroy_picture(fd, &last);
		last = picture;
	}
	igt_assert_lt_u64(0, moved);
	end_others();
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_picture(fd, &last);
}

static void test_small(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	size_t pages = barium_vram_available(fd) / barium_page_size();
	struct barium_bo large = barium_bo_create(other, pages), bo;
	struct barium_picture picture;

	igt_assert_eq_u64(barium_in_vram(other), large.size);
	barium_stamp(large.map, 0, pages, 1);
	picture = barium_create_picture(fd, &screen, 0, 2);
	igt_require_f(picture.dumb.size < large.size / 8, "VRAM is small\n");
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_eq_u64(barium_in_vram(other), large.size);
	barium_set_crtc(fd, &screen.pipe, picture.fb, 0, 0);
	igt_assert_eq_u64(barium_in_vram(fd), picture.dumb.size);
	igt_assert_eq_u64(barium_in_memory(other), large.size);
	barium_check_picture(&screen, &picture, 2);
	barium_check_stamp(large.map, 0, pages, 1);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_picture(fd, &picture);
	barium_bo_fini(other, &large);

	/* An object of an eighth of the size makes room. */
	large = barium_bo_create(other, pages);
	igt_assert_eq_u64(barium_in_vram(other), large.size);
	barium_stamp(large.map, 0, pages, 3);
	bo = barium_bo_create_with(fd, (pages + 7) / 8, CONTIGUOUS);
	igt_assert_eq_u64(barium_in_vram(fd), bo.size);
	igt_assert_eq_u64(barium_in_memory(other), large.size);
	barium_check_stamp(large.map, 0, pages, 3);
	barium_bo_fini(fd, &bo);
	barium_bo_fini(other, &large);
	close(other);
}

static void test_loop(int fd)
{
	size_t pages = barium_vram_size(fd) / barium_page_size() / 16, i, j;
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo bos[12], bo;
	__u64 left = 0;

	for (j = 0; j < ARRAY_SIZE(bos); j++) {
		bos[j] = barium_bo_create(fd, pages);
		barium_stamp(bos[j].map, 0, pages, j);
	}
	for (i = 0; i < ROUNDS; i++) {
		bo = barium_bo_create_with(other, 8 * pages, CONTIGUOUS);
		barium_stamp(bo.map, 0, 8 * pages, i);
		igt_assert_eq_u64(barium_in_vram(other), bo.size);
		barium_bo_fini(other, &bo);
		if (!i)
			left = barium_in_memory(fd);
		for (j = 0; j < ARRAY_SIZE(bos); j++) {
			barium_check_stamp(bos[j].map, 0, pages, i + j);
			barium_stamp(bos[j].map, 0, pages, i + j + 1);
		}
		igt_assert_lt_u64(0, left);
		igt_assert_eq_u64(barium_in_memory(fd), left);
	}
	for (j = 0; j < ARRAY_SIZE(bos); j++)
		barium_bo_fini(fd, &bos[j]);
	close(other);
}

int igt_main()
{
	igt_describe("Pictures that are shown in turn stay in VRAM, whatever others create.");
	igt_subtest("flips-move-nothing")
		test_flips(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_fixture()
		end_others();

	igt_describe("A limited number of pages is copied for a new picture.");
	igt_subtest("new-pictures-among-others")
		test_new_pictures(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_fixture()
		end_others();

	igt_describe("A new small object moves no large one, unless it is shown.");
	igt_subtest("small-moves-little")
		test_small(barium_new_screen_client(&screen, 640, 480));

	igt_describe("A loop that creates contiguous objects makes others leave VRAM once.");
	igt_subtest("loop-moves-once")
		test_loop(barium_new_client());
}
