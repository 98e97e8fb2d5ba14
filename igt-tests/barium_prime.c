// SPDX-License-Identifier: MIT
/*
 * Objects that leave their file: as dma-bufs, by name, and into other processes. The rules of
 * mapping are the same on these ways.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <linux/dma-buf.h>
#include <linux/udmabuf.h>

#include "igt.h"
#include "barium_lib_mapping.h"

IGT_TEST_DESCRIPTION("Sharing of objects, and mappings of what was shared.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 8

/* Exports an object; skips where the driver has no export. */
static int export_with(int fd, __u32 handle, __u32 flags)
{
	int buf = __barium_gem_export(fd, handle, flags | DRM_CLOEXEC);

	igt_require_f(buf != -EOPNOTSUPP, "objects cannot be exported\n");
	igt_assert_lte(0, buf);
	return buf;
}

static int export(int fd, __u32 handle)
{
	return export_with(fd, handle, DRM_RDWR);
}

/* Maps @pages pages of a dma-buf from page @first on. */
static void *map_buf(int buf, size_t first, size_t pages)
{
	size_t page = barium_page_size();
	void *map;

	igt_assert_eq(__barium_mmap(buf, pages * page, RW, MAP_SHARED, first * page, &map), 0);
	return map;
}

static int __import(int fd, int buf, __u32 *handle)
{
	struct drm_prime_handle arg = { .fd = buf };
	int err = barium_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &arg);

	*handle = arg.handle;
	return err;
}

static __u32 import(int fd, int buf)
{
	__u32 handle;

	igt_assert_eq(__import(fd, buf, &handle), 0);
	return handle;
}

