// SPDX-License-Identifier: MIT
/**
 * TEST: barium place
 * Description: Objects in system memory: the memory that they use, the attributes of their
 *   mappings, and their uses. The programs barium_system_* run the tests of mappings with such
 *   objects.
 * Category: Core
 * Sub-category: DRM
 * Functionality: placement of objects
 *
 * SUBTEST: feature
 * Description: The driver reports that objects can be in system memory.
 *
 * SUBTEST: system-flag
 * Description: An object in system memory takes no VRAM and reads as zero.
 *
 * SUBTEST: create-beyond-vram
 * Description: Objects in system memory can be created and used when VRAM is full.
 *
 * SUBTEST: size-beyond-vram-enospc
 * Description: GEM_CREATE fails with ENOSPC for a size larger than VRAM.
 *
 * SUBTEST: untouched-costs-nothing
 * Description: An object in system memory allocates only the pages that are accessed.
 *
 * SUBTEST: closed-frees-memory
 * Description: Closing an object frees its system memory.
 *
 * SUBTEST: will-need
 * Description: MADV_WILLNEED lets one fault allocate and map many pages.
 *
 * SUBTEST: ahead
 * Description: MAP_AHEAD allocates and maps the pages of its range.
 *
 * SUBTEST: cached
 * Description: PTEs of system memory are cached, also after mprotect().
 *
 * SUBTEST: neighbours
 * Description: One fault maps the allocated pages beside it, and no others.
 *
 * SUBTEST: dumb-in-vram
 * Description: A dumb buffer is in VRAM.
 *
 * SUBTEST: debugger-reads
 * Description: A debugger that reads untouched pages gets zeros and allocates nothing.
 *
 * SUBTEST: debugger-writes
 * Description: A debugger can write to untouched pages.
 *
 * SUBTEST: content-survives-unbind
 * Description: After unbind, mappings of system memory keep their content and stay usable.
 *
 * SUBTEST: debugger-after-unbind
 * Description: After unbind, a debugger reads and writes the content of system memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_mapping.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks objects in system memory.");

#define RW (PROT_READ | PROT_WRITE)
#define SYSTEM BARIUM_GEM_CREATE_SYSTEM
/* The objects that the subtest closed-frees-memory creates, one after the other. */
#define ROUNDS 8

static void test_feature(int fd)
{
	char name[16], date[16], desc[64];
	struct drm_version version = {
		.name = name,
		.name_len = sizeof(name),
		.date = date,
		.date_len = sizeof(date),
		.desc = desc,
		.desc_len = sizeof(desc),
	};

	igt_assert(barium_get_param(fd, BARIUM_PARAM_FEATURES) & BARIUM_FEATURE_SYSTEM);
	do_ioctl(fd, DRM_IOCTL_VERSION, &version);
	igt_assert_eq(version.version_major, 1);
	igt_assert_lte(1, version.version_minor);
}

static void test_system_flag(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create_with(fd, 16, SYSTEM);
	struct drm_barium_gem_info info;

	igt_assert_eq_u64(barium_vram_available(fd), before);
	barium_gem_info(fd, bo.handle, &info);
	igt_assert_eq_u32(info.flags, SYSTEM);
	barium_check_zero(bo.map, bo.size);
	barium_stamp(bo.map, 0, 16, 1);
	barium_check_stamp(bo.map, 0, 16, 1);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void test_create_beyond_vram(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bos[4];
	__u32 *handles;

	barium_fill(fd, barium_vram_available(fd) / 8 / page * page, &handles);
	free(handles);
	barium_fill(fd, page, &handles);
	free(handles);
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = barium_bo_create_with(fd, 256, SYSTEM);
		barium_check_zero(bos[i].map, bos[i].size);
		barium_stamp(bos[i].map, 0, 256, i);
	}
	for (i = 0; i < ARRAY_SIZE(bos); i++)
		barium_check_stamp(bos[i].map, 0, 256, i);
}

