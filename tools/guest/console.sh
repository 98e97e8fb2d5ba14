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
}

# text_on_console COLUMN ROW TEXT: checks that the screen shows TEXT at this position and nothing else.
# Columns and rows count from 0; the terminal's escape sequences count from 1.
text_on_console() {
	printf '\033[2J\033[?25l\033[%d;%dH%s' "$(($2 + 1))" "$(($1 + 1))" "$3" >/dev/tty0
	# shellcheck disable=SC2046 # width and height
	on_screen console@written 10 console \
		$(tr , ' ' </sys/class/graphics/fb0/virtual_size) "$1" "$2" "$3"
}

tell begin load
modprobe barium
check console@on-barium on_barium
check console@written text_on_console 17 5 "Barium: the kernel's console, in VRAM"
check console@unplugged barium_hotunplug_race --run-subtest console
check console@back on_barium
if wanted panic@readable; then
	tell begin panic@readable
	tell panic panic@readable 10 display0 \
		"text KERNEL PANIC! | Please reboot your computer. | sysrq triggered crash"
	echo c >/proc/sysrq-trigger
fi
