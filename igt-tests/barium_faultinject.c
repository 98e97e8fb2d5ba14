// SPDX-License-Identifier: MIT
/**
 * TEST: barium faultinject
 * Description: Fault injection into each ioctl, open, close, bind and unbind: one allocation, or
 *   one copy from or to userspace, fails at a time. The operation must fail with a matching error
 *   or succeed completely, must not leak, and must succeed when repeated. barium_faultinject_map
 *   covers mappings.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Fault injection
 *
 * SUBTEST: get-param
 * Description: Fault injection into GET_PARAM.
 *
 * SUBTEST: create
 * Description: Fault injection into GEM_CREATE of one page that is not cached.
 *
 * SUBTEST: create-handle
 * Description: Fault injection into small allocations of GEM_CREATE.
 *
 * SUBTEST: create-blocks
 * Description: Fault injection into GEM_CREATE of several buddy blocks.
 *
 * SUBTEST: create-holes
 * Description: Fault injection into GEM_CREATE in fragmented VRAM.
 *
 * SUBTEST: create-contiguous
 * Description: Fault injection into GEM_CREATE of a contiguous object.
 *
 * SUBTEST: create-cached
 * Description: Fault injection into GEM_CREATE that uses cached blocks.
 *
 * SUBTEST: create-moves
 * Description: Fault injection into GEM_CREATE that moves another object out of VRAM.
 *
 * SUBTEST: mmap-offset
 * Description: Fault injection into GEM_MMAP_OFFSET.
 *
 * SUBTEST: info
 * Description: Fault injection into GEM_INFO.
 *
 * SUBTEST: madvise
 * Description: Fault injection into GEM_MADVISE.
 *
 * SUBTEST: close
 * Description: Fault injection into GEM_CLOSE.
 *
 * SUBTEST: export
 * Description: Fault injection into PRIME_HANDLE_TO_FD.
 *
 * SUBTEST: import
 * Description: Fault injection into PRIME_FD_TO_HANDLE.
 *
 * SUBTEST: import-foreign
 * Description: Fault injection into PRIME_FD_TO_HANDLE of another device's dma-buf.
 *
 * SUBTEST: attach
 * Description: Fault injection into PRIME_FD_TO_HANDLE by another device.
 *
 * SUBTEST: flink
 * Description: Fault injection into GEM_FLINK.
 *
 * SUBTEST: open-name
 * Description: Fault injection into GEM_OPEN.
 *
 * SUBTEST: dumb-create
 * Description: Fault injection into MODE_CREATE_DUMB.
 *
 * SUBTEST: dumb-map
 * Description: Fault injection into MODE_MAP_DUMB.
 *
 * SUBTEST: show-system
 * Description: Fault injection into SETCRTC of an object in system memory.
 *
 * SUBTEST: open
 * Description: Fault injection into open() of the device.
 *
 * SUBTEST: close-file
 * Description: Fault injection into close() of a file with an object.
 *
 * SUBTEST: probe
 * Description: Fault injection into bind.
 *
 * SUBTEST: probe-map
 * Description: Fault injection into the mapping of the BARs during bind.
 *
 * SUBTEST: probe-mount
 * Description: Fault injection into fc_mount_longterm() during bind. Bind succeeds without a mount
 *   for the objects that leave VRAM.
 *
 * SUBTEST: probe-crtc
 * Description: Fault injection into the allocation of the CRTC during bind.
 *
 * SUBTEST: probe-states
 * Description: Fault injection into drm_mode_config_reset() during bind.
 *
 * SUBTEST: probe-register
 * Description: Fault injection into drm_dev_register() during bind.
 *
 * SUBTEST: probe-display
 * Description: Fault injection into drm_modeset_register_all() during bind.
 *
 * SUBTEST: unbind
 * Description: Fault injection into unbind.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_mapping.h"
#include "barium_lib_nth.h"
#include "barium_lib_prime.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Allocation failures in ioctls, open, close, bind and unbind.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 4

/* PCI address of the device, and path of its render node. */
static char slot[BARIUM_SLOT_LEN];
static char node[64];
/* The display, for calls that set a mode. */
static struct barium_pipe pipeline;

