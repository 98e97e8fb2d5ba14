// SPDX-License-Identifier: MIT
/**
 * TEST: barium move
 * Description: Tests of objects that move between VRAM and system memory. A client makes the driver
 *   move objects out by creating a contiguous object, and in by showing them. The tests read the
 *   scanned-out pixels through the sysfs files of the device's BARs.
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
 * Description: An object with the priority of the objects in VRAM does not move them out.
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
 * SUBTEST: shown-stays
 * Description: The picture that the display shows does not leave VRAM.
 *
 * SUBTEST: shown-gets-room
 * Description: The display gets VRAM that another client has filled.
 *
 * SUBTEST: flip-among-more-than-fit
 * Description: A client can flip between more pictures than VRAM has room for.
 *
 * SUBTEST: new-picture-is-black
 * Description: A buffer that nobody has drawn into is black when it moves into VRAM.
 *
 * SUBTEST: flip-moves
 * Description: A picture moves in and out between writes and flips, and keeps its content.
 *
 * SUBTEST: greeter-and-session
 * Description: A greeter and a session with three buffers each share VRAM, and the session changes
 *   the mode.
 *
 * SUBTEST: console
 * Description: The console's buffer leaves VRAM for pictures of a client, and can be written to
 *   meanwhile. The scenario of the guest checks that the console is shown afterwards.
 *
 * SUBTEST: moves-down
 * Description: A picture that splits VRAM moves down while it is shown, to make room for the next.
 *
 * SUBTEST: no-room-for-display
 * Description: A flip fails with ENOSPC if the picture shown leaves no room for the next one.
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
#include "barium_lib_kms.h"
#include "barium_lib_mapping.h"
#include "barium_lib_prime.h"
#include "barium_lib_race.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks objects that move between VRAM and system memory.");

#define RW (PROT_READ | PROT_WRITE)
#define CONTIGUOUS BARIUM_GEM_CREATE_CONTIGUOUS
/* Pictures of these sizes do not all fit into the VRAM of the usual test guest, 16 MiB. */
#define WIDTH 1280
#define HEIGHT 800
#define MANY 8
/* The threads of the subtest write-while-moving, and their pages. */
#define WRITERS 3
#define WRITER_PAGES 24

static __u64 in_vram(int fd)
{
	return barium_client_bytes(fd, "drm-resident-vram");
}

static __u64 in_memory(int fd)
{
	return barium_client_bytes(fd, "drm-resident-memory");
}

static void test_create_beyond_vram(int fd)
{
	size_t page = barium_page_size(), pages = barium_vram_size(fd) / 16 / page, i;
	struct barium_bo bos[48];

	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = barium_bo_create(fd, pages);
		barium_check_zero(bos[i].map, bos[i].size);
		barium_stamp(bos[i].map, 0, pages, i);
	}
	igt_assert_lte_u64(in_vram(fd), barium_vram_size(fd));
	igt_assert_eq_u64(in_vram(fd) + in_memory(fd), ARRAY_SIZE(bos) * pages * page);
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
	igt_assert_eq_u64(in_vram(fd), 4 * pages * page);
	igt_assert_eq(__barium_gem_create(fd, &size, CONTIGUOUS, &handle), 0);
	/* The contiguous object is in VRAM, and one of the others may be. */
	igt_assert_lte_u64(size, in_vram(fd));
	igt_assert_lte_u64(3 * pages * page, in_memory(fd));
	igt_assert_eq_u64(in_vram(fd) + in_memory(fd), size + 4 * pages * page);
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
	int other = barium_reopen(fd, O_RDWR);
	__u32 handle;
	__u8 *map;

	igt_assert_eq(__barium_gem_create(other, &size, CONTIGUOUS, &handle), 0);
	igt_assert_eq_u64(in_vram(other), size);
	igt_assert_eq(__barium_gem_create(fd, &more, CONTIGUOUS, &handle), 0);
	map = barium_mmap(fd, handle, more);
	barium_check_zero(map, more);
	barium_stamp(map, 0, 64, 1);
	barium_check_stamp(map, 0, 64, 1);
	igt_assert_eq_u64(in_vram(fd), 0);
	igt_assert_eq_u64(in_memory(fd), more);
	igt_assert_eq_u64(in_vram(other), size);
	barium_munmap(map, more);
	close(other);
}

