// SPDX-License-Identifier: MIT
/*
 * GEM_CREATE, GEM_INFO and GEM_MMAP_OFFSET: what may be asked for, what is refused with which
 * error, and what a new object holds. Mapping policy is in barium_mmap, lifetimes are in
 * barium_lifetime.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Creation of objects in VRAM, and the ioctls that take a handle.");

/* How many objects tests that fill VRAM cut it into. */
#define CHUNKS 64

/* Asserts that a creation is refused with @error and costs nothing. */
static void create_refused(int fd, __u64 size, __u32 flags, int error)
{
	__u64 before = barium_vram_available(fd);
	__u32 handle;

	igt_assert_f(__barium_gem_create(fd, &size, flags, &handle) == -error,
		     "size %#llx flags %#x is not refused with errno %d\n", size, flags, error);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void size_zero(int fd)
{
	create_refused(fd, 0, 0, EINVAL);
	create_refused(fd, 0, BARIUM_GEM_CREATE_CONTIGUOUS, EINVAL);
}

static void size_overflow(int fd)
{
	__u64 highest = ~0ull - barium_page_size() + 1;

	create_refused(fd, ~0ull, 0, EINVAL);
	create_refused(fd, highest + 1, 0, EINVAL);
	create_refused(fd, highest + 1, BARIUM_GEM_CREATE_CONTIGUOUS, EINVAL);
}

static void size_huge(int fd)
{
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

static void size_rounded(int fd)
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

static void unknown_flags(int fd)
{
	int bit;

	for (bit = 1; bit < 32; bit++) {
		create_refused(fd, barium_page_size(), 1u << bit, EINVAL);
		create_refused(fd, barium_page_size(), 1u << bit | BARIUM_GEM_CREATE_CONTIGUOUS,
			       EINVAL);
	}
	create_refused(fd, barium_page_size(), ~0u, EINVAL);
}

/* The handle is an output: what a caller left there does not choose it. */
static void handle_ignored(int fd)
{
	struct drm_barium_gem_create arg = { .size = barium_page_size(), .handle = ~0u };
	struct drm_barium_gem_info info;

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_GEM_CREATE, &arg), 0);
	igt_assert_neq_u32(arg.handle, ~0u);
	barium_gem_info(fd, arg.handle, &info);
	gem_close(fd, arg.handle);
}

static void handles_distinct(int fd)
{
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

static void many_objects(int fd)
{
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

static void info_flags(int fd)
{
	static const __u32 flags[] = { 0, BARIUM_GEM_CREATE_CONTIGUOUS };
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

/* Asserts that no ioctl takes @handle for an object. */
static void handle_refused(int fd, __u32 handle)
{
	struct drm_barium_gem_info info;
	__u64 offset;

	igt_assert_eq(__barium_gem_info(fd, handle, &info), -ENOENT);
	igt_assert_eq(__barium_gem_mmap_offset(fd, handle, &offset), -ENOENT);
}

static void unknown_handle(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size());

	handle_refused(fd, 0);
	handle_refused(fd, handle + 1);
	handle_refused(fd, handle | 1u << 31);
	handle_refused(fd, ~0u);
	gem_close(fd, handle);
}

static void closed_handle(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size());

	gem_close(fd, handle);
	handle_refused(fd, handle);
	igt_assert_eq(__barium_gem_close(fd, handle), -EINVAL);
}

static void foreign_handle(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size());
	int other = barium_reopen(fd, O_RDWR);

	handle_refused(other, handle);
	igt_assert_eq(__barium_gem_close(other, handle), -EINVAL);

	close(other);
	gem_close(fd, handle);
}

static void offset_stable(int fd)
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

static void offset_pad_set(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size());
	int bit;

	for (bit = 0; bit < 32; bit++) {
		struct drm_barium_gem_mmap_offset arg = { .handle = handle, .pad = 1u << bit };

		igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET, &arg), -EINVAL);
	}

	gem_close(fd, handle);
}

static void primary_node(int fd)
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

static void larger_than_vram(int fd)
{
	__u64 vram = barium_vram_size(fd);

	create_refused(fd, vram + 1, 0, ENOSPC);
	create_refused(fd, vram + barium_page_size(), 0, ENOSPC);
	create_refused(fd, vram + 1, BARIUM_GEM_CREATE_CONTIGUOUS, ENOSPC);
	create_refused(fd, 2 * vram, 0, ENOSPC);
}

