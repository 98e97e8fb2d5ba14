// SPDX-License-Identifier: MIT
/**
 * TEST: barium madvise
 * Description: GEM_MADVISE: a client declares that it does not need the content of an object, and
 *   the driver drops the content instead of moving it out of VRAM.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Memory management
 *
 * SUBTEST: feature
 * Description: The driver reports the ioctl as a feature and by its version.
 *
 * SUBTEST: bad-args
 * Description: Unknown advice and padding that is not zero fail with EINVAL, unknown handles with
 *   ENOENT.
 *
 * SUBTEST: kept-without-pressure
 * Description: The driver keeps the content as long as no other object needs the memory.
 *
 * SUBTEST: first-victim
 * Description: The driver drops content that is not needed before it moves objects, whatever their
 *   priority, and allocates no system memory for it.
 *
 * SUBTEST: purged-reads-zero
 * Description: All mappings of an object whose content was dropped read as zero, and stay usable.
 *
 * SUBTEST: purged-huge
 * Description: Mappings with huge entries of such an object read as zero, too.
 *
 * SUBTEST: retained
 * Description: WILLNEED tells whether the content was kept.
 *
 * SUBTEST: needed-again
 * Description: After WILLNEED, the driver moves the content of an object, and does not drop it.
 *
 * SUBTEST: debugger
 * Description: A debugger reads zeros from an object whose content was dropped, and writes to it.
 *
 * SUBTEST: child
 * Description: A child process and its parent share an object after its content was dropped.
 *
 * SUBTEST: dma-buf-busy
 * Description: DONTNEED fails for an object with a dma-buf.
 *
 * SUBTEST: name-busy
 * Description: DONTNEED fails for an object with a name.
 *
 * SUBTEST: framebuffer-busy
 * Description: DONTNEED fails for an object with a framebuffer.
 *
 * SUBTEST: imported-busy
 * Description: DONTNEED fails for an imported object.
 *
 * SUBTEST: shared-later
 * Description: The driver keeps the content of an object that gets a dma-buf after DONTNEED.
 *
 * SUBTEST: dma-buf-outlives-handle
 * Description: The driver keeps the content of an object that has a dma-buf and no handle.
 *
 * SUBTEST: shown-later
 * Description: The driver keeps the content of an object that is shown after DONTNEED, also when
 *   the object leaves VRAM.
 *
 * SUBTEST: written-while-purged
 * Description: Programs can write to an object while its content is dropped again and again.
 *
 * SUBTEST: purged-survives-unbind
 * Description: An object whose content was dropped stays usable after unbind.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_huge.h"
#include "barium_lib_kms.h"
#include "barium_lib_mapping.h"
#include "barium_lib_prime.h"
#include "barium_lib_race.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks objects whose content may be dropped.");

#define CONTIGUOUS BARIUM_GEM_CREATE_CONTIGUOUS
#define WILLNEED BARIUM_MADVISE_WILLNEED
#define DONTNEED BARIUM_MADVISE_DONTNEED
/* The threads of the subtest written-while-purged. */
#define WRITERS 3

/* Declares that the content of @bo is not needed, and lets the driver drop it. */
static void purge(int fd, const struct barium_bo *bo)
{
	barium_madvise(fd, bo->handle, DONTNEED);
	barium_move_out(fd);
}

static void check_busy(int fd, __u32 handle)
{
	__u32 retained;

	igt_assert_eq(__barium_madvise(fd, handle, DONTNEED, &retained), -EBUSY);
	igt_assert(barium_madvise(fd, handle, WILLNEED));
}

static void test_feature(int fd)
{
	struct drm_version version = {};

	igt_assert(barium_get_param(fd, BARIUM_PARAM_FEATURES) & BARIUM_FEATURE_MADVISE);
	do_ioctl(fd, DRM_IOCTL_VERSION, &version);
	igt_assert_eq(version.version_major, 1);
	igt_assert_lte(4, version.version_minor);
}