/* The ioctls: 0 or a negative errno, without trying again. */
static int try_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

static void make_bo(struct barium_scene *scene)
{
	scene->bo.size = PAGES * barium_page_size();
	scene->bo.handle = barium_gem_create(scene->fd, scene->bo.size);
	scene->bo.offset = barium_gem_mmap_offset(scene->fd, scene->bo.handle);
}

/*
 * Asserts that scene->handle is a zeroed object of scene->size bytes that can be mapped, and that
 * it is in VRAM if VRAM had room for it.
 */
static void check_object(struct barium_scene *scene)
{
	void *map = barium_mmap(scene->fd, scene->handle, scene->size);

	if (scene->available >= scene->size)
		igt_assert_lte_u64(barium_vram_available(scene->fd) + scene->size,
				   scene->available);
	barium_check_zero(map, scene->size);
	barium_stamp(map, 0, scene->size / barium_page_size(), 1);
	barium_munmap(map, scene->size);
}

static int get_param(struct barium_scene *scene)
{
	struct drm_barium_get_param arg = { .param = BARIUM_PARAM_VRAM_SIZE };
	int err = try_ioctl(scene->fd, DRM_IOCTL_BARIUM_GET_PARAM, &arg);

	scene->value = arg.value;
	return err;
}

static void check_param(struct barium_scene *scene)
{
	igt_assert_eq_u64(scene->value, barium_vram_size(scene->fd));
}

static int create_flags(struct barium_scene *scene, __u32 flags)
{
	struct drm_barium_gem_create arg = { .size = scene->size, .flags = flags };
	int err = try_ioctl(scene->fd, DRM_IOCTL_BARIUM_GEM_CREATE, &arg);

	scene->handle = arg.handle;
	return err;
}

static int create(struct barium_scene *scene)
{
	return create_flags(scene, 0);
}

static int create_contiguous(struct barium_scene *scene)
{
	return create_flags(scene, BARIUM_GEM_CREATE_CONTIGUOUS);
}

/* The call creates an object of @size bytes. */
static void want(struct barium_scene *scene, __u64 size)
{
	scene->size = size;
	scene->available = barium_vram_available(scene->fd);
}

static void want_page(struct barium_scene *scene)
{
	want(scene, barium_page_size());
}

/*
 * Empties the driver's cache of freed pages. The driver does that when VRAM has no room for an
 * object.
 */
static void empty_cache(struct barium_scene *scene)
{
	struct drm_barium_gem_create arg = {
		.size = barium_vram_size(scene->fd),
	};

	igt_assert_eq(try_ioctl(scene->fd, DRM_IOCTL_BARIUM_GEM_CREATE, &arg), 0);
	gem_close(scene->fd, arg.handle);
}

/* GEM_CREATE allocates from the buddy allocator, which splits its blocks down to one page. */
static void want_new_page(struct barium_scene *scene)
{
	empty_cache(scene);
	want_page(scene);
}

/*
 * The number of pages is not a power of two, so that the object consists of several buddy blocks.
 */
static void want_blocks(struct barium_scene *scene)
{
	want(scene, 39 * barium_page_size());
}

/*
 * Fragments VRAM into single pages, so that the object has an extent for each page. Two objects
 * fit: if copying the handle to userspace fails, the first one remains until the file is closed.
 */
static void want_holes(struct barium_scene *scene)
{
	struct barium_bo bo;

	scene->other = barium_bo_create_scattered(scene->fd, 48, &bo);
	barium_bo_fini(scene->fd, &bo);
	want(scene, 24 * barium_page_size());
}

/* Leaves only the blocks available that the driver caches for small objects. Two objects fit. */
static void want_cached(struct barium_scene *scene)
{
	__u64 page = barium_page_size();
	__u32 singles[32];
	size_t i;

	scene->other = barium_reopen(scene->fd, O_RDWR);
	barium_gem_create(scene->other, barium_vram_available(scene->fd) - 32 * page);
	for (i = 0; i < ARRAY_SIZE(singles); i++)
		singles[i] = barium_gem_create(scene->other, page);
	for (i = 0; i < ARRAY_SIZE(singles); i++)
		gem_close(scene->other, singles[i]);
	want(scene, 12 * page);
}

