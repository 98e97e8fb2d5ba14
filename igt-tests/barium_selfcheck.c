// SPDX-License-Identifier: MIT
/**
 * TEST: barium selfcheck
 * Description: Checks the test environment, not the driver: the report must contain each kind of
 *   result. This test is not in the test list of the driver. The harness runs it separately, and
 *   compares the reported result of each subtest with its name.
 * Category: Core
 * Sub-category: DRM
 * Functionality: test runner
 *
 * SUBTEST: pass
 * Description: A subtest that reaches its end is reported as pass.
 *
 * SUBTEST: skip
 * Description: A subtest whose requirement is not met is reported as skip.
 *
 * SUBTEST: fail
 * Description: A subtest with a failed assertion is reported as fail.
 *
 * SUBTEST: dmesg-warn
 * Description: A subtest with a kernel warning is reported as dmesg-warn.
 *
 * SUBTEST: crash
 * Description: A subtest that a signal kills is reported as crash.
 */
#include <signal.h>

#include "igt.h"

IGT_TEST_DESCRIPTION("Has one subtest for each result that igt_runner reports.");

int igt_main()
{
	igt_describe("A subtest that reaches its end is reported as pass.");
	igt_subtest("pass")
		igt_assert(true);

	igt_describe("A subtest whose requirement is not met is reported as skip.");
	igt_subtest("skip")
		igt_require_f(false, "skipped on purpose\n");

	igt_describe("A subtest with a failed assertion is reported as fail.");
	igt_subtest("fail")
		igt_assert_f(false, "failed on purpose\n");

	igt_describe("A subtest with a kernel warning is reported as dmesg-warn.");
	igt_subtest("dmesg-warn")
		igt_kmsg(KMSG_WARNING "a warning on purpose\n");

	/* This is the last subtest, because the crash ends the process. */
	igt_describe("A subtest that a signal kills is reported as crash.");
	igt_subtest("crash")
		raise(SIGSEGV);
}
