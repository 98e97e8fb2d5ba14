#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guest with the kernel's console on the screen: text, hot-unplug, and a kernel
# panic.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

on_barium() {
	[ "$(cat /sys/class/graphics/fb0/name)" = bariumdrmfb ] ||
		fail "it is not: $(cat /sys/class/graphics/*/name; dmesg | tail -n 10)"
	! dmesg | grep "no console on this display" || fail "the driver says that there is none"
}

# gives_room: a client fills VRAM with pictures, and the test writes to the console meanwhile. The console
# is shown afterwards, with this text.
gives_room() {
	barium_scanout --run-subtest console || return
	# shellcheck disable=SC2046 # width and height
	on_screen console@gives-room 10 console $(tr , ' ' </sys/class/graphics/fb0/virtual_size) 17 5 \
		"Written while it was not in VRAM"
}

tell begin load
modprobe barium
check console@on-barium on_barium
check console@written text_on_console console@written 17 5 "Barium: the kernel's console, in VRAM"
check console@gives-room gives_room
check console@unplugged barium_hotunplug_race --run-subtest console
check console@back on_barium
if wanted panic@readable; then
	tell begin panic@readable
	tell panic panic@readable 10 display0 \
		"text KERNEL PANIC! | Please reboot your computer. | sysrq triggered crash"
	echo c >/proc/sysrq-trigger
fi
