// SPDX-License-Identifier: MIT
/*
 * Devices that go away: unbound or removed, with files open and mappings in use. Nobody may be
 * killed for it, and the device must be as good as new when it is bound again.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Unbinding and removal of the device while it is in use.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 16
#define DRIVER "/sys/bus/pci/drivers/barium/"

/* The PCI address of the device that the tests are about. */
static char slot[BARIUM_SLOT_LEN];

/* Fit for a signal handler. */
static bool write_sysfs(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);
	bool done;

	if (file < 0)
		return false;
	done = write(file, text, strlen(text)) == (ssize_t)strlen(text);
	close(file);
	return done;
}

static bool is_bound(void)
{
	char path[128];

	snprintf(path, sizeof(path), DRIVER "%s", slot);
	return !access(path, F_OK);
}

static void unbind_device(void)
{
	igt_assert(write_sysfs(DRIVER "unbind", slot));
	igt_assert(!is_bound());
}

static void bind_device(void)
{
	igt_assert(write_sysfs(DRIVER "bind", slot));
	igt_assert(is_bound());
}

/* Whatever a test left behind, the next one and the next program find the device bound. */
static void make_bound(int sig)
{
	(void)sig;

	if (!slot[0] || is_bound())
		return;
	write_sysfs("/sys/bus/pci/rescan", "1");
	if (!is_bound())
		write_sysfs(DRIVER "bind", slot);
}

static int open_bound(void)
{
	int fd = __barium_open_slot(slot, O_RDWR);

	igt_assert_lte(0, fd);
	return fd;
}

/* All of VRAM is there to be had. */
static void check_vram(void)
{
	int fd = open_bound();
	__u64 size = barium_vram_size(fd);

	igt_assert_eq_u64(barium_vram_available(fd), size);
	gem_close(fd, barium_gem_create(fd, size));
	close(fd);
}

/* The handle went with the device; the mapping did not. */
static void unmap(struct barium_bo *bo)
{
	bo->handle = 0;
	barium_bo_fini(-1, bo);
}

static void ioctls(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size()), other;
	struct drm_barium_gem_info info;
	__u64 value, size = barium_page_size();

	unbind_device();
	igt_assert_eq(__barium_get_param(fd, BARIUM_PARAM_VRAM_SIZE, &value), -ENODEV);
	igt_assert_eq(__barium_gem_create(fd, &size, 0, &other), -ENODEV);
	igt_assert_eq(__barium_gem_mmap_offset(fd, handle, &value), -ENODEV);
	igt_assert_eq(__barium_gem_info(fd, handle, &info), -ENODEV);
	igt_assert_eq(__barium_gem_close(fd, handle), -ENODEV);

	bind_device();
	igt_assert_eq(__barium_get_param(fd, BARIUM_PARAM_VRAM_SIZE, &value), -ENODEV);
	check_vram();
}

static void map_refused(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	unbind_device();
	barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, ENODEV);
	bind_device();
	barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, ENODEV);
	unmap(&bo);
}

static void open_refused(int fd)
{
	char path[32];

	unbind_device();
	igt_assert_eq(__barium_open_slot(slot, O_RDWR), -ENODEV);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	igt_assert_eq(open(path, O_RDWR), -1);
	bind_device();
}

/* Asserts that a mapping is zero and can be written to. */
static void check_replaced(__u8 *map, size_t length)
{
	size_t page = barium_page_size(), at;

	for (at = 0; at < length; at += page) {
		igt_assert_eq(barium_try_read(map + at), 0);
		igt_assert_eq(barium_try_read(map + at + page - 1), 0);
	}
	barium_check_zero(map, length);
	for (at = 0; at < length; at += page)
		igt_assert_eq(barium_try_write(map + at), 0);
}

static void touched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_stamp(bo.map, 0, PAGES, 1);
	unbind_device();
	check_replaced(bo.map, bo.size);
	unmap(&bo);
	bind_device();
}