/* Fills VRAM with a mapped object that has to leave it, and with one that stays. */
static void want_room(struct barium_scene *scene)
{
	__u64 size;
	__u32 handle;

	empty_cache(scene);
	scene->size = PAGES * barium_page_size();
	scene->other = barium_reopen(scene->fd, O_RDWR);
	scene->bo = barium_bo_create(scene->other, PAGES);
	barium_stamp(scene->bo.map, 0, PAGES, 7);
	size = barium_vram_available(scene->fd);
	igt_assert_eq(__barium_gem_create(scene->other, &size, BARIUM_GEM_CREATE_CONTIGUOUS,
					  &handle), 0);
	igt_assert_eq_u64(barium_vram_available(scene->fd), 0);
}

/* The object has its content, whether it has left VRAM or not. */
static void check_moved(struct barium_scene *scene)
{
	barium_check_stamp(scene->bo.map, 0, PAGES, 7);
	barium_munmap(scene->bo.map, scene->bo.size);
}

static int mmap_offset(struct barium_scene *scene)
{
	struct drm_barium_gem_mmap_offset arg = { .handle = scene->bo.handle };
	int err = try_ioctl(scene->fd, DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET, &arg);

	scene->value = arg.offset;
	return err;
}

static void check_offset(struct barium_scene *scene)
{
	igt_assert_eq_u64(scene->value, scene->bo.offset);
}

static int info(struct barium_scene *scene)
{
	struct drm_barium_gem_info arg = { .handle = scene->bo.handle };
	int err = try_ioctl(scene->fd, DRM_IOCTL_BARIUM_GEM_INFO, &arg);

	scene->value = arg.size;
	return err;
}

static void check_size(struct barium_scene *scene)
{
	igt_assert_eq_u64(scene->value, scene->bo.size);
}

static int madvise_object(struct barium_scene *scene)
{
	struct drm_barium_gem_madvise arg = {
		.handle = scene->bo.handle,
		.advice = BARIUM_MADVISE_DONTNEED,
	};
	int err = try_ioctl(scene->fd, DRM_IOCTL_BARIUM_GEM_MADVISE, &arg);

	scene->value = arg.retained;
	return err;
}

static void check_retained(struct barium_scene *scene)
{
	igt_assert_eq_u64(scene->value, 1);
}

static int close_handle(struct barium_scene *scene)
{
	struct drm_gem_close arg = { .handle = scene->bo.handle };

	return try_ioctl(scene->fd, DRM_IOCTL_GEM_CLOSE, &arg);
}

static void check_closed(struct barium_scene *scene)
{
	struct drm_barium_gem_info info;

	igt_assert_eq(__barium_gem_info(scene->fd, scene->bo.handle, &info), -ENOENT);
}

/*
 * DRM installs the descriptor before it copies the number to userspace. If the copy fails, the test
 * closes the descriptor by the number that it predicts here.
 */
static void make_exported(struct barium_scene *scene)
{
	make_bo(scene);
	scene->value = dup(scene->fd);
	close(scene->value);
}

static int export(struct barium_scene *scene)
{
	struct drm_prime_handle arg = {
		.handle = scene->bo.handle,
		.flags = DRM_RDWR | DRM_CLOEXEC,
	};
	int err = try_ioctl(scene->fd, DRM_IOCTL_PRIME_HANDLE_TO_FD, &arg);

	scene->buf = arg.fd;
	return err;
}

static void check_buffer(struct barium_scene *scene)
{
	void *map;

	igt_assert_eq(__barium_mmap(scene->buf, scene->bo.size, RW, MAP_SHARED, 0, &map), 0);
	barium_stamp(map, 0, PAGES, 1);
	barium_munmap(map, scene->bo.size);
}

static void close_buffers(struct barium_scene *scene)
{
	igt_assert_eq(close_range(scene->value, scene->value + 1, 0), 0);
	scene->buf = -1;
}

static void make_buffer(struct barium_scene *scene)
{
	make_bo(scene);
	scene->buf = __barium_gem_export(scene->fd, scene->bo.handle, DRM_RDWR | DRM_CLOEXEC);
	igt_assert_lte(0, scene->buf);
	scene->other = barium_reopen(scene->fd, O_RDWR);
}

