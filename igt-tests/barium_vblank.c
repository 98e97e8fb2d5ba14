// SPDX-License-Identifier: MIT
/*
 * When pictures begin: the numbers and times that events say. What is shown is tested elsewhere.
 */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "igt.h"
#include "barium_lib_kms.h"

IGT_TEST_DESCRIPTION("Numbers and times of vblanks, with the screen on and off.");

#define NSEC_PER_USEC	1000ll
#define NSEC_PER_SEC	1000000000ll

/* How long the screen is off: many frames. */
#define OFF_USEC	1000000

/* How far the time between two vblanks may be from a number of frames. */
#define SLACK_NSEC	(100 * NSEC_PER_USEC)

/* A client that has a picture on the screen. */
struct client {
	int fd;
	struct barium_pipe pipe;
	/* The property of the CRTC that says whether it is on. */
	__u32 active;
	__u32 fb;
	long long frame_nsec;
};

/* A vblank. */
struct vblank {
	__u32 number;
	long long nsec;
};

static long long now_nsec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NSEC_PER_SEC + time.tv_nsec;
}

static __u32 find_active(int fd, __u32 crtc)
{
	__u32 ids[64], i;
	__u64 values[64];
	struct drm_mode_obj_get_properties get = {
		.props_ptr = (uintptr_t)ids,
		.prop_values_ptr = (uintptr_t)values,
		.count_props = ARRAY_SIZE(ids),
		.obj_id = crtc,
		.obj_type = DRM_MODE_OBJECT_CRTC,
	};

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_OBJ_GETPROPERTIES, &get), 0);
	igt_assert_lte(get.count_props, ARRAY_SIZE(ids));
	for (i = 0; i < get.count_props; i++) {
		struct drm_mode_get_property property = { .prop_id = ids[i] };

		igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_GETPROPERTY, &property), 0);
		if (!strcmp(property.name, "ACTIVE"))
			return ids[i];
	}
	igt_assert_f(false, "the CRTC cannot be switched off\n");
	return 0;
}

/* The end of the file takes the picture with it. */
static struct client show(int fd)
{
	struct drm_set_client_cap cap = { .capability = DRM_CLIENT_CAP_ATOMIC, .value = 1 };
	struct client client = { .fd = fd };
	struct drm_mode_modeinfo *mode = &client.pipe.mode;
	struct drm_mode_create_dumb dumb;

	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &cap), 0);
	barium_find_pipe(fd, &client.pipe);
	client.active = find_active(fd, client.pipe.crtc);
	client.frame_nsec = mode->htotal * mode->vtotal * 1000000ll / mode->clock;
	client.fb = barium_add_dumb(fd, &client.pipe, &dumb);
	barium_set_crtc(fd, &client.pipe, client.fb, 0, 0);
	return client;
}

static int __switch_crtc(const struct client *client, __u64 active, __u32 flags)
{
	__u32 count = 1;
	struct drm_mode_atomic commit = {
		.flags = DRM_MODE_ATOMIC_ALLOW_MODESET | flags,
		.count_objs = 1,
		.objs_ptr = (uintptr_t)&client->pipe.crtc,
		.count_props_ptr = (uintptr_t)&count,
		.props_ptr = (uintptr_t)&client->active,
		.prop_values_ptr = (uintptr_t)&active,
	};

	return barium_ioctl(client->fd, DRM_IOCTL_MODE_ATOMIC, &commit);
}

/* The event that comes: it is about a vblank that has been. */
static struct vblank read_vblank(const struct client *client)
{
	struct pollfd poll_fd = { .fd = client->fd, .events = POLLIN };
	struct drm_event_vblank event;
	struct vblank vblank;

	igt_assert_f(poll(&poll_fd, 1, 5000) == 1, "no event\n");
	igt_assert_eq(read(client->fd, &event, sizeof(event)), sizeof(event));
	igt_assert_eq_u32(event.base.type, DRM_EVENT_FLIP_COMPLETE);
	vblank.number = event.sequence;
	vblank.nsec = event.tv_sec * NSEC_PER_SEC + event.tv_usec * NSEC_PER_USEC;
	igt_assert_f(vblank.nsec <= now_nsec(), "a vblank that has not been yet\n");
	return vblank;
}

static struct vblank switch_crtc(const struct client *client, bool active)
{
	igt_assert_eq(__switch_crtc(client, active, DRM_MODE_PAGE_FLIP_EVENT), 0);
	return read_vblank(client);
}

static struct vblank flip(const struct client *client)
{
	struct drm_mode_crtc_page_flip arg = {
		.crtc_id = client->pipe.crtc,
		.fb_id = client->fb,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};

	igt_assert_eq(barium_ioctl(client->fd, DRM_IOCTL_MODE_PAGE_FLIP, &arg), 0);
	return read_vblank(client);
}

/* Asserts that @later is some frames after @earlier, as many as their numbers say. */
static void check_frames(const struct client *client, struct vblank earlier, struct vblank later)
{
	long long frames = later.number - earlier.number;
	long long error = later.nsec - earlier.nsec - frames * client->frame_nsec;

	igt_assert_f(frames >= 1 && frames < 600, "%lld frames\n", frames);
	igt_assert_f(llabs(error) <= SLACK_NSEC, "%lld frames, and %lld ns\n", frames, error);
}

static void flips(int fd)
{
	struct client client = show(fd);
	struct vblank last = flip(&client), next;
	int i;

	for (i = 0; i < 10; i++) {
		next = flip(&client);
		check_frames(&client, last, next);
		last = next;
	}
}

/* The first picture begins when the screen is on, not when it was switched off. */
static void switched_on(int fd)
{
	struct client client = show(fd);
	struct vblank before = flip(&client), off, on;
	long long start;

	off = switch_crtc(&client, false);
	igt_assert_lte_u64(before.nsec, off.nsec);
	igt_assert_lte_u64(before.number, off.number);

	usleep(OFF_USEC);
	start = now_nsec();
	on = switch_crtc(&client, true);
	igt_assert_f(on.nsec >= start, "a vblank %lld us before the screen was switched on\n",
		     (start - on.nsec) / NSEC_PER_USEC);
	igt_assert_lt_u64(off.number, on.number);
	check_frames(&client, on, flip(&client));
}

/* Nothing happens while the screen is off, and nobody is told that it does. */
static void no_event_while_off(int fd)
{
	struct client client = show(fd);
	struct drm_mode_crtc_page_flip arg = {
		.crtc_id = client.pipe.crtc,
		.fb_id = client.fb,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	switch_crtc(&client, false);
	igt_assert_eq(__switch_crtc(&client, false, DRM_MODE_PAGE_FLIP_EVENT), -EINVAL);
	igt_assert_eq(barium_ioctl(fd, DRM_IOCTL_MODE_PAGE_FLIP, &arg), -EINVAL);
	igt_assert_eq(poll(&poll_fd, 1, 100), 0);
}

static const struct barium_subtest tests[] = {
	{ "flips", "The times of flips are as many frames apart as their numbers say.", flips },
	{ "switched-on", "Switching on says when the picture began.", switched_on },
	{ "no-event-while-off", "Events are refused while the screen is off.",
	  no_event_while_off },
	{}
};

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	barium_primary_subtests(tests);
}
