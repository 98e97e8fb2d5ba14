// SPDX-License-Identifier: MIT
/**
 * TEST: barium debugfs
 * Description: The driver's files in the debugfs directory of the device: objects, vram and evict.
 * Category: Core
 * Sub-category: DRM
 * Functionality: debugfs
 *
 * SUBTEST: files
 * Description: The files are in the directory of the device, and belong to root.
 *
 * SUBTEST: permission
 * Description: Only root can open the files.
 *
 * SUBTEST: objects
 * Description: An object has a line from its creation to its end.
 *
 * SUBTEST: places
 * Description: The line of an object says where it is, and how much memory it has there.
 *
 * SUBTEST: flags
 * Description: The line of an object has its flags, and the number of its handles.
 *
 * SUBTEST: imported
 * Description: An object that another device has exported has a line and a flag.
 *
 * SUBTEST: imported-complete
 * Description: An object that is being imported has no line until the driver has attached to it.
 *
 * SUBTEST: many-objects
 * Description: The file lists a thousand objects, each once.
 *
 * SUBTEST: sums
 * Description: The sums of the objects of a client are those of fdinfo.
 *
 * SUBTEST: vram-covers-all
 * Description: The parts in the map cover VRAM, and their sums agree with GET_PARAM.
 *
 * SUBTEST: vram-owners
 * Description: The map has the parts of each object.
 *
 * SUBTEST: shown
 * Description: The picture that is shown is pinned, in both files, where the device scans it out.
 *
 * SUBTEST: evict-usage
 * Description: Reading the file evict says how to use it, and other input than 1 fails.
 *
 * SUBTEST: evict-content
 * Description: All objects leave VRAM, and their mappings have the same content.
 *
 * SUBTEST: evict-shown-stays
 * Description: The picture that is shown stays in VRAM, and other pictures leave it.
 *
 * SUBTEST: evict-drops-content
 * Description: The content of an object that is not needed is dropped, and takes no memory.
 *
 * SUBTEST: evict-no-memory
 * Description: Without memory, evicting fails with ENOMEM, and objects keep their content.
 *
 * SUBTEST: evict-while-written
 * Description: No write of a program is lost while objects are evicted.
 *
 * SUBTEST: read-while-changed
 * Description: The files can be read while objects are created, moved and closed.
 *
 * SUBTEST: unbind-while-open
 * Description: After unbind, open files end or fail, and the files are gone until the next bind.
 *
 * SUBTEST: unbind-while-read
 * Description: The device can be unbound while programs read the files.
 *
 * SUBTEST: unbind-while-evicting
 * Description: The device can be unbound while objects are evicted.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_cgroup.h"
#include "barium_lib_debugfs.h"
#include "barium_lib_mapping.h"
#include "barium_lib_picture.h"
#include "barium_lib_prime.h"
#include "barium_lib_race.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Checks the driver's files in debugfs.");

#define CONTIGUOUS BARIUM_GEM_CREATE_CONTIGUOUS
#define SYSTEM BARIUM_GEM_CREATE_SYSTEM
#define WIDTH 1280
#define HEIGHT 800
/* Objects of the subtest many-objects. */
#define MANY 1000
#define NOBODY 65534

static const char * const files[] = { "objects", "vram", "evict" };

/* Returns the line of an object. */
static struct barium_status status_of(int fd, __u32 handle)
{
	return barium_find_object(fd, barium_gem_mmap_offset(fd, handle));
}

static void check_place(int fd, __u32 handle, const char *place, __u64 resident)
{
	struct barium_status status = status_of(fd, handle);

	igt_assert_f(!strcmp(status.place, place), "in %s, not in %s\n", status.place, place);
	igt_assert_eq_u64(status.resident, resident);
}

