// SPDX-License-Identifier: MIT
/**
 * TEST: barium reach
 * Description: Tests of the placement of buffers in VRAM. The device starts the scanout at line
 *   Y_OFFSET and pixel X_OFFSET, registers of at most 16 bits, so with much VRAM it cannot start
 *   everywhere. The driver must place dumb buffers within this reach. The tests read the registers
 *   and VRAM through the sysfs files of the BARs.
 * Category: Display
 * Sub-category: DRM
 * Functionality: Scanout
 *
 * SUBTEST: each-mode
 * Description: Buffers for each mode can be shown, flipped to and panned.
 *
 * SUBTEST: last-buffer
 * Description: The highest buffer in reach is shown in full; the next one takes no VRAM.
 *
 * SUBTEST: fill
 * Description: All dumb buffers that VRAM has room for can be shown.
 *
 * SUBTEST: objects-stay-away
 * Description: Objects that need not be contiguous do not occupy the start of VRAM.
 *
 * SUBTEST: small-buffers-reused
 * Description: A small buffer is placed within reach, also if higher VRAM is cached.
 *
 * SUBTEST: cursor-beyond
 * Description: A buffer that is too small for all modes may lie beyond the reach.
 *
 * SUBTEST: contiguous-beyond
 * Description: Contiguous objects without a pitch may also lie beyond the reach.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_kms.h"

IGT_TEST_DESCRIPTION("Buffers are placed where the display can show them.");

/* Bytes of a pixel. */
#define CPP 4
/* Pixels by which panned buffers are larger than the mode. */
#define PAN 64

static struct {
	__u8 *registers;
	const __u8 *vram;
	__u64 vram_size;
	/* The largest values of X_OFFSET and Y_OFFSET. */
	__u64 max_x;
	__u64 max_y;
	struct barium_pipe pipe;
	/* Bytes of VRAM available when the subtest began, and bytes that its buffers occupy. */
	__u64 available;
	__u64 in_use;
} device;

/* A dumb buffer and its framebuffer. */
struct buffer {
	struct drm_mode_create_dumb dumb;
	__u32 fb;
};

static __u16 reg(size_t offset)
{
	return READ_ONCE(*(__u16 *)(device.registers + offset));
}

static void find_device(int fd)
{
	__u16 width, height;

	device.vram_size = barium_vram_size(fd);
	device.registers = barium_map_bar(fd, "resource2", BARIUM_REGS_LEN, O_RDWR);
	device.vram = barium_map_bar(fd, "resource0_wc", device.vram_size, O_RDONLY);
	barium_max_size(device.registers, &width, &height);
	device.max_x = width;
	device.max_y = height;
	barium_find_pipe(fd, &device.pipe);
}

/* Opens a client for the next subtest. */
static int new_client(void)
{
	int fd = barium_new_primary_client();

	device.available = barium_vram_available(fd);
	device.in_use = 0;
	return fd;
}

static __u64 page_down(__u64 size)
{
	return size - size % barium_page_size();
}

/* Returns the highest page at which a buffer can start such that each of its lines is in reach. */
static __u64 last_start(const struct drm_mode_create_dumb *dumb)
{
	__u64 reach = device.max_y * dumb->pitch + device.max_x * CPP;
	__u64 start = reach - (dumb->height - 1) * (__u64)dumb->pitch;
	__u64 room = device.vram_size - dumb->size;

	return page_down(start < room ? start : room);
}

static int __create(int fd, __u32 width, __u32 height, struct buffer *buffer)
{
	int err;

	*buffer = (struct buffer) {
		.dumb = { .width = width, .height = height, .bpp = CPP * 8 },
	};
	err = barium_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &buffer->dumb);
	if (err)
		return err;
	device.in_use += buffer->dumb.size;
	buffer->fb = barium_add_fb(fd, buffer->dumb.handle, width, height, buffer->dumb.pitch, 0);
	return 0;
}

static struct buffer create(int fd, __u32 width, __u32 height)
{
	struct buffer buffer;
	int err = __create(fd, width, height, &buffer);

	igt_assert_f(!err, "no buffer of %ux%u: error %d\n", width, height, err);
	return buffer;
}

/*
 * Waits until the VRAM is free: after DRM has sent the event of a flip, a worker drops the flip's
 * reference to the old framebuffer.
 */
static void destroy(int fd, struct buffer *buffer)
{
	int tries;

	device.in_use -= buffer->dumb.size;
	barium_remove_fb(fd, buffer->fb);
	gem_close(fd, buffer->dumb.handle);
	for (tries = 0; tries < 5000; tries++) {
		if (device.available - device.in_use <= barium_vram_available(fd))
			return;
		usleep(1000);
	}
	igt_assert_f(false, "a buffer is not freed\n");
}

