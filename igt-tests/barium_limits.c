// SPDX-License-Identifier: MIT
/**
 * TEST: barium limits
 * Description: Clients that exceed limits: the number of objects, handles, clients, mappings and
 *   processes, and extreme sizes. They get an error, other clients continue to work, and all VRAM
 *   is free afterwards. The kernel memory of an object is measured.
 * Category: Core
 * Sub-category: DRM
 * Functionality: resource limits
 *
 * SUBTEST: many-objects
 * Description: A client with very many objects does not disturb another client.
 *
 * SUBTEST: many-handles
 * Description: Very many handles can be closed one by one.
 *
 * SUBTEST: many-clients
 * Description: As many clients as RLIMIT_NOFILE allows can create objects.
 *
 * SUBTEST: many-mappings
 * Description: An object can have as many mappings as max_map_count allows.
 *
 * SUBTEST: fork-bomb
 * Description: A fork bomb with many mappings does not disturb another client.
 *
 * SUBTEST: sizes
 * Description: GEM_CREATE accepts or refuses sizes around each power of two.
 *
 * SUBTEST: ranges
 * Description: MAP_AHEAD accepts or refuses ranges around each power of two.
 *
 * SUBTEST: lengths
 * Description: mmap() accepts or refuses lengths around each power of two.
 *
 * SUBTEST: ahead-interrupted
 * Description: A signal interrupts MAP_AHEAD of a vast range.
 *
 * SUBTEST: ahead-unplugged
 * Description: MAP_AHEAD of a vast range does not delay unbinding.
 *
 * SUBTEST: ahead-other-unplugged
 * Description: MAP_AHEAD of a vast range does not delay unbinding another device.
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

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_race.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks clients that exceed the limits of the system.");

#define RW (PROT_READ | PROT_WRITE)
/* The maximum number of objects of one page, on an optimised and on a debug kernel. */
#define MANY 100000
#define MANY_DEBUG 500
/* Pages of VRAM that remain for the other client. */
#define LEFT 64
/* The maximum of kernel memory for an object of one page, in bytes. */
#define OBJECT_COST 1280
/* The maximum number of mappings, unless $BARIUM_LIMITS_FULL asks for the limit of the system. */
#define MAPPINGS 16384
#define MAPPINGS_DEBUG 2048
/* The mappings of an object for which MAP_AHEAD takes very long, if nothing interrupts it. */
#define VAST 8192
#define VAST_DEBUG 2048
/* The maximum number of clients. */
#define CLIENTS 2048
#define CLIENTS_DEBUG 256
/* The user "nobody". */
#define USER 65534

/* Asserts that a client can create, map and use an object. */
static void check_client(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);

	barium_check_zero(bo.map, bo.size);
	barium_stamp(bo.map, 0, 4, 1);
	barium_check_stamp(bo.map, 0, 4, 1);
	barium_bo_fini(fd, &bo);
}

/* Returns the size of all slab caches in bytes. */
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

/* A debug kernel needs more memory for an object, and more time. */
static bool is_debug_kernel(void)
{
	return !access("/sys/kernel/debug/kmemleak", F_OK);
}

static void test_many_objects(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	__u64 page = barium_page_size(), before = barium_vram_available(fd), i;
	__u64 available = before / page - LEFT, most = is_debug_kernel() ? MANY_DEBUG : MANY;
	__u64 wanted = available < most ? available : most;
	double start = barium_now(), made, closed;
	long slab, cost;

	slab = slab_bytes();
	for (i = 0; i < wanted; i++) {
		barium_gem_create(fd, page);
		if (i % 1024 == 0)
			check_client(other);
	}
	made = barium_now();
	cost = (slab_bytes() - slab) / (long)wanted;
	igt_assert_eq_u64(barium_vram_available(other), before - wanted * page);
	check_client(other);

	/* Closing the file frees all its objects. */
	i = barium_reopen(fd, O_RDWR);
	close(fd);
	closed = barium_now();
	igt_assert_eq_u64(barium_vram_available(other), before);
	check_client(other);
	close(other);
	close(i);

	igt_info("note: %llu objects of a page%s: made in %.2f s, closed in %.2f s, %ld bytes of kernel memory each\n",
		 wanted, wanted == available ? " (all that VRAM has room for)" : "",
		 made - start, closed - made, cost);
	if (!is_debug_kernel())
		igt_assert_lt(cost, OBJECT_COST);
}

static void test_many_clients(int fd)
{
	rlim_t most = is_debug_kernel() ? CLIENTS_DEBUG : CLIENTS;
	struct rlimit old, limit = { most, most };
	__u64 before = barium_vram_available(fd);
	int files[CLIENTS], count = 0, i;
	char path[32];

	getrlimit(RLIMIT_NOFILE, &old);
	if (old.rlim_max < most)
		limit.rlim_cur = old.rlim_max;
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
	check_client(fd);
	for (i = 0; i < count; i++)
		close(files[i]);
	setrlimit(RLIMIT_NOFILE, &old);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	check_client(fd);
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

/* Maps the same page again and again, so the kernel cannot merge the VMAs. */
static void test_many_mappings(int fd)
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
			check_client(other);
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
	check_client(other);
	close(other);
	igt_info("note: %d mappings of one object in one process\n", count);
}

