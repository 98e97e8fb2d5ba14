// SPDX-License-Identifier: MIT
/*
 * Helpers for tests of the display; see barium_lib_kms.h.
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#include <drm_fourcc.h>

#include "igt.h"
#include "barium_lib_kms.h"

/* Returns where the BAR @number starts in a page, which may be larger than the BAR. */
static size_t start_in_page(const char *slot, int number)
{
	unsigned long long start;
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource", slot);
	file = fopen(path, "r");
	igt_assert(file);
	for (; number >= 0; number--)
		igt_assert_eq(fscanf(file, "%llx %*x %*x", &start), 1);
	fclose(file);
	return start % barium_page_size();
}

void *barium_map_bar(int fd, const char *name, size_t length, int flags)
{
	char slot[BARIUM_SLOT_LEN], path[128];
	size_t within;
	void *map;
	int file;

	barium_slot(fd, slot);
	within = start_in_page(slot, atoi(name + strlen("resource")));
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", slot, name);
	file = open(path, flags | O_CLOEXEC);
	if (file < 0 && !strcmp(name, "resource0_wc")) {
		/* Not all architectures can map BARs write-combining in sysfs. */
		*strrchr(path, '_') = 0;
		file = open(path, flags | O_CLOEXEC);
	}
	igt_require_f(file >= 0, "%s does not exist\n", path);
	map = mmap(NULL, within + length, flags == O_RDWR ? PROT_READ | PROT_WRITE : PROT_READ,
		   MAP_SHARED, file, 0);
	igt_require_f(map != MAP_FAILED, "%s cannot be mapped\n", path);
	close(file);
	return map + within;
}

void barium_unmap_bar(void *map, size_t length)
{
	size_t within = (uintptr_t)map % barium_page_size();

	barium_munmap(map - within, within + length);
}

/*
 * With BARIUM_CAPABILITIES set, XRES and YRES of a VGA read as the largest supported size;
 * bochs-display ignores the bit.
 */
bool barium_max_size(__u8 *registers, __u16 *width, __u16 *height)
{
	__u16 *enable = (__u16 *)(registers + BARIUM_REG_ENABLE);
	__u16 *xres = (__u16 *)(registers + BARIUM_REG_XRES);
	__u16 *yres = (__u16 *)(registers + BARIUM_REG_YRES);
	__u16 old = READ_ONCE(*enable);
	__u16 old_width = READ_ONCE(*xres), old_height = READ_ONCE(*yres);

	WRITE_ONCE(*enable, old | BARIUM_CAPABILITIES);
	*width = READ_ONCE(*xres);
	*height = READ_ONCE(*yres);
	WRITE_ONCE(*enable, old);
	if (*width != old_width || *height != old_height)
		return true;
	*width = 0xffff;
	*height = 0xffff;
	return false;
}

/* GETCONNECTOR with count_modes 0 probes the connector; the second call returns the modes. */
void barium_find_pipe(int fd, struct barium_pipe *pipe)
{
	struct drm_mode_card_res res = {
		.crtc_id_ptr = (uintptr_t)&pipe->crtc,
		.count_crtcs = 1,
		.connector_id_ptr = (uintptr_t)&pipe->connector,
		.count_connectors = 1,
	};
	struct drm_mode_get_connector get = {};

	do_ioctl(fd, DRM_IOCTL_MODE_GETRESOURCES, &res);
	igt_assert_eq_u32(res.count_crtcs, 1);
	igt_assert_eq_u32(res.count_connectors, 1);

	get.connector_id = pipe->connector;
	do_ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &get);
	igt_assert_eq_u32(get.connection, 1);
	igt_assert_lte(1, get.count_modes);
	igt_assert_lte(get.count_modes, BARIUM_MAX_MODES);
	get.modes_ptr = (uintptr_t)pipe->modes;
	get.count_props = 0;
	get.count_encoders = 0;
	do_ioctl(fd, DRM_IOCTL_MODE_GETCONNECTOR, &get);
	pipe->count = get.count_modes;
	pipe->mode = pipe->modes[0];
}

int __barium_add_fb(int fd, __u32 handle, __u32 width, __u32 height, __u32 pitch, __u32 offset,
		    __u32 *fb)
{
	struct drm_mode_fb_cmd2 add = {
		.width = width,
		.height = height,
		.pixel_format = DRM_FORMAT_XRGB8888,
		.handles = { handle },
		.pitches = { pitch },
		.offsets = { offset },
	};
	int err = barium_ioctl(fd, DRM_IOCTL_MODE_ADDFB2, &add);

	*fb = add.fb_id;
	return err;
}

