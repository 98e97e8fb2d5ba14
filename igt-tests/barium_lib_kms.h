/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests of the display: they set modes, flip pages, and map the BARs of the device,
 * which show its state independently of the driver. Setting a mode requires a client on the primary
 * node.
 */
#ifndef BARIUM_LIB_KMS_H
#define BARIUM_LIB_KMS_H

#include <drm_mode.h>

#include "barium_lib.h"

#define BARIUM_MAX_MODES 64

/* Offsets of the 16-bit registers in BAR 2, in bytes. */
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
 * Maps @length bytes of a BAR, the sysfs file @name of the device. @flags is O_RDONLY or O_RDWR.
 * Maps resource0 if there is no resource0_wc. Skips if the file does not exist.
 */
void *barium_map_bar(int fd, const char *name, size_t length, int flags);

/* Unmaps what barium_map_bar() has returned. */
void barium_unmap_bar(void *map, size_t length);

/*
 * Stores the largest width and height that the device supports, which also limit the offsets. On
 * bochs-display, only the 16 bits of its registers do. @registers is a mapping of BAR 2. Returns
 * true if the device is a VGA.
 */
bool barium_max_size(__u8 *registers, __u16 *width, __u16 *height);

/* The only CRTC, the only connector, and its modes. */
struct barium_pipe {
	__u32 crtc;
	__u32 connector;
	struct drm_mode_modeinfo modes[BARIUM_MAX_MODES];
	__u32 count;
	/* The mode that barium_set_crtc() sets: the first one, unless the test changes it. */
	struct drm_mode_modeinfo mode;
};

void barium_find_pipe(int fd, struct barium_pipe *pipe);

/* Creates a framebuffer at @offset bytes in an object, with @pitch bytes for each line. */
int __barium_add_fb(int fd, __u32 handle, __u32 width, __u32 height, __u32 pitch, __u32 offset,
		    __u32 *fb);
__u32 barium_add_fb(int fd, __u32 handle, __u32 width, __u32 height, __u32 pitch, __u32 offset);
/* Creates a framebuffer of a new dumb buffer with the size of the pipe's mode. */
__u32 barium_add_dumb(int fd, const struct barium_pipe *pipe, struct drm_mode_create_dumb *dumb);
void barium_remove_fb(int fd, __u32 fb);
/* Reports @count clips of a framebuffer as changed. Returns 0 or a negative errno. */
int __barium_dirty_fb(int fd, __u32 fb, const struct drm_clip_rect *clips, __u32 count);

/* Sets @mode, and shows the framebuffer from pixel (@x, @y). */
int __barium_set_crtc(int fd, const struct barium_pipe *pipe, __u32 fb, __u32 x, __u32 y,
		      const struct drm_mode_modeinfo *mode);
/* Like __barium_set_crtc(), with the pipe's mode. */
void barium_set_crtc(int fd, const struct barium_pipe *pipe, __u32 fb, __u32 x, __u32 y);
void barium_switch_off(int fd, const struct barium_pipe *pipe);

/* Returns the id of the property @name of a DRM object of type @type (DRM_MODE_OBJECT_*). */
__u32 barium_find_property(int fd, __u32 object, __u32 type, const char *name);

/* Sets the DPMS property of the connector to @value (DRM_MODE_DPMS_*). */
void barium_set_dpms(int fd, const struct barium_pipe *pipe, __u64 value);

/* Requests a page flip with an event that carries @data. */
void barium_flip(int fd, const struct barium_pipe *pipe, __u32 fb, __u64 data);
/* Waits for the event of a page flip. Asserts that it carries @data and is the only event. */
void barium_flipped(int fd, const struct barium_pipe *pipe, __u64 data);

#endif
