// SPDX-License-Identifier: MIT
/**
 * TEST: barium huge
 * Description: Objects that are large enough for huge PMDs: the rules of barium_fault,
 *   barium_access and barium_hotunplug hold for them as well. Subtests that do not check the PMDs
 *   themselves also run on a kernel without huge PMDs. All skip if less than 8 MiB of VRAM are
 *   available.
 * Category: Core
 * Sub-category: DRM
 * Functionality: huge page table entries
 *
 * SUBTEST: few-faults
 * Description: Huge PMDs reduce the number of faults.
 *
 * SUBTEST: around
 * Description: The first fault maps all huge PMDs of a small object.
 *
 * SUBTEST: around-random-advice
 * Description: With MADV_RANDOM, a fault maps one huge PMD.
 *
 * SUBTEST: around-ends-with-area
 * Description: Huge PMDs beside that of the fault do not extend past the VMA.
 *
 * SUBTEST: around-ends-with-extent
 * Description: Huge PMDs beside that of the fault do not extend past the extent.
 *
 * SUBTEST: entry
 * Description: The page table contains a write-combining huge PMD.
 *
 * SUBTEST: read-only
 * Description: A read-only mapping with huge PMDs stays read-only.
 *
 * SUBTEST: odd-addresses
 * Description: A large object can be mapped at any page-aligned address.
 *
 * SUBTEST: several-extents
 * Description: A large object with several extents maps the right pages.
 *
 * SUBTEST: short-extents
 * Description: Extents shorter than a huge PMD map the right pages.
 *
 * SUBTEST: munmap-part-touched
 * Description: munmap() of a part of a huge PMD keeps the other pages.
 *
 * SUBTEST: munmap-part-untouched
 * Description: munmap() of a part of an untouched huge range keeps the other pages.
 *
 * SUBTEST: mprotect-part
 * Description: mprotect() can change a single page of a huge PMD.
 *
 * SUBTEST: mprotect-whole
 * Description: mprotect() of huge PMDs keeps them write-combining.
 *
 * SUBTEST: mremap-odd
 * Description: mremap() can move a part of a large mapping to any address.
 *
 * SUBTEST: fork-and-split
 * Description: Children can unmap single pages of an inherited large mapping.
 *
 * SUBTEST: watched-writes
 * Description: A write fault makes a write-protected huge PMD writable.
 *
 * SUBTEST: no-pages
 * Description: Huge PMDs give out no struct page.
 *
 * SUBTEST: debugger
 * Description: /proc/PID/mem reads the right pages of a large object.
 *
 * SUBTEST: dma-buf
 * Description: A dma-buf of a large object maps the right pages from any offset.
 *
 * SUBTEST: outlives-file
 * Description: A large mapping outlives its handle and its file.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib_huge.h"
#include "barium_lib_mapping.h"

IGT_TEST_DESCRIPTION("Checks mappings with huge PMDs.");

#define RW (PROT_READ | PROT_WRITE)

/* The number of pages of VRAM that tests fill and stamp at most. */
#define MAX_FILL_PAGES 16384

/* The longest time that a write may take, in seconds. */
#define WRITE_TIMEOUT 20

