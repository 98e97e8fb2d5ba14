// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of the scanout; see barium_lib_scanout.h.
 */
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_scanout.h"

void barium_find_scanout(int fd, struct barium_scanout *scanout)
{
	__u16 width, height;

	scanout->vram_size = barium_vram_size(fd);
	scanout->registers = barium_map_bar(fd, "resource2", BARIUM_REGS_LEN, O_RDWR);
	scanout->vram = barium_map_bar(fd, "resource0_wc", scanout->vram_size, O_RDONLY);
	scanout->is_vga = barium_max_size(scanout->registers, &width, &height);
	scanout->max_pitch = width * BARIUM_CPP;
}

void barium_find_small_pipe(int fd, struct barium_pipe *pipe)
{
	__u32 i;

	barium_find_pipe(fd, pipe);
	for (i = 0; i < pipe->count; i++) {
		pipe->mode = pipe->modes[i];
		if (pipe->mode.hdisplay == 640 && pipe->mode.vdisplay == 480)
			return;
	}
	igt_skip("no mode of 640x480\n");
}

__u16 barium_scanout_reg(const struct barium_scanout *scanout, size_t offset)
{
	return READ_ONCE(*(__u16 *)(scanout->registers + offset));
}

__u32 barium_color(__u32 seed, __u32 x, __u32 y)
{
	return (seed << 24 | y << 12 | x) * 0x9e3779b1u;
}

size_t barium_scanout_offset(const struct barium_scanout *scanout, __u32 x, __u32 y)
{
	size_t virt_width = barium_scanout_reg(scanout, BARIUM_REG_VIRT_WIDTH);
	size_t x_offset = barium_scanout_reg(scanout, BARIUM_REG_X_OFFSET);
	size_t y_offset = barium_scanout_reg(scanout, BARIUM_REG_Y_OFFSET);

	return ((y_offset + y) * virt_width + x_offset + x) * BARIUM_CPP;
}

__u32 barium_scanout_pixel(const struct barium_scanout *scanout, __u32 x, __u32 y)
{
	size_t at = barium_scanout_offset(scanout, x, y);

	igt_assert_lt_u64(at, scanout->vram_size);
	return READ_ONCE(*(const __u32 *)(scanout->vram + at));
}

void barium_check_mode(const struct barium_scanout *scanout, const struct barium_pipe *pipe)
{
	igt_assert_eq_u32(barium_scanout_reg(scanout, BARIUM_REG_ENABLE) & BARIUM_ENABLED,
			  BARIUM_ENABLED);
	igt_assert_eq_u32(barium_scanout_reg(scanout, BARIUM_REG_XRES), pipe->mode.hdisplay);
	igt_assert_eq_u32(barium_scanout_reg(scanout, BARIUM_REG_YRES), pipe->mode.vdisplay);
	igt_assert_eq_u32(barium_scanout_reg(scanout, BARIUM_REG_BPP), BARIUM_CPP * 8);
}

void barium_check_scanout(const struct barium_scanout *scanout, const struct barium_pipe *pipe,
			  __u32 seed, __u32 x, __u32 y)
{
	__u32 width = pipe->mode.hdisplay, height = pipe->mode.vdisplay, i;

	barium_check_mode(scanout, pipe);
	for (i = 0; i < width; i++) {
		igt_assert_eq_u32(barium_scanout_pixel(scanout, i, 0),
				  barium_color(seed, x + i, y));
		igt_assert_eq_u32(barium_scanout_pixel(scanout, i, height - 1),
				  barium_color(seed, x + i, y + height - 1));
	}
	for (i = 0; i < height; i++)
		igt_assert_eq_u32(barium_scanout_pixel(scanout, i % 64, i),
				  barium_color(seed, x + i % 64, y + i));
}
