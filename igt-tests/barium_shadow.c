// SPDX-License-Identifier: MIT
/**
 * TEST: barium shadow
 * Description: Tests of framebuffers whose objects cannot be in VRAM: the display shows a copy of
 *   them, to which each commit copies the damaged parts. The tests compare the whole picture that
 *   the device scans out, and read it from VRAM through the sysfs file of the BAR.
 * Category: Display
 * Sub-category: DRM
 * Functionality: Shadow planes
 *
 * SUBTEST: system
 * Description: An object in system memory is shown, and the picture takes VRAM.
 *
 * SUBTEST: flip
 * Description: Page flips between two objects in system memory show each of them.
 *
 * SUBTEST: flip-to-vram
 * Description: Page flips between objects in system memory and in VRAM show each of them.
 *
 * SUBTEST: panning
 * Description: Each part of a framebuffer in system memory can be shown.
 *
 * SUBTEST: any-pitch
 * Description: A framebuffer in system memory can have any pitch and offset.
 *
 * SUBTEST: object-end
 * Description: ADDFB2 of a framebuffer that exceeds its object in system memory fails.
 *
 * SUBTEST: damage
 * Description: A commit with damage clips copies the clips, and nothing else.
 *
 * SUBTEST: damage-alternating
 * Description: Damage clips are copied over the picture of the previous framebuffer.
 *
 * SUBTEST: damage-after-vram
 * Description: The first commit of an object in system memory shows all of it.
 *
 * SUBTEST: damage-panning
 * Description: A commit that shows another part of a framebuffer copies all of it.
 *
 * SUBTEST: dirtyfb
 * Description: DIRTYFB shows the drawing in its clips, or all of it without clips.
 *
 * SUBTEST: dirtyfb-hidden
 * Description: DIRTYFB of a framebuffer that is not shown changes nothing.
 *
 * SUBTEST: modes
 * Description: Objects in system memory are shown in one mode after the other.
 *
 * SUBTEST: dpms
 * Description: DPMS on shows drawings and flips from the time when the screen was off.
 *
 * SUBTEST: evicts
 * Description: Objects in VRAM make room for the copy, and keep their content.
 *
 * SUBTEST: no-room
 * Description: A flip fails with ENOSPC if the shown picture leaves no room for the copy.
 *
 * SUBTEST: shrink-while-shown
 * Description: An object that is shown keeps its memory when the kernel is short of memory. After
 *   that, it keeps its content.
 *
 * SUBTEST: removed
 * Description: The copy is freed when its framebuffer is removed or the client is closed.
 *
 * SUBTEST: unbind-while-shown
 * Description: A device that shows system memory can be unbound and bound again.
 *
 * SUBTEST: unbind-with-flip
 * Description: A pending flip of an object in system memory ends after unbind.
 *
 * SUBTEST: attached
 * Description: An object that another device has imported is shown.
 *
 * SUBTEST: attached-after-shown
 * Description: Another device can import an object that was shown, and it is shown again.
 *
 * SUBTEST: detached
 * Description: An object that no other device uses any more is shown where it is in VRAM.
 *
 * SUBTEST: import-udmabuf
 * Description: An imported udmabuf is shown, with its damage.
 *
 * SUBTEST: import-vgem
 * Description: An imported buffer of vgem is shown, with its damage.
 *
 * SUBTEST: import-barium
 * Description: An object of another Barium device is shown from system memory.
 *
 * SUBTEST: import-outlives-exporter
 * Description: An imported object is shown after the exporter's client is closed.
 *
 * SUBTEST: import-fence
 * Description: A flip to an imported object waits for the device that writes to it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include <drm/vgem_drm.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_prime.h"
#include "barium_lib_scanout.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Showing framebuffers that cannot be in VRAM.");

#define CPP BARIUM_CPP
#define MAX_WIDTH 1280
#define MAX_HEIGHT 1024

/* A framebuffer, and a mapping of its object, which may be one of another device. */
struct image {
	__u32 handle;
	__u32 fb;
	/* In pixels. */
	__u32 width, height;
	/* In bytes, as is the offset of the first pixel in the object. */
	__u32 pitch, offset;
	__u64 size;
	__u8 *map;
};

static struct barium_scanout device;
static struct barium_pipe pipeline;
static __u32 plane;
/* The pixels that the screen must show. */
static __u32 screen[MAX_HEIGHT][MAX_WIDTH];

