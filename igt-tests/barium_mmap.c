// SPDX-License-Identifier: MIT
/*
 * What may be mapped, and what may be done to a mapping afterwards: mmap(), mprotect(), mremap(),
 * munmap(), fork(). What a fault puts in is in barium_fault, access by others in barium_access.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib_mapping.h"

IGT_TEST_DESCRIPTION("Rules of mapping objects, and system calls on the mappings.");

#define RW (PROT_READ | PROT_WRITE)

/* Asserts that a refused mmap() left no reference: the object's VRAM comes back with its handle. */
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

static void cow_refused(int fd)
{
	private_refused(fd, RW);
}

static void cow_refused_write(int fd)
{
	private_refused(fd, PROT_WRITE);
}

/* Readable only, but mprotect() could make it writable. */
static void cow_refused_read(int fd)
{
	private_refused(fd, PROT_READ);
}

static void cow_refused_none(int fd)
{
	private_refused(fd, PROT_NONE);
}

static void cow_refused_read_only_file(int fd)
{
	int file = barium_reopen(fd, O_RDONLY);
	__u32 handle = barium_gem_create(file, barium_page_size());
	__u64 offset = barium_gem_mmap_offset(file, handle);

	barium_mmap_refused(file, barium_page_size(), PROT_READ, MAP_PRIVATE, offset, EINVAL);
	barium_mmap_refused(file, barium_page_size(), PROT_NONE, MAP_PRIVATE, offset, EINVAL);
	barium_mmap_refused(file, barium_page_size(), RW, MAP_PRIVATE, offset, EINVAL);
	close(file);
}

static void read_only_file(int fd)
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

static void read_only_file_write(int fd)
{
	int file = barium_reopen(fd, O_RDONLY);
	__u32 handle = barium_gem_create(file, barium_page_size());
	__u64 offset = barium_gem_mmap_offset(file, handle);

	barium_mmap_refused(file, barium_page_size(), RW, MAP_SHARED, offset, EACCES);
	barium_mmap_refused(file, barium_page_size(), PROT_WRITE, MAP_SHARED, offset, EACCES);
	close(file);
}

static void read_only(int fd)
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

/* Maps with @first, lets mprotect() make it writable, with page 0 touched before if possible. */
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

static void read_only_then_writable(int fd)
{
	protect_later(fd, PROT_READ);
}

static void none_then_writable(int fd)
{
	protect_later(fd, PROT_NONE);
}

static void none(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	void *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_NONE, MAP_SHARED, bo.offset, &map), 0);
	igt_assert_eq(barium_try_read(map), SIGSEGV);
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void writable_then_read_only(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 3);

	barium_stamp(bo.map, 0, 2, 1);
	igt_assert_eq(mprotect(bo.map, bo.size, PROT_READ), 0);
	igt_assert_eq(barium_try_write(bo.map), SIGSEGV);
	igt_assert_eq(barium_try_write(bo.map + 2 * barium_page_size()), SIGSEGV);
	barium_check_stamp(bo.map, 0, 2, 1);
	barium_bo_fini(fd, &bo);
}

/* Code in VRAM is nobody's need, but asking for it must do no harm. */
static void executable(int fd)
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

static void shared_validate(int fd)
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

/* The first pages of an object without the last ones. */
static void shorter(int fd)
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

/* A length that is no whole number of pages is rounded up by the kernel. */
static void length_unaligned(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	void *map;

	igt_assert_eq(__barium_mmap(fd, bo.size - 1, RW, MAP_SHARED, bo.offset, &map), 0);
	barium_stamp(map, 0, 2, 1);
	barium_check_stamp(bo.map, 0, 2, 1);
	barium_munmap(map, bo.size);

	barium_mmap_refused(fd, bo.size + 1, RW, MAP_SHARED, bo.offset, EINVAL);
	barium_bo_fini(fd, &bo);
}

static void length_zero(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);

	barium_mmap_refused(fd, 0, RW, MAP_SHARED, bo.offset, EINVAL);
	barium_bo_fini(fd, &bo);
}

static void length_past_end(int fd)
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

/* An offset names an object, not a place in it. */
static void offset_inside(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	__u64 page = barium_page_size();

	barium_mmap_refused(fd, page, RW, MAP_SHARED, bo.offset + page, EINVAL);
	barium_mmap_refused(fd, 3 * page, RW, MAP_SHARED, bo.offset + page, EINVAL);
	barium_mmap_refused(fd, page, RW, MAP_SHARED, bo.offset + 3 * page, EINVAL);
	barium_bo_fini(fd, &bo);
}