static void test_bad_args(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	struct drm_barium_gem_madvise arg;
	__u32 advice;
	int bit;

	for (bit = 1; bit < 32; bit++) {
		advice = 1u << bit;
		arg = (struct drm_barium_gem_madvise){ .handle = bo.handle, .advice = advice };
		do_ioctl_err(fd, DRM_IOCTL_BARIUM_GEM_MADVISE, &arg, EINVAL);
		arg = (struct drm_barium_gem_madvise){ .handle = bo.handle, .pad = advice };
		do_ioctl_err(fd, DRM_IOCTL_BARIUM_GEM_MADVISE, &arg, EINVAL);
	}
	for (advice = WILLNEED; advice <= DONTNEED; advice++) {
		arg = (struct drm_barium_gem_madvise){ .handle = bo.handle + 1, .advice = advice };
		do_ioctl_err(fd, DRM_IOCTL_BARIUM_GEM_MADVISE, &arg, ENOENT);
		/* The driver ignores the returned value on input. */
		arg = (struct drm_barium_gem_madvise){
			.handle = bo.handle,
			.advice = advice,
			.retained = 0xa5a5a5a5,
		};
		do_ioctl(fd, DRM_IOCTL_BARIUM_GEM_MADVISE, &arg);
		igt_assert_eq_u32(arg.retained, 1);
	}
	barium_bo_fini(fd, &bo);
}

static void test_kept(int fd)
{
	static const __u32 flags[] = { 0, CONTIGUOUS, BARIUM_GEM_CREATE_SYSTEM };
	struct barium_bo bo;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		bo = barium_bo_create_with(fd, 64, flags[i]);
		barium_stamp(bo.map, 0, 64, i);
		igt_assert(barium_madvise(fd, bo.handle, DONTNEED));
		barium_check_stamp(bo.map, 0, 64, i);
		igt_assert(barium_madvise(fd, bo.handle, WILLNEED));
		barium_check_stamp(bo.map, 0, 64, i);
		barium_bo_fini(fd, &bo);
	}
}

/*
 * By its flags, the new object has the priority of the object that is needed, and a lower one than
 * the other object.
 */
static void test_first_victim(int fd)
{
	size_t page = barium_page_size(), pages = barium_vram_available(fd) / page / 2;
	struct barium_bo needed = barium_bo_create_with(fd, pages, 0);
	struct barium_bo purged = barium_bo_create_with(fd, pages, CONTIGUOUS), new;

	barium_stamp(needed.map, 0, pages, 1);
	barium_stamp(purged.map, 0, pages, 2);
	igt_assert_eq_u64(barium_in_vram(fd), 2 * pages * page);
	igt_assert(barium_madvise(fd, purged.handle, DONTNEED));

	new = barium_bo_create_with(fd, pages, 0);
	igt_assert_eq_u64(barium_in_vram(fd), 2 * pages * page);
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	barium_check_zero(new.map, new.size);
	barium_check_stamp(needed.map, 0, pages, 1);
	igt_assert(!barium_madvise(fd, purged.handle, WILLNEED));
	barium_check_zero(purged.map, purged.size);
	barium_stamp(purged.map, 0, pages, 3);
	barium_check_stamp(purged.map, 0, pages, 3);
	igt_assert_eq_u64(barium_in_memory(fd), purged.size);
	barium_bo_fini(fd, &new);
	barium_bo_fini(fd, &purged);
	barium_bo_fini(fd, &needed);
}

