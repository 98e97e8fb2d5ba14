// SPDX-License-Identifier: MIT
/**
 * TEST: barium shadow prime
 * Description: Tests of framebuffers whose objects other devices use, or have exported: the display
 *   shows a copy of them. The tests compare the whole picture that the device scans out, and read
 *   it from VRAM through the sysfs file of the BAR.
 * Category: Display
 * Sub-category: DRM
 * Functionality: Shadow planes, PRIME
 *
 * SUBTEST: attached
 * Description: An object that another device has imported is shown.
 *
 * SUBTEST: attached-after-shown
 * Description: Another device can import an object that was shown, and it is shown again.
 *
 * SUBTEST: detached
 * Description: An object that no other device uses any more is shown where it is in VRAM.
 *
 * SUBTEST: import-udmabuf
 * Description: An imported udmabuf is shown, with its damage.
 *
 * SUBTEST: import-vgem
 * Description: An imported buffer of vgem is shown, with its damage.
 *
 * SUBTEST: import-barium
 * Description: An object of another Barium device is shown from system memory.
 *
 * SUBTEST: import-outlives-exporter
 * Description: An imported object is shown after the exporter's client is closed.
 *
 * SUBTEST: import-fence
 * Description: A flip to an imported object waits for the device that writes to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include <drm/vgem_drm.h>

#include "igt.h"
#include "barium_lib_image.h"
#include "barium_lib_mapping.h"
#include "barium_lib_prime.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Showing framebuffers that other devices use, or have exported.");

static struct barium_display display;

static struct barium_image create_in_vram(int fd, __u32 seed)
{
	return barium_create_image(fd, &display, seed, 0, BARIUM_GEM_CREATE_CONTIGUOUS);
}

static void test_attached(int fd)
{
	const struct drm_mode_rect rect = { 20, 20, 50, 60 };
	int vgem = barium_load_and_open("vgem"), buf;
	struct barium_image image = create_in_vram(fd, 1);

	buf = barium_export(fd, image.handle);
	barium_import(vgem, buf);
	barium_show_image(fd, &display, &image);
	barium_check_damage(fd, &display, &image, 2, &rect, 1);
	barium_flip_image(fd, &display, &image);
	barium_check_image(&display, &image);
	close(buf);
	barium_destroy_image(fd, &image);
	close(vgem);
}

static void test_attached_after_shown(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	struct barium_image image = create_in_vram(fd, 1);
	__u32 handle;

	barium_show_image(fd, &display, &image);
	buf = barium_export(fd, image.handle);
	igt_assert_eq(__barium_import(vgem, buf, &handle), -EBUSY);
	barium_switch_off(fd, &display.pipe);
	barium_import(vgem, buf);
	barium_show_image(fd, &display, &image);
	close(buf);
	barium_destroy_image(fd, &image);
	close(vgem);
}

static void test_detached(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	struct barium_image image = create_in_vram(fd, 1), other = create_in_vram(fd, 2);
	__u32 handle;

	buf = barium_export(fd, image.handle);
	handle = barium_import(vgem, buf);
	barium_show_image(fd, &display, &image);
	gem_close(vgem, handle);
	close(buf);
	barium_show_image(fd, &display, &other);
	barium_show_image(fd, &display, &image);
	/* The device scans out the object, so no commit is necessary. */
	barium_draw_image(&image, 3);
	barium_check_image(&display, &image);
	barium_destroy_image(fd, &image);
	barium_destroy_image(fd, &other);
	close(vgem);
}

/* Imports a dma-buf with the size of @image, and draws the image made from @seed in it. */
static void import(int fd, int buf, struct barium_image *image, __u32 seed)
{
	image->handle = barium_import(fd, buf);
	image->map = barium_map_buf(buf, 0, image->size / barium_page_size());
	barium_draw_image(image, seed);
	barium_add_image_fb(fd, image);
}

/* Imports a new buffer of vgem, and stores vgem's handle. */
static struct barium_image import_vgem(int fd, int vgem, __u32 seed, __u32 *handle)
{
	struct barium_image image = barium_new_image(&display, 0);
	struct drm_mode_create_dumb dumb = {
		.width = image.width,
		.height = image.height,
		.bpp = BARIUM_CPP * 8,
	};
	int buf;

	do_ioctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb);
	image.pitch = dumb.pitch;
	image.size = dumb.size;
	buf = barium_export(vgem, dumb.handle);
	import(fd, buf, &image, seed);
	close(buf);
	*handle = dumb.handle;
	return image;
}