static void test_files(int fd)
{
	char slot[BARIUM_SLOT_LEN], path[BARIUM_PATH_LEN];
	struct stat by_minor, by_slot;
	size_t i;

	barium_slot(fd, slot);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		barium_debugfs_path(fd, files[i], path);
		igt_assert_eq(stat(path, &by_minor), 0);
		igt_assert_eq_u32(by_minor.st_mode, i < 2 ? S_IFREG | 0400 : S_IFREG | 0600);
		igt_assert_eq(by_minor.st_uid, 0);
		snprintf(path, sizeof(path), "/sys/kernel/debug/dri/%s/%s", slot, files[i]);
		igt_assert_eq(stat(path, &by_slot), 0);
		igt_assert_eq_u64(by_slot.st_ino, by_minor.st_ino);
	}
}

/* The directories above are open to root only, so the child enters that of the device before. */
static void try_to_open(void *data)
{
	size_t i;

	if (chdir(data) || setuid(NOBODY))
		_exit(1);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		if (open(files[i], O_RDONLY) >= 0 || errno != EACCES)
			_exit(2);
		if (open(files[i], O_WRONLY) >= 0 || errno != EACCES)
			_exit(3);
	}
	_exit(0);
}

static void test_permission(int fd)
{
	char path[BARIUM_PATH_LEN];

	barium_debugfs_path(fd, "", path);
	igt_assert_eq(barium_in_child(try_to_open, path), 0);
}

static void test_objects(int fd)
{
	__u32 handle = barium_gem_create(fd, 5 * barium_page_size());
	__u64 offset = barium_gem_mmap_offset(fd, handle);
	struct barium_status status = barium_find_object(fd, offset);
	char creator[64];

	snprintf(creator, sizeof(creator), "%.15s[%d]", program_invocation_short_name, getpid());
	igt_assert_eq_u64(status.size, 5 * barium_page_size());
	igt_assert_f(!strcmp(status.creator, creator), "%s is not %s\n", status.creator, creator);
	igt_assert_eq_u32(status.pins, 0);
	igt_assert_eq_u32(status.handles, 1);
	gem_close(fd, handle);
	igt_assert(!__barium_find_object(fd, offset, &status));
}

static void test_places(int fd)
{
	size_t page = barium_page_size();
	struct barium_bo vram = barium_bo_create_with(fd, 64, 0);
	struct barium_bo system = barium_bo_create_with(fd, 64, SYSTEM);

	check_place(fd, vram.handle, "vram", 64 * page);
	check_place(fd, system.handle, "none", 0);
	barium_stamp(system.map, 0, 10, 1);
	check_place(fd, system.handle, "system", 10 * page);
	barium_stamp(vram.map, 0, 64, 2);
	barium_move_out(fd);
	check_place(fd, vram.handle, "system", 64 * page);
	barium_bo_fini(fd, &system);
	barium_bo_fini(fd, &vram);
}

/* Asserts that the object has the flags in @flags, a list with commas, and no other ones. */
static void check_flags(int fd, __u32 handle, const char *flags, __u32 handles)
{
	struct barium_status status = status_of(fd, handle);

	igt_assert_f(!strcmp(status.flags, flags), "%s instead of %s\n", status.flags, flags);
	igt_assert_eq_u32(status.handles, handles);
}

