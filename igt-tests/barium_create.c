// SPDX-License-Identifier: MIT
/**
 * TEST: barium create
 * Description: Ioctls that create objects in VRAM (GEM_CREATE) and that take a handle (GEM_INFO,
 *   GEM_MMAP_OFFSET): valid and invalid arguments, the errors, accounting of VRAM, and the initial
 *   content. Rules for mappings are in barium_mmap, lifetimes in barium_lifetime.
 * Category: Core
 * Sub-category: DRM
 * Functionality: GEM objects
 *
 * SUBTEST: size-zero
 * Description: GEM_CREATE refuses a size of 0 with EINVAL.
 *
 * SUBTEST: size-overflow
 * Description: GEM_CREATE refuses a size that wraps around when it is rounded up.
 *
 * SUBTEST: size-huge
 * Description: GEM_CREATE fails with ENOSPC for sizes far beyond the size of VRAM.
 *
 * SUBTEST: size-rounded
 * Description: GEM_CREATE rounds the size up to whole pages and returns it.
 *
 * SUBTEST: unknown-flags
 * Description: GEM_CREATE refuses each undefined flag.
 *
 * SUBTEST: handle-ignored
 * Description: GEM_CREATE ignores the input value of the handle field.
 *
 * SUBTEST: handles-distinct
 * Description: Handles are distinct and never 0.
 *
 * SUBTEST: many-objects
 * Description: Hundreds of objects exist at once, and closing them frees their VRAM.
 *
 * SUBTEST: info-flags
 * Description: GEM_INFO returns the flags and the size of the object.
 *
 * SUBTEST: unknown-handle
 * Description: Ioctls fail with ENOENT for a handle that names no object.
 *
 * SUBTEST: closed-handle
 * Description: Ioctls fail with ENOENT for a closed handle.
 *
 * SUBTEST: foreign-handle
 * Description: Ioctls fail with ENOENT for a handle of another client.
 *
 * SUBTEST: offset-stable
 * Description: The fake offset of an object is constant and overlaps no other.
 *
 * SUBTEST: offset-pad-set
 * Description: GEM_MMAP_OFFSET refuses each bit of its padding.
 *
 * SUBTEST: primary-node
 * Description: Objects work on the primary node as on the render node.
 *
 * SUBTEST: larger-than-vram
 * Description: GEM_CREATE fails with ENOSPC for a size larger than VRAM.
 *
 * SUBTEST: no-room-logged
 * Description: The kernel log has a line about an object that does not fit into VRAM.
 *
 * SUBTEST: whole-vram
 * Description: One object can take all available VRAM.
 *
 * SUBTEST: whole-vram-contiguous
 * Description: One contiguous object can take the largest free range of VRAM.
 *
 * SUBTEST: full
 * Description: When VRAM is full, a new object takes none of it. VRAM that is freed is reused.
 *
 * SUBTEST: no-oom-kill
 * Description: Requests for too much VRAM do not invoke the OOM killer.
 *
 * SUBTEST: contiguous-fragmented
 * Description: A contiguous object can be created in fragmented VRAM.
 *
 * SUBTEST: scattered
 * Description: An object in many extents reads and writes as one range.
 *
 * SUBTEST: scattered-pages
 * Description: An object without adjacent pages maps each page at its own offset.
 *
 * SUBTEST: zeroed
 * Description: A new object contains no data of a killed client.
 *
 * SUBTEST: zeroed-small
 * Description: Objects of many sizes are zero, in unused and in reused VRAM.
 *
 * SUBTEST: zeroed-contiguous
 * Description: Contiguous objects are zero.
 *
 * SUBTEST: answer-unwritable
 * Description: Closing the file frees an object whose handle could not be returned.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Checks the creation of objects in VRAM and the ioctls that take a handle.");

/* The number of objects that tests divide VRAM into when they fill it. */
#define CHUNKS 64

