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
 * SUBTEST: copy-time
 * Description: The time in which a copy is drawn counts for the client, and that in which an
 *   object is copied into VRAM.
 *
 * SUBTEST: removed
 * Description: The copy is freed when its framebuffer is removed or the client is closed.
 *
 * SUBTEST: unbind-while-shown
 * Description: A device that shows system memory can be unbound and bound again.
 *
 * SUBTEST: unbind-with-flip
 * Description: A pending flip of an object in system memory ends after unbind.
 */
#include <errno.h>
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_debugfs.h"
#include "barium_lib_image.h"
#include "barium_lib_mapping.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Showing framebuffers that cannot be in VRAM.");

/* The bytes of the longest line. */
#define LINE_BYTES ((__u64)BARIUM_MAX_WIDTH * BARIUM_CPP)

static struct barium_display display;

static struct barium_image create_with_margin(int fd, __u32 seed, __u32 margin)
{
	return barium_create_image(fd, &display, seed, margin, BARIUM_GEM_CREATE_SYSTEM);
}

static struct barium_image create(int fd, __u32 seed)
{
	return create_with_margin(fd, seed, 0);
}

static struct barium_image create_in_vram(int fd, __u32 seed)
{
	return barium_create_image(fd, &display, seed, 0, BARIUM_GEM_CREATE_CONTIGUOUS);
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
		struct barium_image image = barium_create_image(fd, &display, i + 1, 0, flags[i]);

		igt_assert_eq_u64(barium_vram_available(fd), before);
		barium_show_image(fd, &display, &image);
		igt_assert_eq_u64(barium_vram_available(fd), before - image.size);
		barium_switch_off(fd, &display.pipe);
		igt_assert_eq_u64(barium_vram_available(fd), before);
		barium_destroy_image(fd, &image);
	}
}

static void test_copy_time(int fd)
{
	struct barium_image image = create(fd, 1), vram = create_in_vram(fd, 2);
	__u64 ns = barium_copy_time(fd);

	barium_show_image(fd, &display, &image);
	igt_assert(barium_copy_time(fd) > ns);
	barium_switch_off(fd, &display.pipe);
	barium_evict(fd);
	ns = barium_copy_time(fd);
	barium_show_image(fd, &display, &vram);
	igt_assert(barium_copy_time(fd) > ns);
	barium_destroy_image(fd, &image);
	barium_destroy_image(fd, &vram);
}

static void test_flip(int fd)
{
	struct barium_image front = create(fd, 1), back = create(fd, 2);
	int i;

	barium_show_image(fd, &display, &front);
	for (i = 0; i < 4; i++) {
		barium_flip_image(fd, &display, &back);
		barium_check_image(&display, &back);
		barium_draw_image(&front, 3 + i);
		barium_flip_image(fd, &display, &front);
		barium_check_image(&display, &front);
	}
	barium_destroy_image(fd, &front);
	barium_destroy_image(fd, &back);
}

static void test_flip_to_vram(int fd)
{
	struct barium_image system = create(fd, 1), vram = create_in_vram(fd, 2);
	__u64 before = barium_vram_available(fd);
	int i;

	barium_show_image(fd, &display, &system);
	for (i = 0; i < 3; i++) {
		barium_flip_image(fd, &display, &vram);
		barium_check_image(&display, &vram);
		wait_for_vram(fd, before);
		barium_draw_image(&system, 3 + i);
		barium_flip_image(fd, &display, &system);
		barium_check_image(&display, &system);
	}
	barium_switch_off(fd, &display.pipe);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	barium_destroy_image(fd, &system);
	barium_destroy_image(fd, &vram);
}

static void test_panning(int fd)
{
	struct barium_image image = create_with_margin(fd, 1, 64);
	__u32 x, y;

	for (y = 0; y <= 64; y += 32) {
		for (x = 0; x <= 64; x += 13) {
			barium_set_crtc(fd, &display.pipe, image.fb, x, y);
			barium_expect_image(&display, &image, x, y);
			barium_check_expected(&display);
		}
	}
	igt_assert_eq(__barium_set_crtc(fd, &display.pipe, image.fb, 65, 0, &display.pipe.mode),
		      -ENOSPC);
	barium_destroy_image(fd, &image);
}