/* All that the console leaves: an object may be in pieces. */
static void whole_vram(int fd)
{
	__u64 size = barium_vram_available(fd);
	__u32 handle = barium_gem_create(fd, size);

	igt_assert_eq_u64(barium_vram_available(fd), 0);
	create_refused(fd, 1, 0, ENOSPC);

	gem_close(fd, handle);
	igt_assert_eq_u64(barium_vram_available(fd), size);
}

/* Without a console in it, all of VRAM is one piece. */
static void whole_vram_contiguous(int fd)
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
 * Leaves room for CHUNKS objects of *pages pages each, and for nothing else: an object takes the
 * rest, if there is any. The console's picture may be in VRAM, so that this is not always even.
 */
static __u32 leave_even_room(int fd, size_t *pages)
{
	size_t room = barium_vram_available(fd) / barium_page_size();
	size_t rest = room % CHUNKS;

	*pages = room / CHUNKS;
	return rest ? barium_gem_create(fd, rest * barium_page_size()) : 0;
}

static void give_up_room(int fd, __u32 handle)
{
	if (handle)
		gem_close(fd, handle);
}

static void full(int fd)
{
	__u64 before = barium_vram_available(fd), chunk;
	size_t pages, count, i;
	__u32 rest = leave_even_room(fd, &pages), *handles;

	chunk = pages * barium_page_size();
	count = barium_fill(fd, chunk, &handles);
	igt_assert_eq_u64(count, CHUNKS);
	create_refused(fd, chunk, 0, ENOSPC);
	create_refused(fd, 1, 0, ENOSPC);

	gem_close(fd, handles[CHUNKS / 2]);
	create_refused(fd, chunk + 1, 0, ENOSPC);
	handles[CHUNKS / 2] = barium_gem_create(fd, chunk);

	for (i = 0; i < count; i++)
		gem_close(fd, handles[i]);
	free(handles);
	give_up_room(fd, rest);
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

static void no_oom_kill(int fd)
{
	unsigned long before = oom_kills();
	__u64 vram = barium_vram_size(fd);
	__u32 *handles;
	size_t count;
	int i;

	count = barium_fill(fd, vram / CHUNKS, &handles);
	for (i = 0; i < 200; i++) {
		create_refused(fd, vram, 0, ENOSPC);
		create_refused(fd, 1ull << 50, 0, ENOSPC);
	}
	igt_assert_eq(oom_kills(), before);

	while (count--)
		gem_close(fd, handles[count]);
	free(handles);
}

/*
 * Leaves VRAM in holes of one chunk: every other object of a full VRAM is closed. The chunks that
 * remain are stamped with their number and stay mapped.
 */
static void make_holes(int fd, struct barium_bo chunks[static CHUNKS], size_t pages)
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

/* The chunks that make_holes() left are as they were. */
static void check_and_free_chunks(int fd, struct barium_bo chunks[static CHUNKS], size_t pages)
{
	size_t i;

	for (i = 1; i < CHUNKS; i += 2)
		barium_check_stamp(chunks[i].map, 0, pages, i);
	for (i = 0; i < CHUNKS; i++)
		barium_bo_fini(fd, &chunks[i]);
}

static void contiguous_fragmented(int fd)
{
	struct barium_bo chunks[CHUNKS];
	size_t pages;
	__u32 rest = leave_even_room(fd, &pages), handle;
	__u64 size = (pages + 1) * barium_page_size();

	make_holes(fd, chunks, pages);
	create_refused(fd, size, BARIUM_GEM_CREATE_CONTIGUOUS, ENOSPC);
	igt_assert_eq(__barium_gem_create(fd, &size, 0, &handle), 0);
	gem_close(fd, handle);

	size = pages * barium_page_size();
	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	gem_close(fd, handle);
	check_and_free_chunks(fd, chunks, pages);
	give_up_room(fd, rest);
}

/* Takes all that is left between the chunks, and looks at it through a second mapping. */
static void scattered(int fd)
{
	struct barium_bo chunks[CHUNKS], bo;
	size_t pages;
	__u32 rest = leave_even_room(fd, &pages);
	size_t total = pages * CHUNKS / 2;
	void *again;

	make_holes(fd, chunks, pages);
	bo = barium_bo_create(fd, total);
	igt_assert_eq_u64(barium_vram_available(fd), 0);
	barium_check_zero(bo.map, bo.size);

	barium_stamp(bo.map, 0, total, 1000);
	again = barium_mmap(fd, bo.handle, bo.size);
	barium_check_stamp(again, 0, total, 1000);

	barium_munmap(again, bo.size);
	check_and_free_chunks(fd, chunks, pages);
	barium_bo_fini(fd, &bo);
	give_up_room(fd, rest);
}

/* Holes of one page each: no two pages of the object are neighbours in VRAM. */
static void scattered_pages(int fd)
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

/* Fills all of VRAM that is to be had with ones; nothing but the exit of the process cleans up. */
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

static void zeroed(int fd)
{
	size_t pages = barium_vram_available(fd) / barium_page_size();
	struct barium_bo bo;

	dirty_vram(fd);
	bo = barium_bo_create(fd, pages);
	barium_check_zero(bo.map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* Small objects of all sizes, so that none relies on the clearing of its neighbours. */
static void zeroed_small(int fd)
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

static void zeroed_contiguous(int fd)
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

/* The answer cannot be written, so nobody knows the handle: the file's end has to free it. */
static void answer_unwritable(int fd)
{
	struct drm_barium_gem_create *arg = mmap(NULL, barium_page_size(), PROT_READ | PROT_WRITE,
						 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR);

	igt_assert(arg != MAP_FAILED);
	arg->size = barium_page_size();
	igt_assert_eq(mprotect(arg, barium_page_size(), PROT_READ), 0);
	igt_assert_eq(barium_ioctl(other, DRM_IOCTL_BARIUM_GEM_CREATE, arg), -EFAULT);

	close(other);
	barium_munmap(arg, barium_page_size());
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static const struct barium_subtest tests[] = {
	{ "size-zero", "An object of no size is refused.", size_zero },
	{ "size-overflow", "A size that wraps around when rounded up is refused.", size_overflow },
	{ "size-huge", "Absurd sizes do not fit.", size_huge },
	{ "size-rounded", "Sizes are rounded up to pages, and the caller is told.", size_rounded },
	{ "unknown-flags", "Each flag that has no meaning yet is refused.", unknown_flags },
	{ "handle-ignored", "What stands in the handle field beforehand is ignored.",
	  handle_ignored },
	{ "handles-distinct", "Handles are never 0 and never the same.", handles_distinct },
	{ "many-objects", "Hundreds of objects exist at once, and all come back.", many_objects },
	{ "info-flags", "An object tells how it was created.", info_flags },
	{ "unknown-handle", "A handle that names nothing is not found.", unknown_handle },
	{ "closed-handle", "A closed handle is not found.", closed_handle },
	{ "foreign-handle", "A handle of another client is not found.", foreign_handle },
	{ "offset-stable", "An object keeps its offset, and shares it with no other.",
	  offset_stable },
	{ "offset-pad-set", "Padding is kept free for later use: each set bit is refused.",
	  offset_pad_set },
	{ "primary-node", "Objects work on the primary node as on the render node.", primary_node },
	{ "larger-than-vram", "What is larger than VRAM does not fit.", larger_than_vram },
	{ "whole-vram", "One object can have all of VRAM.", whole_vram },
	{ "whole-vram-contiguous", "One object in one piece can have all of VRAM.",
	  whole_vram_contiguous },
	{ "full", "When VRAM is full nothing fits, and what is closed can be had again.", full },
	{ "no-oom-kill", "Asking for too much VRAM kills nobody.", no_oom_kill },
	{ "contiguous-fragmented", "An object in one piece needs a hole that is large enough.",
	  contiguous_fragmented },
	{ "scattered", "An object in many pieces is as good as one in a single piece.", scattered },
	{ "scattered-pages", "An object whose pages lie apart shows each of them in its place.",
	  scattered_pages },
	{ "zeroed", "No byte of what a killed client left in VRAM is seen by the next.", zeroed },
	{ "zeroed-small", "Objects of all sizes are zero, on new VRAM and on used.", zeroed_small },
	{ "zeroed-contiguous", "Objects in one piece are zero as well.", zeroed_contiguous },
	{ "answer-unwritable", "An object that could not be reported is not lost.",
	  answer_unwritable },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
