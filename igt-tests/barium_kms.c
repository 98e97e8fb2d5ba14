// SPDX-License-Identifier: MIT
/**
 * TEST: barium kms
 * Description: Tests of the display. They read the state of the device from its registers and from
 *   VRAM, through the sysfs files of its BARs, and do not rely on the driver's reports.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Kernel mode setting
 *
 * SUBTEST: mode-refused
 * Description: A mode that the device does not support fails with EINVAL.
 *
 * SUBTEST: mode-not-plain
 * Description: A mode that is interlaced or repeats scanlines fails with EINVAL.
 *
 * SUBTEST: flip-event
 * Description: A page flip changes the scanout and sends its event.
 *
 * SUBTEST: odd-starts
 * Description: A framebuffer can start at any pixel of its object.
 *
 * SUBTEST: panning
 * Description: A CRTC can scan out any part of a larger framebuffer.
 *
 * SUBTEST: flip-to-other-pitch
 * Description: Framebuffers of different pitch are scanned out correctly.
 *
 * SUBTEST: pitch-limits
 * Description: ADDFB2 with a pitch that the device does not support fails.
 *
 * SUBTEST: object-end
 * Description: ADDFB2 of a framebuffer that exceeds its object fails.
 *
 * SUBTEST: vram-end
 * Description: Scanout whose last line exceeds VRAM fails with EINVAL.
 *
 * SUBTEST: contents-stay
 * Description: Setting a mode preserves all objects in VRAM.
 *
 * SUBTEST: closed-handle
 * Description: A framebuffer holds its object after the handle is closed.
 *
 * SUBTEST: not-contiguous-refused
 * Description: ADDFB2 of an object that is not contiguous fails.
 *
 * SUBTEST: damage
 * Description: A drawing is visible with and without DIRTYFB.
 *
 * SUBTEST: off-and-on
 * Description: The CRTC can be disabled and enabled again.
 *
 * SUBTEST: unbind-while-shown
 * Description: A device with an active CRTC can be unbound and bound again.
 *
 * SUBTEST: unbind-with-flip
 * Description: A pending page flip event arrives after unbind.
 *
 * SUBTEST: each-mode
 * Description: Each mode of the connector can be set and displays the image.
 */
#include <errno.h>
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_scanout.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Modes, framebuffers and page flips that scan out objects in place.");

#define CPP BARIUM_CPP

/* A framebuffer of an object of its own, and a mapping of the object. */
struct image {
	__u32 handle;
	__u32 fb;
	/* In bytes. */
	__u32 pitch;
	/* Bytes from the start of the object to the first pixel. */
	__u32 offset;
	__u64 size;
	__u32 *map;
};

static struct barium_scanout device;
static struct barium_pipe pipeline;

static __u16 reg(size_t offset)
{
	return barium_scanout_reg(&device, offset);
}

static void fb_refused(int fd, __u32 handle, __u32 width, __u32 height, __u32 pitch, __u32 offset)
{
	__u32 fb;

	igt_assert_f(__barium_add_fb(fd, handle, width, height, pitch, offset, &fb) == -EINVAL,
		     "ADDFB2 of %ux%u, pitch %u, offset %u does not fail with EINVAL\n", width,
		     height, pitch, offset);
}

/* Creates a contiguous object. */
static __u32 create_contiguous(int fd, __u64 size)
{
	__u32 handle;

	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	return handle;
}

static void draw(const struct image *image, __u32 seed, __u32 width, __u32 height)
{
	__u32 *line = image->map + image->offset / CPP, x, y;

	for (y = 0; y < height; y++, line += image->pitch / CPP) {
		for (x = 0; x < width; x++)
			line[x] = barium_color(seed, x, y);
	}
}

/*
 * Creates a framebuffer @offset bytes into its object, @margin pixels wider and higher than the
 * mode, and draws the image made from @seed.
 */
static struct image create_image(int fd, __u32 seed, __u32 margin, __u32 offset)
{
	__u32 width = pipeline.mode.hdisplay + margin, height = pipeline.mode.vdisplay + margin;
	struct image image = { .pitch = width * CPP, .offset = offset };
	size_t page = barium_page_size();

