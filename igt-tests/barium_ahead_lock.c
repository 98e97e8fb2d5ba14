// SPDX-License-Identifier: MIT
/**
 * TEST: barium ahead lock
 * Description: MAP_AHEAD of a range that takes long: it must not hold the mmap lock of the process
 *   while another task waits for the lock. barium_ahead tests what MAP_AHEAD maps.
 * Category: Core
 * Sub-category: DRM
 * Functionality: MAP_AHEAD
 *
 * SUBTEST: mapped
 * Description: /proc/PID/cmdline can be read while PID calls MAP_AHEAD for mapped pages.
 *
 * SUBTEST: unmapped
 * Description: /proc/PID/cmdline can be read while PID calls MAP_AHEAD for unmapped pages.
 *
 * SUBTEST: killed
 * Description: A process dies at once when it is killed in MAP_AHEAD.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib_race.h"

IGT_TEST_DESCRIPTION("The mmap lock during MAP_AHEAD.");

#define RW (PROT_READ | PROT_WRITE)
#define READS 21
#define LIMIT_MS 100
/* Of an object that is mapped over and over: too small for a huge entry. */
#define PAGES 256

/* A process that calls MAP_AHEAD for its range again and again. */
struct mapper {
	pid_t pid;
	int fd;
	/* Keeps apart the pages of an object that is in pieces. */
	int holder;
	struct barium_bo bo;
	/* How often it maps the object. */
	size_t times;
	/* All pages are mapped before it starts. Else each page of the object faults. */
	bool mapped;
};

/* Maps the object over and over, side by side. */
static __u64 map_range(const struct mapper *mapper)
{
	size_t at, size = mapper->times * mapper->bo.size;
	__u8 *room = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);

	if (room == MAP_FAILED)
		_exit(1);
	for (at = 0; at < size; at += mapper->bo.size) {
		if (mmap(room + at, mapper->bo.size, RW, MAP_SHARED | MAP_FIXED, mapper->fd,
			 mapper->bo.offset) != room + at)
			_exit(2);
	}
	return (uintptr_t)room;
}

/* Takes the mmap lock for writing: all later readers wait for it. */
static void *map_and_unmap(void *data)
{
	size_t page = barium_page_size();

	(void)data;
	for (;;)
		munmap(mmap(NULL, page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), page);
	return NULL;
}

static void run_mapper(const struct mapper *mapper, int ready)
{
	struct drm_barium_map_ahead range = { .size = mapper->times * mapper->bo.size };
	pthread_t thread;

	range.address = map_range(mapper);
	if (mapper->mapped && barium_ioctl(mapper->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &range))
		_exit(3);
	if (pthread_create(&thread, NULL, map_and_unmap, NULL))
		_exit(4);
	if (write(ready, "", 1) != 1)
		_exit(5);
	for (;;) {
		if (barium_ioctl(mapper->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &range))
			_exit(6);
	}
}

/* Returns when the process has started to call MAP_AHEAD. */
static struct mapper start_mapper(size_t times, bool mapped)
{
	struct mapper mapper = {
		.fd = barium_new_client(),
		.holder = -1,
		.times = times,
		.mapped = mapped,
	};
	int ready[2];
	char byte;

	if (mapped)
		mapper.bo = barium_bo_create(mapper.fd, PAGES);
	else
		mapper.holder = barium_bo_create_scattered(mapper.fd, PAGES, &mapper.bo);
	igt_assert_eq(pipe(ready), 0);
	mapper.pid = fork();
	igt_assert_lte(0, mapper.pid);
	if (!mapper.pid) {
		close(ready[0]);
		run_mapper(&mapper, ready[1]);
	}
	close(ready[1]);
	igt_assert_f(read(ready[0], &byte, 1) == 1, "the process has no mapping\n");
	close(ready[0]);
	usleep(50000);
	return mapper;
}

/* Returns true if the process has given up its address space, which it does on its way to its end. */
static bool has_no_memory(pid_t pid)
{
	char path[64], text[16] = "";
	int file;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	igt_assert_lte(0, file);
	igt_assert_lt(0, read(file, text, sizeof(text) - 1));
	close(file);
	return text[0] == '0';
}

static void kill_mapper(struct mapper *mapper)
{
	int status;

	kill(mapper->pid, SIGKILL);
	igt_assert_eq(waitpid(mapper->pid, &status, 0), mapper->pid);
	igt_assert_f(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
		     "the process ended with status %#x\n", status);
	barium_bo_fini(mapper->fd, &mapper->bo);
	if (mapper->holder >= 0)
		close(mapper->holder);
}

/* Reads the command line as ps does, which takes the mmap lock of the process. In milliseconds. */
static double time_read(pid_t pid)
{
	char path[64], text[256];
	double start;
	int file;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	file = open(path, O_RDONLY | O_CLOEXEC);
	igt_assert_lte(0, file);
	start = barium_now();
	igt_assert_lt(0, read(file, text, sizeof(text)));
	start = barium_now() - start;
	close(file);
	return 1000 * start;
}

/*
 * The limit is one for the average: on a busy host a virtual CPU may stand still for longer now and
 * then. A MAP_AHEAD that keeps the lock makes one read wait for seconds.
 */
static void check_reads(pid_t pid)
{
	double time, longest = 0, sum = 0;
	int i;

	for (i = 0; i < READS; i++) {
		time = time_read(pid);
		longest = time > longest ? time : longest;
		sum += time;
		usleep(10000);
	}
	igt_info("note: reading cmdline takes %.1f ms, %.1f ms at most\n", sum / READS, longest);
	igt_assert_f(sum / READS < LIMIT_MS, "reading cmdline takes %.0f ms, %.0f ms at most\n",
		     sum / READS, longest);
}

int igt_main()
{
	igt_describe("/proc/PID/cmdline can be read while PID calls MAP_AHEAD for mapped pages.");
	igt_subtest("mapped") {
		struct mapper mapper = start_mapper(4096, true);

		check_reads(mapper.pid);
		kill_mapper(&mapper);
	}

	igt_describe("/proc/PID/cmdline can be read while PID calls MAP_AHEAD for unmapped pages.");
	igt_subtest("unmapped") {
		struct mapper mapper = start_mapper(16384, false);

		check_reads(mapper.pid);
		kill_mapper(&mapper);
	}

	igt_describe("A process dies at once when it is killed in MAP_AHEAD.");
	igt_subtest("killed") {
		struct mapper mapper = start_mapper(16384, false);
		double start = barium_now();

		/* Freeing the page tables afterwards takes long, and is not what this is about. */
		kill(mapper.pid, SIGKILL);
		while (!has_no_memory(mapper.pid)) {
			igt_assert_f(barium_now() - start < 3, "the process is still alive\n");
			usleep(1000);
		}
		kill_mapper(&mapper);
	}
}
