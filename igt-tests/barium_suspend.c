// SPDX-License-Identifier: MIT
/**
 * TEST: barium suspend
 * Description: Tests of suspend to RAM (S3): the contents of VRAM are preserved, and mappings stay
 *   valid. The real-time clock wakes the machine.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Suspend
 *
 * SUBTEST: content
 * Description: Suspend preserves the contents of objects of all kinds.
 *
 * SUBTEST: fault-after
 * Description: A fault after resume maps the right page, write-combining.
 *
 * SUBTEST: create-after
 * Description: An object created after resume reads as zero.
 *
 * SUBTEST: display
 * Description: The scanout registers are restored, and page flips work.
 *
 * SUBTEST: writer
 * Description: A thread that writes during suspend loses no write.
 */
#include <fcntl.h>
#include <pthread.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_mapping.h"

IGT_TEST_DESCRIPTION("Objects and mappings across suspend to RAM.");

#define PAGES 16
/* Duration of sleep in seconds. The alarm must not expire before the machine sleeps. */
#define SLEEP 5

static void suspend(void)
{
	igt_set_autoresume_delay(SLEEP);
	igt_system_suspend_autoresume(SUSPEND_STATE_S3, SUSPEND_TEST_NONE);
}

static bool all_stamped(const struct barium_bo *bo, __u32 seed)
{
	return barium_is_stamped(bo->map, 0, bo->size / barium_page_size(), seed);
}

/* One object is large enough for huge entries, one has one page, one consists of many extents. */
static void test_content(int fd)
{
	size_t pages = (4 << 20) / barium_page_size();
	__u64 before = barium_vram_available(fd);
	struct barium_bo large = barium_bo_create(fd, pages);
	struct barium_bo small = barium_bo_create(fd, 1);
	struct barium_bo scattered;
	int holder = barium_bo_create_scattered(fd, PAGES, &scattered);

	barium_stamp(large.map, 0, pages, 1);
	barium_stamp(small.map, 0, 1, 2);
	barium_stamp(scattered.map, 0, PAGES, 3);
	suspend();
	igt_assert(all_stamped(&large, 1));
	igt_assert(all_stamped(&small, 2));
	igt_assert(all_stamped(&scattered, 3));

	barium_bo_fini(fd, &scattered);
	close(holder);
	barium_bo_fini(fd, &small);
	barium_bo_fini(fd, &large);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

struct writer {
	__u32 *word;
	bool stop;
	__u32 written;
};

static void *write_on(void *data)
{
	struct writer *writer = data;

	while (!READ_ONCE(writer->stop)) {
		WRITE_ONCE(*writer->word, ++writer->written);
		if (READ_ONCE(*writer->word) != writer->written)
			return "a read does not return the value written before";
	}
	return NULL;
}

static void test_writer(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	struct writer writer = { .word = (__u32 *)bo.map };
	__u32 asleep;
	pthread_t thread;
	void *fault;

	igt_assert_eq(pthread_create(&thread, NULL, write_on, &writer), 0);
	suspend();
	asleep = READ_ONCE(*writer.word);
	while (READ_ONCE(*writer.word) == asleep)
		usleep(1000);
	WRITE_ONCE(writer.stop, true);
	igt_assert_eq(pthread_join(thread, &fault), 0);
	igt_assert_f(!fault, "%s\n", (const char *)fault);
	barium_bo_fini(fd, &bo);
}

/* The registers that define the scanout, XRES to Y_OFFSET. */
#define REGISTERS	BARIUM_REG_XRES
#define REGISTERS_END	(BARIUM_REG_Y_OFFSET + sizeof(__u16))
#define COUNT		((REGISTERS_END - REGISTERS) / sizeof(__u16))

static void read_registers(int fd, __u16 to[static COUNT])
{
	__u8 *bar = barium_map_bar(fd, "resource2", BARIUM_REGS_LEN, O_RDONLY);
	size_t i;

	for (i = 0; i < COUNT; i++)
		to[i] = READ_ONCE(((__u16 *)(bar + REGISTERS))[i]);
	barium_unmap_bar(bar, BARIUM_REGS_LEN);
}

static void test_display(int fd)
{
	int card = barium_open_primary();
	struct drm_mode_create_dumb dumb;
	__u32 first = barium_gem_create(fd, barium_page_size()), fb;
	__u16 before[COUNT], after[COUNT];
	struct barium_pipe pipe;
	size_t pages;
	void *map;

	barium_find_pipe(card, &pipe);
	fb = barium_add_dumb(card, &pipe, &dumb);
	pages = dumb.size / barium_page_size();
	map = barium_mmap(card, dumb.handle, dumb.size);
	barium_stamp(map, 0, pages, 1);
	barium_set_crtc(card, &pipe, fb, 0, 0);

	read_registers(fd, before);
	igt_assert(before[(BARIUM_REG_ENABLE - REGISTERS) / sizeof(__u16)] & BARIUM_ENABLED);
	suspend();
	read_registers(fd, after);
	igt_assert_f(!memcmp(before, after, sizeof(before)), "the scanout registers differ\n");
	barium_check_stamp(map, 0, pages, 1);

	barium_flip(card, &pipe, fb, 1);
	barium_flipped(card, &pipe, 1);

	barium_switch_off(card, &pipe);
	barium_munmap(map, dumb.size);
	close(card);
	gem_close(fd, first);
}

int igt_main()
{
	igt_describe("Suspend preserves the contents of objects of all kinds.");
	igt_subtest("content")
		test_content(barium_new_client());

	/* The mapping exists before suspend, but none of its pages has been accessed. */
	igt_describe("A fault after resume maps the right page, write-combining.");
	igt_subtest("fault-after") {
		int fd = barium_new_client();
		struct barium_bo bo = barium_bo_create(fd, PAGES);
		__u8 *unpopulated = barium_mmap(fd, bo.handle, bo.size);

		barium_stamp(bo.map, 0, PAGES, 1);
		suspend();
		barium_check_stamp(unpopulated, 0, PAGES, 1);
		barium_check_write_combining(unpopulated);
		barium_munmap(unpopulated, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("An object created after resume reads as zero.");
	igt_subtest("create-after") {
		int fd = barium_new_client();
		__u64 before = barium_vram_available(fd);
		struct barium_bo bo = barium_bo_create(fd, PAGES);

		barium_stamp(bo.map, 0, PAGES, 1);
		barium_bo_fini(fd, &bo);
		suspend();
		igt_assert_eq_u64(barium_vram_available(fd), before);
		bo = barium_bo_create(fd, PAGES);
		barium_check_zero(bo.map, bo.size);
		barium_bo_fini(fd, &bo);
	}

	igt_describe("The scanout registers are restored, and page flips work.");
	igt_subtest("display")
		test_display(barium_new_client());

	igt_describe("A thread that writes during suspend loses no write.");
	igt_subtest("writer")
		test_writer(barium_new_client());
}