static __u32 *pixel(const struct image *image, __u32 x, __u32 y)
{
	return (__u32 *)(image->map + image->offset + (size_t)y * image->pitch) + x;
}

/* Draws a rectangle of the image made from @seed. */
static void draw(struct image *image, __u32 seed, const struct drm_mode_rect *rect)
{
	int x, y;

	for (y = rect->y1; y < rect->y2; y++) {
		for (x = rect->x1; x < rect->x2; x++)
			*pixel(image, x, y) = barium_color(seed, x, y);
	}
}

static void draw_all(struct image *image, __u32 seed)
{
	draw(image, seed, &(struct drm_mode_rect) { 0, 0, image->width, image->height });
}

/* The screen must show a rectangle of @image, which it shows from pixel (@left, @top). */
static void expect(const struct image *image, __u32 left, __u32 top,
		   const struct drm_mode_rect *rect)
{
	int x, y;

	for (y = rect->y1; y < rect->y2; y++) {
		for (x = rect->x1; x < rect->x2; x++)
			screen[y - top][x - left] = *pixel(image, x, y);
	}
}

/* The screen must show @image from pixel (@left, @top). */
static void expect_all(const struct image *image, __u32 left, __u32 top)
{
	expect(image, left, top, &(struct drm_mode_rect) {
		.x1 = left,
		.y1 = top,
		.x2 = left + pipeline.mode.hdisplay,
		.y2 = top + pipeline.mode.vdisplay,
	});
}

static void check_screen(void)
{
	size_t virt_width = barium_scanout_reg(&device, BARIUM_REG_VIRT_WIDTH);
	size_t start = barium_scanout_reg(&device, BARIUM_REG_Y_OFFSET) * virt_width +
		       barium_scanout_reg(&device, BARIUM_REG_X_OFFSET);
	__u32 width = pipeline.mode.hdisplay, height = pipeline.mode.vdisplay, x, y;
	const __u32 *pixels = (const __u32 *)device.vram + start;

	barium_check_mode(&device, &pipeline);
	igt_assert_lte_u64((start + height * virt_width) * CPP, device.vram_size);
	for (y = 0; y < height; y++) {
		for (x = 0; x < width; x++)
			igt_assert_f(READ_ONCE(pixels[y * virt_width + x]) == screen[y][x],
				     "pixel %u of line %u is %08x instead of %08x\n", x, y,
				     pixels[y * virt_width + x], screen[y][x]);
	}
}

static void check_shows(const struct image *image)
{
	expect_all(image, 0, 0);
	check_screen();
}

/* An image of the size of the mode, with @margin more pixels and lines, that has no object yet. */
static struct image new_image(__u32 margin)
{
	size_t page = barium_page_size();
	struct image image = {
		.width = pipeline.mode.hdisplay + margin,
		.height = pipeline.mode.vdisplay + margin,
	};

	image.pitch = image.width * CPP;
	image.size = ((__u64)image.pitch * image.height + page - 1) / page * page;
	return image;
}

static void add_fb(int fd, struct image *image)
{
	image->fb = barium_add_fb(fd, image->handle, image->width, image->height, image->pitch,
				  image->offset);
}

/* Creates an image from @seed in an object with @flags. */
static struct image create_with(int fd, __u32 seed, __u32 margin, __u32 flags)
{
	struct image image = new_image(margin);

	igt_assert_eq(__barium_gem_create(fd, &image.size, flags, &image.handle), 0);
	image.map = barium_mmap(fd, image.handle, image.size);
	draw_all(&image, seed);
	add_fb(fd, &image);
	return image;
}

static struct image create(int fd, __u32 seed)
{
	return create_with(fd, seed, 0, BARIUM_GEM_CREATE_SYSTEM);
}

static struct image create_in_vram(int fd, __u32 seed)
{
	return create_with(fd, seed, 0, BARIUM_GEM_CREATE_CONTIGUOUS);
}

static void destroy(int fd, struct image *image)
{
	barium_munmap(image->map, image->size);
	barium_remove_fb(fd, image->fb);
	gem_close(fd, image->handle);
}

static void show(int fd, const struct image *image)
{
	barium_set_crtc(fd, &pipeline, image->fb, 0, 0);
	check_shows(image);
}

static void flip(int fd, const struct image *image)
{
	static __u64 data;

	barium_flip(fd, &pipeline, image->fb, ++data);
	barium_flipped(fd, &pipeline, data);
}

