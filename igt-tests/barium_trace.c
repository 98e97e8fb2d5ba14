// SPDX-License-Identifier: MIT
/**
 * TEST: barium trace
 * Description: The driver's tracepoints, read from tracefs.
 * Category: Core
 * Sub-category: DRM
 * Functionality: tracing
 *
 * SUBTEST: objects
 * Description: An object has an event when it is created and when it is freed.
 *
 * SUBTEST: move-out
 * Description: An object that leaves VRAM has an event, with the place that it moves to and the
 *   number of pages that were copied.
 *
 * SUBTEST: move-in
 * Description: A picture that moves into VRAM has an event, with the place that it comes from.
 *
 * SUBTEST: purge
 * Description: Dropping the content of an object has an event, in VRAM and in system memory.
 *
 * SUBTEST: swap-out
 * Description: An object that the kernel may swap out has an event.
 *
 * SUBTEST: slow-fault
 * Description: A fault that allocates a page has an event, with the number of the page.
 *
 * SUBTEST: fast-fault
 * Description: A fault in a page that has memory has no event.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "igt.h"
#include "barium_lib_mapping.h"
#include "barium_lib_picture.h"
#include "barium_lib_trace.h"

IGT_TEST_DESCRIPTION("Checks the driver's tracepoints.");

#define SYSTEM BARIUM_GEM_CREATE_SYSTEM
#define WIDTH 1280
#define HEIGHT 800
/* No operation of these tests takes longer. */
#define MAX_NSEC 10000000000ull

struct event {
	/* Without "barium_". */
	char name[32];
	__u32 minor;
	/* The fake offset of the object. */
	__u64 object;
	__u64 pages;
	char place[16];
	/* The number after "moved=" or "page=", and the duration; 0 if the event has none. */
	__u64 number, nsec;
	size_t count;
};

/*
 * Returns the last event @name of the object with the fake offset @object, and the number of these
 * events, which is 0 if there is none.
 */
static struct event find_event(const char *name, __u64 object)
{
	FILE *trace = barium_open_trace();
	struct event last = {}, event;
	char line[512], *start, *more;
	int items;

	while (fgets(line, sizeof(line), trace)) {
		start = strstr(line, ": barium_");
		if (line[0] == '#' || !start)
			continue;
		igt_debug("%s", line);
		event = (struct event){};
		items = sscanf(start, ": barium_%31[^:]: minor=%u object=0x%" SCNx64
			       " pages=%" SCNu64 " place=%15s", event.name, &event.minor,
			       (uint64_t *)&event.object, (uint64_t *)&event.pages, event.place);
		igt_assert_eq(items, 5);
		more = strstr(start, strcmp(event.name, "slow_fault") ? " moved=" : " page=");
		if (more) {
			items = sscanf(more, " %*[a-z]=%" SCNu64 " ns=%" SCNu64,
				       (uint64_t *)&event.number, (uint64_t *)&event.nsec);
			igt_assert_eq(items, 2);
		}
		if (strcmp(event.name, name) || event.object != object)
			continue;
		event.count = last.count + 1;
		last = event;
	}
	fclose(trace);
	return last;
}

static __u32 minor_of_primary(void)
{
	struct stat status;
	int primary = barium_open_primary();

	igt_assert_eq(fstat(primary, &status), 0);
	close(primary);
	return minor(status.st_rdev);
}

/* Asserts that the object has @count events @name. Checks the last one. */
static struct event check_event(const char *name, __u64 object, size_t count, __u64 pages,
				const char *place, __u64 number)
{
	struct event event = find_event(name, object);

	igt_assert_f(event.count == count, "%zu events %s of %#llx instead of %zu\n", event.count,
		     name, object, count);
	igt_assert_eq_u32(event.minor, minor_of_primary());
	igt_assert_eq_u64(event.pages, pages);
	igt_assert_f(!strcmp(event.place, place), "in %s, not in %s\n", event.place, place);
	igt_assert_eq_u64(event.number, number);
	return event;
}

static void check_timed_event(const char *name, __u64 object, __u64 pages, const char *place,
			      __u64 number)
{
	struct event event = check_event(name, object, 1, pages, place, number);

	igt_assert_lt_u64(0, event.nsec);
	igt_assert_lt_u64(event.nsec, MAX_NSEC);
}

static void test_objects(int fd)
{
	static const struct {
		__u32 flags;
		const char *first, *last;
	} cases[] = { { 0, "vram", "vram" }, { SYSTEM, "none", "system" } };
	struct barium_bo bo;
	__u64 offset;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		barium_clear_trace();
		bo = barium_bo_create_with(fd, 7, cases[i].flags);
		offset = bo.offset;
		check_event("object_create", offset, 1, 7, cases[i].first, 0);
		igt_assert_eq_u64(find_event("object_free", offset).count, 0);
		barium_stamp(bo.map, 0, 7, 1);
		barium_bo_fini(fd, &bo);
		check_event("object_free", offset, 1, 7, cases[i].last, 0);
		igt_assert_eq_u64(find_event("object_create", offset).count, 1);
	}
}

