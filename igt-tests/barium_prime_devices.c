// SPDX-License-Identifier: MIT
/**
 * TEST: barium prime devices
 * Description: Tests of sharing memory with other devices by dma-bufs: objects that another device
 *   imports, and dma-bufs of another device that Barium imports. barium_prime_share tests sharing
 *   with other clients.
 * Category: Core
 * Sub-category: DRM
 * Functionality: PRIME dma-bufs
 *
 * SUBTEST: import-udmabuf
 * Description: A mapping of an imported udmabuf shows its memory.
 *
 * SUBTEST: import-vgem
 * Description: A mapping of an imported buffer of vgem shows its memory.
 *
 * SUBTEST: import-part
 * Description: A mapping can be shorter than the imported object, but not longer.
 *
 * SUBTEST: import-private-refused
 * Description: A private writable mapping of an imported object fails with EINVAL.
 *
 * SUBTEST: import-outlives-exporter
 * Description: An imported object keeps the exporter's memory.
 *
 * SUBTEST: import-mapping-outlives-all
 * Description: A mapping of an imported object outlives the handle and the file.
 *
 * SUBTEST: import-export
 * Description: Exporting an imported object returns the original dma-buf.
 *
 * SUBTEST: import-info
 * Description: An imported object uses no VRAM, and its memory is not counted as resident.
 *
 * SUBTEST: import-unbound
 * Description: A mapping of an imported object is unchanged after unbind.
 *
 * SUBTEST: attach-vram
 * Description: An object leaves VRAM with its content when another device imports it.
 *
 * SUBTEST: attach
 * Description: A dma-buf that the importing device exports shows the object's memory.
 *
 * SUBTEST: attach-fills
 * Description: All pages of an object have memory once a device has attached.
 *
 * SUBTEST: attach-twice
 * Description: Two devices can import an object, in any order of import and close.
 *
 * SUBTEST: attach-outlives-client
 * Description: The importing device keeps the object's memory.
 *
 * SUBTEST: attach-unbound
 * Description: An object that another device has imported keeps its memory after unbind.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_prime.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Sharing memory with other devices.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 8

/* A dumb buffer of vgem, with PAGES pages. */
static __u32 vgem_create(int vgem)
{
	struct drm_mode_create_dumb dumb = {
		.width = barium_page_size() / 4,
		.height = PAGES,
		.bpp = 32,
	};

	do_ioctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb);
	igt_assert_eq_u64(dumb.size, PAGES * barium_page_size());
	return dumb.handle;
}

static void *vgem_map(int vgem, __u32 handle)
{
	struct drm_mode_map_dumb dumb = { .handle = handle };
	void *map;

	do_ioctl(vgem, DRM_IOCTL_MODE_MAP_DUMB, &dumb);
	igt_assert_eq(__barium_mmap(vgem, PAGES * barium_page_size(), RW, MAP_SHARED, dumb.offset,
				    &map), 0);
	return map;
}

/*
 * Maps an object that vgem has imported: DRM does not let the importing device map it itself, but
 * returns the dma-buf.
 */
static void *map_imported(int vgem, __u32 handle)
{
	int buf = barium_export(vgem, handle);
	void *map = barium_map_buf(buf, 0, PAGES);

	close(buf);
	return map;
}

/* Imports @buf, of PAGES pages, and asserts that the object shows the memory of @theirs. */
static void check_import(int fd, int buf, __u8 *theirs)
{
	__u64 size = PAGES * barium_page_size(), before = barium_vram_available(fd);
	__u32 handle = barium_import(fd, buf);
	struct drm_barium_gem_info info;
	__u8 *map;

	barium_gem_info(fd, handle, &info);
	igt_assert_eq_u64(info.size, size);
	map = barium_mmap(fd, handle, size);
	barium_stamp(theirs, 0, PAGES, 1);
	barium_check_stamp(map, 0, PAGES, 1);
	barium_stamp(map, 0, PAGES, 2);
	barium_check_stamp(theirs, 0, PAGES, 2);
	igt_assert_eq_u64(barium_vram_available(fd), before);

	barium_munmap(map, size);
	gem_close(fd, handle);
	barium_check_stamp(theirs, 0, PAGES, 2);
}