	image.size = ((__u64)image.pitch * height + offset + page - 1) / page * page;
	image.handle = create_contiguous(fd, image.size);
	image.map = barium_mmap(fd, image.handle, image.size);
	draw(&image, seed, width, height);
	image.fb = barium_add_fb(fd, image.handle, width, height, image.pitch, offset);
	return image;
}

static void destroy_image(int fd, struct image *image)
{
	barium_munmap(image->map, image->size);
	barium_remove_fb(fd, image->fb);
	gem_close(fd, image->handle);
}

/* Asserts that the device scans out the image made from @seed, starting at its pixel (@x, @y). */
static void check_scanout(__u32 seed, __u32 x, __u32 y)
{
	barium_check_scanout(&device, &pipeline, seed, x, y);
}

/*
 * Modes that scan lines out more than once, or in two fields. The device has none of them. DRM
 * computes the frame duration from products that overflow (drm_mode_set_crtcinfo(),
 * drm_calc_timestamping_constants()): the last two modes have a duration of 0 or an arbitrary one.
 */
static void test_mode_not_plain(int fd)
{
	struct drm_mode_modeinfo mode = pipeline.mode;
	/* Large enough for the two images of frame packing. */
	struct image image = create_image(fd, 1, 600, 0);
	static const __u32 flags[] = {
		DRM_MODE_FLAG_INTERLACE, DRM_MODE_FLAG_DBLSCAN, DRM_MODE_FLAG_3D_FRAME_PACKING,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		mode.flags = pipeline.mode.flags | flags[i];
		igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 0, 0, &mode), -EINVAL);
	}
	mode = pipeline.mode;
	mode.vscan = 2;
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 0, 0, &mode), -EINVAL);

	/* The refresh rate of this mode and of the next is 60 Hz. */
	mode = pipeline.mode;
	mode.htotal = 1100;
	mode.vtotal = 32768;
	mode.clock = 4325376;
	mode.flags |= DRM_MODE_FLAG_DBLSCAN;
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 0, 0, &mode), -EINVAL);

	mode = pipeline.mode;
	mode.htotal = 65535;
	mode.vtotal = 65535;
	mode.clock = 257690173;
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 0, 0, &mode), -EINVAL);
	destroy_image(fd, &image);
}

/* A framebuffer may start at any pixel of an object, at any offset of the object in VRAM. */
static void test_odd_starts(int fd)
{
	const __u32 offsets[] = { 4, 60, 4092, 4100, 123456, 640 * CPP - 4 };
	__u32 spacer = barium_gem_create(fd, barium_page_size()), i;
	struct image first = create_image(fd, 1, 0, 0), image;

	barium_set_crtc(fd, &pipeline, first.fb, 0, 0);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		image = create_image(fd, 2 + i, 0, offsets[i]);
		barium_flip(fd, &pipeline, image.fb, i);
		barium_flipped(fd, &pipeline, i);
		check_scanout(2 + i, 0, 0);
		barium_flip(fd, &pipeline, first.fb, i);
		barium_flipped(fd, &pipeline, i);
		destroy_image(fd, &image);
	}
	destroy_image(fd, &first);
	gem_close(fd, spacer);
}

/* The framebuffer is larger than the mode, and the CRTC scans out each part of it. */
static void test_panning(int fd)
{
	struct image image = create_image(fd, 1, 64, 0);
	__u32 x, y;

	for (y = 0; y <= 64; y += 16) {
		for (x = 0; x <= 64; x += 13) {
			barium_set_crtc(fd, &pipeline, image.fb, x, y);
			check_scanout(1, x, y);
		}
	}
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 65, 0, &pipeline.mode), -ENOSPC);
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 0, 65, &pipeline.mode), -ENOSPC);
	destroy_image(fd, &image);
}

/*
 * The last line counts with its whole pitch: the device scans out nothing if the pitch of that line
 * exceeds VRAM.
 */
