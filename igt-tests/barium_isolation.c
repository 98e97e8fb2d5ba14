// SPDX-License-Identifier: MIT
/**
 * TEST: barium isolation
 * Description: Isolation of clients: attempts to reach another client's objects by every handle,
 *   fake offset and name; VRAM that another client used before; and each byte that ioctls return.
 * Category: Core
 * Sub-category: DRM
 * Functionality: isolation of clients
 *
 * SUBTEST: handles-swept
 * Description: No handle refers to another client's object.
 *
 * SUBTEST: offsets-swept
 * Description: No fake offset maps another client's object.
 *
 * SUBTEST: next-object
 * Description: No mapping reaches beyond the end of its object.
 *
 * SUBTEST: names-swept
 * Description: No flink name opens an object without a name.
 *
 * SUBTEST: nodes-apart
 * Description: A client of one node does not reach objects of the other node.
 *
 * SUBTEST: killed-while-writing
 * Description: VRAM of a killed client is zero in new objects.
 *
 * SUBTEST: rounded-tail
 * Description: The bytes between the requested and the rounded size are zero.
 *
 * SUBTEST: reply-exact
 * Description: Ioctls change only the documented bytes of their argument.
 *
 * SUBTEST: reply-grown
 * Description: Ioctls change only the documented bytes of a longer argument.
 *
 * SUBTEST: reply-shrunk
 * Description: Ioctls change only the documented bytes of a shorter argument.
 *
 * SUBTEST: reply-refused
 * Description: Ioctls that fail do not change their argument.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Checks that a client cannot reach another client's data.");

#define RW (PROT_READ | PROT_WRITE)
#define OBJECTS 16
/* Handles and flink names are allocated from 1 upwards. */
#define GUESSES 512
/* The number of pages after the last object that the sweep tries. */
#define BEYOND 2048
/* The byte that marks memory of a client. */
#define POISON 0xa5

struct owner {
	int fd;
	struct barium_bo bos[OBJECTS];
};

/* Opens a client and creates stamped objects of several sizes. */
static struct owner create_owner(int fd)
{
	struct owner owner = { .fd = barium_reopen(fd, O_RDWR) };
	size_t i;

	for (i = 0; i < OBJECTS; i++) {
		owner.bos[i] = barium_bo_create(owner.fd, 1 + i * i);
		barium_stamp(owner.bos[i].map, 0, 1 + i * i, i);
	}
	return owner;
}

/* Asserts that the objects are unchanged, and frees them. */
static void check_and_free_owner(struct owner *owner)
{
	struct drm_barium_gem_info info;
	size_t i;

	for (i = 0; i < OBJECTS; i++) {
		barium_gem_info(owner->fd, owner->bos[i].handle, &info);
		igt_assert_eq_u64(info.size, owner->bos[i].size);
		barium_check_stamp(owner->bos[i].map, 0, 1 + i * i, i);
		barium_bo_fini(owner->fd, &owner->bos[i]);
	}
	close(owner->fd);
}

static void test_handles_swept(int fd)
{
	struct owner owner = create_owner(fd);
	struct drm_barium_gem_info info;
	__u32 handle, retained;
	__u64 offset;

	for (handle = 0; handle < GUESSES; handle++) {
		igt_assert_eq(__barium_gem_info(fd, handle, &info), -ENOENT);
		igt_assert_eq_u64(info.size, 0);
		igt_assert_eq(__barium_gem_mmap_offset(fd, handle, &offset), -ENOENT);
		igt_assert_eq_u64(offset, 0);
		igt_assert_eq(__barium_gem_export(fd, handle, DRM_RDWR), -ENOENT);
		igt_assert_eq(__barium_madvise(fd, handle, BARIUM_MADVISE_DONTNEED, &retained),
			      -ENOENT);
		igt_assert_eq_u32(retained, 0);
		igt_assert_eq(__barium_gem_close(fd, handle), -EINVAL);
	}
	check_and_free_owner(&owner);
}

/* Counts the page offsets up to @last that @fd can map. */
static int sweep(int fd, __u64 last)
{
	size_t page = barium_page_size();
	/* The page offset of the first object (DRM_FILE_PAGE_OFFSET_START). */
	__u64 first = (1ull << 32) / page;
	int found = 0;
	__u64 pgoff;
	void *map;

	for (pgoff = first - 16; pgoff <= last; pgoff++) {
		int err = __barium_mmap(fd, page, PROT_READ, MAP_SHARED, pgoff * page, &map);

		if (!err) {
			found++;
			munmap(map, page);
		} else {
			igt_assert(err == -EACCES || err == -EINVAL);
		}
	}
	return found;
}

