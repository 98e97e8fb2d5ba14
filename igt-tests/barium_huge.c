// SPDX-License-Identifier: MIT
/*
 * Objects that are large enough for huge page table entries: the rules of barium_fault,
 * barium_access and barium_hotunplug hold for them as well. All tests but those of the entries
 * themselves make sense without huge entries, and run without. All skip where VRAM is less than
 * 8 MiB.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib_mapping.h"

IGT_TEST_DESCRIPTION("Mappings that can have huge page table entries.");

#define RW (PROT_READ | PROT_WRITE)

/* What one huge entry maps where there are any, and how many of them the objects here fill. */
#define HUGE (2ul << 20)
#define COUNT 3
/* How long a write may take, in seconds. */
#define PATIENCE 20

static size_t huge_pages(void)
{
	return HUGE / barium_page_size();
}

static size_t all_pages(void)
{
	return COUNT * huge_pages();
}

/* A stamped object in one piece. */
static struct barium_bo stamped(int fd)
{
	struct barium_bo bo = { .size = COUNT * HUGE };
	__u64 huge = barium_get_param(fd, BARIUM_PARAM_HUGE_SIZE);

	igt_require_f(barium_vram_available(fd) >= 4 * HUGE, "not enough VRAM\n");
	igt_require_f(!huge || huge == HUGE, "huge entries of another size\n");
	igt_assert_eq(__barium_gem_create(fd, &bo.size, BARIUM_GEM_CREATE_CONTIGUOUS, &bo.handle),
		      0);
	bo.offset = barium_gem_mmap_offset(fd, bo.handle);
	bo.map = barium_mmap(fd, bo.handle, bo.size);
	barium_stamp(bo.map, 0, all_pages(), 1);
	return bo;
}

static void require_huge(int fd)
{
	igt_require_f(barium_get_param(fd, BARIUM_PARAM_HUGE_SIZE), "no huge entries\n");
}