static int import(struct barium_scene *scene)
{
	struct drm_prime_handle arg = { .fd = scene->buf };
	int err = try_ioctl(scene->other, DRM_IOCTL_PRIME_FD_TO_HANDLE, &arg);

	scene->handle = arg.handle;
	return err;
}

static void check_imported(struct barium_scene *scene)
{
	struct drm_barium_gem_info info;

	barium_gem_info(scene->other, scene->handle, &info);
	igt_assert_eq_u64(info.size, scene->bo.size);
}

static void make_foreign(struct barium_scene *scene)
{
	make_bo(scene);
	scene->buf = barium_make_udmabuf(PAGES, NULL);
	scene->other = barium_reopen(scene->fd, O_RDWR);
}

/* Another device attaches to an object without memory. */
static void make_attached(struct barium_scene *scene)
{
	scene->bo = barium_bo_create_with(scene->fd, PAGES, BARIUM_GEM_CREATE_SYSTEM);
	scene->buf = __barium_gem_export(scene->fd, scene->bo.handle, DRM_RDWR | DRM_CLOEXEC);
	igt_assert_lte(0, scene->buf);
	scene->other = barium_load_and_open("vgem");
}

static void check_attached(struct barium_scene *scene)
{
	barium_stamp(scene->bo.map, 0, PAGES, 1);
	barium_check_stamp(scene->bo.map, 0, PAGES, 1);
}

static void make_primary(struct barium_scene *scene)
{
	close(scene->fd);
	scene->fd = barium_open_primary();
	make_bo(scene);
}

static int name(struct barium_scene *scene)
{
	struct drm_gem_flink arg = { .handle = scene->bo.handle };
	int err = try_ioctl(scene->fd, DRM_IOCTL_GEM_FLINK, &arg);

	scene->value = arg.name;
	return err;
}

static int open_name(struct barium_scene *scene)
{
	struct drm_gem_open arg = { .name = scene->value };
	int err = try_ioctl(scene->fd, DRM_IOCTL_GEM_OPEN, &arg);

	scene->handle = arg.handle;
	return err;
}

static void make_named(struct barium_scene *scene)
{
	make_primary(scene);
	igt_assert_eq(name(scene), 0);
}

static void check_name(struct barium_scene *scene)
{
	igt_assert_eq(open_name(scene), 0);
}

static void check_opened(struct barium_scene *scene)
{
	struct drm_barium_gem_info info;

	barium_gem_info(scene->fd, scene->handle, &info);
	igt_assert_eq_u64(info.size, scene->bo.size);
}

static void want_dumb(struct barium_scene *scene)
{
	close(scene->fd);
	scene->fd = barium_open_primary();
}

static int create_dumb(struct barium_scene *scene)
{
	struct drm_mode_create_dumb arg = { .width = 64, .height = 64, .bpp = 32 };
	int err = try_ioctl(scene->fd, DRM_IOCTL_MODE_CREATE_DUMB, &arg);

	scene->handle = arg.handle;
	scene->size = arg.size;
	return err;
}

static void make_dumb(struct barium_scene *scene)
{
	want_dumb(scene);
	igt_assert_eq(create_dumb(scene), 0);
}

static int map_dumb(struct barium_scene *scene)
{
	struct drm_mode_map_dumb arg = { .handle = scene->handle };
	int err = try_ioctl(scene->fd, DRM_IOCTL_MODE_MAP_DUMB, &arg);

	scene->value = arg.offset;
	return err;
}

static void check_dumb_offset(struct barium_scene *scene)
{
	igt_assert_eq_u64(scene->value, barium_gem_mmap_offset(scene->fd, scene->handle));
}

/* Makes a framebuffer in system memory, whose pages are allocated. The screen is off. */
static void make_system_fb(struct barium_scene *scene)
{
	__u32 width, height;
	void *map;

	want_dumb(scene);
	barium_find_pipe(scene->fd, &pipeline);
	barium_switch_off(scene->fd, &pipeline);
	width = pipeline.mode.hdisplay;
	height = pipeline.mode.vdisplay;
	scene->size = 4ull * width * height;
	igt_assert_eq(__barium_gem_create(scene->fd, &scene->size, BARIUM_GEM_CREATE_SYSTEM,
					  &scene->handle), 0);
	map = barium_mmap(scene->fd, scene->handle, scene->size);
	memset(map, 1, scene->size);
	barium_munmap(map, scene->size);
	scene->value = barium_add_fb(scene->fd, scene->handle, width, height, 4 * width, 0);
}

