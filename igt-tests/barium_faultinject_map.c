// SPDX-License-Identifier: MIT
/**
 * TEST: barium faultinject map
 * Description: Fault injection into each operation that creates, changes, populates or accesses a
 *   mapping: one allocation, or one copy from or to userspace, fails at a time. The operation must
 *   fail with a matching error or succeed completely, must not leak, and must succeed when
 *   repeated. An access by the program itself cannot fail: the fault is retried until memory is
 *   available.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Fault injection
 *
 * SUBTEST: map-ahead
 * Description: Fault injection into MAP_AHEAD.
 *
 * SUBTEST: map-ahead-large
 * Description: Fault injection into MAP_AHEAD with huge entries.
 *
 * SUBTEST: mmap
 * Description: Fault injection into mmap().
 *
 * SUBTEST: munmap-split
 * Description: Fault injection into munmap() that splits a mapping.
 *
 * SUBTEST: mprotect-split
 * Description: Fault injection into mprotect() that splits a mapping.
 *
 * SUBTEST: mremap
 * Description: Fault injection into mremap().
 *
 * SUBTEST: will-need
 * Description: Fault injection into MADV_WILLNEED.
 *
 * SUBTEST: fork
 * Description: Fault injection into fork() with a mapping.
 *
 * SUBTEST: touch
 * Description: Fault injection into a fault that a system call takes.
 *
 * SUBTEST: touch-large
 * Description: Fault injection into a fault of a system call, with huge entries.
 *
 * SUBTEST: touch-by-itself
 * Description: Fault injection into a fault that userspace takes.
 *
 * SUBTEST: mem-write
 * Description: Fault injection into a write to /proc/self/mem.
 *
 * SUBTEST: mem-read
 * Description: Fault injection into a read of /proc/self/mem.
 *
 * SUBTEST: touch-unplugged
 * Description: Fault injection into a fault of a system call after unbind.
 *
 * SUBTEST: mem-read-unplugged
 * Description: Fault injection into a read of /proc/self/mem after unbind.
 *
 * SUBTEST: starved
 * Description: The first access of a program waits until memory is available.
 *
 * SUBTEST: starved-killed
 * Description: A program whose first access waits for memory can be killed.
 *
 * SUBTEST: starved-unplugged
 * Description: After unbind, a system call that finds no memory fails with EFAULT.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "igt.h"
#include "barium_lib_nth.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Allocation failures in mappings and page faults.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 4
/* Large enough for a huge entry. */
#define LARGE_PAGES 1024
/* Number of objects for the operations after unbind. */
#define ORPHANS 64
/* An address far from all other mappings, so that no page tables exist for it. */
#define FAR ((void *)0x200000000000)

static void make_bo(struct barium_scene *scene)
{
	scene->bo.size = PAGES * barium_page_size();
	scene->bo.handle = barium_gem_create(scene->fd, scene->bo.size);
	scene->bo.offset = barium_gem_mmap_offset(scene->fd, scene->bo.handle);
}

/* Maps the object at FAR, and does not access the mapping. */
static void map_far(struct barium_scene *scene)
{
	scene->bo.map = mmap(FAR, scene->bo.size, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, scene->fd,
			     scene->bo.offset);
	igt_assert(scene->bo.map == FAR);
}

static void make_mapped(struct barium_scene *scene)
{
	make_bo(scene);
	map_far(scene);
}

static void make_large(struct barium_scene *scene)
{
	/* System memory is allocated in pages, each of which would fail. */
	barium_require_vram();
	scene->bo.size = LARGE_PAGES * barium_page_size();
	scene->bo.handle = barium_gem_create(scene->fd, scene->bo.size);
	scene->bo.offset = barium_gem_mmap_offset(scene->fd, scene->bo.handle);
	map_far(scene);
}

static void check_mapped(struct barium_scene *scene)
{
	size_t pages = scene->bo.size / barium_page_size();

	barium_stamp(scene->bo.map, 0, pages, 1);
	barium_check_stamp(scene->bo.map, 0, pages, 1);
}

static void unmap(struct barium_scene *scene)
{
	barium_munmap(scene->bo.map, scene->bo.size);
}

static int map_ahead(struct barium_scene *scene)
{
	struct drm_barium_map_ahead arg = {
		.address = (uintptr_t)scene->bo.map,
		.size = scene->bo.size,
	};

	return ioctl(scene->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg) ? -errno : 0;
}

static int map(struct barium_scene *scene)
{
	void *map = mmap(NULL, scene->bo.size, RW, MAP_SHARED, scene->fd, scene->bo.offset);

	if (map == MAP_FAILED)
		return -errno;
	scene->bo.map = map;
	return 0;
}

