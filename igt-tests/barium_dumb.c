// SPDX-License-Identifier: MIT
/**
 * TEST: barium dumb
 * Description: Tests of dumb buffers: their pitch and size, invalid arguments with their errors,
 *   and that a dumb buffer is a contiguous object in VRAM. Scanning them out is tested in
 *   barium_kms.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Dumb buffers
 *
 * SUBTEST: geometry
 * Description: The pitch is a multiple of 8 pixels, the size one of the page size.
 *
 * SUBTEST: small-pixels
 * Description: A pixel may have less than 8 bits.
 *
 * SUBTEST: size-zero
 * Description: A buffer without pixels fails with EINVAL.
 *
 * SUBTEST: size-overflow
 * Description: A pitch or size that overflows 32 bits fails with EINVAL.
 *
 * SUBTEST: pixels-unknown
 * Description: An unknown number of bits per pixel fails with EINVAL.
 *
 * SUBTEST: no-space
 * Description: A buffer larger than VRAM fails with ENOSPC. One that finds no room takes no VRAM.
 *
 * SUBTEST: fragmented-vram
 * Description: A buffer without a contiguous range in VRAM moves other objects out.
 *
 * SUBTEST: is-object
 * Description: A dumb buffer is a contiguous object.
 *
 * SUBTEST: map-shared
 * Description: MAP_DUMB and GEM_MMAP_OFFSET map the same pages.
 *
 * SUBTEST: map-unknown
 * Description: MAP_DUMB and DESTROY_DUMB of an unknown handle fail.
 *
 * SUBTEST: reads-zero
 * Description: A new buffer reads as zero.
 *
 * SUBTEST: outlives-handle
 * Description: A mapping holds the buffer after its handle is destroyed.
 *
 * SUBTEST: render-refused
 * Description: The dumb buffer ioctls fail with EACCES on the render node.
 *
 * SUBTEST: prefer-shadow
 * Description: The device advises clients not to read its write-combined dumb buffers.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Dumb buffers in VRAM.");

#define RW	(PROT_READ | PROT_WRITE)

/* The pitch is a multiple of this many pixels, as VGA requires. */
#define PITCH_PIXELS	8

static int __create(int fd, __u32 width, __u32 height, __u32 bpp, struct drm_mode_create_dumb *dumb)
{
	/* The returned values must not depend on the input values. */
	*dumb = (struct drm_mode_create_dumb) {
		.width = width,
		.height = height,
		.bpp = bpp,
		.handle = ~0u,
		.pitch = ~0u,
		.size = ~0ull,
	};

	return barium_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, dumb);
}

static struct drm_mode_create_dumb create(int fd, __u32 width, __u32 height, __u32 bpp)
{
	struct drm_mode_create_dumb dumb;

	igt_assert_f(__create(fd, width, height, bpp, &dumb) == 0, "%ux%u pixels, %u bpp\n",
		     width, height, bpp);
	return dumb;
}

static int __destroy(int fd, __u32 handle)
{
	struct drm_mode_destroy_dumb dumb = { .handle = handle };

	return barium_ioctl(fd, DRM_IOCTL_MODE_DESTROY_DUMB, &dumb);
}

static int __map_offset(int fd, __u32 handle, __u64 *offset)
{
	struct drm_mode_map_dumb dumb = { .handle = handle };
	int err = barium_ioctl(fd, DRM_IOCTL_MODE_MAP_DUMB, &dumb);

	*offset = dumb.offset;
	return err;
}

static void *map(int fd, const struct drm_mode_create_dumb *dumb)
{
	__u64 offset;
	void *map;

	igt_assert_eq(__map_offset(fd, dumb->handle, &offset), 0);
	igt_assert_eq(__barium_mmap(fd, dumb->size, RW, MAP_SHARED, offset, &map), 0);
	return map;
}

/*
 * Asserts that CREATE_DUMB fails with @error, a positive errno, returns zeroed values and allocates
 * no VRAM.
 */
static void create_refused(int fd, __u32 width, __u32 height, __u32 bpp, int error)
{
	__u64 before = barium_vram_available(fd);
	struct drm_mode_create_dumb dumb;

	igt_assert_f(__create(fd, width, height, bpp, &dumb) == -error,
		     "%#x x %#x pixels, %u bpp: CREATE_DUMB does not fail with errno %d\n", width,
		     height, bpp, error);
	igt_assert_eq_u32(dumb.handle, 0);
	igt_assert_eq_u32(dumb.pitch, 0);
	igt_assert_eq_u64(dumb.size, 0);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* The pitch is the width rounded up to a multiple of PITCH_PIXELS, and no larger. */
static void test_geometry(int fd)
{
	const __u32 bpps[] = { 8, 10, 12, 15, 16, 24, 30, 32, 64 };
	const __u32 widths[] = { 1, 7, 8, 9, 64, 633, 640, 1366 };
	size_t page = barium_page_size(), b, w;
	struct drm_mode_create_dumb dumb;
	__u32 bytes;

	for (b = 0; b < ARRAY_SIZE(bpps); b++) {
		for (w = 0; w < ARRAY_SIZE(widths); w++) {
			bytes = (bpps[b] + 7) / 8;
			dumb = create(fd, widths[w], 13, bpps[b]);
			igt_assert_eq_u32(dumb.pitch % (PITCH_PIXELS * bytes), 0);
			igt_assert_eq_u32(dumb.pitch / (PITCH_PIXELS * bytes),
					  (widths[w] + PITCH_PIXELS - 1) / PITCH_PIXELS);
			igt_assert_eq_u64(dumb.size % page, 0);
			igt_assert_eq_u64(dumb.size / page,
					  (dumb.pitch * 13 + page - 1) / page);
			igt_assert_eq(__destroy(fd, dumb.handle), 0);
		}
	}
}

static void test_pixels_unknown(int fd)
{
	const __u32 bpps[] = { 3, 5, 7, 9, 11, 13, 17, 20, 23, 31, 33, 40, 48, 63, 65, 96, 128,
			       255 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bpps); i++)
		create_refused(fd, 64, 64, bpps[i], EINVAL);
}

