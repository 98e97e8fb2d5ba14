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
 */
#include <signal.h>
#include <sys/time.h>

#include "igt.h"
#include "barium_lib_kms.h"
#include "barium_lib_unplug.h"

IGT_TEST_DESCRIPTION("Unbind in a process that has signals pending.");

#define ROUNDS 10
/* A page flip takes one frame, which is long enough for the flip to be pending during unbind. */
#define SLOW_HZ 21

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
}
