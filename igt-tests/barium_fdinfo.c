// SPDX-License-Identifier: MIT
/**
 * TEST: barium fdinfo
 * Description: The memory that a client uses, in /proc/PID/fdinfo/FD, with the keys of the kernel's
 *   drm-usage-stats.rst.
 * Category: Core
 * Sub-category: DRM
 * Functionality: usage statistics
 *
 * SUBTEST: keys
 * Description: An idle client has all keys, and uses no memory.
 *
 * SUBTEST: sums
 * Description: The keys are the sums of the sizes of the objects of the client.
 *
 * SUBTEST: shared
 * Description: An exported object counts as shared, for both clients.
 *
 * SUBTEST: other-client
 * Description: The objects of another client do not count.
 *
 * SUBTEST: many-handles
 * Description: The keys count a thousand objects.
 *
 * SUBTEST: system
 * Description: The memory of objects in system memory has keys of its own.
 *
 * SUBTEST: purgeable
 * Description: The memory of objects that are not needed has keys.
 *
 * SUBTEST: copy-time
 * Description: The time in which an object is copied out of VRAM counts for the client that has
 *   created it, and not for the one that needs the room.
 *
 * SUBTEST: racing
 * Description: The keys are read while another thread creates and closes objects.
 *
 * SUBTEST: after-unbind
 * Description: After unbind, fdinfo has no keys of the driver.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_prime.h"
#include "barium_lib_race.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks the memory that clients use, in fdinfo.");

/* Objects of the subtest many-handles. */
#define MANY 1000
/* Pages of the objects of the subtest copy-time. */
#define COPIED 64
/* Reads of fdinfo in the subtest racing. */
#define READS 200

struct usage {
	bool is_barium;
	__u64 client;
	/* In bytes; UINT64_MAX if the key is missing. */
	__u64 total, resident, shared;
};

static struct usage read_usage(int fd)
{
	struct usage usage = { .total = UINT64_MAX, .resident = UINT64_MAX, .shared = UINT64_MAX };
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	file = fopen(path, "r");
	igt_assert(file);
	while (fgets(line, sizeof(line), file)) {
		char *value = strchr(line, '\t');

		if (!value)
			continue;
		*value++ = '\0';
		if (!strcmp(line, "drm-driver:"))
			usage.is_barium = !strcmp(value, "barium\n");
		else if (!strcmp(line, "drm-client-id:"))
			usage.client = strtoull(value, NULL, 10);
		else if (!strcmp(line, "drm-total-vram:"))
			usage.total = barium_size_of(value);
		else if (!strcmp(line, "drm-resident-vram:"))
			usage.resident = barium_size_of(value);
		else if (!strcmp(line, "drm-shared-vram:"))
			usage.shared = barium_size_of(value);
	}
	fclose(file);
	return usage;
}

static void check_usage(int fd, __u64 total, __u64 shared)
{
	struct usage usage = read_usage(fd);

	igt_assert(usage.is_barium);
	igt_assert_eq_u64(usage.total, total);
	igt_assert_eq_u64(usage.resident, total);
	igt_assert_eq_u64(usage.shared, shared);
}

static void test_keys(int fd)
{
	int other = barium_reopen(fd, O_RDWR);

	check_usage(fd, 0, 0);
	check_usage(other, 0, 0);
	igt_assert(read_usage(fd).client != read_usage(other).client);
	igt_assert_eq_u64(barium_copy_time(fd), 0);
}

static void test_sums(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo first, second;

	first = barium_bo_create(fd, 3);
	check_usage(fd, 3 * page, 0);
	second = barium_bo_create(fd, 512);
	check_usage(fd, 515 * page, 0);
	barium_bo_fini(fd, &first);
	check_usage(fd, 512 * page, 0);
	barium_bo_fini(fd, &second);
	check_usage(fd, 0, 0);
}

static void test_shared(int fd)
{
	int other = barium_reopen(fd, O_RDWR), buf;
	size_t page = barium_page_size();
	__u32 handle, imported;

	barium_gem_create(fd, page);
	handle = barium_gem_create(fd, 4 * page);
	buf = barium_export(fd, handle);
	check_usage(fd, 5 * page, 4 * page);
	imported = barium_import(other, buf);
	check_usage(other, 4 * page, 4 * page);
	igt_assert_eq(__barium_gem_close(other, imported), 0);
	check_usage(other, 0, 0);
}

static void test_other_client(int fd)
{
	int other = barium_reopen(fd, O_RDWR);

	barium_gem_create(other, 7 * barium_page_size());
	check_usage(fd, 0, 0);
	check_usage(other, 7 * barium_page_size(), 0);
}

static void test_many_handles(int fd)
{
	size_t page = barium_page_size();
	__u32 handles[MANY];
	size_t i;

	for (i = 0; i < MANY; i++)
		handles[i] = barium_gem_create(fd, page);
	check_usage(fd, MANY * page, 0);
	for (i = 0; i < MANY; i += 2)
		igt_assert_eq(__barium_gem_close(fd, handles[i]), 0);
	check_usage(fd, MANY / 2 * page, 0);
}

static void check_system_usage(int fd, __u64 total, __u64 resident, __u64 shared)
{
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-total-memory"), total);
	igt_assert_eq_u64(barium_in_memory(fd), resident);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-shared-memory"), shared);
}

