/* SPDX-License-Identifier: MIT */
/*
 * Helpers for tests that compare all that the display shows with framebuffers of any object, pixel
 * by pixel. They read the registers and VRAM through the sysfs files of the BARs, so they do not
 * rely on the driver.
 */
#ifndef BARIUM_LIB_IMAGE_H
#define BARIUM_LIB_IMAGE_H

#include "barium_lib_scanout.h"

#define BARIUM_MAX_WIDTH 1280
#define BARIUM_MAX_HEIGHT 1024

/* The display under test. */
struct barium_display {
	struct barium_pipe pipe;
	struct barium_scanout scanout;
	__u32 plane;
	/* The pixels that it must show. */
	__u32 expected[BARIUM_MAX_HEIGHT][BARIUM_MAX_WIDTH];
};

/* A framebuffer, and a mapping of its object, which may be one of another device. */
struct barium_image {
	__u32 handle;
	__u32 fb;
	/* In pixels. */
	__u32 width, height;
	/* In bytes, as is the offset of the first pixel in the object. */
	__u32 pitch, offset;
	__u64 size;
	__u8 *map;
};

/* Finds the display of @fd, a client on the primary node, and selects 640x480. */
void barium_find_display(int fd, struct barium_display *display);

/* Returns an image without an object, of the size of the mode and @margin more pixels and lines. */
struct barium_image barium_new_image(const struct barium_display *display, __u32 margin);
/* Creates an image from @seed in an object with @flags. */
struct barium_image barium_create_image(int fd, const struct barium_display *display, __u32 seed,
					__u32 margin, __u32 flags);
void barium_destroy_image(int fd, struct barium_image *image);
/* Adds a framebuffer for the object of @image. */
void barium_add_image_fb(int fd, struct barium_image *image);

__u32 *barium_image_pixel(const struct barium_image *image, __u32 x, __u32 y);
/* Draws the image made from @seed. */
void barium_draw_image(struct barium_image *image, __u32 seed);

/* From now on, the display must show @image from pixel (@left, @top). */
void barium_expect_image(struct barium_display *display, const struct barium_image *image,
			 __u32 left, __u32 top);
/* From now on, it must show the rectangle @rect of @image. */
void barium_expect_part(struct barium_display *display, const struct barium_image *image,
			__u32 left, __u32 top, const struct drm_mode_rect *rect);
/* Asserts that the display shows what it must. */
void barium_check_expected(const struct barium_display *display);
/* Asserts that the display shows @image. */
void barium_check_image(struct barium_display *display, const struct barium_image *image);

/* Shows @image with SETCRTC, and checks that. */
void barium_show_image(int fd, struct barium_display *display, const struct barium_image *image);
/* Shows @image with a page flip, and waits for its event. */
void barium_flip_image(int fd, struct barium_display *display, const struct barium_image *image);
/* Commits @image on the plane, from pixel (@x, @y), with the damage clips @rects. */
void barium_commit_image(int fd, const struct barium_display *display,
			 const struct barium_image *image, __u32 x, __u32 y,
			 const struct drm_mode_rect *rects, size_t count);
/* Draws @seed everywhere, commits @rects, and asserts that the display shows no more than these. */
void barium_check_damage(int fd, struct barium_display *display, struct barium_image *image,
			 __u32 seed, const struct drm_mode_rect *rects, size_t count);

#endif
