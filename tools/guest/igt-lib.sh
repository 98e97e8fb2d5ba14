# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Shared by the scenarios that run IGT's own tests: which there are for a driver of this kind, and
# running them.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# quick_tests: IGT's own tests that are quick and do with 16 MiB of VRAM (dumb_buffer does not), and are
# part of `make test`. What unbinds the driver is the last.
quick_tests() {
	echo core_auth core_getclient core_getstats core_getversion core_setmaster \
		core_setmaster_vs_auth core_debugfs core_sysfs drm_read kms_addfb_basic kms_getfb \
		kms_prop_blob kms_properties syncobj_basic core_hotunplug
}

# all_tests: those that a driver with one display can be expected to pass.
all_tests() {
	echo core_auth core_getclient core_getstats core_getversion core_setmaster \
		core_setmaster_vs_auth core_debugfs core_sysfs dumb_buffer drm_read fbdev kms_addfb_basic \
		kms_atomic kms_atomic_interruptible kms_bw kms_debugfs kms_dirtyfb kms_flip kms_getfb \
		kms_invalid_mode kms_lease kms_plane kms_prime kms_prop_blob kms_properties kms_rmfb \
		kms_sequence kms_setmode kms_universal_plane kms_vblank syncobj_basic core_hotunplug
}

# official_root TESTS: these tests in a directory with a list of just them, as igt_runner wants it.
official_root() {
	mkdir -p /tmp/official
	for test in $1; do
		ln -sf "/usr/libexec/igt-gpu-tools/$test" /tmp/official/
	done
	printf 'TESTLIST\n%s\nEND TESTLIST\n' "$1" >/tmp/official/test-list.txt
}

# official_list [TESTS]: the subtests in that directory that match TESTS, in the order of that list.
official_list() {
	IGT_TEST_ROOT=/tmp/official igt_runner --list-all | grep -E -- "${1:-.}"
}

# run_igt DRIVER DIRECTORY LIST NAME LEVEL: has igt_runner run what LIST names. What the kernel logs at
# LEVEL (4: warnings) or worse makes a test fail. Subtests of a binary run in one process: starting it
# takes longer than most of them. Their output goes through pipes, because of what came through a
# socket igt_runner attributes some to other subtests then.
run_igt() {
	IGT_FORCE_DRIVER=$1 IGT_RUNNER_DISABLE_SOCKET_COMMUNICATION=1 igt_runner --overwrite \
		--multiple-mode --dmesg-warn-level "$5" \
		--per-test-timeout "${guest_test_timeout:-180}" --test-list "$3" \
		"$2" "$results/$4" >"$results/log/$4.log" 2>&1
}
