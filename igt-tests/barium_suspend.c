// SPDX-License-Identifier: MIT
/*
 * System sleep (S3): what a program has in VRAM is there when the machine is awake again, and its
 * mappings go on. The real-time clock wakes it up.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <drm_fourcc.h>
#include <drm_mode.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Objects and mappings across suspend to RAM.");

#define PAGES 16
/* Seconds of sleep. The alarm must not go off on the way down. */
#define SLEEP 5

static void sleep_once(void)
{
	igt_set_autoresume_delay(SUSPEND_STATE_MEM, SLEEP);
	igt_system_suspend_autoresume(SUSPEND_STATE_MEM, SUSPEND_TEST_NONE);
}

static bool all_stamped(const struct barium_bo *bo, __u32 seed)
{
	return barium_is_stamped(bo->map, 0, bo->size / barium_page_size(), seed);
}

/* An object large enough for huge entries, small ones, and one in pieces. */
static void content(int fd)
{
	size_t pages = (4 << 20) / barium_page_size();
	__u64 before = barium_vram_available(fd);
	struct barium_bo large = barium_bo_create(fd, pages);
	struct barium_bo small = barium_bo_create(fd, 1);
	struct barium_bo scattered;
	int others = barium_bo_create_scattered(fd, PAGES, &scattered);

	barium_stamp(large.map, 0, pages, 1);
	barium_stamp(small.map, 0, 1, 2);
	barium_stamp(scattered.map, 0, PAGES, 3);
	sleep_once();
	igt_assert(all_stamped(&large, 1));
	igt_assert(all_stamped(&small, 2));
	igt_assert(all_stamped(&scattered, 3));

	barium_bo_fini(fd, &scattered);
	close(others);
	barium_bo_fini(fd, &small);
	barium_bo_fini(fd, &large);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

/* The mapping is there before, no page of it is. */
static void fault_after(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, PAGES);
	__u8 *untouched = barium_mmap(fd, bo.handle, bo.size);
	char entry[256];

	barium_stamp(bo.map, 0, PAGES, 1);
	sleep_once();
	barium_check_stamp(untouched, 0, PAGES, 1);
	barium_page_table_entry(untouched, entry, sizeof(entry));
	igt_assert_f(strstr(entry, " PWT ") && !strstr(entry, " PCD "),
		     "the page table entry is%s\n", entry);
	barium_munmap(untouched, bo.size);
	barium_bo_fini(fd, &bo);
}

static void create_after(int fd)
{
	__u64 before = barium_vram_available(fd);
	struct barium_bo bo = barium_bo_create(fd, PAGES);

	barium_stamp(bo.map, 0, PAGES, 1);
	barium_bo_fini(fd, &bo);
	sleep_once();
	igt_assert_eq_u64(barium_vram_available(fd), before);
	bo = barium_bo_create(fd, PAGES);
	barium_check_zero(bo.map, bo.size);
	barium_bo_fini(fd, &bo);
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
			return "a write was lost";
	}
	return NULL;
}

static void writer(int fd)
{
	struct barium_bo bo = barium_bo_create(fd, 1);
	struct writer writer = { .word = (__u32 *)bo.map };
	__u32 asleep;
	pthread_t thread;
	void *fault;

	igt_assert_eq(pthread_create(&thread, NULL, write_on, &writer), 0);
	sleep_once();
	asleep = READ_ONCE(*writer.word);
	while (READ_ONCE(*writer.word) == asleep)
		usleep(1000);
	WRITE_ONCE(writer.stop, true);
	igt_assert_eq(pthread_join(thread, &fault), 0);
	igt_assert_f(!fault, "%s\n", (const char *)fault);
	barium_bo_fini(fd, &bo);
}

/* What the device shows, by its own registers: bytes from the start of BAR 2. */
#define REGISTERS	0x502
#define REGISTERS_END	0x514
#define ENABLE		0x508

static void read_registers(int fd, __u16 *to)
{
	char slot[BARIUM_SLOT_LEN], path[128];
	size_t offset;
	__u8 *bar;
	int file;

	barium_slot(fd, slot);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2", slot);
	file = open(path, O_RDONLY | O_CLOEXEC);
	igt_require_f(file >= 0, "%s is not there\n", path);
	bar = mmap(NULL, barium_page_size(), PROT_READ, MAP_SHARED, file, 0);
	igt_require_f(bar != MAP_FAILED, "%s cannot be mapped\n", path);
	for (offset = REGISTERS; offset < REGISTERS_END; offset += sizeof(*to))
		*to++ = READ_ONCE(*(__u16 *)(bar + offset));
	munmap(bar, barium_page_size());
	close(file);
}

