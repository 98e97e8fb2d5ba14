// SPDX-License-Identifier: MIT
/**
 * TEST: barium memcg
 * Description: Tests of kernel memory that the driver charges to the memory cgroup of the client.
 *   DRM and the buddy allocator do not charge the GEM object, its handle, its fake offset and its
 *   buddy blocks.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory cgroup
 *
 * SUBTEST: objects
 * Description: The driver's allocations for objects are charged.
 *
 * SUBTEST: zero-pages
 * Description: The zero pages that replace VRAM after unbind are charged.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "igt.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Kernel memory is charged to the memory cgroup of the client.");

#define MOUNT "/tmp/barium-cgroup"
#define GROUP MOUNT "/barium"

/* The number of one-page objects that a subtest creates. */
#define OBJECTS 2000
/* A lower limit of the bytes that the driver allocates for each of them. */
#define OBJECT_COST 24
/* The kernel charges in batches of 64 pages for each CPU. */
#define BATCH (2 * 64)
/* The kernel flushes its statistics every two seconds. */
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

/* Returns the bytes that are charged to the cgroup, to within BATCH pages. */
static long charged(void)
{
	FILE *file = fopen(GROUP "/memory.current", "r");
	long bytes = -1;

	igt_assert(file && fscanf(file, "%ld", &bytes) == 1);
	fclose(file);
	return bytes;
}

/* Returns the bytes that are charged for slab objects. */
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

static void test_objects(int fd)
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

static void test_zero_pages(int fd)
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

	igt_describe("The driver's allocations for objects are charged.");
	igt_subtest("objects")
		test_objects(barium_new_bound_client());

	igt_describe("The zero pages that replace VRAM after unbind are charged.");
	igt_subtest("zero-pages")
		test_zero_pages(barium_new_bound_client());

	igt_fixture()
		leave(0);
}
