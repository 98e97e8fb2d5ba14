// SPDX-License-Identifier: MIT
/**
 * TEST: barium scanout
 * Description: Tests of pictures that move into VRAM when the display shows them, and out of it for
 *   others. The tests read the registers and VRAM through the sysfs files of the device's BARs.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory management
 *
 * SUBTEST: shown-stays
 * Description: The picture that the display shows does not leave VRAM.
 *
 * SUBTEST: shown-gets-room
 * Description: The display gets VRAM that another client has filled.
 *
 * SUBTEST: flip-among-more-than-fit
 * Description: A client can flip between more pictures than VRAM has room for.
 *
 * SUBTEST: new-picture-is-black
 * Description: A buffer that nobody has drawn into is black when it moves into VRAM.
 *
 * SUBTEST: flip-moves
 * Description: A picture moves in and out between writes and flips, and keeps its content.
 *
 * SUBTEST: greeter-and-session
 * Description: A greeter and a session with three buffers each share VRAM, and the session changes
 *   the mode.
 *
 * SUBTEST: console
 * Description: The console's buffer leaves VRAM for pictures of a client, and can be written to
 *   meanwhile. The scenario of the guest checks that the console is shown afterwards.
 *
 * SUBTEST: moves-down
 * Description: A picture that splits VRAM moves down while it is shown, to make room for the next.
 *
 * SUBTEST: no-room-for-display
 * Description: A flip fails with ENOSPC if the picture shown leaves no room for the next one.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_picture.h"
#include "barium_lib_race.h"

IGT_TEST_DESCRIPTION("Checks that the display gets VRAM for the pictures that it shows.");

#define CONTIGUOUS BARIUM_GEM_CREATE_CONTIGUOUS
/* Pictures of these sizes do not all fit into the VRAM of the usual test guest, 16 MiB. */
#define WIDTH 1280
#define HEIGHT 800
#define MANY 8
/* The pages of the picture in the subtest moves-down that a thread writes to. */
#define WRITER_PAGES 24

/* The display under test. */
static struct barium_screen screen;

static void test_shown_stays(int fd)
{
	struct barium_picture shown = barium_create_picture(fd, &screen, 0, 1);
	int other = barium_reopen(fd, O_RDWR);
	size_t page = barium_page_size(), start, i;
	__u64 size;
	__u32 handle;

	barium_set_crtc(fd, &screen.pipe, shown.fb, 0, 0);
	start = barium_shown_start(&screen);
	for (size = barium_vram_size(fd); size >= page; size = size / 2 / page * page) {
		for (i = 0; i < 4; i++) {
			igt_assert_eq(__barium_gem_create(other, &size, CONTIGUOUS, &handle), 0);
			igt_assert_eq(__barium_gem_create(other, &size, 0, &handle), 0);
		}
	}
	igt_assert_eq_u64(barium_shown_start(&screen), start);
	barium_check_picture(&screen, &shown, 1);
	barium_draw_picture(&shown, 2);
	barium_check_picture(&screen, &shown, 2);
	close(other);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_picture(fd, &shown);
}

/* The other client fills VRAM with objects of both kinds, which keep their content. */
static void test_shown_gets_room(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	size_t page = barium_page_size(), count = 0, pages = 256, i;
	struct barium_bo bos[64];
	struct barium_picture picture;

	while (barium_vram_available(fd) >= 2 * pages * page) {
		igt_assert_lt(count + 1, ARRAY_SIZE(bos));
		bos[count] = barium_bo_create_with(other, pages, 0);
		barium_stamp(bos[count].map, 0, pages, count);
		count++;
		bos[count] = barium_bo_create_with(other, pages, CONTIGUOUS);
		barium_stamp(bos[count].map, 0, pages, count);
		count++;
	}
	while (barium_vram_available(fd) >= page)
		barium_gem_create(other, page);

	for (i = 0; i < 3; i++) {
		picture = barium_create_picture(fd, &screen, 0, i);
		barium_set_crtc(fd, &screen.pipe, picture.fb, 0, 0);
		barium_check_picture(&screen, &picture, i);
	}
	for (i = 0; i < count; i++)
		barium_check_stamp(bos[i].map, 0, pages, i);
	barium_switch_off(fd, &screen.pipe);
}