static void test_import_udmabuf(int fd)
{
	__u8 *theirs;
	int buf = barium_make_udmabuf(PAGES, &theirs);
	int primary = barium_open_primary();

	check_import(fd, buf, theirs);
	check_import(primary, buf, theirs);
	close(primary);
	close(buf);
	barium_munmap(theirs, PAGES * barium_page_size());
}

static void test_import_vgem(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	__u32 handle = vgem_create(vgem);
	__u8 *theirs = vgem_map(vgem, handle);

	buf = barium_export(vgem, handle);
	check_import(fd, buf, theirs);
	close(buf);
	barium_munmap(theirs, PAGES * barium_page_size());
	close(vgem);
	/* Barium holds no reference to the exporter any more. */
	igt_assert_eq(syscall(SYS_delete_module, "vgem", O_NONBLOCK), 0);
}

static void test_import_part(int fd)
{
	size_t page = barium_page_size();
	__u8 *theirs, *map;
	int buf = barium_make_udmabuf(PAGES, &theirs);
	__u32 handle = barium_import(fd, buf);
	__u64 offset = barium_gem_mmap_offset(fd, handle);

	barium_stamp(theirs, 0, PAGES, 1);
	map = barium_mmap(fd, handle, 2 * page);
	barium_check_stamp(map, 0, 2, 1);
	barium_mmap_refused(fd, (PAGES + 1) * page, RW, MAP_SHARED, offset, EINVAL);
	barium_mmap_refused(fd, page, RW, MAP_SHARED, offset + page, EINVAL);

	barium_munmap(map, 2 * page);
	barium_munmap(theirs, PAGES * page);
	gem_close(fd, handle);
	close(buf);
}

static void test_import_private_refused(int fd)
{
	int buf = barium_make_udmabuf(PAGES, NULL);
	__u32 handle = barium_import(fd, buf);
	__u64 offset = barium_gem_mmap_offset(fd, handle);

	barium_mmap_refused(fd, PAGES * barium_page_size(), RW, MAP_PRIVATE, offset, EINVAL);
	barium_mmap_refused(fd, PAGES * barium_page_size(), PROT_READ, MAP_PRIVATE, offset, EINVAL);
	gem_close(fd, handle);
	close(buf);
}

static void test_import_outlives_exporter(int fd)
{
	__u64 size = PAGES * barium_page_size();
	__u8 *theirs, *map;
	int buf = barium_make_udmabuf(PAGES, &theirs);
	__u32 handle = barium_import(fd, buf);

	barium_stamp(theirs, 0, PAGES, 1);
	barium_munmap(theirs, size);
	close(buf);
	map = barium_mmap(fd, handle, size);
	barium_check_stamp(map, 0, PAGES, 1);
	barium_munmap(map, size);
	gem_close(fd, handle);
}

static void test_import_mapping_outlives_all(int fd)
{
	__u64 size = PAGES * barium_page_size();
	int buf = barium_make_udmabuf(PAGES, NULL), other = barium_reopen(fd, O_RDWR);
	__u8 *map = barium_mmap(other, barium_import(other, buf), size);

	barium_stamp(map, 0, PAGES, 1);
	close(buf);
	close(other);
	barium_check_stamp(map, 0, PAGES, 1);
	barium_stamp(map, 0, PAGES, 2);
	barium_munmap(map, size);
}

static void test_import_export(int fd)
{
	int buf = barium_make_udmabuf(PAGES, NULL), again;
	__u32 handle = barium_import(fd, buf);
	struct stat first, second;

	again = barium_export(fd, handle);
	igt_assert_eq(fstat(buf, &first), 0);
	igt_assert_eq(fstat(again, &second), 0);
	igt_assert_eq_u64(first.st_ino, second.st_ino);
	igt_assert_eq_u32(barium_import(fd, again), handle);
	close(again);
	close(buf);
	gem_close(fd, handle);
}

