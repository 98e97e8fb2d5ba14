// SPDX-License-Identifier: MIT
/**
 * TEST: barium prime share
 * Description: Tests of sharing objects with other clients, processes and devices: as dma-bufs, by
 *   flink name, and by passing the device file.
 * Category: Core
 * Sub-category: DRM
 * Functionality: PRIME dma-bufs
 *
 * SUBTEST: import-other-client
 * Description: Another client can map an object only after importing it.
 *
 * SUBTEST: import-same-client
 * Description: Importing into the exporting client returns the same handle.
 *
 * SUBTEST: import-outlives-exporter
 * Description: An imported object outlives the exporting client.
 *
 * SUBTEST: import-no-buffer
 * Description: Importing a file that is not a dma-buf fails.
 *
 * SUBTEST: kernel-map-refused
 * Description: A driver that maps dma-bufs without attaching cannot map VRAM.
 *
 * SUBTEST: pass-buffer
 * Description: A process can map a dma-buf that it received from another one.
 *
 * SUBTEST: pass-file
 * Description: A process can use fake offsets of a file that it received.
 *
 * SUBTEST: by-name
 * Description: A primary client can open an object by its flink name.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "igt.h"
#include "igt_kmod.h"
#include "barium_lib_prime.h"

/* IGT refuses headers of the kernel that define _AC() before its own. */
#include <linux/videodev2.h>