__u32 barium_add_fb(int fd, __u32 handle, __u32 width, __u32 height, __u32 pitch, __u32 offset)
{
	__u32 fb;

	igt_assert_f(__barium_add_fb(fd, handle, width, height, pitch, offset, &fb) == 0,
		     "%ux%u, pitch %u, at %u\n", width, height, pitch, offset);
	return fb;
}

__u32 barium_add_dumb(int fd, const struct barium_pipe *pipe, struct drm_mode_create_dumb *dumb)
{
	*dumb = (struct drm_mode_create_dumb) {
		.width = pipe->mode.hdisplay,
		.height = pipe->mode.vdisplay,
		.bpp = 32,
	};
	do_ioctl(fd, DRM_IOCTL_MODE_CREATE_DUMB, dumb);
	return barium_add_fb(fd, dumb->handle, dumb->width, dumb->height, dumb->pitch, 0);
}

void barium_remove_fb(int fd, __u32 fb)
{
	do_ioctl(fd, DRM_IOCTL_MODE_RMFB, &fb);
}

int __barium_dirty_fb(int fd, __u32 fb, const struct drm_clip_rect *clips, __u32 count)
{
	struct drm_mode_fb_dirty_cmd arg = {
		.fb_id = fb,
		.clips_ptr = (uintptr_t)clips,
		.num_clips = count,
	};

	return barium_ioctl(fd, DRM_IOCTL_MODE_DIRTYFB, &arg);
}

int __barium_set_crtc(int fd, const struct barium_pipe *pipe, __u32 fb, __u32 x, __u32 y,
		      const struct drm_mode_modeinfo *mode)
{
	struct drm_mode_crtc set = {
		.set_connectors_ptr = (uintptr_t)&pipe->connector,
		.count_connectors = 1,
		.crtc_id = pipe->crtc,
		.fb_id = fb,
		.x = x,
		.y = y,
		.mode_valid = 1,
		.mode = *mode,
	};

	return barium_ioctl(fd, DRM_IOCTL_MODE_SETCRTC, &set);
}

void barium_set_crtc(int fd, const struct barium_pipe *pipe, __u32 fb, __u32 x, __u32 y)
{
	igt_assert_eq(__barium_set_crtc(fd, pipe, fb, x, y, &pipe->mode), 0);
}

void barium_switch_off(int fd, const struct barium_pipe *pipe)
{
	struct drm_mode_crtc set = { .crtc_id = pipe->crtc };

	do_ioctl(fd, DRM_IOCTL_MODE_SETCRTC, &set);
}

__u32 barium_find_property(int fd, __u32 object, __u32 type, const char *name)
{
	__u32 ids[64], i;
	__u64 values[64];
	struct drm_mode_obj_get_properties get = {
		.props_ptr = (uintptr_t)ids,
		.prop_values_ptr = (uintptr_t)values,
		.count_props = ARRAY_SIZE(ids),
		.obj_id = object,
		.obj_type = type,
	};

	do_ioctl(fd, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &get);
	igt_assert_lte(get.count_props, ARRAY_SIZE(ids));
	for (i = 0; i < get.count_props; i++) {
		struct drm_mode_get_property property = { .prop_id = ids[i] };

		do_ioctl(fd, DRM_IOCTL_MODE_GETPROPERTY, &property);
		if (!strcmp(property.name, name))
			return ids[i];
	}
	igt_assert_f(false, "the object has no property %s\n", name);
	return 0;
}

void barium_set_dpms(int fd, const struct barium_pipe *pipe, __u64 value)
{
	struct drm_mode_connector_set_property set = {
		.value = value,
		.prop_id = barium_find_property(fd, pipe->connector, DRM_MODE_OBJECT_CONNECTOR,
						"DPMS"),
		.connector_id = pipe->connector,
	};

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_SETPROPERTY, &set), 0);
}

void barium_flip(int fd, const struct barium_pipe *pipe, __u32 fb, __u64 data)
{
	struct drm_mode_crtc_page_flip arg = {
		.crtc_id = pipe->crtc,
		.fb_id = fb,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
		.user_data = data,
	};

	do_ioctl(fd, DRM_IOCTL_MODE_PAGE_FLIP, &arg);
}

void barium_flipped(int fd, const struct barium_pipe *pipe, __u64 data)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };
	struct drm_event_vblank event;

	igt_assert_f(poll(&poll_fd, 1, 5000) == 1, "no event\n");
	igt_assert_eq(read(fd, &event, sizeof(event)), sizeof(event));
	igt_assert_eq_u32(event.base.type, DRM_EVENT_FLIP_COMPLETE);
	igt_assert_eq_u64(event.user_data, data);
	igt_assert_eq_u32(event.crtc_id, pipe->crtc);
	igt_assert_eq(poll(&poll_fd, 1, 0), 0);
}