/* MAP_DUMB and GEM_MMAP_OFFSET map the same pages, for dumb buffers and for other objects. */
static void test_map_shared(int fd)
{
	struct drm_mode_create_dumb dumb = create(fd, 1000, 100, 32);
	size_t page = barium_page_size(), pages = dumb.size / page;
	struct barium_bo bo = barium_bo_create(fd, 4);
	void *one = map(fd, &dumb), *other = barium_mmap(fd, dumb.handle, dumb.size);
	__u64 offset;

	barium_stamp(one, 0, pages, 1);
	barium_check_stamp(other, 0, pages, 1);
	igt_assert_eq(__map_offset(fd, bo.handle, &offset), 0);
	igt_assert_eq_u64(offset, bo.offset);

	barium_munmap(one, dumb.size);
	barium_munmap(other, dumb.size);
	barium_bo_fini(fd, &bo);
	igt_assert_eq(__destroy(fd, dumb.handle), 0);
}

/* The buffer does not contain the data of a freed buffer. */
static void test_reads_zero(int fd)
{
	__u64 quarter = barium_vram_available(fd) / 4;
	struct drm_mode_create_dumb dumb;
	void *at;
	int turn;

	for (turn = 0; turn < 8; turn++) {
		dumb = create(fd, 1024, quarter / 1024, 8);
		at = map(fd, &dumb);
		barium_check_zero(at, dumb.size);
		memset(at, 0xa5, dumb.size);
		barium_munmap(at, dumb.size);
		igt_assert_eq(__destroy(fd, dumb.handle), 0);
	}
}