static void untouched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_stamp(bo.map, 0, PAGES, 1);
	unbind_device();
	check_replaced(map, bo.size);
	barium_munmap(map, bo.size);
	unmap(&bo);
	bind_device();
}

static void partly_touched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size(), i;

	for (i = 0; i < PAGES; i += 3)
		barium_stamp(bo.map + i * page, i, 1, 1);
	unbind_device();
	check_replaced(bo.map, bo.size);
	unmap(&bo);
	bind_device();
}

/* Large enough for huge entries, one part touched, one not. */
static void large(int fd)
{
	__u64 size = barium_vram_size(fd) / 2;
	size_t page = barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, size / page);
	__u8 *again = barium_mmap(fd, bo.handle, size);

	barium_stamp(bo.map, 0, size / 2 / page, 1);
	unbind_device();
	check_replaced(bo.map, size);
	igt_assert_eq_u32(READ_ONCE(again[0]), READ_ONCE(bo.map[0]));
	memset(bo.map, 0, size);
	barium_check_zero(again, size);
	barium_munmap(again, size);
	unmap(&bo);
	bind_device();
	check_vram();
}

static void map_ahead(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct drm_barium_map_ahead arg = { .address = (uintptr_t)bo.map, .size = bo.size };

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), 0);
	barium_stamp(bo.map, 0, PAGES, 1);
	unbind_device();
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), -ENODEV);
	check_replaced(bo.map, bo.size);
	bind_device();

	/* The new device knows nothing of the old one's mappings. */
	fd = open_bound();
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), -EFAULT);
	close(fd);
	unmap(&bo);
}

static void written_first(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	unbind_device();
	igt_assert_eq(barium_try_write(bo.map), 0);
	igt_assert_eq_u32(READ_ONCE(bo.map[0]), 0x5a);
	igt_assert_eq_u32(READ_ONCE(bo.map[1]), 0);
	unmap(&bo);
	bind_device();
}

/* Two mappings of one object go on showing the same. */
static void same_object(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *again = barium_mmap(fd, bo.handle, bo.size);

	WRITE_ONCE(bo.map[0], 1);
	unbind_device();
	igt_assert_eq_u32(READ_ONCE(again[7]), 0);
	WRITE_ONCE(bo.map[7], 0x77);
	igt_assert_eq_u32(READ_ONCE(again[7]), 0x77);
	WRITE_ONCE(again[9], 0x99);
	igt_assert_eq_u32(READ_ONCE(bo.map[9]), 0x99);

	barium_munmap(again, bo.size);
	unmap(&bo);
	bind_device();
}

/* What is written to one object is not seen in another, be it another client's or not. */
static void other_object(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct barium_bo own = barium_bo_create(fd, PAGES);
	struct barium_bo foreign = barium_bo_create(other, PAGES);

	READ_ONCE(foreign.map[0]);
	unbind_device();
	memset(bo.map, 0xff, bo.size);
	barium_check_zero(own.map, own.size);
	barium_check_zero(foreign.map, foreign.size);

	unmap(&bo);
	unmap(&own);
	unmap(&foreign);
	close(other);
	bind_device();
}

static void read_only(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	READ_ONCE(map[0]);
	unbind_device();
	barium_check_zero(map, bo.size);
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	igt_assert_eq(mprotect(map, bo.size, RW), 0);
	igt_assert_eq(barium_try_write(map), 0);

	barium_munmap(map, bo.size);
	unmap(&bo);
	bind_device();
}

static void split_after(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();
	__u8 *room = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(room != MAP_FAILED);
	barium_stamp(bo.map, 0, PAGES / 2, 1);
	unbind_device();
	barium_munmap(bo.map + 2 * page, page);
	igt_assert_eq(mprotect(bo.map + 4 * page, page, PROT_READ), 0);
	igt_assert(mremap(bo.map + 6 * page, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
			  room) == room);
	barium_check_zero(bo.map + 3 * page, 3 * page);
	check_replaced(room, 4 * page);
	igt_assert_eq(barium_try_write(bo.map + 15 * page), 0);

	barium_munmap(room, 4 * page);
	unmap(&bo);
	bind_device();
}