/* The same sweep by the owner finds each object, so the sweep covers them all. */
static void test_offsets_swept(int fd)
{
	struct owner owner = create_owner(fd);
	size_t page = barium_page_size(), i;
	__u64 last = 0;
	unsigned int bit;
	void *map;

	for (i = 0; i < OBJECTS; i++)
		last = owner.bos[i].offset > last ? owner.bos[i].offset : last;
	last = last / page + BEYOND;

	igt_assert_eq(sweep(fd, last), 0);
	igt_assert_eq(sweep(owner.fd, last), OBJECTS);
	for (bit = 12; bit < 64; bit++)
		igt_assert_neq(__barium_mmap(fd, page, PROT_READ, MAP_SHARED, 1ull << bit, &map),
			       0);
	check_and_free_owner(&owner);
}

/* The objects of the two clients may be adjacent in VRAM. */
static void test_next_object(int fd)
{
	int other = barium_reopen(fd, O_RDWR), i;
	size_t page = barium_page_size();
	struct barium_bo own, foreign;
	__u8 *map;

	for (i = 0; i < 8; i++) {
		own = barium_bo_create(fd, 1);
		foreign = barium_bo_create(other, 4);
		memset(foreign.map, POISON, foreign.size);
		igt_assert_eq(__barium_mmap(fd, 2 * page, RW, MAP_SHARED, own.offset,
					    (void **)&map), -EINVAL);
		map = mremap(own.map, page, 2 * page, MREMAP_MAYMOVE);
		igt_assert(map == MAP_FAILED);
		barium_check_zero(own.map, page);
	}
	close(other);
}

static void test_names_swept(int fd)
{
	struct drm_gem_flink flink = {};
	struct drm_gem_open open = {};
	struct owner owner = create_owner(fd);
	int primary = barium_open_primary();

	for (open.name = 0; open.name < GUESSES; open.name++) {
		do_ioctl_err(primary, DRM_IOCTL_GEM_OPEN, &open, ENOENT);
		do_ioctl_err(fd, DRM_IOCTL_GEM_OPEN, &open, EACCES);
	}
	flink.handle = barium_gem_create(fd, barium_page_size());
	do_ioctl_err(fd, DRM_IOCTL_GEM_FLINK, &flink, EACCES);
	close(primary);
	check_and_free_owner(&owner);
}

static void test_nodes_apart(int fd)
{
	int primary = barium_open_primary();
	struct barium_bo bo = barium_bo_create(primary, 1), own = barium_bo_create(fd, 1);
	struct drm_barium_gem_info info;

	barium_mmap_refused(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, EACCES);
	barium_mmap_refused(primary, own.size, PROT_READ, MAP_SHARED, own.offset, EACCES);
	gem_close(fd, own.handle);
	own.handle = 0;
	igt_assert_eq(__barium_gem_info(fd, bo.handle, &info), -ENOENT);
	barium_gem_info(primary, bo.handle, &info);
	barium_bo_fini(primary, &bo);
	barium_bo_fini(fd, &own);
	close(primary);
}

/* Sizes in pages: some that the driver caches, some that it frees, and some with huge PMDs. */
static const size_t victims[] = { 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 16, 16, 17, 40, 513, 700 };

struct victim {
	int fd;
	bool *writing;
};

/* Writes to objects of these sizes until the process is killed. */
static void write_until_killed(struct victim *victim)
{
	int fd = barium_reopen(victim->fd, O_RDWR);
	struct barium_bo bos[ARRAY_SIZE(victims)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(victims); i++) {
		bos[i] = barium_bo_create(fd, victims[i]);
		memset(bos[i].map, POISON, bos[i].size);
	}
	for (;;) {
		for (i = 0; i < ARRAY_SIZE(victims); i++)
			memset(bos[i].map, POISON, bos[i].size);
		WRITE_ONCE(*victim->writing, true);
	}
}

/* Asserts that all VRAM is zero: creates @count objects of @pages pages, and one of the rest. */
static void check_all_zero(int fd, size_t pages, size_t count)
{
	int other = barium_reopen(fd, O_RDWR);
	size_t i, page = barium_page_size();

	for (i = 0; i < count; i++) {
		struct barium_bo bo = barium_bo_create(other, pages);

		barium_check_zero(bo.map, bo.size);
		barium_munmap(bo.map, bo.size);
	}
	while (barium_vram_available(other)) {
		struct barium_bo bo = barium_bo_create(other, barium_vram_available(other) / page);

		barium_check_zero(bo.map, bo.size);
		barium_munmap(bo.map, bo.size);
	}
	close(other);
}