static void test_flags(int fd)
{
	__u64 size = 4 * barium_page_size();
	int other = barium_reopen(fd, O_RDWR), buf, importer;
	struct drm_gem_flink flink = {};
	__u32 handle, system;
	__u8 *map;

	igt_assert_eq(__barium_gem_create(fd, &size, 0, &handle), 0);
	check_flags(fd, handle, "-", 1);
	barium_madvise(fd, handle, BARIUM_MADVISE_DONTNEED);
	check_flags(fd, handle, "purgeable", 1);
	barium_evict(fd);
	check_flags(fd, handle, "purgeable,purged", 1);
	barium_madvise(fd, handle, BARIUM_MADVISE_WILLNEED);
	check_flags(fd, handle, "-", 1);
	gem_close(fd, handle);

	igt_assert_eq(__barium_gem_create(fd, &size, CONTIGUOUS, &handle), 0);
	map = barium_mmap(fd, handle, size);
	check_flags(fd, handle, "contiguous,mapped", 1);
	barium_munmap(map, size);
	igt_assert_eq(__barium_gem_create(fd, &size, SYSTEM, &system), 0);
	check_flags(fd, system, "system", 1);
	flink.handle = system;
	do_ioctl(fd, DRM_IOCTL_GEM_FLINK, &flink);
	check_flags(fd, system, "system,named", 1);
	buf = barium_export(fd, handle);
	check_flags(fd, handle, "contiguous,mapped,exported", 1);
	barium_import(other, buf);
	check_flags(fd, handle, "contiguous,mapped,exported", 2);

	importer = barium_load_and_open("vgem");
	barium_import(importer, buf);
	check_flags(fd, handle, "contiguous,mapped,exported,attached", 2);
	check_place(fd, handle, "system", size);
	close(importer);
	close(buf);
	close(other);
	gem_close(fd, system);
	gem_close(fd, handle);
}

static void test_imported(int fd)
{
	int buf = barium_make_udmabuf(16, NULL);
	__u32 handle = barium_import(fd, buf);

	check_flags(fd, handle, "system,imported", 1);
	check_place(fd, handle, "none", 0);
	gem_close(fd, handle);
	close(buf);
}

/* Returns true if this process has created the object. */
static bool is_own(const struct barium_status *status)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "[%d]", getpid());
	return strstr(status->creator, pid);
}

struct import {
	int fd, buf, err;
	__u32 handle;
	bool is_done;
};

static void *import_buffer(void *data)
{
	struct import *import = data;

	import->err = __barium_import(import->fd, import->buf, &import->handle);
	WRITE_ONCE(import->is_done, true);
	return NULL;
}

/* vgem allocates the memory of its buffer when the driver attaches to it, which takes a while. */
static void test_imported_complete(int fd)
{
	struct drm_mode_create_dumb dumb = { .width = 4096, .height = 2048, .bpp = 32 };
	int vgem = barium_load_and_open("vgem");
	struct import import = { .fd = fd };
	size_t count, i, reads = 0;
	struct barium_status *objects;
	pthread_t thread;
	bool is_done;

	do_ioctl(vgem, DRM_IOCTL_MODE_CREATE_DUMB, &dumb);
	import.buf = barium_export(vgem, dumb.handle);
	igt_assert_eq(pthread_create(&thread, NULL, import_buffer, &import), 0);
	do {
		is_done = READ_ONCE(import.is_done);
		count = barium_read_objects(fd, &objects);
		for (i = 0; i < count; i++)
			if (is_own(&objects[i]))
				igt_assert_f(barium_has_flag(&objects[i], "imported"),
					     "the flags of an imported object are %s\n",
					     objects[i].flags);
		free(objects);
		reads++;
	} while (!is_done);
	pthread_join(thread, NULL);
	igt_assert_eq(import.err, 0);
	check_flags(fd, import.handle, "system,imported", 1);
	igt_info("note: %zu reads\n", reads);
	gem_close(fd, import.handle);
	close(import.buf);
	close(vgem);
}

static void test_many(int fd)
{
	struct barium_status *objects;
	size_t before = barium_read_objects(fd, &objects), count, i;

	free(objects);
	for (i = 0; i < MANY; i++)
		barium_gem_create(fd, barium_page_size());
	count = barium_read_objects(fd, &objects);
	free(objects);
	igt_assert_eq_u64(count, before + MANY);
}

/* Adds up the objects that this process has created. */
static void add_up(int fd, const char *place, __u64 *total, __u64 *resident)
{
	struct barium_status *objects;
	size_t count = barium_read_objects(fd, &objects), i;

	*total = 0;
	*resident = 0;
	for (i = 0; i < count; i++) {
		if (!is_own(&objects[i]) || strcmp(objects[i].place, place))
			continue;
		*total += objects[i].size;
		*resident += objects[i].resident;
	}
	free(objects);
}

