// SPDX-License-Identifier: MIT
/*
 * fork() with mappings of objects. The driver keeps fork() from copying huge entries, because the
 * kernel copies them without checking that they are still there. It lets small ones be copied.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_unplug.h"

/**
 * TEST: barium fork
 * Description: Checks what a child process sees of its parent's mappings, and how it gets there.
 * Category: Core
 * Mega feature: General Core features
 * Functionality: memory management tests
 * Feature: gem_mmap
 * Test category: functionality test
 *
 * SUBTEST: small-copied
 * Description: A child has the small page table entries of its parent and takes no fault.
 *
 * SUBTEST: huge-not-copied
 * Description: A child does not have the huge entries of its parent, and faults for the same pages.
 *
 * SUBTEST: huge-once
 * Description: A child of a process that has small entries only, of an object that has had huge
 *   ones elsewhere, sees the right pages.
 *
 * SUBTEST: shared-both-ways
 * Description: Parent and child each see what the other one writes after the fork.
 *
 * SUBTEST: child-survives
 * Description: A child, and a child of that, see the object after its handle and all mappings of
 *   their parents are gone.
 *
 * SUBTEST: keep-on-fork
 * Description: A child cannot choose to have the huge entries that it maps copied.
 *
 * SUBTEST: parent-unchanged
 * Description: Forking, splitting and moving leave the entries and the flags of the process's own
 *   mappings as they were.
 *
 * SUBTEST: unplug
 * Description: A child that has faulted, and one that has not, see zeros once the device is gone.
 */

IGT_TEST_DESCRIPTION("What a child process sees of its parent's mappings.");

#define RW (PROT_READ | PROT_WRITE)

/* What one huge entry maps, where there are any, and how many of them the large object fills. */
#define HUGE (2ul << 20)
#define COUNT 3
/* Of the small object, in which there is no room for a huge entry. */
#define SMALL_PAGES 64

static size_t huge_pages(void)
{
	return HUGE / barium_page_size();
}

static size_t all_pages(void)
{
	return COUNT * huge_pages();
}

/* A stamped object in one piece, mapped with huge entries where there are any. */
static struct barium_bo large_bo(int fd)
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

/* Faults that one read of @byte takes. */
static long faults_of_read(const __u8 *byte)
{
	long before;

	/* The first call brings in what the call itself touches. */
	barium_minor_faults();
	before = barium_minor_faults();
	READ_ONCE(*byte);
	return barium_minor_faults() - before;
}

/* Whether fork() was told to copy nothing of the mapping at @map. */
static bool is_wiped(const void *map)
{
	return barium_has_vm_flag(map, "wf");
}

static void wait_for(int pipe)
{
	char byte;

	igt_assert_eq(read(pipe, &byte, 1), 1);
}

static void wake(int pipe)
{
	igt_assert_eq(write(pipe, "", 1), 1);
}

static void small_copied(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, SMALL_PAGES);
	size_t page = barium_page_size();

	barium_stamp(bo.map, 0, SMALL_PAGES, 1);
	igt_fork(child, 1) {
		igt_assert(!is_wiped(bo.map));
		igt_assert_eq(faults_of_read(bo.map), 0);
		igt_assert_eq(faults_of_read(bo.map + (SMALL_PAGES - 1) * page), 0);
		barium_check_stamp(bo.map, 0, SMALL_PAGES, 1);
	}
	igt_waitchildren();
	barium_bo_fini(fd, &bo);
}

static void huge_not_copied(int fd)
{
	struct barium_bo bo;
	int i;

	require_huge(fd);
	bo = large_bo(fd);
	igt_fork(child, 1) {
		igt_assert(is_wiped(bo.map));
		for (i = 0; i < COUNT; i++)
			igt_assert_eq(faults_of_read(bo.map + i * HUGE), 1);
		barium_check_stamp(bo.map, 0, all_pages(), 1);
	}
	igt_waitchildren();
	barium_bo_fini(fd, &bo);
}

static void huge_once(int fd)
{
	struct barium_bo bo = large_bo(fd);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size / 4);

	barium_check_stamp(map, 0, all_pages() / 4, 1);
	barium_munmap(bo.map, bo.size);
	bo.map = map;
	bo.size /= 4;
	igt_fork(child, 1) {
		barium_check_stamp(map, 0, all_pages() / 4, 1);
		barium_check_vm_flags(map);
	}
	igt_waitchildren();
	barium_bo_fini(fd, &bo);
}

static void shared_both_ways(int fd)
{
	struct barium_bo bo = large_bo(fd);
	int to_child[2], to_parent[2];

	igt_assert_eq(pipe(to_child), 0);
	igt_assert_eq(pipe(to_parent), 0);
	igt_fork(child, 1) {
		barium_stamp(bo.map, 0, huge_pages(), 2);
		wake(to_parent[1]);
		wait_for(to_child[0]);
		barium_check_stamp(bo.map, 0, huge_pages(), 2);
		barium_check_stamp(bo.map + HUGE, huge_pages(), huge_pages(), 3);
		barium_check_stamp(bo.map + 2 * HUGE, 2 * huge_pages(), huge_pages(), 1);
	}
	wait_for(to_parent[0]);
	barium_check_stamp(bo.map, 0, huge_pages(), 2);
	barium_stamp(bo.map + HUGE, huge_pages(), huge_pages(), 3);
	wake(to_child[1]);
	igt_waitchildren();
	close(to_child[0]);
	close(to_child[1]);
	close(to_parent[0]);
	close(to_parent[1]);
	barium_bo_fini(fd, &bo);
}