static int unmap_middle(struct barium_scene *scene)
{
	size_t page = barium_page_size();

	return munmap(scene->bo.map + page, page) ? -errno : 0;
}

static void check_hole(struct barium_scene *scene)
{
	size_t page = barium_page_size();

	igt_assert_eq(barium_try_read(scene->bo.map + page), SIGSEGV);
	barium_stamp(scene->bo.map + 2 * page, 2, 2, 1);
	barium_check_stamp(scene->bo.map + 2 * page, 2, 2, 1);
}

static int protect_middle(struct barium_scene *scene)
{
	size_t page = barium_page_size();

	return mprotect(scene->bo.map + page, page, PROT_READ) ? -errno : 0;
}

static void check_protected(struct barium_scene *scene)
{
	size_t page = barium_page_size();

	igt_assert_eq(barium_try_write(scene->bo.map), 0);
	igt_assert_eq(barium_try_write(scene->bo.map + page), SIGSEGV);
	igt_assert_eq(barium_try_read(scene->bo.map + page), 0);
}

static void make_populated(struct barium_scene *scene)
{
	make_mapped(scene);
	barium_stamp(scene->bo.map, 0, PAGES, 1);
}

static int move(struct barium_scene *scene)
{
	void *to = mremap(scene->bo.map, scene->bo.size, scene->bo.size,
			  MREMAP_MAYMOVE | MREMAP_FIXED, FAR + (1ul << 40));

	if (to == MAP_FAILED)
		return -errno;
	scene->bo.map = to;
	return 0;
}

static void check_content(struct barium_scene *scene)
{
	barium_check_stamp(scene->bo.map, 0, PAGES, 1);
}

static int will_need(struct barium_scene *scene)
{
	return madvise(scene->bo.map, scene->bo.size, MADV_WILLNEED) ? -errno : 0;
}

/* Forks a child that exits at once, without the fork handlers of the C library. */
static int make_child(struct barium_scene *scene)
{
	scene->child = syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (!scene->child)
		_exit(0);
	return scene->child < 0 ? -errno : 0;
}

static void check_child(struct barium_scene *scene)
{
	int status;

	igt_assert_eq(waitpid(scene->child, &status, 0), scene->child);
	igt_assert_eq(status, 0);
	check_content(scene);
}

/*
 * Has a system call write to the mapping. If its fault runs out of memory, the call fails with
 * EFAULT, while an access of the program itself would be retried.
 */
static int access_by_kernel(struct barium_scene *scene)
{
	return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, scene->bo.map) ? -errno : 0;
}

/* Accesses the mapping. The access cannot fail, and must not be retried forever. */
static int access_by_program(struct barium_scene *scene)
{
	WRITE_ONCE(scene->bo.map[0], 1);
	return 0;
}

static int open_mem(void)
{
	static int mem = -1;

	if (mem < 0)
		mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	igt_assert_lte(0, mem);
	return mem;
}

static void make_mem(struct barium_scene *scene)
{
	make_mapped(scene);
	open_mem();
}

static int mem_write(struct barium_scene *scene)
{
	static const __u64 word = 42;

	errno = 0;
	return pwrite(open_mem(), &word, sizeof(word), (uintptr_t)scene->bo.map) ==
		sizeof(word) ? 0 : -(errno ?: EIO);
}

static int mem_read(struct barium_scene *scene)
{
	errno = 0;
	return pread(open_mem(), &scene->value, sizeof(scene->value),
		     (uintptr_t)scene->bo.map) == sizeof(scene->value) ? 0 : -(errno ?: EIO);
}

static void check_written(struct barium_scene *scene)
{
	igt_assert_eq_u64(READ_ONCE(*(__u64 *)scene->bo.map), 42);
}

static void check_read_zero(struct barium_scene *scene)
{
	igt_assert_eq_u64(scene->value, 0);
}

/* Objects of an unbound device: one for each turn, at an address without page tables. */
static struct barium_bo orphans[ORPHANS];
static size_t orphans_used;

static void make_orphans(int fd)
{
	size_t i;

	for (i = 0; i < ORPHANS; i++) {
		struct barium_scene scene = { .fd = fd };
		void *at = FAR + (i << 40);

		make_bo(&scene);
		scene.bo.map = mmap(at, scene.bo.size, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, fd,
				    scene.bo.offset);
		igt_assert(scene.bo.map == at);
		orphans[i] = scene.bo;
	}
	barium_unbind();
	orphans_used = 0;
}

static void unmap_orphans(void)
{
	size_t i;

	for (i = 0; i < ORPHANS; i++)
		barium_bo_unmap(&orphans[i]);
	barium_bind();
	barium_check_vram();
}