static void test_untouched(int fd)
{
	__u64 before = barium_vram_available(fd);
	__u32 handle = barium_gem_create(fd, before);
	__u8 *map;

	igt_assert_eq_u64(in_vram(fd), before);
	barium_move_out(fd);
	igt_assert_eq_u64(in_vram(fd), 0);
	igt_assert_eq_u64(in_memory(fd), 0);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	map = barium_mmap(fd, handle, before);
	barium_check_zero(map, before);
	barium_munmap(map, before);
}

static void test_content(int fd)
{
	static const size_t sizes[] = { 1, 2, 3, 15, 16, 17, 255, 511, 512, 513, 1029 };
	struct barium_bo bos[ARRAY_SIZE(sizes)], scattered;
	size_t round, i;
	int holder;

	for (round = 0; round < 2; round++) {
		holder = barium_bo_create_scattered(fd, 33, &scattered);
		barium_stamp(scattered.map, 0, 33, 100);
		close(holder);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
			bos[i] = barium_bo_create(fd, sizes[i]);
			barium_stamp(bos[i].map, 0, sizes[i], i);
		}
		igt_assert_eq_u64(in_memory(fd), 0);
		barium_move_out(fd);
		igt_assert_eq_u64(in_vram(fd), 0);
		barium_check_stamp(scattered.map, 0, 33, 100);
		for (i = 0; i < ARRAY_SIZE(sizes); i++) {
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
	igt_assert_eq_u64(in_vram(fd), 0);
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
	igt_assert_eq_u64(in_vram(fd), size);
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
	igt_assert_eq_u64(in_vram(fd), 10 * page);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-total-memory"), 0);
	barium_move_out(fd);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-total-vram"), 0);
	igt_assert_eq_u64(in_vram(fd), 0);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-total-memory"), 10 * page);
	igt_assert_eq_u64(in_memory(fd), 10 * page);
	barium_bo_fini(fd, &bo);
}

static void test_write_while_moving(int fd)
{
	struct barium_writer writers[WRITERS];
	struct barium_bo bos[WRITERS];
	size_t i, j, rounds = 0;
	double end;

	for (i = 0; i < WRITERS; i++)
		bos[i] = barium_bo_create(fd, WRITER_PAGES);
	for (end = barium_now() + 3 * barium_race_seconds(); barium_now() < end; rounds++) {
		/* New objects, as nothing moves these into VRAM again. */
		for (i = 0; i < WRITERS; i++) {
			barium_bo_fini(fd, &bos[i]);
			bos[i] = barium_bo_create(fd, WRITER_PAGES);
			barium_writer_start(&writers[i], bos[i].map, WRITER_PAGES);
		}
		usleep(2000);
		barium_move_out(fd);
		for (i = 0; i < WRITERS; i++) {
			barium_writer_stop(&writers[i]);
			for (j = 0; j < WRITER_PAGES; j++)
				igt_assert_eq_u64(barium_writer_counter(&writers[i], j),
						  writers[i].count);
		}
		igt_assert_eq_u64(in_vram(fd), 0);
	}
	igt_info("note: %zu moves\n", rounds);
	for (i = 0; i < WRITERS; i++)
		barium_bo_fini(fd, &bos[i]);
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
	igt_assert_eq_u64(in_vram(fd), filler.size);
	barium_bo_fini(fd, &filler);

	barium_check_stamp(bo.map, 0, 64, 1);
	barium_stamp(bo.map, 0, 64, 2);
	barium_check_zero(late.map, late.size);
	barium_stamp(late.map, 0, 64, 3);
	igt_assert_eq_u64(in_vram(fd), 0);
	igt_assert_eq_u64(in_memory(fd), bo.size + late.size);
	barium_check_stamp(bo.map, 0, 64, 2);
	barium_check_stamp(late.map, 0, 64, 3);
	barium_bo_fini(fd, &late);
	barium_bo_fini(fd, &bo);
}

/* A dumb buffer with its framebuffer and a mapping. */
struct picture {
	struct drm_mode_create_dumb dumb;
	__u32 fb;
	__u32 *map;
};

/* The device under test. */
static struct {
	struct barium_pipe pipe;
	__u8 *registers;
	__u8 *vram;
} display;

/* Maps the registers and VRAM, and selects the mode of the pictures. */
static void find_display(int fd)
{
	if (!display.vram) {
		barium_find_pipe(fd, &display.pipe);
		display.registers = barium_map_bar(fd, "resource2", BARIUM_REGS_LEN, O_RDWR);
		display.vram = barium_map_bar(fd, "resource0_wc", barium_vram_size(fd), O_RDONLY);
	}
}

static void choose_mode(__u32 width, __u32 height)
{
	struct barium_pipe *pipe = &display.pipe;
	__u32 i;

	for (i = 0; i < pipe->count; i++) {
		pipe->mode = pipe->modes[i];
		if (pipe->mode.hdisplay == width && pipe->mode.vdisplay == height)
			return;
	}
	igt_skip("no mode of %ux%u\n", width, height);
}

static void draw(const struct picture *picture, __u32 seed)
{
	size_t pages = picture->dumb.size / barium_page_size();

	barium_stamp(picture->map, 0, pages, seed);
}

/* Creates a picture with the lines of the mode and @more, with the content @seed. */
static struct picture create_higher_picture(int fd, __u32 more, __u32 seed)
{
	struct barium_pipe pipe = display.pipe;
	struct picture picture;

	pipe.mode.vdisplay += more;
	picture.fb = barium_add_dumb(fd, &pipe, &picture.dumb);
	picture.map = barium_mmap(fd, picture.dumb.handle, picture.dumb.size);
	draw(&picture, seed);
	return picture;
}

/* Creates a picture of the mode, with the content @seed. */
static struct picture create_picture(int fd, __u32 seed)
{
	return create_higher_picture(fd, 0, seed);
}

static void destroy_picture(int fd, struct picture *picture)
{
	barium_munmap(picture->map, picture->dumb.size);
	barium_remove_fb(fd, picture->fb);
	gem_close(fd, picture->dumb.handle);
}

static __u16 reg(size_t offset)
{
	return READ_ONCE(*(__u16 *)(display.registers + offset));
}

/* Returns the offset in VRAM at which the device starts to scan out. */
static size_t shown_start(void)
{
	return ((size_t)reg(BARIUM_REG_Y_OFFSET) * reg(BARIUM_REG_VIRT_WIDTH) +
		reg(BARIUM_REG_X_OFFSET)) * 4;
}

/* Asserts that the device shows @picture with the content @seed, and so does its mapping. */
static void check_shown(const struct picture *picture, __u32 seed)
{
	size_t start = shown_start(), pages = picture->dumb.size / barium_page_size();

	igt_assert_eq_u32(reg(BARIUM_REG_XRES), display.pipe.mode.hdisplay);
	igt_assert_eq_u32(reg(BARIUM_REG_YRES), display.pipe.mode.vdisplay);
	barium_check_stamp(display.vram + start, 0, pages, seed);
	barium_check_stamp(picture->map, 0, pages, seed);
}

static void flip(int fd, const struct picture *picture, __u64 data)
{
	barium_flip(fd, &display.pipe, picture->fb, data);
	barium_flipped(fd, &display.pipe, data);
}

static int new_display_client(__u32 width, __u32 height)
{
	int fd = barium_new_primary_client();

	find_display(fd);
	choose_mode(width, height);
	return fd;
}

static void test_cache_mode(int fd)
{
	struct picture pictures[MANY];
	size_t i;

	for (i = 0; i < MANY; i++)
		pictures[i] = create_picture(fd, i);
	for (i = 0; i < MANY; i++) {
		barium_set_crtc(fd, &display.pipe, pictures[i].fb, 0, 0);
		READ_ONCE(*pictures[i].map);
		barium_check_write_combining(pictures[i].map);
	}
	/* Not all of them fit. The one that was shown first has left. */
	READ_ONCE(*pictures[0].map);
	barium_check_cached(pictures[0].map);
	barium_switch_off(fd, &display.pipe);
	for (i = 0; i < MANY; i++)
		destroy_picture(fd, &pictures[i]);
}

static void test_shown_stays(int fd)
{
	struct picture shown = create_picture(fd, 1);
	int other = barium_reopen(fd, O_RDWR);
	size_t page = barium_page_size(), start, i;
	__u64 size;
	__u32 handle;

	barium_set_crtc(fd, &display.pipe, shown.fb, 0, 0);
	start = shown_start();
	for (size = barium_vram_size(fd); size >= page; size = size / 2 / page * page) {
		for (i = 0; i < 4; i++) {
			igt_assert_eq(__barium_gem_create(other, &size, CONTIGUOUS, &handle), 0);
			igt_assert_eq(__barium_gem_create(other, &size, 0, &handle), 0);
		}
	}
	igt_assert_eq_u64(shown_start(), start);
	check_shown(&shown, 1);
	draw(&shown, 2);
	check_shown(&shown, 2);
	close(other);
	barium_switch_off(fd, &display.pipe);
	destroy_picture(fd, &shown);
}

/* The other client fills VRAM with objects of both kinds, which keep their content. */
static void test_shown_gets_room(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	size_t page = barium_page_size(), count = 0, pages = 256, i;
	struct barium_bo bos[64];
	struct picture picture;

	while (barium_vram_available(fd) >= 2 * pages * page) {
		igt_assert_lt(count + 1, ARRAY_SIZE(bos));
		bos[count] = barium_bo_create_with(other, pages, 0);
		barium_stamp(bos[count].map, 0, pages, count);
		count++;
		bos[count] = barium_bo_create_with(other, pages, CONTIGUOUS);
		barium_stamp(bos[count].map, 0, pages, count);
		count++;
	}
	while (barium_vram_available(fd) >= page)
		barium_gem_create(other, page);

	for (i = 0; i < 3; i++) {
		picture = create_picture(fd, i);
		barium_set_crtc(fd, &display.pipe, picture.fb, 0, 0);
		check_shown(&picture, i);
	}
	for (i = 0; i < count; i++)
		barium_check_stamp(bos[i].map, 0, pages, i);
	barium_switch_off(fd, &display.pipe);
}

static void test_flip_among(int fd)
{
	struct picture pictures[MANY];
	size_t round, i;

	for (i = 0; i < MANY; i++)
		pictures[i] = create_picture(fd, i);
	barium_set_crtc(fd, &display.pipe, pictures[0].fb, 0, 0);
	for (round = 0; round < 3; round++) {
		for (i = 0; i < MANY; i++) {
			size_t next = (i * 3 + 1 + round) % MANY;

			flip(fd, &pictures[next], next);
			check_shown(&pictures[next], next + MANY * round);
			draw(&pictures[next], next + MANY * (round + 1));
			check_shown(&pictures[next], next + MANY * (round + 1));
		}
	}
	for (i = 0; i < MANY; i++)
		barium_check_stamp(pictures[i].map, 0,
				   pictures[i].dumb.size / barium_page_size(), i + MANY * round);
	barium_switch_off(fd, &display.pipe);
	for (i = 0; i < MANY; i++)
		destroy_picture(fd, &pictures[i]);
}

/* VRAM is full of other content when the buffers are created. */
static void test_new_is_black(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	size_t pages = barium_vram_size(fd) / barium_page_size();
	struct barium_bo bo = barium_bo_create_with(other, pages, CONTIGUOUS);
	struct drm_mode_create_dumb dumb;
	__u32 fbs[3];
	size_t i;

	memset(bo.map, 0xa5, bo.size);
	for (i = 0; i < ARRAY_SIZE(fbs); i++)
		fbs[i] = barium_add_dumb(fd, &display.pipe, &dumb);
	for (i = 0; i < ARRAY_SIZE(fbs); i++) {
		barium_set_crtc(fd, &display.pipe, fbs[i], 0, 0);
		barium_check_zero(display.vram + shown_start(), dumb.size);
	}
	barium_switch_off(fd, &display.pipe);
	close(other);
}

/* The next picture is the one that was shown longest ago, so it has left VRAM. */
static void test_flip_moves(int fd)
{
	struct picture pictures[MANY];
	size_t i;

	for (i = 0; i < MANY; i++)
		pictures[i] = create_picture(fd, i);
	barium_set_crtc(fd, &display.pipe, pictures[0].fb, 0, 0);
	for (i = 1; i < 3 * MANY; i++) {
		struct picture *next = &pictures[i % MANY];

		draw(next, i);
		igt_assert_lt_u64(0, in_memory(fd));
		flip(fd, next, i);
		check_shown(next, i);
	}
	barium_switch_off(fd, &display.pipe);
	for (i = 0; i < MANY; i++)
		destroy_picture(fd, &pictures[i]);
}

/* The session is another client. Each has its own three buffers, and both draw and flip. */
static void run_client(int fd, struct picture *pictures, size_t count, __u32 seed)
{
	size_t i;

	barium_set_crtc(fd, &display.pipe, pictures[0].fb, 0, 0);
	for (i = 0; i < 4 * count; i++) {
		draw(&pictures[i % count], seed + i);
		flip(fd, &pictures[i % count], i);
		check_shown(&pictures[i % count], seed + i);
	}
}

static void create_pictures(int fd, struct picture *pictures, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		pictures[i] = create_picture(fd, i);
}

static void destroy_pictures(int fd, struct picture *pictures, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		destroy_picture(fd, &pictures[i]);
}

static void test_greeter_and_session(int greeter)
{
	struct picture of_greeter[3], small[3], large[2];
	int session = barium_reopen(greeter, O_RDWR);

	create_pictures(greeter, of_greeter, 3);
	run_client(greeter, of_greeter, 3, 100);

	/* The session starts on another VT. */
	do_ioctl(greeter, DRM_IOCTL_DROP_MASTER, NULL);
	do_ioctl(session, DRM_IOCTL_SET_MASTER, NULL);
	create_pictures(session, small, 3);
	run_client(session, small, 3, 200);

	/* It changes the mode, and changes it back. */
	choose_mode(1920, 1080);
	create_pictures(session, large, 2);
	run_client(session, large, 2, 300);
	choose_mode(WIDTH, HEIGHT);
	run_client(session, small, 3, 400);
	destroy_pictures(session, large, 2);

	/* The user switches to the greeter, which shows its last picture again. */
	do_ioctl(session, DRM_IOCTL_DROP_MASTER, NULL);
	do_ioctl(greeter, DRM_IOCTL_SET_MASTER, NULL);
	barium_set_crtc(greeter, &display.pipe, of_greeter[2].fb, 0, 0);
	check_shown(&of_greeter[2], 111);
	flip(greeter, &of_greeter[1], 1);
	check_shown(&of_greeter[1], 110);

	do_ioctl(greeter, DRM_IOCTL_DROP_MASTER, NULL);
	do_ioctl(session, DRM_IOCTL_SET_MASTER, NULL);
	barium_set_crtc(session, &display.pipe, small[2].fb, 0, 0);
	check_shown(&small[2], 411);
	run_client(session, small, 3, 500);
	barium_switch_off(session, &display.pipe);
	destroy_pictures(session, small, 3);
	destroy_pictures(greeter, of_greeter, 3);
	close(session);
}

/* The text is on line 5, from column 17. The escape sequence counts from 1. */
static void test_console(int fd)
{
	static const char text[] = "\033[2J\033[?25l\033[6;18HWritten while it was not in VRAM";
	int tty = open("/dev/tty0", O_WRONLY | O_CLOEXEC);
	char name[BARIUM_NAME_LEN];
	struct picture pictures[4];

	igt_require_f(barium_console(fd, name), "no console on the display\n");
	igt_require_f(barium_vram_size(fd) == 16 << 20, "the pictures are to fill 16 MiB\n");
	igt_assert_lte(0, tty);
	create_pictures(fd, pictures, ARRAY_SIZE(pictures));
	run_client(fd, pictures, ARRAY_SIZE(pictures), 100);
	igt_assert_eq_u64(in_vram(fd), ARRAY_SIZE(pictures) * pictures[0].dumb.size);
	igt_assert_eq(write(tty, text, strlen(text)), (int)strlen(text));
	/* A worker draws the text into the console's buffer. */
	usleep(300000);
	igt_assert_eq_u64(in_vram(fd), ARRAY_SIZE(pictures) * pictures[0].dumb.size);
	run_client(fd, pictures, ARRAY_SIZE(pictures), 200);
	close(tty);
	/* Closing the file shows the console. */
	barium_clean_up();
}

/*
 * Mesa allocates a multiple of 64 lines. The first picture of 1280x832 is below the second, which
 * is shown, and neither the VRAM below nor that above has room for one of 1920x1088. A thread
 * writes to the picture meanwhile.
 */
static void test_moves_down(int fd)
{
	size_t page = barium_page_size(), j;
	struct picture first = create_higher_picture(fd, 32, 1), shown, large;
	struct barium_writer writer;
	size_t start;

	igt_require_f(barium_vram_size(fd) == 16 << 20, "the sizes are for 16 MiB of VRAM\n");
	shown = create_higher_picture(fd, 32, 2);
	barium_set_crtc(fd, &display.pipe, shown.fb, 0, 0);
	check_shown(&shown, 2);
	start = shown_start();
	igt_assert_lt_u64(0, start);

	barium_writer_start(&writer, (__u8 *)shown.map + 64, WRITER_PAGES);
	choose_mode(1920, 1080);
	large = create_higher_picture(fd, 8, 3);
	barium_set_crtc(fd, &display.pipe, large.fb, 0, 0);
	barium_writer_stop(&writer);
	check_shown(&large, 3);
	for (j = 0; j < WRITER_PAGES; j++)
		igt_assert_eq_u64(barium_writer_counter(&writer, j), writer.count);
	barium_check_stamp(first.map, 0, first.dumb.size / page, 1);
	barium_check_stamp(shown.map, 0, shown.dumb.size / page, 2);

	/* It is still shown from its new place. */
	choose_mode(WIDTH, HEIGHT);
	barium_set_crtc(fd, &display.pipe, shown.fb, 0, 0);
	check_shown(&shown, 2);
	igt_assert_lt_u64(shown_start(), start);
	barium_switch_off(fd, &display.pipe);
	destroy_picture(fd, &large);
	destroy_picture(fd, &shown);
	destroy_picture(fd, &first);
}

/*
 * The object of the other framebuffer needs all of VRAM but one page. The picture that is shown
 * moves down to the place of the first one, but that does not make enough room.
 */
static void test_no_room(int fd)
{
	struct picture first = create_picture(fd, 2), shown = create_picture(fd, 1);
	__u64 size = barium_vram_size(fd) - barium_page_size();
	__u32 handle, fb, pitch = shown.dumb.pitch;

	barium_set_crtc(fd, &display.pipe, shown.fb, 0, 0);
	igt_assert_lt_u64(0, shown_start());
	igt_assert_eq(__barium_gem_create(fd, &size, CONTIGUOUS, &handle), 0);
	igt_assert_eq(__barium_add_fb(fd, handle, WIDTH, HEIGHT, pitch, 0, &fb), 0);
	igt_assert_eq(__barium_set_crtc(fd, &display.pipe, fb, 0, 0, &display.pipe.mode), -ENOSPC);
	igt_assert_eq_u64(shown_start(), 0);
	check_shown(&shown, 1);
	draw(&shown, 3);
	check_shown(&shown, 3);
	barium_switch_off(fd, &display.pipe);
	barium_set_crtc(fd, &display.pipe, fb, 0, 0);
	igt_assert_eq_u64(shown_start(), 0);
	barium_switch_off(fd, &display.pipe);
	barium_set_crtc(fd, &display.pipe, shown.fb, 0, 0);
	check_shown(&shown, 3);
	barium_switch_off(fd, &display.pipe);
	barium_remove_fb(fd, fb);
	barium_check_stamp(first.map, 0, first.dumb.size / barium_page_size(), 2);
	destroy_picture(fd, &shown);
	destroy_picture(fd, &first);
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

	igt_describe("An object with the priority of the objects in VRAM does not move them out.");
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
		test_cache_mode(new_display_client(WIDTH, HEIGHT));
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

	igt_describe("The picture that the display shows does not leave VRAM.");
	igt_subtest("shown-stays")
		test_shown_stays(new_display_client(WIDTH, HEIGHT));

	igt_describe("The display gets VRAM that another client has filled.");
	igt_subtest("shown-gets-room")
		test_shown_gets_room(new_display_client(WIDTH, HEIGHT));

	igt_describe("A client can flip between more pictures than VRAM has room for.");
	igt_subtest("flip-among-more-than-fit")
		test_flip_among(new_display_client(WIDTH, HEIGHT));

	igt_describe("A buffer that nobody has drawn into is black when it moves into VRAM.");
	igt_subtest("new-picture-is-black")
		test_new_is_black(new_display_client(WIDTH, HEIGHT));

	igt_describe("A picture moves in and out between writes and flips.");
	igt_subtest("flip-moves")
		test_flip_moves(new_display_client(WIDTH, HEIGHT));

	igt_describe("A greeter and a session share VRAM, and the session changes the mode.");
	igt_subtest("greeter-and-session")
		test_greeter_and_session(new_display_client(WIDTH, HEIGHT));

	igt_describe("The console's buffer leaves VRAM for pictures of a client.");
	igt_subtest("console")
		test_console(new_display_client(WIDTH, HEIGHT));

	igt_describe("A picture that splits VRAM moves down while it is shown.");
	igt_subtest("moves-down")
		test_moves_down(new_display_client(WIDTH, HEIGHT));

	igt_describe("A flip fails with ENOSPC if the picture shown leaves no room.");
	igt_subtest("no-room-for-display")
		test_no_room(new_display_client(WIDTH, HEIGHT));

	igt_describe("An object that has left VRAM keeps its content after unbind.");
	igt_subtest("survives-unbind")
		test_survives_unbind(barium_new_bound_client());
}