/* Returns the offset in VRAM, in bytes, at which the scanout starts. */
static __u64 shown_start(void)
{
	return ((__u64)reg(BARIUM_REG_Y_OFFSET) * reg(BARIUM_REG_VIRT_WIDTH) +
		reg(BARIUM_REG_X_OFFSET)) * CPP;
}

/* Writes @seed to the pixel at (@x, @y), and its complement to the last pixel that is shown. */
static void mark(int fd, const struct buffer *buffer, __u32 x, __u32 y, __u32 seed)
{
	const struct drm_mode_modeinfo *mode = &device.pipe.mode;
	__u32 *map = barium_mmap(fd, buffer->dumb.handle, buffer->dumb.size);
	size_t line = buffer->dumb.pitch / CPP;

	WRITE_ONCE(map[y * line + x], seed);
	WRITE_ONCE(map[(y + mode->vdisplay - 1) * line + x + mode->hdisplay - 1], ~seed);
	barium_munmap(map, buffer->dumb.size);
}

/* Asserts that the first and the last shown pixel have the values that mark() wrote. */
static void check_shown(const struct buffer *buffer, __u32 seed)
{
	const struct drm_mode_modeinfo *mode = &device.pipe.mode;
	__u64 start = shown_start(), end;

	igt_assert_eq_u32(reg(BARIUM_REG_ENABLE) & BARIUM_ENABLED, BARIUM_ENABLED);
	igt_assert_eq_u32(reg(BARIUM_REG_XRES), mode->hdisplay);
	igt_assert_eq_u32(reg(BARIUM_REG_YRES), mode->vdisplay);
	igt_assert_eq_u32(reg(BARIUM_REG_VIRT_WIDTH) * CPP, buffer->dumb.pitch);
	end = start + (mode->vdisplay - 1) * (__u64)buffer->dumb.pitch + mode->hdisplay * CPP;
	igt_assert_lte_u64(end, device.vram_size);
	igt_assert_eq_u32(READ_ONCE(*(const __u32 *)(device.vram + start)), seed);
	igt_assert_eq_u32(READ_ONCE(*(const __u32 *)(device.vram + end - CPP)), ~seed);
}

/* Sets the mode with this buffer from (@x, @y) on, and checks the shown pixels. */
static void show(int fd, const struct buffer *buffer, __u32 x, __u32 y, __u32 seed)
{
	const struct drm_mode_modeinfo *mode = &device.pipe.mode;
	int err;

	mark(fd, buffer, x, y, seed);
	err = __barium_set_crtc(fd, &device.pipe, buffer->fb, x, y, mode);
	igt_assert_f(!err, "%ux%u from (%u, %u) of a buffer with lines of %u bytes: error %d\n",
		     mode->hdisplay, mode->vdisplay, x, y, buffer->dumb.pitch, err);
	check_shown(buffer, seed);
}

static void flip(int fd, const struct buffer *buffer, __u32 seed)
{
	mark(fd, buffer, 0, 0, seed);
	barium_flip(fd, &device.pipe, buffer->fb, seed);
	barium_flipped(fd, &device.pipe, seed);
	check_shown(buffer, seed);
}

/* Returns true if an earlier mode in the list has the same size. */
static bool is_known_size(__u32 index)
{
	const struct drm_mode_modeinfo *modes = device.pipe.modes;
	__u32 i;

	for (i = 0; i < index; i++) {
		if (modes[i].hdisplay == modes[index].hdisplay &&
		    modes[i].vdisplay == modes[index].vdisplay)
			return true;
	}
	return false;
}

/* Returns true if VRAM has room for @count buffers of this size. */
static bool has_room(int fd, __u64 count, __u32 width, __u32 height)
{
	__u64 page = barium_page_size(), pitch = (width + 7) / 8 * 8 * CPP;

	return count * ((pitch * height + page - 1) / page * page) <= barium_vram_available(fd);
}

/* Chooses a mode of this size; returns false if there is none. */
static bool choose_mode(__u32 width, __u32 height)
{
	__u32 i;

	for (i = 0; i < device.pipe.count; i++) {
		device.pipe.mode = device.pipe.modes[i];
		if (device.pipe.mode.hdisplay == width && device.pipe.mode.vdisplay == height)
			return true;
	}
	return false;
}

/* Chooses the mode with the longest or the shortest lines. */
static void choose_extreme_mode(bool longest)
{
	__u32 i;

	device.pipe.mode = device.pipe.modes[0];
	for (i = 1; i < device.pipe.count; i++) {
		bool longer = device.pipe.modes[i].hdisplay > device.pipe.mode.hdisplay;

		if (longer == longest)
			device.pipe.mode = device.pipe.modes[i];
	}
}

