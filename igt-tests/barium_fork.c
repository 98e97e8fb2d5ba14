// SPDX-License-Identifier: MIT
/**
 * TEST: barium fork
 * Description: fork() with mappings of objects. fork() copies page table entries of 4 KiB. The
 *   driver prevents copies of huge PMDs, because the kernel copies them without checking that they
 *   still exist.
 * Category: Core
 * Sub-category: DRM
 * Functionality: fork
 *
 * SUBTEST: small-copied
 * Description: A child inherits the PTEs of its parent and takes no fault.
 *
 * SUBTEST: huge-not-copied
 * Description: A child inherits no huge PMD and takes faults instead.
 *
 * SUBTEST: huge-once
 * Description: PTEs are inherited after another mapping of the object had huge PMDs.
 *
 * SUBTEST: shared-both-ways
 * Description: After fork(), parent and child see the other one's writes.
 *
 * SUBTEST: child-survives
 * Description: Mappings of children outlive the handle and the parent's mappings.
 *
 * SUBTEST: keep-on-fork
 * Description: A child cannot make fork() copy its huge PMDs.
 *
 * SUBTEST: parent-unchanged
 * Description: fork(), munmap() and mremap() keep the entries and the VMA flags.
 *
 * SUBTEST: unplug
 * Description: All children read zeros after the device is unbound.
 */
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_huge.h"
#include "barium_lib_mapping.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks mappings of objects in child processes.");

#define RW (PROT_READ | PROT_WRITE)

/* The size of the small object, which is too small for a huge PMD. */
#define SMALL_PAGES 64

/* Returns the number of faults that one read of @byte takes. */
static long faults_of_read(const __u8 *byte)
{
	long before;

	/* The first call takes the faults of the call itself. */
	barium_minor_faults();
	before = barium_minor_faults();
	READ_ONCE(*byte);
	return barium_minor_faults() - before;
}

/* Returns true if the VMA at @map has VM_WIPEONFORK. */
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

static void test_small_copied(int fd)
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

static void test_huge_not_copied(int fd)
{
	struct barium_bo bo;
	int i;

	barium_require_huge(fd);
	bo = barium_huge_bo_create(fd);
	/* One fault for each huge PMD: no fault-around. */
	igt_assert_eq(madvise(bo.map, bo.size, MADV_RANDOM), 0);
	igt_fork(child, 1) {
		igt_assert(is_wiped(bo.map));
		for (i = 0; i < BARIUM_HUGE_COUNT; i++)
			igt_assert_eq(faults_of_read(bo.map + i * BARIUM_HUGE), 1);
		barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 1);
	}
	igt_waitchildren();
	barium_bo_fini(fd, &bo);
}

static void test_huge_once(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size / 4);

	barium_check_stamp(map, 0, barium_huge_bo_pages() / 4, 1);
	barium_munmap(bo.map, bo.size);
	bo.map = map;
	bo.size /= 4;
	igt_fork(child, 1) {
		barium_check_stamp(map, 0, barium_huge_bo_pages() / 4, 1);
		barium_check_vm_flags(map);
	}
	igt_waitchildren();
	barium_bo_fini(fd, &bo);
}

static void test_shared_both_ways(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	size_t pages = barium_huge_pages();
	int to_child[2], to_parent[2];

	igt_assert_eq(pipe(to_child), 0);
	igt_assert_eq(pipe(to_parent), 0);
	igt_fork(child, 1) {
		barium_stamp(bo.map, 0, pages, 2);
		wake(to_parent[1]);
		wait_for(to_child[0]);
		barium_check_stamp(bo.map, 0, pages, 2);
		barium_check_stamp(bo.map + BARIUM_HUGE, pages, pages, 3);
		barium_check_stamp(bo.map + 2 * BARIUM_HUGE, 2 * pages, pages, 1);
	}
	wait_for(to_parent[0]);
	barium_check_stamp(bo.map, 0, pages, 2);
	barium_stamp(bo.map + BARIUM_HUGE, pages, pages, 3);
	wake(to_child[1]);
	igt_waitchildren();
	close(to_child[0]);
	close(to_child[1]);
	close(to_parent[0]);
	close(to_parent[1]);
	barium_bo_fini(fd, &bo);
}

