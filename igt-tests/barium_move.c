// SPDX-License-Identifier: MIT
/**
 * TEST: barium move
 * Description: Tests of objects that move between VRAM and system memory. A client makes the driver
 *   move objects out by creating a contiguous object.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory management
 *
 * SUBTEST: create-beyond-vram
 * Description: Objects of three times the size of VRAM can be created and keep their content.
 *
 * SUBTEST: lower-priority-leaves
 * Description: A contiguous object gets the VRAM of objects that the display cannot show.
 *
 * SUBTEST: equal-priority-stays
 * Description: An object with the priority of the objects in VRAM does not move them out, if they
 *   belong to the same client.
 *
 * SUBTEST: untouched-costs-nothing
 * Description: An object that was never mapped leaves VRAM without taking system memory.
 *
 * SUBTEST: content
 * Description: Objects of all sizes keep their content when they leave VRAM.
 *
 * SUBTEST: all-mappings
 * Description: All mappings of an object show the same memory after it has left VRAM.
 *
 * SUBTEST: parts-of-mappings
 * Description: Partial, read-only, moved and split mappings show the right pages after a move.
 *
 * SUBTEST: child-follows
 * Description: A child process shares the memory with its parent after a move.
 *
 * SUBTEST: debugger
 * Description: A debugger and the program access the same memory after a move.
 *
 * SUBTEST: cache-mode
 * Description: PTEs are cached in system memory and write-combining in VRAM.
 *
 * SUBTEST: zero-at-first
 * Description: A new object in VRAM that another object has left reads as zero.
 *
 * SUBTEST: usage
 * Description: fdinfo counts an object where its content is.
 *
 * SUBTEST: write-while-moving
 * Description: No write of a program is lost while its object moves.
 *
 * SUBTEST: access-moves-nothing
 * Description: An access to an object that has left VRAM does not move it in.
 *
 * SUBTEST: huge-pages
 * Description: An object that leaves VRAM gets huge pages of system memory.
 *
 * SUBTEST: no-huge-pages
 * Description: An object leaves VRAM also if the kernel has no huge pages for it.
 *
 * SUBTEST: closed-frees-memory
 * Description: Closing an object that has left VRAM frees its system memory.
 *
 * SUBTEST: survives-unbind
 * Description: An object that has left VRAM keeps its content after unbind.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_huge.h"
#include "barium_lib_mapping.h"
#include "barium_lib_picture.h"
#include "barium_lib_prime.h"
#include "barium_lib_race.h"
#include "barium_lib_tmpfs.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks objects that move between VRAM and system memory.");

#define RW (PROT_READ | PROT_WRITE)
#define CONTIGUOUS BARIUM_GEM_CREATE_CONTIGUOUS
/* Pictures of these sizes do not all fit into the VRAM of the usual test guest, 16 MiB. */
#define WIDTH 1280
#define HEIGHT 800
#define MANY 8
/* The objects that the subtest closed-frees-memory creates, one after the other. */
#define ROUNDS 8
/* The kernel's switch for huge pages of tmpfs. Its value "deny" overrides the options of mounts. */
#define SHMEM_ENABLED "/sys/kernel/mm/transparent_hugepage/shmem_enabled"

static void test_create_beyond_vram(int fd)
{
	size_t page = barium_page_size(), pages = barium_vram_size(fd) / 16 / page, i;
	struct barium_bo bos[48];
	__u64 in_use;

	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = barium_bo_create(fd, pages);
		barium_check_zero(bos[i].map, bos[i].size);
		barium_stamp(bos[i].map, 0, pages, i);
	}
	igt_assert_lte_u64(barium_in_vram(fd), barium_vram_size(fd));
	/* In a guest with little memory, some are in swap. */
	in_use = barium_in_vram(fd) + barium_in_memory(fd);
	igt_assert_lte_u64(in_use, ARRAY_SIZE(bos) * pages * page);
	if (!barium_meminfo("SwapTotal"))
		igt_assert_eq_u64(in_use, ARRAY_SIZE(bos) * pages * page);
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		barium_check_stamp(bos[i].map, 0, pages, i);
		barium_bo_fini(fd, &bos[i]);
	}
}

