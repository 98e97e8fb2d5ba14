// SPDX-License-Identifier: MIT
/**
 * TEST: barium prime
 * Description: Tests of exported dma-bufs. A mapping of a dma-buf follows the rules of a mapping of
 *   the device file. Sharing with other clients and devices is tested in barium_prime_share.
 * Category: Core
 * Sub-category: DRM
 * Functionality: PRIME dma-bufs
 *
 * SUBTEST: map
 * Description: A mapping of a dma-buf shows the object.
 *
 * SUBTEST: map-before-offset
 * Description: A mapping older than the fake offset of the object stays valid.
 *
 * SUBTEST: map-at-offset
 * Description: A dma-buf can be mapped from any page.
 *
 * SUBTEST: map-at-offset-split
 * Description: A partial mapping shows the right pages after a split.
 *
 * SUBTEST: map-past-end
 * Description: A mapping that exceeds the dma-buf fails with EINVAL.
 *
 * SUBTEST: cow-refused
 * Description: A private mapping of a dma-buf fails with EINVAL.
 *
 * SUBTEST: cow-refused-read-only
 * Description: A private mapping of a read-only dma-buf fails with EINVAL.
 *
 * SUBTEST: read-only
 * Description: A mapping of a read-only dma-buf cannot become writable.
 *
 * SUBTEST: vm-flags
 * Description: The VMA flags equal those of a mapping of the device file.
 *
 * SUBTEST: cache-mode
 * Description: The page table entries of the mapping are write-combining.
 *
 * SUBTEST: debugger
 * Description: /proc/self/mem reads the right pages of a dma-buf.
 *
 * SUBTEST: outlives-file
 * Description: A dma-buf and its mapping hold the object after the file is closed.
 *
 * SUBTEST: sync-accesses
 * Description: DMA_BUF_IOCTL_SYNC succeeds.
 *
 * SUBTEST: export-unknown
 * Description: Exporting an unknown handle fails with ENOENT.
 *
 * SUBTEST: export-size
 * Description: A dma-buf has the size of its object.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include <linux/dma-buf.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_prime.h"

IGT_TEST_DESCRIPTION("Exported dma-bufs and their mappings.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 8

/* The dma-buf is mapped before a client queries the fake offset of the object. */
static void test_map_before_offset(int fd)
{
	size_t page = barium_page_size();
	__u32 other = barium_gem_create(fd, PAGES * page), handle;
	__u8 *map, *direct;
	int buf;

	barium_gem_mmap_offset(fd, other);
	handle = barium_gem_create(fd, PAGES * page);
	buf = barium_export(fd, handle);
	map = barium_map_buf(buf, 0, PAGES);
	barium_stamp(map, 0, 3, 1);

	direct = barium_mmap(fd, handle, PAGES * page);
	barium_check_stamp(direct, 0, 3, 1);
	barium_stamp(direct + 3 * page, 3, PAGES - 3, 1);
	barium_check_stamp(map, 0, PAGES, 1);

	barium_munmap(map, PAGES * page);
	barium_munmap(direct, PAGES * page);
	close(buf);
	gem_close(fd, handle);
	gem_close(fd, other);
}

static void test_map_at_offset(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size(), first;
	int buf = barium_export(fd, bo.handle);
	void *map;

	barium_stamp(bo.map, 0, PAGES, 1);
	for (first = 1; first < PAGES; first++) {
		map = barium_map_buf(buf, first, PAGES - first);
		barium_check_stamp(map, first, PAGES - first, 1);
		barium_munmap(map, (PAGES - first) * page);

		map = barium_map_buf(buf, first, 1);
		barium_check_stamp(map, first, 1, 1);
		barium_munmap(map, page);
	}
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void test_map_past_end(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct barium_bo next = barium_bo_create(fd, PAGES);
	__u64 page = barium_page_size();
	int buf = barium_export(fd, bo.handle);
	void *map;

	barium_mmap_refused(buf, bo.size + page, RW, MAP_SHARED, 0, EINVAL);
	barium_mmap_refused(buf, bo.size, RW, MAP_SHARED, page, EINVAL);
	barium_mmap_refused(buf, page, RW, MAP_SHARED, bo.size, EINVAL);
	barium_mmap_refused(buf, page, RW, MAP_SHARED, bo.offset, EINVAL);
	igt_assert_neq(__barium_mmap(buf, 2 * page, RW, MAP_SHARED, -page, &map), 0);
	close(buf);
	barium_bo_fini(fd, &next);
	barium_bo_fini(fd, &bo);
}

static void cow_refused_with(int fd, __u32 flags)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_WRITE, RW };
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = barium_export_with(fd, bo.handle, flags);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		barium_mmap_refused(buf, bo.size, prots[i], MAP_PRIVATE, 0, EINVAL);
		barium_mmap_refused(buf, barium_page_size(), prots[i], MAP_PRIVATE,
				    barium_page_size(), EINVAL);
	}
	close(buf);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void test_read_only(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = barium_export_with(fd, bo.handle, 0);
	void *map;

	barium_mmap_refused(buf, bo.size, RW, MAP_SHARED, 0, EACCES);
	igt_assert_eq(__barium_mmap(buf, bo.size, PROT_READ, MAP_SHARED, 0, &map), 0);
	barium_stamp(bo.map, 0, PAGES, 1);
	barium_check_stamp(map, 0, PAGES, 1);
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	igt_assert_eq(mprotect(map, bo.size, RW), -1);
	igt_assert_eq(errno, EACCES);

	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void test_debugger(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();
	int buf = barium_export(fd, bo.handle), mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	void *map = barium_map_buf(buf, 2, 2), *copy = malloc(2 * page);

	igt_assert(mem >= 0 && copy);
	barium_stamp(bo.map, 0, PAGES, 1);
	igt_assert_eq(pread(mem, copy, 2 * page, (uintptr_t)map), 2 * page);
	barium_check_stamp(copy, 2, 2, 1);
	close(mem);
	free(copy);
	barium_munmap(map, 2 * page);
	close(buf);
	barium_bo_fini(fd, &bo);
}

/* The dma-buf holds the object after its handle and file are closed. */
static void test_outlives_file(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo bo = barium_bo_create(other, PAGES);
	int buf = barium_export(other, bo.handle);
	void *map;

	barium_stamp(bo.map, 0, PAGES, 1);
	barium_munmap(bo.map, bo.size);
	close(other);
	igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);

	map = barium_map_buf(buf, 0, PAGES);
	close(buf);
	barium_check_stamp(map, 0, PAGES, 1);
	igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);
	barium_munmap(map, bo.size);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* DMA_BUF_IOCTL_SYNC around an access succeeds, and has no fence to wait for. */
