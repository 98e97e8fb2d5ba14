/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests with several pictures: dumb buffers of the size of the mode, with a framebuffer
 * and stamped pages. They read the registers and VRAM through the sysfs files of the BARs, so they
 * do not rely on the driver.
 */
#ifndef BARIUM_LIB_PICTURE_H
#define BARIUM_LIB_PICTURE_H

#include "barium_lib_scanout.h"

/* The display under test. */
struct barium_screen {
	struct barium_pipe pipe;
	struct barium_scanout scanout;
};

struct barium_picture {
	struct drm_mode_create_dumb dumb;
	__u32 fb;
	__u32 *map;
};

/*
 * Returns a new client on the primary node. Maps the registers and VRAM of its device, unless a
 * call before has done so, and selects the mode. Skips if there is no such mode.
 */
int barium_new_screen_client(struct barium_screen *screen, __u32 width, __u32 height);
/* Selects a mode for pictures that are created later. Skips if there is no such mode. */
void barium_choose_mode(struct barium_screen *screen, __u32 width, __u32 height);

/* Skips if VRAM has room for @count pictures of the size of @screen's mode. */
void barium_require_too_many(const struct barium_screen *screen, size_t count);

/* Creates a picture with the lines of the mode and @more, with the content @seed. */
struct barium_picture barium_create_picture(int fd, const struct barium_screen *screen, __u32 more,
					    __u32 seed);
void barium_destroy_picture(int fd, struct barium_picture *picture);
/* The pictures have the size of the mode, and the content 0, 1 and so on. */
void barium_create_pictures(int fd, const struct barium_screen *screen,
			    struct barium_picture *pictures, size_t count);
void barium_destroy_pictures(int fd, struct barium_picture *pictures, size_t count);
void barium_draw_picture(const struct barium_picture *picture, __u32 seed);

/* Shows the picture with a page flip, and waits for its event. */
void barium_flip_to(int fd, const struct barium_screen *screen,
		    const struct barium_picture *picture, __u64 data);
/* Returns the offset in VRAM at which the device starts to scan out. */
size_t barium_shown_start(const struct barium_screen *screen);
/* Asserts that the device shows @picture with the content @seed, and so does its mapping. */
void barium_check_picture(const struct barium_screen *screen, const struct barium_picture *picture,
			  __u32 seed);

#endif