static void test_reads_zero(int fd, size_t pages)
{
	struct barium_bo bo = barium_bo_create(fd, pages);
	__u8 *again = barium_mmap(fd, bo.handle, bo.size);

	barium_stamp(bo.map, 0, pages, 1);
	barium_check_stamp(again, 0, pages, 1);
	purge(fd, &bo);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	barium_check_zero(again, bo.size);
	barium_check_zero(bo.map, bo.size);
	barium_stamp(again, 0, pages, 2);
	barium_check_stamp(bo.map, 0, pages, 2);
	barium_munmap(again, bo.size);
	again = barium_mmap(fd, bo.handle, bo.size);
	barium_check_stamp(again, 0, pages, 2);
	barium_munmap(again, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_retained(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 8);

	barium_stamp(bo.map, 0, 8, 1);
	purge(fd, &bo);
	igt_assert(!barium_madvise(fd, bo.handle, DONTNEED));
	igt_assert(!barium_madvise(fd, bo.handle, DONTNEED));
	igt_assert(!barium_madvise(fd, bo.handle, WILLNEED));
	igt_assert(barium_madvise(fd, bo.handle, WILLNEED));
	barium_check_zero(bo.map, bo.size);
	barium_stamp(bo.map, 0, 8, 2);
	igt_assert(barium_madvise(fd, bo.handle, DONTNEED));
	barium_check_stamp(bo.map, 0, 8, 2);
	barium_bo_fini(fd, &bo);
}

static void test_needed_again(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 64);

	barium_stamp(bo.map, 0, 64, 1);
	igt_assert(barium_madvise(fd, bo.handle, DONTNEED));
	igt_assert(barium_madvise(fd, bo.handle, WILLNEED));
	barium_move_out(fd);
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	igt_assert(barium_madvise(fd, bo.handle, WILLNEED));
	barium_check_stamp(bo.map, 0, 64, 1);
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
	purge(fd, &bo);
	igt_assert_eq(pread(mem, buf, sizeof(buf), (uintptr_t)bo.map), (int)sizeof(buf));
	barium_check_zero(buf, sizeof(buf));
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	barium_stamp(buf, 0, 4, 2);
	igt_assert_eq(pwrite(mem, buf, sizeof(buf), (uintptr_t)bo.map), (int)sizeof(buf));
	barium_check_stamp(bo.map, 0, 4, 2);
	close(mem);
	barium_bo_fini(fd, &bo);
}

static void test_child(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 16);
	int to_child[2], to_parent[2];
	char byte;

	igt_assert_eq(pipe(to_child), 0);
	igt_assert_eq(pipe(to_parent), 0);
	barium_stamp(bo.map, 0, 16, 1);
	igt_fork(child, 1) {
		close(to_child[1]);
		barium_check_stamp(bo.map, 0, 16, 1);
		igt_assert_eq(write(to_parent[1], "", 1), 1);
		igt_assert_eq(read(to_child[0], &byte, 1), 1);
		barium_check_stamp(bo.map, 0, 16, 2);
	}
	close(to_parent[1]);
	igt_assert_eq(read(to_parent[0], &byte, 1), 1);
	purge(fd, &bo);
	barium_check_zero(bo.map, bo.size);
	barium_stamp(bo.map, 0, 16, 2);
	igt_assert_eq(write(to_child[1], "", 1), 1);
	igt_waitchildren();
	close(to_child[0]);
	close(to_child[1]);
	close(to_parent[0]);
	barium_bo_fini(fd, &bo);
}

static void test_dma_buf(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	int buf = barium_export(fd, bo.handle);

	check_busy(fd, bo.handle);
	/* DRM keeps the dma-buf, which another client may have mapped. */
	close(buf);
	check_busy(fd, bo.handle);
	barium_bo_fini(fd, &bo);
}

static void test_name(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	struct drm_gem_flink flink = { .handle = bo.handle };
	struct drm_gem_open open = {};
	int other = barium_reopen(fd, O_RDWR);

	do_ioctl(fd, DRM_IOCTL_GEM_FLINK, &flink);
	check_busy(fd, bo.handle);
	open.name = flink.name;
	do_ioctl(other, DRM_IOCTL_GEM_OPEN, &open);
	check_busy(fd, bo.handle);
	check_busy(other, open.handle);
	close(other);
	barium_bo_fini(fd, &bo);
}

static void test_framebuffer(int fd)
{
	struct drm_mode_create_dumb dumb;
	struct barium_pipe pipe;
	__u32 fb;

	barium_find_pipe(fd, &pipe);
	fb = barium_add_dumb(fd, &pipe, &dumb);
	check_busy(fd, dumb.handle);
	barium_set_crtc(fd, &pipe, fb, 0, 0);
	check_busy(fd, dumb.handle);
	barium_switch_off(fd, &pipe);
	check_busy(fd, dumb.handle);
	barium_remove_fb(fd, fb);
	igt_assert(barium_madvise(fd, dumb.handle, DONTNEED));
	gem_close(fd, dumb.handle);
}

