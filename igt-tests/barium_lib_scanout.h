/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests that compare the scanout with an image. They read the registers and VRAM
 * through the sysfs files of the BARs, so they do not rely on the driver.
 */
#ifndef BARIUM_LIB_SCANOUT_H
#define BARIUM_LIB_SCANOUT_H

#include "barium_lib_kms.h"

/* Bytes per pixel of XRGB8888. */
#define BARIUM_CPP 4

/* The device under test. */
struct barium_scanout {
	__u8 *registers;
	const __u8 *vram;
	size_t vram_size;
	/* VGA and secondary-vga round widths down to a multiple of 8 pixels. */
	bool is_vga;
	/* In bytes. */
	__u32 max_pitch;
};

/* Maps the BARs of the device of @fd. */
void barium_find_scanout(int fd, struct barium_scanout *scanout);

/*
 * Finds the pipe, and selects 640x480, so that several framebuffers fit into VRAM. Skips if there
 * is no such mode.
 */
void barium_find_small_pipe(int fd, struct barium_pipe *pipe);

/* Returns the value of the register at @offset (BARIUM_REG_*). */
__u16 barium_scanout_reg(const struct barium_scanout *scanout, size_t offset);

/* Returns the value of pixel (@x, @y) in the image made from @seed. */
__u32 barium_color(__u32 seed, __u32 x, __u32 y);

/* Returns the offset in VRAM of the pixel that the device scans out at (@x, @y), in bytes. */
size_t barium_scanout_offset(const struct barium_scanout *scanout, __u32 x, __u32 y);
/* Returns the pixel that the device scans out at (@x, @y). */
__u32 barium_scanout_pixel(const struct barium_scanout *scanout, __u32 x, __u32 y);

/* Asserts that the device is enabled in the mode of @pipe, with pixels of BARIUM_CPP bytes. */
void barium_check_mode(const struct barium_scanout *scanout, const struct barium_pipe *pipe);

/*
 * Asserts that the device scans out the image made from @seed, starting at its pixel (@x, @y), in
 * the mode of @pipe. Compares the first and the last line, and a part of each other one.
 */
void barium_check_scanout(const struct barium_scanout *scanout, const struct barium_pipe *pipe,
			  __u32 seed, __u32 x, __u32 y);

#endif
