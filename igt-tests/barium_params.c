// SPDX-License-Identifier: MIT
/**
 * TEST: barium params
 * Description: The ioctl GET_PARAM, and the handling of ioctls in general: undefined numbers,
 *   arguments of another size, and invalid pointers.
 * Category: Core
 * Sub-category: DRM
 * Functionality: ioctl arguments
 *
 * SUBTEST: vram-size
 * Description: The size of VRAM is a multiple of a page and not larger than BAR 0.
 *
 * SUBTEST: vram-available-idle
 * Description: Without objects, the console uses all VRAM that is not available.
 *
 * SUBTEST: vram-available-accounts
 * Description: Available VRAM decreases by the size of each object until it is closed.
 *
 * SUBTEST: vram-available-all-clients
 * Description: Available VRAM counts the objects of all clients.
 *
 * SUBTEST: page-size
 * Description: The page size of the driver is that of the system.
 *
 * SUBTEST: huge-size
 * Description: The size of a huge page is 0 or what a page table maps.
 *
 * SUBTEST: fault-around
 * Description: A page fault maps at least one page.
 *
 * SUBTEST: primary-node
 * Description: GET_PARAM returns the same values on the primary node.
 *
 * SUBTEST: unknown-param
 * Description: GET_PARAM refuses undefined parameters.
 *
 * SUBTEST: pad-set
 * Description: GET_PARAM refuses each bit of its padding.
 *
 * SUBTEST: value-ignored
 * Description: GET_PARAM ignores the input value of its output field.
 *
 * SUBTEST: bad-pointer
 * Description: Ioctls fail with EFAULT for an unreadable argument.
 *
 * SUBTEST: read-only-argument
 * Description: GET_PARAM fails with EFAULT for an argument that it cannot write.
 *
 * SUBTEST: argument-sizes
 * Description: GET_PARAM accepts longer and shorter structures.
 *
 * SUBTEST: unknown-ioctl
 * Description: The driver refuses undefined ioctl numbers.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "igt.h"
#include "barium_lib.h"

IGT_TEST_DESCRIPTION("Checks the properties of the device and the arguments of ioctls.");

static const __u32 params[] = {
	BARIUM_PARAM_VRAM_SIZE,
	BARIUM_PARAM_VRAM_AVAILABLE,
	BARIUM_PARAM_PAGE_SIZE,
	BARIUM_PARAM_HUGE_SIZE,
	BARIUM_PARAM_FAULT_AROUND,
	BARIUM_PARAM_FEATURES,
};

/* Reads one or two numbers from a sysfs attribute of the console's framebuffer. */
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

/* Returns how many bytes of VRAM the framebuffer of the console takes. */
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

static void test_vram_available_accounts(int fd)
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

static void test_unknown_param(int fd)
{
	__u64 value;
	__u32 bit;

	igt_assert_eq(__barium_get_param(fd, BARIUM_PARAM_FAULT_AROUND + 1, &value), -EINVAL);
	igt_assert_eq(__barium_get_param(fd, UINT32_MAX, &value), -EINVAL);

	for (bit = 3; bit < 32; bit++)
		igt_assert_eq(__barium_get_param(fd, 1u << bit, &value), -EINVAL);
}

static void test_pad_set(int fd)
{
	__u32 bit;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(params); i++) {
		for (bit = 0; bit < 32; bit++) {
			struct drm_barium_get_param arg = {
				.param = params[i],
				.pad = 1u << bit,
			};

			do_ioctl_err(fd, DRM_IOCTL_BARIUM_GET_PARAM, &arg, EINVAL);
		}
	}
}

static unsigned long request_of(unsigned int nr)
{
	return DRM_IOWR(DRM_COMMAND_BASE + nr, struct drm_barium_get_param);
}

static void test_bad_pointer(int fd)
{
	void *none = mmap(NULL, barium_page_size(), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	unsigned int nr;

	igt_assert(none != MAP_FAILED);
	for (nr = DRM_BARIUM_GET_PARAM; nr <= DRM_BARIUM_GEM_MADVISE; nr++) {
		do_ioctl_err(fd, request_of(nr), NULL, EFAULT);
		do_ioctl_err(fd, request_of(nr), none, EFAULT);
	}

	barium_munmap(none, barium_page_size());
}

/* An older program passes a shorter structure, a newer one a longer structure. */
static void test_argument_sizes(int fd)
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

	do_ioctl(fd, _IOC(dir, DRM_IOCTL_BASE, nr, sizeof(grown)), &grown);
	igt_assert_eq_u64(grown.arg.value, barium_page_size());

	do_ioctl(fd, _IOC(dir, DRM_IOCTL_BASE, nr, used), &shrunk);
	igt_assert_eq_u64(shrunk.guard, ~0ull);
}