static void find_plane(int fd)
{
	struct drm_set_client_cap cap = { DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1 };
	struct drm_mode_get_plane_res planes = {
		.plane_id_ptr = (uintptr_t)&plane,
		.count_planes = 1,
	};

	do_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &cap);
	do_ioctl(fd, DRM_IOCTL_MODE_GETPLANERESOURCES, &planes);
	igt_assert_eq_u32(planes.count_planes, 1);
}

static __u32 plane_property(int fd, const char *name)
{
	return barium_find_property(fd, plane, DRM_MODE_OBJECT_PLANE, name);
}

/* Commits @image on the plane, from pixel (@x, @y), with the damage clips @rects. */
static void commit(int fd, const struct image *image, __u32 x, __u32 y,
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
		.objs_ptr = (uintptr_t)&plane,
		.count_props_ptr = (uintptr_t)&props,
		.props_ptr = (uintptr_t)ids,
		.prop_values_ptr = (uintptr_t)values,
	};

	do_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &cap);
	do_ioctl(fd, DRM_IOCTL_MODE_CREATEPROPBLOB, &blob);
	ids[0] = plane_property(fd, "FB_ID");
	values[0] = image->fb;
	ids[1] = plane_property(fd, "FB_DAMAGE_CLIPS");
	values[1] = blob.blob_id;
	ids[2] = plane_property(fd, "SRC_X");
	values[2] = (__u64)x << 16;
	ids[3] = plane_property(fd, "SRC_Y");
	values[3] = (__u64)y << 16;
	do_ioctl(fd, DRM_IOCTL_MODE_ATOMIC, &atomic);
}

/* Waits up to a second until @available bytes of VRAM are available: a worker frees the copy. */
static void wait_for_vram(int fd, __u64 available)
{
	int i;

	for (i = 0; i < 1000 && barium_vram_available(fd) != available; i++)
		usleep(1000);
	igt_assert_eq_u64(barium_vram_available(fd), available);
}

static void test_system(int fd)
{
	__u32 flags[] = {
		BARIUM_GEM_CREATE_SYSTEM,
		BARIUM_GEM_CREATE_SYSTEM | BARIUM_GEM_CREATE_CONTIGUOUS,
	};
	__u64 before = barium_vram_available(fd);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		struct image image = create_with(fd, i + 1, 0, flags[i]);

		igt_assert_eq_u64(barium_vram_available(fd), before);
		show(fd, &image);
		igt_assert_eq_u64(barium_vram_available(fd), before - image.size);
		barium_switch_off(fd, &pipeline);
		igt_assert_eq_u64(barium_vram_available(fd), before);
		destroy(fd, &image);
	}
}

static void test_flip(int fd)
{
	struct image front = create(fd, 1), back = create(fd, 2);
	int i;

	show(fd, &front);
	for (i = 0; i < 4; i++) {
		flip(fd, &back);
		check_shows(&back);
		draw_all(&front, 3 + i);
		flip(fd, &front);
		check_shows(&front);
	}
	destroy(fd, &front);
	destroy(fd, &back);
}

static void test_flip_to_vram(int fd)
{
	struct image system = create(fd, 1), vram = create_in_vram(fd, 2);
	__u64 before = barium_vram_available(fd);
	int i;

	show(fd, &system);
	for (i = 0; i < 3; i++) {
		flip(fd, &vram);
		check_shows(&vram);
		wait_for_vram(fd, before);
		draw_all(&system, 3 + i);
		flip(fd, &system);
		check_shows(&system);
	}
	barium_switch_off(fd, &pipeline);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	destroy(fd, &system);
	destroy(fd, &vram);
}

static void test_panning(int fd)
{
	struct image image = create_with(fd, 1, 64, BARIUM_GEM_CREATE_SYSTEM);
	__u32 x, y;

	for (y = 0; y <= 64; y += 32) {
		for (x = 0; x <= 64; x += 13) {
			barium_set_crtc(fd, &pipeline, image.fb, x, y);
			expect_all(&image, x, y);
			check_screen();
		}
	}
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 65, 0, &pipeline.mode), -ENOSPC);
	destroy(fd, &image);
}