IGT_TEST_DESCRIPTION("Sharing objects with clients, processes and devices.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 8

static void test_import_other_client(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct drm_barium_gem_info info;
	int other = barium_reopen(fd, O_RDWR), buf;
	__u32 handle;
	void *map;

	barium_mmap_refused(other, bo.size, RW, MAP_SHARED, bo.offset, EACCES);
	buf = barium_export(fd, bo.handle);
	handle = barium_import(other, buf);
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

static void test_import_outlives_exporter(int fd)
{
	__u64 before = barium_vram_available(fd);
	int other = barium_reopen(fd, O_RDWR), buf;
	struct barium_bo bo = barium_bo_create(other, PAGES);
	__u32 handle;
	void *map;

	barium_stamp(bo.map, 0, PAGES, 1);
	barium_munmap(bo.map, bo.size);
	buf = barium_export(other, bo.handle);
	handle = barium_import(fd, buf);
	close(buf);
	close(other);

	map = barium_mmap(fd, handle, bo.size);
	barium_check_stamp(map, 0, PAGES, 1);
	barium_munmap(map, bo.size);
	gem_close(fd, handle);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/*
 * Queues @buf as an output buffer of a V4L2 device, a page with pixels of 16 bits in at least 32
 * lines: 0 or -errno.
 */
static int queue_output(int video, int buf)
{
	struct v4l2_format format = { .type = V4L2_BUF_TYPE_VIDEO_OUTPUT };
	struct v4l2_requestbuffers request = {
		.type = V4L2_BUF_TYPE_VIDEO_OUTPUT,
		.memory = V4L2_MEMORY_DMABUF,
		.count = 1,
	};
	struct v4l2_buffer buffer = {
		.type = V4L2_BUF_TYPE_VIDEO_OUTPUT,
		.memory = V4L2_MEMORY_DMABUF,
		.field = V4L2_FIELD_NONE,
		.bytesused = barium_page_size(),
		.m.fd = buf,
	};

	format.fmt.pix.width = barium_page_size() > 16384 ? 256 : 64;
	format.fmt.pix.height = barium_page_size() / 2 / format.fmt.pix.width;
	format.fmt.pix.pixelformat = V4L2_PIX_FMT_RGB565;
	format.fmt.pix.field = V4L2_FIELD_NONE;
	do_ioctl(video, VIDIOC_S_FMT, &format);
	igt_assert_eq_u64(format.fmt.pix.sizeimage, barium_page_size());
	do_ioctl(video, VIDIOC_REQBUFS, &request);
	return barium_ioctl(video, VIDIOC_QBUF, &buffer);
}

/*
 * vim2m maps dma-bufs in the kernel without attaching to them, and userspace controls how long it
 * keeps the mapping. Such a mapping of VRAM would block unbind.
 */
static void test_kernel_map_refused(int fd)
{
	int memory = barium_make_udmabuf(1, NULL), buf, video;
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, 1);

	igt_require_f(igt_kmod_load("vim2m", NULL) == 0, "no module vim2m\n");
	buf = barium_export(fd, bo.handle);
	barium_stamp(bo.map, 0, 1, 1);

	video = open("/dev/video0", O_RDWR | O_CLOEXEC);
	igt_assert_lte(0, video);
	/* The V4L2 device accepts a dma-buf of system memory. */
	igt_assert_eq(queue_output(video, memory), 0);
	close(video);
	video = open("/dev/video0", O_RDWR | O_CLOEXEC);
	igt_assert_lte(0, video);
	igt_assert_eq(queue_output(video, buf), -EFAULT);
	close(video);
	barium_check_stamp(bo.map, 0, 1, 1);

	close(buf);
	close(memory);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* Sends @fd through @socket, or receives a descriptor if @fd is -1. Returns the descriptor. */
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

static void test_pass_buffer(int fd)
{
	int sockets[2], buf;
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo;
	void *map;

	igt_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	igt_fork(child, 1) {
		buf = pass_fd(sockets[1], -1);
		map = barium_map_buf(buf, 0, PAGES);
		barium_check_stamp(map, 0, PAGES, 1);
		barium_stamp(map, 0, PAGES, 2);
	}

	bo = barium_bo_create(fd, PAGES);
	barium_stamp(bo.map, 0, PAGES, 1);
	buf = barium_export(fd, bo.handle);
	pass_fd(sockets[0], buf);
	close(buf);
	igt_waitchildren();
	barium_check_stamp(bo.map, 0, PAGES, 2);

	close(sockets[0]);
	close(sockets[1]);
	barium_bo_fini(fd, &bo);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* A process that receives the device file is the same client, so fake offsets stay valid. */
static void test_pass_file(int fd)
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

static void test_by_name(int fd)
{
	int primary = barium_open_primary(), other = barium_reopen(primary, O_RDWR), err;
	struct barium_bo bo = barium_bo_create(primary, PAGES);
	struct drm_gem_flink flink = { .handle = bo.handle };
	struct drm_gem_open by = {};
	__u64 before;
	void *map;

	err = barium_ioctl(primary, DRM_IOCTL_GEM_FLINK, &flink);
	igt_require_f(err != -EOPNOTSUPP && err != -EACCES, "no support for flink names\n");
	igt_assert_eq(err, 0);
	by.name = flink.name;
	do_ioctl(other, DRM_IOCTL_GEM_OPEN, &by);
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
	igt_assert_eq_u64(barium_vram_available(fd), before + barium_vram_of(by.size));
}

int igt_main()
{
	igt_describe("Another client can map an object only after importing it.");
	igt_subtest("import-other-client")
		test_import_other_client(barium_new_client());

	igt_describe("Importing into the exporting client returns the same handle.");
	igt_subtest("import-same-client") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		int buf = barium_export(fd, bo.handle);

		igt_assert_eq_u32(barium_import(fd, buf), bo.handle);
		close(buf);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("An imported object outlives the exporting client.");
	igt_subtest("import-outlives-exporter")
		test_import_outlives_exporter(barium_new_client());

	igt_describe("Importing a file that is not a dma-buf fails.");
	igt_subtest("import-no-buffer") {
		int fd = barium_new_client();
		int ends[2];
		__u32 handle;

		igt_assert_eq(pipe(ends), 0);
		igt_assert_eq(__barium_import(fd, ends[0], &handle), -EINVAL);
		igt_assert_eq(__barium_import(fd, -1, &handle), -EBADF);
		close(ends[0]);
		close(ends[1]);
	}

	igt_describe("A driver that maps dma-bufs without attaching cannot map VRAM.");
	igt_subtest("kernel-map-refused")
		test_kernel_map_refused(barium_new_client());

	igt_describe("A process can map a dma-buf that it received from another one.");
	igt_subtest("pass-buffer")
		test_pass_buffer(barium_new_client());

	igt_describe("A process can use fake offsets of a file that it received.");
	igt_subtest("pass-file")
		test_pass_file(barium_new_client());

	igt_describe("A primary client can open an object by its flink name.");
	igt_subtest("by-name")
		test_by_name(barium_new_client());
}