static void test_size_beyond_vram(int fd)
{
	__u64 vram = barium_vram_size(fd), size = vram;
	__u32 handle;

	igt_assert_eq(__barium_gem_create(fd, &size, SYSTEM, &handle), 0);
	gem_close(fd, handle);
	size = vram + barium_page_size();
	igt_assert_eq(__barium_gem_create(fd, &size, SYSTEM, &handle), -ENOSPC);
	igt_assert_eq_u64(barium_in_memory(fd), 0);
}

static void test_untouched(int fd)
{
	size_t page = barium_page_size(), pages = barium_vram_size(fd) / page, i;
	__u64 before = barium_meminfo("Shmem");
	struct barium_bo bos[8];

	for (i = 0; i < ARRAY_SIZE(bos); i++)
		bos[i] = barium_bo_create_with(fd, pages, SYSTEM);
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		WRITE_ONCE(bos[i].map[0], 1);
		READ_ONCE(bos[i].map[(pages / 2) * page]);
		WRITE_ONCE(bos[i].map[(pages - 1) * page], 1);
	}
	igt_assert_eq_u64(barium_in_memory(fd), 3 * ARRAY_SIZE(bos) * page);
	igt_assert_lt_u64(barium_meminfo("Shmem"), before + bos[0].size);
	for (i = 0; i < ARRAY_SIZE(bos); i++)
		barium_bo_fini(fd, &bos[i]);
}

static void test_closed_frees(int fd)
{
	__u64 before = barium_meminfo("MemAvailable"), shmem = barium_meminfo("Shmem");
	size_t pages = barium_vram_size(fd) / barium_page_size(), i;
	struct barium_bo bo;

	for (i = 0; i < ROUNDS; i++) {
		bo = barium_bo_create_with(fd, pages, SYSTEM);
		barium_stamp(bo.map, 0, pages, 1);
		igt_assert_lte_u64(shmem + bo.size / 2, barium_meminfo("Shmem"));
		barium_bo_fini(fd, &bo);
	}
	/* Much less than the memory of all these objects is missing. */
	igt_assert_lt_u64(before,
			  barium_meminfo("MemAvailable") + ROUNDS / 2 * pages * barium_page_size());
}

static void test_will_need(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create_with(fd, 64, SYSTEM);
	long faults;

	igt_require_f(barium_get_param(fd, BARIUM_PARAM_FAULT_AROUND) > 1, "no fault-around\n");
	igt_assert_eq(madvise(bo.map + 8 * page, 16 * page, MADV_WILLNEED), 0);
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	WRITE_ONCE(bo.map[8 * page], 1);
	igt_assert_eq_u64(barium_in_memory(fd), 16 * page);
	faults = barium_minor_faults();
	barium_stamp(bo.map + 8 * page, 8, 16, 1);
	igt_assert_eq(barium_minor_faults() - faults, 0);
	WRITE_ONCE(bo.map[24 * page], 1);
	igt_assert_eq_u64(barium_in_memory(fd), 17 * page);
	barium_bo_fini(fd, &bo);
}

static void test_ahead(int fd)
{
	size_t page = barium_page_size(), pages = 1300;
	struct barium_bo bo = barium_bo_create_with(fd, pages, SYSTEM);
	struct drm_barium_map_ahead arg = {
		.address = (uintptr_t)bo.map + 100 * page,
		.size = 1100 * page,
	};
	long faults;

	do_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg);
	igt_assert_eq_u64(barium_in_memory(fd), 1100 * page);
	faults = barium_minor_faults();
	barium_stamp(bo.map + 100 * page, 100, 1100, 1);
	igt_assert_eq(barium_minor_faults() - faults, 0);
	barium_check_stamp(bo.map + 100 * page, 100, 1100, 1);
	barium_bo_fini(fd, &bo);
}

