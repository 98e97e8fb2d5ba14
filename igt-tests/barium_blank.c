// SPDX-License-Identifier: MIT
/**
 * TEST: barium blank
 * Description: Tests that the screen is black if it shows no framebuffer. They read the registers
 *   of the device and VRAM, through the sysfs files of its BARs. A VGA has a register that blanks
 *   the screen; bochs-display shows a black picture.
 * Category: Display
 * Sub-category: DRM
 * Functionality: DPMS
 *
 * SUBTEST: dpms
 * Description: DPMS off blanks the screen, and DPMS on shows the framebuffer again.
 *
 * SUBTEST: crtc-off
 * Description: Switching the CRTC off blanks the screen.
 *
 * SUBTEST: plane-off
 * Description: Switching the primary plane off blanks the screen, and the CRTC stays on.
 *
 * SUBTEST: framebuffer-removed
 * Description: Removing the framebuffer blanks the screen.
 *
 * SUBTEST: client-closed
 * Description: Closing the client, whose framebuffer is shown, blanks the screen.
 *
 * SUBTEST: other-mode
 * Description: The screen is blank after each of several modes.
 *
 * SUBTEST: vram-stays-available
 * Description: A blank screen takes no VRAM from clients.
 *
 * SUBTEST: little-room
 * Description: The screen is blank also if VRAM has no room for a black picture of its size.
 */
#include <fcntl.h>

#include "igt.h"
#include "barium_lib_kms.h"

IGT_TEST_DESCRIPTION("The screen is black if it shows no framebuffer.");

/* Bytes per pixel of framebuffers and of the black picture. */
#define CPP 4
#define BLACK_CPP 2
/* VGA's registers in BAR 2, and the bit that shows the picture. */
#define ATTRIBUTE_INDEX 0x400
#define INPUT_STATUS 0x41a
#define PICTURE 0x20

static struct {
	__u8 *registers;
	const __u8 *vram;
	__u64 vram_size;
	bool is_vga;
	struct barium_pipe pipe;
	__u32 plane;
} device;

static __u16 reg(size_t offset)
{
	return READ_ONCE(*(__u16 *)(device.registers + offset));
}

static __u8 byte_reg(size_t offset)
{
	return READ_ONCE(device.registers[offset]);
}

static void find_device(int fd)
{
	struct drm_set_client_cap cap = { DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1 };
	struct drm_mode_get_plane_res planes = {
		.plane_id_ptr = (uintptr_t)&device.plane,
		.count_planes = 1,
	};
	__u16 width, height;

	device.vram_size = barium_vram_size(fd);
	device.registers = barium_map_bar(fd, "resource2", BARIUM_REGS_LEN, O_RDWR);
	device.vram = barium_map_bar(fd, "resource0_wc", device.vram_size, O_RDONLY);
	device.is_vga = barium_max_size(device.registers, &width, &height);
	barium_find_pipe(fd, &device.pipe);
	do_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &cap);
	do_ioctl(fd, DRM_IOCTL_MODE_GETPLANERESOURCES, &planes);
	igt_assert_eq_u32(planes.count_planes, 1);
}

/* Fills all available VRAM with ones, also that of a black picture which is not shown. */
static void dirty_vram(int fd)
{
	__u64 size = barium_vram_available(fd);
	__u32 handle = barium_gem_create(fd, size);
	void *map = barium_mmap(fd, handle, size);

	memset(map, 0xff, size);
	barium_munmap(map, size);
	gem_close(fd, handle);
}

/* Creates a framebuffer of white pixels. */
static __u32 create(int fd, struct drm_mode_create_dumb *dumb)
{
	__u32 fb = barium_add_dumb(fd, &device.pipe, dumb);
	void *map = barium_mmap(fd, dumb->handle, dumb->size);

	memset(map, 0xff, dumb->size);
	barium_munmap(map, dumb->size);
	return fb;
}

static void destroy(int fd, __u32 fb, const struct drm_mode_create_dumb *dumb)
{
	barium_remove_fb(fd, fb);
	gem_close(fd, dumb->handle);
}

static const void *shown(size_t cpp)
{
	size_t start = (size_t)reg(BARIUM_REG_Y_OFFSET) * reg(BARIUM_REG_VIRT_WIDTH) +
		       reg(BARIUM_REG_X_OFFSET);

	igt_assert_lt_u64(start * cpp, device.vram_size);
	return device.vram + start * cpp;
}

