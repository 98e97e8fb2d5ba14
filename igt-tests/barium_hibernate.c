// SPDX-License-Identifier: MIT
/**
 * TEST: barium hibernate
 * Description: Objects when the kernel creates a hibernation image. There is no swap space, so the
 *   kernel cannot write the image, and continues.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Suspend
 *
 * SUBTEST: moved-out
 * Description: Objects leave VRAM with their content before the image is created. An object without
 *   content takes no memory.
 *
 * SUBTEST: dropped
 * Description: Content that is not needed is dropped, and not copied into the image.
 *
 * SUBTEST: shown-stays
 * Description: The picture that is shown stays in VRAM, and another one leaves it.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_picture.h"

IGT_TEST_DESCRIPTION("Objects when the kernel creates a hibernation image.");

#define CONTIGUOUS BARIUM_GEM_CREATE_CONTIGUOUS
#define WIDTH 1280
#define HEIGHT 800

/* Restores what fail_to_hibernate() has changed. */
static void reset(int sig)
{
	(void)sig;
	__barium_write_file("/sys/power/pm_test", "none");
}

/*
 * Creates an image, or goes as far as to freeze the devices if the kernel can be told to stop
 * there. Either way, devices prepare for an image.
 */
static void fail_to_hibernate(void)
{
	bool stops = !__barium_write_file("/sys/power/pm_test", "devices");
	int err = __barium_write_file("/sys/power/state", "disk");

	reset(0);
	igt_info("note: %s, %d\n", stops ? "devices were frozen" : "an image was created", err);
	if (!stops)
		igt_assert_lt(err, 0);
	igt_assert_neq(err, -ENOMEM);
}

static void test_moved_out(int fd)
{
	static const size_t sizes[] = { 1, 2, 17, 512, 1029 };
	struct barium_bo bos[ARRAY_SIZE(sizes)];
	__u64 in_use = 0;
	size_t i;

	barium_gem_create(fd, 64 * barium_page_size());
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		bos[i] = barium_bo_create_with(fd, sizes[i], i % 2 ? CONTIGUOUS : 0);
		barium_stamp(bos[i].map, 0, sizes[i], i);
		in_use += bos[i].size;
	}
	igt_assert_lt_u64(in_use, barium_in_vram(fd));
	fail_to_hibernate();
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_eq_u64(barium_in_memory(fd), in_use);
	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		barium_check_stamp(bos[i].map, 0, sizes[i], i);
		barium_stamp(bos[i].map, 0, sizes[i], i + 10);
		barium_check_stamp(bos[i].map, 0, sizes[i], i + 10);
		barium_bo_fini(fd, &bos[i]);
	}
}

static void test_dropped(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, 0);

	barium_stamp(bo.map, 0, 64, 1);
	barium_madvise(fd, bo.handle, BARIUM_MADVISE_DONTNEED);
	fail_to_hibernate();
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	igt_assert(!barium_madvise(fd, bo.handle, BARIUM_MADVISE_WILLNEED));
	barium_check_zero(bo.map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* The display under test. */
static struct barium_screen screen;

static void test_shown(int fd)
{
	struct barium_picture pictures[2];
	size_t start;

	barium_create_pictures(fd, &screen, pictures, 2);
	barium_set_crtc(fd, &screen.pipe, pictures[0].fb, 0, 0);
	start = barium_shown_start(&screen);
	fail_to_hibernate();
	igt_assert_eq_u64(barium_shown_start(&screen), start);
	barium_check_picture(&screen, &pictures[0], 0);
	igt_assert_eq_u64(barium_in_vram(fd), pictures[0].dumb.size);
	igt_assert_eq_u64(barium_in_memory(fd), pictures[1].dumb.size);
	barium_flip_to(fd, &screen, &pictures[1], 1);
	barium_check_picture(&screen, &pictures[1], 1);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, 2);
}

int igt_main()
{
	igt_fixture() {
		igt_require_f(!barium_meminfo("SwapTotal"), "the machine would hibernate\n");
		igt_require_f(!access("/sys/power/disk", F_OK), "the kernel cannot hibernate\n");
		igt_install_exit_handler(reset);
	}

	igt_describe("Objects leave VRAM with their content before the image is created.");
	igt_subtest("moved-out")
		test_moved_out(barium_new_client());

	igt_describe("Content that is not needed is dropped.");
	igt_subtest("dropped")
		test_dropped(barium_new_client());

	igt_describe("The picture that is shown stays in VRAM.");
	igt_subtest("shown-stays")
		test_shown(barium_new_screen_client(&screen, WIDTH, HEIGHT));
}
