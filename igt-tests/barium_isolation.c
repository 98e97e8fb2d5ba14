// SPDX-License-Identifier: MIT
/*
 * What a client can find out of another's objects: nothing. Tested by trying: every handle, every
 * offset, every name; VRAM that somebody had before; and each byte of what the kernel answers.
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

IGT_TEST_DESCRIPTION("Attempts of a client to reach what belongs to another.");

#define RW (PROT_READ | PROT_WRITE)
#define OBJECTS 16
/* Handles and names are small numbers, given out from 1 on. */
#define GUESSES 512
/* Page of a device's file from which on objects are found (DRM_FILE_PAGE_OFFSET_START). */
#define FIRST_OFFSET 0x100000ull
/* How far beyond the last object the sweep goes, in pages. */
#define BEYOND 2048
/* What the tests fill memory with that they want to recognise. */
#define POISON 0xa5

struct owner {
	int fd;
	struct barium_bo bos[OBJECTS];
};

/* A client with objects of several sizes, all with content. */
static struct owner make_owner(int fd)
{
	struct owner owner = { .fd = barium_reopen(fd, O_RDWR) };
	size_t i;

	for (i = 0; i < OBJECTS; i++) {
		owner.bos[i] = barium_bo_create(owner.fd, 1 + i * i);
		barium_stamp(owner.bos[i].map, 0, 1 + i * i, i);
	}
	return owner;
}

/* Asserts that nobody has touched its objects, and takes them away. */
static void end_owner(struct owner *owner)
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

static void handles_swept(int fd)
{
	struct owner owner = make_owner(fd);
	struct drm_barium_gem_info info;
	__u64 offset;
	__u32 handle;

	for (handle = 0; handle < GUESSES; handle++) {
		igt_assert_eq(__barium_gem_info(fd, handle, &info), -ENOENT);
		igt_assert_eq_u64(info.size, 0);
		igt_assert_eq(__barium_gem_mmap_offset(fd, handle, &offset), -ENOENT);
		igt_assert_eq_u64(offset, 0);
		igt_assert_eq(__barium_gem_export(fd, handle, DRM_RDWR), -ENOENT);
		igt_assert_eq(__barium_gem_close(fd, handle), -EINVAL);
	}
	end_owner(&owner);
}

/* How many pages of @fd's file can be mapped from FIRST_OFFSET to @last. */
static int sweep(int fd, __u64 last)
{
	size_t page = barium_page_size();
	int found = 0;
	__u64 pgoff;
	void *map;

	for (pgoff = FIRST_OFFSET - 16; pgoff <= last; pgoff++) {
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

/* The owner finds the start of each object by the same sweep: it does pass them. */
static void offsets_swept(int fd)
{
	struct owner owner = make_owner(fd);
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
	end_owner(&owner);
}

/* A mapping of the sweeping client's own that is too long does not reach what lies behind. */
static void next_object(int fd)
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

static void names_swept(int fd)
{
	struct drm_gem_flink flink = {};
	struct drm_gem_open open = {};
	struct owner owner = make_owner(fd);
	int primary = barium_open_primary();

	for (open.name = 0; open.name < GUESSES; open.name++) {
		igt_assert_eq(barium_ioctl(primary, DRM_IOCTL_GEM_OPEN, &open), -ENOENT);
		igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_GEM_OPEN, &open), -EACCES);
	}
	flink.handle = barium_gem_create(fd, barium_page_size());
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_GEM_FLINK, &flink), -EACCES);
	close(primary);
	end_owner(&owner);
}

static void nodes_apart(int fd)
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

/* Sizes in pages: kept by the driver after they are closed, not kept, and with huge entries. */
static const size_t victims[] = { 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 16, 16, 17, 40, 513, 700 };

struct victim {
	int fd;
	bool *writing;
};

/* Writes to objects of all those sizes until it is killed. */
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