static void next_orphan(struct barium_scene *scene)
{
	igt_assert_lt(orphans_used, ORPHANS);
	scene->bo = orphans[orphans_used++];
}

static void check_replaced(struct barium_scene *scene)
{
	/* All pages map the same zero page, whose first bytes have been written. */
	barium_check_zero(scene->bo.map + 64, barium_page_size() - 64);
	igt_assert_eq(barium_try_write(scene->bo.map + scene->bo.size - 1), 0);
}

/* Shared state of a child that runs while page allocations fail, and its parent. */
struct board {
	bool go;
	bool done;
};

static void child_access(struct board *board, __u8 *map)
{
	int file = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);

	if (file < 0 || write(file, "1", 1) != 1)
		_exit(1);
	while (!READ_ONCE(board->go))
		;
	WRITE_ONCE(map[0], 0x5a);
	WRITE_ONCE(board->done, true);
	_exit(0);
}

/* Starts a child whose first access cannot allocate a page table. Asserts that it blocks. */
static pid_t start_starved(struct board *board, __u8 *map)
{
	pid_t child = fork();
	int status;

	igt_assert_lte(0, child);
	if (!child)
		child_access(board, map);

	barium_fail_pages(true);
	WRITE_ONCE(board->go, true);
	usleep(300000);
	if (READ_ONCE(board->done) || waitpid(child, &status, WNOHANG)) {
		barium_fail_pages(false);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		igt_assert_f(false, "the child made progress without memory, or was killed\n");
	}
	return child;
}

