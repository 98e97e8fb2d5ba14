// SPDX-License-Identifier: MIT
/**
 * TEST: barium mmap
 * Description: System calls on mappings: the mappings that mmap() accepts, and the changes that
 *   mprotect(), mremap() and munmap() can make. The page fault handler is tested in barium_fault,
 *   access by other processes in barium_access.
 * Category: Core
 * Sub-category: DRM
 * Functionality: mmap
 *
 * SUBTEST: cow-refused
 * Description: mmap() refuses a private writable mapping.
 *
 * SUBTEST: cow-refused-write
 * Description: mmap() refuses a private write-only mapping.
 *
 * SUBTEST: cow-refused-read
 * Description: mmap() refuses a private mapping that mprotect() could make writable.
 *
 * SUBTEST: cow-refused-none
 * Description: mmap() refuses a private mapping with PROT_NONE.
 *
 * SUBTEST: cow-refused-read-only-file
 * Description: mmap() of a file opened with O_RDONLY refuses private mappings.
 *
 * SUBTEST: read-only-file
 * Description: A shared mapping of a file opened with O_RDONLY stays read-only.
 *
 * SUBTEST: read-only-file-write
 * Description: mmap() of a file opened with O_RDONLY refuses writable mappings.
 *
 * SUBTEST: read-only
 * Description: A write to a read-only mapping raises SIGSEGV and changes no data.
 *
 * SUBTEST: read-only-then-writable
 * Description: mprotect() can make a read-only mapping writable.
 *
 * SUBTEST: none
 * Description: Accesses to a mapping with PROT_NONE raise SIGSEGV.
 *
 * SUBTEST: none-then-writable
 * Description: mprotect() can make a mapping with PROT_NONE writable.
 *
 * SUBTEST: writable-then-read-only
 * Description: mprotect() can make a writable mapping read-only.
 *
 * SUBTEST: executable
 * Description: mmap() of an executable mapping succeeds or fails cleanly.
 *
 * SUBTEST: shared-validate
 * Description: MAP_SHARED_VALIDATE maps like MAP_SHARED and refuses MAP_SYNC.
 *
 * SUBTEST: shorter
 * Description: A mapping can be shorter than its object.
 *
 * SUBTEST: length-unaligned
 * Description: mmap() rounds the length up to whole pages.
 *
 * SUBTEST: length-zero
 * Description: mmap() refuses a length of 0.
 *
 * SUBTEST: length-past-end
 * Description: mmap() refuses a mapping that is longer than its object.
 *
 * SUBTEST: offset-inside
 * Description: mmap() refuses an offset inside an object.
 *
 * SUBTEST: offset-unknown
 * Description: mmap() refuses an offset that belongs to no object.
 *
 * SUBTEST: offset-wrap
 * Description: mmap() refuses an offset whose range wraps around.
 *
 * SUBTEST: offset-unaligned
 * Description: mmap() refuses an unaligned offset.
 *
 * SUBTEST: offset-foreign
 * Description: mmap() refuses the offset of another client's object.
 *
 * SUBTEST: offset-other-node
 * Description: mmap() of the primary node refuses an offset of a render client.
 *
 * SUBTEST: offset-closed
 * Description: mmap() refuses the offset of a closed object.
 *
 * SUBTEST: whole-vram
 * Description: A mapping as large as VRAM maps each page of its object.
 *
 * SUBTEST: populate
 * Description: A mapping with MAP_POPULATE works.
 *
 * SUBTEST: locked
 * Description: A mapping with MAP_LOCKED works.
 *
 * SUBTEST: fixed-odd
 * Description: MAP_FIXED maps an object at any page-aligned address.
 *
 * SUBTEST: fixed-unaligned
 * Description: MAP_FIXED refuses an unaligned address.
 *
 * SUBTEST: fixed-over
 * Description: MAP_FIXED can replace a part of another object's mapping.
 *
 * SUBTEST: many-mappings
 * Description: Many mappings of an object share its content and allocate no VRAM.
 *
 * SUBTEST: vm-flags
 * Description: The VMA is shared, VM_PFNMAP, VM_DONTEXPAND and VM_DONTDUMP.
 *
 * SUBTEST: remap-move
 * Description: mremap() moves a mapping with its content.
 *
 * SUBTEST: remap-shrink
 * Description: mremap() can shrink a mapping.
 *
 * SUBTEST: remap-grow
 * Description: mremap() cannot expand a mapping, not even to its object's size.
 *
 * SUBTEST: remap-duplicate
 * Description: mremap() cannot duplicate a mapping.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib_mapping.h"

IGT_TEST_DESCRIPTION("Checks mmap() of objects, and the system calls that change mappings.");

#define RW (PROT_READ | PROT_WRITE)

/* Asserts that mmap() fails and keeps no reference: closing the handle frees the VRAM. */
static void private_refused(int fd, int prot)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, 4);
	__u64 page = barium_page_size();

	barium_mmap_refused(fd, bo.size, prot, MAP_PRIVATE, bo.offset, EINVAL);
	barium_mmap_refused(fd, page, prot, MAP_PRIVATE, bo.offset, EINVAL);
	barium_mmap_refused(fd, bo.size, prot, MAP_PRIVATE | MAP_POPULATE, bo.offset, EINVAL);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void test_cow_refused_read_only_file(int fd)
{
	int file = barium_reopen(fd, O_RDONLY);
	__u32 handle = barium_gem_create(file, barium_page_size());
	__u64 offset = barium_gem_mmap_offset(file, handle);

	barium_mmap_refused(file, barium_page_size(), PROT_READ, MAP_PRIVATE, offset, EINVAL);
	barium_mmap_refused(file, barium_page_size(), PROT_NONE, MAP_PRIVATE, offset, EINVAL);
	barium_mmap_refused(file, barium_page_size(), RW, MAP_PRIVATE, offset, EINVAL);
	close(file);
}

