// SPDX-License-Identifier: MIT
/*
 * Failing allocations: each way to make, change, fill and read a mapping, with each of its
 * allocations failing, one at a time. It has to fail with an error that says so or to succeed all
 * the same, to lose nothing, and to work the next time. A program's own access can do no more than
 * wait for memory.
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

IGT_TEST_DESCRIPTION("Each allocation of mappings and faults failing, one at a time.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 4
/* Large enough for a huge entry. */
#define LARGE_PAGES 1024
/* Objects for the calls that are made on a device that is gone. */
#define ORPHANS 64
/* Far from all else in the address space, so there are no page tables for it yet. */
#define FAR ((void *)0x200000000000)

static void make_bo(struct barium_scene *scene)
{
	scene->bo.size = PAGES * barium_page_size();
	scene->bo.handle = barium_gem_create(scene->fd, scene->bo.size);
	scene->bo.offset = barium_gem_mmap_offset(scene->fd, scene->bo.handle);
}

/* Maps the object at FAR, untouched. */
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

static void make_touched(struct barium_scene *scene)
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

/* A child that does nothing, without what the C library does around it. */
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
 * The kernel writes to the mapping for us: a fault in which memory runs out makes that fail, while
 * the program's own access would be tried again.
 */
static int touch(struct barium_scene *scene)
{
	return syscall(SYS_clock_gettime, CLOCK_MONOTONIC, scene->bo.map) ? -errno : 0;
}

/* The program's own access. It does not fail, and does not go on for ever. */
static int touch_by_itself(struct barium_scene *scene)
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

/* Objects of a device that is gone, a new one for each turn, each where no page tables are. */
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
	/* All pages show the same one, and its first bytes have been written to. */
	barium_check_zero(scene->bo.map + 64, barium_page_size() - 64);
	igt_assert_eq(barium_try_write(scene->bo.map + scene->bo.size - 1), 0);
}

/* What a child does while no page can be had, and what its parent sees of it. */
struct board {
	bool go;
	bool done;
};

static void touch_when_told(struct board *board, __u8 *map)
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

/* Starts a child whose first touch cannot get a page table, and sees that it does not get on. */
static pid_t start_starved(struct board *board, __u8 *map)
{
	pid_t child = fork();
	int status;

	igt_assert_lte(0, child);
	if (!child)
		touch_when_told(board, map);

	barium_fail_pages(true);
	WRITE_ONCE(board->go, true);
	usleep(300000);
	if (READ_ONCE(board->done) || waitpid(child, &status, WNOHANG)) {
		barium_fail_pages(false);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		igt_assert_f(false, "the child got on without memory, or was killed\n");
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

/* The program's own access waits for memory: it is neither killed nor served with a wrong page. */
static void starved(int fd)
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

/* While it waits it can be killed. */
static void starved_killed(int fd)
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
	igt_assert_f(ended == child, "a fault without memory cannot be killed\n");
	igt_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	igt_assert_eq_u32(READ_ONCE(scene.bo.map[0]), 0);
	barium_bo_fini(fd, &scene.bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	munmap(board, sizeof(*board));
}

/* Tells whether the kernel could write to the mapping for it. */
static void have_it_touched(struct board *board, struct barium_scene *scene)
{
	int file = open("/proc/self/make-it-fail", O_WRONLY | O_CLOEXEC);
	int err;

	if (file < 0 || write(file, "1", 1) != 1)
		_exit(1);
	while (!READ_ONCE(board->go))
		;
	err = touch(scene);
	WRITE_ONCE(board->done, true);
	_exit(err == -EFAULT ? 0 : err ? 2 : 3);
}

/*
 * There is a page table, but no page for what has replaced VRAM. Who has the kernel write there is
 * told; it would not do to try again for ever.
 */
static void starved_unplugged(int fd)
{
	struct barium_scene scene = { .fd = fd };
	struct board *board = new_board();
	int status, tries = 0;
	pid_t child;
	bool done;

	barium_nth_init();
	make_touched(&scene);
	barium_unbind();
	child = fork();
	igt_assert_lte(0, child);
	if (!child)
		have_it_touched(board, &scene);

	barium_fail_pages(true);
	WRITE_ONCE(board->go, true);
	while (!READ_ONCE(board->done) && tries++ < 100)
		usleep(50000);
	done = READ_ONCE(board->done);
	barium_fail_pages(false);
	igt_assert_eq(waitpid(child, &status, 0), child);
	igt_assert_f(done, "the kernel goes on trying\n");
	igt_assert_eq(WEXITSTATUS(status), 0);

	igt_assert_eq(touch(&scene), 0);
	check_replaced(&scene);
	barium_bo_unmap(&scene.bo);
	barium_bind();
	munmap(board, sizeof(*board));
}

static const struct barium_nth_call calls[] = {
	{ "map-ahead", "mapping ahead",
	  .prepare = make_mapped, .call = map_ahead, .check = check_mapped, .finish = unmap },
	{ "map-ahead-large", "mapping ahead what is large",
	  .prepare = make_large, .call = map_ahead, .check = check_mapped, .finish = unmap },
	{ "mmap", "mapping",
	  .prepare = make_bo, .call = map, .check = check_mapped, .finish = unmap },
	{ "munmap-split", "taking a page out of a mapping",
	  .prepare = make_touched, .call = unmap_middle, .check = check_hole, .finish = unmap },
	{ "mprotect-split", "changing the protection of a page",
	  .prepare = make_touched, .call = protect_middle, .check = check_protected,
	  .finish = unmap },
	{ "mremap", "moving a mapping",
	  .prepare = make_touched, .call = move, .check = check_content, .finish = unmap },
	{ "will-need", "advising",
	  .prepare = make_mapped, .call = will_need, .check = check_mapped, .finish = unmap },
	{ "fork", "forking with a mapping",
	  .prepare = make_touched, .call = make_child, .check = check_child, .finish = unmap,
	  .stride = 41, .full_stride = 11 },
	{ "touch", "first touch on the program's behalf",
	  .prepare = make_mapped, .call = touch, .check = check_mapped, .finish = unmap },
	{ "touch-large", "first touch of what is large",
	  .prepare = make_large, .call = touch, .check = check_mapped, .finish = unmap },
	{ "touch-by-itself", "first touch by the program",
	  .prepare = make_mapped, .call = touch_by_itself, .check = check_mapped,
	  .finish = unmap },
	{ "mem-write", "a debugger's write",
	  .prepare = make_mem, .call = mem_write, .check = check_written, .finish = unmap,
	  .also = EIO },
	{ "mem-read", "a debugger's read",
	  .prepare = make_mem, .call = mem_read, .check = check_read_zero, .finish = unmap,
	  .also = EIO },
	{ "touch-unplugged", "first touch after unplug",
	  .prepare = next_orphan, .call = touch, .check = check_replaced, .no_client = true,
	  .before = make_orphans, .after = unmap_orphans },
	{ "mem-read-unplugged", "a debugger's read after unplug",
	  .prepare = next_orphan, .call = mem_read, .check = check_read_zero, .also = EIO,
	  .no_client = true, .before = make_orphans, .after = unmap_orphans },
	{}
};

static const struct barium_subtest tests[] = {
	{ "starved", "A first touch waits for memory.", starved },
	{ "starved-killed", "A first touch that waits for memory can be killed.", starved_killed },
	{ "starved-unplugged", "After unplug, a system call that finds no memory says so.",
	  starved_unplugged },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_nth_subtests(calls);
	barium_unplug_subtests(tests);
}