/* Calls @run in a child and asserts that it returns 0. */
static void run_in_grandchild(const __u8 *map, int (*run)(const __u8 *map))
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
	return !barium_is_stamped(map, 0, barium_huge_bo_pages(), 1);
}

static void test_child_survives(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_huge_bo_create(fd);
	int go[2];

	igt_assert_eq(pipe(go), 0);
	igt_fork(child, 1) {
		wait_for(go[0]);
		run_in_grandchild(bo.map, sees_stamps);
		barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 1);
		run_in_grandchild(bo.map, sees_stamps);
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

static void test_keep_on_fork(int fd)
{
	struct barium_bo bo;

	barium_require_huge(fd);
	bo = barium_huge_bo_create(fd);
	igt_fork(child, 1) {
		igt_assert_eq(madvise(bo.map, bo.size, MADV_KEEPONFORK), 0);
		igt_assert(!is_wiped(bo.map));
		barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 1);
		run_in_grandchild(bo.map, is_wiped_again);
	}
	igt_waitchildren();
	barium_bo_fini(fd, &bo);
}

static void test_parent_unchanged(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo;
	__u8 *area;

	barium_require_huge(fd);
	bo = barium_huge_bo_create(fd);
	igt_fork(child, 1)
		barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 1);
	igt_waitchildren();
	igt_assert_eq(faults_of_read(bo.map), 0);
	igt_assert_eq(faults_of_read(bo.map + BARIUM_HUGE), 0);

	igt_assert_eq(mprotect(bo.map + BARIUM_HUGE, page, PROT_READ), 0);
	area = mmap(NULL, BARIUM_HUGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(area != MAP_FAILED);
	igt_assert(mremap(bo.map + 2 * BARIUM_HUGE, BARIUM_HUGE, BARIUM_HUGE,
			  MREMAP_MAYMOVE | MREMAP_FIXED, area) == area);
	igt_assert(!is_wiped(bo.map));
	igt_assert(!is_wiped(bo.map + BARIUM_HUGE));
	igt_assert(!is_wiped(bo.map + BARIUM_HUGE + page));
	igt_assert(!is_wiped(area));
	barium_check_stamp(bo.map, 0, 2 * barium_huge_pages(), 1);
	barium_check_stamp(area, 2 * barium_huge_pages(), barium_huge_pages(), 1);
	barium_munmap(area, BARIUM_HUGE);
	barium_bo_fini(fd, &bo);
}

static void test_unplug(int fd)
{
	struct barium_bo bo = barium_huge_bo_create(fd);
	int go[2], ready[2];
	char text[2] = {};

	igt_assert_eq(pipe(go), 0);
	igt_assert_eq(pipe(ready), 0);
	igt_fork(child, 2) {
		if (child)
			barium_check_stamp(bo.map, 0, barium_huge_bo_pages(), 1);
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

int igt_main()
{
	igt_describe("A child inherits the PTEs of its parent and takes no fault.");
	igt_subtest("small-copied")
		test_small_copied(barium_new_client());

	igt_describe("A child inherits no huge PMD and takes faults instead.");
	igt_subtest("huge-not-copied")
		test_huge_not_copied(barium_new_client());

	igt_describe("PTEs are inherited after another mapping of the object had huge PMDs.");
	igt_subtest("huge-once")
		test_huge_once(barium_new_client());

	igt_describe("After fork(), parent and child see the other one's writes.");
	igt_subtest("shared-both-ways")
		test_shared_both_ways(barium_new_client());

	igt_describe("Mappings of children outlive the handle and the parent's mappings.");
	igt_subtest("child-survives")
		test_child_survives(barium_new_client());

	igt_describe("A child cannot make fork() copy its huge PMDs.");
	igt_subtest("keep-on-fork")
		test_keep_on_fork(barium_new_client());

	igt_describe("fork(), munmap() and mremap() keep the entries and the VMA flags.");
	igt_subtest("parent-unchanged")
		test_parent_unchanged(barium_new_client());

	igt_fixture()
		barium_prepare_unplug();

	igt_describe("All children read zeros after the device is unbound.");
	igt_subtest("unplug")
		test_unplug(barium_new_bound_client());
}
