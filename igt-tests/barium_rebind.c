// SPDX-License-Identifier: MIT
/**
 * TEST: barium rebind
 * Description: Tests of binding the device again, or of finding it by a bus rescan, while files and
 *   mappings of the previous binding are in use; and of the module reference that they hold.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Unbind
 *
 * SUBTEST: old-mapping-new-device
 * Description: Old mappings and the new device do not share memory.
 *
 * SUBTEST: old-buffer-new-device
 * Description: The new device does not import dma-bufs of the previous binding.
 *
 * SUBTEST: zero-after
 * Description: New objects contain nothing of the previous binding.
 *
 * SUBTEST: rebind-loop
 * Description: The device can be bound repeatedly.
 *
 * SUBTEST: rebind-in-use
 * Description: The device can be bound while previous bindings are in use.
 *
 * SUBTEST: remove-rescan
 * Description: The device can be removed from the bus and found by a rescan.
 *
 * SUBTEST: claims
 * Description: Unbind releases the PCI region and the memory type of the BAR.
 *
 * SUBTEST: mount-released
 * Description: Unbind releases the driver's mount of tmpfs.
 *
 * SUBTEST: module-in-use
 * Description: A file, a mapping or a dma-buf holds a module reference.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_prime.h"
#include "barium_lib_tmpfs.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Rebinding the device while clients of the previous binding remain.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 16

/* A mapping from before unbind and the objects of the new device do not share memory. */
static void test_old_mapping_new_device(int fd)
{
	struct barium_bo old = barium_bo_create(fd, PAGES), new;
	size_t pages = barium_room() / barium_page_size();
	int fresh;

	barium_stamp(old.map, 0, PAGES, 1);
	barium_unbind();
	barium_bind();
	barium_check_vram();

	fresh = barium_open_bound();
	new = barium_bo_create(fresh, pages);
	barium_stamp(new.map, 0, pages, 2);
	barium_check_replaced(old.map, old.size);
	memset(old.map, 0xff, old.size);
	barium_check_stamp(new.map, 0, pages, 2);

	barium_bo_unmap(&old);
	barium_bo_fini(fresh, &new);
	close(fresh);
	barium_check_vram();
}

/* A dma-buf from before unbind can be mapped, but the new device does not import it. */
static void test_old_buffer_new_device(int fd)
{
	struct barium_bo old = barium_bo_create(fd, PAGES);
	int buf = barium_export(fd, old.handle), fresh;
	__u32 handle;
	void *map;

	barium_stamp(old.map, 0, PAGES, 1);
	barium_unbind();
	barium_bind();

	fresh = barium_open_bound();
	igt_assert_eq(__barium_import(fresh, buf, &handle), -ENODEV);
	map = barium_map_buf(buf, 0, PAGES);
	barium_check_replaced(map, old.size);
	barium_munmap(map, old.size);

	close(buf);
	close(fresh);
	barium_bo_unmap(&old);
	barium_check_vram();
}

static void test_zero_after(int fd)
{
	size_t pages = barium_room() / barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, pages);
	int fresh;

	memset(bo.map, 0xff, bo.size);
	barium_unbind();
	barium_bind();

	fresh = barium_open_bound();
	barium_bo_unmap(&bo);
	bo = barium_bo_create(fresh, pages);
	barium_check_zero(bo.map, bo.size);
	barium_bo_fini(fresh, &bo);
	close(fresh);
}

/* Each round leaves a file and a mapping behind. */
static void test_rebind_in_use(void)
{
	struct barium_bo bos[5];
	int fds[ARRAY_SIZE(bos)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		fds[i] = barium_open_bound();
		bos[i] = barium_bo_create(fds[i], PAGES);
		barium_stamp(bos[i].map, 0, PAGES, i);
		barium_unbind();
		barium_bind();
	}
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		barium_check_replaced(bos[i].map, bos[i].size);
		barium_bo_unmap(&bos[i]);
		close(fds[i]);
	}
	barium_check_vram();
}

/* Counts the lines of @file whose range overlaps [@start, @end] and that contain @owner. */
static int count_overlaps(FILE *file, const char *format, const char *owner, __u64 start, __u64 end)
{
	unsigned long long first, last;
	char line[256];
	int count = 0;

	igt_assert(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, format, &first, &last) == 2 && last > start && first <= end &&
		    strstr(line, owner))
			count++;
	}
	fclose(file);
	return count;
}

static int memory_types(__u64 start, __u64 end)
{
	return count_overlaps(barium_debugfs("x86/pat_memtype_list"), "PAT: [mem %llx-%llx]", "",
			    start, end);
}

