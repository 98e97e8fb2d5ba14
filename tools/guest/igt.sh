#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make igt`: runs IGT's own tests of display drivers on one driver. guest_module is its
# module, guest_driver its name in DRM, guest_expectations the start of the names of its expectation lists.
# shellcheck source=igt-lib.sh
. /barium/guest/igt-lib.sh

driver=${guest_driver:?}
# Here guest_tests selects subtests and not the names of checks.
subtests=$guest_tests
guest_tests=

run() {
	modprobe "${guest_module:?}" || fail "modprobe: $?"
	udevadm settle 2>/dev/null
	[ -e /dev/dri/card0 ] || fail "$driver has no device: $(dmesg | tail -n 5)"
	official_root "$(all_tests)"
	skips=/barium/xfails/${guest_expectations:?}-skips.txt
	if [ -e "$skips" ]; then
		sed 's/#.*//; /^[[:space:]]*$/d; s/.*/^igt@(&)$/' "$skips" >/tmp/skips
	else
		: >/tmp/skips
	fi
	official_list "$subtests" | grep -v -E -f /tmp/skips >/tmp/official.list
	run_igt "$driver" /tmp/official /tmp/official.list igt 4
}

check run run