static void offset_unknown(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	__u64 page = barium_page_size();

	barium_mmap_refused(fd, page, RW, MAP_SHARED, 0, EINVAL);
	barium_mmap_refused(fd, page, RW, MAP_SHARED, bo.offset + bo.size, EINVAL);
	barium_mmap_refused(fd, page, RW, MAP_SHARED, bo.offset - page, EINVAL);
	barium_bo_fini(fd, &bo);
}

/* Offset and length together leave the range of offsets. */
static void offset_wrap(int fd)
{
	__u64 page = barium_page_size(), top = -page;
	void *map;

	igt_assert_neq(__barium_mmap(fd, page, RW, MAP_SHARED, top, &map), 0);
	igt_assert_neq(__barium_mmap(fd, 2 * page, RW, MAP_SHARED, top, &map), 0);
	igt_assert_neq(__barium_mmap(fd, page, RW, MAP_SHARED, 1ull << 63, &map), 0);
	igt_assert_neq(__barium_mmap(fd, page, RW, MAP_SHARED, (1ull << 63) - page, &map), 0);
}

static void offset_unaligned(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);

	barium_mmap_refused(fd, barium_page_size(), RW, MAP_SHARED, bo.offset + 1, EINVAL);
	barium_bo_fini(fd, &bo);
}

static void offset_foreign(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	int other = barium_reopen(fd, O_RDWR);

	barium_mmap_refused(other, bo.size, RW, MAP_SHARED, bo.offset, EACCES);
	barium_mmap_refused(other, bo.size, PROT_READ, MAP_SHARED, bo.offset, EACCES);
	close(other);
	barium_bo_fini(fd, &bo);
}

static void offset_other_node(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	int primary = barium_open_primary();

	barium_mmap_refused(primary, bo.size, RW, MAP_SHARED, bo.offset, EACCES);
	close(primary);
	barium_bo_fini(fd, &bo);
}

static void offset_closed(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	__u32 handle = bo.handle;

	bo.handle = 0;
	gem_close(fd, handle);
	barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, EACCES);

	barium_munmap(bo.map, bo.size);
	barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, EINVAL);
}

static void whole_vram(int fd)
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

static void populate(int fd)
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

static void locked(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	void *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, RW, MAP_SHARED | MAP_LOCKED, bo.offset, &map), 0);
	barium_stamp(map, 0, 4, 1);
	barium_check_stamp(bo.map, 0, 4, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Reserves address space: a mapping without access that others are put into. */
static __u8 *reserve(size_t length)
{
	__u8 *map = mmap(NULL, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(map != MAP_FAILED);
	return map;
}

/* Addresses that suit neither the object's place in VRAM nor larger page table entries. */
static void fixed_odd(int fd)
{
	size_t page = barium_page_size(), pages = 520, shift;
	struct barium_bo bo = barium_bo_create(fd, pages);
	__u8 *room = reserve(bo.size + 8 * page);

	barium_stamp(bo.map, 0, pages, 1);
	for (shift = 1; shift < 8; shift += 2) {
		igt_assert(mmap(room + shift * page, bo.size, RW, MAP_SHARED | MAP_FIXED, fd,
				bo.offset) == room + shift * page);
		barium_check_stamp(room + shift * page, 0, pages, 1);
	}

	barium_munmap(room, bo.size + 8 * page);
	barium_bo_fini(fd, &bo);
}

static void fixed_unaligned(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);
	__u8 *room = reserve(4 * barium_page_size());

	igt_assert(mmap(room + 8, bo.size, RW, MAP_SHARED | MAP_FIXED, fd, bo.offset) ==
		   MAP_FAILED);
	igt_assert_eq(errno, EINVAL);
	barium_munmap(room, 4 * barium_page_size());
	barium_bo_fini(fd, &bo);
}

/* One object's mapping takes the place of another's, partly. */
static void fixed_over(int fd)
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

static void many_mappings(int fd)
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

static void vm_flags(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);

	barium_check_vm_flags(bo.map);
	barium_bo_fini(fd, &bo);
}

static void remap_move(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	__u8 *room = reserve(bo.size);

	barium_stamp(bo.map, 0, 2, 1);
	igt_assert(mremap(bo.map, bo.size, bo.size, MREMAP_MAYMOVE | MREMAP_FIXED, room) == room);
	igt_assert_eq(barium_try_read(bo.map), SIGSEGV);
	bo.map = room;

	barium_check_stamp(bo.map, 0, 2, 1);
	barium_stamp(bo.map, 0, 4, 2);
	barium_check_stamp(bo.map, 0, 4, 2);
	barium_bo_fini(fd, &bo);
}