static void test_sums(int fd)
{
	static const __u32 flags[] = { 0, CONTIGUOUS, SYSTEM };
	__u64 total, resident;
	struct barium_bo bos[9];
	size_t i, round;

	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		bos[i] = barium_bo_create_with(fd, 3 * i + 1, flags[i % 3]);
		barium_stamp(bos[i].map, 0, i + 1, i);
	}
	for (round = 0; round < 2; round++) {
		add_up(fd, "vram", &total, &resident);
		igt_assert_eq_u64(total, barium_client_bytes(fd, "drm-total-vram"));
		igt_assert_eq_u64(resident, barium_in_vram(fd));
		add_up(fd, "system", &total, &resident);
		igt_assert_eq_u64(total, barium_client_bytes(fd, "drm-total-memory"));
		igt_assert_eq_u64(resident, barium_in_memory(fd));
		igt_assert_lt_u64(0, resident);
		barium_evict(fd);
	}
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	for (i = 0; i < ARRAY_SIZE(bos); i++)
		barium_bo_fini(fd, &bos[i]);
}

static void check_map(int fd, const struct barium_vram_map *map)
{
	__u64 at = 0, largest = 0;
	size_t i;

	igt_assert_eq_u64(map->size, barium_vram_size(fd));
	for (i = 0; i < map->count; i++) {
		const struct barium_part *part = &map->parts[i];

		igt_assert_eq_u64(part->start, at);
		igt_assert_lt_u64(0, part->length);
		igt_assert_eq_u64(part->length % barium_page_size(), 0);
		at += part->length;
		if (!strcmp(part->owner, "free") && part->length > largest)
			largest = part->length;
	}
	igt_assert_eq_u64(at, map->size);
	igt_assert_eq_u64(map->largest_free, largest);
}

static void test_covers_all(int fd)
{
	struct barium_vram_map map;
	__u64 size = 4096, in_vram;
	__u32 handle;
	size_t i;

	for (i = 0; i < 20; i++) {
		size = (i + 1) * barium_page_size();
		igt_assert_eq(__barium_gem_create(fd, &size, i % 2 ? CONTIGUOUS : 0, &handle), 0);
		/* Freed VRAM goes to the manager's cache. */
		if (i % 3 == 0)
			gem_close(fd, handle);
		map = barium_read_vram(fd);
		check_map(fd, &map);
		igt_assert_eq_u64(map.available, barium_vram_available(fd));
		igt_assert_eq_u64(barium_owned(&map, "free") + barium_owned(&map, "cache") +
				  barium_owned(&map, "blank"), map.available);
		igt_assert_eq_u64(barium_owned(&map, "other"), 0);
		free(map.parts);
	}
	map = barium_read_vram(fd);
	in_vram = barium_in_vram(fd);
	igt_assert_lt_u64(0, barium_owned(&map, "cache"));
	igt_assert_lte_u64(in_vram, barium_owned(&map, "object"));
	free(map.parts);
}

/* Returns how much of VRAM belongs to an object, and counts the parts. */
static __u64 owned_by(int fd, __u32 handle, size_t *count)
{
	__u64 offset = barium_gem_mmap_offset(fd, handle), sum = 0;
	struct barium_vram_map map = barium_read_vram(fd);
	size_t i;

	*count = 0;
	for (i = 0; i < map.count; i++) {
		if (map.parts[i].object != offset)
			continue;
		sum += map.parts[i].length;
		(*count)++;
	}
	free(map.parts);
	return sum;
}

static void test_owners(int fd)
{
	size_t page = barium_page_size(), count;
	__u64 size = 40 * page;
	struct barium_bo scattered;
	__u32 handle;
	int holder;

	holder = barium_bo_create_scattered(fd, 16, &scattered);
	igt_assert_eq_u64(owned_by(fd, scattered.handle, &count), 16 * page);
	igt_assert_eq_u64(count, 16);
	igt_assert_eq(__barium_gem_create(fd, &size, CONTIGUOUS, &handle), 0);
	igt_assert_eq_u64(owned_by(fd, handle, &count), size);
	igt_assert_eq_u64(count, 1);
	barium_evict(fd);
	igt_assert_eq_u64(owned_by(fd, scattered.handle, &count), 0);
	igt_assert_eq_u64(owned_by(fd, handle, &count), 0);
	gem_close(fd, handle);
	barium_bo_fini(fd, &scattered);
	close(holder);
}

