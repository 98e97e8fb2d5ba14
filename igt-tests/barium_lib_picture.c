// SPDX-License-Identifier: MIT
/*
 * Helpers for tests with several pictures; see barium_lib_picture.h.
 */
#include "igt.h"
#include "barium_lib_picture.h"

int barium_new_screen_client(struct barium_screen *screen, __u32 width, __u32 height)
{
	int fd = barium_new_primary_client();

	if (!screen->scanout.vram) {
		barium_find_pipe(fd, &screen->pipe);
		barium_find_scanout(fd, &screen->scanout);
	}
	barium_choose_mode(screen, width, height);
	return fd;
}

void barium_choose_mode(struct barium_screen *screen, __u32 width, __u32 height)
{
	struct barium_pipe *pipe = &screen->pipe;
	__u32 i;

	for (i = 0; i < pipe->count; i++) {
		pipe->mode = pipe->modes[i];
		if (pipe->mode.hdisplay == width && pipe->mode.vdisplay == height)
			return;
	}
	igt_skip("no mode of %ux%u\n", width, height);
}

static size_t pages_of(const struct barium_picture *picture)
{
	return picture->dumb.size / barium_page_size();
}

void barium_draw_picture(const struct barium_picture *picture, __u32 seed)
{
	barium_stamp(picture->map, 0, pages_of(picture), seed);
}

struct barium_picture barium_create_picture(int fd, const struct barium_screen *screen, __u32 more,
					    __u32 seed)
{
	struct barium_pipe pipe = screen->pipe;
	struct barium_picture picture;

	pipe.mode.vdisplay += more;
	picture.fb = barium_add_dumb(fd, &pipe, &picture.dumb);
	picture.map = barium_mmap(fd, picture.dumb.handle, picture.dumb.size);
	barium_draw_picture(&picture, seed);
	return picture;
}

void barium_destroy_picture(int fd, struct barium_picture *picture)
{
	barium_munmap(picture->map, picture->dumb.size);
	barium_remove_fb(fd, picture->fb);
	gem_close(fd, picture->dumb.handle);
}

void barium_create_pictures(int fd, const struct barium_screen *screen,
			    struct barium_picture *pictures, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		pictures[i] = barium_create_picture(fd, screen, 0, i);
}

void barium_require_too_many(const struct barium_screen *screen, size_t count)
{
	const struct drm_mode_modeinfo *mode = &screen->pipe.mode;
	__u64 bytes = count * mode->hdisplay * mode->vdisplay * BARIUM_CPP;

	igt_require_f(bytes > screen->scanout.vram_size, "VRAM has room for %zu pictures\n", count);
}

void barium_destroy_pictures(int fd, struct barium_picture *pictures, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		barium_destroy_picture(fd, &pictures[i]);
}

void barium_flip_to(int fd, const struct barium_screen *screen,
		    const struct barium_picture *picture, __u64 data)
{
	barium_flip(fd, &screen->pipe, picture->fb, data);
	barium_flipped(fd, &screen->pipe, data);
}

size_t barium_shown_start(const struct barium_screen *screen)
{
	return barium_scanout_offset(&screen->scanout, 0, 0);
}

void barium_check_picture(const struct barium_screen *screen, const struct barium_picture *picture,
			  __u32 seed)
{
	const struct barium_scanout *scanout = &screen->scanout;
	const struct drm_mode_modeinfo *mode = &screen->pipe.mode;
	const __u8 *shown = scanout->vram + barium_shown_start(screen);

	igt_assert_eq_u32(barium_scanout_reg(scanout, BARIUM_REG_XRES), mode->hdisplay);
	igt_assert_eq_u32(barium_scanout_reg(scanout, BARIUM_REG_YRES), mode->vdisplay);
	barium_check_stamp(shown, 0, pages_of(picture), seed);
	barium_check_stamp(picture->map, 0, pages_of(picture), seed);
}