static void fork_after(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_stamp(bo.map, 0, 2, 1);
	unbind_device();
	READ_ONCE(bo.map[0]);
	igt_fork(child, 1) {
		barium_check_zero(bo.map, bo.size);
		WRITE_ONCE(bo.map[5], 0x55);
	}
	igt_waitchildren();
	igt_assert_eq_u32(READ_ONCE(bo.map[5]), 0x55);
	unmap(&bo);
	bind_device();
}

/* A debugger reads and writes what the program sees, touched or not. */
static void debugger(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u64 word = 0x1122334455667788;

	igt_assert_lte(0, mem);
	barium_stamp(bo.map, 0, 2, 1);
	unbind_device();
	igt_assert_eq(pwrite(mem, &word, sizeof(word), (uintptr_t)bo.map), sizeof(word));
	igt_assert_eq_u64(READ_ONCE(*(__u64 *)bo.map), word);
	WRITE_ONCE(*(__u64 *)bo.map, 42);
	igt_assert_eq(pread(mem, &word, sizeof(word), (uintptr_t)bo.map), sizeof(word));
	igt_assert_eq_u64(word, 42);

	close(mem);
	unmap(&bo);
	bind_device();
}

static void buffer(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = __barium_gem_export(fd, bo.handle, DRM_RDWR | DRM_CLOEXEC);
	__u8 *map;

	igt_require_f(buf >= 0, "objects cannot be exported\n");
	igt_assert_eq(__barium_mmap(buf, bo.size, RW, MAP_SHARED, 0, (void **)&map), 0);
	barium_stamp(map, 0, PAGES / 2, 1);
	unbind_device();
	barium_check_zero(map, bo.size);
	WRITE_ONCE(map[5], 0x55);
	igt_assert_eq_u32(READ_ONCE(bo.map[5]), 0x55);
	check_replaced(map + barium_page_size(), 0);
	barium_munmap(map, bo.size);

	/* Whether a dead dma-buf can be mapped is not promised; that it kills nobody is. */
	if (!__barium_mmap(buf, bo.size, RW, MAP_SHARED, 0, (void **)&map)) {
		igt_assert_eq(barium_try_read(map), 0);
		igt_assert_eq(barium_try_write(map + bo.size - 1), 0);
		barium_munmap(map, bo.size);
	}
	close(buf);
	unmap(&bo);
	bind_device();
	check_vram();
}

static void close_after(int fd)
{
	int other = barium_reopen(fd, O_RDWR), i;
	struct barium_bo bo = barium_bo_create(other, PAGES);

	for (i = 0; i < 20; i++)
		barium_gem_create(other, 5 * barium_page_size());
	unbind_device();
	close(other);
	check_replaced(bo.map, bo.size);
	unmap(&bo);
	bind_device();
	check_vram();
}

/* The device is new, the mapping is of the old one: neither sees the other. */
static void old_mapping_new_device(int fd)
{
	struct barium_bo old = barium_bo_create(fd, PAGES), new;
	size_t pages = barium_vram_size(fd) / barium_page_size();
	int fresh;

	barium_stamp(old.map, 0, PAGES, 1);
	unbind_device();
	bind_device();
	check_vram();

	fresh = open_bound();
	new = barium_bo_create(fresh, pages);
	barium_stamp(new.map, 0, pages, 2);
	check_replaced(old.map, old.size);
	memset(old.map, 0xff, old.size);
	barium_check_stamp(new.map, 0, pages, 2);

	unmap(&old);
	barium_bo_fini(fresh, &new);
	close(fresh);
	check_vram();
}