static void test_cached(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo = barium_bo_create_with(fd, 4, SYSTEM);
	__u8 *again;

	for (i = 0; i < 4; i++)
		WRITE_ONCE(bo.map[i * page], 1);
	barium_check_cached(bo.map);
	barium_check_cached(bo.map + 3 * page);

	/* The first access may map all pages. */
	again = barium_mmap(fd, bo.handle, bo.size);
	for (i = 0; i < 4; i++) {
		READ_ONCE(again[i * page]);
		barium_check_cached(again + i * page);
	}
	igt_assert_eq(mprotect(again, bo.size, PROT_READ), 0);
	igt_assert_eq(mprotect(again, bo.size, RW), 0);
	for (i = 0; i < 4; i++) {
		WRITE_ONCE(again[i * page], 1);
		barium_check_cached(again + i * page);
	}
	barium_munmap(again, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_neighbours(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 16, SYSTEM);
	size_t page = barium_page_size(), i;
	long faults;
	__u8 *again;

	igt_require_f(barium_get_param(fd, BARIUM_PARAM_FAULT_AROUND) > 1, "no fault-around\n");
	for (i = 0; i < 16; i++) {
		if (i != 5)
			barium_stamp(bo.map + i * page, i, 1, 1);
	}

	/* The first page of a mapping maps 15 neighbours. */
	again = barium_mmap(fd, bo.handle, bo.size);
	faults = barium_minor_faults();
	for (i = 0; i < 16; i++) {
		if (i != 5)
			barium_check_stamp(again + i * page, i, 1, 1);
	}
	igt_assert_eq(barium_minor_faults() - faults, 1);
	igt_assert_eq_u64(barium_in_memory(fd), 15 * page);
	barium_check_zero(again + 5 * page, page);
	igt_assert_eq(barium_minor_faults() - faults, 2);
	barium_munmap(again, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_dumb(int fd)
{
	struct drm_mode_create_dumb dumb = { .width = 64, .height = 64, .bpp = 32 };
	struct drm_barium_gem_info info;

	do_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, &dumb);
	barium_gem_info(fd, dumb.handle, &info);
	igt_assert_eq_u32(info.flags, BARIUM_GEM_CREATE_CONTIGUOUS);
	gem_close(fd, dumb.handle);
}

/* Opens the memory of the calling process as a debugger does. */
static int open_mem(void)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);

	igt_require_f(mem >= 0, "/proc/self/mem cannot be opened\n");
	return mem;
}

static void test_debugger_reads(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create_with(fd, 3, SYSTEM);
	int mem = open_mem();
	__u8 buf[3 * page];

	memset(buf, 0xff, sizeof(buf));
	igt_assert_eq(pread(mem, buf, sizeof(buf), (uintptr_t)bo.map), (int)sizeof(buf));
	barium_check_zero(buf, sizeof(buf));
	igt_assert_eq_u64(barium_in_memory(fd), 0);

	/* The object has memory for its second page now. */
	memset(bo.map + page, 0x5a, page);
	memset(buf, 0xff, sizeof(buf));
	igt_assert_eq(pread(mem, buf, sizeof(buf), (uintptr_t)bo.map), (int)sizeof(buf));
	barium_check_zero(buf, page);
	igt_assert(!memcmp(buf + page, bo.map + page, page));
	barium_check_zero(buf + 2 * page, page);
	igt_assert_eq_u64(barium_in_memory(fd), page);
	close(mem);
	barium_bo_fini(fd, &bo);
}

static void test_debugger_writes(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create_with(fd, 4, SYSTEM);
	int mem = open_mem();
	__u8 buf[2 * page];

	barium_stamp(buf, 1, 2, 1);
	igt_assert_eq(pwrite(mem, buf, sizeof(buf), (uintptr_t)bo.map + page), (int)sizeof(buf));
	igt_assert_eq_u64(barium_in_memory(fd), 2 * page);
	barium_check_zero(bo.map, page);
	barium_check_stamp(bo.map + page, 1, 2, 1);
	barium_check_zero(bo.map + 3 * page, page);
	close(mem);
	barium_bo_fini(fd, &bo);
}