static void test_any_pitch(int fd)
{
	static const __u32 pitches[] = { 4, 36, 4096 }, offsets[] = { 4, 60, 4100 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pitches); i++) {
		struct image image = new_image(0);

		image.pitch += pitches[i];
		image.offset = offsets[i];
		image.size = image.offset + (__u64)image.pitch * image.height;
		igt_assert_eq(__barium_gem_create(fd, &image.size, BARIUM_GEM_CREATE_SYSTEM,
						  &image.handle), 0);
		image.map = barium_mmap(fd, image.handle, image.size);
		draw_all(&image, i + 1);
		add_fb(fd, &image);
		show(fd, &image);
		destroy(fd, &image);
	}
}

static void test_object_end(int fd)
{
	__u32 page = barium_page_size(), pitch = 64 * CPP, lines = page / pitch, fb;
	__u64 size = page;
	__u32 handle;

	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_SYSTEM, &handle), 0);
	barium_remove_fb(fd, barium_add_fb(fd, handle, 64, lines, pitch, 0));
	igt_assert_eq(__barium_add_fb(fd, handle, 64, lines + 1, pitch, 0, &fb), -EINVAL);
	igt_assert_eq(__barium_add_fb(fd, handle, 64, lines, pitch, 4, &fb), -EINVAL);
	igt_assert_eq(__barium_add_fb(fd, handle, 64, lines, pitch - 4, 0, &fb), -EINVAL);
	gem_close(fd, handle);
}

/* Draws @seed everywhere, commits @rects, and asserts that the screen shows no more than these. */
static void check_damage(int fd, struct image *image, __u32 seed, const struct drm_mode_rect *rects,
			 size_t count)
{
	size_t i;

	draw_all(image, seed);
	commit(fd, image, 0, 0, rects, count);
	for (i = 0; i < count; i++)
		expect(image, 0, 0, &rects[i]);
	check_screen();
}

static void test_damage(int fd)
{
	int width = pipeline.mode.hdisplay, height = pipeline.mode.vdisplay;
	struct image image = create(fd, 1);
	const struct drm_mode_rect one = { 13, 17, 200, 90 }, rects[] = {
		{ 0, 0, 1, 1 },
		{ width - 1, height - 1, width, height },
		{ 300, 100, 301, 400 },
		{ 20, 200, 600, 203 },
	}, all = { 0, 0, width, height };

	show(fd, &image);
	check_damage(fd, &image, 2, &one, 1);
	check_damage(fd, &image, 3, rects, ARRAY_SIZE(rects));
	check_damage(fd, &image, 4, &all, 1);
	/* A page flip has no clips. */
	draw_all(&image, 5);
	flip(fd, &image);
	check_shows(&image);
	destroy(fd, &image);
}

static void test_damage_alternating(int fd)
{
	const struct drm_mode_rect rects[] = {
		{ 10, 10, 50, 60 }, { 40, 40, 90, 100 }, { 0, 470, 640, 480 }, { 5, 50, 600, 55 },
	};
	struct image images[] = { create(fd, 1), create(fd, 2) };
	size_t i;

	show(fd, &images[0]);
	for (i = 0; i < ARRAY_SIZE(rects); i++)
		check_damage(fd, &images[(i + 1) % 2], 3 + i, &rects[i], 1);
	destroy(fd, &images[0]);
	destroy(fd, &images[1]);
}

static void test_damage_after_vram(int fd)
{
	const struct drm_mode_rect rect = { 10, 10, 50, 60 };
	struct image system = create(fd, 1), vram = create_in_vram(fd, 2);
	int i;

	show(fd, &system);
	for (i = 0; i < 2; i++) {
		commit(fd, &vram, 0, 0, &rect, 1);
		check_shows(&vram);
		draw_all(&system, 3 + i);
		commit(fd, &system, 0, 0, &rect, 1);
		check_shows(&system);
	}
	destroy(fd, &system);
	destroy(fd, &vram);
}

static void test_damage_panning(int fd)
{
	const struct drm_mode_rect rect = { 20, 20, 50, 60 };
	struct image image = create_with(fd, 1, 64, BARIUM_GEM_CREATE_SYSTEM);

	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	commit(fd, &image, 3, 5, &rect, 1);
	expect_all(&image, 3, 5);
	check_screen();
	/* The clip is in coordinates of the framebuffer. */
	draw_all(&image, 2);
	commit(fd, &image, 3, 5, &rect, 1);
	expect(&image, 3, 5, &rect);
	check_screen();
	destroy(fd, &image);
}