static void zero_after(int fd)
{
	size_t pages = barium_vram_size(fd) / barium_page_size();
	struct barium_bo bo = barium_bo_create(fd, pages);
	int fresh;

	memset(bo.map, 0xff, bo.size);
	unbind_device();
	bind_device();

	fresh = open_bound();
	unmap(&bo);
	bo = barium_bo_create(fresh, pages);
	barium_check_zero(bo.map, bo.size);
	barium_bo_fini(fresh, &bo);
	close(fresh);
}

static void rebind_loop(int fd)
{
	int round;

	(void)fd;
	for (round = 0; round < 5; round++) {
		unbind_device();
		bind_device();
		check_vram();
	}
}

/* Each round leaves a file and a mapping of a device that is gone. */
static void rebind_in_use(int fd)
{
	struct barium_bo bos[5];
	int fds[ARRAY_SIZE(bos)];
	size_t i;

	(void)fd;
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		fds[i] = open_bound();
		bos[i] = barium_bo_create(fds[i], PAGES);
		barium_stamp(bos[i].map, 0, PAGES, i);
		unbind_device();
		bind_device();
	}
	for (i = 0; i < ARRAY_SIZE(bos); i++) {
		check_replaced(bos[i].map, bos[i].size);
		unmap(&bos[i]);
		close(fds[i]);
	}
	check_vram();
}

static void remove_rescan(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	char path[128];

	barium_stamp(bo.map, 0, PAGES / 2, 1);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", slot);
	igt_assert(write_sysfs(path, "1"));
	igt_assert(!is_bound());
	check_replaced(bo.map, bo.size);
	barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, ENODEV);

	make_bound(0);
	igt_assert(is_bound());
	unmap(&bo);
	check_vram();
}

/* Counts the lines of @file that claim a part of the range and contain @owner. */
static int count_claims(FILE *file, const char *format, const char *owner, __u64 start, __u64 end)
{
	unsigned long long first, last;
	char line[256];
	int count = 0;

	igt_assert(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, format, &first, &last) == 2 && last > start && first <= end &&
		    strstr(line, owner))
			count++;
	}
	fclose(file);
	return count;
}

static int memory_types(__u64 start, __u64 end)
{
	return count_claims(barium_debugfs("x86/pat_memtype_list"), "PAT: [mem %llx-%llx]", "",
			    start, end);
}

static int regions(__u64 start, __u64 end)
{
	return count_claims(fopen("/proc/iomem", "r"), "%llx-%llx", "barium", start, end);
}

/* What is asked for while the device is bound, and given back when it is not. */
static void claims(int fd)
{
	FILE *list = barium_debugfs("x86/pat_memtype_list"), *file;
	unsigned long long start, end;
	char path[128];

	(void)fd;
	igt_require_f(list, "the kernel does not list memory types\n");
	fclose(list);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", slot);
	file = fopen(path, "r");
	igt_assert(file);
	igt_assert_eq(fscanf(file, "%llx %llx", &start, &end), 2);
	fclose(file);

	igt_assert_lt(0, memory_types(start, end));
	igt_assert_lt(0, regions(start, end));
	unbind_device();
	igt_assert_eq(memory_types(start, end), 0);
	igt_assert_eq(regions(start, end), 0);
	bind_device();
	igt_assert_lt(0, memory_types(start, end));
}

/* Memory that the children of a test share with it. */
struct board {
	bool stop;
	__u32 passes[4];
};