static void map_shared(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = export(fd, bo.handle);
	void *map = map_buf(buf, 0, PAGES);

	barium_check_zero(map, bo.size);
	barium_stamp(map, 0, PAGES, 1);
	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

/* The dma-buf is mapped before anyone asks for the object's offset. */
static void map_before_offset(int fd)
{
	size_t page = barium_page_size();
	__u32 other = barium_gem_create(fd, PAGES * page), handle;
	__u8 *map, *direct;
	int buf;

	barium_gem_mmap_offset(fd, other);
	handle = barium_gem_create(fd, PAGES * page);
	buf = export(fd, handle);
	map = map_buf(buf, 0, PAGES);
	barium_stamp(map, 0, 3, 1);

	direct = barium_mmap(fd, handle, PAGES * page);
	barium_check_stamp(direct, 0, 3, 1);
	barium_stamp(direct + 3 * page, 3, PAGES - 3, 1);
	barium_check_stamp(map, 0, PAGES, 1);

	barium_munmap(map, PAGES * page);
	barium_munmap(direct, PAGES * page);
	close(buf);
	gem_close(fd, handle);
	gem_close(fd, other);
}

static void map_at_offset(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size(), first;
	int buf = export(fd, bo.handle);
	void *map;

	barium_stamp(bo.map, 0, PAGES, 1);
	for (first = 1; first < PAGES; first++) {
		map = map_buf(buf, first, PAGES - first);
		barium_check_stamp(map, first, PAGES - first, 1);
		barium_munmap(map, (PAGES - first) * page);

		map = map_buf(buf, first, 1);
		barium_check_stamp(map, first, 1, 1);
		barium_munmap(map, page);
	}
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void map_at_offset_split(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();
	int buf = export(fd, bo.handle);
	__u8 *map = map_buf(buf, 1, PAGES - 1);

	barium_stamp(bo.map, 0, PAGES, 1);
	barium_munmap(map + 2 * page, page);
	barium_check_stamp(map, 1, 2, 1);
	barium_check_stamp(map + 3 * page, 4, PAGES - 4, 1);
	barium_munmap(map, (PAGES - 1) * page);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void map_past_end(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct barium_bo next = barium_bo_create(fd, PAGES);
	__u64 page = barium_page_size();
	int buf = export(fd, bo.handle);
	void *map;

	barium_mmap_refused(buf, bo.size + page, RW, MAP_SHARED, 0, EINVAL);
	barium_mmap_refused(buf, bo.size, RW, MAP_SHARED, page, EINVAL);
	barium_mmap_refused(buf, page, RW, MAP_SHARED, bo.size, EINVAL);
	barium_mmap_refused(buf, page, RW, MAP_SHARED, bo.offset, EINVAL);
	igt_assert_neq(__barium_mmap(buf, 2 * page, RW, MAP_SHARED, -page, &map), 0);
	close(buf);
	barium_bo_fini(fd, &next);
	barium_bo_fini(fd, &bo);
}

static void cow_refused_with(int fd, __u32 flags)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_WRITE, RW };
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = export_with(fd, bo.handle, flags);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(prots); i++) {
		barium_mmap_refused(buf, bo.size, prots[i], MAP_PRIVATE, 0, EINVAL);
		barium_mmap_refused(buf, barium_page_size(), prots[i], MAP_PRIVATE,
				    barium_page_size(), EINVAL);
	}
	close(buf);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void cow_refused(int fd)
{
	cow_refused_with(fd, DRM_RDWR);
}

static void cow_refused_read_only(int fd)
{
	cow_refused_with(fd, 0);
}

static void read_only(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = export_with(fd, bo.handle, 0);
	void *map;

	barium_mmap_refused(buf, bo.size, RW, MAP_SHARED, 0, EACCES);
	igt_assert_eq(__barium_mmap(buf, bo.size, PROT_READ, MAP_SHARED, 0, &map), 0);
	barium_stamp(bo.map, 0, PAGES, 1);
	barium_check_stamp(map, 0, PAGES, 1);
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	igt_assert_eq(mprotect(map, bo.size, RW), -1);
	igt_assert_eq(errno, EACCES);

	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void vm_flags(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = export(fd, bo.handle);
	void *map = map_buf(buf, 0, PAGES);

	barium_check_vm_flags(map);
	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void cache_mode(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = export(fd, bo.handle);
	__u8 *map = map_buf(buf, 0, PAGES);

	WRITE_ONCE(map[0], 1);
	barium_check_write_combining(map);
	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void debugger(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();
	int buf = export(fd, bo.handle), mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	void *map = map_buf(buf, 2, 2), *copy = malloc(2 * page);

	igt_assert(mem >= 0 && copy);
	barium_stamp(bo.map, 0, PAGES, 1);
	igt_assert_eq(pread(mem, copy, 2 * page, (uintptr_t)map), 2 * page);
	barium_check_stamp(copy, 2, 2, 1);
	close(mem);
	free(copy);
	barium_munmap(map, 2 * page);
	close(buf);
	barium_bo_fini(fd, &bo);
}

/* Handle and file are gone, the dma-buf is not. */
static void outlives_file(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo bo = barium_bo_create(other, PAGES);
	int buf = export(other, bo.handle);
	void *map;

	barium_stamp(bo.map, 0, PAGES, 1);
	barium_munmap(bo.map, bo.size);
	close(other);
	igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);

	map = map_buf(buf, 0, PAGES);
	close(buf);
	barium_check_stamp(map, 0, PAGES, 1);
	igt_assert_eq_u64(barium_vram_available(fd), before - bo.size);
	barium_munmap(map, bo.size);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void import_other_client(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct drm_barium_gem_info info;
	int other = barium_reopen(fd, O_RDWR), buf;
	__u32 handle;
	void *map;

	barium_mmap_refused(other, bo.size, RW, MAP_SHARED, bo.offset, EACCES);
	buf = export(fd, bo.handle);
	handle = import(other, buf);
	barium_gem_info(other, handle, &info);
	igt_assert_eq_u64(info.size, bo.size);

	map = barium_mmap(other, handle, bo.size);
	barium_stamp(map, 0, PAGES, 1);
	barium_check_stamp(bo.map, 0, PAGES, 1);
	barium_munmap(map, bo.size);

	gem_close(other, handle);
	barium_mmap_refused(other, bo.size, RW, MAP_SHARED, bo.offset, EACCES);
	close(buf);
	close(other);
	barium_bo_fini(fd, &bo);
}

static void import_same_client(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = export(fd, bo.handle);

	igt_assert_eq_u32(import(fd, buf), bo.handle);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void import_outlives_exporter(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR), buf;
	struct barium_bo bo = barium_bo_create(other, PAGES);
	__u32 handle;
	void *map;

	barium_stamp(bo.map, 0, PAGES, 1);
	barium_munmap(bo.map, bo.size);
	buf = export(other, bo.handle);
	handle = import(fd, buf);
	close(buf);
	close(other);

	map = barium_mmap(fd, handle, bo.size);
	barium_check_stamp(map, 0, PAGES, 1);
	barium_munmap(map, bo.size);
	gem_close(fd, handle);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void import_no_buffer(int fd)
{
	int ends[2];
	__u32 handle;

	igt_assert_eq(pipe(ends), 0);
	igt_assert_eq(__import(fd, ends[0], &handle), -EINVAL);
	igt_assert_eq(__import(fd, -1, &handle), -EBADF);
	close(ends[0]);
	close(ends[1]);
}

/* A dma-buf of @pages pages of system memory. */
static int make_udmabuf(size_t pages)
{
	struct udmabuf_create create = { .size = pages * barium_page_size() };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), buf;

	igt_require_f(dev >= 0, "this kernel has no udmabuf\n");
	create.memfd = memfd_create("barium_prime", MFD_ALLOW_SEALING);
	igt_assert_lte(0, create.memfd);
	igt_assert_eq(ftruncate(create.memfd, create.size), 0);
	igt_assert_eq(fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	buf = ioctl(dev, UDMABUF_CREATE, &create);
	igt_assert_lte(0, buf);

	close(create.memfd);
	close(dev);
	return buf;
}

/* Memory that is not VRAM is no object of this driver, neither to map nor to show. */
static void import_foreign_refused(int fd)
{
	int primary = barium_open_primary(), buf = make_udmabuf(PAGES);
	__u64 before = barium_vram_available(fd);
	__u32 handle;

	igt_assert_eq(__import(fd, buf, &handle), -EINVAL);
	igt_assert_eq_u32(handle, 0);
	igt_assert_eq(__import(primary, buf, &handle), -EINVAL);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	close(buf);
	close(primary);
}

static void import_vgem_refused(int fd)
{
	struct drm_mode_create_dumb dumb = { .width = 64, .height = 64, .bpp = 32 };
	int vgem = barium_load_and_open("vgem"), buf;
	__u32 handle;

	igt_assert_eq(barium_ioctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb), 0);
	buf = __barium_gem_export(vgem, dumb.handle, DRM_RDWR | DRM_CLOEXEC);
	igt_assert_lte(0, buf);
	igt_assert_eq(__import(fd, buf, &handle), -EINVAL);
	close(buf);
	close(vgem);
}

/* There is no way for another device to reach VRAM, and it is told so. */
static void attach_refused(int fd)
{
	int vgem = barium_load_and_open("vgem"), buf;
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u32 handle;

	buf = export(fd, bo.handle);
	barium_stamp(bo.map, 0, PAGES, 1);
	igt_assert_eq(__import(vgem, buf, &handle), -ENOSYS);
	barium_check_stamp(bo.map, 0, PAGES, 1);

	close(buf);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	close(vgem);
}

/* What a client does around its accesses has nothing to wait for, and is no error. */
static void sync_accesses(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = export(fd, bo.handle);
	void *map = map_buf(buf, 0, PAGES);
	struct dma_buf_sync sync = { .flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_START };

	igt_assert_eq(barium_ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync), 0);
	barium_stamp(map, 0, PAGES, 1);
	sync.flags = DMA_BUF_SYNC_RW | DMA_BUF_SYNC_END;
	igt_assert_eq(barium_ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync), 0);
	barium_check_stamp(bo.map, 0, PAGES, 1);

	barium_munmap(map, bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

static void export_unknown(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size());

	close(export(fd, handle));
	igt_assert_eq(__barium_gem_export(fd, handle + 1, DRM_RDWR), -ENOENT);
	igt_assert_eq(__barium_gem_export(fd, handle, 1u << 30), -EINVAL);
	gem_close(fd, handle);
	igt_assert_eq(__barium_gem_export(fd, handle, DRM_RDWR), -ENOENT);
}

static void export_size(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 5);
	int buf = export(fd, bo.handle);

	igt_assert_eq_u64(lseek(buf, 0, SEEK_END), bo.size);
	close(buf);
	barium_bo_fini(fd, &bo);
}

/* Sends @fd through @socket, or takes one from there if @fd is -1. */
static int pass_fd(int socket, int fd)
{
	union {
		char space[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {};
	char byte = 0;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.space,
		.msg_controllen = sizeof(control.space),
	};
	struct cmsghdr *header = CMSG_FIRSTHDR(&msg);

	if (fd >= 0) {
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(header), &fd, sizeof(int));
		igt_assert_eq(sendmsg(socket, &msg, 0), 1);
		return fd;
	}

	igt_assert_eq(recvmsg(socket, &msg, 0), 1);
	header = CMSG_FIRSTHDR(&msg);
	igt_assert(header && header->cmsg_type == SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(header), sizeof(int));
	return fd;
}

static void pass_buffer(int fd)
{
	int sockets[2], buf;
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo;
	void *map;

	igt_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	igt_fork(child, 1) {
		buf = pass_fd(sockets[1], -1);
		map = map_buf(buf, 0, PAGES);
		barium_check_stamp(map, 0, PAGES, 1);
		barium_stamp(map, 0, PAGES, 2);
	}

	bo = barium_bo_create(fd, PAGES);
	barium_stamp(bo.map, 0, PAGES, 1);
	buf = export(fd, bo.handle);
	pass_fd(sockets[0], buf);
	close(buf);
	igt_waitchildren();
	barium_check_stamp(bo.map, 0, PAGES, 2);

	close(sockets[0]);
	close(sockets[1]);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* A process that gets the file itself is the same client: its offsets are good there. */
static void pass_file(int fd)
{
	int sockets[2], other;
	struct barium_bo bo;
	void *map;

	igt_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	igt_fork(child, 1) {
		other = pass_fd(sockets[1], -1);
		igt_assert_eq(read(sockets[1], &bo, sizeof(bo)), sizeof(bo));
		igt_assert_eq(__barium_mmap(other, bo.size, RW, MAP_SHARED, bo.offset, &map), 0);
		barium_check_stamp(map, 0, PAGES, 1);
		barium_stamp(map, 0, PAGES, 2);
	}

	other = barium_reopen(fd, O_RDWR);
	bo = barium_bo_create(other, PAGES);
	barium_stamp(bo.map, 0, PAGES, 1);
	pass_fd(sockets[0], other);
	igt_assert_eq(write(sockets[0], &bo, sizeof(bo)), sizeof(bo));
	igt_waitchildren();
	barium_check_stamp(bo.map, 0, PAGES, 2);

	close(sockets[0]);
	close(sockets[1]);
	barium_bo_fini(other, &bo);
	close(other);
}

static void by_name(int fd)
{
	int primary = barium_open_primary(), other = barium_reopen(primary, O_RDWR), err;
	struct barium_bo bo = barium_bo_create(primary, PAGES);
	struct drm_gem_flink flink = { .handle = bo.handle };
	struct drm_gem_open by = {};
	__u64 before;
	void *map;

	err = barium_ioctl(primary, DRM_IOCTL_GEM_FLINK, &flink);
	igt_require_f(err != -EOPNOTSUPP && err != -EACCES, "objects cannot be named\n");
	igt_assert_eq(err, 0);
	by.name = flink.name;
	igt_assert_eq(barium_ioctl(other, DRM_IOCTL_GEM_OPEN, &by), 0);
	igt_assert_eq_u64(by.size, bo.size);

	before = barium_vram_available(fd);
	barium_stamp(bo.map, 0, PAGES, 1);
	barium_bo_fini(primary, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
	map = barium_mmap(other, by.handle, by.size);
	barium_check_stamp(map, 0, PAGES, 1);

	barium_munmap(map, by.size);
	close(other);
	close(primary);
	igt_assert_eq_u64(barium_vram_available(fd), before + by.size);
}

static const struct barium_subtest tests[] = {
	{ "map", "A mapping of a dma-buf shows the object.", map_shared },
	{ "map-before-offset", "A mapping that is older than the object's offset stays right.",
	  map_before_offset },
	{ "map-at-offset", "A dma-buf can be mapped from any page on.", map_at_offset },
	{ "map-at-offset-split", "A part of a dma-buf shows the right pages after a split.",
	  map_at_offset_split },
	{ "map-past-end", "A mapping that leaves the dma-buf is refused.", map_past_end },
	{ "cow-refused", "Private mappings of a dma-buf are refused.", cow_refused },
	{ "cow-refused-read-only", "Private mappings of a read-only dma-buf are refused.",
	  cow_refused_read_only },
	{ "read-only", "A read-only dma-buf gives a mapping that stays read-only.", read_only },
	{ "vm-flags", "The kernel knows a dma-buf's mapping as it knows the file's.", vm_flags },
	{ "cache-mode", "Pages of a dma-buf's mapping are write-combining.", cache_mode },
	{ "debugger", "A debugger sees the right pages of a dma-buf.", debugger },
	{ "outlives-file", "A dma-buf and its mapping outlive handle and file.", outlives_file },
	{ "import-other-client", "Another client may map what was given to it, and only then.",
	  import_other_client },
	{ "import-same-client", "What comes back to its client has its old handle.",
	  import_same_client },
	{ "import-outlives-exporter", "An imported object outlives the client that made it.",
	  import_outlives_exporter },
	{ "import-no-buffer", "What is no dma-buf is not imported.", import_no_buffer },
	{ "import-foreign-refused", "A dma-buf of system memory is not imported.",
	  import_foreign_refused },
	{ "import-vgem-refused", "A dma-buf of another DRM device is not imported.",
	  import_vgem_refused },
	{ "attach-refused", "Another device cannot use a dma-buf of VRAM.", attach_refused },
	{ "sync-accesses", "Accesses to a dma-buf may be announced.", sync_accesses },
	{ "export-unknown", "A handle that names nothing is not exported.", export_unknown },
	{ "export-size", "A dma-buf is as large as its object.", export_size },
	{ "pass-buffer", "A dma-buf works in a process that it was sent to.", pass_buffer },
	{ "pass-file", "Offsets are good in a process that the file was sent to.", pass_file },
	{ "by-name", "An object can be shared by name between primary clients.", by_name },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