static void test_dirtyfb(int fd)
{
	struct drm_clip_rect clip = { .x1 = 10, .y1 = 20, .x2 = 300, .y2 = 21 };
	struct image image = create(fd, 1);

	show(fd, &image);
	draw_all(&image, 2);
	check_screen();
	igt_assert_eq(__barium_dirty_fb(fd, image.fb, &clip, 1), 0);
	expect(&image, 0, 0, &(struct drm_mode_rect) { 10, 20, 300, 21 });
	check_screen();
	igt_assert_eq(__barium_dirty_fb(fd, image.fb, NULL, 0), 0);
	check_shows(&image);
	destroy(fd, &image);
}

static void test_dirtyfb_hidden(int fd)
{
	struct image shown = create(fd, 1), hidden = create(fd, 2);

	show(fd, &shown);
	igt_assert_eq(__barium_dirty_fb(fd, hidden.fb, NULL, 0), 0);
	check_screen();
	barium_switch_off(fd, &pipeline);
	igt_assert_eq(__barium_dirty_fb(fd, shown.fb, NULL, 0), 0);
	destroy(fd, &shown);
	destroy(fd, &hidden);
}

static void test_modes(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct image image;
	__u32 i;

	for (i = 0; i < pipeline.count; i++) {
		pipeline.mode = pipeline.modes[i];
		if (pipeline.mode.hdisplay > MAX_WIDTH || pipeline.mode.vdisplay > MAX_HEIGHT)
			continue;
		/* The copy of the previous mode stays until this one is shown. */
		if ((__u64)MAX_WIDTH * pipeline.mode.vdisplay * CPP * 2 > device.vram_size)
			barium_switch_off(fd, &pipeline);
		image = create(fd, i);
		show(fd, &image);
		barium_munmap(image.map, image.size);
		gem_close(fd, image.handle);
	}
	barium_switch_off(fd, &pipeline);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void test_dpms(int fd)
{
	struct image image = create(fd, 1), other = create(fd, 2);

	show(fd, &image);
	barium_set_dpms(fd, &pipeline, DRM_MODE_DPMS_OFF);
	draw_all(&image, 3);
	barium_set_dpms(fd, &pipeline, DRM_MODE_DPMS_ON);
	check_shows(&image);

	barium_set_dpms(fd, &pipeline, DRM_MODE_DPMS_OFF);
	commit(fd, &other, 0, 0, &(struct drm_mode_rect) { 0, 0, 1, 1 }, 1);
	barium_set_dpms(fd, &pipeline, DRM_MODE_DPMS_ON);
	check_shows(&other);
	destroy(fd, &image);
	destroy(fd, &other);
}

static void test_evicts(int fd)
{
	size_t page = barium_page_size(), count, i;
	struct image image = create(fd, 1);
	__u32 *handles;
	void *map;

	count = barium_fill(fd, 64 * page, &handles);
	for (i = 0; i < count; i++) {
		map = barium_mmap(fd, handles[i], 64 * page);
		barium_stamp(map, 0, 64, i);
		barium_munmap(map, 64 * page);
	}
	show(fd, &image);
	for (i = 0; i < count; i++) {
		map = barium_mmap(fd, handles[i], 64 * page);
		barium_check_stamp(map, 0, 64, i);
		barium_munmap(map, 64 * page);
		gem_close(fd, handles[i]);
	}
	check_screen();
	free(handles);
	destroy(fd, &image);
}

static void test_no_room(int fd)
{
	struct image image = create(fd, 1), large = new_image(0);
	struct drm_mode_crtc_page_flip arg = { .crtc_id = pipeline.crtc, .fb_id = image.fb };

	large.size = device.vram_size - barium_page_size();
	igt_assert_eq(__barium_gem_create(fd, &large.size, BARIUM_GEM_CREATE_CONTIGUOUS,
					  &large.handle), 0);
	large.map = barium_mmap(fd, large.handle, large.size);
	draw_all(&large, 2);
	add_fb(fd, &large);
	show(fd, &large);
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_PAGE_FLIP, &arg), -ENOSPC);
	check_screen();
	barium_switch_off(fd, &pipeline);
	show(fd, &image);
	destroy(fd, &image);
	destroy(fd, &large);
}