static void test_each_mode(int fd)
{
	__u32 i, sizes = 0, flips = 0, pans = 0, width, height;
	struct buffer front, back;

	for (i = 0; i < device.pipe.count; i++) {
		if (is_known_size(i))
			continue;
		device.pipe.mode = device.pipe.modes[i];
		width = device.pipe.mode.hdisplay;
		height = device.pipe.mode.vdisplay;
		front = create(fd, width, height);
		show(fd, &front, 0, 0, 1 + i);
		sizes++;
		if (has_room(fd, 1, width, height)) {
			back = create(fd, width, height);
			flip(fd, &back, 0x100 + i);
			barium_switch_off(fd, &device.pipe);
			destroy(fd, &back);
			flips++;
		}
		barium_switch_off(fd, &device.pipe);
		destroy(fd, &front);
		if (has_room(fd, 1, width + PAN, height + PAN)) {
			front = create(fd, width + PAN, height + PAN);
			show(fd, &front, PAN, PAN, 0x200 + i);
			barium_switch_off(fd, &device.pipe);
			destroy(fd, &front);
			pans++;
		}
	}
	igt_assert_lt_u64(0, sizes);
	igt_info("note: %u sizes, %u flipped, %u panned\n", sizes, flips, pans);
}

/*
 * A contiguous object occupies VRAM below the highest place of a buffer of twice the mode's height.
 * The buffer is shown from its first line and from its middle on.
 */
static void last_buffer_in_mode(int fd)
{
	__u32 width = device.pipe.mode.hdisplay, height = device.pipe.mode.vdisplay;
	__u64 before = barium_vram_available(fd), available, start;
	struct buffer first = create(fd, width, 2 * height), buffer, next;
	__u32 filler = 0;

	show(fd, &first, 0, 0, 1);
	igt_assert_eq_u64(shown_start(), 0);
	start = last_start(&first.dumb);
	barium_switch_off(fd, &device.pipe);
	destroy(fd, &first);

	if (start)
		igt_assert_eq(__barium_gem_create(fd, &start, BARIUM_GEM_CREATE_CONTIGUOUS,
						  &filler), 0);
	device.in_use += start;
	buffer = create(fd, width, 2 * height);
	show(fd, &buffer, 0, 0, 2);
	igt_assert_eq_u64(shown_start(), start);
	show(fd, &buffer, 0, height, 3);
	/* There is no room for another one. It takes no VRAM. */
	available = barium_vram_available(fd);
	next = create(fd, width, 2 * height);
	igt_assert_eq_u64(barium_vram_available(fd), available);
	destroy(fd, &next);
	barium_switch_off(fd, &device.pipe);
	destroy(fd, &buffer);
	if (filler)
		gem_close(fd, filler);
	device.in_use -= start;
	igt_assert_eq_u64(barium_vram_available(fd), before);
	igt_info("note: %ux%u: up to %llu of %llu KiB\n", width, height,
		 (start + buffer.dumb.size) >> 10, device.vram_size >> 10);
}

static void test_last_buffer(int fd)
{
	static const __u16 sizes[][2] = { { 640, 480 }, { 1024, 768 }, { 1280, 800 } };
	__u32 tried = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		if (choose_mode(sizes[i][0], sizes[i][1]) &&
		    has_room(fd, 1, sizes[i][0], 2 * sizes[i][1])) {
			last_buffer_in_mode(fd);
			tried++;
		}
	}
	choose_extreme_mode(true);
	if (has_room(fd, 1, device.pipe.mode.hdisplay, 2 * device.pipe.mode.vdisplay)) {
		last_buffer_in_mode(fd);
		tried++;
	}
	igt_require_f(tried, "VRAM is too small for any of the modes\n");
}

static void test_fill(int fd)
{
	__u64 count, expected, available, i;
	struct buffer *buffers;

	choose_extreme_mode(false);
	buffers = calloc(4096, sizeof(*buffers));
	igt_assert(buffers);
	for (count = 0; count < 4096; count++) {
		available = barium_vram_available(fd);
		buffers[count] = create(fd, device.pipe.mode.hdisplay, device.pipe.mode.vdisplay);
		if (barium_vram_available(fd) == available)
			break;
	}
	igt_assert_lt_u64(count, 4096);
	destroy(fd, &buffers[count]);
	/* There is no gap between the buffers. */
	expected = last_start(&buffers[0].dumb) / buffers[0].dumb.size + 1;
	igt_assert_eq_u64(count, expected);
	for (i = 0; i < count; i += count / 8 + 1)
		show(fd, &buffers[i], 0, 0, 1 + i);
	show(fd, &buffers[count - 1], 0, 0, 1 + i);
	barium_switch_off(fd, &device.pipe);
	for (i = 0; i < count; i++)
		destroy(fd, &buffers[i]);
	free(buffers);
	igt_info("note: %llu buffers of %ux%u\n", count, device.pipe.mode.hdisplay,
		 device.pipe.mode.vdisplay);
}