static void test_import_info(int fd)
{
	int buf = barium_make_udmabuf(PAGES, NULL);
	__u64 before = barium_vram_available(fd);
	__u64 size = barium_client_bytes(fd, "drm-total-memory");
	__u64 resident = barium_in_memory(fd);
	__u32 handle = barium_import(fd, buf);

	igt_assert_eq_u64(barium_vram_available(fd), before);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-total-memory"),
			  size + PAGES * barium_page_size());
	igt_assert_eq_u64(barium_in_memory(fd), resident);
	gem_close(fd, handle);
	close(buf);
}

static void test_import_unbound(int fd)
{
	__u64 size = PAGES * barium_page_size();
	__u8 *theirs, *map;
	int buf = barium_make_udmabuf(PAGES, &theirs);

	map = barium_mmap(fd, barium_import(fd, buf), size);
	barium_stamp(theirs, 0, PAGES, 1);
	READ_ONCE(map[0]);
	barium_unbind();
	barium_check_stamp(map, 0, PAGES, 1);
	barium_stamp(map, 0, PAGES, 2);
	barium_check_stamp(theirs, 0, PAGES, 2);
	barium_munmap(map, size);
	close(fd);
	barium_stamp(theirs, 0, PAGES, 3);
	barium_bind();
	barium_munmap(theirs, size);
	close(buf);
}

static void test_attach_vram(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create_with(fd, PAGES, 0);
	__u32 handle;
	__u8 *theirs;

	barium_stamp(bo.map, 0, PAGES, 1);
	igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);
	buf = barium_export(fd, bo.handle);
	handle = barium_import(vgem, buf);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	barium_check_stamp(bo.map, 0, PAGES, 1);
	theirs = map_imported(vgem, handle);
	barium_stamp(theirs, 0, PAGES, 2);
	barium_check_stamp(bo.map, 0, PAGES, 2);
	gem_close(vgem, handle);
	barium_check_stamp(bo.map, 0, PAGES, 2);

	barium_munmap(theirs, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
	close(vgem);
}

/* An object in system memory. */
static struct barium_bo make_shared(int fd)
{
	return barium_bo_create_with(fd, PAGES, BARIUM_GEM_CREATE_SYSTEM);
}

static void test_attach(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	struct barium_bo bo = make_shared(fd);
	__u32 handle;
	__u8 *theirs;

	barium_stamp(bo.map, 0, PAGES / 2, 1);
	buf = barium_export(fd, bo.handle);
	handle = barium_import(vgem, buf);
	theirs = map_imported(vgem, handle);
	barium_check_stamp(theirs, 0, PAGES / 2, 1);
	barium_check_zero(theirs + PAGES / 2 * barium_page_size(),
			  PAGES / 2 * barium_page_size());
	barium_stamp(theirs, 0, PAGES, 2);
	barium_check_stamp(bo.map, 0, PAGES, 2);

	barium_munmap(theirs, bo.size);
	gem_close(vgem, handle);
	barium_check_stamp(bo.map, 0, PAGES, 2);
	close(buf);
	barium_bo_fini(fd, &bo);
	close(vgem);
}

