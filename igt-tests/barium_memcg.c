// SPDX-License-Identifier: MIT
/*
 * Kernel memory that the driver allocates for a client is charged to the client's memory cgroup.
 *
 * Not all of it: DRM and the buddy allocator allocate the GEM object itself, its handle, its fake
 * offset and its blocks of VRAM without charging them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "igt.h"
#include "barium_lib_unplug.h"

/**
 * TEST: barium memcg
 * Category: Core
 * Mega feature: Memory management
 * Sub-category: barium
 * Description: Kernel memory is charged to the memory cgroup of the client.
 *
 * SUBTEST: objects
 * Description: What the driver allocates for objects is charged.
 *
 * SUBTEST: zero-pages
 * Description: The zero pages that replace VRAM after unplug are charged.
 */

IGT_TEST_DESCRIPTION("Kernel memory is charged to the memory cgroup of the client.");

#define MOUNT "/tmp/barium-cgroup"
#define GROUP MOUNT "/barium"

/* Objects of a page that a subtest creates. */
#define OBJECTS 2000
/* Bytes that the driver itself allocates for each of them, at least: the allocation's extents. */
#define OBJECT_COST 64
/* The kernel charges in batches: 64 pages for each CPU. */
#define BATCH (2 * 64)
/* Seconds until the kernel has brought its statistics up to date: it does so every two seconds. */
#define FLUSH 3

static int __write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static void leave(int sig)
{
	(void)sig;
	__write(MOUNT "/cgroup.procs", "0");
	rmdir(GROUP);
	umount2(MOUNT, MNT_DETACH);
	rmdir(MOUNT);
}

/* Moves the test into a cgroup of its own. Skips if the kernel has no memory cgroups. */
static void enter(void)
{
	mkdir(MOUNT, 0700);
	igt_require_f(!mount("none", MOUNT, "cgroup2", 0, NULL), "no cgroups\n");
	igt_install_exit_handler(leave);
	igt_require_f(!__write(MOUNT "/cgroup.subtree_control", "+memory"), "no memory cgroups\n");
	igt_assert(!mkdir(GROUP, 0700));
	igt_assert_eq(__write(GROUP "/cgroup.procs", "0"), 0);
}

/* All bytes that are charged to the cgroup, to within a batch. */
static long charged(void)
{
	FILE *file = fopen(GROUP "/memory.current", "r");
	long bytes = -1;

	igt_assert(file && fscanf(file, "%ld", &bytes) == 1);
	fclose(file);
	return bytes;
}

/* The bytes that are charged for the kernel's small objects. */
static long charged_slab(void)
{
	long bytes = -1, value;
	char line[128];
	FILE *file;

	sleep(FLUSH);
	file = fopen(GROUP "/memory.stat", "r");
	igt_assert(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "slab_unreclaimable %ld", &value) == 1)
			bytes = value;
	}
	fclose(file);
	igt_assert_lte(0, bytes);
	return bytes;
}

static void objects(int fd)
{
	long before = charged_slab(), during, after;
	__u32 handles[OBJECTS];
	size_t i;

	igt_require_f(barium_vram_available(fd) >= OBJECTS * barium_page_size(),
		      "VRAM is too small\n");
	for (i = 0; i < OBJECTS; i++)
		handles[i] = barium_gem_create(fd, barium_page_size());
	during = charged_slab();
	for (i = 0; i < OBJECTS; i++)
		gem_close(fd, handles[i]);
	after = charged_slab();
	igt_info("note: %ld bytes are charged for each object, %ld remain\n",
		 (during - before) / OBJECTS, (after - before) / OBJECTS);
	igt_assert_lte(OBJECT_COST * OBJECTS, during - before);
	igt_assert_lte(after - before, OBJECT_COST * OBJECTS / 2);
}

static void zero_pages(int fd)
{
	long page = barium_page_size(), before, during;
	struct barium_bo *bos;
	size_t i;

	igt_require_f(barium_vram_available(fd) >= (__u64)OBJECTS * page, "VRAM is too small\n");
	bos = calloc(OBJECTS, sizeof(*bos));
	igt_assert(bos);
	for (i = 0; i < OBJECTS; i++)
		bos[i] = barium_bo_create(fd, 1);
	barium_unbind();
	before = charged();
	for (i = 0; i < OBJECTS; i++)
		WRITE_ONCE(bos[i].map[0], 1);
	during = charged();
	igt_info("note: %ld bytes are charged for each zero page\n", (during - before) / OBJECTS);
	igt_assert_lte((OBJECTS - BATCH) * page, during - before);
	for (i = 0; i < OBJECTS; i++)
		barium_bo_unmap(&bos[i]);
	free(bos);
	barium_bind();
}

int igt_main()
{
	igt_fixture() {
		barium_prepare_unplug();
		enter();
	}

	igt_describe("What the driver allocates for objects is charged.");
	igt_subtest("objects") {
		objects(barium_new_bound_client());
	}

	igt_describe("The zero pages that replace VRAM after unplug are charged.");
	igt_subtest("zero-pages") {
		zero_pages(barium_new_bound_client());
	}

	igt_fixture() {
		leave(0);
	}
}
