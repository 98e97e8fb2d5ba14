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

/* Returns the id of the DPMS property of the connector. */
static __u32 find_dpms(int fd, __u32 connector)
{
	__u32 ids[64], i;
	__u64 values[64];
	struct drm_mode_obj_get_properties get = {
		.props_ptr = (uintptr_t)ids,
		.prop_values_ptr = (uintptr_t)values,
		.count_props = ARRAY_SIZE(ids),
		.obj_id = connector,
		.obj_type = DRM_MODE_OBJECT_CONNECTOR,
	};

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &get), 0);
	igt_assert_lte(get.count_props, ARRAY_SIZE(ids));
	for (i = 0; i < get.count_props; i++) {
		struct drm_mode_get_property property = { .prop_id = ids[i] };

		igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_GETPROPERTY, &property), 0);
		if (!strcmp(property.name, "DPMS"))
			return ids[i];
	}
	igt_assert_f(false, "the connector has no property DPMS\n");
	return 0;
}

static void set_dpms(int fd, __u32 connector, __u32 property, __u64 value)
{
	struct drm_mode_connector_set_property set = {
		.value = value,
		.prop_id = property,
		.connector_id = connector,
	};

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_SETPROPERTY, &set), 0);
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
		__u32 dpms, fb;
		__u8 *bar;

		barium_find_pipe(fd, &pipe);
		dpms = find_dpms(fd, pipe.connector);
		fb = barium_add_dumb(fd, &pipe, &dumb);
		barium_set_crtc(fd, &pipe, fb, 0, 0);
		bar = barium_map_bar(fd, "resource2", BARIUM_REGS_LEN, O_RDWR);
		read_registers(bar, before);

		disturb(bar);
		set_dpms(fd, pipe.connector, dpms, DRM_MODE_DPMS_OFF);
		disturb(bar);
		set_dpms(fd, pipe.connector, dpms, DRM_MODE_DPMS_ON);
		read_registers(bar, after);
		igt_assert_f(!memcmp(before, after, sizeof(before)),
			     "the registers have other values than before\n");

		barium_switch_off(fd, &pipe);
		barium_munmap(bar, BARIUM_REGS_LEN);
		close(fd);
	}
}
