// SPDX-License-Identifier: MIT
/**
 * TEST: barium bind fails
 * Description: A client opens the device node, and creates, maps and accesses an object, while the
 *   driver is being bound and a late allocation of the registration fails. After that, the mapping
 *   must not show VRAM. barium_faultinject covers failures of bind without such a client.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Bind
 *
 * SUBTEST: register
 * Description: A client maps memory while an allocation of drm_dev_register() fails.
 *
 * SUBTEST: register-display
 * Description: A client maps memory while the registration of the display fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_nth.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Mappings from before a failure of bind.");

#define BIND "/sys/bus/pci/drivers/barium/bind"
/* The minors that the render node may have: open files of earlier devices keep theirs. */
#define FIRST_NODE 128
#define NODES 4
#define HUGE_SIZE (2u << 20)
/* The byte that the early client writes, and that of the owner of all VRAM after the next bind. */
#define EARLY 0xa1
#define OWNER 0x55

/* A client that opens the render node as soon as it exists. */
struct early_client {
	pthread_t thread;
	size_t size;
	int fd;
	__u8 *map;
	bool is_running;
	bool stop;
};

static char slot[BARIUM_SLOT_LEN];
static struct early_client client;
/* Whether this repetition has tried to bind the device, and the result of its first attempt. */
static bool attempted;
static int first_error;
static unsigned int turns;
static unsigned int mapped;

/* Opens the node, and creates, maps and writes an object. Returns false at the first error. */
static bool map_object(int node)
{
	struct drm_barium_gem_create create = { .size = client.size };
	struct drm_barium_gem_mmap_offset offset = {};
	char path[32];
	size_t at;
	void *map;

	snprintf(path, sizeof(path), "/dev/dri/renderD%d", node);
	client.fd = open(path, O_RDWR | O_CLOEXEC);
	if (client.fd < 0)
		return false;
	if (barium_ioctl(client.fd, DRM_IOCTL_BARIUM_GEM_CREATE, &create))
		goto close;
	offset.handle = create.handle;
	if (barium_ioctl(client.fd, DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET, &offset))
		goto close;
	if (__barium_mmap(client.fd, client.size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  offset.offset, &map))
		goto close;
	for (at = 0; at < client.size; at += barium_page_size())
		WRITE_ONCE(((__u8 *)map)[at], EARLY);
	client.map = map;
	return true;
close:
	close(client.fd);
	client.fd = -1;
	return false;
}

static void *run_client(void *data)
{
	int node = 0;

	(void)data;
	while (!READ_ONCE(client.stop) && !map_object(FIRST_NODE + node))
		node = (node + 1) % NODES;
	return NULL;
}

static void stop_client(void)
{
	if (!client.is_running)
		return;
	WRITE_ONCE(client.stop, true);
	pthread_join(client.thread, NULL);
	client.is_running = false;
}

static void close_client(void)
{
	if (client.map)
		barium_munmap(client.map, client.size);
	client.map = NULL;
	if (client.fd >= 0)
		close(client.fd);
	client.fd = -1;
}

/* Unbinds the device and starts the client. Every other object has the size of a huge entry. */
static void unbind_and_start_client(struct barium_scene *scene)
{
	(void)scene;
	stop_client();
	barium_unbind();
	attempted = false;
	client.fd = -1;
	client.size = turns++ % 2 ? HUGE_SIZE : 4 * barium_page_size();
	client.stop = false;
	igt_assert_eq(pthread_create(&client.thread, NULL, run_client, NULL), 0);
	client.is_running = true;
}

/* Stops the client after the first attempt of a repetition; only that attempt may fail. */
static int bind_device(struct barium_scene *scene)
{
	int file = open(BIND, O_WRONLY | O_CLOEXEC), err = 0;

	(void)scene;
	if (file < 0)
		return -errno;
	if (write(file, slot, strlen(slot)) < 0)
		err = -errno;
	close(file);
	if (!attempted)
		first_error = err;
	attempted = true;
	stop_client();
	return err;
}

/*
 * Asserts that the client's mapping and an object that fills VRAM do not share memory. The mapping
 * shows the zero page of its object, to which the client may have written EARLY.
 */
static void check_mapping(void)
{
	int fd = barium_open_bound();
	struct barium_bo owner = barium_bo_create(fd, barium_room() / barium_page_size());
	size_t at;

	memset(owner.map, OWNER, owner.size);
	for (at = 0; at < client.size; at++)
		igt_assert_f(!client.map[at] || client.map[at] == EARLY,
			     "byte %zu of the mapping is %#x\n", at, client.map[at]);
	memset(client.map, EARLY, client.size);
	for (at = 0; at < owner.size; at++)
		igt_assert_f(owner.map[at] == OWNER, "byte %zu of VRAM is %#x\n", at,
			     owner.map[at]);
	barium_bo_fini(fd, &owner);
	close(fd);
}

/* A failure to create a node in /dev does not make bind fail. */
static void bind_with_nodes(void)
{
	int render = __barium_open_bound();

	if (render < 0) {
		barium_unbind();
		barium_bind();
	}
	close(render);
}

static void check_bound(struct barium_scene *scene)
{
	(void)scene;
	if (client.map && first_error) {
		mapped++;
		bind_with_nodes();
		check_mapping();
		close_client();
	} else {
		close_client();
		bind_with_nodes();
	}
	barium_check_vram();
}

static void require_mappings(void)
{
	igt_info("note: %u of %u attempts to bind failed with a mapping\n", mapped, turns);
	igt_require_f(mapped, "no client was fast enough to map memory before bind failed\n");
}

static void fail_within(const char *function, unsigned int stride)
{
	turns = 0;
	mapped = 0;
	barium_nth(.what = function, .prepare = unbind_and_start_client, .call = bind_device,
		   .check = check_bound, .after = require_mappings, .any_error = true,
		   .no_client = true, .within = function, .stride = stride);
}

int igt_main()
{
	igt_fixture() {
		int fd;

		barium_prepare_unplug();
		fd = barium_open_render();
		barium_slot(fd, slot);
		close(fd);
	}

	igt_describe("A client maps memory while an allocation of drm_dev_register() fails.");
	igt_subtest("register")
		fail_within("drm_dev_register", 29);

	igt_describe("A client maps memory while the registration of the display fails.");
	igt_subtest("register-display")
		fail_within("drm_modeset_register_all", 5);

	igt_fixture() {
		stop_client();
		close_client();
	}
}