/* The first new objects have the sizes of the closed ones, so the driver can reuse these. */
static void test_killed_while_writing(int fd)
{
	static const size_t next[] = { 1, 16, 2, 513, 17, 3 };
	__u64 before = barium_vram_available(fd);
	struct victim victim = { .fd = fd };
	size_t i;
	pid_t pid;

	victim.writing = mmap(NULL, sizeof(bool), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	igt_assert(victim.writing != MAP_FAILED);
	for (i = 0; i < ARRAY_SIZE(next); i++) {
		*victim.writing = false;
		pid = fork();
		igt_assert_lte(0, pid);
		if (!pid)
			write_until_killed(&victim);

		while (!READ_ONCE(*victim.writing) && !waitpid(pid, NULL, WNOHANG))
			usleep(1000);
		usleep(1700 * i);
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		igt_assert(*victim.writing);
		igt_assert_eq_u64(barium_vram_available(fd), before);
		check_all_zero(fd, next[i], 3);
	}
	munmap(victim.writing, sizeof(bool));
}

/* Fills all VRAM with POISON, in small and in large objects, and frees it. */
static void dirty_vram(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	size_t page = barium_page_size(), i;

	for (i = 0; i < 40; i++) {
		struct barium_bo bo = barium_bo_create(other, 1 + i % 18);

		memset(bo.map, POISON, bo.size);
		barium_munmap(bo.map, bo.size);
	}
	while (barium_vram_available(other)) {
		struct barium_bo bo = barium_bo_create(other, barium_vram_available(other) / page);

		memset(bo.map, POISON, bo.size);
		barium_munmap(bo.map, bo.size);
	}
	close(other);
}

static void test_rounded_tail(int fd)
{
	size_t page = barium_page_size(), i, j;
	const __u64 wanted[] = {
		1, page - 1, page + 1, 3 * page + 5, 16 * page - 1, 16 * page + 1,
		512 * page + 1, 600 * page - 7,
	};

	for (i = 0; i < ARRAY_SIZE(wanted); i++) {
		for (j = 0; j < 2; j++) {
			__u32 flags = j ? BARIUM_GEM_CREATE_CONTIGUOUS : 0, handle;
			__u64 size = wanted[i];
			void *map;

			dirty_vram(fd);
			igt_assert_eq(__barium_gem_create(fd, &size, flags, &handle), 0);
			igt_assert_lt_u64(wanted[i], size);
			map = barium_mmap(fd, handle, size);
			barium_check_zero(map, size);
			memset(map, POISON, size);
			barium_munmap(map, size);
			gem_close(fd, handle);
		}
	}
}

/* An ioctl, a valid argument, and the range of bytes that the ioctl is documented to write. */
struct reply {
	unsigned long request;
	size_t size;
	size_t first;
	size_t length;
	bool has_handle;
	bool has_size;
	__u64 arg[3];
};

static const struct reply replies[] = {
	{
		.request = DRM_IOCTL_BARIUM_GET_PARAM,
		.size = sizeof(struct drm_barium_get_param),
		.first = offsetof(struct drm_barium_get_param, value),
		.length = sizeof(__u64),
		.arg = { BARIUM_PARAM_VRAM_SIZE },
	},
	{
		.request = DRM_IOCTL_BARIUM_GEM_CREATE,
		.size = sizeof(struct drm_barium_gem_create),
		.first = offsetof(struct drm_barium_gem_create, handle),
		.length = sizeof(__u32),
		.has_size = true,
	},
	{
		.request = DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET,
		.size = sizeof(struct drm_barium_gem_mmap_offset),
		.first = offsetof(struct drm_barium_gem_mmap_offset, offset),
		.length = sizeof(__u64),
		.has_handle = true,
	},
	{
		.request = DRM_IOCTL_BARIUM_GEM_INFO,
		.size = sizeof(struct drm_barium_gem_info),
		.first = offsetof(struct drm_barium_gem_info, flags),
		.length = sizeof(__u32) + sizeof(__u64),
		.has_handle = true,
	},
	{
		.request = DRM_IOCTL_BARIUM_MAP_AHEAD,
		.size = sizeof(struct drm_barium_map_ahead),
	},
	{
		.request = DRM_IOCTL_BARIUM_GEM_MADVISE,
		.size = sizeof(struct drm_barium_gem_madvise),
		.first = offsetof(struct drm_barium_gem_madvise, retained),
		.length = sizeof(__u32),
		.has_handle = true,
	},
};

/* The longest argument. drm_ioctl() keeps arguments of up to 128 bytes on its stack. */
#define GROWN 4096
/* Requests the size of the structure itself. */
#define EXACT SIZE_MAX

/* Calls the ioctl with an argument of @size bytes, and returns its bytes before and after. */
static int call(int fd, const struct reply *reply, unsigned int dir, size_t size, __u8 *in,
		__u8 *out)
{
	__u32 handle = reply->has_handle ? barium_gem_create(fd, barium_page_size()) : 0;
	__u64 page = barium_page_size();
	int err;

	memset(in, POISON, GROWN);
	memcpy(in, reply->arg, reply->size);
	if (reply->has_size)
		memcpy(in, &page, sizeof(page));
	if (handle)
		memcpy(in, &handle, sizeof(handle));
	memcpy(out, in, GROWN);
	err = barium_ioctl(fd, _IOC(dir, DRM_IOCTL_BASE, _IOC_NR(reply->request), size), out);
	if (handle)
		gem_close(fd, handle);
	return err;
}

/*
 * Asserts that all bytes except the documented ones within @size are unchanged. With @or_zero, they
 * may also be 0.
 */
static void check_reply(const struct reply *reply, size_t size, const __u8 *in, const __u8 *out,
			bool or_zero)
{
	size_t i;

	for (i = 0; i < GROWN; i++) {
		if (reply->first <= i && i < reply->first + reply->length && i < size)
			continue;
		igt_assert_f(out[i] == in[i] || (or_zero && !out[i]),
			     "ioctl %#lx writes %#x to byte %zu\n", _IOC_NR(reply->request),
			     out[i], i);
	}
}

static const unsigned int directions[] = {
	_IOC_NONE, _IOC_READ, _IOC_WRITE, _IOC_READ | _IOC_WRITE,
};

/* Checks all ioctls, each with an argument of @wanted bytes, or of its own size if EXACT. */
static void check_replies(int fd, size_t wanted)
{
	__u8 *in = malloc(GROWN), *out = malloc(GROWN);
	size_t i, j, size;

	igt_assert(in && out);
	for (i = 0; i < ARRAY_SIZE(replies); i++) {
		size = wanted == EXACT ? replies[i].size : wanted;
		for (j = 0; j < ARRAY_SIZE(directions); j++) {
			call(fd, &replies[i], directions[j], size, in, out);
			check_reply(&replies[i], size, in, out, directions[j] == _IOC_READ);
		}
	}
	free(in);
	free(out);
}

static void test_reply_refused(int fd)
{
	__u8 in[GROWN], out[GROWN];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(replies); i++) {
		struct reply reply = replies[i];
		int err;

		reply.first = 0;
		reply.length = 0;
		reply.has_handle = false;
		memset(reply.arg, 0xff, sizeof(reply.arg));
		err = call(fd, &reply, _IOC_READ | _IOC_WRITE, reply.size, in, out);
		igt_assert(err == -EINVAL || err == -ENOENT || err == -EFAULT);
		check_reply(&reply, reply.size, in, out, false);
	}
}