/* Asserts that GEM_CREATE fails with @error and allocates no VRAM. */
static void create_refused(int fd, __u64 size, __u32 flags, int error)
{
	__u64 before = barium_vram_available(fd);
	__u32 handle;

	igt_assert_f(__barium_gem_create(fd, &size, flags, &handle) == -error,
		     "size %#llx flags %#x is not refused with errno %d\n", size, flags, error);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void test_size_rounded(int fd)
{
	size_t page = barium_page_size();
	const struct {
		__u64 wanted;
		__u64 got;
	} sizes[] = {
		{ 1, page },
		{ page - 1, page },
		{ page, page },
		{ page + 1, 2 * page },
		{ 37 * page - 5, 37 * page },
		{ 37 * page, 37 * page },
	};
	struct drm_barium_gem_info info;
	__u32 handle;
	__u64 size;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		size = sizes[i].wanted;
		igt_assert_eq(__barium_gem_create(fd, &size, 0, &handle), 0);
		igt_assert_eq_u64(size, sizes[i].got);

		barium_gem_info(fd, handle, &info);
		igt_assert_eq_u64(info.size, sizes[i].got);
		gem_close(fd, handle);
	}
}

static void test_unknown_flags(int fd)
{
	int bit;

	for (bit = 2; bit < 32; bit++) {
		create_refused(fd, barium_page_size(), 1u << bit, EINVAL);
		create_refused(fd, barium_page_size(), 1u << bit | BARIUM_GEM_CREATE_CONTIGUOUS,
			       EINVAL);
		create_refused(fd, barium_page_size(), 1u << bit | BARIUM_GEM_CREATE_SYSTEM,
			       EINVAL);
	}
	create_refused(fd, barium_page_size(), ~0u, EINVAL);
}

static void test_info_flags(int fd)
{
	static const __u32 flags[] = {
		0,
		BARIUM_GEM_CREATE_CONTIGUOUS,
		BARIUM_GEM_CREATE_SYSTEM,
		BARIUM_GEM_CREATE_CONTIGUOUS | BARIUM_GEM_CREATE_SYSTEM,
	};
	struct drm_barium_gem_info info;
	__u32 handle;
	__u64 size;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		size = 3 * barium_page_size();
		igt_assert_eq(__barium_gem_create(fd, &size, flags[i], &handle), 0);

		barium_gem_info(fd, handle, &info);
		igt_assert_eq_u32(info.flags, flags[i]);
		igt_assert_eq_u32(info.handle, handle);
		igt_assert_eq_u64(info.size, size);
		gem_close(fd, handle);
	}
}

/* Asserts that @handle names no object of @fd. */
static void handle_refused(int fd, __u32 handle)
{
	struct drm_barium_gem_info info;
	__u64 offset;

	igt_assert_eq(__barium_gem_info(fd, handle, &info), -ENOENT);
	igt_assert_eq(__barium_gem_mmap_offset(fd, handle, &offset), -ENOENT);
}

static void test_offset_stable(int fd)
{
	__u32 one = barium_gem_create(fd, 2 * barium_page_size());
	__u32 two = barium_gem_create(fd, 2 * barium_page_size());
	__u64 offset = barium_gem_mmap_offset(fd, one), other = barium_gem_mmap_offset(fd, two);

	igt_assert_eq_u64(offset % barium_page_size(), 0);
	igt_assert_eq_u64(other % barium_page_size(), 0);
	igt_assert_eq_u64(barium_gem_mmap_offset(fd, one), offset);
	igt_assert(offset + 2 * barium_page_size() <= other ||
		   other + 2 * barium_page_size() <= offset);

	gem_close(fd, one);
	gem_close(fd, two);
}

static void test_offset_pad_set(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size());
	int bit;

	for (bit = 0; bit < 32; bit++) {
		struct drm_barium_gem_mmap_offset arg = { .handle = handle, .pad = 1u << bit };

		do_ioctl_err(fd, DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET, &arg, EINVAL);
	}

	gem_close(fd, handle);
}