static int show_fb(struct barium_scene *scene)
{
	struct drm_mode_crtc arg = {
		.set_connectors_ptr = (uintptr_t)&pipeline.connector,
		.count_connectors = 1,
		.crtc_id = pipeline.crtc,
		.fb_id = scene->value,
		.mode_valid = 1,
		.mode = pipeline.mode,
	};

	return try_ioctl(scene->fd, DRM_IOCTL_MODE_SETCRTC, &arg);
}

static int open_node(struct barium_scene *scene)
{
	scene->other = open(node, O_RDWR | O_CLOEXEC);
	return scene->other < 0 ? -errno : 0;
}

static void check_opened_node(struct barium_scene *scene)
{
	igt_assert_lt_u64(0, barium_vram_size(scene->other));
}

static int close_file(struct barium_scene *scene)
{
	int fd = scene->fd;

	scene->fd = -1;
	return fd < 0 || !close(fd) ? 0 : -errno;
}

static int bus_write(const char *file)
{
	char path[64];
	int fd, err = 0;

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/barium/%s", file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, slot, strlen(slot)) < 0)
		err = -errno;
	close(fd);
	return err;
}

/* Returns the number of regions that the driver has claimed, on all its devices. */
static int count_claims(void)
{
	FILE *file = fopen("/proc/iomem", "r");
	char line[256];
	int claims = 0;

	igt_assert(file);
	while (fgets(line, sizeof(line), file))
		claims += !!strstr(line, "barium");
	fclose(file);
	return claims;
}

/* The claims of other devices. */
static int other_claims;

static void make_unbound(struct barium_scene *scene)
{
	(void)scene;
	barium_unbind();
	other_claims = count_claims();
}

/*
 * If bind fails, checks that it has left no claim. A claim that is left behind would not make the
 * next attempt fail: that one succeeds without a claim of its own.
 */
static int probe(struct barium_scene *scene)
{
	int err = bus_write("bind");

	(void)scene;
	if (err)
		igt_assert_eq(count_claims(), other_claims);
	return err;
}

/* Asserts that the display works. DRM does not check for missing states before it uses them. */
static void check_display(void)
{
	int fd = __barium_open_primary();
	struct drm_mode_create_dumb dumb;

	igt_assert_lte(0, fd);
	barium_find_pipe(fd, &pipeline);
	barium_set_crtc(fd, &pipeline, barium_add_dumb(fd, &pipeline, &dumb), 0, 0);
	close(fd);
}

/*
 * A failure to create a node in /dev does not make bind fail. The kernel creates the node when the
 * device is bound again.
 */
static void check_bound(struct barium_scene *scene)
{
	int render = __barium_open_bound(), primary = __barium_open_primary();

	(void)scene;
	close(render);
	close(primary);
	if (render < 0 || primary < 0) {
		barium_unbind();
		barium_bind();
	}
	check_display();
	barium_check_vram();
}

static int probe_without_mount(struct barium_scene *scene)
{
	int err = probe(scene);

	igt_assert_eq(err, 0);
	return err;
}

/* Objects leave VRAM also without the mount. */
static void check_bound_without_mount(struct barium_scene *scene)
{
	int fd = __barium_open_bound();
	struct barium_bo bo;

	igt_assert_lte(0, fd);
	bo = barium_bo_create(fd, PAGES);
	barium_stamp(bo.map, 0, PAGES, 1);
	barium_move_out(fd);
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_bo_fini(fd, &bo);
	close(fd);
	check_bound(scene);
}

static int unbind(struct barium_scene *scene)
{
	(void)scene;
	return bus_write("unbind");
}

static void check_unbound(struct barium_scene *scene)
{
	(void)scene;
	igt_assert_eq(__barium_open_bound(), -ENODEV);
	barium_bind();
	barium_check_vram();
}