static void test_survives_unbind(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create_with(fd, 16, SYSTEM);
	struct barium_bo untouched = barium_bo_create_with(fd, 16, SYSTEM);
	__u8 *again = barium_mmap(fd, bo.handle, bo.size);

	barium_stamp(bo.map, 0, 8, 1);
	barium_unbind();
	barium_check_stamp(bo.map, 0, 8, 1);
	barium_check_stamp(again, 0, 8, 1);
	barium_check_zero(again + 8 * page, 8 * page);
	barium_stamp(again, 0, 16, 2);
	barium_check_stamp(bo.map, 0, 16, 2);
	barium_check_zero(untouched.map, untouched.size);
	barium_stamp(untouched.map, 0, 16, 3);
	barium_check_stamp(untouched.map, 0, 16, 3);

	barium_bind();
	barium_check_stamp(bo.map, 0, 16, 2);
	barium_munmap(again, bo.size);
	barium_bo_unmap(&bo);
	barium_bo_unmap(&untouched);
	barium_check_vram();
}

static void test_debugger_after_unbind(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create_with(fd, 4, SYSTEM);
	int mem = open_mem();
	__u8 buf[2 * page];

	barium_stamp(bo.map, 0, 2, 1);
	barium_unbind();
	igt_assert_eq(pread(mem, buf, sizeof(buf), (uintptr_t)bo.map), (int)sizeof(buf));
	barium_check_stamp(buf, 0, 2, 1);
	barium_stamp(buf, 2, 2, 2);
	igt_assert_eq(pwrite(mem, buf, sizeof(buf), (uintptr_t)bo.map + 2 * page),
		      (int)sizeof(buf));
	barium_check_stamp(bo.map, 0, 2, 1);
	barium_check_stamp(bo.map + 2 * page, 2, 2, 2);
	close(mem);
	barium_bind();
	barium_bo_unmap(&bo);
}

int igt_main()
{
	igt_describe("The driver reports that objects can be in system memory.");
	igt_subtest("feature")
		test_feature(barium_new_client());

	igt_describe("An object in system memory takes no VRAM and reads as zero.");
	igt_subtest("system-flag")
		test_system_flag(barium_new_client());

	igt_describe("Objects in system memory can be created and used when VRAM is full.");
	igt_subtest("create-beyond-vram")
		test_create_beyond_vram(barium_new_client());

	igt_describe("GEM_CREATE fails with ENOSPC for a size larger than VRAM.");
	igt_subtest("size-beyond-vram-enospc")
		test_size_beyond_vram(barium_new_client());

	igt_describe("An object in system memory allocates only the pages that are accessed.");
	igt_subtest("untouched-costs-nothing")
		test_untouched(barium_new_client());

	igt_describe("Closing an object frees its system memory.");
	igt_subtest("closed-frees-memory")
		test_closed_frees(barium_new_client());

	igt_describe("MADV_WILLNEED lets one fault allocate and map many pages.");
	igt_subtest("will-need")
		test_will_need(barium_new_client());

	igt_describe("MAP_AHEAD allocates and maps the pages of its range.");
	igt_subtest("ahead")
		test_ahead(barium_new_client());

	igt_describe("PTEs of system memory are cached, also after mprotect().");
	igt_subtest("cached")
		test_cached(barium_new_client());

	igt_describe("One fault maps the allocated pages beside it, and no others.");
	igt_subtest("neighbours")
		test_neighbours(barium_new_client());

	igt_describe("A dumb buffer is in VRAM.");
	igt_subtest("dumb-in-vram")
		test_dumb(barium_new_primary_client());

	igt_describe("A debugger that reads untouched pages gets zeros and allocates nothing.");
	igt_subtest("debugger-reads")
		test_debugger_reads(barium_new_client());

	igt_describe("A debugger can write to untouched pages.");
	igt_subtest("debugger-writes")
		test_debugger_writes(barium_new_client());

	igt_fixture()
		barium_prepare_unplug();

	igt_describe("After unbind, mappings of system memory keep their content and stay usable.");
	igt_subtest("content-survives-unbind")
		test_survives_unbind(barium_new_bound_client());

	igt_describe("After unbind, a debugger reads and writes the content of system memory.");
	igt_subtest("debugger-after-unbind")
		test_debugger_after_unbind(barium_new_bound_client());
}