int igt_main()
{
	igt_describe("No handle refers to another client's object.");
	igt_subtest("handles-swept")
		test_handles_swept(barium_new_client());

	igt_describe("No fake offset maps another client's object.");
	igt_subtest("offsets-swept")
		test_offsets_swept(barium_new_client());

	igt_describe("No mapping reaches beyond the end of its object.");
	igt_subtest("next-object")
		test_next_object(barium_new_client());

	igt_describe("No flink name opens an object without a name.");
	igt_subtest("names-swept")
		test_names_swept(barium_new_client());

	igt_describe("A client of one node does not reach objects of the other node.");
	igt_subtest("nodes-apart")
		test_nodes_apart(barium_new_client());

	igt_describe("VRAM of a killed client is zero in new objects.");
	igt_subtest("killed-while-writing")
		test_killed_while_writing(barium_new_client());

	igt_describe("The bytes between the requested and the rounded size are zero.");
	igt_subtest("rounded-tail")
		test_rounded_tail(barium_new_client());

	igt_describe("Ioctls change only the documented bytes of their argument.");
	igt_subtest("reply-exact")
		check_replies(barium_new_client(), EXACT);

	igt_describe("Ioctls change only the documented bytes of a longer argument.");
	igt_subtest("reply-grown") {
		int fd = barium_new_client();

		check_replies(fd, 64);
		check_replies(fd, 200);
		check_replies(fd, GROWN);
	}

	igt_describe("Ioctls change only the documented bytes of a shorter argument.");
	igt_subtest("reply-shrunk") {
		int fd = barium_new_client();
		size_t size;

		for (size = 0; size < sizeof(struct drm_barium_map_ahead); size += 4)
			check_replies(fd, size);
	}

	igt_describe("Ioctls that fail do not change their argument.");
	igt_subtest("reply-refused")
		test_reply_refused(barium_new_client());
}