static void test_objects_stay_away(int fd)
{
	__u64 page = barium_page_size(), all = barium_vram_available(fd);
	struct buffer buffer;
	__u32 handles[256];
	size_t count, i;

	choose_extreme_mode(false);
	igt_require_f(has_room(fd, 6, device.pipe.mode.hdisplay, device.pipe.mode.vdisplay),
		      "VRAM is too small\n");
	for (count = 0; count < ARRAY_SIZE(handles); count++) {
		if (barium_vram_available(fd) < all * 3 / 4)
			break;
		handles[count] = barium_gem_create(fd, (count % 32 + 1) * page);
	}
	barium_gem_create(fd, page_down(all / 4));
	for (i = 0; i < count; i += 2)
		gem_close(fd, handles[i]);
	buffer = create(fd, device.pipe.mode.hdisplay, device.pipe.mode.vdisplay);
	show(fd, &buffer, 0, 0, 1);
	igt_assert_eq_u64(shown_start(), 0);
	barium_switch_off(fd, &device.pipe);
}

/*
 * The driver caches small allocations for reuse, also those that lie high. With lines of 64 pixels,
 * the reach of a VGA is 3,136,000 bytes.
 */
static void test_small_buffers_reused(int fd)
{
	size_t pixels = 64 * 64 * 4, page = barium_page_size();
	size_t size = pixels > page ? pixels : page;
	struct drm_mode_modeinfo mode;
	struct buffer buffer;

	choose_extreme_mode(false);
	mode = device.pipe.mode;
	gem_close(fd, barium_gem_create(fd, size));
	buffer = create(fd, 64, 64);
	igt_assert_eq_u64(buffer.dumb.size, size);
	device.pipe.mode.hdisplay = 64;
	device.pipe.mode.vdisplay = 64;
	device.pipe.mode.hsync_start = 72;
	device.pipe.mode.hsync_end = 80;
	device.pipe.mode.htotal = 88;
	device.pipe.mode.vsync_start = 65;
	device.pipe.mode.vsync_end = 66;
	device.pipe.mode.vtotal = 70;
	device.pipe.mode.clock = 370;
	show(fd, &buffer, 0, 0, 1);
	barium_switch_off(fd, &device.pipe);
	device.pipe.mode = mode;
}

/* The reach is short for short lines: on VGA, the three buffers occupy all of it. */
static void test_cursor_beyond(int fd)
{
	struct buffer buffer;
	__u64 available;
	int i;

	for (i = 0; i < 3; i++)
		create(fd, 640, 480);
	for (i = 0; i < 16; i++) {
		available = barium_vram_available(fd);
		buffer = create(fd, 64, 64);
		igt_assert_eq_u64(barium_vram_available(fd), available - buffer.dumb.size);
	}
}

static void test_contiguous_beyond(int fd)
{
	__u64 size = device.vram_size, page = barium_page_size();
	__u32 handle, fb;

	choose_extreme_mode(false);
	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	fb = barium_add_fb(fd, handle, device.pipe.mode.hdisplay, device.pipe.mode.vdisplay,
			   device.pipe.mode.hdisplay * CPP, 0);
	igt_assert_eq(__barium_set_crtc(fd, &device.pipe, fb, 0, 0, &device.pipe.mode), 0);
	igt_assert_eq_u64(shown_start(), 0);
	barium_switch_off(fd, &device.pipe);
	barium_remove_fb(fd, fb);
	gem_close(fd, handle);

	/* An object at the end of VRAM. */
	size = device.vram_size - page;
	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	size = page;
	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	gem_close(fd, handle);
}

int igt_main()
{
	igt_fixture()
		find_device(barium_new_primary_client());

	igt_describe("Buffers for each mode can be shown, flipped to and panned.");
	igt_subtest("each-mode")
		test_each_mode(new_client());

	igt_describe("The highest buffer in reach is shown in full; the next one takes no VRAM.");
	igt_subtest("last-buffer")
		test_last_buffer(new_client());

	igt_describe("All dumb buffers that VRAM has room for can be shown.");
	igt_subtest("fill")
		test_fill(new_client());

	igt_describe("Objects that need not be contiguous do not occupy the start of VRAM.");
	igt_subtest("objects-stay-away")
		test_objects_stay_away(new_client());

	igt_describe("A small buffer is placed within reach, also if higher VRAM is cached.");
	igt_subtest("small-buffers-reused")
		test_small_buffers_reused(new_client());

	igt_describe("A buffer that is too small for all modes may lie beyond the reach.");
	igt_subtest("cursor-beyond")
		test_cursor_beyond(new_client());

	igt_describe("Contiguous objects without a pitch may also lie beyond the reach.");
	igt_subtest("contiguous-beyond")
		test_contiguous_beyond(new_client());
}