static void check_white(void)
{
	const __u32 *pixels = shown(CPP);

	if (device.is_vga) {
		byte_reg(INPUT_STATUS);
		igt_assert_eq_u32(byte_reg(ATTRIBUTE_INDEX) & PICTURE, PICTURE);
	}
	igt_assert_eq_u32(reg(BARIUM_REG_ENABLE) & BARIUM_ENABLED, BARIUM_ENABLED);
	igt_assert_eq_u32(reg(BARIUM_REG_BPP), CPP * 8);
	igt_assert_eq_u32(reg(BARIUM_REG_XRES), device.pipe.mode.hdisplay);
	igt_assert_eq_u32(READ_ONCE(pixels[device.pipe.mode.hdisplay - 1]), 0xffffffff);
}

/*
 * Returns the bytes per pixel of a black picture. The pixels are small if the picture reaches the
 * end of VRAM then; the display can skip 65535 lines before it.
 */
static size_t black_cpp(size_t width, size_t height)
{
	__u64 end = (0xffffull + height) * BLACK_CPP * width;

	return end >= device.vram_size ? BLACK_CPP : CPP;
}

/* Asserts that bochs-display shows a black picture of this size. */
static void check_black_picture(size_t width, size_t height)
{
	size_t line = reg(BARIUM_REG_VIRT_WIDTH), cpp = black_cpp(width, height), y;
	const __u8 *pixels = shown(cpp);

	igt_assert_eq_u32(reg(BARIUM_REG_ENABLE) & BARIUM_ENABLED, BARIUM_ENABLED);
	igt_assert_eq_u32(reg(BARIUM_REG_BPP), cpp * 8);
	igt_assert_eq_u32(reg(BARIUM_REG_XRES), width);
	igt_assert_eq_u32(reg(BARIUM_REG_YRES), height);
	for (y = 0; y < height; y++)
		barium_check_zero(pixels + y * line * cpp, width * cpp);
}

static void check_black(void)
{
	if (device.is_vga) {
		byte_reg(INPUT_STATUS);
		igt_assert_eq_u32(byte_reg(ATTRIBUTE_INDEX) & PICTURE, 0);
		return;
	}
	check_black_picture(device.pipe.mode.hdisplay, device.pipe.mode.vdisplay);
}

static __u32 show_white(int fd, struct drm_mode_create_dumb *dumb)
{
	__u32 fb = create(fd, dumb);

	barium_set_crtc(fd, &device.pipe, fb, 0, 0);
	check_white();
	return fb;
}

/* Shows @fb on the primary plane, or switches the plane off if @fb is 0. */
static void set_plane(int fd, __u32 fb)
{
	const struct drm_mode_modeinfo *mode = &device.pipe.mode;
	struct drm_mode_set_plane set = {
		.plane_id = device.plane,
		.crtc_id = fb ? device.pipe.crtc : 0,
		.fb_id = fb,
		.crtc_w = mode->hdisplay,
		.crtc_h = mode->vdisplay,
		.src_w = mode->hdisplay << 16,
		.src_h = mode->vdisplay << 16,
	};

	do_ioctl(fd, DRM_IOCTL_MODE_SETPLANE, &set);
}

static bool is_crtc_on(int fd)
{
	struct drm_mode_crtc crtc = { .crtc_id = device.pipe.crtc };

	do_ioctl(fd, DRM_IOCTL_MODE_GETCRTC, &crtc);
	return crtc.mode_valid;
}

static void test_plane_off(int fd)
{
	struct drm_mode_create_dumb dumb;
	__u32 fb = show_white(fd, &dumb);
	union drm_wait_vblank vblank = {
		.request = { .type = _DRM_VBLANK_RELATIVE, .sequence = 2 },
	};
	int i;

	for (i = 0; i < 2; i++) {
		set_plane(fd, 0);
		check_black();
		igt_assert(is_crtc_on(fd));
		vblank.request.type = _DRM_VBLANK_RELATIVE;
		vblank.request.sequence = 2;
		do_ioctl(fd, DRM_IOCTL_WAIT_VBLANK, &vblank);
		set_plane(fd, fb);
		check_white();
	}
	/* The CRTC is switched off and on without its plane. */
	set_plane(fd, 0);
	barium_set_dpms(fd, &device.pipe, DRM_MODE_DPMS_OFF);
	check_black();
	barium_set_dpms(fd, &device.pipe, DRM_MODE_DPMS_ON);
	check_black();
	set_plane(fd, fb);
	check_white();
	destroy(fd, fb, &dumb);
}

