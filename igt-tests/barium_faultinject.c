// SPDX-License-Identifier: MIT
/*
 * Failing allocations: each ioctl, opening, closing and binding, with each of its allocations
 * failing, one at a time. It has to fail with an error that says so or to succeed all the same, to
 * lose nothing, and to work the next time. Mappings are in barium_faultinject_map.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_nth.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Each allocation of each ioctl and of probing failing, one at a time.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 4

/* The PCI address of the device, and its render node. */
static char slot[BARIUM_SLOT_LEN];
static char node[64];

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

/* Asserts that scene->handle is a new object of scene->size bytes, and that it can be used. */
static void check_object(struct barium_scene *scene)
{
	void *map = barium_mmap(scene->fd, scene->handle, scene->size);

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

static void want_page(struct barium_scene *scene)
{
	scene->size = barium_page_size();
}

/* No power of two: in several blocks of the allocator. */
static void want_blocks(struct barium_scene *scene)
{
	scene->size = 39 * barium_page_size();
}

/*
 * Leaves holes of one page only, so there is an extent for each page. There is room for two such
 * objects: one that was made, but not reported, stays until its client goes.
 */
static void want_holes(struct barium_scene *scene)
{
	struct barium_bo bo;

	scene->other = barium_bo_create_scattered(scene->fd, 48, &bo);
	barium_bo_fini(scene->fd, &bo);
	scene->size = 24 * barium_page_size();
}

/* Leaves no VRAM but what the driver has kept of small objects that were closed. Room for two. */
static void want_spare(struct barium_scene *scene)
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
	scene->size = 12 * page;
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

/* The descriptor is installed before the answer is copied: a lost one is closed by number. */
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

static void make_unbound(struct barium_scene *scene)
{
	(void)scene;
	barium_unbind();
}

static int probe(struct barium_scene *scene)
{
	(void)scene;
	return bus_write("bind");
}

/* The display has all that it needs: the kernel does not check that when it sets a mode. */
static void check_display(void)
{
	int fd = __barium_open_primary();
	struct drm_mode_create_dumb dumb;
	struct barium_pipe pipe;

	igt_assert_lte(0, fd);
	barium_find_pipe(fd, &pipe);
	barium_set_crtc(fd, &pipe, barium_add_dumb(fd, &pipe, &dumb), 0, 0);
	close(fd);
}

/*
 * The kernel does not mind that it has no memory for a node in /dev. It tries again when the device
 * is bound anew.
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

static const struct barium_nth_call calls[] = {
	{ "get-param", "asking for a parameter",
	  .call = get_param, .check = check_param },
	{ "create", "creating a page",
	  .prepare = want_page, .call = create, .check = check_object },
	{ "create-handle", "creating a page, its handle's small parts",
	  .prepare = want_page, .call = create, .check = check_object, .cache = "kmalloc-64" },
	{ "create-blocks", "creating in several blocks",
	  .prepare = want_blocks, .call = create, .check = check_object },
	{ "create-holes", "creating in many pieces",
	  .prepare = want_holes, .call = create, .check = check_object },
	{ "create-contiguous", "creating in one piece",
	  .prepare = want_blocks, .call = create_contiguous, .check = check_object },
	{ "create-spare", "creating in what is kept for small objects",
	  .prepare = want_spare, .call = create, .check = check_object },
	{ "mmap-offset", "asking for an offset",
	  .prepare = make_bo, .call = mmap_offset, .check = check_offset },
	{ "info", "asking what an object is",
	  .prepare = make_bo, .call = info, .check = check_size },
	{ "close", "closing a handle",
	  .prepare = make_bo, .call = close_handle, .check = check_closed, .also = EINVAL },
	{ "export", "exporting a dma-buf",
	  .prepare = make_exported, .call = export, .check = check_buffer,
	  .finish = close_buffers },
	{ "import", "importing a dma-buf",
	  .prepare = make_buffer, .call = import, .check = check_imported },
	{ "flink", "giving an object a name",
	  .prepare = make_primary, .call = name, .check = check_name },
	{ "open-name", "opening an object by its name",
	  .prepare = make_named, .call = open_name, .check = check_opened },
	{ "dumb-create", "creating a dumb buffer",
	  .prepare = want_dumb, .call = create_dumb, .check = check_object },
	{ "dumb-map", "asking for a dumb buffer's offset",
	  .prepare = make_dumb, .call = map_dumb, .check = check_dumb_offset },
	{ "open", "opening the device",
	  .call = open_node, .check = check_opened_node },
	{ "close-file", "closing a file with an object",
	  .prepare = make_bo, .call = close_file },
	{ "probe", "binding the device",
	  .prepare = make_unbound, .call = probe, .check = check_bound, .any_error = true,
	  .no_client = true, .stride = 11 },
	{ "probe-map", "binding the device, mapping its BARs",
	  .prepare = make_unbound, .call = probe, .check = check_bound, .any_error = true,
	  .no_client = true, .within = "__ioremap_caller" },
	{ "probe-crtc", "binding the device, making the CRTC",
	  .prepare = make_unbound, .call = probe, .check = check_bound, .any_error = true,
	  .no_client = true, .within = "__drmm_crtc_alloc_with_planes" },
	{ "probe-states", "binding the device, its first states",
	  .prepare = make_unbound, .call = probe, .check = check_bound, .any_error = true,
	  .no_client = true, .within = "drm_mode_config_reset" },
	{ "probe-register", "binding the device, registering",
	  .prepare = make_unbound, .call = probe, .check = check_bound, .any_error = true,
	  .no_client = true, .within = "drm_dev_register",
	  .stride = 7 },
	{ "probe-display", "binding the device, registering the display",
	  .prepare = make_unbound, .call = probe, .check = check_bound, .any_error = true,
	  .no_client = true, .within = "drm_modeset_register_all",
	  .stride = 5 },
	{ "unbind", "unbinding the device",
	  .call = unbind, .check = check_unbound, .no_client = true },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	igt_fixture() {
		int fd = barium_open_render(), len;
		char link[32];

		barium_slot(fd, slot);
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		len = readlink(link, node, sizeof(node) - 1);
		igt_assert_lt(0, len);
		node[len] = '\0';
		close(fd);
	}

	barium_nth_subtests(calls);
}
