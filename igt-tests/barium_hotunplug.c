// SPDX-License-Identifier: MIT
/**
 * TEST: barium hotunplug
 * Description: Tests of the state that a client with open files and mappings observes after the
 *   device is unbound from the driver. barium_hotunplug_race tests accesses during unbind,
 *   barium_rebind the rebound device.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Unbind
 *
 * SUBTEST: ioctls
 * Description: Each ioctl fails with ENODEV after unbind.
 *
 * SUBTEST: map-refused
 * Description: mmap() fails with ENODEV after unbind.
 *
 * SUBTEST: open-refused
 * Description: open() fails after unbind.
 *
 * SUBTEST: touched
 * Description: Pages accessed before unbind read as zero and are writable.
 *
 * SUBTEST: untouched
 * Description: Pages not accessed before unbind read as zero and are writable.
 *
 * SUBTEST: partly-touched
 * Description: All pages of a partly populated mapping read as zero.
 *
 * SUBTEST: large
 * Description: A mapping with huge entries reads as zero after unbind.
 *
 * SUBTEST: map-ahead
 * Description: MAP_AHEAD fails after unbind, and pages it mapped read as zero.
 *
 * SUBTEST: written-first
 * Description: A write that is the first access after unbind can be read back.
 *
 * SUBTEST: same-object
 * Description: Two mappings of an object share their memory after unbind.
 *
 * SUBTEST: other-object
 * Description: Objects do not share memory after unbind.
 *
 * SUBTEST: read-only
 * Description: A read-only mapping stays read-only after unbind.
 *
 * SUBTEST: split-after
 * Description: A mapping can be split, protected and moved after unbind.
 *
 * SUBTEST: fork-after
 * Description: A child process shares the mapping after unbind.
 *
 * SUBTEST: debugger
 * Description: /proc/self/mem and the mapping agree after unbind.
 *
 * SUBTEST: dma-buf
 * Description: An access to a mapping of a dma-buf raises no signal after unbind.
 *
 * SUBTEST: close-after
 * Description: Files and objects can be closed after unbind.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Files, mappings and dma-bufs after the device is unbound.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 16

static void test_ioctls(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size()), other, retained;
	struct drm_barium_gem_info info;
	__u64 value, size = barium_page_size();

	barium_unbind();
	igt_assert_eq(__barium_get_param(fd, BARIUM_PARAM_VRAM_SIZE, &value), -ENODEV);
	igt_assert_eq(__barium_gem_create(fd, &size, 0, &other), -ENODEV);
	igt_assert_eq(__barium_gem_mmap_offset(fd, handle, &value), -ENODEV);
	igt_assert_eq(__barium_gem_info(fd, handle, &info), -ENODEV);
	igt_assert_eq(__barium_madvise(fd, handle, BARIUM_MADVISE_DONTNEED, &retained), -ENODEV);
	igt_assert_eq(__barium_gem_close(fd, handle), -ENODEV);

	barium_bind();
	igt_assert_eq(__barium_get_param(fd, BARIUM_PARAM_VRAM_SIZE, &value), -ENODEV);
	barium_check_vram();
}

/* The object is large enough for huge entries. One half of it is accessed before unbind. */
static void test_large(int fd)
{
	size_t page = barium_page_size();
	__u64 size = barium_room() / 4 / page * 2 * page;
	struct barium_bo bo = barium_bo_create(fd, size / page);
	__u8 *again = barium_mmap(fd, bo.handle, size);

	barium_stamp(bo.map, 0, size / 2 / page, 1);
	barium_unbind();
	barium_check_replaced(bo.map, size);
	igt_assert_eq_u32(READ_ONCE(again[0]), READ_ONCE(bo.map[0]));
	memset(bo.map, 0, size);
	barium_check_zero(again, size);
	barium_munmap(again, size);
	barium_bo_unmap(&bo);
	barium_bind();
	barium_check_vram();
}

static void test_map_ahead(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct drm_barium_map_ahead arg = { .address = (uintptr_t)bo.map, .size = bo.size };

	do_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg);
	barium_stamp(bo.map, 0, PAGES, 1);
	barium_unbind();
	do_ioctl_err(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg, ENODEV);
	barium_check_replaced(bo.map, bo.size);
	barium_bind();

	/* The mapping is not one of the new device. */
	fd = barium_open_bound();
	do_ioctl_err(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg, EFAULT);
	close(fd);
	barium_bo_unmap(&bo);
}

