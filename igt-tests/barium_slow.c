// SPDX-License-Identifier: MIT
/**
 * TEST: barium slow
 * Description: Faults that wait for the reservation of an object in system memory. A process in a
 *   memory cgroup with a low limit allocates pages of the object with MAP_AHEAD. The kernel
 *   throttles it while it holds the reservation, so that other faults in the object wait.
 * Category: Core
 * Sub-category: DRM
 * Functionality: page faults
 *
 * SUBTEST: allocated-does-not-wait
 * Description: A fault in a page that has memory does not wait for the reservation.
 *
 * SUBTEST: killed-while-waiting
 * Description: A process whose fault waits can be killed.
 *
 * SUBTEST: signal-while-waiting
 * Description: A process whose fault waits handles a signal, and then waits again.
 *
 * SUBTEST: vma-lock-dropped
 * Description: Another thread can change the mapping in which a fault waits.
 *
 * SUBTEST: unmapped-while-waiting
 * Description: Another thread can remove the mapping and close the object.
 *
 * SUBTEST: ahead-does-not-hold-mmap-lock
 * Description: Another thread can change mappings while MAP_AHEAD waits.
 *
 * SUBTEST: system-call-waits
 * Description: A system call that accesses the mapping waits, and succeeds.
 *
 * SUBTEST: content
 * Description: The object has the right content after faults of many threads have waited.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_cgroup.h"
#include "barium_lib_mapping.h"
#include "barium_lib_race.h"

IGT_TEST_DESCRIPTION("Page faults that wait for the reservation of an object.");

#define RW (PROT_READ | PROT_WRITE)
/* The pages of the object, and those that the throttled process allocates. */
#define PAGES 2048
#define HELD 1536
/*
 * The maximum duration of an operation that must not wait, in seconds. The kernel throttles the
 * holder for two seconds at a time, and for more than ten in all, before it releases the
 * reservation.
 */
#define SOON 4.0
/* The maximum duration of an operation that may be slow on a busy host, in seconds. */
#define LATER 20.0

/* An object and the process that holds its reservation. */
struct scene {
	int fd;
	struct barium_bo bo;
	pid_t holder;
};

/* Returns the state of a process or a thread, a letter as in /proc/PID/stat. */
static char state_of(pid_t pid)
{
	char path[64], line[512] = "", *end;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (!fgets(line, sizeof(line), file))
		line[0] = '\0';
	fclose(file);
	end = strrchr(line, ')');
	return end ? end[2] : 0;
}

/* Waits until @pid has been in @state for 100 ms. */
static void wait_for_state(pid_t pid, char state)
{
	double start = barium_now(), since = start;

	while (barium_now() - since < 0.1) {
		if (state_of(pid) != state)
			since = barium_now();
		igt_assert_f(barium_now() - start < LATER, "process %d is in state %c\n", pid,
			     state_of(pid));
		usleep(1000);
	}
}

/* Asserts that the operation that began at @begin has not waited for the holder. */
static void check_soon(double begin)
{
	double time = barium_now() - begin;

	igt_assert_f(time < SOON, "it took %.1f s\n", time);
}

