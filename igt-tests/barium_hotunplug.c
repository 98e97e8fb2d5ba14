// SPDX-License-Identifier: MIT
/*
 * Tests of unbinding the device from the driver with open files and mappings: what a client
 * observes afterwards. barium_hotunplug_race tests accesses during unbind, barium_rebind the
 * rebound device.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "igt.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Files, mappings and dma-bufs after the device is unbound.");

#define RW (PROT_READ | PROT_WRITE)
#define PAGES 16

static void ioctls(int fd)
{
	__u32 handle = barium_gem_create(fd, barium_page_size()), other;
	struct drm_barium_gem_info info;
	__u64 value, size = barium_page_size();

	barium_unbind();
	igt_assert_eq(__barium_get_param(fd, BARIUM_PARAM_VRAM_SIZE, &value), -ENODEV);
	igt_assert_eq(__barium_gem_create(fd, &size, 0, &other), -ENODEV);
	igt_assert_eq(__barium_gem_mmap_offset(fd, handle, &value), -ENODEV);
	igt_assert_eq(__barium_gem_info(fd, handle, &info), -ENODEV);
	igt_assert_eq(__barium_gem_close(fd, handle), -ENODEV);

	barium_bind();
	igt_assert_eq(__barium_get_param(fd, BARIUM_PARAM_VRAM_SIZE, &value), -ENODEV);
	barium_check_vram();
}

static void map_refused(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_unbind();
	barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, ENODEV);
	barium_bind();
	barium_mmap_refused(fd, bo.size, RW, MAP_SHARED, bo.offset, ENODEV);
	barium_bo_unmap(&bo);
}

static void open_refused(int fd)
{
	char path[32];

	barium_unbind();
	igt_assert_eq(__barium_open_bound(), -ENODEV);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	igt_assert_eq(open(path, O_RDWR), -1);
	barium_bind();
}

static void touched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_stamp(bo.map, 0, PAGES, 1);
	barium_unbind();
	barium_check_replaced(bo.map, bo.size);
	barium_bo_unmap(&bo);
	barium_bind();
}

static void untouched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *map = barium_mmap(fd, bo.handle, bo.size);

	barium_stamp(bo.map, 0, PAGES, 1);
	barium_unbind();
	barium_check_replaced(map, bo.size);
	barium_munmap(map, bo.size);
	barium_bo_unmap(&bo);
	barium_bind();
}

static void partly_touched(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size(), i;

	for (i = 0; i < PAGES; i += 3)
		barium_stamp(bo.map + i * page, i, 1, 1);
	barium_unbind();
	barium_check_replaced(bo.map, bo.size);
	barium_bo_unmap(&bo);
	barium_bind();
}

/* The object is large enough for huge entries. One half of it is accessed before unbind. */
static void large(int fd)
{
	size_t page = barium_page_size();
	__u64 size = barium_room() / 4 / page * 2 * page;
	struct barium_bo bo = barium_bo_create(fd, size / page);
	__u8 *again = barium_mmap(fd, bo.handle, size);

	barium_stamp(bo.map, 0, size / 2 / page, 1);
	barium_unbind();
	barium_check_replaced(bo.map, size);
	igt_assert_eq_u32(READ_ONCE(again[0]), READ_ONCE(bo.map[0]));
	memset(bo.map, 0, size);
	barium_check_zero(again, size);
	barium_munmap(again, size);
	barium_bo_unmap(&bo);
	barium_bind();
	barium_check_vram();
}

static void map_ahead(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct drm_barium_map_ahead arg = { .address = (uintptr_t)bo.map, .size = bo.size };

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), 0);
	barium_stamp(bo.map, 0, PAGES, 1);
	barium_unbind();
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), -ENODEV);
	barium_check_replaced(bo.map, bo.size);
	barium_bind();

	/* The mapping is not one of the new device. */
	fd = barium_open_bound();
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_MAP_AHEAD, &arg), -EFAULT);
	close(fd);
	barium_bo_unmap(&bo);
}

static void written_first(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_unbind();
	igt_assert_eq(barium_try_write(bo.map), 0);
	igt_assert_eq_u32(READ_ONCE(bo.map[0]), 0x5a);
	igt_assert_eq_u32(READ_ONCE(bo.map[1]), 0);
	barium_bo_unmap(&bo);
	barium_bind();
}

/* Two mappings of an object still map the same memory after unbind. */
static void same_object(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *again = barium_mmap(fd, bo.handle, bo.size);

	WRITE_ONCE(bo.map[0], 1);
	barium_unbind();
	igt_assert_eq_u32(READ_ONCE(again[7]), 0);
	WRITE_ONCE(bo.map[7], 0x77);
	igt_assert_eq_u32(READ_ONCE(again[7]), 0x77);
	WRITE_ONCE(again[9], 0x99);
	igt_assert_eq_u32(READ_ONCE(bo.map[9]), 0x99);

	barium_munmap(again, bo.size);
	barium_bo_unmap(&bo);
	barium_bind();
}

