/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the display share: setting modes, flipping, and the device's BARs, in which one
 * sees what it shows without asking the driver. Who sets modes does that on the primary node.
 */
#ifndef BARIUM_LIB_KMS_H
#define BARIUM_LIB_KMS_H

#include <drm_mode.h>

#include "barium_lib.h"

#define BARIUM_MAX_MODES 64

/* The device's registers: bytes from the start of BAR 2, each of 16 bits. */
#define BARIUM_REGS_LEN 0x1000
#define BARIUM_REG_XRES 0x502
#define BARIUM_REG_YRES 0x504
#define BARIUM_REG_BPP 0x506
#define BARIUM_REG_ENABLE 0x508
#define BARIUM_REG_VIRT_WIDTH 0x50c
#define BARIUM_REG_X_OFFSET 0x510
#define BARIUM_REG_Y_OFFSET 0x512
/* Bits of BARIUM_REG_ENABLE. */
#define BARIUM_ENABLED 0x01
#define BARIUM_CAPABILITIES 0x02

/*
 * Maps @length bytes of a BAR, which is the device's file @name in sysfs, for reading, and with
 * O_RDWR as @flags for writing as well. Skips where there is no such file.
 */
void *barium_map_bar(int fd, const char *name, size_t length, int flags);

/* The one CRTC, the one connector, and its modes. */
struct barium_pipe {
	__u32 crtc;
	__u32 connector;
	struct drm_mode_modeinfo modes[BARIUM_MAX_MODES];
	__u32 count;
	/* What is to be set: the first mode, if the test chooses no other one. */
	struct drm_mode_modeinfo mode;
};

void barium_find_pipe(int fd, struct barium_pipe *pipe);

/* Makes a framebuffer of an object, @offset bytes into it, with @pitch bytes for a line. */
int __barium_add_fb(int fd, __u32 handle, __u32 width, __u32 height, __u32 pitch, __u32 offset,
		    __u32 *fb);
__u32 barium_add_fb(int fd, __u32 handle, __u32 width, __u32 height, __u32 pitch, __u32 offset);
/* Makes one of a new dumb buffer that fills the pipe's mode; both go with the file. */
__u32 barium_add_dumb(int fd, const struct barium_pipe *pipe, struct drm_mode_create_dumb *dumb);
void barium_remove_fb(int fd, __u32 fb);

/* Shows a framebuffer from column @x and line @y on. */
int __barium_set_crtc(int fd, const struct barium_pipe *pipe, __u32 fb, __u32 x, __u32 y,
		      const struct drm_mode_modeinfo *mode);
/* The same in the pipe's mode. */
void barium_set_crtc(int fd, const struct barium_pipe *pipe, __u32 fb, __u32 x, __u32 y);
void barium_switch_off(int fd, const struct barium_pipe *pipe);

/* Flips to a framebuffer; its event will carry @data. */
void barium_flip(int fd, const struct barium_pipe *pipe, __u32 fb, __u64 data);
/* The event of a flip comes, is the only one, and carries what was said. */
void barium_flipped(int fd, const struct barium_pipe *pipe, __u64 data);

#endif