/* Two mappings of an object still map the same memory after unbind. */
static void test_same_object(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *again = barium_mmap(fd, bo.handle, bo.size);

	WRITE_ONCE(bo.map[0], 1);
	barium_unbind();
	igt_assert_eq_u32(READ_ONCE(again[7]), 0);
	WRITE_ONCE(bo.map[7], 0x77);
	igt_assert_eq_u32(READ_ONCE(again[7]), 0x77);
	WRITE_ONCE(again[9], 0x99);
	igt_assert_eq_u32(READ_ONCE(bo.map[9]), 0x99);

	barium_munmap(again, bo.size);
	barium_bo_unmap(&bo);
	barium_bind();
}

/* A write to one object does not appear in another one, of the same client or of another. */
static void test_other_object(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct barium_bo own = barium_bo_create(fd, PAGES);
	struct barium_bo foreign = barium_bo_create(other, PAGES);

	READ_ONCE(foreign.map[0]);
	barium_unbind();
	memset(bo.map, 0xff, bo.size);
	barium_check_zero(own.map, own.size);
	barium_check_zero(foreign.map, foreign.size);

	barium_bo_unmap(&bo);
	barium_bo_unmap(&own);
	barium_bo_unmap(&foreign);
	close(other);
	barium_bind();
}

static void test_read_only(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	READ_ONCE(map[0]);
	barium_unbind();
	barium_check_zero(map, bo.size);
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	igt_assert_eq(mprotect(map, bo.size, RW), 0);
	igt_assert_eq(barium_try_write(map), 0);

	barium_munmap(map, bo.size);
	barium_bo_unmap(&bo);
	barium_bind();
}

static void test_split_after(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();
	__u8 *room = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(room != MAP_FAILED);
	barium_stamp(bo.map, 0, PAGES / 2, 1);
	barium_unbind();
	barium_munmap(bo.map + 2 * page, page);
	igt_assert_eq(mprotect(bo.map + 4 * page, page, PROT_READ), 0);
	igt_assert(mremap(bo.map + 6 * page, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
			  room) == room);
	barium_check_zero(bo.map + 3 * page, 3 * page);
	barium_check_replaced(room, 4 * page);
	igt_assert_eq(barium_try_write(bo.map + 15 * page), 0);

	barium_munmap(room, 4 * page);
	barium_bo_unmap(&bo);
	barium_bind();
}

static void test_fork_after(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_stamp(bo.map, 0, 2, 1);
	barium_unbind();
	READ_ONCE(bo.map[0]);
	igt_fork(child, 1) {
		barium_check_zero(bo.map, bo.size);
		WRITE_ONCE(bo.map[5], 0x55);
	}
	igt_waitchildren();
	igt_assert_eq_u32(READ_ONCE(bo.map[5]), 0x55);
	barium_bo_unmap(&bo);
	barium_bind();
}

/* /proc/self/mem and the program access the same memory, accessed before unbind or not. */
static void test_debugger(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u64 word = 0x1122334455667788;

	igt_assert_lte(0, mem);
	barium_stamp(bo.map, 0, 2, 1);
	barium_unbind();
	igt_assert_eq(pwrite(mem, &word, sizeof(word), (uintptr_t)bo.map), sizeof(word));
	igt_assert_eq_u64(READ_ONCE(*(__u64 *)bo.map), word);
	WRITE_ONCE(*(__u64 *)bo.map, 42);
	igt_assert_eq(pread(mem, &word, sizeof(word), (uintptr_t)bo.map), sizeof(word));
	igt_assert_eq_u64(word, 42);

	close(mem);
	barium_bo_unmap(&bo);
	barium_bind();
}

