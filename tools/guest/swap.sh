#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of guests with swap: the IGT tests that match guest_mode_tests, in the mode guest_modes of the
# driver.
# shellcheck source=rebind.sh
. /barium/guest/rebind.sh
# shellcheck source=igt-lib.sh
. /barium/guest/igt-lib.sh

load() {
	load_driver "${guest_modes:?}"
	[ -n "$(devices_of barium)" ] || fail "no device bound: $(dmesg | tail -n 10)"
}

# add_zram: has the kernel swap to compressed memory, and begin early. Otherwise squashfs, which cannot wait
# for that (GFP_NOIO), sometimes finds no free page, and the kernel warns.
add_zram() {
	modprobe zram || fail "no zram"
	echo 512M >/sys/block/zram0/disksize
	mkswap /dev/zram0 >/dev/null
	swapon /dev/zram0
	echo 1000 >/proc/sys/vm/watermark_scale_factor
}

[ ! -e "$kmemleak" ] || echo clear >"$kmemleak"
check load load
# Selected tests need the driver, too.
wanted load || load
"add_${guest_swap:-swap}"
available=$(vram_available)
listed /barium/igt | grep -E -- "${guest_mode_tests:-.}" >/tmp/swap.list
tell begin igt-swap
# If page faults move objects, the available VRAM depends on where they are, and no test compares it.
[ "$guest_modes" != moves ] || export BARIUM_MOVES=1
[ ! -s /tmp/swap.list ] || run_igt barium /barium/igt /tmp/swap.list igt-swap 4
check vram@returns-to-start same_vram "$available"
check rebind@unload unload
[ ! -e "$kmemleak" ] || check kmemleak no_leaks