struct bomb {
	struct barium_bo bo;
	__u8 *maps[64];
	__u32 *count;
};

/* Forks without end. Each child touches all mappings. */
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

/* The bomb runs as an unprivileged user with a limited number of processes. */
static void test_fork_bomb(int fd)
{
	struct rlimit limit = { 100, 100 };
	__u64 before = barium_vram_available(fd);
	struct bomb bomb = { .bo = barium_bo_create(fd, 64) };
	int other = barium_reopen(fd, O_RDWR);
	double end = barium_now() + 2;
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

	/* Forking 20 children takes longer on a slow machine. */
	while (barium_now() < end || (READ_ONCE(*bomb.count) <= 20 && barium_now() < end + 60))
		check_client(other);
	/* Repeats until no process is left: a killed one may have forked just before. */
	do {
		kill(-pid, SIGKILL);
	} while (waitpid(-1, NULL, 0) > 0);
	prctl(PR_SET_CHILD_SUBREAPER, 0);

	igt_assert_lt_u64(20, *bomb.count);
	for (i = 0; i < ARRAY_SIZE(bomb.maps); i++)
		barium_munmap(bomb.maps[i], bomb.bo.size);
	barium_bo_fini(fd, &bomb.bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	check_client(other);
	close(other);
	igt_info("note: %u processes with 64 mappings each were forked\n", *bomb.count);
	munmap(bomb.count, sizeof(__u32));
}

/* Returns boundary values: each power of two, and the numbers before and after it. */
static __u64 boundary(unsigned int nth)
{
	return (1ull << (nth / 3 % 64)) + nth % 3 - 1;
}

#define BOUNDARIES (3 * 64)

static void test_sizes(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	__u64 before = barium_vram_available(fd), size, wanted;
	__u32 flags, handle;
	unsigned int i;
	int err;

	for (i = 0; i < 2 * BOUNDARIES; i++) {
		wanted = i < BOUNDARIES ? boundary(i) : -boundary(i);
		for (flags = 0; flags <= BARIUM_GEM_CREATE_CONTIGUOUS; flags++) {
			size = wanted;
			err = __barium_gem_create(fd, &size, flags, &handle);
			if (wanted && wanted <= barium_vram_size(fd)) {
				igt_assert_eq(err, 0);
				igt_assert_lte_u64(wanted, size);
				gem_close(fd, handle);
			} else {
				igt_assert(err == -ENOSPC || err == -EINVAL);
			}
		}
		if (i % 16 == 0)
			check_client(other);
	}
	igt_assert_eq_u64(barium_vram_available(fd), before);
	close(other);
}

/* MAP_AHEAD succeeds only for ranges inside the mapping. */
static void test_ranges(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	struct drm_barium_map_ahead arg;
	__u64 page = barium_page_size(), start = (uintptr_t)bo.map;
	unsigned int i, j;

	for (i = 0; i < BOUNDARIES; i++) {
		arg = (struct drm_barium_map_ahead){ .address = start, .size = boundary(i) };
		igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg),
			      !arg.size || arg.size % page ? -EINVAL :
			      arg.size <= bo.size ? 0 :
			      start + arg.size < start ? -EINVAL : -EFAULT);
		for (j = 0; j < BOUNDARIES; j += 7) {
			arg = (struct drm_barium_map_ahead){
				.address = boundary(i),
				.size = boundary(j),
			};
			igt_assert_neq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), 0);
		}
	}
	barium_stamp(bo.map, 0, 4, 1);
	barium_check_stamp(bo.map, 0, 4, 1);
	barium_bo_fini(fd, &bo);
}