/* An address that suits huge entries no better than @shift pages past a good one does. */
static __u8 *map_shifted(int fd, const struct barium_bo *bo, size_t shift)
{
	__u8 *room = mmap(NULL, bo->size + 2 * HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u8 *at;

	igt_assert(room != MAP_FAILED);
	at = (__u8 *)(((uintptr_t)room + HUGE - 1) & ~(HUGE - 1)) + shift * barium_page_size();
	igt_assert(mmap(at, bo->size, RW, MAP_SHARED | MAP_FIXED, fd, bo->offset) == at);
	return at;
}

static void few_faults(int fd)
{
	size_t page = barium_page_size(), i;
	struct barium_bo bo;
	long before;
	__u8 *map;

	require_huge(fd);
	bo = stamped(fd);
	map = barium_mmap(fd, bo.handle, bo.size);
	before = barium_minor_faults();
	for (i = 0; i < all_pages(); i++)
		READ_ONCE(map[i * page]);
	igt_assert_lte(barium_minor_faults() - before, COUNT + 32);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void huge_entry(int fd)
{
	struct barium_bo bo;
	char text[256];
	__u8 *map;

	require_huge(fd);
	bo = stamped(fd);
	map = barium_mmap(fd, bo.handle, bo.size);
	/* The first touch may be anywhere in what the entry maps. */
	READ_ONCE(map[HUGE + 300 * barium_page_size()]);
	barium_page_table_entry(map + HUGE, text, sizeof(text));
	igt_assert_f(strstr(text, " PSE "), "the page table entry is%s\n", text);
	barium_check_write_combining(map + HUGE);
	barium_check_stamp(map, 0, all_pages(), 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void read_only(int fd)
{
	struct barium_bo bo = stamped(fd);
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	barium_check_stamp(map, 0, all_pages(), 1);
	igt_assert_eq(barium_try_write(map + HUGE), SIGSEGV);
	barium_check_stamp(map, 0, all_pages(), 1);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void odd_addresses(int fd)
{
	static const size_t shifts[] = { 0, 1, 255, 511 };
	struct barium_bo bo = stamped(fd);
	size_t i;
	void *map;

	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		map = map_shifted(fd, &bo, shifts[i]);
		barium_check_stamp(map, 0, all_pages(), 1);
		barium_munmap(map, bo.size);
	}
	barium_bo_fini(fd, &bo);
}

/* Not in one piece: some huge, some not, depending on what VRAM has. */
static void in_pieces(int fd)
{
	struct barium_bo bo = {}, filler = stamped(fd);
	size_t pages = all_pages() + 5;
	__u8 *map;

	barium_stamp(filler.map, 0, all_pages(), 7);
	bo = barium_bo_create(fd, pages);
	barium_stamp(bo.map, 0, pages, 1);
	map = barium_mmap(fd, bo.handle, bo.size);
	barium_check_stamp(map, 0, pages, 1);
	barium_check_stamp(filler.map, 0, all_pages(), 7);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
	barium_bo_fini(fd, &filler);
}

/*
 * Pieces that are shorter than a huge entry, some of which start where one could: VRAM is filled
 * with objects of half its size, and every other of them makes room.
 */
static void short_pieces(int fd)
{
	size_t page = barium_page_size(), pages = huge_pages() / 2, count, parity, i;
	struct barium_bo bo;
	__u32 *handles;
	__u8 *map;

	igt_require_f(barium_vram_size(fd) <= 64 << 20, "too much VRAM to fill\n");
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

/* Takes pages out of the middle of what a huge entry maps; all others stay. */
static void munmap_part(int fd, bool touched)
{
	struct barium_bo bo = stamped(fd);
	size_t page = barium_page_size(), first = huge_pages() + 100, count = 56;
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	if (touched)
		barium_check_stamp(map, 0, all_pages(), 1);
	barium_munmap(map + first * page, count * page);
	barium_check_stamp(map, 0, first, 1);
	barium_check_stamp(map + (first + count) * page, first + count,
			   all_pages() - first - count, 1);
	igt_assert_eq(barium_try_read(map + first * page), SIGSEGV);
	barium_munmap(map, bo.size);
	barium_check_stamp(bo.map, 0, all_pages(), 1);
	barium_bo_fini(fd, &bo);
}

static void munmap_part_touched(int fd)
{
	munmap_part(fd, true);
}

static void munmap_part_untouched(int fd)
{
	munmap_part(fd, false);
}

static void mprotect_part(int fd)
{
	struct barium_bo bo = stamped(fd);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_check_stamp(map, 0, all_pages(), 1);
	igt_assert_eq(mprotect(map + HUGE + page, page, PROT_READ), 0);
	igt_assert_eq(barium_try_write(map + HUGE + page), SIGSEGV);
	barium_check_stamp(map, 0, all_pages(), 1);
	igt_assert_eq(mprotect(map, bo.size, RW), 0);
	barium_stamp(map, 0, all_pages(), 2);
	barium_check_stamp(bo.map, 0, all_pages(), 2);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void mprotect_whole(int fd)
{
	struct barium_bo bo = stamped(fd);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_check_stamp(map, 0, all_pages(), 1);
	igt_assert_eq(mprotect(map, bo.size, PROT_READ), 0);
	igt_assert_eq(barium_try_write(map + HUGE), SIGSEGV);
	igt_assert_eq(mprotect(map, bo.size, RW), 0);
	barium_stamp(map, 0, all_pages(), 2);
	barium_check_write_combining(map + HUGE);
	barium_check_stamp(bo.map, 0, all_pages(), 2);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Moves a mapping to an address that suits huge entries less, and a part of it. */
static void mremap_odd(int fd)
{
	struct barium_bo bo = stamped(fd);
	size_t page = barium_page_size(), first = huge_pages() - 3, count = huge_pages() + 6;
	__u8 *map = barium_mmap(fd, bo.handle, bo.size), *room, *part;

	barium_check_stamp(map, 0, all_pages(), 1);
	room = mmap(NULL, bo.size + HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(room != MAP_FAILED);
	part = room + 3 * page;
	igt_assert(mremap(map + first * page, count * page, count * page,
			  MREMAP_MAYMOVE | MREMAP_FIXED, part) == part);
	barium_check_stamp(part, first, count, 1);
	barium_check_stamp(map, 0, first, 1);
	barium_check_stamp(map + (first + count) * page, first + count,
			   all_pages() - first - count, 1);
	barium_munmap(room, bo.size + HUGE);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void fork_and_split(int fd)
{
	struct barium_bo bo = stamped(fd);
	size_t page = barium_page_size();
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_check_stamp(map, 0, 2 * huge_pages(), 1);
	igt_fork(child, 2) {
		barium_munmap(map + (7 + child) * page, page);
		barium_check_stamp(map + HUGE, huge_pages(), huge_pages(), 1);
		barium_check_stamp(map, 0, 7, 1);
		barium_stamp(map + 2 * HUGE + child * HUGE / 2,
			     2 * huge_pages() + child * huge_pages() / 2, huge_pages() / 2, 2);
	}
	igt_waitchildren();
	barium_check_stamp(map, 0, 2 * huge_pages(), 1);
	barium_check_stamp(map + 2 * HUGE, 2 * huge_pages(), huge_pages(), 2);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* What cannot be had of a page cannot be had of a huge entry either. */
static void no_pages(int fd)
{
	struct barium_bo bo = stamped(fd);
	struct iovec iov = { .iov_base = bo.map + HUGE, .iov_len = HUGE };
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
	barium_check_stamp(bo.map, 0, all_pages(), 1);
	close(ends[0]);
	close(ends[1]);
	barium_bo_fini(fd, &bo);
}

static void debugger(int fd)
{
	struct barium_bo bo = stamped(fd);
	size_t page = barium_page_size(), first = huge_pages() - 2;
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	void *copy = malloc(4 * page);

	igt_assert(mem >= 0 && copy);
	igt_assert_eq(pread(mem, copy, 4 * page, (uintptr_t)bo.map + first * page), 4 * page);
	barium_check_stamp(copy, first, 4, 1);
	close(mem);
	free(copy);
	barium_bo_fini(fd, &bo);
}

/* A dma-buf that is mapped from a page on that no huge entry starts at, and from one that does. */
static void buffer(int fd)
{
	struct barium_bo bo = stamped(fd);
	size_t firsts[] = { 1, huge_pages() - 1, huge_pages() }, i;
	int buf = __barium_gem_export(fd, bo.handle, DRM_RDWR | DRM_CLOEXEC);
	size_t page = barium_page_size(), pages;
	void *map;

	igt_require_f(buf >= 0, "objects cannot be exported\n");
	for (i = 0; i < ARRAY_SIZE(firsts); i++) {
		pages = all_pages() - firsts[i];
		igt_assert_eq(__barium_mmap(buf, pages * page, RW, MAP_SHARED, firsts[i] * page,
					    &map), 0);
		barium_check_stamp(map, firsts[i], pages, 1);
		barium_munmap(map, pages * page);
	}
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void outlives_file(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo bo = stamped(other);
	void *map = barium_mmap(other, bo.handle, bo.size);

	close(other);
	barium_check_stamp(map, 0, all_pages(), 1);
	barium_munmap(map, bo.size);
	igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);
	barium_munmap(bo.map, bo.size);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/*
 * Whoever watches which pages are written to takes the right to write from entries, and not from
 * the mapping. A write gives it back, whether the program makes it or the kernel does for it.
 */
static int write_watched(__u8 *map)
{
	int clear = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);

	if (clear < 0 || zero < 0 || write(clear, "4", 1) != 1)
		return 1;
	READ_ONCE(map[0]);
	READ_ONCE(map[HUGE]);
	alarm(PATIENCE);
	WRITE_ONCE(map[0], 0x55);
	if (READ_ONCE(map[0]) != 0x55)
		return 2;
	return read(zero, map + HUGE, 1) == 1 && !READ_ONCE(map[HUGE]) ? 0 : 3;
}

static void watched_writes(int fd)
{
	struct barium_bo bo = stamped(fd);
	/* In which nothing is mapped yet: what is mapped keeps its entries. */
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);
	int status;
	pid_t pid;

	igt_require_f(barium_has_vm_flag(map, "sd"), "the kernel does not watch writes\n");
	pid = fork();
	if (!pid)
		_exit(write_watched(map));
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(!WIFSIGNALED(status), "it was not done after %d s\n", PATIENCE);
	igt_assert_eq(WEXITSTATUS(status), 0);
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static const struct barium_subtest tests[] = {
	{ "few-faults", "Huge entries take few faults.", few_faults },
	{ "entry", "A huge entry is in the page table, and write-combining.",
	  huge_entry },
	{ "read-only", "A read-only mapping stays so.", read_only },
	{ "odd-addresses", "Any address is good enough for a large object.", odd_addresses },
	{ "in-pieces", "A large object in several pieces shows the right pages.", in_pieces },
	{ "short-pieces", "Pieces shorter than a huge entry show their pages and no others.",
	  short_pieces },
	{ "munmap-part-touched", "A hole in what a huge entry maps leaves the rest.",
	  munmap_part_touched },
	{ "munmap-part-untouched", "A hole where a huge entry would be leaves the rest.",
	  munmap_part_untouched },
	{ "mprotect-part", "A page in a huge entry can have a protection of its own.",
	  mprotect_part },
	{ "mprotect-whole", "Huge entries can change their protection, and stay write-combining.",
	  mprotect_whole },
	{ "mremap-odd", "A part of a large mapping can move to any address.", mremap_odd },
	{ "fork-and-split", "Children can take pieces out of a large mapping of theirs.",
	  fork_and_split },
	{ "watched-writes", "A huge entry that lost the right to be written to gets it back.",
	  watched_writes },
	{ "no-pages", "Huge entries give no pages away.", no_pages },
	{ "debugger", "A debugger sees the right pages of a large object.", debugger },
	{ "dma-buf", "A dma-buf of a large object shows the right pages from any page on.",
	  buffer },
	{ "outlives-file", "A large mapping outlives handle and file.", outlives_file },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
