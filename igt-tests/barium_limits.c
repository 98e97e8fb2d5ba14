// SPDX-License-Identifier: MIT
/*
 * Clients that want too much: objects, mappings, processes, sizes. They get an error, others go on
 * working meanwhile and after, and all comes back. What an object costs in kernel memory is
 * measured.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "igt.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Clients that want more than there is.");

#define RW (PROT_READ | PROT_WRITE)
/* Objects of a page, if VRAM has so many; and on a kernel that takes its time for each. */
#define MANY 100000
#define MANY_DEBUG 500
/* Pages of VRAM that are left to the other client. */
#define LEFT 64
/* What an object of a page may cost in kernel memory, in bytes. */
#define OBJECT_COST 1280
/* Mappings of one process in a test run; with $BARIUM_LIMITS_FULL as many as the system allows. */
#define MAPPINGS 16384
#define MAPPINGS_DEBUG 2048
/* nobody */
#define USER 65534

/* What another client expects: to work as ever. */
static void work(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);

	barium_check_zero(bo.map, bo.size);
	barium_stamp(bo.map, 0, 4, 1);
	barium_check_stamp(bo.map, 0, 4, 1);
	barium_bo_fini(fd, &bo);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* Kernel memory in use for objects of all kinds, in bytes. */
static long slab_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	long kib = -1;
	char line[128];

	igt_assert(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "Slab: %ld kB", &kib) == 1)
			break;
	}
	fclose(file);
	igt_assert_lte(0, kib);
	return kib * 1024;
}

/* The checkers of such a kernel make each object larger. */
static bool is_debug_kernel(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

static void many_objects(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	__u64 page = barium_page_size(), before = barium_vram_available(fd), i;
	__u64 room = before / page - LEFT, most = is_debug_kernel() ? MANY_DEBUG : MANY;
	__u64 wanted = room < most ? room : most;
	double start = now(), made, closed;
	long slab, cost;

	slab = slab_bytes();
	for (i = 0; i < wanted; i++) {
		barium_gem_create(fd, page);
		if (i % 1024 == 0)
			work(other);
	}
	made = now();
	cost = (slab_bytes() - slab) / (long)wanted;
	igt_assert_eq_u64(barium_vram_available(other), before - wanted * page);
	work(other);

	/* The client goes, and with it all it has. */
	i = barium_reopen(fd, O_RDWR);
	close(fd);
	closed = now();
	igt_assert_eq_u64(barium_vram_available(other), before);
	work(other);
	close(other);
	close(i);

	igt_info("note: %llu objects of a page%s: made in %.2f s, closed in %.2f s, %ld bytes of kernel memory each\n",
		 wanted, wanted == room ? " (all that VRAM has room for)" : "", made - start,
		 closed - made, cost);
	if (!is_debug_kernel())
		igt_assert_lt(cost, OBJECT_COST);
}

/* One by one, from the last to the first, which is not how they lie in VRAM. */
static void many_handles(int fd)
{
	__u64 size = barium_page_size() * (is_debug_kernel() ? 8 : 1);
	__u64 before = barium_vram_available(fd);
	size_t count, i;
	__u32 *handles;

	count = barium_fill(fd, size, &handles);
	igt_assert_eq_u64(count * size, before);
	for (i = count; i > 0; i--)
		gem_close(fd, handles[i - 1]);
	free(handles);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	gem_close(fd, barium_gem_create(fd, before));
}

static void many_clients(int fd)
{
	struct rlimit old, limit = { 2048, 2048 };
	__u64 before = barium_vram_available(fd);
	int files[2048], count = 0, i;
	char path[32];

	getrlimit(RLIMIT_NOFILE, &old);
	if (old.rlim_max < limit.rlim_max)
		limit = (struct rlimit){ old.rlim_max, old.rlim_max };
	limit.rlim_max = old.rlim_max;
	igt_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (;;) {
		int file = open(path, O_RDWR | O_CLOEXEC);

		if (file < 0)
			break;
		files[count++] = file;
		barium_gem_create(file, barium_page_size());
	}
	igt_assert_eq(errno, EMFILE);
	work(fd);
	for (i = 0; i < count; i++)
		close(files[i]);
	setrlimit(RLIMIT_NOFILE, &old);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	work(fd);
	igt_info("note: %d clients at once\n", count);
}

static int old_map_count;

static int map_count(void)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "r");
	int count = 0;

	igt_assert(file && fscanf(file, "%d", &count) == 1);
	fclose(file);
	return count;
}