static void test_lower_priority_leaves(int fd)
{
	size_t page = barium_page_size(), pages = barium_vram_available(fd) / page / 4, i;
	__u64 size = 3 * pages * page;
	struct barium_bo bos[4];
	__u32 handle;

	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = barium_bo_create(fd, pages);
		barium_stamp(bos[i].map, 0, pages, i);
	}
	igt_assert_eq_u64(barium_in_vram(fd), 4 * pages * page);
	igt_assert_eq(__barium_gem_create(fd, &size, CONTIGUOUS, &handle), 0);
	/* The contiguous object is in VRAM, and one of the others may be. */
	igt_assert_lte_u64(size, barium_in_vram(fd));
	igt_assert_lte_u64(3 * pages * page, barium_in_memory(fd));
	igt_assert_eq_u64(barium_in_vram(fd) + barium_in_memory(fd), size + 4 * pages * page);
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		barium_check_stamp(bos[i].map, 0, pages, i);
		barium_bo_fini(fd, &bos[i]);
	}
	gem_close(fd, handle);
}

static void test_equal_priority_stays(int fd)
{
	size_t page = barium_page_size();
	__u64 size = barium_vram_size(fd), more = 64 * page;
	__u32 handle;
	__u8 *map;

	igt_assert_eq(__barium_gem_create(fd, &size, CONTIGUOUS, &handle), 0);
	igt_assert_eq_u64(barium_in_vram(fd), size);
	igt_assert_eq(__barium_gem_create(fd, &more, CONTIGUOUS, &handle), 0);
	map = barium_mmap(fd, handle, more);
	barium_check_zero(map, more);
	barium_stamp(map, 0, 64, 1);
	barium_check_stamp(map, 0, 64, 1);
	igt_assert_eq_u64(barium_in_vram(fd), size);
	igt_assert_eq_u64(barium_in_memory(fd), more);
	barium_munmap(map, more);
}

static void test_untouched(int fd)
{
	__u64 before = barium_vram_available(fd);
	__u32 handle = barium_gem_create(fd, before);
	__u8 *map;

	igt_assert_eq_u64(barium_in_vram(fd), before);
	barium_move_out(fd);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	map = barium_mmap(fd, handle, before);
	barium_check_zero(map, before);
	barium_munmap(map, before);
}

static void test_content(int fd)
{
	static const size_t sizes[] = { 1, 2, 3, 15, 16, 17, 255, 511, 512, 513, 1029 };
	size_t vram = barium_vram_size(fd) / barium_page_size();
	size_t count = ARRAY_SIZE(sizes), round, i;
	struct barium_bo bos[ARRAY_SIZE(sizes)], scattered;
	int holder;

	/* All objects of these sizes fit into VRAM. */
	while (sizes[count - 1] * 3 > vram)
		count--;
	for (round = 0; round < 2; round++) {
		holder = barium_bo_create_scattered(fd, 33, &scattered);
		barium_stamp(scattered.map, 0, 33, 100);
		close(holder);
		for (i = 0; i < count; i++) {
			bos[i] = barium_bo_create(fd, sizes[i]);
			barium_stamp(bos[i].map, 0, sizes[i], i);
		}
		igt_assert_eq_u64(barium_in_memory(fd), 0);
		barium_move_out(fd);
		igt_assert_eq_u64(barium_in_vram(fd), 0);
		barium_check_stamp(scattered.map, 0, 33, 100);
		for (i = 0; i < count; i++) {
			barium_check_stamp(bos[i].map, 0, sizes[i], i);
			barium_stamp(bos[i].map, 0, sizes[i], i + 1);
			barium_check_stamp(bos[i].map, 0, sizes[i], i + 1);
			barium_bo_fini(fd, &bos[i]);
		}
		barium_bo_fini(fd, &scattered);
	}
}

/* The mappings are from two clients and from a dma-buf, with and without entries. */
static void test_all_mappings(int fd)
{
	size_t pages = 600;
	struct barium_bo bo = barium_bo_create(fd, pages);
	int dma_buf = __barium_gem_export(fd, bo.handle, DRM_RDWR);
	int other = barium_reopen(fd, O_RDWR);
	__u8 *maps[4] = { bo.map, barium_mmap(fd, bo.handle, bo.size) };
	size_t i, j;
	void *map;

	igt_assert_lte(0, dma_buf);
	igt_assert_eq(__barium_mmap(dma_buf, bo.size, RW, MAP_SHARED, 0, &map), 0);
	maps[2] = map;
	maps[3] = barium_mmap(other, barium_import(other, dma_buf), bo.size);
	barium_stamp(bo.map, 0, pages, 1);
	for (i = 0; i < 3; i++)
		barium_check_stamp(maps[i], 0, pages, 1);

	barium_move_out(fd);
	for (i = 0; i < 4; i++) {
		barium_stamp(maps[i], 0, pages, 10 + i);
		for (j = 0; j < 4; j++)
			barium_check_stamp(maps[j], 0, pages, 10 + i);
	}
	for (i = 1; i < 4; i++)
		barium_munmap(maps[i], bo.size);
	close(dma_buf);
	close(other);
	barium_bo_fini(fd, &bo);
}