/* Runs @run in a child and asserts that it says 0. */
static void grandchild(const __u8 *map, int (*run)(const __u8 *map))
{
	pid_t pid = fork();
	int status;

	if (!pid)
		_exit(run(map));
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert(WIFEXITED(status));
	igt_assert_eq(WEXITSTATUS(status), 0);
}

static int sees_stamps(const __u8 *map)
{
	return !barium_is_stamped(map, 0, all_pages(), 1);
}

static void child_survives(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = large_bo(fd);
	int go[2];

	igt_assert_eq(pipe(go), 0);
	igt_fork(child, 1) {
		wait_for(go[0]);
		grandchild(bo.map, sees_stamps);
		barium_check_stamp(bo.map, 0, all_pages(), 1);
		grandchild(bo.map, sees_stamps);
	}
	barium_bo_fini(fd, &bo);
	wake(go[1]);
	igt_waitchildren();
	close(go[0]);
	close(go[1]);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static int is_wiped_again(const __u8 *map)
{
	return !is_wiped(map) || faults_of_read(map) != 1 || sees_stamps(map);
}

static void keep_on_fork(int fd)
{
	struct barium_bo bo;

	require_huge(fd);
	bo = large_bo(fd);
	igt_fork(child, 1) {
		igt_assert_eq(madvise(bo.map, bo.size, MADV_KEEPONFORK), 0);
		igt_assert(!is_wiped(bo.map));
		barium_check_stamp(bo.map, 0, all_pages(), 1);
		grandchild(bo.map, is_wiped_again);
	}
	igt_waitchildren();
	barium_bo_fini(fd, &bo);
}

static void parent_unchanged(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo;
	__u8 *room;

	require_huge(fd);
	bo = large_bo(fd);
	igt_fork(child, 1)
		barium_check_stamp(bo.map, 0, all_pages(), 1);
	igt_waitchildren();
	igt_assert_eq(faults_of_read(bo.map), 0);
	igt_assert_eq(faults_of_read(bo.map + HUGE), 0);

	igt_assert_eq(mprotect(bo.map + HUGE, page, PROT_READ), 0);
	room = mmap(NULL, HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(room != MAP_FAILED);
	igt_assert(mremap(bo.map + 2 * HUGE, HUGE, HUGE, MREMAP_MAYMOVE | MREMAP_FIXED, room) ==
		   room);
	igt_assert(!is_wiped(bo.map));
	igt_assert(!is_wiped(bo.map + HUGE));
	igt_assert(!is_wiped(bo.map + HUGE + page));
	igt_assert(!is_wiped(room));
	barium_check_stamp(bo.map, 0, 2 * huge_pages(), 1);
	barium_check_stamp(room, 2 * huge_pages(), huge_pages(), 1);
	barium_munmap(room, HUGE);
	barium_bo_fini(fd, &bo);
}

static void unplug(int fd)
{
	struct barium_bo bo = large_bo(fd);
	int go[2], ready[2];
	char text[2] = {};

	igt_assert_eq(pipe(go), 0);
	igt_assert_eq(pipe(ready), 0);
	igt_fork(child, 2) {
		if (child)
			barium_check_stamp(bo.map, 0, all_pages(), 1);
		wake(ready[1]);
		wait_for(go[0]);
		barium_check_zero(bo.map, bo.size);
	}
	wait_for(ready[0]);
	wait_for(ready[0]);
	barium_unbind();
	igt_assert_eq(write(go[1], text, sizeof(text)), sizeof(text));
	igt_waitchildren();
	barium_check_replaced(bo.map, bo.size);
	close(go[0]);
	close(go[1]);
	close(ready[0]);
	close(ready[1]);
	barium_bo_unmap(&bo);
	barium_bind();
	barium_check_vram();
}

static const struct barium_subtest unplug_tests[] = {
	{ "unplug", "All children see zeros once the device is gone.", unplug },
	{}
};

/* Not in a register: libigt jumps back into the body below. */
static int fd = -1;

int igt_main()
{
	igt_fixture()
		fd = barium_open_render();

	igt_describe("A child has its parent's small entries.");
	igt_subtest("small-copied")
		small_copied(fd);

	igt_describe("A child faults for what its parent has huge entries for.");
	igt_subtest("huge-not-copied")
		huge_not_copied(fd);

	igt_describe("An object that has had huge entries can be forked with small ones.");
	igt_subtest("huge-once")
		huge_once(fd);

	igt_describe("Parent and child see what the other one writes.");
	igt_subtest("shared-both-ways")
		shared_both_ways(fd);

	igt_describe("Children outlive their parent's mappings.");
	igt_subtest("child-survives")
		child_survives(fd);

	igt_describe("A child cannot choose to have huge entries copied.");
	igt_subtest("keep-on-fork")
		keep_on_fork(fd);

	igt_describe("A process's own mappings do not change when it forks.");
	igt_subtest("parent-unchanged")
		parent_unchanged(fd);

	igt_fixture()
		close(fd);

	barium_unplug_subtests(unplug_tests);
}
