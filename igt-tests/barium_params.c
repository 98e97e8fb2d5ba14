// SPDX-License-Identifier: MIT
/*
 * GET_PARAM and what surrounds the driver's ioctls: numbers that are not there, arguments of
 * another size, pointers to nowhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Properties of the device, and ioctls that must be refused.");

static const __u32 params[] = {
	BARIUM_PARAM_VRAM_SIZE,
	BARIUM_PARAM_VRAM_AVAILABLE,
	BARIUM_PARAM_PAGE_SIZE,
	BARIUM_PARAM_HUGE_SIZE,
	BARIUM_PARAM_FAULT_AROUND,
};

static void vram_size(int fd)
{
	char slot[BARIUM_SLOT_LEN], path[128];
	struct stat bar;

	igt_assert_lt_u64(0, barium_vram_size(fd));
	igt_assert_eq_u64(barium_vram_size(fd) % barium_page_size(), 0);

	barium_slot(fd, slot);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", slot);
	igt_assert_eq(stat(path, &bar), 0);
	igt_assert_lte_u64(barium_vram_size(fd), bar.st_size);
}

/* Reads numbers from an attribute of the console's framebuffer. */
static int read_numbers(const char *console, const char *name, __u64 *one, __u64 *two)
{
	char path[PATH_MAX];
	FILE *file;
	int count;

	snprintf(path, sizeof(path), "/sys/class/graphics/%s/%s", console, name);
	file = fopen(path, "r");
	igt_assert(file);
	count = fscanf(file, "%llu,%llu", one, two);
	fclose(file);
	return count;
}

/* Bytes of VRAM that the console's picture takes. */
static __u64 console_bytes(int fd)
{
	__u64 stride, width, height, page = barium_page_size();
	char console[BARIUM_NAME_LEN];

	if (!barium_console(fd, console))
		return 0;

	igt_assert_eq(read_numbers(console, "stride", &stride, &width), 1);
	igt_assert_eq(read_numbers(console, "virtual_size", &width, &height), 2);
	return (stride * height + page - 1) / page * page;
}

static void vram_available_idle(int fd)
{
	igt_assert_eq_u64(barium_vram_available(fd), barium_vram_size(fd) - console_bytes(fd));
}

static void vram_available_accounts(int fd)
{
	static const size_t pages[] = { 1, 2, 3, 16, 37, 256 };
	__u64 before = barium_vram_available(fd), left = before;
	__u32 handles[ARRAY_SIZE(pages)];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		handles[i] = barium_gem_create(fd, pages[i] * barium_page_size());
		left -= pages[i] * barium_page_size();
		igt_assert_eq_u64(barium_vram_available(fd), left);
	}

	for (i = 0; i < ARRAY_SIZE(pages); i++) {
		gem_close(fd, handles[i]);
		left += pages[i] * barium_page_size();
		igt_assert_eq_u64(barium_vram_available(fd), left);
	}

	igt_assert_eq_u64(left, before);
}

static void vram_available_all_clients(int fd)
{
	int other = barium_reopen(fd, O_RDWR);
	__u64 before = barium_vram_available(fd);

	barium_gem_create(other, barium_page_size());
	igt_assert_eq_u64(barium_vram_available(fd), before - barium_page_size());

	close(other);
	igt_assert_eq_u64(barium_vram_available(fd), before);
}

static void page_size(int fd)
{
	igt_assert_eq_u64(barium_get_param(fd, BARIUM_PARAM_PAGE_SIZE), barium_page_size());
}

static void huge_size(int fd)
{
	__u64 huge = barium_get_param(fd, BARIUM_PARAM_HUGE_SIZE);

	if (!huge)
		return;

	igt_assert_eq_u64(huge & (huge - 1), 0);
	igt_assert_lt_u64(barium_page_size(), huge);
}

static void fault_around(int fd)
{
	igt_assert_lte_u64(1, barium_get_param(fd, BARIUM_PARAM_FAULT_AROUND));
}

static void primary_node(int fd)
{
	int primary = barium_open_primary();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(params); i++)
		igt_assert_eq_u64(barium_get_param(primary, params[i]),
				  barium_get_param(fd, params[i]));

	close(primary);
}

static void unknown_param(int fd)
{
	__u64 value;
	__u32 bit;

	igt_assert_eq(__barium_get_param(fd, BARIUM_PARAM_FAULT_AROUND + 1, &value), -EINVAL);
	igt_assert_eq(__barium_get_param(fd, UINT32_MAX, &value), -EINVAL);

	for (bit = 3; bit < 32; bit++)
		igt_assert_eq(__barium_get_param(fd, 1u << bit, &value), -EINVAL);
}

