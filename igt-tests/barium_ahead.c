// SPDX-License-Identifier: MIT
/**
 * TEST: barium ahead
 * Description: The ioctl MAP_AHEAD, which maps pages before they are accessed: the ranges that it
 *   maps and those that it refuses.
 * Category: Core
 * Sub-category: DRM
 * Functionality: MAP_AHEAD ioctl
 *
 * SUBTEST: whole
 * Description: MAP_AHEAD maps all pages of a mapping.
 *
 * SUBTEST: part
 * Description: MAP_AHEAD maps a part of a mapping.
 *
 * SUBTEST: writable
 * Description: Writes to a range of MAP_AHEAD take no fault.
 *
 * SUBTEST: read-only
 * Description: MAP_AHEAD maps a read-only mapping, which stays read-only.
 *
 * SUBTEST: after-touch
 * Description: MAP_AHEAD maps the remaining pages of a partly mapped range.
 *
 * SUBTEST: again
 * Description: MAP_AHEAD succeeds for a range that is mapped already.
 *
 * SUBTEST: scattered
 * Description: MAP_AHEAD maps an object with many extents.
 *
 * SUBTEST: whole-vram
 * Description: MAP_AHEAD maps an object as large as VRAM.
 *
 * SUBTEST: several-mappings
 * Description: MAP_AHEAD maps a range that spans several VMAs.
 *
 * SUBTEST: other-file
 * Description: MAP_AHEAD accepts a mapping of another client's object.
 *
 * SUBTEST: dma-buf
 * Description: MAP_AHEAD maps a mapping of a dma-buf.
 *
 * SUBTEST: write-combining
 * Description: MAP_AHEAD inserts write-combining entries.
 *
 * SUBTEST: empty
 * Description: MAP_AHEAD refuses an empty range.
 *
 * SUBTEST: unaligned
 * Description: MAP_AHEAD refuses an unaligned range.
 *
 * SUBTEST: wrap
 * Description: MAP_AHEAD refuses a range that wraps around.
 *
 * SUBTEST: flags-set
 * Description: MAP_AHEAD refuses each bit of its flags and its padding.
 *
 * SUBTEST: unmapped
 * Description: MAP_AHEAD stops with EFAULT at an unmapped address.
 *
 * SUBTEST: foreign-memory
 * Description: MAP_AHEAD stops with EFAULT at a VMA that maps no object.
 *
 * SUBTEST: no-access
 * Description: MAP_AHEAD of a mapping with PROT_NONE fails with EFAULT.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_mapping.h"

IGT_TEST_DESCRIPTION("Checks the ioctl that maps pages before they are accessed.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 64

static void map_ahead(int fd, const void *map, __u64 size)
{
	struct drm_barium_map_ahead arg = { .address = (uintptr_t)map, .size = size };

	do_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg);
}

/* Asserts that MAP_AHEAD fails with @error. */
static void map_ahead_refused(int fd, const void *map, __u64 size, int error)
{
	struct drm_barium_map_ahead arg = { .address = (uintptr_t)map, .size = size };

	do_ioctl_err(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg, error);
}

/* Asserts that reads of @pages stamped pages take no fault. */
static void check_mapped(const __u8 *map, size_t first, size_t pages)
{
	long before = barium_minor_faults();
	size_t i;

	for (i = 0; i < pages; i++)
		READ_ONCE(map[i * barium_page_size()]);
	igt_assert_eq(barium_minor_faults() - before, 0);
	barium_check_stamp(map, first, pages, 1);
}

static struct barium_bo stamped(int fd, size_t pages)
{
	struct barium_bo bo = barium_bo_create(fd, pages);

	barium_stamp(bo.map, 0, pages, 1);
	return bo;
}

static void test_read_only(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	map_ahead(fd, map, bo.size);
	check_mapped(map, 0, PAGES);
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* The VMAs map two objects, and mprotect() splits one of them. */
static void test_several_mappings(int fd)
{
	struct barium_bo one = stamped(fd, PAGES), two = stamped(fd, 4);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, one.handle, one.size);

	igt_assert(mmap(map + 8 * page, two.size, RW, MAP_SHARED | MAP_FIXED, fd, two.offset) ==
		   map + 8 * page);
	igt_assert_eq(mprotect(map + 20 * page, 5 * page, PROT_READ), 0);
	map_ahead(fd, map, one.size);
	check_mapped(map, 0, 8);
	check_mapped(map + 8 * page, 0, 4);
	check_mapped(map + 12 * page, 12, PAGES - 12);
	barium_munmap(map, one.size);
	barium_bo_fini(fd, &two);
	barium_bo_fini(fd, &one);
}

