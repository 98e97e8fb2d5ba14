// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of cgroups; see barium_lib_cgroup.h.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib.h"
#include "barium_lib_cgroup.h"

#define MOUNT "/tmp/barium-cgroup"
#define MAX_GROUPS 8

/* The cgroups of the test, in the order in which they were created. */
static char groups[MAX_GROUPS][32];
static size_t count;
/* What a parent writes to its cgroup.subtree_control: "+memory". */
static char enable[32];

static void path_of(const char *group, const char *name, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, MOUNT "/%s/%s", group, name);
}

void barium_cgroup_reset(void)
{
	char path[PATH_MAX];

	__barium_cgroup_enter("");
	while (count) {
		path_of(groups[--count], "", path);
		rmdir(path);
	}
}

static void leave(int sig)
{
	(void)sig;
	barium_cgroup_reset();
	umount2(MOUNT, MNT_DETACH);
	rmdir(MOUNT);
}

void barium_cgroup_init(const char *controller)
{
	snprintf(enable, sizeof(enable), "+%s", controller);
	mkdir(MOUNT, 0700);
	igt_require_f(!mount("none", MOUNT, "cgroup2", 0, NULL), "no cgroups\n");
	igt_install_exit_handler(leave);
	igt_require_f(!__barium_cgroup_set("", "cgroup.subtree_control", enable),
		      "no %s controller\n", controller);
}

void barium_cgroup_fini(void)
{
	leave(0);
}

void barium_cgroup_create(const char *group)
{
	const char *slash = strrchr(group, '/');
	char parent[32], path[PATH_MAX];

	igt_assert_lt(count, MAX_GROUPS);
	if (slash) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - group), group);
		barium_cgroup_set(parent, "cgroup.subtree_control", enable);
	}
	path_of(group, "", path);
	igt_assert_eq(mkdir(path, 0700), 0);
	snprintf(groups[count++], sizeof(groups[0]), "%s", group);
}

void barium_cgroup_remove(const char *group)
{
	char path[PATH_MAX];

	path_of(group, "", path);
	igt_assert_eq(rmdir(path), 0);
}

int __barium_cgroup_enter(const char *group)
{
	return __barium_cgroup_set(group, "cgroup.procs", "0");
}

void barium_cgroup_enter(const char *group)
{
	igt_assert_eq(__barium_cgroup_enter(group), 0);
}

int __barium_cgroup_set(const char *group, const char *name, const char *value)
{
	char path[PATH_MAX];

	path_of(group, name, path);
	return __barium_write_file(path, value);
}

void barium_cgroup_set(const char *group, const char *name, const char *value)
{
	igt_assert_eq(__barium_cgroup_set(group, name, value), 0);
}

FILE *barium_cgroup_open(const char *group, const char *name)
{
	char path[PATH_MAX];
	FILE *file;

	path_of(group, name, path);
	file = fopen(path, "r");
	igt_assert_f(file, "%s: %s\n", path, strerror(errno));
	return file;
}

long barium_cgroup_get(const char *group, const char *name)
{
	FILE *file = barium_cgroup_open(group, name);
	long value = -1;

	igt_assert(fscanf(file, "%ld", &value) == 1);
	fclose(file);
	return value;
}

long barium_cgroup_stat(const char *group, const char *key)
{
	FILE *file = barium_cgroup_open(group, "memory.stat");
	long found = -1, value;
	char name[128];

	while (fscanf(file, "%127s %ld", name, &value) == 2) {
		if (!strcmp(name, key))
			found = value;
	}
	fclose(file);
	igt_assert_lte(0, found);
	return found;
}