static void pad_set(int fd)
{
	__u32 bit;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(params); i++) {
		for (bit = 0; bit < 32; bit++) {
			struct drm_barium_get_param arg = {
				.param = params[i],
				.pad = 1u << bit,
			};

			igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_GET_PARAM, &arg), -EINVAL);
		}
	}
}

/* The value on entry is not an input: whatever a caller left there does not matter. */
static void value_ignored(int fd)
{
	struct drm_barium_get_param arg = {
		.param = BARIUM_PARAM_PAGE_SIZE,
		.value = ~0ull,
	};

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_GET_PARAM, &arg), 0);
	igt_assert_eq_u64(arg.value, barium_page_size());
}

static unsigned long request_of(unsigned int nr)
{
	return DRM_IOWR(DRM_COMMAND_BASE + nr, struct drm_barium_get_param);
}

static void bad_pointer(int fd)
{
	void *none = mmap(NULL, barium_page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int nr;

	igt_assert(none != MAP_FAILED);
	for (nr = DRM_BARIUM_GET_PARAM; nr <= DRM_BARIUM_MAP_AHEAD; nr++) {
		igt_assert_eq(barium_ioctl(fd, request_of(nr), NULL), -EFAULT);
		igt_assert_eq(barium_ioctl(fd, request_of(nr), none), -EFAULT);
	}

	barium_munmap(none, barium_page_size());
}

static void read_only_argument(int fd)
{
	struct drm_barium_get_param *arg = mmap(NULL, barium_page_size(), PROT_READ,
						MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	igt_assert(arg != MAP_FAILED);
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_BARIUM_GET_PARAM, arg), -EFAULT);
	barium_munmap(arg, barium_page_size());
}

/* An older program with a shorter structure, and a newer one with a longer structure. */
static void argument_sizes(int fd)
{
	struct {
		struct drm_barium_get_param arg;
		__u64 more[4];
	} grown = { .arg.param = BARIUM_PARAM_PAGE_SIZE };
	struct {
		__u32 param;
		__u32 pad;
		__u64 guard;
	} shrunk = { .param = BARIUM_PARAM_PAGE_SIZE, .guard = ~0ull };
	unsigned int nr = DRM_COMMAND_BASE + DRM_BARIUM_GET_PARAM;
	unsigned int dir = _IOC_READ | _IOC_WRITE;
	size_t used = offsetof(typeof(shrunk), guard);

	igt_assert_eq(barium_ioctl(fd, _IOC(dir, DRM_IOCTL_BASE, nr, sizeof(grown)), &grown), 0);
	igt_assert_eq_u64(grown.arg.value, barium_page_size());

	igt_assert_eq(barium_ioctl(fd, _IOC(dir, DRM_IOCTL_BASE, nr, used), &shrunk), 0);
	igt_assert_eq_u64(shrunk.guard, ~0ull);
}

static void unknown_ioctl(int fd)
{
	struct drm_barium_get_param arg = {};
	unsigned int nr;

	for (nr = DRM_BARIUM_MAP_AHEAD + 1; nr < DRM_COMMAND_END - DRM_COMMAND_BASE; nr++)
		igt_assert_eq(barium_ioctl(fd, request_of(nr), &arg), -EINVAL);
}

static const struct barium_subtest tests[] = {
	{ "vram-size", "VRAM is whole pages, and no more than the device's BAR.", vram_size },
	{ "vram-available-idle", "With no object, all VRAM but the console's is available.",
	  vram_available_idle },
	{ "vram-available-accounts",
	  "What objects take is missing from the available VRAM, and comes back with each close.",
	  vram_available_accounts },
	{ "vram-available-all-clients",
	  "Available VRAM counts the objects of every client.", vram_available_all_clients },
	{ "page-size", "The driver's page is the system's page.", page_size },
	{ "huge-size", "A huge entry is nothing, or a power of two of pages.", huge_size },
	{ "fault-around", "A fault maps at least the page that it is for.", fault_around },
	{ "primary-node", "The primary node answers as the render node does.", primary_node },
	{ "unknown-param", "A parameter that does not exist is refused.", unknown_param },
	{ "pad-set", "Padding is kept free for later use: each set bit is refused.", pad_set },
	{ "value-ignored", "What stands in an output field beforehand is ignored.", value_ignored },
	{ "bad-pointer", "An argument that cannot be read is an error, not a fault.", bad_pointer },
	{ "read-only-argument", "An argument that cannot be written is an error.",
	  read_only_argument },
	{ "argument-sizes", "Structures that have grown or not yet grown are understood.",
	  argument_sizes },
	{ "unknown-ioctl", "Numbers after the last ioctl are refused.", unknown_ioctl },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_subtests(tests);
}