static void test_lengths(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 4);
	unsigned int i;
	__u64 length;
	void *map;
	int err;

	for (i = 0; i < 2 * BOUNDARIES; i++) {
		length = i < BOUNDARIES ? boundary(i) : -boundary(i);
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

/* An object without adjacent pages, mapped many times in a row: MAP_AHEAD takes very long. */
struct vast {
	int fd;
	int holder;
	struct barium_bo bo;
	struct drm_barium_map_ahead range;
	int err;
	bool was_running;
};

static struct vast create_vast(int fd)
{
	struct vast vast = { .fd = fd };
	size_t times;

	vast.holder = barium_bo_create_scattered(fd, 256, &vast.bo);
	times = is_debug_kernel() ? VAST_DEBUG : VAST;
	vast.range.size = times * vast.bo.size;
	vast.range.address = (uintptr_t)barium_map_times(fd, &vast.bo, times);
	igt_assert(vast.range.address);
	return vast;
}

static void destroy_vast(struct vast *vast)
{
	munmap((void *)(uintptr_t)vast->range.address, vast->range.size);
	barium_munmap(vast->bo.map, vast->bo.size);
	close(vast->holder);
}

static void test_ahead_interrupted(int fd)
{
	struct itimerval after = { .it_value.tv_usec = 200000 };
	struct sigaction action = { .sa_handler = on_alarm }, old;
	struct vast vast = create_vast(fd);
	double took;
	int err;

	sigaction(SIGALRM, &action, &old);
	took = -barium_now();
	setitimer(ITIMER_REAL, &after, NULL);
	err = ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &vast.range) ? -errno : 0;
	took += barium_now();
	sigaction(SIGALRM, &old, NULL);
	destroy_vast(&vast);

	igt_assert_eq(err, -EINTR);
	igt_assert_f(took < 3, "the signal interrupted it after %.1f s\n", took);
	check_client(fd);
}

static void *map_vast(void *data)
{
	struct vast *vast = data;

	vast->err = ioctl(vast->fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &vast->range) ? -errno : 0;
	return NULL;
}

/* Returns how many seconds @unplug takes while another thread runs MAP_AHEAD of a vast range. */
static double unplug_meanwhile(struct vast *vast, void (*unplug)(void))
{
	pthread_t thread;
	double took;

	igt_assert_eq(pthread_create(&thread, NULL, map_vast, vast), 0);
	usleep(200000);
	took = -barium_now();
	unplug();
	took += barium_now();
	vast->was_running = pthread_tryjoin_np(thread, NULL) == EBUSY;
	if (vast->was_running)
		pthread_join(thread, NULL);
	return took;
}

static const char *other_slot;

static void unbind_other(void)
{
	barium_unbind_other(other_slot);
}

/* drm_unplug_srcu is one for all DRM devices, so drm_dev_unplug() waits for this ioctl, too. */
static void test_ahead_other_unplugged(int fd)
{
	struct vast vast = create_vast(fd);
	double took;

	/* Half of the range, because this call runs to its end. */
	vast.range.size /= 2;
	took = unplug_meanwhile(&vast, unbind_other);
	vast.range.size *= 2;
	destroy_vast(&vast);
	barium_bind_other(other_slot);

	igt_assert_eq(vast.err, 0);
	igt_assert_f(vast.was_running, "MAP_AHEAD finished within %.1f s\n", took);
	igt_assert_f(took < 3, "unbinding the other device took %.1f s\n", took);
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	igt_describe("A client with very many objects does not disturb another client.");
	igt_subtest("many-objects")
		test_many_objects(barium_new_bound_client());

	/* Closes the handles in descending order. */
	igt_describe("Very many handles can be closed one by one.");
	igt_subtest("many-handles") {
		int fd = barium_new_bound_client();
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

	igt_describe("As many clients as RLIMIT_NOFILE allows can create objects.");
	igt_subtest("many-clients")
		test_many_clients(barium_new_bound_client());

	igt_describe("An object can have as many mappings as max_map_count allows.");
	igt_subtest("many-mappings")
		test_many_mappings(barium_new_bound_client());

	igt_describe("A fork bomb with many mappings does not disturb another client.");
	igt_subtest("fork-bomb")
		test_fork_bomb(barium_new_bound_client());

	igt_describe("GEM_CREATE accepts or refuses sizes around each power of two.");
	igt_subtest("sizes")
		test_sizes(barium_new_bound_client());

	igt_describe("MAP_AHEAD accepts or refuses ranges around each power of two.");
	igt_subtest("ranges")
		test_ranges(barium_new_bound_client());

	igt_describe("mmap() accepts or refuses lengths around each power of two.");
	igt_subtest("lengths")
		test_lengths(barium_new_bound_client());

	igt_describe("A signal interrupts MAP_AHEAD of a vast range.");
	igt_subtest("ahead-interrupted")
		test_ahead_interrupted(barium_new_bound_client());

	/* drm_dev_unplug() waits for running ioctls, so no client may prolong them. */
	igt_describe("MAP_AHEAD of a vast range does not delay unbinding.");
	igt_subtest("ahead-unplugged") {
		int fd = barium_new_bound_client();
		struct vast vast = create_vast(fd);
		double took = unplug_meanwhile(&vast, barium_unbind);

		destroy_vast(&vast);
		barium_bind();

		igt_assert_eq(vast.err, -ENODEV);
		igt_assert_f(took < 5, "unbinding took %.1f s\n", took);
	}

	/* The PCI address of another device of the driver. */
	other_slot = getenv("BARIUM_OTHER_DEVICE");
	if (other_slot) {
		igt_describe("MAP_AHEAD of a vast range does not delay unbinding another device.");
		igt_subtest("ahead-other-unplugged")
			test_ahead_other_unplugged(barium_new_bound_client());
	}
}