/* With swap, the kernel can swap the object out as soon as it is not shown. */
static void test_shrink(int fd)
{
	struct image image = create(fd, 1);
	__u32 retained;

	barium_remove_fb(fd, image.fb);
	igt_assert(barium_madvise(fd, image.handle, BARIUM_MADVISE_DONTNEED));
	add_fb(fd, &image);
	show(fd, &image);
	igt_assert_eq(__barium_madvise(fd, image.handle, BARIUM_MADVISE_DONTNEED, &retained),
		      -EBUSY);
	barium_shrink();
	igt_assert_eq_u64(barium_in_memory(fd), image.size);
	draw_all(&image, 2);
	igt_assert_eq(__barium_dirty_fb(fd, image.fb, NULL, 0), 0);
	check_shows(&image);

	barium_switch_off(fd, &pipeline);
	barium_shrink();
	igt_assert_eq_u64(barium_in_memory(fd), barium_meminfo("SwapFree") ? 0 : image.size);
	barium_set_crtc(fd, &pipeline, image.fb, 0, 0);
	check_screen();
	igt_assert(barium_madvise(fd, image.handle, BARIUM_MADVISE_WILLNEED));
	destroy(fd, &image);
}

static void test_removed(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR);
	struct image image = create(fd, 1);

	show(fd, &image);
	destroy(fd, &image);
	igt_assert_eq_u64(barium_vram_available(fd), before);

	image = create(fd, 2);
	show(fd, &image);
	barium_munmap(image.map, image.size);
	close(fd);
	wait_for_vram(other, before);
	close(other);
}

/* Binds the device again, and asserts that it shows an object in system memory. */
static void bind_and_show(void)
{
	struct image image;
	int fd;

	barium_bind();
	fd = barium_open_primary();
	barium_find_small_pipe(fd, &pipeline);
	image = create(fd, 9);
	show(fd, &image);
	destroy(fd, &image);
	close(fd);
}

static void test_unbind_while_shown(int fd)
{
	struct image image = create(fd, 1);

	show(fd, &image);
	barium_unbind();
	igt_assert_eq(__barium_set_crtc(fd, &pipeline, image.fb, 0, 0, &pipeline.mode), -ENODEV);
	igt_assert_eq_u32(*pixel(&image, 1, 1), barium_color(1, 1, 1));
	bind_and_show();
	barium_munmap(image.map, image.size);
}

static void test_unbind_with_flip(int fd)
{
	struct image front = create(fd, 1), back = create(fd, 2);

	show(fd, &front);
	barium_flip(fd, &pipeline, back.fb, 7);
	barium_unbind();
	barium_flipped(fd, &pipeline, 7);
	barium_munmap(front.map, front.size);
	barium_munmap(back.map, back.size);
	bind_and_show();
}

static void test_attached(int fd)
{
	const struct drm_mode_rect rect = { 20, 20, 50, 60 };
	int vgem = barium_load_and_open("vgem"), buf;
	struct image image = create_in_vram(fd, 1);

	buf = barium_export(fd, image.handle);
	barium_import(vgem, buf);
	show(fd, &image);
	check_damage(fd, &image, 2, &rect, 1);
	flip(fd, &image);
	check_shows(&image);
	close(buf);
	destroy(fd, &image);
	close(vgem);
}

static void test_attached_after_shown(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	struct image image = create_in_vram(fd, 1);
	__u32 handle;

	show(fd, &image);
	buf = barium_export(fd, image.handle);
	igt_assert_eq(__barium_import(vgem, buf, &handle), -EBUSY);
	barium_switch_off(fd, &pipeline);
	barium_import(vgem, buf);
	show(fd, &image);
	close(buf);
	destroy(fd, &image);
	close(vgem);
}

static void test_detached(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	struct image image = create_in_vram(fd, 1), other = create_in_vram(fd, 2);
	__u32 handle;

	buf = barium_export(fd, image.handle);
	handle = barium_import(vgem, buf);
	show(fd, &image);
	gem_close(vgem, handle);
	close(buf);
	show(fd, &other);
	show(fd, &image);
	/* The device scans out the object, so no commit is necessary. */
	draw_all(&image, 3);
	check_shows(&image);
	destroy(fd, &image);
	destroy(fd, &other);
	close(vgem);
}

/* Imports a dma-buf with the size of @image, and draws the image made from @seed in it. */
static void import(int fd, int buf, struct image *image, __u32 seed)
{
	image->handle = barium_import(fd, buf);
	image->map = barium_map_buf(buf, 0, image->size / barium_page_size());
	draw_all(image, seed);
	add_fb(fd, image);
}

