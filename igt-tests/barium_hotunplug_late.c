// SPDX-License-Identifier: MIT
/*
 * Devices that go away while a call's argument is being copied. DRM looks whether the device is
 * there, copies the argument, and calls the driver, which has to look again. The argument is in
 * memory that this test provides, so the call waits between the two for as long as it takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "igt.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Calls that begin before the device goes away, and go on after it.");

#define RW (PROT_READ | PROT_WRITE)
/* How long a call may take until it wants its argument, in milliseconds. */
#define PATIENCE 30000

union argument {
	struct drm_barium_get_param param;
	struct drm_barium_gem_create create;
	struct drm_barium_gem_mmap_offset offset;
	struct drm_barium_gem_info info;
	struct drm_barium_map_ahead ahead;
	struct drm_mode_create_dumb dumb;
};

struct late_call {
	int fd;
	unsigned long request;
	void *page;
	int err;
};

static void *make_call(void *data)
{
	struct late_call *call = data;

	call->err = ioctl(call->fd, call->request, call->page) ? -errno : 0;
	return NULL;
}

/* A page whose content is waited for. */
static int late_page(void **page)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	igt_require_f(uffd >= 0, "the kernel has no userfaultfd\n");
	*page = mmap(NULL, barium_page_size(), RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	igt_assert(*page != MAP_FAILED);
	reg.range.start = (uintptr_t)*page;
	reg.range.len = barium_page_size();
	igt_assert_eq(ioctl(uffd, UFFDIO_API, &api), 0);
	igt_assert_eq(ioctl(uffd, UFFDIO_REGISTER, &reg), 0);
	return uffd;
}

static void provide(int uffd, void *page, const union argument *arg)
{
	union argument *content = calloc(1, barium_page_size());
	struct uffdio_copy copy = { .dst = (uintptr_t)page, .len = barium_page_size() };

	igt_assert(content);
	*content = *arg;
	copy.src = (uintptr_t)content;
	igt_assert_eq(ioctl(uffd, UFFDIO_COPY, &copy), 0);
	free(content);
}

/* Makes the call, and takes the device away before the argument is there. Returns its error. */
static int call_late(int fd, unsigned long request, const union argument *arg)
{
	struct late_call call = { .fd = fd, .request = request };
	int uffd = late_page(&call.page);
	struct pollfd wanted = { .fd = uffd, .events = POLLIN };
	pthread_t thread;

	igt_assert_eq(pthread_create(&thread, NULL, make_call, &call), 0);
	igt_assert_eq(poll(&wanted, 1, PATIENCE), 1);
	barium_unbind();
	provide(uffd, call.page, arg);
	pthread_join(thread, NULL);
	munmap(call.page, barium_page_size());
	close(uffd);
	return call.err;
}

/* Each call is right in all but its time, so that there is no other reason to refuse it. */
static void check_refused(unsigned long request, bool primary)
{
	int fd = primary ? __barium_open_primary() : barium_open_bound();
	struct barium_bo bo = barium_bo_create(fd, 4);
	union argument arg = {};

	switch (request) {
	case DRM_IOCTL_BARIUM_GET_PARAM:
		arg.param.param = BARIUM_PARAM_VRAM_SIZE;
		break;
	case DRM_IOCTL_BARIUM_GEM_CREATE:
		arg.create.size = barium_page_size();
		break;
	case DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET:
		arg.offset.handle = bo.handle;
		break;
	case DRM_IOCTL_BARIUM_GEM_INFO:
		arg.info.handle = bo.handle;
		break;
	case DRM_IOCTL_BARIUM_MAP_AHEAD:
		arg.ahead.address = (uintptr_t)bo.map;
		arg.ahead.size = bo.size;
		break;
	default:
		arg.dumb = (struct drm_mode_create_dumb){ .width = 64, .height = 64, .bpp = 32 };
	}
	igt_assert_eq(call_late(fd, request, &arg), -ENODEV);
	barium_check_replaced(bo.map, bo.size);
	barium_bo_unmap(&bo);
	close(fd);
	barium_bind();
	barium_check_vram();
}

static void ioctls(int fd)
{
	close(fd);
	check_refused(DRM_IOCTL_BARIUM_GET_PARAM, false);
	check_refused(DRM_IOCTL_BARIUM_GEM_CREATE, false);
	check_refused(DRM_IOCTL_BARIUM_GEM_MMAP_OFFSET, false);
	check_refused(DRM_IOCTL_BARIUM_GEM_INFO, false);
	check_refused(DRM_IOCTL_BARIUM_MAP_AHEAD, false);
}

static void dumb(int fd)
{
	close(fd);
	check_refused(DRM_IOCTL_MODE_CREATE_DUMB, true);
}

static const struct barium_subtest tests[] = {
	{ "ioctls", "The driver's calls that are late are refused with ENODEV.", ioctls },
	{ "dumb", "A dumb buffer that is asked for too late is refused with ENODEV.", dumb },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_unplug_subtests(tests);
}
