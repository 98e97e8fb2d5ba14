// SPDX-License-Identifier: MIT
/*
 * The display. What the device shows is read from its registers and from its VRAM, through the
 * files of its BARs in sysfs, and not asked of the driver.
 */
#include <errno.h>
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Modes, framebuffers and flips, without a pixel being copied.");

/* Bytes of a pixel. */
#define CPP 4

/* The device as it is. */
struct device {
	__u8 *registers;
	const __u8 *vram;
	size_t vram_size;
	/* It rounds widths, as VGA and secondary-vga do. */
	bool is_vga;
	__u32 max_pitch;
};

/* A picture in an object of its own. */
struct picture {
	__u32 handle;
	__u32 fb;
	__u32 pitch;
	__u32 offset;
	__u64 size;
	__u32 *map;
};

static struct device device;
static struct barium_pipe screen;

static __u16 reg(size_t offset)
{
	return READ_ONCE(*(__u16 *)(device.registers + offset));
}

static void set_reg(size_t offset, __u16 value)
{
	WRITE_ONCE(*(__u16 *)(device.registers + offset), value);
}

/* Asked for its capabilities, a VGA says how wide a mode can be; bochs-display says what is set. */
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

/* The mode that most tests set: small, so that there is room for more than one picture. */
static void choose_mode(void)
{
	__u32 i;

	for (i = 0; i < screen.count; i++) {
		screen.mode = screen.modes[i];
		if (screen.mode.hdisplay == 640 && screen.mode.vdisplay == 480)
			return;
	}
	igt_skip("no mode of 640x480\n");
}

static void fb_refused(int fd, __u32 handle, __u32 width, __u32 height, __u32 pitch, __u32 offset)
{
	__u32 fb;

	igt_assert_f(__barium_add_fb(fd, handle, width, height, pitch, offset, &fb) == -EINVAL,
		     "%ux%u, pitch %u, at %u is not refused\n", width, height, pitch, offset);
}

/* An object in one piece. */
static __u32 create(int fd, __u64 size)
{
	__u32 handle;

	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	return handle;
}

/* What pixel (x, y) of the picture with this seed is. */
static __u32 color(__u32 seed, __u32 x, __u32 y)
{
	return (seed << 24 | y << 12 | x) * 0x9e3779b1u;
}

static void draw(const struct picture *picture, __u32 seed, __u32 width, __u32 height)
{
	__u32 *line = picture->map + picture->offset / CPP, x, y;

	for (y = 0; y < height; y++, line += picture->pitch / CPP) {
		for (x = 0; x < width; x++)
			line[x] = color(seed, x, y);
	}
}

/* A picture that is larger than the mode by this much, @offset bytes into its object. */
static struct picture make_picture(int fd, __u32 seed, __u32 more, __u32 offset)
{
	__u32 width = screen.mode.hdisplay + more, height = screen.mode.vdisplay + more;
	struct picture picture = { .pitch = width * CPP, .offset = offset };
	size_t page = barium_page_size();

	picture.size = ((__u64)picture.pitch * height + offset + page - 1) / page * page;
	picture.handle = create(fd, picture.size);
	picture.map = barium_mmap(fd, picture.handle, picture.size);
	draw(&picture, seed, width, height);
	picture.fb = barium_add_fb(fd, picture.handle, width, height, picture.pitch, offset);
	return picture;
}

static void end_picture(int fd, struct picture *picture)
{
	barium_munmap(picture->map, picture->size);
	barium_remove_fb(fd, picture->fb);
	gem_close(fd, picture->handle);
}

/* The pixel that the device shows there. */
static __u32 shown_pixel(__u32 x, __u32 y)
{
	size_t line = reg(BARIUM_REG_VIRT_WIDTH);
	size_t at = ((reg(BARIUM_REG_Y_OFFSET) + y) * line + reg(BARIUM_REG_X_OFFSET) + x) * CPP;

	igt_assert_lt_u64(at, device.vram_size);
	return READ_ONCE(*(const __u32 *)(device.vram + at));
}