int igt_main()
{
	igt_fixture() {
		char link[32];
		int fd, len;

		barium_prepare_unplug();
		fd = barium_open_render();
		barium_slot(fd, slot);
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, node, sizeof(node) - 1);
		igt_assert_lt(0, len);
		node[len] = '\0';
		close(fd);
	}

	igt_describe("Fault injection into GET_PARAM.");
	igt_subtest("get-param")
		barium_nth(.what = "GET_PARAM",
			   .call = get_param, .check = check_param);

	igt_describe("Fault injection into GEM_CREATE of one page that is not cached.");
	igt_subtest("create")
		barium_nth(.what = "GEM_CREATE, one page",
			   .prepare = want_new_page, .call = create, .check = check_object);

	igt_describe("Fault injection into small allocations of GEM_CREATE.");
	igt_subtest("create-handle")
		barium_nth(.what = "GEM_CREATE, one page, kmalloc-64 only",
			   .prepare = want_page, .call = create, .check = check_object,
			   .cache = "kmalloc-64");

	igt_describe("Fault injection into GEM_CREATE of several buddy blocks.");
	igt_subtest("create-blocks")
		barium_nth(.what = "GEM_CREATE, several blocks",
			   .prepare = want_blocks, .call = create, .check = check_object);

	igt_describe("Fault injection into GEM_CREATE in fragmented VRAM.");
	igt_subtest("create-holes")
		barium_nth(.what = "GEM_CREATE, fragmented VRAM",
			   .prepare = want_holes, .call = create, .check = check_object);

	igt_describe("Fault injection into GEM_CREATE of a contiguous object.");
	igt_subtest("create-contiguous")
		barium_nth(.what = "GEM_CREATE, contiguous",
			   .prepare = want_blocks, .call = create_contiguous,
			   .check = check_object);

	igt_describe("Fault injection into GEM_CREATE that uses cached blocks.");
	igt_subtest("create-cached")
		barium_nth(.what = "GEM_CREATE, cached blocks",
			   .prepare = want_cached, .call = create, .check = check_object);

	igt_describe("Fault injection into GEM_CREATE that moves another object out of VRAM.");
	igt_subtest("create-moves")
		barium_nth(.what = "GEM_CREATE, a move", .prepare = want_room,
			   .call = create_contiguous, .check = check_object, .finish = check_moved);

	igt_describe("Fault injection into GEM_MMAP_OFFSET.");
	igt_subtest("mmap-offset")
		barium_nth(.what = "GEM_MMAP_OFFSET",
			   .prepare = make_bo, .call = mmap_offset, .check = check_offset);

	igt_describe("Fault injection into GEM_INFO.");
	igt_subtest("info")
		barium_nth(.what = "GEM_INFO",
			   .prepare = make_bo, .call = info, .check = check_size);

	igt_describe("Fault injection into GEM_MADVISE.");
	igt_subtest("madvise")
		barium_nth(.what = "GEM_MADVISE",
			   .prepare = make_bo, .call = madvise_object, .check = check_retained);

	igt_describe("Fault injection into GEM_CLOSE.");
	igt_subtest("close")
		barium_nth(.what = "GEM_CLOSE",
			   .prepare = make_bo, .call = close_handle, .check = check_closed,
			   .also = EINVAL);

	igt_describe("Fault injection into PRIME_HANDLE_TO_FD.");
	igt_subtest("export")
		barium_nth(.what = "PRIME_HANDLE_TO_FD",
			   .prepare = make_exported, .call = export, .check = check_buffer,
			   .finish = close_buffers);

	igt_describe("Fault injection into PRIME_FD_TO_HANDLE.");
	igt_subtest("import")
		barium_nth(.what = "PRIME_FD_TO_HANDLE",
			   .prepare = make_buffer, .call = import, .check = check_imported);

	igt_describe("Fault injection into PRIME_FD_TO_HANDLE of another device's dma-buf.");
	igt_subtest("import-foreign")
		barium_nth(.what = "PRIME_FD_TO_HANDLE, foreign",
			   .prepare = make_foreign, .call = import, .check = check_imported);

	igt_describe("Fault injection into PRIME_FD_TO_HANDLE by another device.");
	igt_subtest("attach")
		barium_nth(.what = "PRIME_FD_TO_HANDLE by vgem",
			   .prepare = make_attached, .call = import, .check = check_attached);

	igt_describe("Fault injection into GEM_FLINK.");
	igt_subtest("flink")
		barium_nth(.what = "GEM_FLINK",
			   .prepare = make_primary, .call = name, .check = check_name);

	igt_describe("Fault injection into GEM_OPEN.");
	igt_subtest("open-name")
		barium_nth(.what = "GEM_OPEN",
			   .prepare = make_named, .call = open_name, .check = check_opened);

	igt_describe("Fault injection into MODE_CREATE_DUMB.");
	igt_subtest("dumb-create")
		barium_nth(.what = "MODE_CREATE_DUMB",
			   .prepare = want_dumb, .call = create_dumb, .check = check_object);

	igt_describe("Fault injection into MODE_MAP_DUMB.");
	igt_subtest("dumb-map")
		barium_nth(.what = "MODE_MAP_DUMB",
			   .prepare = make_dumb, .call = map_dumb, .check = check_dumb_offset);

	igt_describe("Fault injection into SETCRTC of an object in system memory.");
	igt_subtest("show-system")
		barium_nth(.what = "SETCRTC, system memory",
			   .prepare = make_system_fb, .call = show_fb, .stride = 5);

	igt_describe("Fault injection into open() of the device.");
	igt_subtest("open")
		barium_nth(.what = "open()",
			   .call = open_node, .check = check_opened_node);

	igt_describe("Fault injection into close() of a file with an object.");
	igt_subtest("close-file")
		barium_nth(.what = "close(), with an object",
			   .prepare = make_bo, .call = close_file);

	igt_describe("Fault injection into bind.");
	igt_subtest("probe")
		barium_nth(.what = "bind",
			   .prepare = make_unbound, .call = probe, .check = check_bound,
			   .any_error = true, .no_client = true, .stride = 11);

	igt_describe("Fault injection into the mapping of the BARs during bind.");
	igt_subtest("probe-map")
		barium_nth(.what = "bind, mapping of the BARs",
			   .prepare = make_unbound, .call = probe, .check = check_bound,
			   .any_error = true, .no_client = true, .within = "__ioremap_caller");

	igt_describe("Fault injection into fc_mount_longterm() during bind.");
	igt_subtest("probe-mount")
		barium_nth(.what = "bind, mount of tmpfs",
			   .prepare = make_unbound, .call = probe_without_mount,
			   .check = check_bound_without_mount, .no_client = true,
			   .within = "fc_mount_longterm");

	igt_describe("Fault injection into the allocation of the CRTC during bind.");
	igt_subtest("probe-crtc")
		barium_nth(.what = "bind, CRTC",
			   .prepare = make_unbound, .call = probe, .check = check_bound,
			   .any_error = true, .no_client = true,
			   .within = "__drmm_crtc_alloc_with_planes");

	igt_describe("Fault injection into drm_mode_config_reset() during bind.");
	igt_subtest("probe-states")
		barium_nth(.what = "bind, initial states",
			   .prepare = make_unbound, .call = probe, .check = check_bound,
			   .any_error = true, .no_client = true, .within = "drm_mode_config_reset");

	igt_describe("Fault injection into drm_dev_register() during bind.");
	igt_subtest("probe-register")
		barium_nth(.what = "bind, drm_dev_register()",
			   .prepare = make_unbound, .call = probe, .check = check_bound,
			   .any_error = true, .no_client = true, .within = "drm_dev_register",
			   .stride = 7);

	igt_describe("Fault injection into drm_modeset_register_all() during bind.");
	igt_subtest("probe-display")
		barium_nth(.what = "bind, drm_modeset_register_all()",
			   .prepare = make_unbound, .call = probe, .check = check_bound,
			   .any_error = true, .no_client = true,
			   .within = "drm_modeset_register_all", .stride = 5);

	igt_describe("Fault injection into unbind.");
	igt_subtest("unbind")
		barium_nth(.what = "unbind",
			   .call = unbind, .check = check_unbound, .no_client = true);
}
