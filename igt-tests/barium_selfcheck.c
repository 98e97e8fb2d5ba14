// SPDX-License-Identifier: MIT
/*
 * Proof that each kind of result reaches the report. Not about the driver, and not in its test
 * list: whoever runs the tests runs this one apart and compares what was reported with the names.
 */
#include <signal.h>

#include "igt.h"

IGT_TEST_DESCRIPTION("One subtest for each result that a runner has to tell apart.");

int igt_main_args(NULL, NULL, NULL, NULL, NULL)
{
	igt_describe("A subtest that finds nothing wrong is a pass.");
	igt_subtest("pass")
		igt_assert(true);

	igt_describe("A subtest whose requirement is not met is a skip.");
	igt_subtest("skip")
		igt_require_f(false, "skipped on purpose\n");

	igt_describe("A subtest with a false assertion is a failure.");
	igt_subtest("fail")
		igt_assert_f(false, "failed on purpose\n");

	igt_describe("A subtest during which the kernel warns is not a pass.");
	igt_subtest("dmesg-warn")
		igt_kmsg(KMSG_WARNING "a warning on purpose\n");

	/* The last one: a runner may give up on the binary here. */
	igt_describe("A subtest that dies of a signal is a crash.");
	igt_subtest("crash")
		raise(SIGSEGV);
}
