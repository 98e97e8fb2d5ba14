// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of the dmem controller; see barium_lib_dmem.h.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_dmem.h"

#define MOUNT "/tmp/barium-dmem"
#define MAX_GROUPS 8

/* The cgroups of the test, in the order in which they were created. */
static char groups[MAX_GROUPS][32];
static size_t count;
static char region[64];

static void path_of(const char *group, const char *name, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, MOUNT "/%s/%s", group, name);
}

static int enter(const char *group)
{
	char path[PATH_MAX];

	path_of(group, "cgroup.procs", path);
	return __barium_write_file(path, "0");
}

static void remove_all(void)
{
	char path[PATH_MAX];

	enter("");
	while (count) {
		path_of(groups[--count], "", path);
		rmdir(path);
	}
}

static void leave(int sig)
{
	(void)sig;
	remove_all();
	umount2(MOUNT, MNT_DETACH);
	rmdir(MOUNT);
}

void barium_dmem_init(void)
{
	char slot[BARIUM_SLOT_LEN];
	int fd = barium_open_render();

	barium_slot(fd, slot);
	close(fd);
	snprintf(region, sizeof(region), "drm/%s/vram", slot);
	mkdir(MOUNT, 0700);
	igt_require_f(!mount("none", MOUNT, "cgroup2", 0, NULL), "no cgroups\n");
	igt_install_exit_handler(leave);
	igt_require_f(!__barium_write_file(MOUNT "/cgroup.subtree_control", "+dmem"),
		      "no dmem controller\n");
}

void barium_dmem_reset(void)
{
	remove_all();
}

void barium_dmem_create(const char *group)
{
	const char *slash = strrchr(group, '/');
	char parent[32], path[PATH_MAX];

	igt_assert_lt(count, MAX_GROUPS);
	if (slash) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - group), group);
		path_of(parent, "cgroup.subtree_control", path);
		igt_assert_eq(__barium_write_file(path, "+dmem"), 0);
	}
	path_of(group, "", path);
	igt_assert_eq(mkdir(path, 0700), 0);
	snprintf(groups[count++], sizeof(groups[0]), "%s", group);
}

void barium_dmem_remove(const char *group)
{
	char path[PATH_MAX];

	path_of(group, "", path);
	igt_assert_eq(rmdir(path), 0);
}

void barium_dmem_enter(const char *group)
{
	igt_assert_eq(enter(group), 0);
}

int __barium_dmem_set(const char *group, const char *name, __u64 bytes)
{
	char path[PATH_MAX], text[128];

	path_of(group, name, path);
	if (bytes == BARIUM_DMEM_MAX)
		snprintf(text, sizeof(text), "%s max", region);
	else
		snprintf(text, sizeof(text), "%s %llu", region, bytes);
	return __barium_write_file(path, text);
}

void barium_dmem_set(const char *group, const char *name, __u64 bytes)
{
	igt_assert_eq(__barium_dmem_set(group, name, bytes), 0);
}

__u64 barium_dmem_get(const char *group, const char *name)
{
	char path[PATH_MAX], key[128], value[32];
	__u64 found = 0;
	bool has = false;
	FILE *file;

	path_of(group, name, path);
	file = fopen(path, "r");
	igt_assert(file);
	while (fscanf(file, "%127s %31s", key, value) == 2) {
		if (strcmp(key, region))
			continue;
		has = true;
		found = strcmp(value, "max") ? strtoull(value, NULL, 10) : BARIUM_DMEM_MAX;
	}
	fclose(file);
	igt_assert_f(has, "%s has no line for %s\n", path, region);
	return found;
}

__u64 barium_dmem_charged(const char *group)
{
	return barium_dmem_get(group, "dmem.current");
}
