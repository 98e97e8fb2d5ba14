// SPDX-License-Identifier: MIT
/*
 * Tests of the display. They read the state of the device from its registers and from VRAM, through
 * the sysfs files of its BARs, and do not rely on what the driver reports.
 */
#include <errno.h>
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Modes, framebuffers and page flips that scan out objects in place.");

/* Bytes per pixel of XRGB8888. */
#define CPP 4

/* The device under test. */
struct device {
	__u8 *registers;
	const __u8 *vram;
	size_t vram_size;
	/* VGA and secondary-vga round widths down to a multiple of 8 pixels. */
	bool is_vga;
	/* In bytes. */
	__u32 max_pitch;
};

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

static struct device device;
static struct barium_pipe pipeline;

static __u16 reg(size_t offset)
{
	return READ_ONCE(*(__u16 *)(device.registers + offset));
}

static void set_reg(size_t offset, __u16 value)
{
	WRITE_ONCE(*(__u16 *)(device.registers + offset), value);
}

/*
 * Fills in the global device. With BARIUM_CAPABILITIES set, XRES of a VGA device reads as the
 * largest supported width; bochs-display ignores the bit.
 */
static void find_device(int fd)
{
	__u16 enable, width;

	device.vram_size = barium_vram_size(fd);
	device.registers = barium_map_bar(fd, "resource2", BARIUM_REGS_LEN, O_RDWR);
	device.vram = barium_map_bar(fd, "resource0_wc", device.vram_size, O_RDONLY);
	enable = reg(BARIUM_REG_ENABLE);
	width = reg(BARIUM_REG_XRES);
	set_reg(BARIUM_REG_ENABLE, enable | BARIUM_CAPABILITIES);
	device.is_vga = reg(BARIUM_REG_XRES) != width;
	device.max_pitch = (device.is_vga ? reg(BARIUM_REG_XRES) : 0xffff) * CPP;
	set_reg(BARIUM_REG_ENABLE, enable);
}