static void test_sync_accesses(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = barium_export(fd, bo.handle);
	void *map = barium_map_buf(buf, 0, PAGES);
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START };

	do_ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync);
	barium_stamp(map, 0, PAGES, 1);
	sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
	do_ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync);
	barium_check_stamp(bo.map, 0, PAGES, 1);

	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

int igt_main()
{
	igt_describe("A mapping of a dma-buf shows the object.");
	igt_subtest("map") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		int buf = barium_export(fd, bo.handle);
		void *map = barium_map_buf(buf, 0, PAGES);

		barium_check_zero(map, bo.size);
		barium_stamp(map, 0, PAGES, 1);
		barium_check_stamp(bo.map, 0, PAGES, 1);
		barium_munmap(map, bo.size);
		close(buf);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("A mapping older than the fake offset of the object stays valid.");
	igt_subtest("map-before-offset")
		test_map_before_offset(barium_new_client());

	igt_describe("A dma-buf can be mapped from any page.");
	igt_subtest("map-at-offset")
		test_map_at_offset(barium_new_client());

	igt_describe("A partial mapping shows the right pages after a split.");
	igt_subtest("map-at-offset-split") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		size_t page = barium_page_size();
		int buf = barium_export(fd, bo.handle);
		__u8 *map = barium_map_buf(buf, 1, PAGES - 1);

		barium_stamp(bo.map, 0, PAGES, 1);
		barium_munmap(map + 2 * page, page);
		barium_check_stamp(map, 1, 2, 1);
		barium_check_stamp(map + 3 * page, 4, PAGES - 4, 1);
		barium_munmap(map, (PAGES - 1) * page);
		close(buf);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("A mapping that exceeds the dma-buf fails with EINVAL.");
	igt_subtest("map-past-end")
		test_map_past_end(barium_new_client());

	igt_describe("A private mapping of a dma-buf fails with EINVAL.");
	igt_subtest("cow-refused")
		cow_refused_with(barium_new_client(), DRM_RDWR);

	igt_describe("A private mapping of a read-only dma-buf fails with EINVAL.");
	igt_subtest("cow-refused-read-only")
		cow_refused_with(barium_new_client(), 0);

	igt_describe("A mapping of a read-only dma-buf cannot become writable.");
	igt_subtest("read-only")
		test_read_only(barium_new_client());

	igt_describe("The VMA flags equal those of a mapping of the device file.");
	igt_subtest("vm-flags") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		int buf = barium_export(fd, bo.handle);
		void *map = barium_map_buf(buf, 0, PAGES);

		barium_check_vm_flags(map);
		barium_munmap(map, bo.size);
		close(buf);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("The page table entries of the mapping are write-combining.");
	igt_subtest("cache-mode") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		int buf = barium_export(fd, bo.handle);
		__u8 *map = barium_map_buf(buf, 0, PAGES);

		WRITE_ONCE(map[0], 1);
		barium_check_write_combining(map);
		barium_munmap(map, bo.size);
		close(buf);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("/proc/self/mem reads the right pages of a dma-buf.");
	igt_subtest("debugger")
		test_debugger(barium_new_client());

	igt_describe("A dma-buf and its mapping hold the object after the file is closed.");
	igt_subtest("outlives-file")
		test_outlives_file(barium_new_client());

	igt_describe("DMA_BUF_IOCTL_SYNC succeeds.");
	igt_subtest("sync-accesses")
		test_sync_accesses(barium_new_client());

	igt_describe("Exporting an unknown handle fails with ENOENT.");
	igt_subtest("export-unknown") {
		int fd = barium_new_client();
		__u32 handle = barium_gem_create(fd, barium_page_size());

		close(barium_export(fd, handle));
		igt_assert_eq(__barium_gem_export(fd, handle + 1, DRM_RDWR), -ENOENT);
		igt_assert_eq(__barium_gem_export(fd, handle, 1u << 30), -EINVAL);
		gem_close(fd, handle);
		igt_assert_eq(__barium_gem_export(fd, handle, DRM_RDWR), -ENOENT);
	}

	igt_describe("A dma-buf has the size of its object.");
	igt_subtest("export-size") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 5);
		int buf = barium_export(fd, bo.handle);

		igt_assert_eq_u64(lseek(buf, 0, SEEK_END), bo.size);
		close(buf);
		barium_bo_fini(fd, &bo);
	}
}
