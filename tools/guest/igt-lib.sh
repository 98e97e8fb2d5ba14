# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Shared by the scenarios that run IGT's own tests: selects the tests that apply to this kind of
# driver and runs them.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# quick_tests: prints the tests that are part of `make test`: fast ones that need at most 16 MiB of
# VRAM (dumb_buffer needs more). The test that unbinds the driver comes last.
quick_tests() {
	echo core_auth core_getclient core_getstats core_getversion core_setmaster \
		core_setmaster_vs_auth core_debugfs core_sysfs drm_read kms_addfb_basic kms_getfb \
		kms_prop_blob kms_properties syncobj_basic core_hotunplug
}

# all_tests: prints the tests that apply to a driver of one virtual display.
all_tests() {
	echo core_auth core_getclient core_getstats core_getversion core_setmaster \
		core_setmaster_vs_auth core_debugfs core_sysfs dumb_buffer drm_read fbdev kms_addfb_basic \
		kms_async_flips kms_atomic kms_atomic_interruptible kms_atomic_transition kms_bw \
		kms_concurrent kms_debugfs kms_dirtyfb kms_display_modes kms_feature_discovery kms_flip \
		kms_flip_event_leak kms_getfb kms_invalid_mode kms_lease kms_multipipe_modeset \
		kms_pipe_crc_basic kms_plane kms_prime kms_prop_blob kms_properties kms_rmfb kms_sequence \
		kms_setmode kms_sysfs_edid_timing kms_universal_plane kms_vblank prime_mmap_kms \
		prime_self_import syncobj_basic syncobj_eventfd syncobj_timeline syncobj_wait \
		core_hotunplug
}

# listed DIRECTORY: prints the selected IGT tests in DIRECTORY.
listed() {
	all=$1/all.list
	[ -e "$all" ] || all=/tmp/$(printf '%s' "$1" | tr / -).list
	[ -e "$all" ] || IGT_TEST_ROOT=$1 igt_runner --list-all >"$all" 2>"$all.log"
	grep -E -- "${guest_tests:-.}" "$all"
}

# official_root TESTS: makes a directory with only these tests and the test-list.txt that igt_runner
# needs.
official_root() {
	mkdir -p /tmp/official
	for test in $1; do
		ln -sf "/usr/libexec/igt-gpu-tools/$test" /tmp/official/
	done
	printf 'TESTLIST\n%s\nEND TESTLIST\n' "$1" >/tmp/official/test-list.txt
}

# official_list [TESTS]: prints the subtests in that directory that match TESTS, in the order of
# test-list.txt.
official_list() {
	IGT_TEST_ROOT=/tmp/official igt_runner --list-all | grep -E -- "${1:-.}"
}

# run_igt DRIVER DIRECTORY LIST NAME LEVEL: runs the tests in the file LIST with igt_runner. A
# kernel message of level LEVEL (4: warning) or more severe makes a test fail. Subtests of a binary
# run in one process, as starting it takes longer than most of them. Their output goes through
# pipes: with its socket, igt_runner attributes some output to other subtests in this mode.
run_igt() {
	IGT_FORCE_DRIVER=$1 IGT_RUNNER_DISABLE_SOCKET_COMMUNICATION=1 igt_runner --overwrite \
		--multiple-mode --dmesg-warn-level "$5" \
		--per-test-timeout "${guest_test_timeout:-180}" --test-list "$3" \
		"$2" "$results/$4" >"$results/log/$4.log" 2>&1
}