/* The client gets all VRAM that was available, and the screen shows its framebuffer afterwards. */
static void test_vram_stays_available(int fd)
{
	struct drm_mode_create_dumb dumb;
	__u64 all = barium_vram_available(fd);
	__u32 fb = show_white(fd, &dumb), handle;

	barium_switch_off(fd, &device.pipe);
	check_black();
	igt_assert_eq_u64(barium_vram_available(fd), all - dumb.size);
	handle = barium_gem_create(fd, all - dumb.size);
	igt_assert_eq_u64(barium_vram_available(fd), 0);
	barium_set_crtc(fd, &device.pipe, fb, 0, 0);
	check_white();
	/* There is no room for a black picture. */
	barium_switch_off(fd, &device.pipe);
	if (!device.is_vga)
		igt_assert_eq_u32(reg(BARIUM_REG_ENABLE), 0);
	gem_close(fd, handle);
	barium_set_crtc(fd, &device.pipe, fb, 0, 0);
	check_white();
	barium_switch_off(fd, &device.pipe);
	check_black();
	destroy(fd, fb, &dumb);
	igt_assert_eq_u64(barium_vram_available(fd), all);
}

/* Leaves 16 KiB free, which is enough for the smallest picture of bochs-display. */
static void test_little_room(int fd)
{
	struct drm_mode_create_dumb dumb;
	size_t smallest = 64 * 64 * CPP, page = barium_page_size();
	size_t room = smallest > page ? smallest : page;
	__u32 fb = show_white(fd, &dumb);
	__u32 handle = barium_gem_create(fd, barium_vram_available(fd) - room);

	barium_switch_off(fd, &device.pipe);
	if (device.is_vga)
		check_black();
	else
		check_black_picture(64, 64);
	gem_close(fd, handle);
	destroy(fd, fb, &dumb);
}

int igt_main()
{
	igt_fixture() {
		int fd = barium_open_primary();

		find_device(fd);
		close(fd);
	}

	igt_describe("DPMS off blanks the screen, and DPMS on shows the framebuffer again.");
	igt_subtest("dpms") {
		int fd = barium_new_primary_client(), i;
		struct drm_mode_create_dumb dumb;
		__u32 fb;

		dirty_vram(fd);
		fb = show_white(fd, &dumb);

		for (i = 0; i < 2; i++) {
			barium_set_dpms(fd, &device.pipe, DRM_MODE_DPMS_OFF);
			check_black();
			barium_set_dpms(fd, &device.pipe, DRM_MODE_DPMS_ON);
			check_white();
		}
		destroy(fd, fb, &dumb);
	}

	igt_describe("Switching the CRTC off blanks the screen.");
	igt_subtest("crtc-off") {
		int fd = barium_new_primary_client();
		struct drm_mode_create_dumb dumb;
		__u32 fb = show_white(fd, &dumb);

		barium_switch_off(fd, &device.pipe);
		check_black();
		destroy(fd, fb, &dumb);
		check_black();
	}

	igt_describe("Switching the primary plane off blanks the screen, and the CRTC stays on.");
	igt_subtest("plane-off") {
		int fd = barium_new_primary_client();
		struct drm_set_client_cap cap = { DRM_CLIENT_CAP_UNIVERSAL_PLANES, 1 };

		do_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &cap);
		test_plane_off(fd);
	}

	igt_describe("Removing the framebuffer blanks the screen.");
	igt_subtest("framebuffer-removed") {
		int fd = barium_new_primary_client();
		struct drm_mode_create_dumb dumb;
		__u32 fb = show_white(fd, &dumb);

		destroy(fd, fb, &dumb);
		check_black();
	}

	igt_describe("Closing the client, whose framebuffer is shown, blanks the screen.");
	igt_subtest("client-closed") {
		int fd = barium_new_primary_client(), other = barium_open_render();
		struct drm_mode_create_dumb dumb;
		char console[BARIUM_NAME_LEN];

		igt_require(!barium_console(fd, console));
		show_white(fd, &dumb);
		close(fd);
		check_black();
		close(other);
	}

	igt_describe("The screen is blank after each of several modes.");
	igt_subtest("other-mode") {
		int fd = barium_new_primary_client();
		struct drm_mode_create_dumb dumb;
		__u32 i, fb;

		for (i = 0; i < device.pipe.count; i++) {
			device.pipe.mode = device.pipe.modes[i];
			fb = show_white(fd, &dumb);
			barium_switch_off(fd, &device.pipe);
			check_black();
			destroy(fd, fb, &dumb);
		}
		device.pipe.mode = device.pipe.modes[0];
	}

	igt_describe("A blank screen takes no VRAM from clients.");
	igt_subtest("vram-stays-available")
		test_vram_stays_available(barium_new_primary_client());

	igt_describe("The screen is blank also if VRAM has no room for a picture of its size.");
	igt_subtest("little-room")
		test_little_room(barium_new_primary_client());
}