static void test_any_pitch(int fd)
{
	static const __u32 pitches[] = { 4, 36, 4096 }, offsets[] = { 4, 60, 4100 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pitches); i++) {
		struct barium_image image = barium_new_image(&display, 0);

		image.pitch += pitches[i];
		image.offset = offsets[i];
		image.size = image.offset + (__u64)image.pitch * image.height;
		igt_assert_eq(__barium_gem_create(fd, &image.size, BARIUM_GEM_CREATE_SYSTEM,
						  &image.handle), 0);
		image.map = barium_mmap(fd, image.handle, image.size);
		barium_draw_image(&image, i + 1);
		barium_add_image_fb(fd, &image);
		barium_show_image(fd, &display, &image);
		barium_destroy_image(fd, &image);
	}
}

static void test_object_end(int fd)
{
	__u32 page = barium_page_size(), pitch = 64 * BARIUM_CPP, lines = page / pitch, fb;
	__u64 size = page;
	__u32 handle;

	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_SYSTEM, &handle), 0);
	barium_remove_fb(fd, barium_add_fb(fd, handle, 64, lines, pitch, 0));
	igt_assert_eq(__barium_add_fb(fd, handle, 64, lines + 1, pitch, 0, &fb), -EINVAL);
	igt_assert_eq(__barium_add_fb(fd, handle, 64, lines, pitch, 4, &fb), -EINVAL);
	igt_assert_eq(__barium_add_fb(fd, handle, 64, lines, pitch - 4, 0, &fb), -EINVAL);
	gem_close(fd, handle);
}

static void test_damage(int fd)
{
	int width = display.pipe.mode.hdisplay, height = display.pipe.mode.vdisplay;
	struct barium_image image = create(fd, 1);
	const struct drm_mode_rect one = { 13, 17, 200, 90 }, rects[] = {
		{ 0, 0, 1, 1 },
		{ width - 1, height - 1, width, height },
		{ 300, 100, 301, 400 },
		{ 20, 200, 600, 203 },
	}, all = { 0, 0, width, height };

	barium_show_image(fd, &display, &image);
	barium_check_damage(fd, &display, &image, 2, &one, 1);
	barium_check_damage(fd, &display, &image, 3, rects, ARRAY_SIZE(rects));
	barium_check_damage(fd, &display, &image, 4, &all, 1);
	/* A page flip has no clips. */
	barium_draw_image(&image, 5);
	barium_flip_image(fd, &display, &image);
	barium_check_image(&display, &image);
	barium_destroy_image(fd, &image);
}

static void test_damage_alternating(int fd)
{
	const struct drm_mode_rect rects[] = {
		{ 10, 10, 50, 60 }, { 40, 40, 90, 100 }, { 0, 470, 640, 480 }, { 5, 50, 600, 55 },
	};
	struct barium_image images[] = { create(fd, 1), create(fd, 2) };
	size_t i;

	barium_show_image(fd, &display, &images[0]);
	for (i = 0; i < ARRAY_SIZE(rects); i++)
		barium_check_damage(fd, &display, &images[(i + 1) % 2], 3 + i, &rects[i], 1);
	barium_destroy_image(fd, &images[0]);
	barium_destroy_image(fd, &images[1]);
}

static void test_damage_after_vram(int fd)
{
	const struct drm_mode_rect rect = { 10, 10, 50, 60 };
	struct barium_image system = create(fd, 1), vram = create_in_vram(fd, 2);
	int i;

	barium_show_image(fd, &display, &system);
	for (i = 0; i < 2; i++) {
		barium_commit_image(fd, &display, &vram, 0, 0, &rect, 1);
		barium_check_image(&display, &vram);
		barium_draw_image(&system, 3 + i);
		barium_commit_image(fd, &display, &system, 0, 0, &rect, 1);
		barium_check_image(&display, &system);
	}
	barium_destroy_image(fd, &system);
	barium_destroy_image(fd, &vram);
}

static void test_damage_panning(int fd)
{
	const struct drm_mode_rect rect = { 20, 20, 50, 60 };
	struct barium_image image = create_with_margin(fd, 1, 64);

	barium_set_crtc(fd, &display.pipe, image.fb, 0, 0);
	barium_commit_image(fd, &display, &image, 3, 5, &rect, 1);
	barium_expect_image(&display, &image, 3, 5);
	barium_check_expected(&display);
	/* The clip is in coordinates of the framebuffer. */
	barium_draw_image(&image, 2);
	barium_commit_image(fd, &display, &image, 3, 5, &rect, 1);
	barium_expect_part(&display, &image, 3, 5, &rect);
	barium_check_expected(&display);
	barium_destroy_image(fd, &image);
}

