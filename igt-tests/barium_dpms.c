// SPDX-License-Identifier: MIT
/**
 * TEST: barium dpms
 * Description: Tests of switching the display off and on. They read the device's registers.
 * Category: Display
 * Sub-category: DRM
 * Functionality: DPMS
 *
 * SUBTEST: repairs
 * Description: DPMS off and on reprograms a device that was reset meanwhile.
 */
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_kms.h"

IGT_TEST_DESCRIPTION("Switching the display off and on.");

/* The scanout registers. */
static const size_t registers[] = {
	BARIUM_REG_XRES, BARIUM_REG_YRES, BARIUM_REG_BPP, BARIUM_REG_ENABLE,
	BARIUM_REG_VIRT_WIDTH, BARIUM_REG_X_OFFSET, BARIUM_REG_Y_OFFSET,
};

static void read_registers(const __u8 *bar, __u16 to[static ARRAY_SIZE(registers)])
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(registers); i++)
		to[i] = READ_ONCE(*(const __u16 *)(bar + registers[i]));
}

static void write_register(__u8 *bar, size_t reg, __u16 value)
{
	WRITE_ONCE(*(__u16 *)(bar + reg), value);
}

/* Changes the registers as a reset or another kernel may do. */
static void disturb(__u8 *bar)
{
	write_register(bar, BARIUM_REG_ENABLE, 0);
	write_register(bar, BARIUM_REG_XRES, 640);
	write_register(bar, BARIUM_REG_YRES, 400);
	write_register(bar, BARIUM_REG_BPP, 16);
}

int igt_main()
{
	igt_describe("DPMS off and on reprograms a device that was reset meanwhile.");
	igt_subtest("repairs") {
		__u16 before[ARRAY_SIZE(registers)], after[ARRAY_SIZE(registers)];
		struct drm_mode_create_dumb dumb;
		struct barium_pipe pipe;
		int fd = barium_open_primary();
		__u32 fb;
		__u8 *bar;

		barium_find_pipe(fd, &pipe);
		fb = barium_add_dumb(fd, &pipe, &dumb);
		barium_set_crtc(fd, &pipe, fb, 0, 0);
		bar = barium_map_bar(fd, "resource2", BARIUM_REGS_LEN, O_RDWR);
		read_registers(bar, before);

		disturb(bar);
		barium_set_dpms(fd, &pipe, DRM_MODE_DPMS_OFF);
		disturb(bar);
		barium_set_dpms(fd, &pipe, DRM_MODE_DPMS_ON);
		read_registers(bar, after);
		igt_assert_f(!memcmp(before, after, sizeof(before)),
			     "the registers have other values than before\n");

		barium_switch_off(fd, &pipe);
		barium_unmap_bar(bar, BARIUM_REGS_LEN);
		close(fd);
	}
}
