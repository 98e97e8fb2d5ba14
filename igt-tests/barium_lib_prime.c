// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of dma-bufs; see barium_lib_prime.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_prime.h"

/* IGT refuses headers of the kernel that define _AC() before its own. */
#include <linux/udmabuf.h>

int barium_export_with(int fd, __u32 handle, __u32 flags)
{
	int buf = __barium_gem_export(fd, handle, flags | DRM_CLOEXEC);

	igt_require_f(buf != -EOPNOTSUPP, "objects cannot be exported\n");
	igt_assert_lte(0, buf);
	return buf;
}

int barium_export(int fd, __u32 handle)
{
	return barium_export_with(fd, handle, DRM_RDWR);
}

void *barium_map_buf(int buf, size_t first, size_t pages)
{
	size_t page = barium_page_size();
	void *map;

	igt_assert_eq(__barium_mmap(buf, pages * page, PROT_READ | PROT_WRITE, MAP_SHARED,
				    first * page, &map), 0);
	return map;
}

int __barium_import(int fd, int buf, __u32 *handle)
{
	struct drm_prime_handle arg = { .fd = buf };
	int err = barium_ioctl(fd, DRM_IOCTL_PRIME_FD_TO_HANDLE, &arg);

	*handle = arg.handle;
	return err;
}

__u32 barium_import(int fd, int buf)
{
	__u32 handle;

	igt_assert_eq(__barium_import(fd, buf, &handle), 0);
	return handle;
}

int barium_make_udmabuf(size_t pages, __u8 **map)
{
	struct udmabuf_create create = { .size = pages * barium_page_size() };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC), buf;
	void *memory;

	igt_require_f(dev >= 0, "the kernel has no udmabuf\n");
	create.memfd = memfd_create("barium_prime", MFD_ALLOW_SEALING);
	igt_assert_lte(0, create.memfd);
	igt_assert_eq(ftruncate(create.memfd, create.size), 0);
	igt_assert_eq(fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	if (map) {
		igt_assert_eq(__barium_mmap(create.memfd, create.size, PROT_READ | PROT_WRITE,
					    MAP_SHARED, 0, &memory), 0);
		*map = memory;
	}
	buf = ioctl(dev, UDMABUF_CREATE, &create);
	igt_assert_lte(0, buf);

	close(create.memfd);
	close(dev);
	return buf;
}