/* Takes all of VRAM in objects of @pages pages each, and the rest in one; all have to be zero. */
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

/* Whoever comes next gets what the victim had, in sizes of which the first are the victim's. */
static void killed(int fd)
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

/* Leaves all of VRAM full of POISON, in objects of one page that were closed, and in large ones. */
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

/* What an object has more than was asked for is as clean as the rest. */
static void rounded_tail(int fd)
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

/* Each ioctl, an argument that it takes, and which bytes of that its answer is documented to be. */
struct reply {
	unsigned long request;
	size_t size;
	size_t first;
	size_t length;
	bool has_handle;
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
		.arg = { 4096 },
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
};

/* Room for an argument that has grown beyond what the kernel keeps on its stack. */
#define GROWN 4096
/* Stands for the size that an argument has. */
#define EXACT SIZE_MAX

/* Makes a call of @reply with an argument of @size bytes: what goes in and what came out. */
static int call(int fd, const struct reply *reply, unsigned int dir, size_t size, __u8 *in,
		__u8 *out)
{
	__u32 handle = reply->has_handle ? barium_gem_create(fd, barium_page_size()) : 0;
	int err;

	memset(in, POISON, GROWN);
	memcpy(in, reply->arg, reply->size);
	if (handle)
		memcpy(in, &handle, sizeof(handle));
	memcpy(out, in, GROWN);
	err = barium_ioctl(fd, _IOC(dir, DRM_IOCTL_BASE, _IOC_NR(reply->request), size), out);
	if (handle)
		gem_close(fd, handle);
	return err;
}

/*
 * Asserts that all bytes but the documented ones of the @size that were asked for are as they were,
 * or 0 if @or_zero.
 */
static void check_reply(const struct reply *reply, size_t size, const __u8 *in, const __u8 *out,
			bool or_zero)
{
	size_t i;

	for (i = 0; i < GROWN; i++) {
		if (reply->first <= i && i < reply->first + reply->length && i < size)
			continue;
		igt_assert_f(out[i] == in[i] || (or_zero && !out[i]),
			     "ioctl %#lx answers %#x in byte %zu\n", _IOC_NR(reply->request),
			     out[i], i);
	}
}

static const unsigned int directions[] = {
	_IOC_NONE, _IOC_READ, _IOC_WRITE, _IOC_READ | _IOC_WRITE,
};

/* All calls, each with an argument of @wanted bytes, or of as many as it has. */
static void replies_checked(int fd, size_t wanted)
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

static void reply_exact(int fd)
{
	replies_checked(fd, EXACT);
}

static void reply_grown(int fd)
{
	replies_checked(fd, 64);
	replies_checked(fd, 200);
	replies_checked(fd, GROWN);
}

static void reply_shrunk(int fd)
{
	size_t size;

	for (size = 0; size < sizeof(struct drm_barium_map_ahead); size += 4)
		replies_checked(fd, size);
}

/* A call that fails answers nothing. */
static void reply_refused(int fd)
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

static const struct barium_subtest tests[] = {
	{ "handles-swept", "No handle names another client's object.", handles_swept },
	{ "offsets-swept", "No offset maps another client's object.", offsets_swept },
	{ "next-object", "No mapping reaches the object behind its own.", next_object },
	{ "names-swept", "No name opens an object that was not given one.", names_swept },
	{ "nodes-apart", "Objects of one node are not reached through the other.", nodes_apart },
	{ "killed-while-writing", "What a killed client had in VRAM is zero for whoever is next.",
	  killed },
	{ "rounded-tail", "The bytes between wanted and rounded size are zero.", rounded_tail },
	{ "reply-exact", "An answer has no byte but those that are documented.", reply_exact },
	{ "reply-grown", "Nor has it if there is more room than the kernel needs.", reply_grown },
	{ "reply-shrunk", "Nor has it if there is less.", reply_shrunk },
	{ "reply-refused", "An error answers nothing.", reply_refused },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