static void test_flip_among(int fd)
{
	struct barium_picture pictures[MANY];
	size_t round, i;

	barium_require_too_many(&screen, MANY);
	barium_create_pictures(fd, &screen, pictures, MANY);
	barium_set_crtc(fd, &screen.pipe, pictures[0].fb, 0, 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < MANY; i++) {
			size_t next = (i * 3 + 1 + round) % MANY;

			barium_flip_to(fd, &screen, &pictures[next], next);
			barium_check_picture(&screen, &pictures[next], next + MANY * round);
			barium_draw_picture(&pictures[next], next + MANY * (round + 1));
			barium_check_picture(&screen, &pictures[next], next + MANY * (round + 1));
		}
	}
	for (i = 0; i < MANY; i++)
		barium_check_stamp(pictures[i].map, 0,
				   pictures[i].dumb.size / barium_page_size(), i + MANY * round);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, MANY);
}

/* VRAM is full of other content of the same client when the buffers are created. */
static void test_new_is_black(int fd)
{
	size_t pages = barium_vram_size(fd) / barium_page_size();
	struct barium_bo bo = barium_bo_create_with(fd, pages, CONTIGUOUS);
	struct drm_mode_create_dumb dumb;
	__u32 fbs[3];
	size_t i;

	memset(bo.map, 0xa5, bo.size);
	for (i = 0; i < ARRAY_SIZE(fbs); i++)
		fbs[i] = barium_add_dumb(fd, &screen.pipe, &dumb);
	for (i = 0; i < ARRAY_SIZE(fbs); i++) {
		barium_set_crtc(fd, &screen.pipe, fbs[i], 0, 0);
		barium_check_zero(screen.scanout.vram + barium_shown_start(&screen), dumb.size);
	}
	barium_switch_off(fd, &screen.pipe);
	barium_bo_fini(fd, &bo);
}

/*
 * The next picture is the one that was shown longest ago, so it has left VRAM. The kernel may have
 * swapped out all pictures that are not in VRAM.
 */
static void test_flip_moves(int fd)
{
	struct barium_picture pictures[MANY];
	size_t i;

	barium_require_too_many(&screen, MANY);
	barium_create_pictures(fd, &screen, pictures, MANY);
	barium_set_crtc(fd, &screen.pipe, pictures[0].fb, 0, 0);
	for (i = 1; i < 3 * MANY; i++) {
		struct barium_picture *next = &pictures[i % MANY];

		barium_draw_picture(next, i);
		igt_assert_lt_u64(0, barium_client_bytes(fd, "drm-total-memory"));
		barium_flip_to(fd, &screen, next, i);
		barium_check_picture(&screen, next, i);
	}
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, MANY);
}

/* The session is another client. Each has its own three buffers, and both draw and flip. */
static void run_client(int fd, struct barium_picture *pictures, size_t count, __u32 seed)
{
	size_t i;

	barium_set_crtc(fd, &screen.pipe, pictures[0].fb, 0, 0);
	for (i = 0; i < 4 * count; i++) {
		barium_draw_picture(&pictures[i % count], seed + i);
		barium_flip_to(fd, &screen, &pictures[i % count], i);
		barium_check_picture(&screen, &pictures[i % count], seed + i);
	}
}