/* Asserts that the picture with this seed is shown from column @x and line @y on. */
static void check_shown(__u32 seed, __u32 x, __u32 y)
{
	__u32 width = screen.mode.hdisplay, height = screen.mode.vdisplay, i;

	igt_assert_eq_u32(reg(BARIUM_REG_ENABLE) & BARIUM_ENABLED, BARIUM_ENABLED);
	igt_assert_eq_u32(reg(BARIUM_REG_XRES), width);
	igt_assert_eq_u32(reg(BARIUM_REG_YRES), height);
	igt_assert_eq_u32(reg(BARIUM_REG_BPP), CPP * 8);
	for (i = 0; i < width; i++) {
		igt_assert_eq_u32(shown_pixel(i, 0), color(seed, x + i, y));
		igt_assert_eq_u32(shown_pixel(i, height - 1), color(seed, x + i, y + height - 1));
	}
	for (i = 0; i < height; i++)
		igt_assert_eq_u32(shown_pixel(i % 64, i), color(seed, x + i % 64, y + i));
}

static void each_mode(int fd)
{
	struct picture picture;
	__u32 i;

	for (i = 0; i < screen.count; i++) {
		screen.mode = screen.modes[i];
		picture = make_picture(fd, i, 0, 0);
		barium_set_crtc(fd, &screen, picture.fb, 0, 0);
		check_shown(i, 0, 0);
		end_picture(fd, &picture);
	}
}

/* Modes that the device does not have are refused, whoever thought of them. */
static void mode_refused(int fd)
{
	struct drm_mode_modeinfo mode = screen.mode;
	struct picture picture = make_picture(fd, 1, 0, 0);

	mode.hdisplay = device.is_vga ? 636 : 63;
	igt_assert_eq(__barium_set_crtc(fd, &screen, picture.fb, 0, 0, &mode), -EINVAL);
	mode.hdisplay = device.is_vga ? 632 : 64;
	igt_assert_eq(__barium_set_crtc(fd, &screen, picture.fb, 0, 0, &mode), 0);

	mode.vdisplay = device.is_vga ? 0 : 63;
	igt_assert_eq(__barium_set_crtc(fd, &screen, picture.fb, 0, 0, &mode), -EINVAL);
	end_picture(fd, &picture);
}

/*
 * Modes whose lines are not just sent one after the other. Nothing shows them, and DRM computes the
 * time of a picture from lines that it has multiplied in too few bits: the last two would have
 * pictures that take no time, or any.
 */
static void mode_not_plain(int fd)
{
	struct drm_mode_modeinfo mode = screen.mode;
	/* Large enough for two pictures, one above the other, as some modes have them. */
	struct picture picture = make_picture(fd, 1, 600, 0);
	static const __u32 flags[] = {
		DRM_MODE_FLAG_INTERLACE, DRM_MODE_FLAG_DBLSCAN, DRM_MODE_FLAG_3D_FRAME_PACKING,
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		mode.flags = screen.mode.flags | flags[i];
		igt_assert_eq(__barium_set_crtc(fd, &screen, picture.fb, 0, 0, &mode), -EINVAL);
	}
	mode = screen.mode;
	mode.vscan = 2;
	igt_assert_eq(__barium_set_crtc(fd, &screen, picture.fb, 0, 0, &mode), -EINVAL);

	/* 60 Hz each. */
	mode = screen.mode;
	mode.htotal = 1100;
	mode.vtotal = 32768;
	mode.clock = 4325376;
	mode.flags |= DRM_MODE_FLAG_DBLSCAN;
	igt_assert_eq(__barium_set_crtc(fd, &screen, picture.fb, 0, 0, &mode), -EINVAL);

	mode = screen.mode;
	mode.htotal = 65535;
	mode.vtotal = 65535;
	mode.clock = 257690173;
	igt_assert_eq(__barium_set_crtc(fd, &screen, picture.fb, 0, 0, &mode), -EINVAL);
	end_picture(fd, &picture);
}

