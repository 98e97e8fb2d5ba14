// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of memory cgroups; see barium_lib_cgroup.h.
 */
#include <errno.h>
#include <limits.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib.h"
#include "barium_lib_cgroup.h"

#define MOUNT "/tmp/barium-cgroup"
#define GROUP MOUNT "/barium"

static void leave(int sig)
{
	(void)sig;
	barium_cgroup_leave();
	rmdir(GROUP);
	umount2(MOUNT, MNT_DETACH);
	rmdir(MOUNT);
}

void barium_cgroup_init(void)
{
	mkdir(MOUNT, 0700);
	igt_require_f(!mount("none", MOUNT, "cgroup2", 0, NULL), "no cgroups\n");
	igt_install_exit_handler(leave);
	igt_require_f(!__barium_write_file(MOUNT "/cgroup.subtree_control", "+memory"),
		      "no memory cgroups\n");
	igt_assert(!mkdir(GROUP, 0700));
}

void barium_cgroup_fini(void)
{
	leave(0);
}

int barium_cgroup_enter(void)
{
	return __barium_write_file(GROUP "/cgroup.procs", "0");
}

int barium_cgroup_leave(void)
{
	return __barium_write_file(MOUNT "/cgroup.procs", "0");
}

int barium_cgroup_set(const char *name, const char *value)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), GROUP "/%s", name);
	return __barium_write_file(path, value);
}

long barium_cgroup_get(const char *name)
{
	char path[PATH_MAX];
	long value = -1;
	FILE *file;

	snprintf(path, sizeof(path), GROUP "/%s", name);
	file = fopen(path, "r");
	igt_assert(file && fscanf(file, "%ld", &value) == 1);
	fclose(file);
	return value;
}

long barium_cgroup_stat(const char *key)
{
	FILE *file = fopen(GROUP "/memory.stat", "r");
	long found = -1, value;
	char name[128];

	igt_assert(file);
	while (fscanf(file, "%127s %ld", name, &value) == 2) {
		if (!strcmp(name, key))
			found = value;
	}
	fclose(file);
	igt_assert_lte(0, found);
	return found;
}