int igt_main()
{
	igt_describe("The pitch is a multiple of 8 pixels, the size one of the page size.");
	igt_subtest("geometry")
		test_geometry(barium_new_primary_client());

	/* With 1, 2 and 4 bpp, a byte holds several pixels. */
	igt_describe("A pixel may have less than 8 bits.");
	igt_subtest("small-pixels") {
		int fd = barium_new_primary_client();
		struct drm_mode_create_dumb dumb;
		__u32 bpp;

		for (bpp = 1; bpp <= 4; bpp *= 2) {
			dumb = create(fd, 640, 480, bpp);
			igt_assert_eq_u32(dumb.pitch, 640 * bpp / 8);
			igt_assert_eq(__destroy(fd, dumb.handle), 0);
		}
	}

	igt_describe("A buffer without pixels fails with EINVAL.");
	igt_subtest("size-zero") {
		int fd = barium_new_primary_client();

		create_refused(fd, 0, 480, 32, EINVAL);
		create_refused(fd, 640, 0, 32, EINVAL);
		create_refused(fd, 640, 480, 0, EINVAL);
	}

	igt_describe("A pitch or size that overflows 32 bits fails with EINVAL.");
	igt_subtest("size-overflow") {
		int fd = barium_new_primary_client();

		create_refused(fd, ~0u, 1, 32, EINVAL);
		create_refused(fd, 1, ~0u, 32, EINVAL);
		create_refused(fd, ~0u, ~0u, 32, EINVAL);
		create_refused(fd, 0x10000, 0x10000, 8, EINVAL);
		create_refused(fd, 0x8000, 0x8000, 32, EINVAL);
		create_refused(fd, 640, 480, ~0u, EINVAL);
		/* Only rounding overflows: that of the pitch, then that of the size. */
		create_refused(fd, 0x3fffffff, 1, 32, EINVAL);
		create_refused(fd, 0x3ffffff8, 1, 32, EINVAL);
	}

	igt_describe("An unknown number of bits per pixel fails with EINVAL.");
	igt_subtest("pixels-unknown")
		test_pixels_unknown(barium_new_primary_client());

	/* A buffer that fits is allocated; one larger than VRAM fails, whatever its size. */
	igt_describe("A buffer larger than VRAM fails with ENOSPC.");
	igt_subtest("no-space") {
		int fd = barium_new_primary_client();
		__u64 before = barium_vram_available(fd), half = before / 2 + barium_page_size();
		struct drm_mode_create_dumb dumb, more;

		create_refused(fd, 8192, barium_vram_size(fd) / 8192 + 1, 8, ENOSPC);
		create_refused(fd, 0xfff8, 0xffff, 8, ENOSPC);

		dumb = create(fd, 1024, half / 1024, 8);
		igt_assert_eq_u64(barium_vram_available(fd), before - dumb.size);
		more = create(fd, 1024, half / 1024, 8);
		igt_assert_eq_u64(barium_vram_available(fd), before - dumb.size);
		igt_assert_eq(__destroy(fd, more.handle), 0);
		igt_assert_eq(__destroy(fd, dumb.handle), 0);
		igt_assert_eq_u64(barium_vram_available(fd), before);
	}

	/* The display requires a contiguous buffer: single free pages are not sufficient. */
	igt_describe("A buffer without a contiguous range in VRAM moves other objects out.");
	igt_subtest("fragmented-vram") {
		int fd = barium_new_primary_client();
		struct barium_bo scattered;
		int holder = barium_bo_create_scattered(fd, 8, &scattered);
		size_t page = barium_page_size();
		__u64 before;

		barium_bo_fini(fd, &scattered);
		before = barium_vram_available(fd);
		igt_assert_lte_u64(8 * page, before);
		gem_close(fd, create(fd, page, 1, 8).handle);
		igt_assert_eq_u64(barium_vram_available(fd), before);
		gem_close(fd, create(fd, page, 2, 8).handle);
		igt_assert_lt_u64(before, barium_vram_available(fd));
		close(holder);
	}

	igt_describe("A dumb buffer is a contiguous object.");
	igt_subtest("is-object") {
		int fd = barium_new_primary_client();
		struct drm_mode_create_dumb dumb = create(fd, 640, 480, 32);
		struct drm_barium_gem_info info;

		barium_gem_info(fd, dumb.handle, &info);
		igt_assert_eq_u64(info.size, dumb.size);
		igt_assert_eq_u32(info.flags, BARIUM_GEM_CREATE_CONTIGUOUS);
		igt_assert_eq(__destroy(fd, dumb.handle), 0);
		igt_assert_eq(__barium_gem_info(fd, dumb.handle, &info), -ENOENT);
	}

	igt_describe("MAP_DUMB and GEM_MMAP_OFFSET map the same pages.");
	igt_subtest("map-shared")
		test_map_shared(barium_new_primary_client());

	igt_describe("MAP_DUMB and DESTROY_DUMB of an unknown handle fail.");
	igt_subtest("map-unknown") {
		int fd = barium_new_primary_client();
		struct drm_mode_create_dumb dumb = create(fd, 64, 64, 32);
		__u64 offset;

		igt_assert_eq(__map_offset(fd, dumb.handle + 1, &offset), -ENOENT);
		igt_assert_eq_u64(offset, 0);
		igt_assert_eq(__destroy(fd, dumb.handle), 0);
		igt_assert_eq(__map_offset(fd, dumb.handle, &offset), -ENOENT);
		igt_assert_eq(__destroy(fd, dumb.handle), -EINVAL);
	}

	igt_describe("A new buffer reads as zero.");
	igt_subtest("reads-zero")
		test_reads_zero(barium_new_primary_client());

	igt_describe("A mapping holds the buffer after its handle is destroyed.");
	igt_subtest("outlives-handle") {
		int fd = barium_new_primary_client();
		__u64 before = barium_vram_available(fd);
		struct drm_mode_create_dumb dumb = create(fd, 640, 480, 32);
		size_t pages = dumb.size / barium_page_size();
		void *at = map(fd, &dumb);

		barium_stamp(at, 0, pages, 1);
		igt_assert_eq(__destroy(fd, dumb.handle), 0);
		igt_assert_eq_u64(barium_vram_available(fd), before - dumb.size);
		barium_check_stamp(at, 0, pages, 1);
		barium_munmap(at, dumb.size);
		igt_assert_eq_u64(barium_vram_available(fd), before);
	}

	/* Dumb buffers are for scanout, so their ioctls are not available on the render node. */
	igt_describe("The dumb buffer ioctls fail with EACCES on the render node.");
	igt_subtest("render-refused") {
		int fd = barium_new_primary_client();
		int render = barium_open_render();
		struct drm_mode_create_dumb dumb, good = create(fd, 64, 64, 32);
		__u64 offset;

		igt_assert_eq(__create(render, 64, 64, 32, &dumb), -EACCES);
		igt_assert_eq(__map_offset(render, good.handle, &offset), -EACCES);
		igt_assert_eq(__destroy(render, good.handle), -EACCES);
		igt_assert_eq(__destroy(fd, good.handle), 0);
		close(render);
	}

	igt_describe("The device advises clients not to read its write-combined dumb buffers.");
	igt_subtest("prefer-shadow") {
		struct drm_get_cap cap = { .capability = DRM_CAP_DUMB_PREFER_SHADOW };
		int fd = barium_new_primary_client();

		igt_assert_eq(igt_ioctl(fd, DRM_IOCTL_GET_CAP, &cap), 0);
		igt_assert_eq_u64(cap.value, 1);
	}
}