static void test_parts(int fd)
{
	size_t page = barium_page_size(), pages = 64;
	struct barium_bo bo = barium_bo_create(fd, pages);
	int buf = barium_export(fd, bo.handle);
	void *part = barium_map_buf(buf, 40, 8), *read_only, *moved;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, &read_only), 0);
	moved = barium_mmap(fd, bo.handle, bo.size);
	barium_stamp(bo.map, 0, pages, 1);
	barium_check_stamp(part, 40, 8, 1);
	barium_check_stamp(read_only, 0, pages, 1);
	barium_check_stamp(moved, 0, pages, 1);
	moved = mremap(moved, bo.size, bo.size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP);
	igt_require_f(moved != MAP_FAILED, "the mapping cannot be moved\n");
	/* Three VMAs. */
	igt_assert_eq(mprotect((char *)moved + 16 * page, 16 * page, PROT_READ), 0);

	barium_move_out(fd);
	barium_check_stamp(part, 40, 8, 1);
	barium_check_stamp(read_only, 0, pages, 1);
	barium_check_stamp(moved, 0, pages, 1);
	igt_assert_eq(barium_try_write(read_only), SIGSEGV);
	igt_assert_eq(barium_try_write((char *)moved + 20 * page), SIGSEGV);
	barium_stamp(part, 40, 8, 2);
	barium_check_stamp((char *)moved + 40 * page, 40, 8, 2);
	barium_stamp((char *)moved + 32 * page, 32, 32, 3);
	barium_check_stamp(bo.map + 32 * page, 32, 32, 3);
	barium_check_stamp(part, 40, 8, 3);
	close(buf);
	barium_bo_fini(fd, &bo);
}

/* The object is large enough for huge entries. */
static void test_child(int fd)
{
	size_t pages = 2 * barium_huge_pages();
	struct barium_bo bo = barium_bo_create(fd, pages);

	barium_stamp(bo.map, 0, pages, 1);
	igt_fork(child, 2) {
		__u32 *turn = (__u32 *)(bo.map + 64 + 4 * child);

		barium_check_stamp(bo.map, 0, pages, 1);
		WRITE_ONCE(*turn, 1);
		while (READ_ONCE(*turn) == 1)
			usleep(1000);
		barium_check_stamp(bo.map, 0, pages, 2);
		WRITE_ONCE(*turn, 3);
	}
	while (READ_ONCE(*(__u32 *)(bo.map + 64)) != 1 || READ_ONCE(*(__u32 *)(bo.map + 68)) != 1)
		usleep(1000);
	barium_move_out(fd);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	barium_stamp(bo.map, 0, pages, 2);
	WRITE_ONCE(*(__u32 *)(bo.map + 64), 2);
	WRITE_ONCE(*(__u32 *)(bo.map + 68), 2);
	igt_waitchildren();
	igt_assert_eq_u32(READ_ONCE(*(__u32 *)(bo.map + 64)), 3);
	igt_assert_eq_u32(READ_ONCE(*(__u32 *)(bo.map + 68)), 3);
	barium_bo_fini(fd, &bo);
}

static void test_debugger(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, 4);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u8 buf[4 * page];

	igt_require_f(mem >= 0, "/proc/self/mem cannot be opened\n");
	barium_stamp(bo.map, 0, 4, 1);
	barium_move_out(fd);
	igt_assert_eq(pread(mem, buf, sizeof(buf), (uintptr_t)bo.map), (int)sizeof(buf));
	barium_check_stamp(buf, 0, 4, 1);
	barium_stamp(buf, 0, 4, 2);
	igt_assert_eq(pwrite(mem, buf, sizeof(buf), (uintptr_t)bo.map), (int)sizeof(buf));
	barium_check_stamp(bo.map, 0, 4, 2);
	close(mem);
	barium_bo_fini(fd, &bo);
}

static void test_zero_at_first(int fd)
{
	size_t page = barium_page_size();
	__u64 vram = barium_vram_available(fd), size = barium_vram_size(fd);
	struct barium_bo bo = barium_bo_create(fd, vram / page);
	__u32 handle;
	__u8 *map;

	memset(bo.map, 0xa5, bo.size);
	igt_assert_eq(__barium_gem_create(fd, &size, CONTIGUOUS, &handle), 0);
	igt_assert_eq_u64(barium_in_vram(fd), size);
	map = barium_mmap(fd, handle, size);
	barium_check_zero(map, size);
	barium_munmap(map, size);
	gem_close(fd, handle);
	barium_bo_fini(fd, &bo);
}