static void set_map_count(int count)
{
	FILE *file = fopen("/proc/sys/vm/max_map_count", "w");

	if (file) {
		fprintf(file, "%d", count);
		fclose(file);
	}
}

static void restore_map_count(int sig)
{
	(void)sig;
	if (old_map_count)
		set_map_count(old_map_count);
}

/* Every other page of one object, so that no two of the mappings become one. */
static void many_mappings(int fd)
{
	int other = barium_reopen(fd, O_RDWR), limit, count = 0, i, err;
	__u64 before = barium_vram_available(fd), page = barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, 2);
	__u8 **maps;
	void *map;

	old_map_count = map_count();
	igt_install_exit_handler(restore_map_count);
	limit = is_debug_kernel() ? MAPPINGS_DEBUG : MAPPINGS;
	if (getenv("BARIUM_LIMITS_FULL") || old_map_count < limit)
		limit = old_map_count;
	set_map_count(limit);
	maps = calloc(limit, sizeof(*maps));
	igt_assert(maps);

	while (!(err = __barium_mmap(fd, page, RW, MAP_SHARED, bo.offset, &map))) {
		igt_assert_lt(count, limit);
		maps[count++] = map;
		if (count % 16 == 1)
			WRITE_ONCE(maps[count - 1][0], 0x5a);
		if (count % 1024 == 0)
			work(other);
	}
	igt_assert_eq(err, -ENOMEM);
	igt_assert_lt(limit / 2, count);
	igt_assert_eq_u32(READ_ONCE(maps[count - 1][0]), 0x5a);

	gem_close(fd, bo.handle);
	bo.handle = 0;
	for (i = 0; i < count; i++)
		munmap(maps[i], page);
	free(maps);
	restore_map_count(0);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	work(other);
	close(other);
	igt_info("note: %d mappings of one object in one process\n", count);
}

struct bomb {
	struct barium_bo bo;
	__u8 *maps[64];
	__u32 *count;
};

/* Touches all, and forks as often as it may. */
static void explode(struct bomb *bomb)
{
	size_t i;

	for (;;) {
		if (!fork()) {
			__atomic_add_fetch(bomb->count, 1, __ATOMIC_RELAXED);
			for (i = 0; i < ARRAY_SIZE(bomb->maps); i++)
				WRITE_ONCE(bomb->maps[i][i * 64], i);
		}
	}
}