static void test_vram_end(int fd)
{
	__u32 width = pipeline.mode.hdisplay, height = pipeline.mode.vdisplay;
	__u32 pitch = 2 * width * CPP, offset, fb, handle;
	__u64 size = device.vram_size;

	igt_require_f(size <= UINT32_MAX, "an offset in VRAM exceeds 32 bits\n");
	handle = create_contiguous(fd, size);
	offset = size - height * pitch;
	fb = barium_add_fb(fd, handle, width, height, pitch, offset);
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, fb, 0, 0, &pipeline.mode), 0);
	igt_assert_eq_u32((reg(BARIUM_REG_Y_OFFSET) * reg(BARIUM_REG_VIRT_WIDTH) +
			   reg(BARIUM_REG_X_OFFSET)) * CPP, offset);
	barium_switch_off(fd, &pipeline);
	barium_remove_fb(fd, fb);

	fb = barium_add_fb(fd, handle, width, height, pitch, offset + 4);
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, fb, 0, 0, &pipeline.mode), -EINVAL);
	barium_remove_fb(fd, fb);
	gem_close(fd, handle);
}

/* Enabling the display does not clear the objects in VRAM. */
static void test_contents_stay(int fd)
{
	struct image image = create_image(fd, 1, 0, 0);
	size_t page = barium_page_size(), count, i;
	__u32 *handles;
	void *map;

	count = barium_fill(fd, 64 * page, &handles);
	for (i = 0; i < count; i++) {
		map = barium_mmap(fd, handles[i], 64 * page);
		barium_stamp(map, 0, 64, i);
		barium_munmap(map, 64 * page);
	}
	barium_switch_off(fd, &pipeline);
	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	check_scanout(1, 0, 0);
	barium_switch_off(fd, &pipeline);
	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	check_scanout(1, 0, 0);
	for (i = 0; i < count; i++) {
		map = barium_mmap(fd, handles[i], 64 * page);
		barium_check_stamp(map, 0, 64, i);
		barium_munmap(map, 64 * page);
		gem_close(fd, handles[i]);
	}
	free(handles);
	destroy_image(fd, &image);
}

/* A framebuffer that is being scanned out holds its object: the VRAM is not reused. */
static void test_closed_handle(int fd)
{
	struct image image = create_image(fd, 1, 0, 0);
	__u64 before = barium_vram_available(fd);
	int filler = barium_reopen(fd, O_RDWR);
	__u32 *handles;

	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	barium_munmap(image.map, image.size);
	gem_close(fd, image.handle);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	barium_fill(filler, 64 * barium_page_size(), &handles);
	free(handles);
	barium_fill(filler, barium_page_size(), &handles);
	free(handles);
	check_scanout(1, 0, 0);
	close(filler);

	barium_remove_fb(fd, image.fb);
	igt_assert_eq_u64(barium_vram_available(fd), before + image.size);
}

/* Binds the device again, and asserts that it displays an image. */
static void bind_and_display(void)
{
	struct image image;
	int fd;

	barium_bind();
	fd = barium_open_primary();
	barium_find_small_pipe(fd, &pipeline);
	image = create_image(fd, 9, 0, 0);
	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	check_scanout(9, 0, 0);
	destroy_image(fd, &image);
	close(fd);
}

static void test_unbind_while_shown(int fd)
{
	struct image image = create_image(fd, 1, 0, 0), other = create_image(fd, 2, 0, 0);
	size_t i;

	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	barium_unbind();
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, other.fb, 0, 0, &pipeline.mode), -ENODEV);
	for (i = 0; i < image.size / CPP; i++)
		igt_assert_eq_u32(image.map[i], 0);
	bind_and_display();
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, other.fb, 0, 0, &pipeline.mode), -ENODEV);
	barium_munmap(image.map, image.size);
	barium_munmap(other.map, other.size);
}