static void kill_and_wait(pid_t pid)
{
	int status;

	kill(pid, SIGKILL);
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* The process that holds the reservation, if the last subtest has left one behind. */
static pid_t leftover;

/* Allocates the first pages of the object. The kernel throttles this for many seconds. */
static void hold(const struct scene *scene)
{
	struct drm_barium_map_ahead arg = {
		.address = (uintptr_t)scene->bo.map,
		.size = HELD * barium_page_size(),
	};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (__barium_cgroup_enter("a"))
		_exit(1);
	ioctl(scene->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg);
	for (;;)
		pause();
}

/* Starts the holder, and waits until it sleeps with the reservation. */
static struct scene start(void)
{
	struct scene scene = { .fd = barium_new_client() };
	double begin;

	if (leftover)
		kill_and_wait(leftover);
	scene.bo = barium_bo_create_with(scene.fd, PAGES, BARIUM_GEM_CREATE_SYSTEM);
	barium_cgroup_set("a", "memory.high", "4096");
	scene.holder = fork();
	igt_assert_lte(0, scene.holder);
	if (!scene.holder)
		hold(&scene);
	leftover = scene.holder;

	begin = barium_now();
	while (!barium_in_memory(scene.fd)) {
		igt_assert_f(barium_now() - begin < LATER, "the holder allocates no page\n");
		usleep(1000);
	}
	wait_for_state(scene.holder, 'D');
	return scene;
}

/* Asserts that the holder has not finished: otherwise, nothing would have had to wait for it. */
static void finish(struct scene *scene)
{
	__u64 held = barium_in_memory(scene->fd);

	igt_assert_lt_u64(held, HELD * barium_page_size());
	kill_and_wait(scene->holder);
	leftover = 0;
	barium_bo_fini(scene->fd, &scene->bo);
	close(scene->fd);
}

/* Returns the last page of the object, which the holder does not allocate. */
static __u8 *last_page(const struct scene *scene)
{
	return scene->bo.map + (PAGES - 1) * barium_page_size();
}

/* Starts a process that calls @run, and waits until it sleeps interruptibly. */
static pid_t start_waiter(const struct scene *scene, void (*run)(const struct scene *scene))
{
	pid_t pid = fork();

	igt_assert_lte(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		run(scene);
		_exit(0);
	}
	wait_for_state(pid, 'S');
	return pid;
}

static void touch(const struct scene *scene)
{
	WRITE_ONCE(*last_page(scene), 1);
}

static void test_allocated(void)
{
	struct scene scene = start();
	double begin = barium_now();

	/* The holder has allocated the first page. */
	WRITE_ONCE(scene.bo.map[0], 1);
	check_soon(begin);
	finish(&scene);
}

static void test_killed(void)
{
	struct scene scene = start();
	pid_t waiter = start_waiter(&scene, touch);
	double begin = barium_now();

	kill_and_wait(waiter);
	check_soon(begin);
	finish(&scene);
}

static int report = -1;

static void on_signal(int sig)
{
	(void)sig;
	if (write(report, "", 1) != 1)
		_exit(1);
}

static void touch_with_handler(const struct scene *scene)
{
	struct sigaction action = { .sa_handler = on_signal };

	sigaction(SIGUSR1, &action, NULL);
	touch(scene);
}

static void test_signal(void)
{
	struct scene scene = start();
	double begin;
	int ends[2];
	pid_t waiter;
	char byte;
	int i;

	igt_assert_eq(pipe(ends), 0);
	report = ends[1];
	waiter = start_waiter(&scene, touch_with_handler);
	for (i = 0; i < 3; i++) {
		begin = barium_now();
		kill(waiter, SIGUSR1);
		igt_assert_eq(read(ends[0], &byte, 1), 1);
		check_soon(begin);
		wait_for_state(waiter, 'S');
	}
	kill_and_wait(waiter);
	close(ends[0]);
	close(ends[1]);
	finish(&scene);
}

/* The result that a waiter with a second thread reports through its exit status. */
enum { FAST, SLOW, FAILED };

static void *touch_in_thread(void *data)
{
	touch(data);
	return NULL;
}

static void *ahead_in_thread(void *data)
{
	const struct scene *scene = data;
	struct drm_barium_map_ahead arg = {
		.address = (uintptr_t)last_page(scene),
		.size = barium_page_size(),
	};

	ioctl(scene->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg);
	return NULL;
}

/*
 * In a child: lets a thread wait in @wait, calls @change in another one after that, and asserts
 * that @change does not wait, too.
 */
static void change_while_waiting(struct scene *scene, void *(*wait)(void *data),
				 int (*change)(struct scene *scene))
{
	pid_t pid = fork();
	int status;

	igt_assert_lte(0, pid);
	if (!pid) {
		pthread_t thread;
		double begin;
		int err;

		if (pthread_create(&thread, NULL, wait, scene))
			_exit(FAILED);
		/* Long enough for the thread to start to wait. */
		usleep(300000);
		begin = barium_now();
		err = change(scene);
		if (err)
			_exit(FAILED);
		_exit(barium_now() - begin < SOON ? FAST : SLOW);
	}
	igt_assert_eq(waitpid(pid, &status, 0), pid);
	igt_assert_f(WIFEXITED(status), "the process ended with status %#x\n", status);
	igt_assert_f(WEXITSTATUS(status) == FAST, "the change %s\n",
		     WEXITSTATUS(status) == SLOW ? "waits" : "fails");
}

/* mprotect() locks the VMA for writing. */
static int protect(struct scene *scene)
{
	return mprotect(scene->bo.map, scene->bo.size, PROT_READ) ||
	       mprotect(scene->bo.map, scene->bo.size, RW);
}

static int unmap(struct scene *scene)
{
	return munmap(scene->bo.map, scene->bo.size);
}

static int map_other(struct scene *scene)
{
	void *map = mmap(NULL, scene->bo.size, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return map == MAP_FAILED || munmap(map, scene->bo.size);
}

static void test_change(void *(*wait)(void *data), int (*change)(struct scene *scene))
{
	struct scene scene = start();

	change_while_waiting(&scene, wait, change);
	finish(&scene);
}

/* Writes the exit status of read(), which accesses the mapping in the kernel, to the pipe. */
static void read_into(const struct scene *scene)
{
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char good = read(zero, last_page(scene), 16) == 16;

	if (write(report, &good, 1) != 1)
		_exit(1);
}

static void test_system_call(void)
{
	struct scene scene = start();
	int ends[2], status;
	pid_t waiter;
	char good = 0;

	igt_assert_eq(pipe(ends), 0);
	report = ends[1];
	waiter = fork();
	igt_assert_lte(0, waiter);
	if (!waiter) {
		read_into(&scene);
		_exit(0);
	}
	wait_for_state(waiter, 'D');
	igt_assert_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	igt_assert_eq(read(ends[0], &good, 1), -1);
	finish(&scene);
	igt_assert_eq(waitpid(waiter, &status, 0), waiter);
	igt_assert_eq(read(ends[0], &good, 1), 1);
	igt_assert_eq(good, 1);
	close(ends[0]);
	close(ends[1]);
}

struct toucher {
	pthread_t thread;
	const struct scene *scene;
	size_t first;
};

static void *stamp_some(void *data)
{
	struct toucher *toucher = data;
	size_t page = barium_page_size(), i;

	for (i = toucher->first; i < PAGES; i += 4)
		barium_stamp(toucher->scene->bo.map + i * page, i, 1, 1);
	return NULL;
}

/* The holder continues, while four threads wait for the reservation between its parts. */
static void test_content(void)
{
	struct toucher touchers[4];
	struct scene scene = start();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(touchers); i++) {
		touchers[i] = (struct toucher){ .scene = &scene, .first = i };
		igt_assert_eq(pthread_create(&touchers[i].thread, NULL, stamp_some, &touchers[i]),
			      0);
	}
	usleep(500000);
	barium_cgroup_set("a", "memory.high", "max");
	kill_and_wait(scene.holder);
	leftover = 0;
	for (i = 0; i < ARRAY_SIZE(touchers); i++)
		pthread_join(touchers[i].thread, NULL);
	barium_check_stamp(scene.bo.map, 0, PAGES, 1);
	igt_assert_eq_u64(barium_in_memory(scene.fd), scene.bo.size);
	barium_bo_fini(scene.fd, &scene.bo);
	close(scene.fd);
}

int igt_main()
{
	igt_fixture() {
		barium_cgroup_init("memory");
		barium_cgroup_create("a");
	}

	igt_describe("A fault in a page that has memory does not wait for the reservation.");
	igt_subtest("allocated-does-not-wait")
		test_allocated();

	igt_describe("A process whose fault waits can be killed.");
	igt_subtest("killed-while-waiting")
		test_killed();

	igt_describe("A process whose fault waits handles a signal, and then waits again.");
	igt_subtest("signal-while-waiting")
		test_signal();

	igt_describe("Another thread can change the mapping in which a fault waits.");
	igt_subtest("vma-lock-dropped")
		test_change(touch_in_thread, protect);

	igt_describe("Another thread can remove the mapping and close the object.");
	igt_subtest("unmapped-while-waiting")
		test_change(touch_in_thread, unmap);

	igt_describe("Another thread can change mappings while MAP_AHEAD waits.");
	igt_subtest("ahead-does-not-hold-mmap-lock")
		test_change(ahead_in_thread, map_other);

	igt_describe("A system call that accesses the mapping waits, and succeeds.");
	igt_subtest("system-call-waits")
		test_system_call();

	igt_describe("The object has the right content after faults of many threads have waited.");
	igt_subtest("content")
		test_content();

	igt_fixture()
		barium_cgroup_fini();
}