static void test_primary_node(int fd)
{
	int primary = barium_open_primary();
	struct barium_bo bo = barium_bo_create(primary, 4);
	struct drm_barium_gem_info info;

	barium_gem_info(primary, bo.handle, &info);
	igt_assert_eq_u64(info.size, bo.size);
	barium_stamp(bo.map, 0, 4, 1);
	barium_check_stamp(bo.map, 0, 4, 1);

	create_refused(primary, 0, 0, EINVAL);
	create_refused(primary, barium_vram_size(fd) + 1, 0, ENOSPC);
	handle_refused(primary, bo.handle + 1);

	barium_bo_fini(primary, &bo);
	close(primary);
}

/* If the console holds no VRAM, all of VRAM is one free range. */
static void test_whole_vram_contiguous(int fd)
{
	__u64 before = barium_vram_available(fd), size = barium_vram_largest_piece(fd);
	__u32 handle;

	igt_assert_lte_u64(before / 2, size);
	if (before == barium_vram_size(fd))
		igt_assert_eq_u64(size, before);

	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	igt_assert_eq_u64(barium_vram_available(fd), before - size);
	gem_close(fd, handle);
}

/*
 * Makes the available VRAM a multiple of CHUNKS objects of *pages pages each. The console may hold
 * a part of VRAM, so there may be a remainder: this allocates it. Returns its handle, or 0.
 */
static __u32 reserve_remainder(int fd, size_t *pages)
{
	size_t available = barium_vram_available(fd) / barium_page_size();
	size_t rest = available % CHUNKS;

	*pages = available / CHUNKS;
	return rest ? barium_gem_create(fd, rest * barium_page_size()) : 0;
}

static void free_remainder(int fd, __u32 handle)
{
	if (handle)
		gem_close(fd, handle);
}