/* The display under test. */
static struct barium_screen screen;

static void test_shown(int fd)
{
	struct barium_picture picture = barium_create_picture(fd, &screen, 0, 1);
	__u64 offset = barium_gem_mmap_offset(fd, picture.dumb.handle);
	struct barium_status status = barium_find_object(fd, offset);
	struct barium_vram_map map;
	size_t i, pinned = 0;

	igt_assert_eq_u32(status.pins, 0);
	igt_assert(!barium_has_flag(&status, "shown"));
	barium_set_crtc(fd, &screen.pipe, picture.fb, 0, 0);
	status = barium_find_object(fd, offset);
	igt_assert_lt_u64(0, status.pins);
	igt_assert(barium_has_flag(&status, "shown"));
	map = barium_read_vram(fd);
	check_map(fd, &map);
	for (i = 0; i < map.count; i++) {
		if (!map.parts[i].is_pinned)
			continue;
		pinned++;
		igt_assert_eq_u64(map.parts[i].object, offset);
		igt_assert_eq_u64(map.parts[i].start, barium_shown_start(&screen));
		igt_assert_lte_u64(picture.dumb.size, map.parts[i].length);
	}
	igt_assert_eq_u64(pinned, 1);
	free(map.parts);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_picture(fd, &picture);
}

static void test_usage(int fd)
{
	static const char * const bad_text[] = {
		"0", "2", "11", "1 ", "1\n\n", "\n", "all", "-1",
	};
	int file = __barium_open_debugfs(fd, "evict", O_RDWR);
	void *bad = mmap(NULL, barium_page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char text[256] = {};
	size_t i;

	igt_assert(bad != MAP_FAILED);
	igt_assert_lte(0, file);
	igt_assert_lt(0, read(file, text, sizeof(text) - 1));
	igt_assert(strstr(text, "Write 1"));
	for (i = 0; i < ARRAY_SIZE(bad_text); i++) {
		errno = 0;
		igt_assert_eq(write(file, bad_text[i], strlen(bad_text[i])), -1);
		igt_assert_eq(errno, EINVAL);
	}
	memset(text, '1', sizeof(text));
	igt_assert_eq(write(file, text, sizeof(text)), -1);
	igt_assert_eq(errno, EINVAL);
	igt_assert_eq(write(file, bad, 1), -1);
	igt_assert_eq(errno, EFAULT);
	igt_assert_eq(write(file, "1", 1), 1);
	igt_assert_eq(write(file, "1\n", 2), 2);
	close(file);
	munmap(bad, barium_page_size());
	for (i = 0; i < 2; i++) {
		file = __barium_open_debugfs(fd, files[i], O_WRONLY);
		igt_assert_lte(0, file);
		igt_assert_eq(write(file, "1", 1), -1);
		igt_assert_eq(errno, EINVAL);
		close(file);
	}
}

static void test_evict_content(int fd)
{
	static const size_t sizes[] = { 1, 2, 3, 15, 16, 17, 255, 511, 512, 513, 1029 };
	struct barium_bo bos[2 * ARRAY_SIZE(sizes)];
	size_t i, pages;

	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		pages = sizes[i / 2];
		bos[i] = barium_bo_create_with(fd, pages, i % 2 ? CONTIGUOUS : 0);
		/* Some are never accessed. */
		if (i % 5)
			barium_stamp(bos[i].map, 0, pages, i);
	}
	igt_assert_lt_u64(0, barium_in_vram(fd));
	barium_evict(fd);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		pages = sizes[i / 2];
		if (i % 5)
			barium_check_stamp(bos[i].map, 0, pages, i);
		else
			barium_check_zero(bos[i].map, bos[i].size);
		barium_stamp(bos[i].map, 0, pages, i + 100);
		barium_check_stamp(bos[i].map, 0, pages, i + 100);
		barium_bo_fini(fd, &bos[i]);
	}
}

