#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of a guest with swap whose driver moves objects out of VRAM and into it at page faults:
# the IGT tests that match guest_mode_tests.
# shellcheck source=rebind.sh
. /barium/guest/rebind.sh
# shellcheck source=igt-lib.sh
. /barium/guest/igt-lib.sh

load() {
	load_driver moves
	[ -n "$(devices_of barium)" ] || fail "no device bound: $(dmesg | tail -n 10)"
}

[ ! -e "$kmemleak" ] || echo clear >"$kmemleak"
check load load
# Selected tests need the driver, too.
wanted load || load
add_swap
available=$(vram_available)
IGT_TEST_ROOT=/barium/igt igt_runner --list-all | grep -E -- "${guest_tests:-.}" |
	grep -E -- "${guest_mode_tests:-.}" >/tmp/moves.list
tell begin igt-moves
# The available VRAM depends on where the objects are, so no test compares it.
export BARIUM_MOVES=1
[ ! -s /tmp/moves.list ] || run_igt barium /barium/igt /tmp/moves.list igt-moves 4
check vram@returns-to-start same_vram "$available"
check rebind@unload unload
[ ! -e "$kmemleak" ] || check kmemleak no_leaks
