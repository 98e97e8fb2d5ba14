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
 * Description: Without memory for the contents of VRAM hibernation fails, and nothing has changed.
 */
#include <errno.h>
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_mapping.h"
#include "barium_lib_nth.h"

IGT_TEST_DESCRIPTION("Hibernation without the memory to save VRAM.");

/* A part of the name of the driver's callback, which allocates the memory. */
#define CALLBACK "prepare_callback"
/*
 * The list of the parts of VRAM, for which the kernel has a fallback, and memory for their contents
 * are among the first allocations. The later ones are single pages of that memory, far too many to
 * try all: each try takes seconds.
 */
#define TRIES 12
/* The number of allocations without which hibernation must fail, among these. */
#define REFUSED 2

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

/* Returns the address of the first symbol of the driver after @after whose name has @part. */
static unsigned long find_symbol(const char *part, unsigned long after)
{
	FILE *symbols = fopen("/proc/kallsyms", "re");
	unsigned long address, found = 0;
	char name[512], module[64], line[640];

	igt_assert(symbols);
	while (fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%lx %*c %511s [%63[^]]", &address, name, module) != 3)
			continue;
		if (strcmp(module, "barium") || !strstr(name, part) || address <= after)
			continue;
		if (!found || address < found)
			found = address;
	}
	fclose(symbols);
	return found;
}

/* Restricts the failures to allocations that CALLBACK makes. */
static void restrict_to_callback(void)
{
	unsigned long start = find_symbol(CALLBACK, 0), end = find_symbol("", start);

	igt_assert_f(start && end, "the driver has no " CALLBACK "\n");
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

/* Tries to hibernate with the @nth allocation failing, if there is one. Returns the error. */
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
	/* How many allocations are left until one fails. */
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

	igt_describe("Without memory for VRAM hibernation fails, and nothing has changed.");
	igt_subtest("refused") {
		int fd = barium_open_primary(), err;
		bool failed;
		struct drm_mode_create_dumb dumb;
		struct barium_pipe pipe;
		unsigned int nth, refused = 0;
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

		restrict_to_callback();
		for (nth = 1; nth <= TRIES && refused < REFUSED; nth++) {
			err = hibernate(nth, &failed);
			igt_assert(failed);
			/* The kernel handles some failures by a fallback. */
			igt_assert(err);
			refused += err == -ENOMEM;
			igt_assert_eq(READ_ONCE(*reg), enable);
			barium_check_stamp(map, 0, pages, 1);
		}
		igt_info("note: %u of %u failed allocations refuse hibernation\n", refused,
			 nth - 1);
		igt_assert_eq(refused, REFUSED);
		err = hibernate(0, &failed);
		igt_assert(err);
		igt_assert_neq(err, -ENOMEM);

		barium_switch_off(fd, &pipe);
		barium_unmap_bar(bar, BARIUM_REGS_LEN);
		barium_munmap(map, dumb.size);
		close(fd);
	}
}