/* Processes of an ordinary user, as many as one may have. */
static void fork_bomb(int fd)
{
	struct rlimit limit = { 100, 100 };
	__u64 before = barium_vram_available(fd);
	struct bomb bomb = { .bo = barium_bo_create(fd, 64) };
	int other = barium_reopen(fd, O_RDWR);
	double end = now() + 2;
	size_t i;
	pid_t pid;

	bomb.count = mmap(NULL, sizeof(__u32), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(bomb.count != MAP_FAILED);
	for (i = 0; i < ARRAY_SIZE(bomb.maps); i++)
		bomb.maps[i] = barium_mmap(fd, bomb.bo.handle, bomb.bo.size);

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	pid = fork();
	igt_assert_lte(0, pid);
	if (!pid) {
		setpgid(0, 0);
		if (setrlimit(RLIMIT_NPROC, &limit) || setuid(USER))
			_exit(1);
		explode(&bomb);
	}

	/* On a slow machine the bomb takes its time to go off. */
	while (now() < end || (READ_ONCE(*bomb.count) <= 20 && now() < end + 60))
		work(other);
	/* Until there is nobody left: one that is killed may have forked just before. */
	do {
		kill(-pid, SIGKILL);
	} while (waitpid(-1, NULL, 0) > 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);

	igt_assert_lt_u64(20, *bomb.count);
	for (i = 0; i < ARRAY_SIZE(bomb.maps); i++)
		barium_munmap(bomb.maps[i], bomb.bo.size);
	barium_bo_fini(fd, &bomb.bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	work(other);
	close(other);
	igt_info("note: %u processes with 64 mappings each were forked\n", *bomb.count);
	munmap(bomb.count, sizeof(__u32));
}

/* The numbers around which something may go wrong. */
static __u64 edge(unsigned int nth)
{
	return (1ull << (nth / 3 % 64)) + nth % 3 - 1;
}

#define EDGES (3 * 64)

static void sizes(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	__u64 before = barium_vram_available(fd), size, wanted;
	__u32 flags, handle;
	unsigned int i;
	int err;

	for (i = 0; i < 2 * EDGES; i++) {
		wanted = i < EDGES ? edge(i) : -edge(i);
		for (flags = 0; flags <= BARIUM_GEM_CREATE_CONTIGUOUS; flags++) {
			size = wanted;
			err = __barium_gem_create(fd, &size, flags, &handle);
			if (wanted && wanted <= before) {
				igt_assert_eq(err, 0);
				igt_assert_lte_u64(wanted, size);
				gem_close(fd, handle);
			} else {
				igt_assert(err == -ENOSPC || err == -EINVAL);
			}
		}
		if (i % 16 == 0)
			work(other);
	}
	igt_assert_eq_u64(barium_vram_available(fd), before);
	close(other);
}

/* Nothing but what is mapped can be mapped ahead, and no number makes the kernel look elsewhere. */
static void ranges(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	struct drm_barium_map_ahead arg;
	__u64 page = barium_page_size(), start = (uintptr_t)bo.map;
	unsigned int i, j;

	for (i = 0; i < EDGES; i++) {
		arg = (struct drm_barium_map_ahead){ .address = start, .size = edge(i) };
		igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg),
			      !arg.size || arg.size % page ? -EINVAL :
			      arg.size <= bo.size ? 0 :
			      start + arg.size < start ? -EINVAL : -EFAULT);
		for (j = 0; j < EDGES; j += 7) {
			arg = (struct drm_barium_map_ahead){ .address = edge(i), .size = edge(j) };
			igt_assert_neq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), 0);
		}
	}
	barium_stamp(bo.map, 0, 4, 1);
	barium_check_stamp(bo.map, 0, 4, 1);
	barium_bo_fini(fd, &bo);
}