static void test_dma_buf(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	size_t page = barium_page_size();
	int buf = __barium_gem_export(fd, bo.handle, DRM_RDWR | DRM_CLOEXEC);
	void *map;

	igt_require_f(buf >= 0, "objects cannot be exported\n");
	igt_assert_eq(__barium_mmap(buf, bo.size - 3 * page, RW, MAP_SHARED, 3 * page, &map), 0);
	map_ahead(fd, map, bo.size - 3 * page);
	check_mapped(map, 3, PAGES - 3);
	barium_munmap(map, bo.size - 3 * page);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void test_flags_set(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int bit;

	for (bit = 0; bit < 32; bit++) {
		struct drm_barium_map_ahead arg = {
			.address = (uintptr_t)bo.map,
			.size = bo.size,
		};

		arg.flags = 1u << bit;
		do_ioctl_err(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg, EINVAL);
		arg.flags = 0;
		arg.pad = 1u << bit;
		do_ioctl_err(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg, EINVAL);
	}
	barium_bo_fini(fd, &bo);
}

static void test_unmapped(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	map_ahead_refused(fd, NULL, page, EFAULT);
	map_ahead_refused(fd, (void *)(1ull << 63), page, EFAULT);

	barium_munmap(map + 10 * page, page);
	map_ahead_refused(fd, map, bo.size, EFAULT);
	check_mapped(map, 0, 10);
	map_ahead_refused(fd, map + 10 * page, page, EFAULT);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Neither anonymous memory nor a file maps an object. */
static void test_foreign_memory(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	FILE *file = tmpfile();
	void *shared;

	igt_assert(mmap(map + 4 * page, page, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		   map + 4 * page);
	map_ahead_refused(fd, map + 4 * page, page, EFAULT);
	map_ahead_refused(fd, map, bo.size, EFAULT);
	check_mapped(map, 0, 4);

	igt_assert(file && !ftruncate(fileno(file), page));
	shared = mmap(NULL, page, RW, MAP_SHARED, fileno(file), 0);
	igt_assert(shared != MAP_FAILED);
	map_ahead_refused(fd, shared, page, EFAULT);
	barium_munmap(shared, page);
	fclose(file);

	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_no_access(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	void *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_NONE, MAP_SHARED, bo.offset, &map), 0);
	map_ahead_refused(fd, map, bo.size, EFAULT);
	igt_assert_eq(barium_try_read(map), SIGSEGV);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

int igt_main()
{
	igt_describe("MAP_AHEAD maps all pages of a mapping.");
	igt_subtest("whole") {
		int fd = barium_new_client();
		struct barium_bo bo = stamped(fd, PAGES);
		void *map = barium_mmap(fd, bo.handle, bo.size);

		map_ahead(fd, map, bo.size);
		check_mapped(map, 0, PAGES);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD maps a part of a mapping.");
	igt_subtest("part") {
		int fd = barium_new_client();
		struct barium_bo bo = stamped(fd, PAGES);
		size_t page = barium_page_size();
		__u8 *map = barium_mmap(fd, bo.handle, bo.size);

		map_ahead(fd, map + 5 * page, 7 * page);
		check_mapped(map + 5 * page, 5, 7);
		barium_check_stamp(map, 0, PAGES, 1);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("Writes to a range of MAP_AHEAD take no fault.");
	igt_subtest("writable") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		long before;
		size_t i;

		map_ahead(fd, bo.map, bo.size);
		before = barium_minor_faults();
		for (i = 0; i < PAGES; i++)
			WRITE_ONCE(bo.map[i * barium_page_size()], 1);
		igt_assert_eq(barium_minor_faults() - before, 0);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD maps a read-only mapping, which stays read-only.");
	igt_subtest("read-only")
		test_read_only(barium_new_client());

	igt_describe("MAP_AHEAD maps the remaining pages of a partly mapped range.");
	igt_subtest("after-touch") {
		int fd = barium_new_client();
		struct barium_bo bo = stamped(fd, PAGES);
		size_t page = barium_page_size();
		__u8 *map = barium_mmap(fd, bo.handle, bo.size);

		READ_ONCE(map[0]);
		READ_ONCE(map[40 * page]);
		map_ahead(fd, map, bo.size);
		check_mapped(map, 0, PAGES);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD succeeds for a range that is mapped already.");
	igt_subtest("again") {
		int fd = barium_new_client();
		struct barium_bo bo = stamped(fd, PAGES);

		map_ahead(fd, bo.map, bo.size);
		map_ahead(fd, bo.map, bo.size);
		check_mapped(bo.map, 0, PAGES);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD maps an object with many extents.");
	igt_subtest("scattered") {
		int fd = barium_new_client();
		struct barium_bo bo;
		int holder = barium_bo_create_scattered(fd, PAGES, &bo);
		void *map = barium_mmap(fd, bo.handle, bo.size);

		barium_stamp(bo.map, 0, PAGES, 1);
		map_ahead(fd, map, bo.size);
		check_mapped(map, 0, PAGES);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
		close(holder);
	}

	igt_describe("MAP_AHEAD maps an object as large as VRAM.");
	igt_subtest("whole-vram") {
		int fd = barium_new_client();
		size_t pages = barium_vram_available(fd) / barium_page_size();
		struct barium_bo bo = stamped(fd, pages);
		void *map = barium_mmap(fd, bo.handle, bo.size);

		map_ahead(fd, map, bo.size);
		check_mapped(map, 0, pages);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD maps a range that spans several VMAs.");
	igt_subtest("several-mappings")
		test_several_mappings(barium_new_client());

	/* The ioctl does not check which file of the device the VMA belongs to. */
	igt_describe("MAP_AHEAD accepts a mapping of another client's object.");
	igt_subtest("other-file") {
		int fd = barium_new_client();
		struct barium_bo bo = stamped(fd, PAGES);
		void *map = barium_mmap(fd, bo.handle, bo.size);
		int other = barium_reopen(fd, O_RDWR);

		map_ahead(other, map, bo.size);
		check_mapped(map, 0, PAGES);
		close(other);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD maps a mapping of a dma-buf.");
	igt_subtest("dma-buf")
		test_dma_buf(barium_new_client());

	igt_describe("MAP_AHEAD inserts write-combining entries.");
	igt_subtest("write-combining") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		barium_require_vram();
		map_ahead(fd, bo.map, bo.size);
		barium_check_write_combining(bo.map + 9 * barium_page_size());
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD refuses an empty range.");
	igt_subtest("empty") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		map_ahead_refused(fd, bo.map, 0, EINVAL);
		map_ahead_refused(fd, NULL, 0, EINVAL);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD refuses an unaligned range.");
	igt_subtest("unaligned") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		size_t page = barium_page_size();

		map_ahead_refused(fd, bo.map + 1, page, EINVAL);
		map_ahead_refused(fd, bo.map + 8, page - 8, EINVAL);
		map_ahead_refused(fd, bo.map, page - 1, EINVAL);
		map_ahead_refused(fd, bo.map, page + 1, EINVAL);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD refuses a range that wraps around.");
	igt_subtest("wrap") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		size_t page = barium_page_size();

		map_ahead_refused(fd, bo.map, -page, EINVAL);
		map_ahead_refused(fd, bo.map, ~0ull, EINVAL);
		map_ahead_refused(fd, (void *)-page, 2 * page, EINVAL);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_AHEAD refuses each bit of its flags and its padding.");
	igt_subtest("flags-set")
		test_flags_set(barium_new_client());

	igt_describe("MAP_AHEAD stops with EFAULT at an unmapped address.");
	igt_subtest("unmapped")
		test_unmapped(barium_new_client());

	igt_describe("MAP_AHEAD stops with EFAULT at a VMA that maps no object.");
	igt_subtest("foreign-memory")
		test_foreign_memory(barium_new_client());

	igt_describe("MAP_AHEAD of a mapping with PROT_NONE fails with EFAULT.");
	igt_subtest("no-access")
		test_no_access(barium_new_client());
}