static void test_move_out(int fd)
{
	struct barium_bo touched = barium_bo_create_with(fd, 64, 0);
	__u64 size = 5 * barium_page_size();
	__u32 untouched;

	igt_assert_eq(__barium_gem_create(fd, &size, 0, &untouched), 0);
	barium_stamp(touched.map, 0, 64, 1);
	barium_clear_trace();
	barium_move_out(fd);
	check_timed_event("move_out", touched.offset, 64, "system", 64);
	check_timed_event("move_out", barium_gem_mmap_offset(fd, untouched), 5, "none", 0);
	igt_assert_eq_u64(find_event("move_in", touched.offset).count, 0);
	barium_check_stamp(touched.map, 0, 64, 1);
	gem_close(fd, untouched);
	barium_bo_fini(fd, &touched);
}

/* The display under test. */
static struct barium_screen screen;

static void test_move_in(int fd)
{
	__u64 size = barium_vram_size(fd), pages;
	struct barium_picture picture;
	__u64 offset;
	__u32 handle;

	igt_assert_eq(__barium_gem_create(fd, &size, BARIUM_GEM_CREATE_CONTIGUOUS, &handle), 0);
	picture = barium_create_picture(fd, &screen, 0, 1);
	offset = barium_gem_mmap_offset(fd, picture.dumb.handle);
	pages = picture.dumb.size / barium_page_size();
	igt_assert_eq_u64(barium_in_memory(fd), picture.dumb.size);
	barium_clear_trace();
	barium_set_crtc(fd, &screen.pipe, picture.fb, 0, 0);
	check_timed_event("move_in", offset, pages, "system", pages);
	igt_assert_eq_u64(find_event("move_out", offset).count, 0);
	barium_check_picture(&screen, &picture, 1);
	barium_switch_off(fd, &screen.pipe);
	barium_destroy_picture(fd, &picture);
	gem_close(fd, handle);
}

static void test_purge(int fd)
{
	struct barium_bo vram = barium_bo_create_with(fd, 64, 0);
	struct barium_bo system = barium_bo_create_with(fd, 64, SYSTEM);

	barium_stamp(vram.map, 0, 64, 1);
	barium_stamp(system.map, 0, 10, 1);
	barium_madvise(fd, vram.handle, BARIUM_MADVISE_DONTNEED);
	barium_madvise(fd, system.handle, BARIUM_MADVISE_DONTNEED);
	barium_clear_trace();
	barium_move_out(fd);
	check_timed_event("purge", vram.offset, 64, "vram", 64);
	igt_assert_eq_u64(find_event("move_out", vram.offset).count, 0);
	igt_assert_eq_u64(find_event("purge", system.offset).count, 0);
	barium_shrink();
	check_timed_event("purge", system.offset, 64, "system", 10);
	barium_bo_fini(fd, &system);
	barium_bo_fini(fd, &vram);
}

static void test_swap_out(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, SYSTEM);

	igt_require_f(barium_meminfo("SwapFree"), "the kernel has no swap\n");
	barium_stamp(bo.map, 0, 10, 1);
	barium_clear_trace();
	barium_shrink();
	check_timed_event("swap_out", bo.offset, 64, "system", 10);
	igt_assert_eq_u64(find_event("purge", bo.offset).count, 0);
	barium_check_stamp(bo.map, 0, 10, 1);
	barium_bo_fini(fd, &bo);
}

static void test_slow_fault(int fd)
{
	struct barium_bo bo = barium_bo_create_with(fd, 64, SYSTEM);

	barium_clear_trace();
	WRITE_ONCE(bo.map[17 * barium_page_size()], 1);
	check_timed_event("slow_fault", bo.offset, 64, "system", 17);
	WRITE_ONCE(bo.map[3 * barium_page_size()], 1);
	check_event("slow_fault", bo.offset, 2, 64, "system", 3);
	barium_bo_fini(fd, &bo);
}

static void test_fast_fault(int fd)
{
	struct barium_bo vram = barium_bo_create_with(fd, 64, 0);
	struct barium_bo system = barium_bo_create_with(fd, 64, SYSTEM);
	__u8 *again = barium_mmap(fd, system.handle, system.size);

	barium_stamp(system.map, 0, 64, 1);
	barium_clear_trace();
	barium_stamp(vram.map, 0, 64, 1);
	barium_check_stamp(again, 0, 64, 1);
	igt_assert_eq_u64(find_event("slow_fault", vram.offset).count, 0);
	igt_assert_eq_u64(find_event("slow_fault", system.offset).count, 0);
	barium_munmap(again, system.size);
	barium_bo_fini(fd, &system);
	barium_bo_fini(fd, &vram);
}

int igt_main()
{
	igt_fixture() {
		barium_begin_trace();
		barium_trace_event("barium");
	}

	igt_describe("An object has an event when it is created and when it is freed.");
	igt_subtest("objects")
		test_objects(barium_new_client());

	igt_describe("An object that leaves VRAM has an event.");
	igt_subtest("move-out")
		test_move_out(barium_new_client());

	igt_describe("A picture that moves into VRAM has an event.");
	igt_subtest("move-in")
		test_move_in(barium_new_screen_client(&screen, WIDTH, HEIGHT));

	igt_describe("Dropping the content of an object has an event.");
	igt_subtest("purge")
		test_purge(barium_new_client());

	igt_describe("An object that the kernel may swap out has an event.");
	igt_subtest("swap-out")
		test_swap_out(barium_new_client());

	igt_describe("A fault that allocates a page has an event.");
	igt_subtest("slow-fault")
		test_slow_fault(barium_new_client());

	igt_describe("A fault in a page that has memory has no event.");
	igt_subtest("fast-fault")
		test_fast_fault(barium_new_client());
}
