// SPDX-License-Identifier: MIT
/*
 * Tests of exported dma-bufs. A mapping of a dma-buf follows the rules of a mapping of the device
 * file. Sharing with other clients and devices is tested in barium_prime_share.
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

static void map_shared(int fd)
{
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

/* The dma-buf is mapped before a client queries the fake offset of the object. */
static void map_before_offset(int fd)
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

static void map_at_offset(int fd)
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

static void map_at_offset_split(int fd)
{
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

static void map_past_end(int fd)
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

static void cow_refused(int fd)
{
	cow_refused_with(fd, DRM_RDWR);
}

static void cow_refused_read_only(int fd)
{
	cow_refused_with(fd, 0);
}

static void read_only(int fd)
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

static void vm_flags(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = barium_export(fd, bo.handle);
	void *map = barium_map_buf(buf, 0, PAGES);

	barium_check_vm_flags(map);
	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void cache_mode(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = barium_export(fd, bo.handle);
	__u8 *map = barium_map_buf(buf, 0, PAGES);

	WRITE_ONCE(map[0], 1);
	barium_check_write_combining(map);
	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void debugger(int fd)
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
static void outlives_file(int fd)
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
static void sync_accesses(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = barium_export(fd, bo.handle);
	void *map = barium_map_buf(buf, 0, PAGES);
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START };

	igt_assert_eq(barium_ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync), 0);
	barium_stamp(map, 0, PAGES, 1);
	sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
	igt_assert_eq(barium_ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync), 0);
	barium_check_stamp(bo.map, 0, PAGES, 1);

	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void export_unknown(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size());

	close(barium_export(fd, handle));
	igt_assert_eq(__barium_gem_export(fd, handle + 1, DRM_RDWR), -ENOENT);
	igt_assert_eq(__barium_gem_export(fd, handle, 1u << 30), -EINVAL);
	gem_close(fd, handle);
	igt_assert_eq(__barium_gem_export(fd, handle, DRM_RDWR), -ENOENT);
}

static void export_size(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 5);
	int buf = barium_export(fd, bo.handle);

	igt_assert_eq_u64(lseek(buf, 0, SEEK_END), bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static const struct barium_subtest tests[] = {
	{ "map", "A mapping of a dma-buf shows the object.", map_shared },
	{ "map-before-offset", "A mapping that is older than the object's offset stays right.",
	  map_before_offset },
	{ "map-at-offset", "A dma-buf can be mapped from any page on.", map_at_offset },
	{ "map-at-offset-split", "A part of a dma-buf shows the right pages after a split.",
	  map_at_offset_split },
	{ "map-past-end", "A mapping that leaves the dma-buf is refused.", map_past_end },
	{ "cow-refused", "Private mappings of a dma-buf are refused.", cow_refused },
	{ "cow-refused-read-only", "Private mappings of a read-only dma-buf are refused.",
	  cow_refused_read_only },
	{ "read-only", "A read-only dma-buf gives a mapping that stays read-only.", read_only },
	{ "vm-flags", "The kernel knows a dma-buf's mapping as it knows the file's.", vm_flags },
	{ "cache-mode", "Pages of a dma-buf's mapping are write-combining.", cache_mode },
	{ "debugger", "A debugger sees the right pages of a dma-buf.", debugger },
	{ "outlives-file", "A dma-buf and its mapping outlive handle and file.", outlives_file },
	{ "sync-accesses", "Accesses to a dma-buf may be announced.", sync_accesses },
	{ "export-unknown", "A handle that names nothing is not exported.", export_unknown },
	{ "export-size", "A dma-buf is as large as its object.", export_size },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