/* Imports a new buffer of vgem, and stores vgem's handle. */
static struct image import_vgem(int fd, int vgem, __u32 seed, __u32 *handle)
{
	struct image image = new_image(0);
	struct drm_mode_create_dumb dumb = {
		.width = image.width,
		.height = image.height,
		.bpp = CPP * 8,
	};
	int buf;

	do_ioctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb);
	image.pitch = dumb.pitch;
	image.size = dumb.size;
	buf = barium_export(vgem, dumb.handle);
	import(fd, buf, &image, seed);
	close(buf);
	*handle = dumb.handle;
	return image;
}

static void check_imported(int fd, struct image *image)
{
	const struct drm_mode_rect rect = { 20, 20, 50, 60 };
	struct drm_clip_rect clip = { .x1 = 10, .y1 = 20, .x2 = 300, .y2 = 21 };
	struct image vram = create_in_vram(fd, 9);

	show(fd, image);
	check_damage(fd, image, 2, &rect, 1);
	igt_assert_eq(__barium_dirty_fb(fd, image->fb, &clip, 1), 0);
	expect(image, 0, 0, &(struct drm_mode_rect) { 10, 20, 300, 21 });
	check_screen();
	flip(fd, &vram);
	check_shows(&vram);
	flip(fd, image);
	check_shows(image);
	destroy(fd, &vram);
}

static void test_import_udmabuf(int fd)
{
	struct image image = new_image(0);
	int buf = barium_make_udmabuf(image.size / barium_page_size(), NULL);

	import(fd, buf, &image, 1);
	close(buf);
	check_imported(fd, &image);
	destroy(fd, &image);
}

static void test_import_vgem(int fd)
{
	int vgem = barium_load_and_open("vgem");
	__u32 handle;
	struct image image = import_vgem(fd, vgem, 1, &handle);

	check_imported(fd, &image);
	destroy(fd, &image);
	close(vgem);
}

static void test_import_barium(int fd)
{
	struct image image = new_image(0);
	__u64 available;
	__u32 handle;
	int other, buf;

	other = __barium_open_slot(getenv("BARIUM_OTHER_DEVICE"), O_RDWR);
	igt_assert_lte(0, other);
	available = barium_vram_available(other);
	igt_assert_eq(__barium_gem_create(other, &image.size, 0, &handle), 0);
	buf = barium_export(other, handle);
	import(fd, buf, &image, 1);
	igt_assert_eq_u64(barium_vram_available(other), available);
	close(buf);
	close(other);
	check_imported(fd, &image);
	destroy(fd, &image);
}

static void test_import_outlives_exporter(int fd)
{
	int vgem = barium_load_and_open("vgem");
	__u32 handle;
	struct image image = import_vgem(fd, vgem, 1, &handle);

	close(vgem);
	show(fd, &image);
	destroy(fd, &image);
}

static void test_import_fence(int fd)
{
	int vgem = barium_load_and_open("vgem");
	struct drm_vgem_fence_attach attach = { .flags = VGEM_FENCE_WRITE };
	struct drm_vgem_fence_signal signal = {};
	struct image system = create(fd, 1);
	struct image image = import_vgem(fd, vgem, 2, &attach.handle);
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	show(fd, &system);
	do_ioctl(vgem, DRM_IOCTL_VGEM_FENCE_ATTACH, &attach);
	barium_flip(fd, &pipeline, image.fb, 1);
	igt_assert_eq(poll(&poll_fd, 1, 100), 0);
	check_screen();
	draw_all(&image, 3);
	signal.fence = attach.out_fence;
	do_ioctl(vgem, DRM_IOCTL_VGEM_FENCE_SIGNAL, &signal);
	barium_flipped(fd, &pipeline, 1);
	check_shows(&image);
	destroy(fd, &image);
	destroy(fd, &system);
	close(vgem);
}

