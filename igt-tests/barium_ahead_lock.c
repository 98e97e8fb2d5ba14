// SPDX-License-Identifier: MIT
/**
 * TEST: barium ahead lock
 * Description: MAP_AHEAD of a large range must not hold the mmap lock of the process while another
 *   task waits for the lock. barium_ahead tests which pages MAP_AHEAD maps.
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
 * Description: A process that is killed in MAP_AHEAD exits at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_race.h"

IGT_TEST_DESCRIPTION("The mmap lock during MAP_AHEAD.");

#define RW (PROT_READ | PROT_WRITE)
#define READS 21
#define LIMIT_MS 100
/* The pages of an object, which is too small for a huge entry. */
#define PAGES 256
/* The maximum time between SIGKILL and the exit of the process, in seconds. */
#define EXIT_SECONDS 3
/*
 * The duration of a call of MAP_AHEAD that maps all pages, in seconds: longer than reads or the
 * exit may take.
 */
#define CALL_SECONDS (2 * EXIT_SECONDS)
/* The number of mappings for which a call is timed, and the largest number that a test makes. */
#define TIMED 64
#define MOST 16384

/* A process that maps an object many times side by side and repeats MAP_AHEAD for all mappings. */
struct mapper {
	pid_t pid;
	int fd;
	/* The client that owns the objects between the pages of a scattered object, or -1. */
	int holder;
	struct barium_bo bo;
	/* The number of mappings of the object. */
	size_t times;
	/* Whether the process populates all mappings before it starts to repeat MAP_AHEAD. */
	bool mapped;
};

/* Repeatedly takes the mmap lock for writing: all later readers then wait for this writer. */
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

	range.address = (uintptr_t)barium_map_times(mapper->fd, &mapper->bo, mapper->times);
	if (!range.address)
		_exit(1);
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

/*
 * Returns the number of mappings for which MAP_AHEAD takes CALL_SECONDS. With debug options, the
 * kernel takes several times as long for a mapping, and for freeing its page table at the end.
 */
static size_t slow_times(const struct mapper *mapper)
{
	struct drm_barium_map_ahead range = { .size = TIMED * mapper->bo.size };
	double seconds;
	size_t times;

	range.address = (uintptr_t)barium_map_times(mapper->fd, &mapper->bo, TIMED);
	igt_assert(range.address);
	seconds = barium_now();
	do_ioctl(mapper->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &range);
	seconds = barium_now() - seconds;
	munmap((void *)(uintptr_t)range.address, range.size);
	times = CALL_SECONDS / seconds * TIMED;
	return times < TIMED ? TIMED : times < MOST ? times : MOST;
}

/* Starts a process and waits until it calls MAP_AHEAD. */
static struct mapper start_mapper(bool mapped)
{
	struct mapper mapper = {
		.fd = barium_new_client(),
		.holder = -1,
		.mapped = mapped,
	};
	int ready[2];
	char byte;

	if (mapped)
		mapper.bo = barium_bo_create(mapper.fd, PAGES);
	else
		mapper.holder = barium_bo_create_scattered(mapper.fd, PAGES, &mapper.bo);
	mapper.times = slow_times(&mapper);
	igt_info("note: %zu mappings\n", mapper.times);
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

/* Returns true if the process has no address space any more: exit_mm() has run. */
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

/* Returns the time of a read of cmdline, which takes the mmap lock of @pid, in milliseconds. */
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
 * Asserts that reads take less than LIMIT_MS on average, and ends the process. A single read may
 * take longer, because a busy host may stop a virtual CPU. If MAP_AHEAD kept the lock, a read would
 * take seconds.
 */
static void check_reads(struct mapper *mapper)
{
	double time, longest = 0, sum = 0;
	int i;

	for (i = 0; i < READS && sum < READS * LIMIT_MS; i++) {
		time = time_read(mapper->pid);
		longest = time > longest ? time : longest;
		sum += time;
		usleep(10000);
	}
	kill_mapper(mapper);
	igt_info("note: reading cmdline takes %.1f ms, %.1f ms at most\n", sum / i, longest);
	igt_assert_f(sum < READS * LIMIT_MS, "reading cmdline takes %.0f ms, %.0f ms at most\n",
		     sum / i, longest);
}

int igt_main()
{
	igt_describe("/proc/PID/cmdline can be read while PID calls MAP_AHEAD for mapped pages.");
	igt_subtest("mapped") {
		struct mapper mapper = start_mapper(true);

		check_reads(&mapper);
	}

	igt_describe("/proc/PID/cmdline can be read while PID calls MAP_AHEAD for unmapped pages.");
	igt_subtest("unmapped") {
		struct mapper mapper = start_mapper(false);

		check_reads(&mapper);
	}

	igt_describe("A process that is killed in MAP_AHEAD exits at once.");
	igt_subtest("killed") {
		struct mapper mapper = start_mapper(false);
		double start = barium_now();

		/* Does not wait for exit to free the page tables, which takes long. */
		kill(mapper.pid, SIGKILL);
		while (!has_no_memory(mapper.pid)) {
			igt_assert_f(barium_now() - start < EXIT_SECONDS,
				     "the process is still alive\n");
			usleep(1000);
		}
		kill_mapper(&mapper);
	}
}