int igt_main()
{
	igt_describe("The size of VRAM is a multiple of a page and not larger than BAR 0.");
	igt_subtest("vram-size") {
		int fd = barium_new_client();
		char slot[BARIUM_SLOT_LEN], path[128];
		struct stat bar;

		igt_assert_lt_u64(0, barium_vram_size(fd));
		igt_assert_eq_u64(barium_vram_size(fd) % barium_page_size(), 0);

		barium_slot(fd, slot);
		snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource0", slot);
		igt_assert_eq(stat(path, &bar), 0);
		igt_assert_lte_u64(barium_vram_size(fd), bar.st_size);
	}

	igt_describe("Without objects, the console uses all VRAM that is not available.");
	igt_subtest("vram-available-idle") {
		int fd = barium_new_client();

		igt_assert_eq_u64(barium_vram_available(fd),
				  barium_vram_size(fd) - console_bytes(fd));
	}

	igt_describe("Available VRAM decreases by the size of each object until it is closed.");
	igt_subtest("vram-available-accounts")
		test_vram_available_accounts(barium_new_client());

	igt_describe("Available VRAM counts the objects of all clients.");
	igt_subtest("vram-available-all-clients") {
		int fd = barium_new_client();
		int other = barium_reopen(fd, O_RDWR);
		__u64 before = barium_vram_available(fd);

		barium_gem_create(other, barium_page_size());
		igt_assert_eq_u64(barium_vram_available(fd), before - barium_page_size());

		close(other);
		igt_assert_eq_u64(barium_vram_available(fd), before);
	}

	igt_describe("The page size of the driver is that of the system.");
	igt_subtest("page-size")
		igt_assert_eq_u64(barium_get_param(barium_new_client(), BARIUM_PARAM_PAGE_SIZE),
				  barium_page_size());

	igt_describe("The size of a huge page is 0 or what a page table maps.");
	igt_subtest("huge-size") {
		__u64 huge = barium_get_param(barium_new_client(), BARIUM_PARAM_HUGE_SIZE);

		/* A page table fills a page. */
		if (huge)
			igt_assert_eq_u64(huge, barium_page_size() / sizeof(__u64) *
						barium_page_size());
	}

	igt_describe("A page fault maps at least one page.");
	igt_subtest("fault-around")
		igt_assert_lte_u64(1, barium_get_param(barium_new_client(),
						       BARIUM_PARAM_FAULT_AROUND));

	igt_describe("GET_PARAM returns the same values on the primary node.");
	igt_subtest("primary-node") {
		int fd = barium_new_client();
		int primary = barium_open_primary();
		size_t i;

		for (i = 0; i < ARRAY_SIZE(params); i++)
			igt_assert_eq_u64(barium_get_param(primary, params[i]),
					  barium_get_param(fd, params[i]));

		close(primary);
	}

	igt_describe("GET_PARAM refuses undefined parameters.");
	igt_subtest("unknown-param")
		test_unknown_param(barium_new_client());

	igt_describe("GET_PARAM refuses each bit of its padding.");
	igt_subtest("pad-set")
		test_pad_set(barium_new_client());

	igt_describe("GET_PARAM ignores the input value of its output field.");
	igt_subtest("value-ignored") {
		int fd = barium_new_client();
		struct drm_barium_get_param arg = {
			.param = BARIUM_PARAM_PAGE_SIZE,
			.value = ~0ull,
		};

		do_ioctl(fd, DRM_IOCTL_BARIUM_GET_PARAM, &arg);
		igt_assert_eq_u64(arg.value, barium_page_size());
	}

	igt_describe("Ioctls fail with EFAULT for an unreadable argument.");
	igt_subtest("bad-pointer")
		test_bad_pointer(barium_new_client());

	igt_describe("GET_PARAM fails with EFAULT for an argument that it cannot write.");
	igt_subtest("read-only-argument") {
		int fd = barium_new_client();
		struct drm_barium_get_param *arg = mmap(NULL, barium_page_size(), PROT_READ,
							MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		igt_assert(arg != MAP_FAILED);
		do_ioctl_err(fd, DRM_IOCTL_BARIUM_GET_PARAM, arg, EFAULT);
		barium_munmap(arg, barium_page_size());
	}

	igt_describe("GET_PARAM accepts longer and shorter structures.");
	igt_subtest("argument-sizes")
		test_argument_sizes(barium_new_client());

	igt_describe("The driver refuses undefined ioctl numbers.");
	igt_subtest("unknown-ioctl") {
		int fd = barium_new_client();
		struct drm_barium_get_param arg = {};
		unsigned int nr;

		for (nr = DRM_BARIUM_GEM_MADVISE + 1; nr < DRM_COMMAND_END - DRM_COMMAND_BASE; nr++)
			do_ioctl_err(fd, request_of(nr), &arg, EINVAL);
	}
}
