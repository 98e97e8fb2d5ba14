// SPDX-License-Identifier: MIT
/*
 * Helpers that read the driver's files in debugfs; see barium_lib_debugfs.h.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "igt.h"
#include "barium_lib_debugfs.h"

#define LINE_LEN 512
#define HEADER "object           size place  resident pins handles flags creator\n"

void barium_debugfs_path(int fd, const char *name, char path[static BARIUM_PATH_LEN])
{
	struct stat status;

	igt_assert_eq(fstat(fd, &status), 0);
	snprintf(path, BARIUM_PATH_LEN, "/sys/kernel/debug/dri/%u/%s", minor(status.st_rdev), name);
}

int __barium_open_debugfs(int fd, const char *name, int flags)
{
	char path[BARIUM_PATH_LEN];
	int file;

	barium_debugfs_path(fd, name, path);
	file = open(path, flags | O_CLOEXEC);
	return file < 0 ? -errno : file;
}

void barium_require_debugfs(void)
{
	igt_require_f(!access("/sys/kernel/debug/dri", F_OK), "no debugfs\n");
}

int __barium_evict(int fd)
{
	int file = __barium_open_debugfs(fd, "evict", O_WRONLY), err = 0;

	if (file < 0)
		return file;
	if (write(file, "1\n", 2) != 2)
		err = -errno;
	close(file);
	return err;
}

void barium_evict(int fd)
{
	igt_assert_eq(__barium_evict(fd), 0);
}

static FILE *open_to_read(int fd, const char *name)
{
	int file = __barium_open_debugfs(fd, name, O_RDONLY);
	FILE *stream;

	igt_assert_lte(0, file);
	stream = fdopen(file, "r");
	igt_assert(stream);
	return stream;
}

static void parse_status(const char *line, struct barium_status *status)
{
	int end = 0, items;

	memset(status, 0, sizeof(*status));
	items = sscanf(line, "0x%" SCNx64 " %" SCNu64 " %15s %" SCNu64 " %u %u %127s %63[^\n]%n",
		       (uint64_t *)&status->offset, (uint64_t *)&status->size, status->place,
		       (uint64_t *)&status->resident, &status->pins, &status->handles,
		       status->flags, status->creator, &end);
	igt_assert_f(items == 8 && line[end] == '\n', "bad line: %s", line);
	igt_assert_f(!strcmp(status->place, "vram") || !strcmp(status->place, "system") ||
		     !strcmp(status->place, "none"), "bad place: %s", line);
	igt_assert_lte_u64(status->resident, status->size);
}

size_t barium_read_objects(int fd, struct barium_status **objects)
{
	FILE *file = open_to_read(fd, "objects");
	size_t count = 0, room = 0;
	char line[LINE_LEN];
	__u64 last = 0;

	*objects = NULL;
	igt_assert(fgets(line, sizeof(line), file));
	igt_assert(!strcmp(line, HEADER));
	while (fgets(line, sizeof(line), file)) {
		if (count == room) {
			room = room ? 2 * room : 64;
			*objects = realloc(*objects, room * sizeof(**objects));
			igt_assert(*objects);
		}
		parse_status(line, &(*objects)[count]);
		igt_assert_lt_u64(last, (*objects)[count].offset);
		last = (*objects)[count++].offset;
	}
	igt_assert(!ferror(file));
	fclose(file);
	return count;
}

bool __barium_find_object(int fd, __u64 offset, struct barium_status *status)
{
	struct barium_status *objects;
	size_t count = barium_read_objects(fd, &objects), i;
	bool found = false;

	for (i = 0; i < count && !found; i++) {
		found = objects[i].offset == offset;
		if (found)
			*status = objects[i];
	}
	free(objects);
	return found;
}

struct barium_status barium_find_object(int fd, __u64 offset)
{
	struct barium_status status;

	igt_assert_f(__barium_find_object(fd, offset, &status), "no object %#llx\n", offset);
	return status;
}

bool barium_has_flag(const struct barium_status *status, const char *flag)
{
	char flags[sizeof(status->flags)], *rest = flags, *found;

	memcpy(flags, status->flags, sizeof(flags));
	while ((found = strsep(&rest, ",")))
		if (!strcmp(found, flag))
			return true;
	return false;
}

static void parse_part(const char *line, struct barium_part *part)
{
	char pinned[16] = "";
	int items;

	memset(part, 0, sizeof(*part));
	items = sscanf(line, "0x%" SCNx64 " %" SCNu64 " %15s 0x%" SCNx64 " %15s",
		       (uint64_t *)&part->start, (uint64_t *)&part->length, part->owner,
		       (uint64_t *)&part->object, pinned);
	part->is_pinned = !strcmp(pinned, "pinned");
	if (!strcmp(part->owner, "object"))
		igt_assert_f(items == (part->is_pinned ? 5 : 4), "bad line: %s", line);
	else
		igt_assert_f(items == 3 && (!strcmp(part->owner, "free") ||
					    !strcmp(part->owner, "cache") ||
					    !strcmp(part->owner, "blank") ||
					    !strcmp(part->owner, "other")), "bad line: %s", line);
}

struct barium_vram_map barium_read_vram(int fd)
{
	FILE *file = open_to_read(fd, "vram");
	struct barium_vram_map map = {};
	char line[LINE_LEN];
	size_t room = 0;

	igt_assert_eq(fscanf(file, "size %" SCNu64 "\navailable %" SCNu64 "\nlargest-free %" SCNu64
			     "\n", (uint64_t *)&map.size, (uint64_t *)&map.available,
			     (uint64_t *)&map.largest_free), 3);
	igt_assert(fgets(line, sizeof(line), file));
	igt_assert(!strcmp(line, "start         length owner\n"));
	while (fgets(line, sizeof(line), file)) {
		if (map.count == room) {
			room = room ? 2 * room : 64;
			map.parts = realloc(map.parts, room * sizeof(*map.parts));
			igt_assert(map.parts);
		}
		parse_part(line, &map.parts[map.count++]);
	}
	igt_assert(!ferror(file));
	fclose(file);
	return map;
}

__u64 barium_owned(const struct barium_vram_map *map, const char *owner)
{
	__u64 sum = 0;
	size_t i;

	for (i = 0; i < map->count; i++)
		if (!strcmp(map->parts[i].owner, owner))
			sum += map->parts[i].length;
	return sum;
}
