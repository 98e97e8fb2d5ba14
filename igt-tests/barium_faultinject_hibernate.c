// SPDX-License-Identifier: MIT
/**
 * TEST: barium faultinject hibernate
 * Description: Tests of hibernation without the memory to save VRAM, by fault injection. There is
 *   no swap space, so that the machine never powers off.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Suspend, fault injection
 *
 * SUBTEST: refused
 * Description: Without memory for the contents of VRAM, hibernation fails without effects.
 */
#include <errno.h>
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_mapping.h"
#include "barium_lib_nth.h"

IGT_TEST_DESCRIPTION("Hibernation without the memory to save VRAM.");

/* The function that calls the driver's callback. */
#define CALLER "pci_pm_prepare"
/* The maximum number of repetitions; the callback has fewer allocations. */
#define MOST 100

static void write_file(const char *path, const char *text)
{
	int file = open(path, O_WRONLY | O_CLOEXEC);

	igt_require_f(file >= 0, "no %s\n", path);
	igt_assert_eq_u64(write(file, text, strlen(text)), strlen(text));
	close(file);
}

static void write_address(const char *path, unsigned long address)
{
	char text[32];

	snprintf(text, sizeof(text), "%#lx", address);
	write_file(path, text);
}

/* Restricts the failures to allocations below CALLER in the call stack. */
static void restrict_to_caller(void)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	unsigned long address, start = 0, end = 0;
	char name[512], line[600];

	igt_assert(symbols);
	while (end <= start && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %*c %511s", &address, name) != 2)
			continue;
		if (!start && !strcmp(name, CALLER))
			start = address;
		else if (start)
			end = address;
	}
	fclose(symbols);
	igt_require_f(start && end > start, "the kernel has no %s()\n", CALLER);
	write_address("/sys/kernel/debug/failslab/require-start", start);
	write_address("/sys/kernel/debug/failslab/require-end", end);
	write_address("/sys/kernel/debug/fail_page_alloc/require-start", start);
	write_address("/sys/kernel/debug/fail_page_alloc/require-end", end);
}

/* Hibernation writes its image to swap space, and fails if there is none. */
static void require_no_swap(void)
{
	FILE *swaps = fopen("/proc/swaps", "re");
	char line[256];
	int lines = 0;

	igt_require(swaps);
	while (fgets(line, sizeof(line), swaps))
		lines++;
	fclose(swaps);
	/* The first line is a heading. */
	igt_require_f(lines <= 1, "the machine would hibernate\n");
}

/* Tries to hibernate while allocation @nth, if any, fails. Returns 0 or a negative errno. */
static int hibernate(unsigned int nth, bool *failed)
{
	int state = open("/sys/power/state", O_WRONLY | O_CLOEXEC);
	int counter = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	char text[16] = {};
	int err;

	igt_assert(state >= 0 && counter >= 0);
	snprintf(text, sizeof(text), "%u", nth);
	igt_assert(write(counter, text, strlen(text)) > 0);
	err = write(state, "disk", strlen("disk")) < 0 ? -errno : 0;
	/* The counter is 0 if an allocation failed. */
	memset(text, 0, sizeof(text));
	igt_assert(pread(counter, text, sizeof(text) - 1, 0) > 0);
	*failed = !atoi(text);
	igt_assert(pwrite(counter, "0", 1, 0) == 1);
	close(counter);
	close(state);
	return err;
}

int igt_main()
{
	igt_fixture() {
		barium_nth_init();
		require_no_swap();
	}

	igt_describe("Without memory for the contents of VRAM, hibernation fails without effects.");
	igt_subtest("refused") {
		int fd = barium_open_primary(), err;
		bool failed;
		struct drm_mode_create_dumb dumb;
		struct barium_pipe pipe;
		unsigned int nth = 0, refused = 0;
		__u16 enable, *reg;
		size_t pages;
		__u32 fb;
		void *map;
		__u8 *bar;

		barium_find_pipe(fd, &pipe);
		fb = barium_add_dumb(fd, &pipe, &dumb);
		pages = dumb.size / barium_page_size();
		map = barium_mmap(fd, dumb.handle, dumb.size);
		barium_stamp(map, 0, pages, 1);
		barium_set_crtc(fd, &pipe, fb, 0, 0);
		bar = barium_map_bar(fd, "resource2", BARIUM_REGS_LEN, O_RDONLY);
		reg = (__u16 *)(bar + BARIUM_REG_ENABLE);
		enable = READ_ONCE(*reg);
		igt_assert(enable & BARIUM_ENABLED);

		restrict_to_caller();
		do {
			igt_assert_lte(++nth, MOST);
			err = hibernate(nth, &failed);
			/* The kernel may handle a failed allocation, for example by another one. */
			igt_assert(err);
			refused += failed && err == -ENOMEM;
			igt_assert_eq(READ_ONCE(*reg), enable);
			barium_check_stamp(map, 0, pages, 1);
		} while (failed);
		igt_info("%u of %u failed allocations refuse hibernation; without any: %s\n",
			 refused, nth - 1, strerror(-err));
		/* The list of the allocated parts of VRAM, and the memory for their contents. */
		igt_assert_lte(2, refused);
		igt_assert_neq(err, -ENOMEM);

		barium_switch_off(fd, &pipe);
		barium_munmap(bar, BARIUM_REGS_LEN);
		barium_munmap(map, dumb.size);
		close(fd);
	}
}