static void test_full(int fd)
{
	__u64 before = barium_vram_available(fd), chunk;
	size_t pages, count, i;
	__u32 rest = reserve_remainder(fd, &pages), more, *handles;

	chunk = pages * barium_page_size();
	count = barium_fill(fd, chunk, &handles);
	igt_assert_eq_u64(count, CHUNKS);
	gem_close(fd, barium_gem_create(fd, chunk));
	gem_close(fd, barium_gem_create(fd, 1));
	igt_assert_eq_u64(barium_vram_available(fd), 0);

	gem_close(fd, handles[CHUNKS / 2]);
	more = barium_gem_create(fd, chunk + 1);
	igt_assert_eq_u64(barium_vram_available(fd), chunk);
	handles[CHUNKS / 2] = barium_gem_create(fd, chunk);
	igt_assert_eq_u64(barium_vram_available(fd), 0);
	gem_close(fd, more);

	for (i = 0; i < count; i++)
		gem_close(fd, handles[i]);
	free(handles);
	free_remainder(fd, rest);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static unsigned long oom_kills(void)
{
	FILE *vmstat = fopen("/proc/vmstat", "r");
	unsigned long kills = 0;
	char line[128];

	igt_require_f(vmstat, "no /proc/vmstat\n");
	while (fgets(line, sizeof(line), vmstat))
		sscanf(line, "oom_kill %lu", &kills);
	fclose(vmstat);
	return kills;
}

static void test_no_oom_kill(int fd)
{
	unsigned long before = oom_kills();
	__u64 vram = barium_vram_size(fd);
	__u32 *handles;
	size_t count;
	int i;

	count = barium_fill(fd, vram / CHUNKS, &handles);
	for (i = 0; i < 200; i++) {
		create_refused(fd, vram + 1, 0, ENOSPC);
		create_refused(fd, 1ull << 50, 0, ENOSPC);
		gem_close(fd, barium_gem_create(fd, vram));
	}
	igt_assert_eq(oom_kills(), before);

	while (count--)
		gem_close(fd, handles[count]);
	free(handles);
}

/*
 * Fragments VRAM: fills it with chunks and closes every other one. The remaining chunks stay mapped
 * and are stamped with their number.
 */
static void fragment_vram(int fd, struct barium_bo chunks[static CHUNKS], size_t pages)
{
	size_t i;

	for (i = 0; i < CHUNKS; i++) {
		chunks[i] = barium_bo_create(fd, pages);
		barium_stamp(chunks[i].map, 0, pages, i);
	}
	igt_assert_eq_u64(barium_vram_available(fd), 0);

	for (i = 0; i < CHUNKS; i += 2)
		barium_bo_fini(fd, &chunks[i]);
}

/* Asserts that the chunks of fragment_vram() keep their stamps, and frees them. */
static void check_and_free_chunks(int fd, struct barium_bo chunks[static CHUNKS], size_t pages)
{
	size_t i;

	for (i = 1; i < CHUNKS; i += 2)
		barium_check_stamp(chunks[i].map, 0, pages, i);
	for (i = 0; i < CHUNKS; i++)
		barium_bo_fini(fd, &chunks[i]);
}

static void test_contiguous_fragmented(int fd)
{
	struct barium_bo chunks[CHUNKS];
	size_t pages;
	__u32 rest = reserve_remainder(fd, &pages), handle;
	__u64 size = (pages + 1) * barium_page_size();

	fragment_vram(fd, chunks, pages);
	igt_assert_eq(__barium_gem_create(fd, &size, 0, &handle), 0);
	gem_close(fd, handle);
	/* Another object leaves VRAM. */
	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	gem_close(fd, handle);

	size = pages * barium_page_size();
	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	gem_close(fd, handle);
	check_and_free_chunks(fd, chunks, pages);
	free_remainder(fd, rest);
}

/* Allocates all VRAM between the chunks, and checks it through a second mapping. */
static void test_scattered(int fd)
{
	struct barium_bo chunks[CHUNKS], bo;
	size_t pages;
	__u32 rest = reserve_remainder(fd, &pages);
	size_t total = pages * CHUNKS / 2;
	void *again;

	fragment_vram(fd, chunks, pages);
	bo = barium_bo_create(fd, total);
	igt_assert_eq_u64(barium_vram_available(fd), 0);
	barium_check_zero(bo.map, bo.size);

	barium_stamp(bo.map, 0, total, 1000);
	again = barium_mmap(fd, bo.handle, bo.size);
	barium_check_stamp(again, 0, total, 1000);

	barium_munmap(again, bo.size);
	check_and_free_chunks(fd, chunks, pages);
	barium_bo_fini(fd, &bo);
	free_remainder(fd, rest);
}

/* Free ranges have one page each, so no two pages of the object are adjacent in VRAM. */
static void test_scattered_pages(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo singles[CHUNKS], bo;
	__u32 filler;
	size_t i;

	filler = barium_gem_create(fd, before - CHUNKS * barium_page_size());
	for (i = 0; i < CHUNKS; i++) {
		singles[i] = barium_bo_create(fd, 1);
		barium_stamp(singles[i].map, 0, 1, i);
	}
	igt_assert_eq_u64(barium_vram_available(fd), 0);

	for (i = 0; i < CHUNKS; i += 2)
		barium_bo_fini(fd, &singles[i]);
	bo = barium_bo_create(fd, CHUNKS / 2);
	barium_stamp(bo.map, 0, CHUNKS / 2, 1000);

	for (i = 1; i < CHUNKS; i += 2) {
		barium_check_stamp(singles[i].map, 0, 1, i);
		barium_bo_fini(fd, &singles[i]);
	}
	barium_check_stamp(bo.map, 0, CHUNKS / 2, 1000);

	barium_bo_fini(fd, &bo);
	gem_close(fd, filler);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* Fills all available VRAM with ones and kills the process, so that only its exit cleans up. */
static void dirty_vram_and_die(void *data)
{
	int fd = barium_reopen(*(int *)data, O_RDWR);
	__u64 size = barium_vram_available(fd);

	memset(barium_mmap(fd, barium_gem_create(fd, size), size), 0xff, size);
	raise(SIGKILL);
}

static void dirty_vram(int fd)
{
	__u64 before = barium_vram_available(fd);
	int status = barium_in_child(dirty_vram_and_die, &fd);

	igt_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* Objects of different sizes: none depends on VRAM that was cleared for an adjacent object. */
static void test_zeroed_small(int fd)
{
	struct barium_bo bos[24];
	size_t i;

	dirty_vram(fd);
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = barium_bo_create(fd, 1 + i * i % 23);
		barium_check_zero(bos[i].map, bos[i].size);
		memset(bos[i].map, 0xff, bos[i].size);
		if (i % 3 == 2)
			barium_bo_fini(fd, &bos[i - 1]);
	}

	for (i = 0; i < ARRAY_SIZE(bos); i++)
		barium_bo_fini(fd, &bos[i]);
}

static void test_zeroed_contiguous(int fd)
{
	__u64 size = barium_vram_largest_piece(fd);
	__u32 handle;
	void *map;

	dirty_vram(fd);
	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	map = barium_mmap(fd, handle, size);
	barium_check_zero(map, size);
	barium_munmap(map, size);
	gem_close(fd, handle);
}

/* The kernel cannot copy the handle to the read-only argument, so userspace cannot close it. */
static void test_answer_unwritable(int fd)
{
	struct drm_barium_gem_create *arg = mmap(NULL, barium_page_size(), PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR);

	igt_assert(arg != MAP_FAILED);
	arg->size = barium_page_size();
	igt_assert_eq(mprotect(arg, barium_page_size(), PROT_READ), 0);
	do_ioctl_err(other, DRM_IOCTL_BARIUM_GEM_CREATE, arg, EFAULT);

	close(other);
	barium_munmap(arg, barium_page_size());
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

int igt_main()
{
	igt_describe("GEM_CREATE refuses a size of 0 with EINVAL.");
	igt_subtest("size-zero") {
		int fd = barium_new_client();

		create_refused(fd, 0, 0, EINVAL);
		create_refused(fd, 0, BARIUM_GEM_CREATE_CONTIGUOUS, EINVAL);
	}

	igt_describe("GEM_CREATE refuses a size that wraps around when it is rounded up.");
	igt_subtest("size-overflow") {
		int fd = barium_new_client();
		__u64 highest = ~0ull - barium_page_size() + 1;

		create_refused(fd, ~0ull, 0, EINVAL);
		create_refused(fd, highest + 1, 0, EINVAL);
		create_refused(fd, highest + 1, BARIUM_GEM_CREATE_CONTIGUOUS, EINVAL);
	}

	igt_describe("GEM_CREATE fails with ENOSPC for sizes far beyond the size of VRAM.");
	igt_subtest("size-huge") {
		int fd = barium_new_client();
		__u64 highest = ~0ull - barium_page_size() + 1;
		int bit;

		create_refused(fd, highest, 0, ENOSPC);
		create_refused(fd, highest, BARIUM_GEM_CREATE_CONTIGUOUS, ENOSPC);

		for (bit = 33; bit < 64; bit++) {
			create_refused(fd, 1ull << bit, 0, ENOSPC);
			create_refused(fd, 1ull << bit, BARIUM_GEM_CREATE_CONTIGUOUS, ENOSPC);
			create_refused(fd, (1ull << bit) + 1, 0, ENOSPC);
		}
	}

	igt_describe("GEM_CREATE rounds the size up to whole pages and returns it.");
	igt_subtest("size-rounded")
		test_size_rounded(barium_new_client());

	igt_describe("GEM_CREATE refuses each undefined flag.");
	igt_subtest("unknown-flags")
		test_unknown_flags(barium_new_client());

	igt_describe("GEM_CREATE ignores the input value of the handle field.");
	igt_subtest("handle-ignored") {
		int fd = barium_new_client();
		struct drm_barium_gem_create arg = { .size = barium_page_size(), .handle = ~0u };
		struct drm_barium_gem_info info;

		do_ioctl(fd, DRM_IOCTL_BARIUM_GEM_CREATE, &arg);
		igt_assert_neq_u32(arg.handle, ~0u);
		barium_gem_info(fd, arg.handle, &info);
		gem_close(fd, arg.handle);
	}

	igt_describe("Handles are distinct and never 0.");
	igt_subtest("handles-distinct") {
		int fd = barium_new_client();
		__u32 handles[32];
		size_t i, j;

		for (i = 0; i < ARRAY_SIZE(handles); i++) {
			handles[i] = barium_gem_create(fd, barium_page_size());
			igt_assert_neq_u32(handles[i], 0);
			for (j = 0; j < i; j++)
				igt_assert_neq_u32(handles[i], handles[j]);
		}

		for (i = 0; i < ARRAY_SIZE(handles); i++)
			gem_close(fd, handles[i]);
	}

	igt_describe("Hundreds of objects exist at once, and closing them frees their VRAM.");
	igt_subtest("many-objects") {
		int fd = barium_new_client();
		__u64 before = barium_vram_available(fd);
		__u32 handles[512];
		size_t i;

		for (i = 0; i < ARRAY_SIZE(handles); i++)
			handles[i] = barium_gem_create(fd, barium_page_size());
		igt_assert_eq_u64(barium_vram_available(fd),
				  before - ARRAY_SIZE(handles) * barium_page_size());

		for (i = 0; i < ARRAY_SIZE(handles); i++)
			gem_close(fd, handles[i]);
		igt_assert_eq_u64(barium_vram_available(fd), before);
	}

	igt_describe("GEM_INFO returns the flags and the size of the object.");
	igt_subtest("info-flags")
		test_info_flags(barium_new_client());

	igt_describe("Ioctls fail with ENOENT for a handle that names no object.");
	igt_subtest("unknown-handle") {
		int fd = barium_new_client();
		__u32 handle = barium_gem_create(fd, barium_page_size());

		handle_refused(fd, 0);
		handle_refused(fd, handle + 1);
		handle_refused(fd, handle | 1u << 31);
		handle_refused(fd, ~0u);
		gem_close(fd, handle);
	}

	igt_describe("Ioctls fail with ENOENT for a closed handle.");
	igt_subtest("closed-handle") {
		int fd = barium_new_client();
		__u32 handle = barium_gem_create(fd, barium_page_size());

		gem_close(fd, handle);
		handle_refused(fd, handle);
		igt_assert_eq(__barium_gem_close(fd, handle), -EINVAL);
	}

	igt_describe("Ioctls fail with ENOENT for a handle of another client.");
	igt_subtest("foreign-handle") {
		int fd = barium_new_client();
		__u32 handle = barium_gem_create(fd, barium_page_size());
		int other = barium_reopen(fd, O_RDWR);

		handle_refused(other, handle);
		igt_assert_eq(__barium_gem_close(other, handle), -EINVAL);

		close(other);
		gem_close(fd, handle);
	}

	igt_describe("The fake offset of an object is constant and overlaps no other.");
	igt_subtest("offset-stable")
		test_offset_stable(barium_new_client());

	igt_describe("GEM_MMAP_OFFSET refuses each bit of its padding.");
	igt_subtest("offset-pad-set")
		test_offset_pad_set(barium_new_client());

	igt_describe("Objects work on the primary node as on the render node.");
	igt_subtest("primary-node")
		test_primary_node(barium_new_client());

	igt_describe("GEM_CREATE fails with ENOSPC for a size larger than VRAM.");
	igt_subtest("larger-than-vram") {
		int fd = barium_new_client();
		__u64 vram = barium_vram_size(fd);

		create_refused(fd, vram + 1, 0, ENOSPC);
		create_refused(fd, vram + barium_page_size(), 0, ENOSPC);
		create_refused(fd, vram + 1, BARIUM_GEM_CREATE_CONTIGUOUS, ENOSPC);
		create_refused(fd, 2 * vram, 0, ENOSPC);
	}

	/* The messages are rate-limited, and other tests may just have provoked some. */
	igt_describe("The kernel log has a line about an object that does not fit into VRAM.");
	igt_subtest("no-room-logged") {
		int fd = barium_new_client(), log = barium_open_log(), tries;
		__u64 vram = barium_vram_size(fd);
		char line[128];
		bool found;

		snprintf(line, sizeof(line), "barium_create[%d]: VRAM has no room for %llu KiB: ",
			 getpid(), 2 * vram >> 10);
		for (tries = 0; tries < 100; tries++) {
			create_refused(fd, 2 * vram, 0, ENOSPC);
			found = barium_is_logged(log, line);
			if (found)
				break;
			usleep(100000);
		}
		igt_assert_f(found, "no line with `%s`\n", line);
		/* Many more errors, but not as many lines. */
		for (tries = 0; tries < 100; tries++)
			create_refused(fd, 2 * vram, 0, ENOSPC);
		barium_is_logged(log, line);
		create_refused(fd, 2 * vram, 0, ENOSPC);
		igt_assert(!barium_is_logged(log, line));
		close(log);
	}

	/* The console may hold a part of VRAM, so the object may have several extents. */
	igt_describe("One object can take all available VRAM.");
	igt_subtest("whole-vram") {
		int fd = barium_new_client();
		__u64 size = barium_vram_available(fd);
		__u32 handle = barium_gem_create(fd, size);

		igt_assert_eq_u64(barium_vram_available(fd), 0);
		gem_close(fd, barium_gem_create(fd, 1));
		igt_assert_eq_u64(barium_vram_available(fd), 0);

		gem_close(fd, handle);
		igt_assert_eq_u64(barium_vram_available(fd), size);
	}

	igt_describe("One contiguous object can take the largest free range of VRAM.");
	igt_subtest("whole-vram-contiguous")
		test_whole_vram_contiguous(barium_new_client());

	igt_describe("When VRAM is full, a new object takes none of it. Freed VRAM is reused.");
	igt_subtest("full")
		test_full(barium_new_client());

	igt_describe("Requests for too much VRAM do not invoke the OOM killer.");
	igt_subtest("no-oom-kill")
		test_no_oom_kill(barium_new_client());

	igt_describe("A contiguous object can be created in fragmented VRAM.");
	igt_subtest("contiguous-fragmented")
		test_contiguous_fragmented(barium_new_client());

	igt_describe("An object in many extents reads and writes as one range.");
	igt_subtest("scattered")
		test_scattered(barium_new_client());

	igt_describe("An object without adjacent pages maps each page at its own offset.");
	igt_subtest("scattered-pages")
		test_scattered_pages(barium_new_client());

	igt_describe("A new object contains no data of a killed client.");
	igt_subtest("zeroed") {
		int fd = barium_new_client();
		size_t pages = barium_vram_available(fd) / barium_page_size();
		struct barium_bo bo;

		dirty_vram(fd);
		bo = barium_bo_create(fd, pages);
		barium_check_zero(bo.map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("Objects of many sizes are zero, in unused and in reused VRAM.");
	igt_subtest("zeroed-small")
		test_zeroed_small(barium_new_client());

	igt_describe("Contiguous objects are zero.");
	igt_subtest("zeroed-contiguous")
		test_zeroed_contiguous(barium_new_client());

	igt_describe("Closing the file frees an object whose handle could not be returned.");
	igt_subtest("answer-unwritable")
		test_answer_unwritable(barium_new_client());
}