static void test_imported(int fd)
{
	int buf = barium_make_udmabuf(4, NULL);

	check_busy(fd, barium_import(fd, buf));
	close(buf);
}

/* Another client has mapped the dma-buf, and closed its handle. */
static void test_shared_later(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 64);
	int buf, other = barium_reopen(fd, O_RDWR);
	__u32 handle;
	__u8 *map;

	igt_assert(barium_madvise(fd, bo.handle, DONTNEED));
	buf = barium_export(fd, bo.handle);
	handle = barium_import(other, buf);
	close(buf);
	map = barium_mmap(other, handle, bo.size);
	gem_close(other, handle);
	barium_stamp(map, 0, 64, 1);

	barium_move_out(fd);
	igt_assert_eq_u64(barium_in_memory(fd), bo.size);
	barium_check_stamp(map, 0, 64, 1);
	barium_check_stamp(bo.map, 0, 64, 1);
	igt_assert(barium_madvise(fd, bo.handle, WILLNEED));
	barium_munmap(map, bo.size);
	barium_bo_fini(fd, &bo);
}

static void test_outlives(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 64);
	int buf, other = barium_reopen(fd, O_RDWR);
	__u8 *map;

	igt_assert(barium_madvise(fd, bo.handle, DONTNEED));
	buf = barium_export(fd, bo.handle);
	barium_bo_fini(fd, &bo);
	map = barium_map_buf(buf, 0, 64);
	barium_stamp(map, 0, 64, 1);
	barium_move_out(other);
	barium_check_stamp(map, 0, 64, 1);
	barium_munmap(map, 64 * barium_page_size());
	close(buf);
	close(other);
}

/* The pictures do not all fit into 16 MiB of VRAM. */
static void test_shown_later(int fd)
{
	struct barium_bo bos[8];
	struct barium_pipe pipe;
	__u32 fbs[8], pitch;
	size_t pages, i;

	barium_find_pipe(fd, &pipe);
	pitch = pipe.mode.hdisplay * 4;
	pages = pitch * pipe.mode.vdisplay / barium_page_size() + 1;
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = barium_bo_create_with(fd, pages, CONTIGUOUS);
		igt_assert(barium_madvise(fd, bos[i].handle, DONTNEED));
		fbs[i] = barium_add_fb(fd, bos[i].handle, pipe.mode.hdisplay, pipe.mode.vdisplay,
				       pitch, 0);
		barium_stamp(bos[i].map, 0, pages, i);
		barium_set_crtc(fd, &pipe, fbs[i], 0, 0);
	}
	for (i = 0; i < ARRAY_SIZE(bos); i++)
		barium_check_stamp(bos[i].map, 0, pages, i);
	barium_switch_off(fd, &pipe);
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		barium_remove_fb(fd, fbs[i]);
		igt_assert(barium_madvise(fd, bos[i].handle, WILLNEED));
		barium_bo_fini(fd, &bos[i]);
	}
}

/* A counter restarts from 0 when it is dropped. Only its writer has written to it. */
static void test_written_while_purged(int fd)
{
	size_t pages = 24, purged = 0, rounds = 0, i, j;
	struct barium_writer writers[WRITERS];
	struct barium_bo bos[WRITERS];
	double end;

	for (end = barium_now() + 3 * barium_race_seconds(); barium_now() < end; rounds++) {
		for (i = 0; i < WRITERS; i++) {
			bos[i] = barium_bo_create(fd, pages);
			barium_writer_start(&writers[i], bos[i].map, pages);
			barium_madvise(fd, bos[i].handle, DONTNEED);
		}
		usleep(2000);
		barium_move_out(fd);
		for (i = 0; i < WRITERS; i++) {
			purged += !barium_madvise(fd, bos[i].handle, WILLNEED);
			barium_writer_stop(&writers[i]);
			for (j = 0; j < pages; j++)
				igt_assert_lte_u64(barium_writer_counter(&writers[i], j),
						   writers[i].count);
			barium_stamp(bos[i].map, 0, pages, i);
			barium_check_stamp(bos[i].map, 0, pages, i);
			barium_bo_fini(fd, &bos[i]);
		}
	}
	igt_info("note: %zu of %zu objects were purged\n", purged, rounds * WRITERS);
	igt_assert_lt_u64(0, purged);
}