static void test_evict_shown(int fd)
{
	struct barium_picture pictures[2];
	size_t start;

	barium_create_pictures(fd, &screen, pictures, 2);
	barium_set_crtc(fd, &screen.pipe, pictures[0].fb, 0, 0);
	start = barium_shown_start(&screen);
	barium_evict(fd);
	igt_assert_eq_u64(barium_shown_start(&screen), start);
	barium_check_picture(&screen, &pictures[0], 0);
	check_place(fd, pictures[0].dumb.handle, "vram", pictures[0].dumb.size);
	check_place(fd, pictures[1].dumb.handle, "system", pictures[1].dumb.size);
	barium_set_crtc(fd, &screen.pipe, pictures[1].fb, 0, 0);
	barium_check_picture(&screen, &pictures[1], 1);
	barium_evict(fd);
	check_place(fd, pictures[0].dumb.handle, "system", pictures[0].dumb.size);
	check_place(fd, pictures[1].dumb.handle, "vram", pictures[1].dumb.size);
	barium_check_picture(&screen, &pictures[1], 1);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_pictures(fd, pictures, 2);
}

static void test_evict_drops(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, 0);

	barium_stamp(bo.map, 0, 64, 1);
	barium_madvise(fd, bo.handle, BARIUM_MADVISE_DONTNEED);
	barium_evict(fd);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	igt_assert_eq_u64(barium_in_memory(fd), 0);
	igt_assert(!barium_madvise(fd, bo.handle, BARIUM_MADVISE_WILLNEED));
	barium_check_zero(bo.map, bo.size);
	barium_bo_fini(fd, &bo);
}

/* The cgroup has memory for the small object only. */
static void test_evict_no_memory(int fd)
{
	struct barium_bo large = barium_bo_create_with(fd, 2048, 0);
	struct barium_bo small = barium_bo_create_with(fd, 4, 0);
	int err;

	barium_cgroup_init("memory");
	barium_cgroup_create("a");
	barium_stamp(large.map, 0, 2048, 1);
	barium_stamp(small.map, 0, 4, 2);
	barium_cgroup_enter("a");
	barium_cgroup_set("a", "memory.swap.max", "0");
	barium_cgroup_set("a", "memory.max", "2M");
	err = __barium_evict(fd);
	barium_cgroup_enter("");
	igt_assert_eq(err, -ENOMEM);
	check_place(fd, large.handle, "vram", large.size);
	check_place(fd, small.handle, "system", small.size);
	barium_check_stamp(large.map, 0, 2048, 1);
	barium_check_stamp(small.map, 0, 4, 2);
	barium_evict(fd);
	igt_assert_eq_u64(barium_in_vram(fd), 0);
	barium_check_stamp(large.map, 0, 2048, 1);
	barium_bo_fini(fd, &small);
	barium_bo_fini(fd, &large);
	barium_cgroup_fini();
}

static void test_evict_while_written(int fd)
{
	igt_info("note: %zu rounds\n", barium_write_while_moved(fd, barium_evict));
}

/* Creates and closes objects of different sizes and kinds. */
static void *create_and_close(void *data)
{
	struct barium_arena *arena = data;
	__u32 state = 1;

	while (barium_goes_on(arena)) {
		__u64 size = (barium_draw(&state) % 64 + 1) * barium_page_size();
		__u32 flags = barium_draw(&state) % 4, handle;

		if (!__barium_gem_create(arena->fd, &size, flags, &handle))
			__barium_gem_close(arena->fd, handle);
		barium_count(arena);
	}
	return NULL;
}

