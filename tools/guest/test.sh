#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make test` for one display: KUnit (when the module is loaded), oracle, IGT,
# rebinding, leaks. All tests run in the first mode of guest_modes. In the other modes, only the IGT
# tests that match guest_mode_tests run.
# shellcheck source=rebind.sh
. /barium/guest/rebind.sh
# shellcheck source=igt-lib.sh
. /barium/guest/igt-lib.sh

load() {
	load_driver "$mode"
	[ -n "$(devices_of barium)" ] || fail "no device bound: $(dmesg | tail -n 10)"
	[ -c "$(render_node "$(devices_of barium)")" ] || fail "no render node"
}

# load_in_mode NAME: loads the driver, as a test of that name if the user selects it.
load_in_mode() {
	tell begin "$1"
	if wanted "$1"; then
		check "$1" load
	else
		load_driver "$mode"
	fi
}

# igt NAME DIRECTORY LEVEL: runs the tests listed on stdin with igt_runner. A kernel message of
# level LEVEL (4: warning) or more severe makes a test fail.
igt() {
	tell begin "$1"
	cat >"/tmp/$1.list"
	[ ! -s "/tmp/$1.list" ] || run_igt barium "$2" "/tmp/$1.list" "$1" "$3"
}

# igt_barium SUFFIX TESTS: runs our tests that match TESTS. Fault injection tests run separately:
# they need a kernel with fault injection, whose allocator warns about each failure. guest_faults=no
# leaves them out. The harness finds reports of the checkers in the kernel log in any case.
# barium_oversubscribe needs a guest with little memory (swap.sh), barium_suspend and barium_hibernate
# another way to run them (sleep_checks).
igt_barium() {
	listed /barium/igt | grep -E -- "$2" >/tmp/ours.list
	grep -Ev '@barium_(system_)?(faultinject|bind_fails|suspend|hibernate|oversubscribe)' /tmp/ours.list | igt "igt-barium$1" /barium/igt "${guest_warn_level:-4}"
	[ ! -e /proc/self/fail-nth ] || [ "${guest_faults-}" = no ] ||
		grep -E '@barium_(system_)?(faultinject|bind_fails)' /tmp/ours.list | igt "igt-faultinject$1" /barium/igt 2
}

# sleep_checks: runs barium_suspend and barium_hibernate without igt_runner: the kernel logs an error about the
# RTC's ACPI event after each wake-up, as SeaBIOS has not set up q35's ACPI registers again, and one about swap
# space, which igt_runner would count as a failure of the test.
sleep_checks() {
	for kind in suspend hibernate; do
		for subtest in $("barium_$kind" --list-subtests); do
			check "$kind@$subtest" "barium_$kind" --run-subtest "$subtest"
		done
	done
}

# in_mode MODE: loads the driver in another mode and runs the tests that depend on it.
in_mode() {
	mode=$1
	rmmod barium
	load_in_mode "$mode/load"
	igt_barium "-$mode" "${guest_mode_tests:-.}"
}

modes=${guest_modes:-default}
mode=${modes%%,*}

[ -z "$guest_race_seconds" ] || export BARIUM_RACE_SECONDS="$guest_race_seconds"
[ -z "$guest_unplug_rounds" ] || export BARIUM_UNPLUG_ROUNDS="$guest_unplug_rounds"
[ -z "$guest_fault_full" ] || export BARIUM_FAULT_FULL=1
[ ! -e "$kmemleak" ] || echo clear >"$kmemleak"
load_in_mode load
if wanted vram@returns-to-start; then
	available=$(vram_available)
fi
check oracle@draw look oracle@draw 1 --width 640 --height 480
check oracle@scattered look oracle@scattered 8 --width 512 --height 384 --scatter
igt_barium '' .
# Distributions have IGT's own tests for x86 only.
[ -d /usr/libexec/igt-gpu-tools ] || guest_official=no
case ${guest_official:-${guest_tests:-core_}} in
*core_* | *kms_* | *drm_read* | *syncobj*)
	official_root "$(quick_tests)"
	listed /tmp/official | igt igt-official /tmp/official 4
	;;
esac
[ -z "$guest_self_check" ] ||
	listed /barium/igt/selfcheck | igt igt-selfcheck /barium/igt/selfcheck 4
rebind_checks
sleep_checks
for other in $(echo "$modes" | cut -d, -f2- -s | tr , ' '); do
	in_mode "$other"
done
check rebind@hot-unplug-while-mapped hot_unplug_in_use
check vram@returns-to-start same_vram "$available"
check rebind@unload unload
[ ! -e "$kmemleak" ] || check kmemleak no_leaks