static void test_dirtyfb(int fd)
{
	struct drm_clip_rect clip = { .x1 = 10, .y1 = 20, .x2 = 300, .y2 = 21 };
	struct barium_image image = create(fd, 1);

	barium_show_image(fd, &display, &image);
	barium_draw_image(&image, 2);
	barium_check_expected(&display);
	igt_assert_eq(__barium_dirty_fb(fd, image.fb, &clip, 1), 0);
	barium_expect_part(&display, &image, 0, 0, &(struct drm_mode_rect) { 10, 20, 300, 21 });
	barium_check_expected(&display);
	igt_assert_eq(__barium_dirty_fb(fd, image.fb, NULL, 0), 0);
	barium_check_image(&display, &image);
	barium_destroy_image(fd, &image);
}

static void test_dirtyfb_hidden(int fd)
{
	struct barium_image shown = create(fd, 1), hidden = create(fd, 2);

	barium_show_image(fd, &display, &shown);
	igt_assert_eq(__barium_dirty_fb(fd, hidden.fb, NULL, 0), 0);
	barium_check_expected(&display);
	barium_switch_off(fd, &display.pipe);
	igt_assert_eq(__barium_dirty_fb(fd, shown.fb, NULL, 0), 0);
	barium_destroy_image(fd, &shown);
	barium_destroy_image(fd, &hidden);
}

static void test_modes(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_pipe *pipe = &display.pipe;
	struct barium_image image;
	__u32 i;

	for (i = 0; i < pipe->count; i++) {
		pipe->mode = pipe->modes[i];
		if (pipe->mode.hdisplay > BARIUM_MAX_WIDTH ||
		    pipe->mode.vdisplay > BARIUM_MAX_HEIGHT)
			continue;
		/* The copy of the previous mode stays until this one is shown. */
		if (2 * LINE_BYTES * pipe->mode.vdisplay > display.scanout.vram_size)
			barium_switch_off(fd, pipe);
		image = create(fd, i);
		barium_show_image(fd, &display, &image);
		barium_munmap(image.map, image.size);
		gem_close(fd, image.handle);
	}
	barium_switch_off(fd, pipe);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void test_dpms(int fd)
{
	struct barium_image image = create(fd, 1), other = create(fd, 2);

	barium_show_image(fd, &display, &image);
	barium_set_dpms(fd, &display.pipe, DRM_MODE_DPMS_OFF);
	barium_draw_image(&image, 3);
	barium_set_dpms(fd, &display.pipe, DRM_MODE_DPMS_ON);
	barium_check_image(&display, &image);

	barium_set_dpms(fd, &display.pipe, DRM_MODE_DPMS_OFF);
	barium_commit_image(fd, &display, &other, 0, 0, &(struct drm_mode_rect) { 0, 0, 1, 1 }, 1);
	barium_set_dpms(fd, &display.pipe, DRM_MODE_DPMS_ON);
	barium_check_image(&display, &other);
	barium_destroy_image(fd, &image);
	barium_destroy_image(fd, &other);
}

static void test_evicts(int fd)
{
	size_t page = barium_page_size(), count, i;
	struct barium_image image = create(fd, 1);
	__u32 *handles;
	void *map;

	count = barium_fill(fd, 64 * page, &handles);
	for (i = 0; i < count; i++) {
		map = barium_mmap(fd, handles[i], 64 * page);
		barium_stamp(map, 0, 64, i);
		barium_munmap(map, 64 * page);
	}
	barium_show_image(fd, &display, &image);
	for (i = 0; i < count; i++) {
		map = barium_mmap(fd, handles[i], 64 * page);
		barium_check_stamp(map, 0, 64, i);
		barium_munmap(map, 64 * page);
		gem_close(fd, handles[i]);
	}
	barium_check_expected(&display);
	free(handles);
	barium_destroy_image(fd, &image);
}

static void test_no_room(int fd)
{
	struct barium_image image = create(fd, 1), large = barium_new_image(&display, 0);
	struct drm_mode_crtc_page_flip arg = { .crtc_id = display.pipe.crtc, .fb_id = image.fb };

	large.size = display.scanout.vram_size - barium_page_size();
	igt_assert_eq(__barium_gem_create(fd, &large.size, BARIUM_GEM_CREATE_CONTIGUOUS,
					  &large.handle), 0);
	large.map = barium_mmap(fd, large.handle, large.size);
	barium_draw_image(&large, 2);
	barium_add_image_fb(fd, &large);
	barium_show_image(fd, &display, &large);
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_PAGE_FLIP, &arg), -ENOSPC);
	barium_check_expected(&display);
	barium_switch_off(fd, &display.pipe);
	barium_show_image(fd, &display, &image);
	barium_destroy_image(fd, &image);
	barium_destroy_image(fd, &large);
}