static void check_imported(int fd, struct barium_image *image)
{
	const struct drm_mode_rect rect = { 20, 20, 50, 60 };
	struct drm_clip_rect clip = { .x1 = 10, .y1 = 20, .x2 = 300, .y2 = 21 };
	struct barium_image vram = create_in_vram(fd, 9);

	barium_show_image(fd, &display, image);
	barium_check_damage(fd, &display, image, 2, &rect, 1);
	igt_assert_eq(__barium_dirty_fb(fd, image->fb, &clip, 1), 0);
	barium_expect_part(&display, image, 0, 0, &(struct drm_mode_rect) { 10, 20, 300, 21 });
	barium_check_expected(&display);
	barium_flip_image(fd, &display, &vram);
	barium_check_image(&display, &vram);
	barium_flip_image(fd, &display, image);
	barium_check_image(&display, image);
	barium_destroy_image(fd, &vram);
}

static void test_import_udmabuf(int fd)
{
	struct barium_image image = barium_new_image(&display, 0);
	int buf = barium_make_udmabuf(image.size / barium_page_size(), NULL);

	import(fd, buf, &image, 1);
	close(buf);
	check_imported(fd, &image);
	barium_destroy_image(fd, &image);
}

static void test_import_vgem(int fd)
{
	int vgem = barium_load_and_open("vgem");
	__u32 handle;
	struct barium_image image = import_vgem(fd, vgem, 1, &handle);

	check_imported(fd, &image);
	barium_destroy_image(fd, &image);
	close(vgem);
}

static void test_import_barium(int fd)
{
	struct barium_image image = barium_new_image(&display, 0);
	__u64 available;
	__u32 handle;
	int other, buf;

	other = __barium_open_slot(getenv("BARIUM_OTHER_DEVICE"), O_RDWR);
	igt_assert_lte(0, other);
	available = barium_vram_available(other);
	igt_assert_eq(__barium_gem_create(other, &image.size, 0, &handle), 0);
	buf = barium_export(other, handle);
	import(fd, buf, &image, 1);
	igt_assert_eq_u64(barium_vram_available(other), available);
	close(buf);
	close(other);
	check_imported(fd, &image);
	barium_destroy_image(fd, &image);
}

static void test_import_outlives_exporter(int fd)
{
	int vgem = barium_load_and_open("vgem");
	__u32 handle;
	struct barium_image image = import_vgem(fd, vgem, 1, &handle);

	close(vgem);
	barium_show_image(fd, &display, &image);
	barium_destroy_image(fd, &image);
}

static void test_import_fence(int fd)
{
	int vgem = barium_load_and_open("vgem");
	struct drm_vgem_fence_attach attach = { .flags = VGEM_FENCE_WRITE };
	struct drm_vgem_fence_signal signal = {};
	struct barium_image system = barium_create_image(fd, &display, 1, 0,
							 BARIUM_GEM_CREATE_SYSTEM);
	struct barium_image image = import_vgem(fd, vgem, 2, &attach.handle);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	barium_show_image(fd, &display, &system);
	do_ioctl(vgem, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach);
	barium_flip(fd, &display.pipe, image.fb, 1);
	igt_assert_eq(poll(&poll_fd, 1, 100), 0);
	barium_check_expected(&display);
	barium_draw_image(&image, 3);
	signal.fence = attach.out_fence;
	do_ioctl(vgem, DRM_IOCTL_VGEM_FENCE_SIGNAL, &signal);
	barium_flipped(fd, &display.pipe, 1);
	barium_check_image(&display, &image);
	barium_destroy_image(fd, &image);
	barium_destroy_image(fd, &system);
	close(vgem);
}

int igt_main()
{
	igt_fixture() {
		int fd;

		barium_prepare_unplug();
		fd = barium_open_primary();
		barium_find_display(fd, &display);
		close(fd);
	}

	igt_describe("An object that another device has imported is shown.");
	igt_subtest("attached")
		test_attached(barium_new_bound_primary_client());

	igt_describe("Another device can import an object that was shown, and it is shown again.");
	igt_subtest("attached-after-shown")
		test_attached_after_shown(barium_new_bound_primary_client());

	igt_describe("An object that no other device uses any more is shown where it is in VRAM.");
	igt_subtest("detached")
		test_detached(barium_new_bound_primary_client());

	igt_describe("An imported udmabuf is shown, with its damage.");
	igt_subtest("import-udmabuf")
		test_import_udmabuf(barium_new_bound_primary_client());

	igt_describe("An imported buffer of vgem is shown, with its damage.");
	igt_subtest("import-vgem")
		test_import_vgem(barium_new_bound_primary_client());

	igt_describe("An imported object is shown after the exporter's client is closed.");
	igt_subtest("import-outlives-exporter")
		test_import_outlives_exporter(barium_new_bound_primary_client());

	igt_describe("A flip to an imported object waits for the device that writes to it.");
	igt_subtest("import-fence")
		test_import_fence(barium_new_bound_primary_client());

	/* The PCI address of another device of the driver. */
	if (getenv("BARIUM_OTHER_DEVICE")) {
		igt_describe("An object of another Barium device is shown from system memory.");
		igt_subtest("import-barium")
			test_import_barium(barium_new_bound_primary_client());
	}
}