/* The first mode of the one connector on the one CRTC. */
static void find_pipe(int fd, struct drm_mode_crtc *set, __u32 *connector)
{
	static struct drm_mode_modeinfo modes[64];
	struct drm_mode_card_res res = {
		.crtc_id_ptr = (uintptr_t)&set->crtc_id,
		.count_crtcs = 1,
		.connector_id_ptr = (uintptr_t)connector,
		.count_connectors = 1,
	};
	struct drm_mode_get_connector get = { .modes_ptr = (uintptr_t)modes };

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_GETRESOURCES, &res), 0);
	get.connector_id = *connector;
	/* Asked for no modes, the driver looks for them; asked again, it tells. */
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &get), 0);
	igt_require_f(get.count_modes && get.count_modes <= ARRAY_SIZE(modes), "no modes\n");
	get.modes_ptr = (uintptr_t)modes;
	get.count_props = 0;
	get.count_encoders = 0;
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &get), 0);
	set->mode = modes[0];
	set->mode_valid = 1;
	set->set_connectors_ptr = (uintptr_t)connector;
	set->count_connectors = 1;
}

static void display(int fd)
{
	int card = barium_open_primary();
	struct drm_mode_crtc set = {}, off = {};
	struct drm_mode_create_dumb dumb = { .bpp = 32 };
	struct drm_mode_fb_cmd2 add = { .pixel_format = DRM_FORMAT_XRGB8888 };
	struct drm_mode_crtc_page_flip flip = { .flags = DRM_MODE_PAGE_FLIP_EVENT };
	size_t count = (REGISTERS_END - REGISTERS) / sizeof(__u16), pages;
	__u16 before[16] = {}, after[16] = {};
	struct pollfd event = { .fd = card, .events = POLLIN };
	__u32 connector, first = barium_gem_create(fd, barium_page_size());
	void *map;

	find_pipe(card, &set, &connector);
	dumb.width = set.mode.hdisplay;
	dumb.height = set.mode.vdisplay;
	igt_assert_eq(barium_ioctl(card, DRM_IOCTL_MODE_CREATE_DUMB, &dumb), 0);
	pages = dumb.size / barium_page_size();
	map = barium_mmap(card, dumb.handle, dumb.size);
	barium_stamp(map, 0, pages, 1);
	add.width = dumb.width;
	add.height = dumb.height;
	add.handles[0] = dumb.handle;
	add.pitches[0] = dumb.pitch;
	igt_assert_eq(barium_ioctl(card, DRM_IOCTL_MODE_ADDFB2, &add), 0);
	set.fb_id = add.fb_id;
	igt_assert_eq(barium_ioctl(card, DRM_IOCTL_MODE_SETCRTC, &set), 0);

	read_registers(fd, before);
	igt_assert(before[(ENABLE - REGISTERS) / sizeof(__u16)] & 1);
	sleep_once();
	read_registers(fd, after);
	igt_assert_f(!memcmp(before, after, count * sizeof(__u16)),
		     "the device shows something else\n");
	barium_check_stamp(map, 0, pages, 1);

	flip.crtc_id = set.crtc_id;
	flip.fb_id = add.fb_id;
	igt_assert_eq(barium_ioctl(card, DRM_IOCTL_MODE_PAGE_FLIP, &flip), 0);
	igt_assert_f(poll(&event, 1, 5000) == 1, "no event of a flip after sleep\n");

	off.crtc_id = set.crtc_id;
	igt_assert_eq(barium_ioctl(card, DRM_IOCTL_MODE_SETCRTC, &off), 0);
	barium_munmap(map, dumb.size);
	close(card);
	gem_close(fd, first);
}

static const struct barium_subtest tests[] = {
	{ "content", "What was written before is there after, in objects of all kinds.", content },
	{ "fault-after", "The first touch after sleep shows the right page, write-combining.",
	  fault_after },
	{ "create-after", "Objects made after sleep read zero.", create_after },
	{ "display", "The device shows what it showed, and flips.", display },
	{ "writer", "A thread that writes all along loses nothing.", writer },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