/* A write to one object does not appear in another one, of the same client or of another. */
static void other_object(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	struct barium_bo own = barium_bo_create(fd, PAGES);
	struct barium_bo foreign = barium_bo_create(other, PAGES);

	READ_ONCE(foreign.map[0]);
	barium_unbind();
	memset(bo.map, 0xff, bo.size);
	barium_check_zero(own.map, own.size);
	barium_check_zero(foreign.map, foreign.size);

	barium_bo_unmap(&bo);
	barium_bo_unmap(&own);
	barium_bo_unmap(&foreign);
	close(other);
	barium_bind();
}

static void read_only(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *map;

	igt_assert_eq(__barium_mmap(fd, bo.size, PROT_READ, MAP_SHARED, bo.offset, (void **)&map),
		      0);
	READ_ONCE(map[0]);
	barium_unbind();
	barium_check_zero(map, bo.size);
	igt_assert_eq(barium_try_write(map), SIGSEGV);
	igt_assert_eq(mprotect(map, bo.size, RW), 0);
	igt_assert_eq(barium_try_write(map), 0);

	barium_munmap(map, bo.size);
	barium_bo_unmap(&bo);
	barium_bind();
}

static void split_after(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	size_t page = barium_page_size();
	__u8 *room = mmap(NULL, 4 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(room != MAP_FAILED);
	barium_stamp(bo.map, 0, PAGES / 2, 1);
	barium_unbind();
	barium_munmap(bo.map + 2 * page, page);
	igt_assert_eq(mprotect(bo.map + 4 * page, page, PROT_READ), 0);
	igt_assert(mremap(bo.map + 6 * page, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED,
			  room) == room);
	barium_check_zero(bo.map + 3 * page, 3 * page);
	barium_check_replaced(room, 4 * page);
	igt_assert_eq(barium_try_write(bo.map + 15 * page), 0);

	barium_munmap(room, 4 * page);
	barium_bo_unmap(&bo);
	barium_bind();
}

static void fork_after(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_stamp(bo.map, 0, 2, 1);
	barium_unbind();
	READ_ONCE(bo.map[0]);
	igt_fork(child, 1) {
		barium_check_zero(bo.map, bo.size);
		WRITE_ONCE(bo.map[5], 0x55);
	}
	igt_waitchildren();
	igt_assert_eq_u32(READ_ONCE(bo.map[5]), 0x55);
	barium_bo_unmap(&bo);
	barium_bind();
}

/* /proc/self/mem and the program access the same memory, accessed before unbind or not. */
static void debugger(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	__u64 word = 0x1122334455667788;

	igt_assert_lte(0, mem);
	barium_stamp(bo.map, 0, 2, 1);
	barium_unbind();
	igt_assert_eq(pwrite(mem, &word, sizeof(word), (uintptr_t)bo.map), sizeof(word));
	igt_assert_eq_u64(READ_ONCE(*(__u64 *)bo.map), word);
	WRITE_ONCE(*(__u64 *)bo.map, 42);
	igt_assert_eq(pread(mem, &word, sizeof(word), (uintptr_t)bo.map), sizeof(word));
	igt_assert_eq_u64(word, 42);

	close(mem);
	barium_bo_unmap(&bo);
	barium_bind();
}

static void buffer(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	int buf = __barium_gem_export(fd, bo.handle, DRM_RDWR | DRM_CLOEXEC);
	__u8 *map;

	igt_require_f(buf >= 0, "the driver does not support export\n");
	igt_assert_eq(__barium_mmap(buf, bo.size, RW, MAP_SHARED, 0, (void **)&map), 0);
	barium_stamp(map, 0, PAGES / 2, 1);
	barium_unbind();
	barium_check_zero(map, bo.size);
	WRITE_ONCE(map[5], 0x55);
	igt_assert_eq_u32(READ_ONCE(bo.map[5]), 0x55);
	barium_check_replaced(map + barium_page_size(), 0);
	barium_munmap(map, bo.size);

	/* mmap() of the dma-buf may fail or succeed; an access must not raise a signal. */
	if (!__barium_mmap(buf, bo.size, RW, MAP_SHARED, 0, (void **)&map)) {
		igt_assert_eq(barium_try_read(map), 0);
		igt_assert_eq(barium_try_write(map + bo.size - 1), 0);
		barium_munmap(map, bo.size);
	}
	close(buf);
	barium_bo_unmap(&bo);
	barium_bind();
	barium_check_vram();
}

static void close_after(int fd)
{
	int other = barium_reopen(fd, O_RDWR), i;
	struct barium_bo bo = barium_bo_create(other, PAGES);

	for (i = 0; i < 20; i++)
		barium_gem_create(other, 5 * barium_page_size());
	barium_unbind();
	close(other);
	barium_check_replaced(bo.map, bo.size);
	barium_bo_unmap(&bo);
	barium_bind();
	barium_check_vram();
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
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_unplug_subtests(tests);
}