static void test_survives_unbind(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 64);

	barium_stamp(bo.map, 0, 64, 1);
	purge(fd, &bo);
	barium_stamp(bo.map, 0, 32, 2);
	barium_unbind();
	barium_check_stamp(bo.map, 0, 32, 2);
	barium_check_zero(bo.map + 32 * barium_page_size(), 32 * barium_page_size());
	barium_stamp(bo.map, 0, 64, 3);
	barium_check_stamp(bo.map, 0, 64, 3);
	barium_bind();
	barium_bo_unmap(&bo);
	barium_check_vram();
}

int igt_main()
{
	igt_describe("The driver reports the ioctl as a feature and by its version.");
	igt_subtest("feature")
		test_feature(barium_new_client());

	igt_describe("Unknown advice, padding and handles fail.");
	igt_subtest("bad-args")
		test_bad_args(barium_new_client());

	igt_describe("The driver keeps content while no other object needs the memory.");
	igt_subtest("kept-without-pressure")
		test_kept(barium_new_client());

	igt_describe("The driver drops content that is not needed before it moves objects.");
	igt_subtest("first-victim")
		test_first_victim(barium_new_client());

	igt_describe("All mappings of an object whose content was dropped read as zero.");
	igt_subtest("purged-reads-zero")
		test_reads_zero(barium_new_client(), 33);

	igt_describe("Huge mappings of an object whose content was dropped read as zero.");
	igt_subtest("purged-huge")
		test_reads_zero(barium_new_client(), 2 * barium_huge_pages());

	igt_describe("WILLNEED tells whether the content was kept.");
	igt_subtest("retained")
		test_retained(barium_new_client());

	igt_describe("After WILLNEED, the driver moves content, and does not drop it.");
	igt_subtest("needed-again")
		test_needed_again(barium_new_client());

	igt_describe("A debugger reads zeros from an object whose content was dropped.");
	igt_subtest("debugger")
		test_debugger(barium_new_client());

	igt_describe("A child process shares an object after its content was dropped.");
	igt_subtest("child")
		test_child(barium_new_client());

	igt_describe("DONTNEED fails for an object with a dma-buf.");
	igt_subtest("dma-buf-busy")
		test_dma_buf(barium_new_client());

	igt_describe("DONTNEED fails for an object with a name.");
	igt_subtest("name-busy")
		test_name(barium_new_primary_client());

	igt_describe("DONTNEED fails for an object with a framebuffer.");
	igt_subtest("framebuffer-busy")
		test_framebuffer(barium_new_primary_client());

	igt_describe("DONTNEED fails for an imported object.");
	igt_subtest("imported-busy")
		test_imported(barium_new_client());

	igt_describe("The content of an object that gets a dma-buf after DONTNEED is kept.");
	igt_subtest("shared-later")
		test_shared_later(barium_new_client());

	igt_describe("The content of an object that has a dma-buf and no handle is kept.");
	igt_subtest("dma-buf-outlives-handle")
		test_outlives(barium_new_client());

	igt_describe("The content of an object that is shown after DONTNEED is kept.");
	igt_subtest("shown-later")
		test_shown_later(barium_new_primary_client());

	igt_describe("Programs can write to an object while its content is dropped.");
	igt_subtest("written-while-purged")
		test_written_while_purged(barium_new_client());

	igt_fixture()
		barium_prepare_unplug();

	igt_describe("An object whose content was dropped stays usable after unbind.");
	igt_subtest("purged-survives-unbind")
		test_survives_unbind(barium_new_bound_client());
}