static void test_greeter_and_session(int greeter)
{
	struct barium_picture of_greeter[3], small[3], large[2];
	int session = barium_reopen(greeter, O_RDWR);

	barium_create_pictures(greeter, &screen, of_greeter, 3);
	run_client(greeter, of_greeter, 3, 100);

	/* The session starts on another VT. */
	do_ioctl(greeter, DRM_IOCTL_DROP_MASTER, NULL);
	do_ioctl(session, DRM_IOCTL_SET_MASTER, NULL);
	barium_create_pictures(session, &screen, small, 3);
	run_client(session, small, 3, 200);

	/* It changes the mode, and changes it back. */
	barium_choose_mode(&screen, 1920, 1080);
	barium_create_pictures(session, &screen, large, 2);
	run_client(session, large, 2, 300);
	barium_choose_mode(&screen, WIDTH, HEIGHT);
	run_client(session, small, 3, 400);
	barium_destroy_pictures(session, large, 2);

	/* The user switches to the greeter, which shows its last picture again. */
	do_ioctl(session, DRM_IOCTL_DROP_MASTER, NULL);
	do_ioctl(greeter, DRM_IOCTL_SET_MASTER, NULL);
	barium_set_crtc(greeter, &screen.pipe, of_greeter[2].fb, 0, 0);
	barium_check_picture(&screen, &of_greeter[2], 111);
	barium_flip_to(greeter, &screen, &of_greeter[1], 1);
	barium_check_picture(&screen, &of_greeter[1], 110);

	do_ioctl(greeter, DRM_IOCTL_DROP_MASTER, NULL);
	do_ioctl(session, DRM_IOCTL_SET_MASTER, NULL);
	barium_set_crtc(session, &screen.pipe, small[2].fb, 0, 0);
	barium_check_picture(&screen, &small[2], 411);
	run_client(session, small, 3, 500);
	barium_switch_off(session, &screen.pipe);
	barium_destroy_pictures(session, small, 3);
	barium_destroy_pictures(greeter, of_greeter, 3);
	close(session);
}

/* The text is on line 5, from column 17. The escape sequence counts from 1. */
static void test_console(int fd)
{
	static const char text[] = "\033[2J\033[?25l\033[6;18HWritten while it was not in VRAM";
	int tty = open("/dev/tty0", O_WRONLY | O_CLOEXEC);
	char name[BARIUM_NAME_LEN];
	struct barium_picture pictures[4];

	igt_require_f(barium_console(fd, name), "no console on the display\n");
	igt_require_f(barium_vram_size(fd) == 16 << 20, "the pictures are to fill 16 MiB\n");
	igt_assert_lte(0, tty);
	barium_create_pictures(fd, &screen, pictures, ARRAY_SIZE(pictures));
	run_client(fd, pictures, ARRAY_SIZE(pictures), 100);
	igt_assert_eq_u64(barium_in_vram(fd), ARRAY_SIZE(pictures) * pictures[0].dumb.size);
	igt_assert_eq(write(tty, text, strlen(text)), (int)strlen(text));
	/* A worker draws the text into the console's buffer. */
	usleep(300000);
	igt_assert_eq_u64(barium_in_vram(fd), ARRAY_SIZE(pictures) * pictures[0].dumb.size);
	run_client(fd, pictures, ARRAY_SIZE(pictures), 200);
	close(tty);
	/* Closing the file shows the console. */
	barium_clean_up();
}

/*
 * Mesa allocates a multiple of 64 lines. The first picture of 1280x832 is below the second, which
 * is shown, and neither the VRAM below nor that above has room for one of 1920x1088. A thread
 * writes to the picture meanwhile.
 */
static void test_moves_down(int fd)
{
	size_t page = barium_page_size(), j;
	struct barium_picture first = barium_create_picture(fd, &screen, 32, 1), shown, large;
	struct barium_writer writer;
	size_t start;

	igt_require_f(barium_vram_size(fd) == 16 << 20, "the sizes are for 16 MiB of VRAM\n");
	shown = barium_create_picture(fd, &screen, 32, 2);
	barium_set_crtc(fd, &screen.pipe, shown.fb, 0, 0);
	barium_check_picture(&screen, &shown, 2);
	start = barium_shown_start(&screen);
	igt_assert_lt_u64(0, start);

	barium_writer_start(&writer, (__u8 *)shown.map + 64, WRITER_PAGES);
	barium_choose_mode(&screen, 1920, 1080);
	large = barium_create_picture(fd, &screen, 8, 3);
	barium_set_crtc(fd, &screen.pipe, large.fb, 0, 0);
	barium_writer_stop(&writer);
	barium_check_picture(&screen, &large, 3);
	for (j = 0; j < WRITER_PAGES; j++)
		igt_assert_eq_u64(barium_writer_counter(&writer, j), writer.count);
	barium_check_stamp(first.map, 0, first.dumb.size / page, 1);
	barium_check_stamp(shown.map, 0, shown.dumb.size / page, 2);

	/* It is still shown from its new place. */
	barium_choose_mode(&screen, WIDTH, HEIGHT);
	barium_set_crtc(fd, &screen.pipe, shown.fb, 0, 0);
	barium_check_picture(&screen, &shown, 2);
	igt_assert_lt_u64(barium_shown_start(&screen), start);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_picture(fd, &large);
	barium_destroy_picture(fd, &shown);
	barium_destroy_picture(fd, &first);
}