/* Selects 640x480 for most tests, so that several framebuffers fit into VRAM. */
static void choose_mode(void)
{
	__u32 i;

	for (i = 0; i < pipeline.count; i++) {
		pipeline.mode = pipeline.modes[i];
		if (pipeline.mode.hdisplay == 640 && pipeline.mode.vdisplay == 480)
			return;
	}
	igt_skip("no mode of 640x480\n");
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

/* Returns the value of pixel (@x, @y) in the image made from @seed. */
static __u32 color(__u32 seed, __u32 x, __u32 y)
{
	return (seed << 24 | y << 12 | x) * 0x9e3779b1u;
}

static void draw(const struct image *image, __u32 seed, __u32 width, __u32 height)
{
	__u32 *line = image->map + image->offset / CPP, x, y;

	for (y = 0; y < height; y++, line += image->pitch / CPP) {
		for (x = 0; x < width; x++)
			line[x] = color(seed, x, y);
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

/* Returns the pixel that the device scans out at (@x, @y). */
static __u32 scanout_pixel(__u32 x, __u32 y)
{
	size_t virt_width = reg(BARIUM_REG_VIRT_WIDTH);
	size_t x_offset = reg(BARIUM_REG_X_OFFSET), y_offset = reg(BARIUM_REG_Y_OFFSET);
	size_t at = ((y_offset + y) * virt_width + x_offset + x) * CPP;

	igt_assert_lt_u64(at, device.vram_size);
	return READ_ONCE(*(const __u32 *)(device.vram + at));
}

/* Asserts that the device scans out the image made from @seed, starting at its pixel (@x, @y). */
static void check_scanout(__u32 seed, __u32 x, __u32 y)
{
	__u32 width = pipeline.mode.hdisplay, height = pipeline.mode.vdisplay, i;

	igt_assert_eq_u32(reg(BARIUM_REG_ENABLE) & BARIUM_ENABLED, BARIUM_ENABLED);
	igt_assert_eq_u32(reg(BARIUM_REG_XRES), width);
	igt_assert_eq_u32(reg(BARIUM_REG_YRES), height);
	igt_assert_eq_u32(reg(BARIUM_REG_BPP), CPP * 8);
	for (i = 0; i < width; i++) {
		igt_assert_eq_u32(scanout_pixel(i, 0), color(seed, x + i, y));
		igt_assert_eq_u32(scanout_pixel(i, height - 1), color(seed, x + i, y + height - 1));
	}
	for (i = 0; i < height; i++)
		igt_assert_eq_u32(scanout_pixel(i % 64, i), color(seed, x + i % 64, y + i));
}

static void each_mode(int fd)
{
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

/* Modes that the device does not support fail, also if the connector does not list them. */
static void mode_refused(int fd)
{
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

/*
 * Modes that scan lines out more than once, or in two fields. The device has none of them. DRM
 * computes the frame duration from products that overflow (drm_mode_set_crtcinfo(),
 * drm_calc_timestamping_constants()): the last two modes have a duration of 0 or an arbitrary one.
 */
static void mode_not_plain(int fd)
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

static void flip_event(int fd)
{
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

/* A framebuffer may start at any pixel of an object, at any offset of the object in VRAM. */
static void odd_starts(int fd)
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
static void panning(int fd)
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

static void flip_to_other_pitch(int fd)
{
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

static void pitch_limits(int fd)
{
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
static void object_end(int fd)
{
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

/*
 * The last line counts with its whole pitch: the device scans out nothing if the pitch of that line
 * exceeds VRAM.
 */
static void vram_end(int fd)
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
static void contents_stay(int fd)
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
static void closed_handle(int fd)
{
	struct image image = create_image(fd, 1, 0, 0);
	__u64 before = barium_vram_available(fd);
	size_t page = barium_page_size(), count, i;
	__u32 *handles;

	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	barium_munmap(image.map, image.size);
	gem_close(fd, image.handle);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	count = barium_fill(fd, page, &handles);
	check_scanout(1, 0, 0);
	for (i = 0; i < count; i++)
		gem_close(fd, handles[i]);
	free(handles);

	barium_remove_fb(fd, image.fb);
	igt_assert_eq_u64(barium_vram_available(fd), before + image.size);
}

static void pieces_refused(int fd)
{
	__u32 handle = create_contiguous(fd, 64 * barium_page_size());
	struct barium_bo bo;
	int keeper = barium_bo_create_scattered(fd, 64, &bo);

	barium_remove_fb(fd, barium_add_fb(fd, handle, 64, 64, 64 * CPP, 0));
	fb_refused(fd, bo.handle, 64, 64, 64 * CPP, 0);
	gem_close(fd, handle);
	barium_bo_fini(fd, &bo);
	close(keeper);
}

static int dirty(int fd, __u32 fb, struct drm_clip_rect *clips, __u32 count)
{
	struct drm_mode_fb_dirty_cmd arg = {
		.fb_id = fb,
		.clips_ptr = (uintptr_t)clips,
		.num_clips = count,
	};

	return barium_ioctl(fd, DRM_IOCTL_MODE_DIRTYFB, &arg);
}

/* DIRTYFB succeeds, and is not required: the device scans out the object itself. */
static void damage(int fd)
{
	struct drm_clip_rect clip = { .x1 = 1, .y1 = 1, .x2 = 2, .y2 = 2 };
	struct image image = create_image(fd, 1, 0, 0);

	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	draw(&image, 2, pipeline.mode.hdisplay, pipeline.mode.vdisplay);
	check_scanout(2, 0, 0);
	igt_assert_eq(dirty(fd, image.fb, &clip, 1), 0);
	igt_assert_eq(dirty(fd, image.fb, NULL, 0), 0);
	check_scanout(2, 0, 0);
	destroy_image(fd, &image);
	igt_assert_eq(dirty(fd, image.fb, NULL, 0), -ENOENT);
}

static void off_and_on(int fd)
{
	struct image image = create_image(fd, 1, 0, 0);
	__u32 i;

	for (i = 0; i < 3; i++) {
		barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
		check_scanout(1, 0, 0);
		barium_switch_off(fd, &pipeline);
	}
	destroy_image(fd, &image);
}

/* Binds the device again, and asserts that it displays an image. */
static void bind_and_display(void)
{
	struct image image;
	int fd;

	barium_bind();
	fd = barium_open_primary();
	barium_find_pipe(fd, &pipeline);
	choose_mode();
	image = create_image(fd, 9, 0, 0);
	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	check_scanout(9, 0, 0);
	destroy_image(fd, &image);
	close(fd);
}

static void unbind_while_shown(int fd)
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

static void unbind_with_flip(int fd)
{
	struct image front = create_image(fd, 1, 0, 0), back = create_image(fd, 2, 0, 0);

	barium_set_crtc(fd, &pipeline, front.fb, 0, 0);
	barium_flip(fd, &pipeline, back.fb, 7);
	barium_unbind();
	barium_flipped(fd, &pipeline, 7);
	barium_munmap(front.map, front.size);
	barium_munmap(back.map, back.size);
	bind_and_display();
}

static const struct barium_subtest tests[] = {
	{ "mode-refused", "A mode that the device does not have is refused.", mode_refused },
	{ "mode-not-plain", "A mode whose lines are sent twice, or by turns, is refused.",
	  mode_not_plain },
	{ "flip-event", "Flips change the image and send events.", flip_event },
	{ "odd-starts", "A image can start at any pixel.", odd_starts },
	{ "panning", "A image can be larger than the pipeline.", panning },
	{ "flip-to-other-pitch", "Lines of different length are shown right.",
	  flip_to_other_pitch },
	{ "pitch-limits", "Lines that the device does not have are refused.", pitch_limits },
	{ "object-end", "A framebuffer that ends behind its object is refused.", object_end },
	{ "vram-end", "A image whose last line ends behind VRAM is refused.", vram_end },
	{ "contents-stay", "Setting a mode leaves the rest of VRAM alone.", contents_stay },
	{ "closed-handle", "A image keeps its memory when its handle is closed.",
	  closed_handle },
	{ "pieces-refused", "An object in several pieces is no framebuffer.", pieces_refused },
	{ "damage", "What is drawn is shown, whether the driver is told or not.", damage },
	{ "off-and-on", "The pipeline can be switched off and on.", off_and_on },
	{ "unbind-while-shown", "A device that shows something can go, and come back.",
	  unbind_while_shown },
	{ "unbind-with-flip", "The event of a flip comes though the device has gone.",
	  unbind_with_flip },
	{ "each-mode", "Each mode of the connector can be set, and shows the image.", each_mode },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	igt_fixture() {
		int fd = barium_open_primary();

		find_device(fd);
		barium_find_pipe(fd, &pipeline);
		choose_mode();
		close(fd);
	}

	barium_unplug_primary_subtests(tests);
}
