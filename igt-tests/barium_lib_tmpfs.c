// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_tmpfs.h"

int __barium_tmpfs(const char *huge)
{
	int context = fsopen("tmpfs", FSOPEN_CLOEXEC), mount = -1, err;

	if (context < 0)
		return -errno;
	if ((!huge || !fsconfig(context, FSCONFIG_SET_STRING, "huge", huge, 0)) &&
	    !fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0))
		mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	err = -errno;
	close(context);
	return mount < 0 ? err : mount;
}

void barium_require_huge_tmpfs(size_t size)
{
	int mount = __barium_tmpfs("within_size"), file;
	__u64 before, after;

	igt_require_f(mount >= 0, "tmpfs has no huge pages\n");
	file = openat(mount, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	igt_assert_lte(0, file);
	igt_assert_eq(ftruncate(file, size), 0);
	before = barium_meminfo("ShmemHugePages");
	igt_assert_eq(fallocate(file, 0, 0, size), 0);
	after = barium_meminfo("ShmemHugePages");
	close(file);
	close(mount);
	igt_require_f(before + size <= after, "the kernel has no free huge pages\n");
}