static void test_system(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo bo;

	check_system_usage(fd, 0, 0, 0);
	bo = barium_bo_create_with(fd, 8, BARIUM_GEM_CREATE_SYSTEM);
	check_system_usage(fd, 8 * page, 0, 0);
	WRITE_ONCE(bo.map[5 * page], 1);
	READ_ONCE(bo.map[2 * page]);
	check_system_usage(fd, 8 * page, 2 * page, 0);
	barium_export(fd, bo.handle);
	check_system_usage(fd, 8 * page, 2 * page, 8 * page);
	check_usage(fd, 0, 0);
	barium_stamp(bo.map, 0, 8, 1);
	check_system_usage(fd, 8 * page, 8 * page, 8 * page);
	barium_bo_fini(fd, &bo);
	check_system_usage(fd, 0, 0, 0);
}

static void check_purgeable(int fd, __u64 vram, __u64 memory)
{
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-purgeable-vram"), vram);
	igt_assert_eq_u64(barium_client_bytes(fd, "drm-purgeable-memory"), memory);
}

static void test_purgeable(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 8, BARIUM_GEM_CREATE_SYSTEM);
	struct barium_bo in_vram = barium_bo_create_with(fd, 4, 0);
	size_t page = barium_page_size();

	check_purgeable(fd, 0, 0);
	barium_madvise(fd, in_vram.handle, BARIUM_MADVISE_DONTNEED);
	barium_madvise(fd, bo.handle, BARIUM_MADVISE_DONTNEED);
	/* It has no memory yet. */
	check_purgeable(fd, 4 * page, 0);
	WRITE_ONCE(bo.map[0], 1);
	WRITE_ONCE(bo.map[7 * page], 1);
	check_purgeable(fd, 4 * page, 2 * page);
	check_system_usage(fd, 8 * page, 2 * page, 0);
	/* The object keeps its dma-buf, so its content is needed. */
	close(barium_export(fd, in_vram.handle));
	check_purgeable(fd, 0, 2 * page);
	barium_madvise(fd, bo.handle, BARIUM_MADVISE_WILLNEED);
	check_purgeable(fd, 0, 0);
	barium_bo_fini(fd, &in_vram);
	barium_bo_fini(fd, &bo);
}

static void test_copy_time(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo bo = barium_bo_create_with(fd, COPIED, 0);
	double elapsed;
	__u64 ns;

	/* An object that was never mapped has no content to copy. */
	barium_gem_create(other, COPIED * barium_page_size());
	barium_stamp(bo.map, 0, COPIED, 1);
	igt_assert_eq_u64(barium_copy_time(fd), 0);
	elapsed = barium_now();
	barium_move_out(fd);
	elapsed = barium_now() - elapsed;
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	ns = barium_copy_time(fd);
	igt_assert(ns > 0);
	igt_assert(ns / 1e9 <= elapsed);
	igt_assert_eq_u64(barium_copy_time(other), 0);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_copy_time(fd), ns);
}

struct churn {
	int fd;
	bool stop;
};

/* Always has one or two objects. */
static void *create_and_close(void *data)
{
	struct churn *churn = data;
	__u32 last = barium_gem_create(churn->fd, barium_page_size());

	while (!READ_ONCE(churn->stop)) {
		__u32 next = barium_gem_create(churn->fd, barium_page_size());

		__barium_gem_close(churn->fd, last);
		last = next;
	}
	return NULL;
}

static void test_racing(int fd)
{
	struct churn churn = { .fd = fd };
	__u64 page = barium_page_size();
	pthread_t thread;
	int i;

	igt_assert_eq(pthread_create(&thread, NULL, create_and_close, &churn), 0);
	while (!read_usage(fd).total)
		sched_yield();
	for (i = 0; i < READS; i++) {
		struct usage usage = read_usage(fd);

		igt_assert(usage.total == page || usage.total == 2 * page);
		igt_assert_eq_u64(usage.resident, usage.total);
	}
	WRITE_ONCE(churn.stop, true);
	pthread_join(thread, NULL);
	check_usage(fd, page, 0);
}

static void test_after_unbind(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);

	barium_unbind();
	igt_assert(!read_usage(fd).is_barium);
	igt_assert_eq_u64(read_usage(fd).total, UINT64_MAX);
	barium_bind();
	barium_bo_unmap(&bo);
}

int igt_main()
{
	igt_describe("An idle client has all keys, and uses no memory.");
	igt_subtest("keys")
		test_keys(barium_new_client());

	igt_describe("The keys are the sums of the sizes of the objects of the client.");
	igt_subtest("sums")
		test_sums(barium_new_client());

	igt_describe("An exported object counts as shared, for both clients.");
	igt_subtest("shared")
		test_shared(barium_new_client());

	igt_describe("The objects of another client do not count.");
	igt_subtest("other-client")
		test_other_client(barium_new_client());

	igt_describe("The keys count a thousand objects.");
	igt_subtest("many-handles")
		test_many_handles(barium_new_client());

	igt_describe("The memory of objects in system memory has keys of its own.");
	igt_subtest("system")
		test_system(barium_new_client());

	igt_describe("The memory of objects that are not needed has keys.");
	igt_subtest("purgeable")
		test_purgeable(barium_new_client());

	igt_describe("The time of a copy counts for the client that has created the object.");
	igt_subtest("copy-time")
		test_copy_time(barium_new_client());

	igt_describe("The keys are read while another thread creates and closes objects.");
	igt_subtest("racing")
		test_racing(barium_new_client());

	igt_fixture()
		barium_prepare_unplug();

	igt_describe("After unbind, fdinfo has no keys of the driver.");
	igt_subtest("after-unbind")
		test_after_unbind(barium_new_bound_client());
}
