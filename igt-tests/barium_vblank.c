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
 *
 * SUBTEST: enabled-while-handled
 * Description: Vblank can be enabled while another CPU is still handling the last one.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/mount.h>
#include <time.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_race.h"

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

#define TRACEFS "/sys/kernel/tracing"

/*
 * The maximum number of probes at the start of drm_handle_vblank(), and the time that they take
 * together, which is most of a frame. Each one records the first bytes of the device's structure,
 * byte by byte, many times.
 */
#define MAX_PROBES	64
#define PROBE_ARGS	40
#define PROBE_ARG	" +0($arg1):x8[64]"
#define DELAY_NSEC	(12000 * NS_PER_US)
/* How often the CRTC is disabled and enabled. */
#define SWITCHES	50

/* Writes @value to @file of tracefs. Returns false if it cannot. */
static bool write_trace(const char *file, const char *value)
{
	char path[1024];

	snprintf(path, sizeof(path), TRACEFS "/%s", file);
	return !__barium_write_file(path, value);
}

static bool add_probe(int number)
{
	char text[64 + PROBE_ARGS * sizeof(PROBE_ARG)];
	int i, end;

	end = sprintf(text, "p:barium_vblank/p%d drm_handle_vblank", number);
	for (i = 0; i < PROBE_ARGS; i++)
		end += sprintf(text + end, PROBE_ARG);
	if (!write_trace("kprobe_events", text))
		return false;
	snprintf(text, sizeof(text), "events/barium_vblank/p%d/enable", number);
	return write_trace(text, "1\n");
}

static void remove_probes(int signal)
{
	char text[64];
	int i;

	(void)signal;
	write_trace("events/barium_vblank/enable", "0\n");
	for (i = 0; i < MAX_PROBES; i++) {
		snprintf(text, sizeof(text), "-:barium_vblank/p%d\n", i);
		write_trace("kprobe_events", text);
	}
}

/* Returns by how much the event of a page flip is later than the vblank: the least of three. */
static long long lateness(const struct client *client)
{
	long long least = NS_PER_S, late;
	int i;

	for (i = 0; i < 3; i++) {
		struct vblank vblank = flip(client);

		late = now_nsec() - vblank.nsec;
		if (late < least)
			least = late;
	}
	return least;
}

/* Makes the handling of a vblank slow, for as long as a CPU that the hypervisor stops meanwhile. */
static void slow_down(const struct client *client)
{
	int i;

	/* Fails if tracefs is mounted already. */
	mount("tracefs", TRACEFS, "tracefs", 0, NULL);
	igt_install_exit_handler(remove_probes);
	for (i = 0; i < MAX_PROBES && lateness(client) < DELAY_NSEC; i++)
		igt_require_f(add_probe(i), "the kernel has no kprobe events\n");
	igt_info("%d probes, events are %lld us late\n", i, lateness(client) / NS_PER_US);
}

/* Waits for vblanks, so that they are enabled whenever the CRTC is active. */
static void *waiter(void *data)
{
	struct barium_arena *arena = data;

	while (barium_goes_on(arena)) {
		union drm_wait_vblank wait = {
			.request = { .type = _DRM_VBLANK_RELATIVE, .sequence = 1 },
		};

		if (barium_ioctl(arena->fd, DRM_IOCTL_WAIT_VBLANK, &wait))
			usleep(100);
	}
	return NULL;
}

static void test_enabled_while_handled(int fd)
{
	struct client client = display(fd);
	struct barium_arena arena = { .fd = fd };
	struct vblank last, next;
	pthread_t threads[2];
	__u32 state = 1;
	int i;

	slow_down(&client);
	last = flip(&client);
	for (i = 0; i < 2; i++)
		igt_assert_eq(pthread_create(&threads[i], NULL, waiter, &arena), 0);
	for (i = 0; i < SWITCHES; i++) {
		/* At any time between two vblanks. */
		usleep(barium_draw(&state) % (client.frame_nsec / NS_PER_US));
		igt_assert_eq(__set_active(&client, false, 0), 0);
		igt_assert_eq(__set_active(&client, true, 0), 0);
	}
	WRITE_ONCE(arena.stop, true);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	next = flip(&client);
	igt_assert_lt_u64(next.number - last.number, 1000 * SWITCHES);
	check_frames(&client, next, flip(&client));
	remove_probes(0);
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

	/* DRM's vblank timer waits for its callback, with a lock held that the callback takes. */
	igt_describe("Vblank can be enabled while another CPU is still handling the last one.");
	igt_subtest("enabled-while-handled")
		test_enabled_while_handled(barium_new_primary_client());
}