/* Maps an object @shift pages after an address that is aligned for a huge PMD. */
static __u8 *map_shifted(int fd, const struct barium_bo *bo, size_t shift)
{
	__u8 *area = mmap(NULL, bo->size + 2 * BARIUM_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	__u8 *at;

	igt_assert(area != MAP_FAILED);
	at = (__u8 *)(((uintptr_t)area + BARIUM_HUGE - 1) & ~(BARIUM_HUGE - 1)) +
	     shift * barium_page_size();
	igt_assert(mmap(at, bo->size, RW, MAP_SHARED | MAP_FIXED, fd, bo->offset) == at);
	return at;
}

static void test_few_faults(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo;
	long before;
	__u8 *map;

	barium_require_huge(fd);
	bo = barium_huge_bo_create(fd);
	map = barium_mmap(fd, bo.handle, bo.size);
	before = barium_minor_faults();
	for (i = 0; i < barium_huge_bo_pages(); i++)
		READ_ONCE(map[i * page]);
	igt_assert_lte(barium_minor_faults() - before, BARIUM_HUGE_COUNT + 32);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void require_huge_around(int fd)
{
	barium_require_huge(fd);
	igt_require_f(barium_get_param(fd, BARIUM_PARAM_FAULT_AROUND) > 1,
		      "the driver maps one huge PMD at a time\n");
}

/* Reads one page of each huge PMD of @map. Returns the number of faults. */
static long read_each(__u8 *map)
{
	size_t middle = barium_huge_pages() / 2 * barium_page_size(), i;
	long before = barium_minor_faults();

	for (i = 0; i < BARIUM_HUGE_COUNT; i++)
		READ_ONCE(map[i * BARIUM_HUGE + middle]);
	return barium_minor_faults() - before;
}

/* Asserts that the first access to each huge PMD of a mapping with @advice takes @faults faults. */
static void check_faults_of_each(int fd, int advice, long faults)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	igt_assert_eq(madvise(map, bo.size, advice), 0);
	/* Faults in the code and data of the test, so that these faults are not counted. */
	read_each(bo.map);
	igt_assert_eq(read_each(map), faults);
	barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* The VMA ends, or starts, in the middle of a huge PMD of the object. */
static void test_around_ends_with_area(int fd)
{
	size_t page = barium_page_size(), half = barium_huge_pages() / 2, first, i;
	struct barium_bo bo = barium_huge_bo_create(fd);
	size_t cut = BARIUM_HUGE_COUNT * BARIUM_HUGE - half * page;
	__u8 *map, *hole;

	for (i = 0; i < 2; i++) {
		map = map_shifted(fd, &bo, 0);
		hole = i ? map : map + cut;
		first = i ? half : 0;
		barium_munmap(hole, half * page);
		READ_ONCE(map[i ? cut : 0]);
		barium_check_stamp(map + first * page, first, barium_huge_bo_pages() - half, 1);
		igt_assert_eq(barium_try_read(hole), SIGSEGV);
		igt_assert_eq(barium_try_read(hole + (half - 1) * page), SIGSEGV);
		barium_munmap(map, bo.size);
	}
	barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 1);
	barium_bo_fini(fd, &bo);
}

/*
 * Fills VRAM with objects of one huge PMD and closes every other one. The next object gets all of
 * that VRAM, so that each of its extents has one huge PMD.
 */
static void test_around_ends_with_extent(int fd)
{
	size_t pages = barium_huge_pages(), closed = 0, count, i;
	struct barium_bo bo;
	__u32 *handles;
	__u8 *map;

	igt_require_f(barium_vram_size(fd) / barium_page_size() <= MAX_FILL_PAGES,
		      "too much VRAM to fill\n");
	count = barium_fill(fd, BARIUM_HUGE, &handles);
	for (i = 0; i < count; i++) {
		map = barium_mmap(fd, handles[i], BARIUM_HUGE);
		barium_stamp(map, 0, pages, 100 + i);
		barium_munmap(map, BARIUM_HUGE);
	}
	for (i = 0; i < count; i += 2, closed++)
		igt_assert_eq(__barium_gem_close(fd, handles[i]), 0);

	bo = barium_bo_create(fd, closed * pages);
	barium_stamp(bo.map, 0, closed * pages, 1);
	barium_check_stamp(bo.map, 0, closed * pages, 1);
	for (i = 1; i < count; i += 2) {
		map = barium_mmap(fd, handles[i], BARIUM_HUGE);
		barium_check_stamp(map, 0, pages, 100 + i);
		barium_munmap(map, BARIUM_HUGE);
		igt_assert_eq(__barium_gem_close(fd, handles[i]), 0);
	}
	barium_bo_fini(fd, &bo);
	free(handles);
}

static void test_entry(int fd)
{
	struct barium_entry entry;
	struct barium_bo bo;
	__u8 *map;

	barium_require_huge(fd);
	bo = barium_huge_bo_create(fd);
	map = barium_mmap(fd, bo.handle, bo.size);
	/* The first access may be anywhere in the range of the huge PMD. */
	READ_ONCE(map[BARIUM_HUGE + 300 * barium_page_size()]);
	barium_find_entry(map + BARIUM_HUGE, &entry);
	igt_assert_eq_u64(entry.size, BARIUM_HUGE);
	barium_check_write_combining(map + BARIUM_HUGE);
	barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_read_only(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
	igt_assert_eq(barium_try_write(map + BARIUM_HUGE), SIGSEGV);
	barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* The free ranges of VRAM determine which extents get a huge PMD. */
static void test_several_extents(int fd)
{
	struct barium_bo bo = {}, filler = barium_huge_bo_create(fd);
	size_t pages = barium_huge_bo_pages() + 5;
	__u8 *map;

	barium_stamp(filler.map, 0, barium_huge_bo_pages(), 7);
	bo = barium_bo_create(fd, pages);
	barium_stamp(bo.map, 0, pages, 1);
	map = barium_mmap(fd, bo.handle, bo.size);
	barium_check_stamp(map, 0, pages, 1);
	barium_check_stamp(filler.map, 0, barium_huge_bo_pages(), 7);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
	barium_bo_fini(fd, &filler);
}

/*
 * Some of the short extents start at an offset that is aligned for a huge PMD: the test fills VRAM
 * with objects of half that size and closes every other one.
 */
static void test_short_extents(int fd)
{
	size_t page = barium_page_size(), pages = barium_huge_pages() / 2, count, parity, i;
	struct barium_bo bo;
	__u32 *handles;
	__u8 *map;

	igt_require_f(barium_vram_size(fd) / barium_page_size() <= MAX_FILL_PAGES,
		      "too much VRAM to fill\n");
	count = barium_fill(fd, pages * page, &handles);
	for (parity = 0; parity < 2; parity++) {
		for (i = 0; i < count; i++) {
			map = barium_mmap(fd, handles[i], pages * page);
			barium_stamp(map, 0, pages, 100 + i);
			barium_munmap(map, pages * page);
		}
		for (i = parity; i < count; i += 2)
			igt_assert_eq(__barium_gem_close(fd, handles[i]), 0);

		bo = barium_bo_create(fd, 2 * pages);
		barium_stamp(bo.map, 0, 2 * pages, 1);
		barium_check_stamp(bo.map, 0, 2 * pages, 1);
		for (i = !parity; i < count; i += 2) {
			map = barium_mmap(fd, handles[i], pages * page);
			barium_check_stamp(map, 0, pages, 100 + i);
			barium_munmap(map, pages * page);
		}
		barium_bo_fini(fd, &bo);
		for (i = parity; i < count; i += 2)
			handles[i] = barium_gem_create(fd, pages * page);
	}
	for (i = 0; i < count; i++)
		igt_assert_eq(__barium_gem_close(fd, handles[i]), 0);
	free(handles);
}

/* Unmaps pages in the middle of a huge PMD, and checks the other pages. */
static void munmap_part(int fd, bool touched)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	size_t page = barium_page_size(), first = barium_huge_pages() * 6 / 5;
	size_t count = barium_huge_pages() / 9;
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	if (touched)
		barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
	barium_munmap(map + first * page, count * page);
	barium_check_stamp(map, 0, first, 1);
	barium_check_stamp(map + (first + count) * page, first + count,
			   barium_huge_bo_pages() - first - count, 1);
	igt_assert_eq(barium_try_read(map + first * page), SIGSEGV);
	barium_munmap(map, bo.size);
	barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 1);
	barium_bo_fini(fd, &bo);
}

static void test_mprotect_part(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
	igt_assert_eq(mprotect(map + BARIUM_HUGE + page, page, PROT_READ), 0);
	igt_assert_eq(barium_try_write(map + BARIUM_HUGE + page), SIGSEGV);
	barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
	igt_assert_eq(mprotect(map, bo.size, RW), 0);
	barium_stamp(map, 0, barium_huge_bo_pages(), 2);
	barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 2);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Moves a part of a mapping to an address that is not aligned for a huge PMD. */
static void test_mremap_odd(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	size_t first = barium_huge_pages() - 3, count = barium_huge_pages() + 6;
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size), *area, *part;

	barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
	area = mmap(NULL, bo.size + BARIUM_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(area != MAP_FAILED);
	part = area + 3 * page;
	igt_assert(mremap(map + first * page, count * page, count * page,
			  MREMAP_MAYMOVE | MREMAP_FIXED, part) == part);
	barium_check_stamp(part, first, count, 1);
	barium_check_stamp(map, 0, first, 1);
	barium_check_stamp(map + (first + count) * page, first + count,
			   barium_huge_bo_pages() - first - count, 1);
	barium_munmap(area, bo.size + BARIUM_HUGE);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_fork_and_split(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_check_stamp(map, 0, 2 * barium_huge_pages(), 1);
	igt_fork(child, 2) {
		barium_munmap(map + (7 + child) * page, page);
		barium_check_stamp(map + BARIUM_HUGE, barium_huge_pages(), barium_huge_pages(), 1);
		barium_check_stamp(map, 0, 7, 1);
		barium_stamp(map + 2 * BARIUM_HUGE + child * BARIUM_HUGE / 2,
			     (4 + child) * barium_huge_pages() / 2, barium_huge_pages() / 2, 2);
	}
	igt_waitchildren();
	barium_check_stamp(map, 0, 2 * barium_huge_pages(), 1);
	barium_check_stamp(map + 2 * BARIUM_HUGE, 2 * barium_huge_pages(), barium_huge_pages(), 2);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_no_pages(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	struct iovec iov = { .iov_base = bo.map + BARIUM_HUGE, .iov_len = BARIUM_HUGE };
	char copy[64];
	struct iovec local = { .iov_base = copy, .iov_len = sizeof(copy) };
	int ends[2];

	igt_assert_eq(pipe(ends), 0);
	igt_assert_eq(vmsplice(ends[1], &iov, 1, SPLICE_F_NONBLOCK), -1);
	igt_assert_eq(errno, EFAULT);
	igt_assert_eq(process_vm_readv(getpid(), &local, 1, &iov, 1, 0), -1);
	igt_assert_eq(errno, EFAULT);
	igt_assert_eq(mlock(bo.map, bo.size), 0);
	igt_assert_eq(madvise(bo.map, bo.size, MADV_DONTNEED), -1);
	barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 1);
	close(ends[0]);
	close(ends[1]);
	barium_bo_fini(fd, &bo);
}

static void test_debugger(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	size_t page = barium_page_size(), first = barium_huge_pages() - 2;
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	void *copy = malloc(4 * page);

	igt_assert(mem >= 0 && copy);
	igt_assert_eq(pread(mem, copy, 4 * page, (uintptr_t)bo.map + first * page), 4 * page);
	barium_check_stamp(copy, first, 4, 1);
	close(mem);
	free(copy);
	barium_bo_fini(fd, &bo);
}

/* Maps a dma-buf from offsets that are aligned for a huge PMD and from others. */
static void test_dma_buf(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	size_t firsts[] = { 1, barium_huge_pages() - 1, barium_huge_pages() }, i;
	int buf = __barium_gem_export(fd, bo.handle, DRM_RDWR | DRM_CLOEXEC);
	size_t page = barium_page_size(), pages;
	void *map;

	igt_require_f(buf >= 0, "objects cannot be exported\n");
	for (i = 0; i < ARRAY_SIZE(firsts); i++) {
		pages = barium_huge_bo_pages() - firsts[i];
		igt_assert_eq(__barium_mmap(buf, pages * page, RW, MAP_SHARED, firsts[i] * page,
					    &map), 0);
		barium_check_stamp(map, firsts[i], pages, 1);
		barium_munmap(map, pages * page);
	}
	close(buf);
	barium_bo_fini(fd, &bo);
}

/*
 * After a write to clear_refs, a read fault in a writable VMA inserts a write-protected entry. The
 * next write, by the program or by the kernel, makes the entry writable. Returns 0, or the
 * number of the step that failed.
 */
static int write_after_clear_refs(__u8 *map)
{
	int clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	if (clear < 0 || zero < 0 || write(clear, "4", 1) != 1)
		return 1;
	READ_ONCE(map[0]);
	READ_ONCE(map[BARIUM_HUGE]);
	alarm(WRITE_TIMEOUT);
	WRITE_ONCE(map[0], 0x55);
	if (READ_ONCE(map[0]) != 0x55)
		return 2;
	return read(zero, map + BARIUM_HUGE, 1) == 1 && !READ_ONCE(map[BARIUM_HUGE]) ? 0 : 3;
}

static void test_watched_writes(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	/* clear_refs skips existing entries of VM_PFNMAP VMAs, so this one is untouched. */
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	int status;
	pid_t pid;

	igt_require_f(barium_has_vm_flag(map, "sd"), "the kernel has no soft-dirty bits\n");
	pid = fork();
	if (!pid)
		_exit(write_after_clear_refs(map));
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(!WIFSIGNALED(status), "the write did not return within %d s\n", WRITE_TIMEOUT);
	igt_assert_eq(WEXITSTATUS(status), 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

int igt_main()
{
	igt_describe("Huge PMDs reduce the number of faults.");
	igt_subtest("few-faults")
		test_few_faults(barium_new_client());

	igt_describe("The first fault maps all huge PMDs of a small object.");
	igt_subtest("around") {
		int fd = barium_new_client();

		require_huge_around(fd);
		check_faults_of_each(fd, MADV_NORMAL, 1);
	}

	igt_describe("With MADV_RANDOM, a fault maps one huge PMD.");
	igt_subtest("around-random-advice") {
		int fd = barium_new_client();

		barium_require_huge(fd);
		check_faults_of_each(fd, MADV_RANDOM, BARIUM_HUGE_COUNT);
	}

	igt_describe("Huge PMDs beside that of the fault do not extend past the VMA.");
	igt_subtest("around-ends-with-area")
		test_around_ends_with_area(barium_new_client());

	igt_describe("Huge PMDs beside that of the fault do not extend past the extent.");
	igt_subtest("around-ends-with-extent")
		test_around_ends_with_extent(barium_new_client());

	igt_describe("The page table contains a write-combining huge PMD.");
	igt_subtest("entry")
		test_entry(barium_new_client());

	igt_describe("A read-only mapping with huge PMDs stays read-only.");
	igt_subtest("read-only")
		test_read_only(barium_new_client());

	igt_describe("A large object can be mapped at any page-aligned address.");
	igt_subtest("odd-addresses") {
		int fd = barium_new_client();
		const size_t pages = barium_huge_pages();
		const size_t shifts[] = { 0, 1, pages / 2 - 1, pages - 1 };
		struct barium_bo bo = barium_huge_bo_create(fd);
		size_t i;
		void *map;

		for (i = 0; i < ARRAY_SIZE(shifts); i++) {
			map = map_shifted(fd, &bo, shifts[i]);
			barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
			barium_munmap(map, bo.size);
		}
		barium_bo_fini(fd, &bo);
	}

	igt_describe("A large object with several extents maps the right pages.");
	igt_subtest("several-extents")
		test_several_extents(barium_new_client());

	igt_describe("Extents shorter than a huge PMD map the right pages.");
	igt_subtest("short-extents")
		test_short_extents(barium_new_client());

	igt_describe("munmap() of a part of a huge PMD keeps the other pages.");
	igt_subtest("munmap-part-touched")
		munmap_part(barium_new_client(), true);

	igt_describe("munmap() of a part of an untouched huge range keeps the other pages.");
	igt_subtest("munmap-part-untouched")
		munmap_part(barium_new_client(), false);

	igt_describe("mprotect() can change a single page of a huge PMD.");
	igt_subtest("mprotect-part")
		test_mprotect_part(barium_new_client());

	igt_describe("mprotect() of huge PMDs keeps them write-combining.");
	igt_subtest("mprotect-whole") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_huge_bo_create(fd);
		__u8 *map = barium_mmap(fd, bo.handle, bo.size);

		barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
		igt_assert_eq(mprotect(map, bo.size, PROT_READ), 0);
		igt_assert_eq(barium_try_write(map + BARIUM_HUGE), SIGSEGV);
		igt_assert_eq(mprotect(map, bo.size, RW), 0);
		barium_stamp(map, 0, barium_huge_bo_pages(), 2);
		barium_check_write_combining(map + BARIUM_HUGE);
		barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 2);
		barium_munmap(map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("mremap() can move a part of a large mapping to any address.");
	igt_subtest("mremap-odd")
		test_mremap_odd(barium_new_client());

	igt_describe("Children can unmap single pages of an inherited large mapping.");
	igt_subtest("fork-and-split")
		test_fork_and_split(barium_new_client());

	igt_describe("A write fault makes a write-protected huge PMD writable.");
	igt_subtest("watched-writes")
		test_watched_writes(barium_new_client());

	igt_describe("Huge PMDs give out no struct page.");
	igt_subtest("no-pages")
		test_no_pages(barium_new_client());

	igt_describe("/proc/PID/mem reads the right pages of a large object.");
	igt_subtest("debugger")
		test_debugger(barium_new_client());

	igt_describe("A dma-buf of a large object maps the right pages from any offset.");
	igt_subtest("dma-buf")
		test_dma_buf(barium_new_client());

	igt_describe("A large mapping outlives its handle and its file.");
	igt_subtest("outlives-file") {
		int fd = barium_new_client();
		__u64 before = barium_vram_available(fd);
		int other = barium_reopen(fd, O_RDWR);
		struct barium_bo bo = barium_huge_bo_create(other);
		void *map = barium_mmap(other, bo.handle, bo.size);

		close(other);
		barium_check_stamp(map, 0, barium_huge_bo_pages(), 1);
		barium_munmap(map, bo.size);
		igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);
		barium_munmap(bo.map, bo.size);
		igt_assert_eq_u64(barium_vram_available(fd), before);
	}
}