static struct board *new_board(void)
{
	struct board *board = mmap(NULL, sizeof(*board), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	igt_assert(board != MAP_FAILED);
	return board;
}

/*
 * Waits until each of @children has made two more passes, so at least one from its start. A child
 * that was killed makes none.
 */
static void wait_for_passes(struct board *board, int children)
{
	int i, waited = 0;
	__u32 then;

	for (i = 0; i < children; i++) {
		then = READ_ONCE(board->passes[i]);
		while (READ_ONCE(board->passes[i]) - then < 2) {
			igt_assert_f(waited++ < 30000, "child %d does not go on\n", i);
			usleep(1000);
		}
	}
}

static void end_children(struct board *board)
{
	WRITE_ONCE(board->stop, true);
	igt_waitchildren();
	munmap(board, sizeof(*board));
}

/* The races below are run this often in a test run; a long run asks for more. */
static int rounds(void)
{
	const char *wanted = getenv("BARIUM_UNPLUG_ROUNDS");

	return wanted ? atoi(wanted) : 8;
}

/* Two processes write through mappings of one object and of their own. */
static void writers(int fd)
{
	struct barium_bo shared, own[2];
	struct board *board;
	int round, client;

	(void)fd;
	for (round = 0; round < rounds(); round++) {
		client = open_bound();
		shared = barium_bo_create(client, PAGES);
		own[0] = barium_bo_create(client, PAGES);
		own[1] = barium_bo_create(client, PAGES);
		board = new_board();

		igt_fork(child, 2) {
			while (!READ_ONCE(board->stop)) {
				barium_stamp(shared.map, 0, PAGES, child);
				barium_stamp(own[child].map, 0, PAGES, board->passes[child]);
				WRITE_ONCE(board->passes[child], board->passes[child] + 1);
			}
		}

		wait_for_passes(board, 2);
		unbind_device();
		wait_for_passes(board, 2);
		end_children(board);

		unmap(&shared);
		unmap(&own[0]);
		unmap(&own[1]);
		close(client);
		bind_device();
		check_vram();
	}
}

/* Children that keep making mappings and touch them first, all along the way out. */
static void faults(int fd)
{
	struct barium_bo bo;
	struct board *board;
	int round, client;
	void *map;

	(void)fd;
	for (round = 0; round < rounds(); round++) {
		client = open_bound();
		bo = barium_bo_create(client, PAGES);
		board = new_board();

		igt_fork(child, 2) {
			while (!READ_ONCE(board->stop)) {
				int err = __barium_mmap(client, bo.size, RW, MAP_SHARED, bo.offset,
							&map);

				igt_assert(!err || err == -ENODEV);
				if (!err) {
					barium_stamp(map, 0, PAGES, child);
					barium_munmap(map, bo.size);
				}
				WRITE_ONCE(board->passes[child], board->passes[child] + 1);
			}
		}

		wait_for_passes(board, 2);
		unbind_device();
		wait_for_passes(board, 2);
		end_children(board);
		unmap(&bo);
		close(client);
		bind_device();
		check_vram();
	}
}

/* Children that create, map and close objects until the device is gone. */
static void creations(int fd)
{
	struct board *board;
	int round, client;

	(void)fd;
	for (round = 0; round < rounds(); round++) {
		client = open_bound();
		board = new_board();

		igt_fork(child, 2) {
			while (!READ_ONCE(board->stop)) {
				__u64 size = 3 * barium_page_size(), offset;
				__u32 handle;
				void *map;
				int err = __barium_gem_create(client, &size, 0, &handle);

				if (!err)
					err = __barium_gem_mmap_offset(client, handle, &offset);
				if (!err)
					err = __barium_mmap(client, size, RW, MAP_SHARED, offset,
							    &map);
				if (!err) {
					barium_stamp(map, 0, 3, child);
					barium_munmap(map, size);
					err = __barium_gem_close(client, handle);
				}
				igt_assert(!err || err == -ENODEV);
				WRITE_ONCE(board->passes[child], board->passes[child] + 1);
			}
		}

		wait_for_passes(board, 2);
		unbind_device();
		wait_for_passes(board, 2);
		end_children(board);
		close(client);
		bind_device();
		check_vram();
	}
}

/* Children that open and close the device while it comes and goes. */
static void opens(int fd)
{
	struct board *board = new_board();
	int round;

	(void)fd;
	igt_fork(child, 2) {
		while (!READ_ONCE(board->stop)) {
			int client = __barium_open_slot(slot, O_RDWR);
			__u64 value;

			if (client >= 0) {
				__barium_get_param(client, BARIUM_PARAM_VRAM_SIZE, &value);
				close(client);
			}
			WRITE_ONCE(board->passes[child], board->passes[child] + 1);
		}
	}

	for (round = 0; round < rounds(); round++) {
		wait_for_passes(board, 2);
		unbind_device();
		wait_for_passes(board, 2);
		bind_device();
	}
	end_children(board);
	check_vram();
}

static void unload_refused(void)
{
	igt_assert_eq(syscall(SYS_delete_module, "barium", O_NONBLOCK), -1);
	igt_assert(errno == EWOULDBLOCK || errno == EBUSY);
}

static void module_in_use(int fd)
{
	int other, buf;
	struct barium_bo bo;

	igt_require_f(!access("/sys/module/barium/refcnt", F_OK), "barium is no module\n");
	unload_refused();

	other = barium_reopen(fd, O_RDWR);
	bo = barium_bo_create(other, 1);
	buf = __barium_gem_export(other, bo.handle, DRM_RDWR | DRM_CLOEXEC);
	close(other);
	unbind_device();
	unload_refused();
	bind_device();
	if (buf >= 0)
		close(buf);
	unmap(&bo);
}

static const struct barium_subtest tests[] = {
	{ "ioctls", "What is asked of a device that is gone is answered with ENODEV.", ioctls },
	{ "map-refused", "Objects of a device that is gone cannot be mapped.", map_refused },
	{ "open-refused", "A device that is gone cannot be opened.", open_refused },
	{ "touched", "Pages in use turn into zeroed memory.", touched },
	{ "untouched", "Pages that were never touched are zeroed memory.", untouched },
	{ "partly-touched", "Pages in use and others turn into zeroed memory alike.",
	  partly_touched },
	{ "large", "A large mapping turns into zeroed memory.", large },
	{ "map-ahead", "What is gone is not mapped ahead, and what was is gone.", map_ahead },
	{ "written-first", "What is written after the end can be read back.", written_first },
	{ "same-object", "Mappings of one object go on showing the same.", same_object },
	{ "other-object", "Objects stay apart after the end.", other_object },
	{ "read-only", "A read-only mapping stays so after the end.", read_only },
	{ "split-after", "A mapping can be split and moved after the end.", split_after },
	{ "fork-after", "A child shares the mapping after the end.", fork_after },
	{ "debugger", "A debugger is not told lies after the end.", debugger },
	{ "dma-buf", "Mappings of a dma-buf do not kill either.", buffer },
	{ "close-after", "Files and objects can be closed after the end.", close_after },
	{ "old-mapping-new-device", "Old mappings and the new device do not see each other.",
	  old_mapping_new_device },
	{ "zero-after", "No byte of before is seen in new objects.", zero_after },
	{ "rebind-loop", "The device can be bound again and again.", rebind_loop },
	{ "rebind-in-use", "The device can be bound again while the old one is in use.",
	  rebind_in_use },
	{ "remove-rescan", "The device can be removed from the bus and found again.",
	  remove_rescan },
	{ "claims", "An unbound device leaves no claim on its memory behind.", claims },
	{ "writers", "Processes that write while the device goes do not notice.", writers },
	{ "faults", "Processes that fault while the device goes are not killed.", faults },
	{ "creations", "Objects can be made and closed while the device goes.", creations },
	{ "opens", "The device can be opened while it comes and goes.", opens },
	{ "module-in-use", "The driver stays loaded while a file, mapping or dma-buf is there.",
	  module_in_use },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	static const struct barium_subtest *test;

	igt_fixture() {
		int fd = barium_open_render();

		barium_slot(fd, slot);
		close(fd);
		igt_require_f(!access(DRIVER "unbind", W_OK), "no right to unbind\n");
		igt_install_exit_handler(make_bound);
	}

	for (test = tests; test->name; test++) {
		igt_fixture()
			make_bound(0);
		barium_run_subtest(test);
	}
}