static void test_usage(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, 10);

	barium_stamp(bo.map, 0, 10, 1);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-total-vram"), 10 * page);
	igt_assert_eq_u64(barium_in_vram(fd), 10 * page);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-total-memory"), 0);
	barium_move_out(fd);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-total-vram"), 0);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-total-memory"), 10 * page);
	igt_assert_eq_u64(barium_in_memory(fd), 10 * page);
	barium_bo_fini(fd, &bo);
}

static void test_write_while_moving(int fd)
{
	igt_info("note: %zu moves\n", barium_write_while_moved(fd, barium_move_out));
}

/* One object has left VRAM, another one found no room in it. Then there is room. */
static void test_access_moves_nothing(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 64), filler, late;
	size_t page = barium_page_size();
	__u64 vram;

	barium_stamp(bo.map, 0, 64, 1);
	barium_move_out(fd);
	vram = barium_vram_available(fd);
	filler = barium_bo_create(fd, vram / page);
	late = barium_bo_create(fd, 64);
	igt_assert_eq_u64(barium_in_vram(fd), filler.size);
	barium_bo_fini(fd, &filler);

	barium_check_stamp(bo.map, 0, 64, 1);
	barium_stamp(bo.map, 0, 64, 2);
	barium_check_zero(late.map, late.size);
	barium_stamp(late.map, 0, 64, 3);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_eq_u64(barium_in_memory(fd), bo.size + late.size);
	barium_check_stamp(bo.map, 0, 64, 2);
	barium_check_stamp(late.map, 0, 64, 3);
	barium_bo_fini(fd, &late);
	barium_bo_fini(fd, &bo);
}

/* The display under test. */
static struct barium_screen screen;

static void test_cache_mode(int fd)
{
	struct barium_picture pictures[MANY];
	size_t i;

	barium_require_too_many(&screen, MANY);
	barium_create_pictures(fd, &screen, pictures, MANY);
	for (i = 0; i < MANY; i++) {
		barium_set_crtc(fd, &screen.pipe, pictures[i].fb, 0, 0);
		READ_ONCE(*pictures[i].map);
		barium_check_write_combining(pictures[i].map);
	}
	/* The one that was shown first has left. */
	READ_ONCE(*pictures[0].map);
	barium_check_cached(pictures[0].map);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, MANY);
}

/* The last pages of the object do not fill a huge page. */
static void test_huge_pages(int fd)
{
	size_t pages = 2 * barium_huge_pages() + 3;
	struct barium_bo bo;
	__u64 before;

	barium_require_huge_tmpfs(2 * BARIUM_HUGE);
	bo = barium_bo_create(fd, pages);
	barium_stamp(bo.map, 0, pages, 1);
	before = barium_meminfo("ShmemHugePages");
	barium_move_out(fd);
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	igt_assert_lte_u64(before + 2 * BARIUM_HUGE, barium_meminfo("ShmemHugePages"));
	barium_check_stamp(bo.map, 0, pages, 1);
	barium_bo_fini(fd, &bo);
}

/* The value of SHMEM_ENABLED before the subtest no-huge-pages. */
static char shmem_enabled[16];

static void restore_shmem_enabled(int sig)
{
	(void)sig;
	__barium_write_file(SHMEM_ENABLED, shmem_enabled);
}

/* Denies huge pages to all of tmpfs. */
static void deny_huge_pages(void)
{
	FILE *file = fopen(SHMEM_ENABLED, "r");

	igt_require_f(file, "tmpfs has no huge pages\n");
	/* The value in brackets, among the other possible ones. */
	igt_assert_eq(fscanf(file, "%*[^[][%15[^]]", shmem_enabled), 1);
	fclose(file);
	igt_install_exit_handler(restore_shmem_enabled);
	igt_assert_eq(__barium_write_file(SHMEM_ENABLED, "deny"), 0);
}

static void test_no_huge_pages(int fd)
{
	size_t pages = 2 * barium_huge_pages() + 3;
	struct barium_bo bo = barium_bo_create(fd, pages);
	__u64 before;

	barium_stamp(bo.map, 0, pages, 1);
	deny_huge_pages();
	before = barium_meminfo("ShmemHugePages");
	barium_move_out(fd);
	restore_shmem_enabled(0);
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	igt_assert_lte_u64(barium_meminfo("ShmemHugePages"), before);
	barium_check_stamp(bo.map, 0, pages, 1);
	barium_stamp(bo.map, 0, pages, 2);
	barium_check_stamp(bo.map, 0, pages, 2);
	barium_bo_fini(fd, &bo);
}