static void remap_shrink(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	size_t page = barium_page_size();

	barium_stamp(bo.map, 0, 4, 1);
	igt_assert(mremap(bo.map, bo.size, 2 * page, 0) == bo.map);
	barium_check_stamp(bo.map, 0, 2, 1);
	igt_assert_eq(barium_try_read(bo.map + 2 * page), SIGSEGV);

	bo.size = 2 * page;
	barium_bo_fini(fd, &bo);
}

/* A mapping cannot grow, not even back to the object's size. */
static void remap_grow(int fd)
{
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

/* The two ways in which mremap() leaves the old mapping there. */
static void remap_duplicate(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 2);

	igt_assert(mremap(bo.map, 0, bo.size, MREMAP_MAYMOVE) == MAP_FAILED);
	igt_assert_eq(errno, EFAULT);
	igt_assert(mremap(bo.map, bo.size, bo.size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL) ==
		   MAP_FAILED);
	igt_assert_eq(errno, EINVAL);
	barium_bo_fini(fd, &bo);
}

static const struct barium_subtest tests[] = {
	{ "cow-refused", "A private writable mapping is refused.", cow_refused },
	{ "cow-refused-write", "A private write-only mapping is refused.", cow_refused_write },
	{ "cow-refused-read",
	  "A private readable mapping is refused, as it could become writable.", cow_refused_read },
	{ "cow-refused-none",
	  "A private mapping without access is refused, as it could become writable.",
	  cow_refused_none },
	{ "cow-refused-read-only-file",
	  "Private mappings are refused through a file that is open for reading as well.",
	  cow_refused_read_only_file },
	{ "read-only-file",
	  "A file that is open for reading gives a mapping that stays read-only.", read_only_file },
	{ "read-only-file-write",
	  "A file that is open for reading gives no writable mapping.", read_only_file_write },
	{ "read-only", "Writing to a read-only mapping fails, and changes nothing.", read_only },
	{ "read-only-then-writable", "A read-only mapping can become writable later.",
	  read_only_then_writable },
	{ "none", "A mapping without access can be made, and gives none.", none },
	{ "none-then-writable", "A mapping without access can become writable later.",
	  none_then_writable },
	{ "writable-then-read-only", "A writable mapping can become read-only later.",
	  writable_then_read_only },
	{ "executable", "An executable mapping works or is refused, without harm.", executable },
	{ "shared-validate", "MAP_SHARED_VALIDATE is MAP_SHARED, and MAP_SYNC is unsupported.",
	  shared_validate },
	{ "shorter", "The first pages of an object can be mapped alone.", shorter },
	{ "length-unaligned", "The length of a mapping counts in whole pages.", length_unaligned },
	{ "length-zero", "A mapping of nothing is refused.", length_zero },
	{ "length-past-end", "A mapping that is longer than its object is refused.",
	  length_past_end },
	{ "offset-inside", "A mapping that starts within an object is refused.", offset_inside },
	{ "offset-unknown", "An offset at which no object is, is refused.", offset_unknown },
	{ "offset-wrap", "An offset whose end would wrap around is refused.", offset_wrap },
	{ "offset-unaligned", "An offset between pages is refused.", offset_unaligned },
	{ "offset-foreign", "The offset of another client's object is refused.", offset_foreign },
	{ "offset-other-node", "An offset from the render node is refused on the primary node.",
	  offset_other_node },
	{ "offset-closed", "The offset of a closed object is refused.", offset_closed },
	{ "whole-vram", "An object as large as VRAM shows each of its pages.", whole_vram },
	{ "populate", "MAP_POPULATE does no harm.", populate },
	{ "locked", "MAP_LOCKED does no harm.", locked },
	{ "fixed-odd", "Any page is good enough as the address of a mapping.", fixed_odd },
	{ "fixed-unaligned", "An address between pages is refused.", fixed_unaligned },
	{ "fixed-over", "A mapping can take the place of a part of another.", fixed_over },
	{ "many-mappings", "Many mappings of an object show the same and cost no VRAM.",
	  many_mappings },
	{ "vm-flags",
	  "The kernel knows mappings as shared, without struct page, and not to be dumped.",
	  vm_flags },
	{ "remap-move", "A mapping that moves takes its content along.", remap_move },
	{ "remap-shrink", "A mapping can be cut short.", remap_shrink },
	{ "remap-grow", "A mapping cannot grow.", remap_grow },
	{ "remap-duplicate", "A mapping cannot be doubled behind the driver's back.",
	  remap_duplicate },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
