// SPDX-License-Identifier: MIT
/**
 * TEST: barium unbind signal
 * Description: Tests of unbind in a process that has signals pending.
 * Category: Display
 * Sub-category: DRM
 * Functionality: Hot-unplug
 *
 * SUBTEST: flip
 * Description: With a page flip and a signal pending, unbind disables the CRTC.
 *
 * SUBTEST: fence
 * Description: With a signal pending, unbind waits for a page flip that waits for a fence.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include <linux/dma-buf.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_race.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Unbind in a process that has signals pending.");

#define ROUNDS 10
/* A page flip takes one frame, which is long enough for the flip to be pending during unbind. */
#define SLOW_HZ 21
/* The time after which the fence signals, in milliseconds. */
#define FENCE_MS 300

static void ignore(int sig)
{
	(void)sig;
}

/* Sends SIGALRM every @usec microseconds, so that a signal is always pending; 0 stops that. */
static void send_signals(int usec)
{
	struct sigaction action = { .sa_handler = ignore, .sa_flags = SA_RESTART };
	struct itimerval timer = {
		.it_value.tv_usec = usec,
		.it_interval.tv_usec = usec,
	};

	igt_assert_eq(sigaction(SIGALRM, &action, NULL), 0);
	igt_assert_eq(setitimer(ITIMER_REAL, &timer, NULL), 0);
}

/*
 * The commit of the page flip waits for the fence before it programs the device. The commit that
 * disables the CRTC waits for that, and each signal interrupts its wait.
 */
static void test_fence(int fd)
{
	struct drm_mode_create_dumb dumb;
	struct barium_pipe pipe;
	int timeline, fence, buf;
	double start;
	__u32 fb;

	igt_require_sw_sync();
	timeline = sw_sync_timeline_create();
	fence = sw_sync_timeline_create_fence(timeline, 1);
	barium_find_pipe(fd, &pipe);
	fb = barium_add_dumb(fd, &pipe, &dumb);
	barium_set_crtc(fd, &pipe, fb, 0, 0);
	buf = __barium_gem_export(fd, dumb.handle, DRM_RDWR | DRM_CLOEXEC);
	igt_assert_lte(0, buf);
	dmabuf_import_sync_file(buf, DMA_BUF_SYNC_WRITE, fence);
	barium_flip(fd, &pipe, fb, 1);

	start = barium_now();
	igt_fork(child, 1) {
		usleep(FENCE_MS * 1000);
		sw_sync_timeline_inc(timeline, 1);
	}
	send_signals(500);
	barium_unbind();
	send_signals(0);
	igt_assert(barium_now() - start >= FENCE_MS / 1e3);
	igt_waitchildren();
	close(buf);
	close(fence);
	close(timeline);
	close(fd);
}

int igt_main()
{
	igt_fixture()
		barium_prepare_unplug();

	/* The kernel logs an error if the CRTC is not disabled, and igt_runner reports that. */
	igt_describe("With a page flip and a signal pending, unbind disables the CRTC.");
	igt_subtest("flip") {
		int round;

		for (round = 0; round < ROUNDS; round++) {
			int fd = barium_new_bound_primary_client();
			struct drm_mode_create_dumb dumb;
			struct barium_pipe pipe;
			__u32 fb;

			barium_find_pipe(fd, &pipe);
			pipe.mode.clock = pipe.mode.htotal * pipe.mode.vtotal * SLOW_HZ / 1000 + 1;
			fb = barium_add_dumb(fd, &pipe, &dumb);
			barium_set_crtc(fd, &pipe, fb, 0, 0);
			barium_flip(fd, &pipe, fb, 1);
			barium_flipped(fd, &pipe, 1);
			barium_flip(fd, &pipe, fb, 2);
			send_signals(500);
			barium_unbind();
			send_signals(0);
			close(fd);
		}
	}

	igt_describe("With a signal pending, unbind waits for a page flip that waits for a fence.");
	igt_subtest("fence")
		test_fence(barium_new_bound_primary_client());
}
