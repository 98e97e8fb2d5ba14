// SPDX-License-Identifier: MIT
/**
 * TEST: barium vblank
 * Description: Tests of vblank events: their sequence numbers and timestamps. The scanout is tested
 *   in barium_kms.
 * Category: Core
 * Sub-category: DRM
 * Functionality: Vblank events
 *
 * SUBTEST: flips
 * Description: Timestamps and sequence numbers of page flip events agree.
 *
 * SUBTEST: switched-on
 * Description: The event of enabling a CRTC is not older than the commit.
 *
 * SUBTEST: no-event-while-off
 * Description: A request for an event fails while the CRTC is inactive.
 */
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "igt.h"
#include "barium_lib_kms.h"

IGT_TEST_DESCRIPTION("Sequence numbers and timestamps of vblank events.");

#define NS_PER_US	1000ll
#define NS_PER_S	1000000000ll

/* Time for which a test disables the CRTC: many frames. */
#define OFF_USEC	1000000

/* Tolerance for the time between two vblanks. */
#define SLACK_NSEC	(100 * NS_PER_US)

/* A client that displays a framebuffer. */
struct client {
	int fd;
	struct barium_pipe pipe;
	/* Id of the ACTIVE property of the CRTC. */
	__u32 active;
	__u32 fb;
	long long frame_nsec;
};

/* Sequence number and timestamp of a vblank. */
struct vblank {
	__u32 number;
	long long nsec;
};

static long long now_nsec(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * NS_PER_S + time.tv_nsec;
}

/* Displays a framebuffer, which is freed when the file is closed. */
static struct client display(int fd)
{
	struct drm_set_client_cap cap = { .capability = DRM_CLIENT_CAP_ATOMIC, .value = 1 };
	struct client client = { .fd = fd };
	struct drm_mode_modeinfo *mode = &client.pipe.mode;
	struct drm_mode_create_dumb dumb;

	do_ioctl(fd, DRM_IOCTL_SET_CLIENT_CAP, &cap);
	barium_find_pipe(fd, &client.pipe);
	client.active = barium_find_property(fd, client.pipe.crtc, DRM_MODE_OBJECT_CRTC, "ACTIVE");
	client.frame_nsec = mode->htotal * mode->vtotal * 1000000ll / mode->clock;
	client.fb = barium_add_dumb(fd, &client.pipe, &dumb);
	barium_set_crtc(fd, &client.pipe, client.fb, 0, 0);
	return client;
}

static int __set_active(const struct client *client, __u64 active, __u32 flags)
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

/* Reads a page flip event. Its timestamp must not be in the future. */
static struct vblank read_vblank(const struct client *client)
{
	struct pollfd poll_fd = { .fd = client->fd, .events = POLLIN };
	struct drm_event_vblank event;
	struct vblank vblank;

	igt_assert_f(poll(&poll_fd, 1, 5000) == 1, "no event\n");
	igt_assert_eq(read(client->fd, &event, sizeof(event)), sizeof(event));
	igt_assert_eq_u32(event.base.type, DRM_EVENT_FLIP_COMPLETE);
	vblank.number = event.sequence;
	vblank.nsec = event.tv_sec * NS_PER_S + event.tv_usec * NS_PER_US;
	igt_assert_f(vblank.nsec <= now_nsec(), "the timestamp is in the future\n");
	return vblank;
}

static struct vblank set_active(const struct client *client, bool active)
{
	igt_assert_eq(__set_active(client, active, DRM_MODE_PAGE_FLIP_EVENT), 0);
	return read_vblank(client);
}

static struct vblank flip(const struct client *client)
{
	struct drm_mode_crtc_page_flip arg = {
		.crtc_id = client->pipe.crtc,
		.fb_id = client->fb,
		.flags = DRM_MODE_PAGE_FLIP_EVENT,
	};

	do_ioctl(client->fd, DRM_IOCTL_MODE_PAGE_FLIP, &arg);
	return read_vblank(client);
}

/* Asserts that the timestamps differ by as many frames as the sequence numbers, at least one. */
static void check_frames(const struct client *client, struct vblank earlier, struct vblank later)
{
	long long frames = later.number - earlier.number;
	long long error = later.nsec - earlier.nsec - frames * client->frame_nsec;

	igt_assert_f(frames >= 1 && frames < 600, "%lld frames\n", frames);
	igt_assert_f(llabs(error) <= SLACK_NSEC, "%lld frames, off by %lld ns\n", frames, error);
}

/* The event of enabling the CRTC has a timestamp after that commit, not that of disabling it. */
static void test_switched_on(int fd)
{
	struct client client = display(fd);
	struct vblank before = flip(&client), off, on;
	long long start;

	off = set_active(&client, false);
	igt_assert_lte_u64(before.nsec, off.nsec);
	igt_assert_lte_u64(before.number, off.number);

	usleep(OFF_USEC);
	start = now_nsec();
	on = set_active(&client, true);
	igt_assert_f(on.nsec >= start, "the vblank is %lld us before the commit\n",
		     (start - on.nsec) / NS_PER_US);
	igt_assert_lt_u64(off.number, on.number);
	check_frames(&client, on, flip(&client));
}

int igt_main()
{
	igt_describe("Timestamps and sequence numbers of page flip events agree.");
	igt_subtest("flips") {
		int fd = barium_new_primary_client();
		struct client client = display(fd);
		struct vblank last = flip(&client), next;
		int i;

		for (i = 0; i < 10; i++) {
			next = flip(&client);
			check_frames(&client, last, next);
			last = next;
		}
	}

	igt_describe("The event of enabling a CRTC is not older than the commit.");
	igt_subtest("switched-on")
		test_switched_on(barium_new_primary_client());

	/* An inactive CRTC has no vblanks: a request for an event fails, and no event is sent. */
	igt_describe("A request for an event fails while the CRTC is inactive.");
	igt_subtest("no-event-while-off") {
		int fd = barium_new_primary_client();
		struct client client = display(fd);
		struct drm_mode_crtc_page_flip arg = {
			.crtc_id = client.pipe.crtc,
			.fb_id = client.fb,
			.flags = DRM_MODE_PAGE_FLIP_EVENT,
		};
		struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

		set_active(&client, false);
		igt_assert_eq(__set_active(&client, false, DRM_MODE_PAGE_FLIP_EVENT), -EINVAL);
		do_ioctl_err(fd, DRM_IOCTL_MODE_PAGE_FLIP, &arg, EINVAL);
		igt_assert_eq(poll(&poll_fd, 1, 100), 0);
	}
}