static void *evict_on(void *data)
{
	struct barium_arena *arena = data;

	while (barium_goes_on(arena)) {
		if (__barium_evict(arena->fd))
			barium_race_failed(arena, "evicting has failed");
		barium_count(arena);
	}
	return NULL;
}

/* Asserts that the files have the right form. */
static void read_both(struct barium_arena *arena)
{
	struct barium_vram_map map = barium_read_vram(arena->fd);
	struct barium_status *objects;

	check_map(arena->fd, &map);
	free(map.parts);
	barium_read_objects(arena->fd, &objects);
	free(objects);
}

static void test_read_while_changed(int fd)
{
	static const barium_thread threads[] = { create_and_close, create_and_close, evict_on };
	struct barium_arena arena = { .fd = fd };

	barium_race(&arena, threads, ARRAY_SIZE(threads), read_both);
}

static void test_unbind_while_open(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 16, 0);
	char path[BARIUM_PATH_LEN], text[4096];
	int opened[ARRAY_SIZE(files)], half, fresh, result;
	size_t i;

	half = __barium_open_debugfs(fd, "objects", O_RDONLY);
	igt_assert_lte(0, half);
	igt_assert_eq(read(half, text, 10), 10);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		opened[i] = __barium_open_debugfs(fd, files[i], i < 2 ? O_RDONLY : O_RDWR);
		igt_assert_lte(0, opened[i]);
	}
	barium_debugfs_path(fd, "objects", path);
	barium_unbind();
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		result = read(opened[i], text, sizeof(text));
		igt_assert_f(result == 0 || (result < 0 && (errno == EIO || errno == ENODEV)),
			     "read() returned %d: %s\n", result, strerror(errno));
	}
	igt_assert_lte(read(half, text, sizeof(text)), 0);
	igt_assert_eq(write(opened[2], "1", 1), -1);
	igt_assert(errno == EIO || errno == ENODEV);
	igt_assert_eq(open(path, O_RDONLY), -1);
	igt_assert_eq(errno, ENOENT);
	barium_bind();

	/* The files of the new device. The open ones are still those of the old one. */
	fresh = barium_open_bound();
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		igt_assert_lte(read(opened[i], text, sizeof(text)), 0);
		close(opened[i]);
	}
	close(half);
	gem_close(fresh, barium_gem_create(fresh, barium_page_size()));
	barium_evict(fresh);
	close(fresh);
	barium_bo_unmap(&bo);
	barium_check_vram();
}

struct reader {
	pthread_t thread;
	const char *path;
	bool stop;
	size_t reads;
};

/* Reads a file, and writes 1 to it if it is evict, until the test ends. */
static void *read_on(void *data)
{
	struct reader *reader = data;
	bool writes = strstr(reader->path, "evict");
	char text[1024];
	int file;

	while (!READ_ONCE(reader->stop)) {
		file = open(reader->path, writes ? O_RDWR : O_RDONLY);
		if (file < 0)
			continue;
		if (writes && write(file, "1", 1) == 1)
			WRITE_ONCE(reader->reads, reader->reads + 1);
		else
			while (read(file, text, sizeof(text)) > 0)
				WRITE_ONCE(reader->reads, reader->reads + 1);
		close(file);
	}
	return NULL;
}

/* Unbinds and binds the device while a thread for each of @names uses that file. */
static void unbind_while_used(const char * const *names, size_t count)
{
	struct reader readers[2] = {};
	char paths[2][BARIUM_PATH_LEN];
	struct barium_bo bos[16];
	int fd, round;
	size_t i;

	for (round = 0; round < 5; round++) {
		fd = barium_open_bound();
		for (i = 0; i < ARRAY_SIZE(bos); i++) {
			bos[i] = barium_bo_create_with(fd, 100, i % 2 ? CONTIGUOUS : 0);
			barium_stamp(bos[i].map, 0, 100, i);
		}
		for (i = 0; i < count; i++) {
			barium_debugfs_path(fd, names[i], paths[i]);
			readers[i] = (struct reader){ .path = paths[i] };
			igt_assert_eq(pthread_create(&readers[i].thread, NULL, read_on,
						     &readers[i]), 0);
		}
		for (i = 0; i < count && round; i++)
			while (!READ_ONCE(readers[i].reads))
				usleep(100);
		barium_unbind();
		for (i = 0; i < count; i++) {
			WRITE_ONCE(readers[i].stop, true);
			pthread_join(readers[i].thread, NULL);
		}
		/* An object has all of its content or is lost with VRAM. */
		for (i = 0; i < ARRAY_SIZE(bos); i++) {
			if (!barium_is_stamped(bos[i].map, 0, 100, i))
				barium_check_replaced(bos[i].map, bos[i].size);
			barium_bo_unmap(&bos[i]);
		}
		close(fd);
		barium_bind();
	}
	barium_check_vram();
}