static void test_closed_frees(int fd)
{
	__u64 before = barium_meminfo("MemAvailable"), after, size = 0;
	size_t pages, i;
	struct barium_bo bo;

	for (i = 0; i < ROUNDS; i++) {
		pages = barium_vram_available(fd) / barium_page_size();
		bo = barium_bo_create(fd, pages);
		barium_stamp(bo.map, 0, pages, i);
		barium_move_out(fd);
		igt_assert_eq_u64(barium_in_vram(fd), 0);
		barium_check_stamp(bo.map, 0, pages, i);
		size = bo.size;
		barium_bo_fini(fd, &bo);
	}
	after = barium_meminfo("MemAvailable");
	/* Much less than the memory of all these objects is missing. */
	igt_assert_lt_u64(before, after + ROUNDS / 2 * size);
}

static void test_survives_unbind(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, 64), resident;
	__u8 *again = barium_mmap(fd, bo.handle, bo.size);

	barium_stamp(bo.map, 0, 64, 1);
	barium_move_out(fd);
	resident = barium_bo_create(fd, 64);
	barium_stamp(resident.map, 0, 64, 2);
	barium_unbind();
	barium_check_stamp(bo.map, 0, 64, 1);
	barium_check_stamp(again, 0, 64, 1);
	barium_check_replaced(resident.map, 64 * page);
	barium_bind();
	barium_check_stamp(bo.map, 0, 64, 1);
	barium_munmap(again, bo.size);
	barium_bo_unmap(&bo);
	barium_bo_unmap(&resident);
	barium_check_vram();
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("Objects of three times the size of VRAM keep their content.");
	igt_subtest("create-beyond-vram")
		test_create_beyond_vram(barium_new_client());

	igt_describe("A contiguous object gets the VRAM of objects that cannot be shown.");
	igt_subtest("lower-priority-leaves")
		test_lower_priority_leaves(barium_new_client());

	igt_describe("An object does not move others of its client out that have its priority.");
	igt_subtest("equal-priority-stays")
		test_equal_priority_stays(barium_new_client());

	igt_describe("An object that was never mapped takes no system memory.");
	igt_subtest("untouched-costs-nothing")
		test_untouched(barium_new_client());

	igt_describe("Objects of all sizes keep their content when they leave VRAM.");
	igt_subtest("content")
		test_content(barium_new_client());

	igt_describe("All mappings show the same memory after a move.");
	igt_subtest("all-mappings")
		test_all_mappings(barium_new_client());

	igt_describe("Partial, read-only, moved and split mappings show the right pages.");
	igt_subtest("parts-of-mappings")
		test_parts(barium_new_client());

	igt_describe("A child process shares the memory with its parent after a move.");
	igt_subtest("child-follows")
		test_child(barium_new_client());

	igt_describe("A debugger and the program access the same memory after a move.");
	igt_subtest("debugger")
		test_debugger(barium_new_client());

	igt_describe("PTEs are cached in system memory and write-combining in VRAM.");
	igt_subtest("cache-mode") {
		barium_require_entries();
		test_cache_mode(barium_new_screen_client(&screen, WIDTH, HEIGHT));
	}

	igt_describe("A new object in VRAM that another object has left reads as zero.");
	igt_subtest("zero-at-first")
		test_zero_at_first(barium_new_client());

	igt_describe("fdinfo counts an object where its content is.");
	igt_subtest("usage")
		test_usage(barium_new_client());

	igt_describe("No write of a program is lost while its object moves.");
	igt_subtest("write-while-moving")
		test_write_while_moving(barium_new_client());

	igt_describe("An access does not move an object into VRAM.");
	igt_subtest("access-moves-nothing")
		test_access_moves_nothing(barium_new_client());

	igt_describe("An object that leaves VRAM gets huge pages.");
	igt_subtest("huge-pages")
		test_huge_pages(barium_new_client());

	igt_describe("An object leaves VRAM also without huge pages.");
	igt_subtest("no-huge-pages")
		test_no_huge_pages(barium_new_client());

	igt_describe("Closing an object that has left VRAM frees its memory.");
	igt_subtest("closed-frees-memory")
		test_closed_frees(barium_new_client());

	igt_describe("An object that has left VRAM keeps its content after unbind.");
	igt_subtest("survives-unbind")
		test_survives_unbind(barium_new_bound_client());
}
