// SPDX-License-Identifier: MIT
/*
 * Framebuffers of any object, and the pixels that the display shows: see barium_lib_image.h.
 */
#include "igt.h"
#include "barium_lib_image.h"

__u32 *barium_image_pixel(const struct barium_image *image, __u32 x, __u32 y)
{
	return (__u32 *)(image->map + image->offset + (size_t)y * image->pitch) + x;
}

void barium_draw_image(struct barium_image *image, __u32 seed)
{
	__u32 x, y;

	for (y = 0; y < image->height; y++) {
		for (x = 0; x < image->width; x++)
			*barium_image_pixel(image, x, y) = barium_color(seed, x, y);
	}
}

void barium_expect_part(struct barium_display *display, const struct barium_image *image,
			__u32 left, __u32 top, const struct drm_mode_rect *rect)
{
	int x, y;

	for (y = rect->y1; y < rect->y2; y++) {
		for (x = rect->x1; x < rect->x2; x++)
			display->expected[y - top][x - left] = *barium_image_pixel(image, x, y);
	}
}

void barium_expect_image(struct barium_display *display, const struct barium_image *image,
			 __u32 left, __u32 top)
{
	barium_expect_part(display, image, left, top, &(struct drm_mode_rect) {
		.x1 = left,
		.y1 = top,
		.x2 = left + display->pipe.mode.hdisplay,
		.y2 = top + display->pipe.mode.vdisplay,
	});
}

void barium_check_expected(const struct barium_display *display)
{
	size_t virt_width = barium_scanout_reg(&display->scanout, BARIUM_REG_VIRT_WIDTH);
	size_t start = barium_scanout_reg(&display->scanout, BARIUM_REG_Y_OFFSET) * virt_width +
		       barium_scanout_reg(&display->scanout, BARIUM_REG_X_OFFSET);
	__u32 width = display->pipe.mode.hdisplay, height = display->pipe.mode.vdisplay, x, y;
	const __u32 *pixels = (const __u32 *)display->scanout.vram + start;

	barium_check_mode(&display->scanout, &display->pipe);
	igt_assert_lte_u64((start + height * virt_width) * BARIUM_CPP, display->scanout.vram_size);
	for (y = 0; y < height; y++) {
		const __u32 *line = pixels + y * virt_width, *expected = display->expected[y];

		for (x = 0; x < width; x++)
			igt_assert_f(READ_ONCE(line[x]) == expected[x],
				     "pixel %u of line %u is %08x instead of %08x\n", x, y,
				     line[x], expected[x]);
	}
}

void barium_check_image(struct barium_display *display, const struct barium_image *image)
{
	barium_expect_image(display, image, 0, 0);
	barium_check_expected(display);
}

struct barium_image barium_new_image(const struct barium_display *display, __u32 margin)
{
	size_t page = barium_page_size();
	struct barium_image image = {
		.width = display->pipe.mode.hdisplay + margin,
		.height = display->pipe.mode.vdisplay + margin,
	};

	image.pitch = image.width * BARIUM_CPP;
	image.size = ((__u64)image.pitch * image.height + page - 1) / page * page;
	return image;
}

void barium_add_image_fb(int fd, struct barium_image *image)
{
	image->fb = barium_add_fb(fd, image->handle, image->width, image->height, image->pitch,
				  image->offset);
}

struct barium_image barium_create_image(int fd, const struct barium_display *display, __u32 seed,
					__u32 margin, __u32 flags)
{
	struct barium_image image = barium_new_image(display, margin);

	igt_assert_eq(__barium_gem_create(fd, &image.size, flags, &image.handle), 0);
	image.map = barium_mmap(fd, image.handle, image.size);
	barium_draw_image(&image, seed);
	barium_add_image_fb(fd, &image);
	return image;
}

void barium_destroy_image(int fd, struct barium_image *image)
{
	barium_munmap(image->map, image->size);
	barium_remove_fb(fd, image->fb);
	gem_close(fd, image->handle);
}

void barium_show_image(int fd, struct barium_display *display, const struct barium_image *image)
{
	barium_set_crtc(fd, &display->pipe, image->fb, 0, 0);
	barium_check_image(display, image);
}

void barium_flip_image(int fd, struct barium_display *display, const struct barium_image *image)
{
	static __u64 data;

	barium_flip(fd, &display->pipe, image->fb, ++data);
	barium_flipped(fd, &display->pipe, data);
}

void barium_find_display(int fd, struct barium_display *display)
{
	struct drm_set_client_cap cap = { DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1 };
	struct drm_mode_get_plane_res planes = {
		.plane_id_ptr = (uintptr_t)&display->plane,
		.count_planes = 1,
	};

	barium_find_scanout(fd, &display->scanout);
	barium_find_small_pipe(fd, &display->pipe);
	do_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &cap);
	do_ioctl(fd, DRM_IOCTL_MODE_GETPLANERESOURCES, &planes);
	igt_assert_eq_u32(planes.count_planes, 1);
}

static __u32 plane_property(int fd, const struct barium_display *display, const char *name)
{
	return barium_find_property(fd, display->plane, DRM_MODE_OBJECT_PLANE, name);
}

void barium_commit_image(int fd, const struct barium_display *display,
			 const struct barium_image *image, __u32 x, __u32 y,
			 const struct drm_mode_rect *rects, size_t count)
{
	struct drm_set_client_cap cap = { DRM_CLIENT_CAP_ATOMIC, 1 };
	struct drm_mode_create_blob blob = {
		.data = (uintptr_t)rects,
		.length = count * sizeof(*rects),
	};
	__u32 ids[4], props = ARRAY_SIZE(ids);
	__u64 values[4];
	struct drm_mode_atomic atomic = {
		.count_objs = 1,
		.objs_ptr = (uintptr_t)&display->plane,
		.count_props_ptr = (uintptr_t)&props,
		.props_ptr = (uintptr_t)ids,
		.prop_values_ptr = (uintptr_t)values,
	};

	do_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &cap);
	do_ioctl(fd, DRM_IOCTL_MODE_CREATEPROPBLOB, &blob);
	ids[0] = plane_property(fd, display, "FB_ID");
	values[0] = image->fb;
	ids[1] = plane_property(fd, display, "FB_DAMAGE_CLIPS");
	values[1] = blob.blob_id;
	ids[2] = plane_property(fd, display, "SRC_X");
	values[2] = (__u64)x << 16;
	ids[3] = plane_property(fd, display, "SRC_Y");
	values[3] = (__u64)y << 16;
	do_ioctl(fd, DRM_IOCTL_MODE_ATOMIC, &atomic);
}

void barium_check_damage(int fd, struct barium_display *display, struct barium_image *image,
			 __u32 seed, const struct drm_mode_rect *rects, size_t count)
{
	size_t i;

	barium_draw_image(image, seed);
	barium_commit_image(fd, display, image, 0, 0, rects, count);
	for (i = 0; i < count; i++)
		barium_expect_part(display, image, 0, 0, &rects[i]);
	barium_check_expected(display);
}