int igt_main()
{
	igt_fixture() {
		int fd;

		barium_prepare_unplug();
		fd = barium_open_primary();
		barium_find_scanout(fd, &device);
		barium_find_small_pipe(fd, &pipeline);
		close(fd);
	}

	/* Modes that the device does not support fail, also if the connector does not list them. */
	igt_describe("A mode that the device does not support fails with EINVAL.");
	igt_subtest("mode-refused") {
		int fd = barium_new_bound_primary_client();
		struct drm_mode_modeinfo mode = pipeline.mode;
		struct image image = create_image(fd, 1, 0, 0);

		mode.hdisplay = device.is_vga ? 636 : 63;
		igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 0, 0, &mode), -EINVAL);
		mode.hdisplay = device.is_vga ? 632 : 64;
		igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 0, 0, &mode), 0);

		mode.vdisplay = device.is_vga ? 0 : 63;
		igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 0, 0, &mode), -EINVAL);
		destroy_image(fd, &image);
	}

	igt_describe("A mode that is interlaced or repeats scanlines fails with EINVAL.");
	igt_subtest("mode-not-plain")
		test_mode_not_plain(barium_new_bound_primary_client());

	igt_describe("A page flip changes the scanout and sends its event.");
	igt_subtest("flip-event") {
		int fd = barium_new_bound_primary_client();
		struct image front = create_image(fd, 1, 0, 0), back = create_image(fd, 2, 0, 0);
		__u32 i;

		barium_set_crtc(fd, &pipeline, front.fb, 0, 0);
		check_scanout(1, 0, 0);
		for (i = 0; i < 8; i++) {
			barium_flip(fd, &pipeline, i % 2 ? front.fb : back.fb, 1000 + i);
			barium_flipped(fd, &pipeline, 1000 + i);
			check_scanout(i % 2 ? 1 : 2, 0, 0);
		}
		destroy_image(fd, &front);
		destroy_image(fd, &back);
	}

	igt_describe("A framebuffer can start at any pixel of its object.");
	igt_subtest("odd-starts")
		test_odd_starts(barium_new_bound_primary_client());

	igt_describe("A CRTC can scan out any part of a larger framebuffer.");
	igt_subtest("panning")
		test_panning(barium_new_bound_primary_client());

	igt_describe("Framebuffers of different pitch are scanned out correctly.");
	igt_subtest("flip-to-other-pitch") {
		int fd = barium_new_bound_primary_client();
		struct image narrow = create_image(fd, 1, 0, 0), wide = create_image(fd, 2, 64, 0);
		__u32 i;

		barium_set_crtc(fd, &pipeline, narrow.fb, 0, 0);
		for (i = 0; i < 4; i++) {
			barium_set_crtc(fd, &pipeline, i % 2 ? narrow.fb : wide.fb, 0, 0);
			check_scanout(i % 2 ? 1 : 2, 0, 0);
		}
		destroy_image(fd, &narrow);
		destroy_image(fd, &wide);
	}

	igt_describe("ADDFB2 with a pitch that the device does not support fails.");
	igt_subtest("pitch-limits") {
		int fd = barium_new_bound_primary_client();
		__u32 max = device.max_pitch, step = device.is_vga ? 32 : 4;
		__u32 handle = create_contiguous(fd, 1 << 20);

		barium_remove_fb(fd, barium_add_fb(fd, handle, 64, 4, 64 * CPP, 0));
		barium_remove_fb(fd, barium_add_fb(fd, handle, 64, 4, 64 * CPP + step, 0));
		fb_refused(fd, handle, 64, 4, 64 * CPP - step, 0);
		fb_refused(fd, handle, 64, 4, 64 * CPP + step / 2, 0);
		fb_refused(fd, handle, 64, 4, 64 * CPP + 1, 0);
		barium_remove_fb(fd, barium_add_fb(fd, handle, 64, 4, max, 0));
		fb_refused(fd, handle, 64, 4, max + step, 0);
		fb_refused(fd, handle, 64, 4, 0, 0);
		gem_close(fd, handle);
	}

	/* A framebuffer must not exceed its object, also if its end overflows 32 bits. */
	igt_describe("ADDFB2 of a framebuffer that exceeds its object fails.");
	igt_subtest("object-end") {
		int fd = barium_new_bound_primary_client();
		__u32 page = barium_page_size(), pitch = 64 * CPP, lines = page / pitch;
		__u32 handle = create_contiguous(fd, page), fb;

		barium_remove_fb(fd, barium_add_fb(fd, handle, 64, lines, pitch, 0));
		fb_refused(fd, handle, 64, lines + 1, pitch, 0);
		fb_refused(fd, handle, 64, lines, pitch, 4);
		barium_remove_fb(fd, barium_add_fb(fd, handle, 64, lines - 1, pitch, pitch));
		igt_assert_eq(__barium_add_fb(fd, handle, 64, lines, pitch, 0u - 4, &fb), -ERANGE);
		/* The size is 4 GiB and 240 bytes. */
		igt_assert_eq(__barium_add_fb(fd, handle, 64, 32767, 131080, 0, &fb),
			      device.is_vga ? -EINVAL : -ERANGE);
		gem_close(fd, handle);
	}

	igt_describe("Scanout whose last line exceeds VRAM fails with EINVAL.");
	igt_subtest("vram-end")
		test_vram_end(barium_new_bound_primary_client());

	igt_describe("Setting a mode preserves all objects in VRAM.");
	igt_subtest("contents-stay")
		test_contents_stay(barium_new_bound_primary_client());

	igt_describe("A framebuffer holds its object after the handle is closed.");
	igt_subtest("closed-handle")
		test_closed_handle(barium_new_bound_primary_client());

	igt_describe("ADDFB2 of an object that is not contiguous fails.");
	igt_subtest("not-contiguous-refused") {
		int fd = barium_new_bound_primary_client();
		__u32 handle = create_contiguous(fd, 64 * barium_page_size());
		struct barium_bo bo;
		int holder = barium_bo_create_scattered(fd, 64, &bo);

		barium_remove_fb(fd, barium_add_fb(fd, handle, 64, 64, 64 * CPP, 0));
		fb_refused(fd, bo.handle, 64, 64, 64 * CPP, 0);
		gem_close(fd, handle);
		barium_bo_fini(fd, &bo);
		close(holder);
	}

	/* DIRTYFB succeeds, and is not required: the device scans out the object itself. */
	igt_describe("A drawing is visible with and without DIRTYFB.");
	igt_subtest("damage") {
		int fd = barium_new_bound_primary_client();
		struct drm_clip_rect clip = { .x1 = 1, .y1 = 1, .x2 = 2, .y2 = 2 };
		struct image image = create_image(fd, 1, 0, 0);

		barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
		draw(&image, 2, pipeline.mode.hdisplay, pipeline.mode.vdisplay);
		check_scanout(2, 0, 0);
		igt_assert_eq(__barium_dirty_fb(fd, image.fb, &clip, 1), 0);
		igt_assert_eq(__barium_dirty_fb(fd, image.fb, NULL, 0), 0);
		check_scanout(2, 0, 0);
		destroy_image(fd, &image);
		igt_assert_eq(__barium_dirty_fb(fd, image.fb, NULL, 0), -ENOENT);
	}

	igt_describe("The CRTC can be disabled and enabled again.");
	igt_subtest("off-and-on") {
		int fd = barium_new_bound_primary_client();
		struct image image = create_image(fd, 1, 0, 0);
		__u32 i;

		for (i = 0; i < 3; i++) {
			barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
			check_scanout(1, 0, 0);
			barium_switch_off(fd, &pipeline);
		}
		destroy_image(fd, &image);
	}

	igt_describe("A device with an active CRTC can be unbound and bound again.");
	igt_subtest("unbind-while-shown")
		test_unbind_while_shown(barium_new_bound_primary_client());

	igt_describe("A pending page flip event arrives after unbind.");
	igt_subtest("unbind-with-flip") {
		int fd = barium_new_bound_primary_client();
		struct image front = create_image(fd, 1, 0, 0), back = create_image(fd, 2, 0, 0);

		barium_set_crtc(fd, &pipeline, front.fb, 0, 0);
		barium_flip(fd, &pipeline, back.fb, 7);
		barium_unbind();
		barium_flipped(fd, &pipeline, 7);
		barium_munmap(front.map, front.size);
		barium_munmap(back.map, back.size);
		bind_and_display();
	}

	igt_describe("Each mode of the connector can be set and displays the image.");
	igt_subtest("each-mode") {
		int fd = barium_new_bound_primary_client();
		struct image image;
		__u32 i;

		for (i = 0; i < pipeline.count; i++) {
			pipeline.mode = pipeline.modes[i];
			image = create_image(fd, i, 0, 0);
			barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
			check_scanout(i, 0, 0);
			destroy_image(fd, &image);
		}
	}
}