static void test_read_only_file(int fd)
{
	int file = barium_reopen(fd, O_RDONLY);
	__u32 handle = barium_gem_create(file, barium_page_size());
	__u64 offset = barium_gem_mmap_offset(file, handle);
	void *map;

	igt_assert_eq(__barium_mmap(file, barium_page_size(), PROT_READ, MAP_SHARED, offset, &map),
		      0);
	barium_check_zero(map, barium_page_size());
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	igt_assert_eq(mprotect(map, barium_page_size(), RW), -1);
	igt_assert_eq(errno, EACCES);

	barium_munmap(map, barium_page_size());
	close(file);
}

static void test_read_only_file_write(int fd)
{
	int file = barium_reopen(fd, O_RDONLY);
	__u32 handle = barium_gem_create(file, barium_page_size());
	__u64 offset = barium_gem_mmap_offset(file, handle);

	barium_mmap_refused(file, barium_page_size(), RW, MAP_SHARED, offset, EACCES);
	barium_mmap_refused(file, barium_page_size(), PROT_WRITE, MAP_SHARED, offset, EACCES);
	close(file);
}

static void test_read_only(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	barium_stamp(bo.map, 0, 2, 1);
	barium_check_stamp(map, 0, 1, 1);

	igt_assert_eq(barium_try_write(map), SIGSEGV);
	igt_assert_eq(barium_try_write(map + barium_page_size()), SIGSEGV);
	barium_check_stamp(map, 0, 2, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Maps with @first, reads page 0 if that is allowed, then makes the mapping writable. */
static void protect_later(int fd, int first)
{
	struct barium_bo bo = barium_bo_create(fd, 3);
	void *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, first, MAP_SHARED, bo.offset, &map), 0);
	if (first & PROT_READ)
		igt_assert_eq(barium_try_read(map), 0);
	igt_assert_eq(mprotect(map, bo.size, RW), 0);

	barium_stamp(map, 0, 3, 1);
	barium_check_stamp(bo.map, 0, 3, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_none(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	void *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_NONE, MAP_SHARED, bo.offset, &map), 0);
	igt_assert_eq(barium_try_read(map), SIGSEGV);
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_executable(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	void *map;
	int err;

	err = __barium_mmap(fd, bo.size, PROT_READ | PROT_EXEC, MAP_SHARED, bo.offset, &map);
	if (!err) {
		barium_check_zero(map, bo.size);
		barium_munmap(map, bo.size);
	} else {
		igt_assert(err == -EPERM || err == -EACCES || err == -EINVAL);
	}
	barium_bo_fini(fd, &bo);
}

static void test_shared_validate(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	void *map;

	barium_mmap_refused(fd, bo.size, RW, MAP_SHARED_VALIDATE | MAP_SYNC, bo.offset, EOPNOTSUPP);
	igt_assert_eq(__barium_mmap(fd, bo.size, RW, MAP_SHARED_VALIDATE, bo.offset, &map), 0);
	barium_stamp(map, 0, 1, 1);
	barium_check_stamp(bo.map, 0, 1, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_shorter(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 5);
	void *map;

	igt_assert_eq(__barium_mmap(fd, 2 * barium_page_size(), RW, MAP_SHARED, bo.offset, &map),
		      0);
	barium_stamp(bo.map, 0, 5, 1);
	barium_check_stamp(map, 0, 2, 1);
	barium_munmap(map, 2 * barium_page_size());
	barium_bo_fini(fd, &bo);
}

static void test_length_past_end(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, 3);
	struct barium_bo next = barium_bo_create(fd, 3);

	barium_mmap_refused(fd, bo.size + barium_page_size(), RW, MAP_SHARED, bo.offset, EINVAL);
	barium_mmap_refused(fd, 2 * bo.size, RW, MAP_SHARED, bo.offset, EINVAL);
	barium_mmap_refused(fd, 1ull << 40, RW, MAP_SHARED, bo.offset, EINVAL);

	barium_bo_fini(fd, &bo);
	barium_bo_fini(fd, &next);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void test_offset_wrap(int fd)
{
	__u64 page = barium_page_size(), top = -page;
	void *map;

	igt_assert_neq(__barium_mmap(fd, page, RW, MAP_SHARED, top, &map), 0);
	igt_assert_neq(__barium_mmap(fd, 2 * page, RW, MAP_SHARED, top, &map), 0);
	igt_assert_neq(__barium_mmap(fd, page, RW, MAP_SHARED, 1ull << 63, &map), 0);
	igt_assert_neq(__barium_mmap(fd, page, RW, MAP_SHARED, (1ull << 63) - page, &map), 0);
}

static void test_whole_vram(int fd)
{
	size_t pages = barium_vram_available(fd) / barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, pages);
	void *again;

	barium_mmap_refused(fd, bo.size + barium_page_size(), RW, MAP_SHARED, bo.offset, EINVAL);
	barium_stamp(bo.map, 0, pages, 1);
	again = barium_mmap(fd, bo.handle, bo.size);
	barium_check_stamp(again, 0, pages, 1);

	barium_munmap(again, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_populate(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	void *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, RW, MAP_SHARED | MAP_POPULATE, bo.offset, &map),
		      0);
	barium_stamp(map, 0, 4, 1);
	barium_check_stamp(bo.map, 0, 4, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_locked(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	void *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, RW, MAP_SHARED | MAP_LOCKED, bo.offset, &map), 0);
	barium_stamp(map, 0, 4, 1);
	barium_check_stamp(bo.map, 0, 4, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Reserves address space that MAP_FIXED replaces with other mappings. */
static __u8 *reserve(size_t length)
{
	__u8 *map = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(map != MAP_FAILED);
	return map;
}

/* Addresses that are congruent neither to the offset in VRAM nor to the size of a huge page. */
static void test_fixed_odd(int fd)
{
	size_t page = barium_page_size(), pages = 520, shift;
	struct barium_bo bo = barium_bo_create(fd, pages);
	__u8 *area = reserve(bo.size + 8 * page);

	barium_stamp(bo.map, 0, pages, 1);
	for (shift = 1; shift < 8; shift += 2) {
		igt_assert(mmap(area + shift * page, bo.size, RW, MAP_SHARED | MAP_FIXED, fd,
				bo.offset) == area + shift * page);
		barium_check_stamp(area + shift * page, 0, pages, 1);
	}

	barium_munmap(area, bo.size + 8 * page);
	barium_bo_fini(fd, &bo);
}

static void test_fixed_over(int fd)
{
	struct barium_bo one = barium_bo_create(fd, 4), two = barium_bo_create(fd, 2);
	size_t page = barium_page_size();

	barium_stamp(one.map, 0, 4, 1);
	barium_stamp(two.map, 0, 2, 2);
	igt_assert(mmap(one.map + page, two.size, RW, MAP_SHARED | MAP_FIXED, fd, two.offset) ==
		   one.map + page);

	barium_check_stamp(one.map, 0, 1, 1);
	barium_check_stamp(one.map + page, 0, 2, 2);
	barium_check_stamp(one.map + 3 * page, 3, 1, 1);
	barium_bo_fini(fd, &one);
	barium_bo_fini(fd, &two);
}

static void test_many_mappings(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	__u64 before = barium_vram_available(fd);
	void *maps[200];
	size_t i;

	barium_stamp(bo.map, 0, 2, 1);
	for (i = 0; i < ARRAY_SIZE(maps); i++)
		maps[i] = barium_mmap(fd, bo.handle, bo.size);
	for (i = 0; i < ARRAY_SIZE(maps); i++)
		barium_check_stamp(maps[i], 0, 2, 1);
	igt_assert_eq_u64(barium_vram_available(fd), before);

	for (i = 0; i < ARRAY_SIZE(maps); i++)
		barium_munmap(maps[i], bo.size);
	barium_check_stamp(bo.map, 0, 2, 1);
	barium_bo_fini(fd, &bo);
}

static void test_remap_move(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	__u8 *area = reserve(bo.size);

	barium_stamp(bo.map, 0, 2, 1);
	igt_assert(mremap(bo.map, bo.size, bo.size, MREMAP_MAYMOVE | MREMAP_FIXED, area) == area);
	igt_assert_eq(barium_try_read(bo.map), SIGSEGV);
	bo.map = area;

	barium_check_stamp(bo.map, 0, 2, 1);
	barium_stamp(bo.map, 0, 4, 2);
	barium_check_stamp(bo.map, 0, 4, 2);
	barium_bo_fini(fd, &bo);
}

/* mremap() keeps the old mapping with an old length of 0 and with MREMAP_DONTUNMAP. */
static void test_remap_duplicate(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);

	igt_assert(mremap(bo.map, 0, bo.size, MREMAP_MAYMOVE) == MAP_FAILED);
	igt_assert_eq(errno, EFAULT);
	igt_assert(mremap(bo.map, bo.size, bo.size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL) ==
		   MAP_FAILED);
	igt_assert_eq(errno, EINVAL);
	barium_bo_fini(fd, &bo);
}

int igt_main()
{
	igt_describe("mmap() refuses a private writable mapping.");
	igt_subtest("cow-refused")
		private_refused(barium_new_client(), RW);

	igt_describe("mmap() refuses a private write-only mapping.");
	igt_subtest("cow-refused-write")
		private_refused(barium_new_client(), PROT_WRITE);

	igt_describe("mmap() refuses a private mapping that mprotect() could make writable.");
	igt_subtest("cow-refused-read")
		private_refused(barium_new_client(), PROT_READ);

	igt_describe("mmap() refuses a private mapping with PROT_NONE.");
	igt_subtest("cow-refused-none")
		private_refused(barium_new_client(), PROT_NONE);

	igt_describe("mmap() of a file opened with O_RDONLY refuses private mappings.");
	igt_subtest("cow-refused-read-only-file")
		test_cow_refused_read_only_file(barium_new_client());

	igt_describe("A shared mapping of a file opened with O_RDONLY stays read-only.");
	igt_subtest("read-only-file")
		test_read_only_file(barium_new_client());

	igt_describe("mmap() of a file opened with O_RDONLY refuses writable mappings.");
	igt_subtest("read-only-file-write")
		test_read_only_file_write(barium_new_client());

	igt_describe("A write to a read-only mapping raises SIGSEGV and changes no data.");
	igt_subtest("read-only")
		test_read_only(barium_new_client());

	igt_describe("mprotect() can make a read-only mapping writable.");
	igt_subtest("read-only-then-writable")
		protect_later(barium_new_client(), PROT_READ);

	igt_describe("Accesses to a mapping with PROT_NONE raise SIGSEGV.");
	igt_subtest("none")
		test_none(barium_new_client());

	igt_describe("mprotect() can make a mapping with PROT_NONE writable.");
	igt_subtest("none-then-writable")
		protect_later(barium_new_client(), PROT_NONE);

	igt_describe("mprotect() can make a writable mapping read-only.");
	igt_subtest("writable-then-read-only") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 3);

		barium_stamp(bo.map, 0, 2, 1);
		igt_assert_eq(mprotect(bo.map, bo.size, PROT_READ), 0);
		igt_assert_eq(barium_try_write(bo.map), SIGSEGV);
		igt_assert_eq(barium_try_write(bo.map + 2 * barium_page_size()), SIGSEGV);
		barium_check_stamp(bo.map, 0, 2, 1);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mmap() of an executable mapping succeeds or fails cleanly.");
	igt_subtest("executable")
		test_executable(barium_new_client());

	igt_describe("MAP_SHARED_VALIDATE maps like MAP_SHARED and refuses MAP_SYNC.");
	igt_subtest("shared-validate")
		test_shared_validate(barium_new_client());

	igt_describe("A mapping can be shorter than its object.");
	igt_subtest("shorter")
		test_shorter(barium_new_client());

	igt_describe("mmap() rounds the length up to whole pages.");
	igt_subtest("length-unaligned") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);
		void *map;

		igt_assert_eq(__barium_mmap(fd, bo.size - 1, RW, MAP_SHARED, bo.offset, &map), 0);
		barium_stamp(map, 0, 2, 1);
		barium_check_stamp(bo.map, 0, 2, 1);
		barium_munmap(map, bo.size);

		barium_mmap_refused(fd, bo.size + 1, RW, MAP_SHARED, bo.offset, EINVAL);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mmap() refuses a length of 0.");
	igt_subtest("length-zero") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 1);

		barium_mmap_refused(fd, 0, RW, MAP_SHARED, bo.offset, EINVAL);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mmap() refuses a mapping that is longer than its object.");
	igt_subtest("length-past-end")
		test_length_past_end(barium_new_client());

	/* A fake offset identifies an object; it is not a position in it. */
	igt_describe("mmap() refuses an offset inside an object.");
	igt_subtest("offset-inside") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 4);
		__u64 page = barium_page_size();

		barium_mmap_refused(fd, page, RW, MAP_SHARED, bo.offset + page, EINVAL);
		barium_mmap_refused(fd, 3 * page, RW, MAP_SHARED, bo.offset + page, EINVAL);
		barium_mmap_refused(fd, page, RW, MAP_SHARED, bo.offset + 3 * page, EINVAL);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mmap() refuses an offset that belongs to no object.");
	igt_subtest("offset-unknown") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 4);
		__u64 page = barium_page_size();

		barium_mmap_refused(fd, page, RW, MAP_SHARED, 0, EINVAL);
		barium_mmap_refused(fd, page, RW, MAP_SHARED, bo.offset + bo.size, EINVAL);
		barium_mmap_refused(fd, page, RW, MAP_SHARED, bo.offset - page, EINVAL);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mmap() refuses an offset whose range wraps around.");
	igt_subtest("offset-wrap")
		test_offset_wrap(barium_new_client());

	igt_describe("mmap() refuses an unaligned offset.");
	igt_subtest("offset-unaligned") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 4);

		barium_mmap_refused(fd, barium_page_size(), RW, MAP_SHARED, bo.offset + 1, EINVAL);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mmap() refuses the offset of another client's object.");
	igt_subtest("offset-foreign") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);
		int other = barium_reopen(fd, O_RDWR);

		barium_mmap_refused(other, bo.size, RW, MAP_SHARED, bo.offset, EACCES);
		barium_mmap_refused(other, bo.size, PROT_READ, MAP_SHARED, bo.offset, EACCES);
		close(other);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mmap() of the primary node refuses an offset of a render client.");
	igt_subtest("offset-other-node") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);
		int primary = barium_open_primary();

		barium_mmap_refused(primary, bo.size, RW, MAP_SHARED, bo.offset, EACCES);
		close(primary);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mmap() refuses the offset of a closed object.");
	igt_subtest("offset-closed") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);
		__u32 handle = bo.handle;

		bo.handle = 0;
		gem_close(fd, handle);
		barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, EACCES);

		barium_munmap(bo.map, bo.size);
		barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, EINVAL);
	}

	igt_describe("A mapping as large as VRAM maps each page of its object.");
	igt_subtest("whole-vram")
		test_whole_vram(barium_new_client());

	igt_describe("A mapping with MAP_POPULATE works.");
	igt_subtest("populate")
		test_populate(barium_new_client());

	igt_describe("A mapping with MAP_LOCKED works.");
	igt_subtest("locked")
		test_locked(barium_new_client());

	igt_describe("MAP_FIXED maps an object at any page-aligned address.");
	igt_subtest("fixed-odd")
		test_fixed_odd(barium_new_client());

	igt_describe("MAP_FIXED refuses an unaligned address.");
	igt_subtest("fixed-unaligned") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);
		__u8 *area = reserve(4 * barium_page_size());

		igt_assert(mmap(area + 8, bo.size, RW, MAP_SHARED | MAP_FIXED, fd, bo.offset) ==
			   MAP_FAILED);
		igt_assert_eq(errno, EINVAL);
		barium_munmap(area, 4 * barium_page_size());
		barium_bo_fini(fd, &bo);
	}

	igt_describe("MAP_FIXED can replace a part of another object's mapping.");
	igt_subtest("fixed-over")
		test_fixed_over(barium_new_client());

	igt_describe("Many mappings of an object share its content and allocate no VRAM.");
	igt_subtest("many-mappings")
		test_many_mappings(barium_new_client());

	igt_describe("The VMA is shared, VM_PFNMAP, VM_DONTEXPAND and VM_DONTDUMP.");
	igt_subtest("vm-flags") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 2);

		barium_check_vm_flags(bo.map);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mremap() moves a mapping with its content.");
	igt_subtest("remap-move")
		test_remap_move(barium_new_client());

	igt_describe("mremap() can shrink a mapping.");
	igt_subtest("remap-shrink") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 4);
		size_t page = barium_page_size();

		barium_stamp(bo.map, 0, 4, 1);
		igt_assert(mremap(bo.map, bo.size, 2 * page, 0) == bo.map);
		barium_check_stamp(bo.map, 0, 2, 1);
		igt_assert_eq(barium_try_read(bo.map + 2 * page), SIGSEGV);

		bo.size = 2 * page;
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mremap() cannot expand a mapping, not even to its object's size.");
	igt_subtest("remap-grow") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, 4);
		size_t page = barium_page_size();

		igt_assert(mremap(bo.map, bo.size, bo.size + page, MREMAP_MAYMOVE) == MAP_FAILED);
		igt_assert_eq(errno, EFAULT);
		barium_munmap(bo.map + 2 * page, 2 * page);
		igt_assert(mremap(bo.map, 2 * page, 4 * page, MREMAP_MAYMOVE) == MAP_FAILED);
		igt_assert_eq(errno, EFAULT);
		igt_assert(mremap(bo.map, 2 * page, 3 * page, 0) == MAP_FAILED);

		barium_stamp(bo.map, 0, 2, 1);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mremap() cannot duplicate a mapping.");
	igt_subtest("remap-duplicate")
		test_remap_duplicate(barium_new_client());
}