static struct board *new_board(void)
{
	struct board *board = mmap(NULL, sizeof(*board), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	igt_assert(board != MAP_FAILED);
	*board = (struct board){};
	return board;
}

/* The program is neither killed nor does the fault map a wrong page. */
static void test_starved(int fd)
{
	struct barium_scene scene = { .fd = fd };
	struct board *board = new_board();
	int status;
	pid_t child;

	barium_nth_init();
	make_mapped(&scene);
	child = start_starved(board, scene.bo.map);
	barium_fail_pages(false);
	igt_assert_eq(waitpid(child, &status, 0), child);
	igt_assert_eq(status, 0);
	igt_assert_eq_u32(READ_ONCE(scene.bo.map[0]), 0x5a);
	barium_bo_fini(fd, &scene.bo);
	munmap(board, sizeof(*board));
}

static void test_starved_killed(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_scene scene = { .fd = fd };
	struct board *board = new_board();
	int status, tries = 0;
	pid_t child, ended;

	barium_nth_init();
	make_mapped(&scene);
	child = start_starved(board, scene.bo.map);
	kill(child, SIGKILL);
	while (!(ended = waitpid(child, &status, WNOHANG)) && tries++ < 200)
		usleep(50000);
	barium_fail_pages(false);
	if (!ended)
		waitpid(child, &status, 0);
	igt_assert_f(ended == child, "a fault that waits for memory cannot be killed\n");
	igt_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	igt_assert_eq_u32(READ_ONCE(scene.bo.map[0]), 0);
	barium_bo_fini(fd, &scene.bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	munmap(board, sizeof(*board));
}

/* Has a system call write to the mapping. Exits with 0 if it fails with EFAULT. */
static void child_access_by_kernel(struct board *board, struct barium_scene *scene)
{
	int file = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	int err;

	if (file < 0 || write(file, "1", 1) != 1)
		_exit(1);
	while (!READ_ONCE(board->go))
		;
	err = access_by_kernel(scene);
	WRITE_ONCE(board->done, true);
	_exit(err == -EFAULT ? 0 : err ? 2 : 3);
}

/*
 * The page table exists, but the zero page of the object cannot be allocated. A system call that
 * writes to the mapping must fail instead of retrying forever.
 */
static void test_starved_unplugged(int fd)
{
	struct barium_scene scene = { .fd = fd };
	struct board *board = new_board();
	int status, tries = 0;
	pid_t child;
	bool done;

	barium_require_vram();
	barium_nth_init();
	make_populated(&scene);
	barium_unbind();
	child = fork();
	igt_assert_lte(0, child);
	if (!child)
		child_access_by_kernel(board, &scene);

	barium_fail_pages(true);
	WRITE_ONCE(board->go, true);
	while (!READ_ONCE(board->done) && tries++ < 100)
		usleep(50000);
	done = READ_ONCE(board->done);
	barium_fail_pages(false);
	igt_assert_eq(waitpid(child, &status, 0), child);
	igt_assert_f(done, "the system call does not return\n");
	igt_assert_eq(WEXITSTATUS(status), 0);

	igt_assert_eq(access_by_kernel(&scene), 0);
	check_replaced(&scene);
	barium_bo_unmap(&scene.bo);
	barium_bind();
	munmap(board, sizeof(*board));
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("Fault injection into MAP_AHEAD.");
	igt_subtest("map-ahead")
		barium_nth(.what = "MAP_AHEAD",
			   .prepare = make_mapped, .call = map_ahead, .check = check_mapped,
			   .finish = unmap);

	igt_describe("Fault injection into MAP_AHEAD with huge entries.");
	igt_subtest("map-ahead-large")
		barium_nth(.what = "MAP_AHEAD, huge entries",
			   .prepare = make_large, .call = map_ahead, .check = check_mapped,
			   .finish = unmap);

	igt_describe("Fault injection into mmap().");
	igt_subtest("mmap")
		barium_nth(.what = "mmap()",
			   .prepare = make_bo, .call = map, .check = check_mapped, .finish = unmap);

	igt_describe("Fault injection into munmap() that splits a mapping.");
	igt_subtest("munmap-split")
		barium_nth(.what = "munmap(), split",
			   .prepare = make_populated, .call = unmap_middle, .check = check_hole,
			   .finish = unmap);

	igt_describe("Fault injection into mprotect() that splits a mapping.");
	igt_subtest("mprotect-split")
		barium_nth(.what = "mprotect(), split",
			   .prepare = make_populated, .call = protect_middle,
			   .check = check_protected, .finish = unmap);

	igt_describe("Fault injection into mremap().");
	igt_subtest("mremap")
		barium_nth(.what = "mremap()",
			   .prepare = make_populated, .call = move, .check = check_content,
			   .finish = unmap);

	igt_describe("Fault injection into MADV_WILLNEED.");
	igt_subtest("will-need")
		barium_nth(.what = "MADV_WILLNEED",
			   .prepare = make_mapped, .call = will_need, .check = check_mapped,
			   .finish = unmap);

	igt_describe("Fault injection into fork() with a mapping.");
	igt_subtest("fork")
		barium_nth(.what = "fork()",
			   .prepare = make_populated, .call = make_child, .check = check_child,
			   .finish = unmap, .stride = 41, .full_stride = 11);

	igt_describe("Fault injection into a fault that a system call takes.");
	igt_subtest("touch")
		barium_nth(.what = "fault in a system call",
			   .prepare = make_mapped, .call = access_by_kernel, .check = check_mapped,
			   .finish = unmap);

	igt_describe("Fault injection into a fault of a system call, with huge entries.");
	igt_subtest("touch-large")
		barium_nth(.what = "fault in a system call, huge entries",
			   .prepare = make_large, .call = access_by_kernel, .check = check_mapped,
			   .finish = unmap);

	igt_describe("Fault injection into a fault that userspace takes.");
	igt_subtest("touch-by-itself")
		barium_nth(.what = "fault in userspace",
			   .prepare = make_mapped, .call = access_by_program, .check = check_mapped,
			   .finish = unmap);

	igt_describe("Fault injection into a write to /proc/self/mem.");
	igt_subtest("mem-write")
		barium_nth(.what = "/proc/self/mem, write",
			   .prepare = make_mem, .call = mem_write, .check = check_written,
			   .finish = unmap, .also = EIO);

	igt_describe("Fault injection into a read of /proc/self/mem.");
	igt_subtest("mem-read")
		barium_nth(.what = "/proc/self/mem, read",
			   .prepare = make_mem, .call = mem_read, .check = check_read_zero,
			   .finish = unmap, .also = EIO);

	igt_describe("Fault injection into a fault of a system call after unbind.");
	igt_subtest("touch-unplugged")
		barium_nth(.what = "fault in a system call, after unbind",
			   .prepare = next_orphan, .call = access_by_kernel,
			   .check = check_replaced, .no_client = true, .before = make_orphans,
			   .after = unmap_orphans);

	igt_describe("Fault injection into a read of /proc/self/mem after unbind.");
	igt_subtest("mem-read-unplugged")
		barium_nth(.what = "/proc/self/mem, read, after unbind",
			   .prepare = next_orphan, .call = mem_read, .check = check_read_zero,
			   .also = EIO, .no_client = true, .before = make_orphans,
			   .after = unmap_orphans);

	igt_describe("The first access of a program waits until memory is available.");
	igt_subtest("starved")
		test_starved(barium_new_bound_client());

	igt_describe("A program whose first access waits for memory can be killed.");
	igt_subtest("starved-killed")
		test_starved_killed(barium_new_bound_client());

	igt_describe("After unbind, a system call that finds no memory fails with EFAULT.");
	igt_subtest("starved-unplugged")
		test_starved_unplugged(barium_new_bound_client());
}