static void lengths(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	unsigned int i;
	__u64 length;
	void *map;
	int err;

	for (i = 0; i < 2 * EDGES; i++) {
		length = i < EDGES ? edge(i) : -edge(i);
		err = __barium_mmap(fd, length, RW, MAP_SHARED, bo.offset, &map);
		if (length && length <= bo.size) {
			igt_assert_eq(err, 0);
			barium_munmap(map, length);
		} else {
			igt_assert_f(err == -EINVAL || err == -ENOMEM || err == -EOVERFLOW,
				     "length %#llx: error %d\n", length, err);
		}
	}
	barium_bo_fini(fd, &bo);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Pages that are no neighbours in VRAM, mapped over and over: a range that takes very long. */
struct vast {
	int fd;
	int holder;
	struct barium_bo bo;
	struct drm_barium_map_ahead range;
	int err;
	bool was_running;
};

static struct vast make_vast(int fd)
{
	struct vast vast = { .fd = fd };
	__u8 *room;
	size_t at;

	vast.holder = barium_bo_create_scattered(fd, 256, &vast.bo);
	vast.range.size = 8192 * vast.bo.size;
	room = mmap(NULL, vast.range.size, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	igt_assert(room != MAP_FAILED);
	vast.range.address = (uintptr_t)room;
	for (at = 0; at < vast.range.size; at += vast.bo.size)
		igt_assert(mmap(room + at, vast.bo.size, RW, MAP_SHARED | MAP_FIXED, fd,
				vast.bo.offset) == room + at);
	return vast;
}

static void end_vast(struct vast *vast)
{
	munmap((void *)(uintptr_t)vast->range.address, vast->range.size);
	barium_munmap(vast->bo.map, vast->bo.size);
	close(vast->holder);
}

static void ahead_interrupted(int fd)
{
	struct itimerval after = { .it_value.tv_usec = 200000 };
	struct sigaction action = { .sa_handler = on_alarm }, old;
	struct vast vast = make_vast(fd);
	double took;
	int err;

	sigaction(SIGALRM, &action, &old);
	took = -now();
	setitimer(ITIMER_REAL, &after, NULL);
	err = ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &vast.range) ? -errno : 0;
	took += now();
	sigaction(SIGALRM, &old, NULL);
	end_vast(&vast);

	igt_assert_eq(err, -EINTR);
	igt_assert_f(took < 3, "a signal is noticed after %.1f s\n", took);
	work(fd);
}

static void *map_vast(void *data)
{
	struct vast *vast = data;

	vast->err = ioctl(vast->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &vast->range) ? -errno : 0;
	return NULL;
}

/* How long unplugging by @unplug takes while a vast range is mapped ahead, in seconds. */
static double unplug_meanwhile(struct vast *vast, void (*unplug)(void))
{
	pthread_t thread;
	double took;

	igt_assert_eq(pthread_create(&thread, NULL, map_vast, vast), 0);
	usleep(200000);
	took = -now();
	unplug();
	took += now();
	vast->was_running = pthread_tryjoin_np(thread, NULL) == EBUSY;
	if (vast->was_running)
		pthread_join(thread, NULL);
	return took;
}

/* Unplugging waits for whoever is in the driver, so that may not take as long as a client likes. */
static void ahead_unplugged(int fd)
{
	struct vast vast = make_vast(fd);
	double took = unplug_meanwhile(&vast, barium_unbind);

	end_vast(&vast);
	barium_bind();

	igt_assert_eq(vast.err, -ENODEV);
	igt_assert_f(took < 5, "the device goes after %.1f s\n", took);
}

static const char *other_slot;

static void unbind_other(void)
{
	barium_unbind_other(other_slot);
}

/* DRM has one list of all who are in a driver, whatever the device. */
static void ahead_other_unplugged(int fd)
{
	struct vast vast = make_vast(fd);
	double took;

	/* This is waited for. */
	vast.range.size /= 2;
	took = unplug_meanwhile(&vast, unbind_other);
	vast.range.size *= 2;
	end_vast(&vast);
	barium_bind_other(other_slot);

	igt_assert_eq(vast.err, 0);
	igt_assert_f(vast.was_running, "the range is mapped within %.1f s\n", took);
	igt_assert_f(took < 3, "the other device goes after %.1f s\n", took);
}

static const struct barium_subtest tests[] = {
	{ "many-objects", "One client has objects by the ten thousand, the other goes on working.",
	  many_objects },
	{ "many-handles", "Each of very many handles can be closed.", many_handles },
	{ "many-clients", "As many clients as there may be files have objects.", many_clients },
	{ "many-mappings", "An object has as many mappings as a process may have.", many_mappings },
	{ "fork-bomb", "Processes with many mappings fork as often as they may.", fork_bomb },
	{ "sizes", "Sizes around each power of two fit, or are refused.", sizes },
	{ "ranges", "Ranges around each power of two are mapped ahead, or refused.", ranges },
	{ "lengths", "Lengths around each power of two are mapped, or refused.", lengths },
	{ "ahead-interrupted", "Mapping a vast range ahead ends with a signal.",
	  ahead_interrupted },
	{ "ahead-unplugged", "Mapping a vast range ahead does not hold up unplugging.",
	  ahead_unplugged },
	{}
};

static const struct barium_subtest other_tests[] = {
	{ "ahead-other-unplugged",
	  "Mapping a vast range ahead does not hold up unplugging another device.",
	  ahead_other_unplugged },
	{}
};

/* With $BARIUM_OTHER_DEVICE, the address of another display, there is one more. */
int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_unplug_subtests(tests);
	other_slot = getenv("BARIUM_OTHER_DEVICE");
	if (other_slot)
		barium_unplug_subtests(other_tests);
}
