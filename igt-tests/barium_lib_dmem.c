// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of the dmem controller; see barium_lib_dmem.h.
 */
#include <string.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_dmem.h"

static char region[64];

void barium_dmem_init(void)
{
	char slot[BARIUM_SLOT_LEN];
	int fd = barium_open_render();

	barium_slot(fd, slot);
	close(fd);
	snprintf(region, sizeof(region), "drm/%s/vram", slot);
	barium_cgroup_init("dmem");
}

int __barium_dmem_set(const char *group, const char *name, __u64 bytes)
{
	char text[128];

	if (bytes == BARIUM_DMEM_MAX)
		snprintf(text, sizeof(text), "%s max", region);
	else
		snprintf(text, sizeof(text), "%s %llu", region, bytes);
	return __barium_cgroup_set(group, name, text);
}

void barium_dmem_set(const char *group, const char *name, __u64 bytes)
{
	igt_assert_eq(__barium_dmem_set(group, name, bytes), 0);
}

__u64 barium_dmem_get(const char *group, const char *name)
{
	FILE *file = barium_cgroup_open(group, name);
	char key[128], value[32];
	__u64 found = 0;
	bool has = false;

	while (fscanf(file, "%127s %31s", key, value) == 2) {
		if (strcmp(key, region))
			continue;
		has = true;
		found = strcmp(value, "max") ? strtoull(value, NULL, 10) : BARIUM_DMEM_MAX;
	}
	fclose(file);
	igt_assert_f(has, "%s of \"%s\" has no line for %s\n", name, group, region);
	return found;
}

__u64 barium_dmem_charged(const char *group)
{
	return barium_dmem_get(group, "dmem.current");
}