/*
 * The object of the other framebuffer needs all of VRAM but one page. The picture that is shown
 * moves down to the place of the first one, but that does not make enough room.
 */
static void test_no_room(int fd)
{
	struct barium_picture first = barium_create_picture(fd, &screen, 0, 2);
	struct barium_picture shown = barium_create_picture(fd, &screen, 0, 1);
	__u64 size = barium_vram_size(fd) - barium_page_size();
	__u32 handle, fb, pitch = shown.dumb.pitch;

	barium_set_crtc(fd, &screen.pipe, shown.fb, 0, 0);
	igt_assert_lt_u64(0, barium_shown_start(&screen));
	igt_assert_eq(__barium_gem_create(fd, &size, CONTIGUOUS, &handle), 0);
	igt_assert_eq(__barium_add_fb(fd, handle, WIDTH, HEIGHT, pitch, 0, &fb), 0);
	igt_assert_eq(__barium_set_crtc(fd, &screen.pipe, fb, 0, 0, &screen.pipe.mode), -ENOSPC);
	igt_assert_eq_u64(barium_shown_start(&screen), 0);
	barium_check_picture(&screen, &shown, 1);
	barium_draw_picture(&shown, 3);
	barium_check_picture(&screen, &shown, 3);
	barium_switch_off(fd, &screen.pipe);
	barium_set_crtc(fd, &screen.pipe, fb, 0, 0);
	igt_assert_eq_u64(barium_shown_start(&screen), 0);
	barium_switch_off(fd, &screen.pipe);
	barium_set_crtc(fd, &screen.pipe, shown.fb, 0, 0);
	barium_check_picture(&screen, &shown, 3);
	barium_switch_off(fd, &screen.pipe);
	barium_remove_fb(fd, fb);
	barium_check_stamp(first.map, 0, first.dumb.size / barium_page_size(), 2);
	barium_destroy_picture(fd, &shown);
	barium_destroy_picture(fd, &first);
}

int igt_main()
{
	igt_describe("The picture that the display shows does not leave VRAM.");
	igt_subtest("shown-stays")
		test_shown_stays(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("The display gets VRAM that another client has filled.");
	igt_subtest("shown-gets-room")
		test_shown_gets_room(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("A client can flip between more pictures than VRAM has room for.");
	igt_subtest("flip-among-more-than-fit")
		test_flip_among(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("A buffer that nobody has drawn into is black when it moves into VRAM.");
	igt_subtest("new-picture-is-black")
		test_new_is_black(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("A picture moves in and out between writes and flips.");
	igt_subtest("flip-moves")
		test_flip_moves(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("A greeter and a session share VRAM, and the session changes the mode.");
	igt_subtest("greeter-and-session")
		test_greeter_and_session(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("The console's buffer leaves VRAM for pictures of a client.");
	igt_subtest("console")
		test_console(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("A picture that splits VRAM moves down while it is shown.");
	igt_subtest("moves-down")
		test_moves_down(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("A flip fails with ENOSPC if the picture shown leaves no room.");
	igt_subtest("no-room-for-display")
		test_no_room(barium_new_screen_client(&screen, WIDTH, HEIGHT));
}