static void flip_event(int fd)
{
	struct picture front = make_picture(fd, 1, 0, 0), back = make_picture(fd, 2, 0, 0);
	__u32 i;

	barium_set_crtc(fd, &screen, front.fb, 0, 0);
	check_shown(1, 0, 0);
	for (i = 0; i < 8; i++) {
		barium_flip(fd, &screen, i % 2 ? front.fb : back.fb, 1000 + i);
		barium_flipped(fd, &screen, 1000 + i);
		check_shown(i % 2 ? 1 : 2, 0, 0);
	}
	end_picture(fd, &front);
	end_picture(fd, &back);
}

/* A picture may start at any pixel of an object, wherever that is. */
static void odd_starts(int fd)
{
	const __u32 offsets[] = { 4, 60, 4092, 4100, 123456, 640 * CPP - 4 };
	__u32 spacer = barium_gem_create(fd, barium_page_size()), i;
	struct picture first = make_picture(fd, 1, 0, 0), picture;

	barium_set_crtc(fd, &screen, first.fb, 0, 0);
	for (i = 0; i < ARRAY_SIZE(offsets); i++) {
		picture = make_picture(fd, 2 + i, 0, offsets[i]);
		barium_flip(fd, &screen, picture.fb, i);
		barium_flipped(fd, &screen, i);
		check_shown(2 + i, 0, 0);
		barium_flip(fd, &screen, first.fb, i);
		barium_flipped(fd, &screen, i);
		end_picture(fd, &picture);
	}
	end_picture(fd, &first);
	gem_close(fd, spacer);
}

/* Lines that are longer than what is shown, and a picture that moves under the screen. */
static void panning(int fd)
{
	struct picture picture = make_picture(fd, 1, 64, 0);
	__u32 x, y;

	for (y = 0; y <= 64; y += 16) {
		for (x = 0; x <= 64; x += 13) {
			barium_set_crtc(fd, &screen, picture.fb, x, y);
			check_shown(1, x, y);
		}
	}
	igt_assert_eq(__barium_set_crtc(fd, &screen, picture.fb, 65, 0, &screen.mode), -ENOSPC);
	igt_assert_eq(__barium_set_crtc(fd, &screen, picture.fb, 0, 65, &screen.mode), -ENOSPC);
	end_picture(fd, &picture);
}

static void flip_to_other_pitch(int fd)
{
	struct picture narrow = make_picture(fd, 1, 0, 0), wide = make_picture(fd, 2, 64, 0);
	__u32 i;

	barium_set_crtc(fd, &screen, narrow.fb, 0, 0);
	for (i = 0; i < 4; i++) {
		barium_set_crtc(fd, &screen, i % 2 ? narrow.fb : wide.fb, 0, 0);
		check_shown(i % 2 ? 1 : 2, 0, 0);
	}
	end_picture(fd, &narrow);
	end_picture(fd, &wide);
}