static void test_dma_buf(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = __barium_gem_export(fd, bo.handle, DRM_RDWR | DRM_CLOEXEC);
	__u8 *map;

	igt_require_f(buf >= 0, "the driver does not support export\n");
	igt_assert_eq(__barium_mmap(buf, bo.size, RW, MAP_SHARED, 0, (void **)&map), 0);
	barium_stamp(map, 0, PAGES / 2, 1);
	barium_unbind();
	barium_check_zero(map, bo.size);
	WRITE_ONCE(map[5], 0x55);
	igt_assert_eq_u32(READ_ONCE(bo.map[5]), 0x55);
	barium_munmap(map, bo.size);

	/* mmap() of the dma-buf may fail or succeed; an access must not raise a signal. */
	if (!__barium_mmap(buf, bo.size, RW, MAP_SHARED, 0, (void **)&map)) {
		igt_assert_eq(barium_try_read(map), 0);
		igt_assert_eq(barium_try_write(map + bo.size - 1), 0);
		barium_munmap(map, bo.size);
	}
	close(buf);
	barium_bo_unmap(&bo);
	barium_bind();
	barium_check_vram();
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("Each ioctl fails with ENODEV after unbind.");
	igt_subtest("ioctls")
		test_ioctls(barium_new_bound_client());

	igt_describe("mmap() fails with ENODEV after unbind.");
	igt_subtest("map-refused") {
		int fd = barium_new_bound_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		barium_unbind();
		barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, ENODEV);
		barium_bind();
		barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, ENODEV);
		barium_bo_unmap(&bo);
	}

	igt_describe("open() fails after unbind.");
	igt_subtest("open-refused") {
		int fd = barium_new_bound_client();
		char path[32];

		barium_unbind();
		igt_assert_eq(__barium_open_bound(), -ENODEV);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		igt_assert_eq(open(path, O_RDWR), -1);
		barium_bind();
	}

	igt_describe("Pages accessed before unbind read as zero and are writable.");
	igt_subtest("touched") {
		int fd = barium_new_bound_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		barium_stamp(bo.map, 0, PAGES, 1);
		barium_unbind();
		barium_check_replaced(bo.map, bo.size);
		barium_bo_unmap(&bo);
		barium_bind();
	}

	igt_describe("Pages not accessed before unbind read as zero and are writable.");
	igt_subtest("untouched") {
		int fd = barium_new_bound_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		__u8 *map = barium_mmap(fd, bo.handle, bo.size);

		barium_stamp(bo.map, 0, PAGES, 1);
		barium_unbind();
		barium_check_replaced(map, bo.size);
		barium_munmap(map, bo.size);
		barium_bo_unmap(&bo);
		barium_bind();
	}

	igt_describe("All pages of a partly populated mapping read as zero.");
	igt_subtest("partly-touched") {
		int fd = barium_new_bound_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		size_t page = barium_page_size(), i;

		for (i = 0; i < PAGES; i += 3)
			barium_stamp(bo.map + i * page, i, 1, 1);
		barium_unbind();
		barium_check_replaced(bo.map, bo.size);
		barium_bo_unmap(&bo);
		barium_bind();
	}

	igt_describe("A mapping with huge entries reads as zero after unbind.");
	igt_subtest("large")
		test_large(barium_new_bound_client());

	igt_describe("MAP_AHEAD fails after unbind, and pages it mapped read as zero.");
	igt_subtest("map-ahead")
		test_map_ahead(barium_new_bound_client());

	igt_describe("A write that is the first access after unbind can be read back.");
	igt_subtest("written-first") {
		int fd = barium_new_bound_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		barium_unbind();
		igt_assert_eq(barium_try_write(bo.map), 0);
		igt_assert_eq_u32(READ_ONCE(bo.map[0]), 0x5a);
		igt_assert_eq_u32(READ_ONCE(bo.map[1]), 0);
		barium_bo_unmap(&bo);
		barium_bind();
	}

	igt_describe("Two mappings of an object share their memory after unbind.");
	igt_subtest("same-object")
		test_same_object(barium_new_bound_client());

	igt_describe("Objects do not share memory after unbind.");
	igt_subtest("other-object")
		test_other_object(barium_new_bound_client());

	igt_describe("A read-only mapping stays read-only after unbind.");
	igt_subtest("read-only")
		test_read_only(barium_new_bound_client());

	igt_describe("A mapping can be split, protected and moved after unbind.");
	igt_subtest("split-after")
		test_split_after(barium_new_bound_client());

	igt_describe("A child process shares the mapping after unbind.");
	igt_subtest("fork-after")
		test_fork_after(barium_new_bound_client());

	igt_describe("/proc/self/mem and the mapping agree after unbind.");
	igt_subtest("debugger")
		test_debugger(barium_new_bound_client());

	igt_describe("An access to a mapping of a dma-buf raises no signal after unbind.");
	igt_subtest("dma-buf")
		test_dma_buf(barium_new_bound_client());

	igt_describe("Files and objects can be closed after unbind.");
	igt_subtest("close-after") {
		int fd = barium_new_bound_client();
		int other = barium_reopen(fd, O_RDWR), i;
		struct barium_bo bo = barium_bo_create(other, PAGES);

		for (i = 0; i < 20; i++)
			barium_gem_create(other, 5 * barium_page_size());
		barium_unbind();
		close(other);
		barium_check_replaced(bo.map, bo.size);
		barium_bo_unmap(&bo);
		barium_bind();
		barium_check_vram();
	}
}