static int regions(__u64 start, __u64 end)
{
	return count_overlaps(fopen("/proc/iomem", "r"), "%llx-%llx", "barium", start, end);
}

/*
 * The driver releases the PCI region and the memory type of the BAR on unbind. x86 only has a list
 * of memory types.
 */
static void test_claims(int fd)
{
	FILE *list = barium_debugfs("x86/pat_memtype_list"), *file;
	unsigned long long start, end;
	char slot[BARIUM_SLOT_LEN], path[128];
	bool has_list = list;

	if (list)
		fclose(list);
	barium_slot(fd, slot);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", slot);
	file = fopen(path, "r");
	igt_assert(file);
	igt_assert_eq(fscanf(file, "%llx %llx", &start, &end), 2);
	fclose(file);

	if (has_list)
		igt_assert_lt(0, memory_types(start, end));
	igt_assert_lt(0, regions(start, end));
	barium_unbind();
	if (has_list)
		igt_assert_eq(memory_types(start, end), 0);
	igt_assert_eq(regions(start, end), 0);
	barium_bind();
	if (has_list)
		igt_assert_lt(0, memory_types(start, end));
}

/* Returns the lowest device number that no mount without a block device has. */
static int free_device_number(void)
{
	int mount = __barium_tmpfs(NULL);
	struct stat info;

	igt_require_f(mount >= 0, "tmpfs cannot be mounted\n");
	igt_assert_eq(fstat(mount, &info), 0);
	close(mount);
	return minor(info.st_dev);
}

/*
 * Each mount that the driver left behind would have a number. After the first round, the mounts of
 * the driver and of DRM have the lowest ones.
 */
static void test_mount_released(int fd)
{
	int first = 0, last = 0, round;

	close(fd);
	for (round = 0; round < 4; round++) {
		barium_unbind();
		barium_bind();
		last = free_device_number();
		if (!round)
			first = last;
	}
	igt_assert_lte(last, first);
}

static void unload_refused(void)
{
	igt_assert_eq(syscall(SYS_delete_module, "barium", O_NONBLOCK), -1);
	igt_assert(errno == EWOULDBLOCK || errno == EBUSY);
}

static void test_module_in_use(int fd)
{
	int other, buf;
	struct barium_bo bo;

	igt_require_f(!access("/sys/module/barium/refcnt", F_OK), "barium is no module\n");
	unload_refused();

	other = barium_reopen(fd, O_RDWR);
	bo = barium_bo_create(other, 1);
	buf = __barium_gem_export(other, bo.handle, DRM_RDWR | DRM_CLOEXEC);
	close(other);
	barium_unbind();
	unload_refused();
	barium_bind();
	if (buf >= 0)
		close(buf);
	barium_bo_unmap(&bo);
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("Old mappings and the new device do not share memory.");
	igt_subtest("old-mapping-new-device")
		test_old_mapping_new_device(barium_new_bound_client());

	igt_describe("The new device does not import dma-bufs of the previous binding.");
	igt_subtest("old-buffer-new-device")
		test_old_buffer_new_device(barium_new_bound_client());

	igt_describe("New objects contain nothing of the previous binding.");
	igt_subtest("zero-after")
		test_zero_after(barium_new_bound_client());

	igt_describe("The device can be bound repeatedly.");
	igt_subtest("rebind-loop") {
		int round;

		barium_new_bound_client();
		for (round = 0; round < 5; round++) {
			barium_unbind();
			barium_bind();
			barium_check_vram();
		}
	}

	igt_describe("The device can be bound while previous bindings are in use.");
	igt_subtest("rebind-in-use") {
		barium_new_bound_client();
		test_rebind_in_use();
	}

	igt_describe("The device can be removed from the bus and found by a rescan.");
	igt_subtest("remove-rescan") {
		int fd = barium_new_bound_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		barium_stamp(bo.map, 0, PAGES / 2, 1);
		barium_remove();
		barium_check_replaced(bo.map, bo.size);
		barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, ENODEV);

		barium_rescan();
		barium_bo_unmap(&bo);
		barium_check_vram();
	}

	igt_describe("Unbind releases the PCI region and the memory type of the BAR.");
	igt_subtest("claims")
		test_claims(barium_new_bound_client());

	igt_describe("Unbind releases the mount of tmpfs.");
	igt_subtest("mount-released")
		test_mount_released(barium_new_bound_client());

	igt_describe("A file, a mapping or a dma-buf holds a module reference.");
	igt_subtest("module-in-use")
		test_module_in_use(barium_new_bound_client());
}