/* With swap, the kernel can swap the object out as soon as it is not shown. */
static void test_shrink(int fd)
{
	struct barium_image image = create(fd, 1);
	__u32 retained;

	barium_remove_fb(fd, image.fb);
	igt_assert(barium_madvise(fd, image.handle, BARIUM_MADVISE_DONTNEED));
	barium_add_image_fb(fd, &image);
	barium_show_image(fd, &display, &image);
	igt_assert_eq(__barium_madvise(fd, image.handle, BARIUM_MADVISE_DONTNEED, &retained),
		      -EBUSY);
	barium_shrink();
	igt_assert_eq_u64(barium_in_memory(fd), image.size);
	barium_draw_image(&image, 2);
	igt_assert_eq(__barium_dirty_fb(fd, image.fb, NULL, 0), 0);
	barium_check_image(&display, &image);

	barium_switch_off(fd, &display.pipe);
	barium_shrink();
	igt_assert_eq_u64(barium_in_memory(fd), barium_meminfo("SwapFree") ? 0 : image.size);
	barium_set_crtc(fd, &display.pipe, image.fb, 0, 0);
	barium_check_expected(&display);
	igt_assert(barium_madvise(fd, image.handle, BARIUM_MADVISE_WILLNEED));
	barium_destroy_image(fd, &image);
}

static void test_removed(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR);
	struct barium_image image = create(fd, 1);

	barium_show_image(fd, &display, &image);
	barium_destroy_image(fd, &image);
	igt_assert_eq_u64(barium_vram_available(fd), before);

	image = create(fd, 2);
	barium_show_image(fd, &display, &image);
	barium_munmap(image.map, image.size);
	close(fd);
	wait_for_vram(other, before);
	close(other);
}

/* Binds the device again, and asserts that it shows an object in system memory. */
static void bind_and_show(void)
{
	struct barium_image image;
	int fd;

	barium_bind();
	fd = barium_open_primary();
	barium_find_small_pipe(fd, &display.pipe);
	image = create(fd, 9);
	barium_show_image(fd, &display, &image);
	barium_destroy_image(fd, &image);
	close(fd);
}

static void test_unbind_while_shown(int fd)
{
	struct barium_image image = create(fd, 1);

	barium_show_image(fd, &display, &image);
	barium_unbind();
	igt_assert_eq(__barium_set_crtc(fd, &display.pipe, image.fb, 0, 0, &display.pipe.mode),
		      -ENODEV);
	igt_assert_eq_u32(*barium_image_pixel(&image, 1, 1), barium_color(1, 1, 1));
	bind_and_show();
	barium_munmap(image.map, image.size);
}

static void test_unbind_with_flip(int fd)
{
	struct barium_image front = create(fd, 1), back = create(fd, 2);

	barium_show_image(fd, &display, &front);
	barium_flip(fd, &display.pipe, back.fb, 7);
	barium_unbind();
	barium_flipped(fd, &display.pipe, 7);
	barium_munmap(front.map, front.size);
	barium_munmap(back.map, back.size);
	bind_and_show();
}

int igt_main()
{
	igt_fixture() {
		int fd;

		barium_prepare_unplug();
		fd = barium_open_primary();
		barium_find_display(fd, &display);
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

	igt_describe("The time in which CPUs copy to the screen counts for the client.");
	igt_subtest("copy-time") {
		barium_require_debugfs();
		test_copy_time(barium_new_bound_primary_client());
	}

	igt_describe("The copy is freed when its framebuffer is removed or the client is closed.");
	igt_subtest("removed")
		test_removed(barium_new_bound_primary_client());

	igt_describe("A device that shows system memory can be unbound and bound again.");
	igt_subtest("unbind-while-shown")
		test_unbind_while_shown(barium_new_bound_primary_client());

	igt_describe("A pending flip of an object in system memory ends after unbind.");
	igt_subtest("unbind-with-flip")
		test_unbind_with_flip(barium_new_bound_primary_client());

	igt_describe("Objects in system memory are shown in one mode after the other.");
	igt_subtest("modes")
		test_modes(barium_new_bound_primary_client());
}