static void pitch_limits(int fd)
{
	__u32 max = device.max_pitch, step = device.is_vga ? 32 : 4;
	__u32 handle = create(fd, 1 << 20);

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

/* A framebuffer ends where its object does, whatever 32 bits make of the sum. */
static void object_end(int fd)
{
	__u32 page = barium_page_size(), pitch = 64 * CPP, lines = page / pitch;
	__u32 handle = create(fd, page), fb;

	barium_remove_fb(fd, barium_add_fb(fd, handle, 64, lines, pitch, 0));
	fb_refused(fd, handle, 64, lines + 1, pitch, 0);
	fb_refused(fd, handle, 64, lines, pitch, 4);
	barium_remove_fb(fd, barium_add_fb(fd, handle, 64, lines - 1, pitch, pitch));
	igt_assert_eq(__barium_add_fb(fd, handle, 64, lines, pitch, 0u - 4, &fb), -ERANGE);
	/* 240 bytes more than 4 GiB. */
	igt_assert_eq(__barium_add_fb(fd, handle, 64, 32767, 131080, 0, &fb),
		      device.is_vga ? -EINVAL : -ERANGE);
	gem_close(fd, handle);
}

/* The last line counts with its whole pitch: a device shows nothing if that ends behind VRAM. */
static void vram_end(int fd)
{
	__u32 width = screen.mode.hdisplay, height = screen.mode.vdisplay;
	__u32 pitch = 2 * width * CPP, offset, fb, handle;
	__u64 size = device.vram_size;

	igt_require_f(size <= UINT32_MAX, "VRAM is too large for an offset\n");
	handle = create(fd, size);
	offset = size - height * pitch;
	fb = barium_add_fb(fd, handle, width, height, pitch, offset);
	igt_assert_eq(__barium_set_crtc(fd, &screen, fb, 0, 0, &screen.mode), 0);
	igt_assert_eq_u32((reg(BARIUM_REG_Y_OFFSET) * reg(BARIUM_REG_VIRT_WIDTH) +
			   reg(BARIUM_REG_X_OFFSET)) * CPP, offset);
	barium_switch_off(fd, &screen);
	barium_remove_fb(fd, fb);

	fb = barium_add_fb(fd, handle, width, height, pitch, offset + 4);
	igt_assert_eq(__barium_set_crtc(fd, &screen, fb, 0, 0, &screen.mode), -EINVAL);
	barium_remove_fb(fd, fb);
	gem_close(fd, handle);
}

/* What a client has in VRAM is not wiped when the display is switched on. */
static void contents_stay(int fd)
{
	struct picture picture = make_picture(fd, 1, 0, 0);
	size_t page = barium_page_size(), count, i;
	__u32 *handles;
	void *map;

	count = barium_fill(fd, 64 * page, &handles);
	for (i = 0; i < count; i++) {
		map = barium_mmap(fd, handles[i], 64 * page);
		barium_stamp(map, 0, 64, i);
		barium_munmap(map, 64 * page);
	}
	barium_switch_off(fd, &screen);
	barium_set_crtc(fd, &screen, picture.fb, 0, 0);
	check_shown(1, 0, 0);
	barium_switch_off(fd, &screen);
	barium_set_crtc(fd, &screen, picture.fb, 0, 0);
	check_shown(1, 0, 0);
	for (i = 0; i < count; i++) {
		map = barium_mmap(fd, handles[i], 64 * page);
		barium_check_stamp(map, 0, 64, i);
		barium_munmap(map, 64 * page);
		gem_close(fd, handles[i]);
	}
	free(handles);
	end_picture(fd, &picture);
}

/* A picture that is shown keeps its memory: nobody else gets it. */
static void closed_handle(int fd)
{
	struct picture picture = make_picture(fd, 1, 0, 0);
	__u64 before = barium_vram_available(fd);
	size_t page = barium_page_size(), count, i;
	__u32 *handles;

	barium_set_crtc(fd, &screen, picture.fb, 0, 0);
	barium_munmap(picture.map, picture.size);
	gem_close(fd, picture.handle);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	count = barium_fill(fd, page, &handles);
	check_shown(1, 0, 0);
	for (i = 0; i < count; i++)
		gem_close(fd, handles[i]);
	free(handles);

	barium_remove_fb(fd, picture.fb);
	igt_assert_eq_u64(barium_vram_available(fd), before + picture.size);
}

static void pieces_refused(int fd)
{
	__u32 handle = create(fd, 64 * barium_page_size());
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

/* Who says what has changed, is heard: it is shown already. */
static void damage(int fd)
{
	struct drm_clip_rect clip = { .x1 = 1, .y1 = 1, .x2 = 2, .y2 = 2 };
	struct picture picture = make_picture(fd, 1, 0, 0);

	barium_set_crtc(fd, &screen, picture.fb, 0, 0);
	draw(&picture, 2, screen.mode.hdisplay, screen.mode.vdisplay);
	check_shown(2, 0, 0);
	igt_assert_eq(dirty(fd, picture.fb, &clip, 1), 0);
	igt_assert_eq(dirty(fd, picture.fb, NULL, 0), 0);
	check_shown(2, 0, 0);
	end_picture(fd, &picture);
	igt_assert_eq(dirty(fd, picture.fb, NULL, 0), -ENOENT);
}

static void off_and_on(int fd)
{
	struct picture picture = make_picture(fd, 1, 0, 0);
	__u32 i;

	for (i = 0; i < 3; i++) {
		barium_set_crtc(fd, &screen, picture.fb, 0, 0);
		check_shown(1, 0, 0);
		barium_switch_off(fd, &screen);
	}
	end_picture(fd, &picture);
}

/* The device is bound again, all of its VRAM is there, and it shows something again. */
static void bind_and_show(void)
{
	struct picture picture;
	int fd;

	barium_bind();
	fd = barium_open_primary();
	barium_find_pipe(fd, &screen);
	choose_mode();
	picture = make_picture(fd, 9, 0, 0);
	barium_set_crtc(fd, &screen, picture.fb, 0, 0);
	check_shown(9, 0, 0);
	end_picture(fd, &picture);
	close(fd);
}

static void unbind_while_shown(int fd)
{
	struct picture picture = make_picture(fd, 1, 0, 0), other = make_picture(fd, 2, 0, 0);
	size_t i;

	barium_set_crtc(fd, &screen, picture.fb, 0, 0);
	barium_unbind();
	igt_assert_eq(__barium_set_crtc(fd, &screen, other.fb, 0, 0, &screen.mode), -ENODEV);
	for (i = 0; i < picture.size / CPP; i++)
		igt_assert_eq_u32(picture.map[i], 0);
	bind_and_show();
	igt_assert_eq(__barium_set_crtc(fd, &screen, other.fb, 0, 0, &screen.mode), -ENODEV);
	barium_munmap(picture.map, picture.size);
	barium_munmap(other.map, other.size);
}

static void unbind_with_flip(int fd)
{
	struct picture front = make_picture(fd, 1, 0, 0), back = make_picture(fd, 2, 0, 0);

	barium_set_crtc(fd, &screen, front.fb, 0, 0);
	barium_flip(fd, &screen, back.fb, 7);
	barium_unbind();
	barium_flipped(fd, &screen, 7);
	barium_munmap(front.map, front.size);
	barium_munmap(back.map, back.size);
	bind_and_show();
}

static const struct barium_subtest tests[] = {
	{ "mode-refused", "A mode that the device does not have is refused.", mode_refused },
	{ "mode-not-plain", "A mode whose lines are sent twice, or by turns, is refused.",
	  mode_not_plain },
	{ "flip-event", "Flips change the picture and send events.", flip_event },
	{ "odd-starts", "A picture can start at any pixel.", odd_starts },
	{ "panning", "A picture can be larger than the screen.", panning },
	{ "flip-to-other-pitch", "Lines of different length are shown right.",
	  flip_to_other_pitch },
	{ "pitch-limits", "Lines that the device does not have are refused.", pitch_limits },
	{ "object-end", "A framebuffer that ends behind its object is refused.", object_end },
	{ "vram-end", "A picture whose last line ends behind VRAM is refused.", vram_end },
	{ "contents-stay", "Setting a mode leaves the rest of VRAM alone.", contents_stay },
	{ "closed-handle", "A picture keeps its memory when its handle is closed.",
	  closed_handle },
	{ "pieces-refused", "An object in several pieces is no framebuffer.", pieces_refused },
	{ "damage", "What is drawn is shown, whether the driver is told or not.", damage },
	{ "off-and-on", "The screen can be switched off and on.", off_and_on },
	{ "unbind-while-shown", "A device that shows something can go, and come back.",
	  unbind_while_shown },
	{ "unbind-with-flip", "The event of a flip comes though the device has gone.",
	  unbind_with_flip },
	{ "each-mode", "Each mode of the connector can be set, and shows the picture.", each_mode },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	igt_fixture() {
		int fd = barium_open_primary();

		find_device(fd);
		barium_find_pipe(fd, &screen);
		choose_mode();
		close(fd);
	}

	barium_unplug_primary_subtests(tests);
}