int igt_main()
{
	igt_fixture() {
		int fd;

		barium_prepare_unplug();
		fd = barium_open_primary();
		barium_find_scanout(fd, &device);
		barium_find_small_pipe(fd, &pipeline);
		find_plane(fd);
		close(fd);
	}

	igt_describe("An object in system memory is shown, and the picture takes VRAM.");
	igt_subtest("system")
		test_system(barium_new_bound_primary_client());

	igt_describe("Page flips between two objects in system memory show each of them.");
	igt_subtest("flip")
		test_flip(barium_new_bound_primary_client());

	igt_describe("Page flips between objects in system memory and in VRAM show each of them.");
	igt_subtest("flip-to-vram")
		test_flip_to_vram(barium_new_bound_primary_client());

	igt_describe("Each part of a framebuffer in system memory can be shown.");
	igt_subtest("panning")
		test_panning(barium_new_bound_primary_client());

	igt_describe("A framebuffer in system memory can have any pitch and offset.");
	igt_subtest("any-pitch")
		test_any_pitch(barium_new_bound_primary_client());

	igt_describe("ADDFB2 of a framebuffer that exceeds its object in system memory fails.");
	igt_subtest("object-end")
		test_object_end(barium_new_bound_primary_client());

	igt_describe("A commit with damage clips copies the clips, and nothing else.");
	igt_subtest("damage")
		test_damage(barium_new_bound_primary_client());

	igt_describe("Damage clips are copied over the picture of the previous framebuffer.");
	igt_subtest("damage-alternating")
		test_damage_alternating(barium_new_bound_primary_client());

	igt_describe("The first commit of an object in system memory shows all of it.");
	igt_subtest("damage-after-vram")
		test_damage_after_vram(barium_new_bound_primary_client());

	igt_describe("A commit that shows another part of a framebuffer copies all of it.");
	igt_subtest("damage-panning")
		test_damage_panning(barium_new_bound_primary_client());

	igt_describe("DIRTYFB shows the drawing in its clips, or all of it without clips.");
	igt_subtest("dirtyfb")
		test_dirtyfb(barium_new_bound_primary_client());

	igt_describe("DIRTYFB of a framebuffer that is not shown changes nothing.");
	igt_subtest("dirtyfb-hidden")
		test_dirtyfb_hidden(barium_new_bound_primary_client());

	igt_describe("DPMS on shows drawings and flips from the time when the screen was off.");
	igt_subtest("dpms")
		test_dpms(barium_new_bound_primary_client());

	igt_describe("Objects in VRAM make room for the copy, and keep their content.");
	igt_subtest("evicts")
		test_evicts(barium_new_bound_primary_client());

	igt_describe("A flip fails with ENOSPC if the shown picture leaves no room for the copy.");
	igt_subtest("no-room")
		test_no_room(barium_new_bound_primary_client());

	igt_describe("An object that is shown keeps its memory, and after that its content.");
	igt_subtest("shrink-while-shown")
		test_shrink(barium_new_bound_primary_client());

	igt_describe("The copy is freed when its framebuffer is removed or the client is closed.");
	igt_subtest("removed")
		test_removed(barium_new_bound_primary_client());

	igt_describe("A device that shows system memory can be unbound and bound again.");
	igt_subtest("unbind-while-shown")
		test_unbind_while_shown(barium_new_bound_primary_client());

	igt_describe("A pending flip of an object in system memory ends after unbind.");
	igt_subtest("unbind-with-flip")
		test_unbind_with_flip(barium_new_bound_primary_client());

	igt_describe("An object that another device has imported is shown.");
	igt_subtest("attached")
		test_attached(barium_new_bound_primary_client());

	igt_describe("Another device can import an object that was shown, and it is shown again.");
	igt_subtest("attached-after-shown")
		test_attached_after_shown(barium_new_bound_primary_client());

	igt_describe("An object that no other device uses any more is shown where it is in VRAM.");
	igt_subtest("detached")
		test_detached(barium_new_bound_primary_client());

	igt_describe("An imported udmabuf is shown, with its damage.");
	igt_subtest("import-udmabuf")
		test_import_udmabuf(barium_new_bound_primary_client());

	igt_describe("An imported buffer of vgem is shown, with its damage.");
	igt_subtest("import-vgem")
		test_import_vgem(barium_new_bound_primary_client());

	igt_describe("An imported object is shown after the exporter's client is closed.");
	igt_subtest("import-outlives-exporter")
		test_import_outlives_exporter(barium_new_bound_primary_client());

	igt_describe("A flip to an imported object waits for the device that writes to it.");
	igt_subtest("import-fence")
		test_import_fence(barium_new_bound_primary_client());

	igt_describe("Objects in system memory are shown in one mode after the other.");
	igt_subtest("modes")
		test_modes(barium_new_bound_primary_client());

	/* The PCI address of another device of the driver. */
	if (getenv("BARIUM_OTHER_DEVICE")) {
		igt_describe("An object of another Barium device is shown from system memory.");
		igt_subtest("import-barium")
			test_import_barium(barium_new_bound_primary_client());
	}
}