int igt_main()
{
	igt_fixture() {
		barium_require_debugfs();
		barium_prepare_unplug();
	}

	igt_describe("The files are in the directory of the device, and belong to root.");
	igt_subtest("files")
		test_files(barium_new_client());

	igt_describe("Only root can open the files.");
	igt_subtest("permission")
		test_permission(barium_new_client());

	igt_describe("An object has a line from its creation to its end.");
	igt_subtest("objects")
		test_objects(barium_new_client());

	igt_describe("The line of an object says where it is.");
	igt_subtest("places")
		test_places(barium_new_client());

	igt_describe("The line of an object has its flags.");
	igt_subtest("flags")
		test_flags(barium_new_primary_client());

	igt_describe("An object that another device has exported has a line and a flag.");
	igt_subtest("imported")
		test_imported(barium_new_client());

	igt_describe("An object that is being imported has no line.");
	igt_subtest("imported-complete")
		test_imported_complete(barium_new_client());

	igt_describe("The file lists a thousand objects.");
	igt_subtest("many-objects")
		test_many(barium_new_client());

	igt_describe("The sums of the objects of a client are those of fdinfo.");
	igt_subtest("sums")
		test_sums(barium_new_client());

	igt_describe("The parts in the map cover VRAM, and their sums agree with GET_PARAM.");
	igt_subtest("vram-covers-all")
		test_covers_all(barium_new_client());

	igt_describe("The map has the parts of each object.");
	igt_subtest("vram-owners")
		test_owners(barium_new_client());

	igt_describe("The picture that is shown is pinned.");
	igt_subtest("shown")
		test_shown(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("Reading the file evict says how to use it, and other input than 1 fails.");
	igt_subtest("evict-usage")
		test_usage(barium_new_client());

	igt_describe("All objects leave VRAM, and their mappings have the same content.");
	igt_subtest("evict-content")
		test_evict_content(barium_new_client());

	igt_describe("The picture that is shown stays in VRAM.");
	igt_subtest("evict-shown-stays")
		test_evict_shown(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("The content of an object that is not needed is dropped.");
	igt_subtest("evict-drops-content")
		test_evict_drops(barium_new_client());

	igt_describe("Without memory, evicting fails, and objects keep their content.");
	igt_subtest("evict-no-memory")
		test_evict_no_memory(barium_new_client());

	igt_describe("No write of a program is lost while objects are evicted.");
	igt_subtest("evict-while-written")
		test_evict_while_written(barium_new_client());

	igt_describe("The files can be read while objects are created, moved and closed.");
	igt_subtest("read-while-changed")
		test_read_while_changed(barium_new_client());

	igt_describe("After unbind, open files end or fail.");
	igt_subtest("unbind-while-open")
		test_unbind_while_open(barium_new_bound_client());

	igt_describe("The device can be unbound while programs read the files.");
	igt_subtest("unbind-while-read") {
		close(barium_new_bound_client());
		unbind_while_used(files, 2);
	}

	igt_describe("The device can be unbound while objects are evicted.");
	igt_subtest("unbind-while-evicting") {
		close(barium_new_bound_client());
		unbind_while_used(&files[2], 1);
	}
}
