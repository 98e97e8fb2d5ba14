#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make test`, for one display: KUnit (at load), the oracle, IGT, unload and rebind, leaks.
# All that in the first of the driver's modes (guest_modes); in the others, IGT tests that depend on it
# (guest_mode_tests).
# shellcheck source=rebind.sh
. /barium/guest/rebind.sh
# shellcheck source=igt-lib.sh
. /barium/guest/igt-lib.sh

load() {
	load_driver "$mode"
	[ -n "$(devices_of barium)" ] || fail "no device bound: $(dmesg | tail -n 10)"
	[ -c "$(render_node "$(devices_of barium)")" ] || fail "no render node"
}

# load_in_mode NAME: loads the driver, which is a test of that name if the user wants it.
load_in_mode() {
	tell begin "$1"
	if wanted "$1"; then
		check "$1" load
	else
		load_driver "$mode"
	fi
}

# listed DIRECTORY: the tests there that are wanted.
listed() {
	all=/tmp/$(printf '%s' "$1" | tr / -).list
	[ -e "$all" ] || IGT_TEST_ROOT=$1 igt_runner --list-all >"$all" 2>"$all.log"
	grep -E -- "${guest_tests:-.}" "$all"
}

# igt NAME DIRECTORY LEVEL: the tests named on stdin, by igt_runner. What the kernel logs at LEVEL (4:
# warnings) or worse makes a test fail.
igt() {
	tell begin "$1"
	cat >"/tmp/$1.list"
	[ ! -s "/tmp/$1.list" ] || run_igt barium "$2" "/tmp/$1.list" "$1" "$3"
}

# igt_barium SUFFIX TESTS: our tests with names like TESTS. Those that make allocations fail are apart:
# they need a kernel that can do that, and it warns of what it was refused. What its checkers report is
# found in its log in any case.
igt_barium() {
	listed /barium/igt | grep -E -- "$2" >/tmp/ours.list
	grep -Ev '@barium_(faultinject|bind_fails|suspend)' /tmp/ours.list | igt "igt-barium$1" /barium/igt "${guest_warn_level:-4}"
	[ ! -e /proc/self/fail-nth ] ||
		grep -E '@barium_(faultinject|bind_fails)' /tmp/ours.list | igt "igt-faultinject$1" /barium/igt 2
}

# sleep_checks: barium_suspend, not by igt_runner: the kernel logs an error of its own when QEMU's clock
# has woken it up, which igt_runner would take for the test's.
sleep_checks() {
	for subtest in $(barium_suspend --list-subtests); do
		check "suspend@$subtest" barium_suspend --run-subtest "$subtest"
	done
}

# in_mode MODE: the driver in another mode, and what depends on that.
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
case ${guest_tests:-core_} in
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
