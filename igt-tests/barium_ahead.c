// SPDX-License-Identifier: MIT
/*
 * MAP_AHEAD: mapping a range before it is touched, and the ranges for which that is refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_mapping.h"

IGT_TEST_DESCRIPTION("Mapping of pages before they are touched.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 64

static int __ahead(int fd, const void *map, __u64 size)
{
	struct drm_barium_map_ahead arg = { .address = (uintptr_t)map, .size = size };

	return barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg);
}

static void ahead(int fd, const void *map, __u64 size)
{
	igt_assert_eq(__ahead(fd, map, size), 0);
}

/* Asserts that @pages pages of stamps are there, and that looking takes no fault. */
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

static void whole(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	void *map = barium_mmap(fd, bo.handle, bo.size);

	ahead(fd, map, bo.size);
	check_mapped(map, 0, PAGES);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void part(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	ahead(fd, map + 5 * page, 7 * page);
	check_mapped(map + 5 * page, 5, 7);
	barium_check_stamp(map, 0, PAGES, 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void writable(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	long before;
	size_t i;

	ahead(fd, bo.map, bo.size);
	before = barium_minor_faults();
	for (i = 0; i < PAGES; i++)
		WRITE_ONCE(bo.map[i * barium_page_size()], 1);
	igt_assert_eq(barium_minor_faults() - before, 0);
	barium_bo_fini(fd, &bo);
}

static void read_only(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	ahead(fd, map, bo.size);
	check_mapped(map, 0, PAGES);
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* What is mapped already is no reason to leave out what is behind it. */
static void after_touch(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	READ_ONCE(map[0]);
	READ_ONCE(map[40 * page]);
	ahead(fd, map, bo.size);
	check_mapped(map, 0, PAGES);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void again(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);

	ahead(fd, bo.map, bo.size);
	ahead(fd, bo.map, bo.size);
	check_mapped(bo.map, 0, PAGES);
	barium_bo_fini(fd, &bo);
}

static void scattered(int fd)
{
	struct barium_bo bo;
	int holder = barium_bo_create_scattered(fd, PAGES, &bo);
	void *map = barium_mmap(fd, bo.handle, bo.size);

	barium_stamp(bo.map, 0, PAGES, 1);
	ahead(fd, map, bo.size);
	check_mapped(map, 0, PAGES);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
	close(holder);
}

static void whole_vram(int fd)
{
	size_t pages = barium_vram_available(fd) / barium_page_size();
	struct barium_bo bo = stamped(fd, pages);
	void *map = barium_mmap(fd, bo.handle, bo.size);

	ahead(fd, map, bo.size);
	check_mapped(map, 0, pages);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* One range over two objects, and over pieces that protections have made of a mapping. */
static void several_mappings(int fd)
{
	struct barium_bo one = stamped(fd, PAGES), two = stamped(fd, 4);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, one.handle, one.size);

	igt_assert(mmap(map + 8 * page, two.size, RW, MAP_SHARED | MAP_FIXED, fd, two.offset) ==
		   map + 8 * page);
	igt_assert_eq(mprotect(map + 20 * page, 5 * page, PROT_READ), 0);
	ahead(fd, map, one.size);
	check_mapped(map, 0, 8);
	check_mapped(map + 8 * page, 0, 4);
	check_mapped(map + 12 * page, 12, PAGES - 12);
	barium_munmap(map, one.size);
	barium_bo_fini(fd, &two);
	barium_bo_fini(fd, &one);
}

/* A file of the device is all it takes; the object may be another client's. */
static void other_file(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	void *map = barium_mmap(fd, bo.handle, bo.size);
	int other = barium_reopen(fd, O_RDWR);

	ahead(other, map, bo.size);
	check_mapped(map, 0, PAGES);
	close(other);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void buffer(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	size_t page = barium_page_size();
	int buf = __barium_gem_export(fd, bo.handle, DRM_RDWR | DRM_CLOEXEC);
	void *map;

	igt_require_f(buf >= 0, "objects cannot be exported\n");
	igt_assert_eq(__barium_mmap(buf, bo.size - 3 * page, RW, MAP_SHARED, 3 * page, &map), 0);
	ahead(fd, map, bo.size - 3 * page);
	check_mapped(map, 3, PAGES - 3);
	barium_munmap(map, bo.size - 3 * page);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void write_combining(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	ahead(fd, bo.map, bo.size);
	barium_check_write_combining(bo.map + 9 * barium_page_size());
	barium_bo_fini(fd, &bo);
}

static void empty(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	igt_assert_eq(__ahead(fd, bo.map, 0), -EINVAL);
	igt_assert_eq(__ahead(fd, NULL, 0), -EINVAL);
	barium_bo_fini(fd, &bo);
}

static void unaligned(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();

	igt_assert_eq(__ahead(fd, bo.map + 1, page), -EINVAL);
	igt_assert_eq(__ahead(fd, bo.map + 8, page - 8), -EINVAL);
	igt_assert_eq(__ahead(fd, bo.map, page - 1), -EINVAL);
	igt_assert_eq(__ahead(fd, bo.map, page + 1), -EINVAL);
	barium_bo_fini(fd, &bo);
}

static void wrap(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();

	igt_assert_eq(__ahead(fd, bo.map, -page), -EINVAL);
	igt_assert_eq(__ahead(fd, bo.map, ~0ull), -EINVAL);
	igt_assert_eq(__ahead(fd, (void *)-page, 2 * page), -EINVAL);
	barium_bo_fini(fd, &bo);
}

static void flags_set(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int bit;

	for (bit = 0; bit < 32; bit++) {
		struct drm_barium_map_ahead arg = {
			.address = (uintptr_t)bo.map,
			.size = bo.size,
		};

		arg.flags = 1u << bit;
		igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), -EINVAL);
		arg.flags = 0;
		arg.pad = 1u << bit;
		igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), -EINVAL);
	}
	barium_bo_fini(fd, &bo);
}

static void unmapped(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	igt_assert_eq(__ahead(fd, NULL, page), -EFAULT);
	igt_assert_eq(__ahead(fd, (void *)(1ull << 63), page), -EFAULT);

	barium_munmap(map + 10 * page, page);
	igt_assert_eq(__ahead(fd, map, bo.size), -EFAULT);
	check_mapped(map, 0, 10);
	igt_assert_eq(__ahead(fd, map + 10 * page, page), -EFAULT);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Ordinary memory is none of the driver's business, whatever it is. */
static void foreign_memory(int fd)
{
	struct barium_bo bo = stamped(fd, PAGES);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	FILE *file = tmpfile();
	void *shared;

	igt_assert(mmap(map + 4 * page, page, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		   map + 4 * page);
	igt_assert_eq(__ahead(fd, map + 4 * page, page), -EFAULT);
	igt_assert_eq(__ahead(fd, map, bo.size), -EFAULT);
	check_mapped(map, 0, 4);

	igt_assert(file && !ftruncate(fileno(file), page));
	shared = mmap(NULL, page, RW, MAP_SHARED, fileno(file), 0);
	igt_assert(shared != MAP_FAILED);
	igt_assert_eq(__ahead(fd, shared, page), -EFAULT);
	barium_munmap(shared, page);
	fclose(file);

	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void no_access(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	void *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_NONE, MAP_SHARED, bo.offset, &map), 0);
	igt_assert_eq(__ahead(fd, map, bo.size), -EFAULT);
	igt_assert_eq(barium_try_read(map), SIGSEGV);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static const struct barium_subtest tests[] = {
	{ "whole", "A whole mapping can be mapped ahead, and shows the object.", whole },
	{ "part", "A part of a mapping can be mapped ahead.", part },
	{ "writable", "What is mapped ahead can be written without a fault.", writable },
	{ "read-only", "A read-only mapping can be mapped ahead, and stays so.", read_only },
	{ "after-touch", "What is mapped already does not keep the rest from being mapped ahead.",
	  after_touch },
	{ "again", "What is mapped already can be mapped ahead.", again },
	{ "scattered", "An object in many pieces can be mapped ahead.", scattered },
	{ "whole-vram", "An object as large as VRAM can be mapped ahead.", whole_vram },
	{ "several-mappings", "A range may lie in several mappings.", several_mappings },
	{ "other-file", "A mapping of another client's object can be mapped ahead.", other_file },
	{ "dma-buf", "A mapping of a dma-buf can be mapped ahead.", buffer },
	{ "write-combining", "What is mapped ahead is write-combining.", write_combining },
	{ "empty", "A range of nothing is refused.", empty },
	{ "unaligned", "A range that is not whole pages is refused.", unaligned },
	{ "wrap", "A range that wraps around is refused.", wrap },
	{ "flags-set", "Flags and padding are kept free for later use.", flags_set },
	{ "unmapped", "A hole ends it, and what is before the hole is mapped.", unmapped },
	{ "foreign-memory", "Memory that is no object ends it.", foreign_memory },
	{ "no-access", "A mapping without access gives none.", no_access },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
