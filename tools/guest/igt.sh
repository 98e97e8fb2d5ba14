#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make igt`: IGT's own tests of what a display driver has to do, on the driver that
# guest_driver names (the name that it has to DRM) and guest_module is the module of.
# shellcheck source=igt-lib.sh
. /barium/guest/igt-lib.sh

driver=${guest_driver:?}
# They are subtests here, and no names of checks.
subtests=$guest_tests
guest_tests=

run() {
	modprobe "${guest_module:?}" || fail "modprobe: $?"
	[ -n "$(devices_of "$driver")" ] || fail "$driver has no device: $(dmesg | tail -n 5)"
	official_root "$(all_tests)"
	official_list "$subtests" >/tmp/official.list
	run_igt "$driver" /tmp/official /tmp/official.list igt 4
}

check run run