static void test_attach_fills(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	struct barium_bo bo = make_shared(fd);
	__u64 resident;

	WRITE_ONCE(bo.map[0], 1);
	resident = barium_in_memory(fd);
	buf = barium_export(fd, bo.handle);
	igt_assert_eq_u64(barium_in_memory(fd), resident);
	barium_import(vgem, buf);
	igt_assert_eq_u64(barium_in_memory(fd), resident + (PAGES - 1) * barium_page_size());
	close(vgem);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void test_attach_twice(int fd)
{
	int vgem = barium_load_and_open("vgem"), other = barium_reopen(vgem, O_RDWR), buf;
	struct barium_bo bo = make_shared(fd);
	__u32 handle;
	__u8 *theirs;

	barium_stamp(bo.map, 0, PAGES, 1);
	buf = barium_export(fd, bo.handle);
	handle = barium_import(vgem, buf);
	theirs = map_imported(other, barium_import(other, buf));
	gem_close(vgem, handle);
	barium_check_stamp(theirs, 0, PAGES, 1);
	handle = barium_import(vgem, buf);
	close(other);
	barium_stamp(theirs, 0, PAGES, 2);
	barium_check_stamp(bo.map, 0, PAGES, 2);

	barium_munmap(theirs, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
	close(vgem);
}

static void test_attach_outlives_client(int fd)
{
	int vgem = barium_load_and_open("vgem"), other = barium_reopen(fd, O_RDWR), buf;
	struct barium_bo bo = make_shared(other);
	__u32 handle;
	__u8 *theirs;

	barium_stamp(bo.map, 0, PAGES, 1);
	buf = barium_export(other, bo.handle);
	handle = barium_import(vgem, buf);
	close(buf);
	barium_munmap(bo.map, bo.size);
	close(other);
	theirs = map_imported(vgem, handle);
	barium_check_stamp(theirs, 0, PAGES, 1);
	barium_munmap(theirs, bo.size);
	close(vgem);
}

static void test_attach_unbound(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	struct barium_bo bo = make_shared(fd);
	__u32 handle;
	__u8 *theirs;

	barium_stamp(bo.map, 0, PAGES, 1);
	buf = barium_export(fd, bo.handle);
	handle = barium_import(vgem, buf);
	barium_unbind();
	theirs = map_imported(vgem, handle);
	barium_check_stamp(theirs, 0, PAGES, 1);
	barium_stamp(theirs, 0, PAGES, 2);
	barium_check_stamp(bo.map, 0, PAGES, 2);
	barium_bo_unmap(&bo);
	close(fd);
	close(buf);
	barium_check_stamp(theirs, 0, PAGES, 2);
	barium_munmap(theirs, PAGES * barium_page_size());
	close(vgem);
	barium_bind();
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("A mapping of an imported udmabuf shows its memory.");
	igt_subtest("import-udmabuf")
		test_import_udmabuf(barium_new_bound_client());

	igt_describe("A mapping of an imported buffer of vgem shows its memory.");
	igt_subtest("import-vgem")
		test_import_vgem(barium_new_bound_client());

	igt_describe("A mapping can be shorter than the imported object, but not longer.");
	igt_subtest("import-part")
		test_import_part(barium_new_bound_client());

	igt_describe("A private writable mapping of an imported object fails with EINVAL.");
	igt_subtest("import-private-refused")
		test_import_private_refused(barium_new_bound_client());

	igt_describe("An imported object keeps the exporter's memory.");
	igt_subtest("import-outlives-exporter")
		test_import_outlives_exporter(barium_new_bound_client());

	igt_describe("A mapping of an imported object outlives the handle and the file.");
	igt_subtest("import-mapping-outlives-all")
		test_import_mapping_outlives_all(barium_new_bound_client());

	igt_describe("Exporting an imported object returns the original dma-buf.");
	igt_subtest("import-export")
		test_import_export(barium_new_bound_client());

	igt_describe("An imported object uses no VRAM, and its memory is not counted as resident.");
	igt_subtest("import-info")
		test_import_info(barium_new_bound_client());

	igt_describe("A mapping of an imported object is unchanged after unbind.");
	igt_subtest("import-unbound")
		test_import_unbound(barium_new_bound_client());

	igt_describe("An object leaves VRAM with its content when another device imports it.");
	igt_subtest("attach-vram")
		test_attach_vram(barium_new_bound_client());

	igt_describe("A dma-buf that the importing device exports shows the object's memory.");
	igt_subtest("attach")
		test_attach(barium_new_bound_client());

	igt_describe("All pages of an object have memory once a device has attached.");
	igt_subtest("attach-fills")
		test_attach_fills(barium_new_bound_client());

	igt_describe("Two devices can import an object, in any order of import and close.");
	igt_subtest("attach-twice")
		test_attach_twice(barium_new_bound_client());

	igt_describe("The importing device keeps the object's memory.");
	igt_subtest("attach-outlives-client")
		test_attach_outlives_client(barium_new_bound_client());

	igt_describe("An object that another device has imported keeps its memory after unbind.");
	igt_subtest("attach-unbound")
		test_attach_unbound(barium_new_bound_client());
}
