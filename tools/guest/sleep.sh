#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guests that sleep while a compositor or an X server uses the display: hibernated, suspended
# to idle, and suspended to RAM. The host checks that the screen shows the program's moving picture again.
# shellcheck source=desktop-lib.sh
. /barium/guest/desktop-lib.sh

preferred=1280x800
keyboard=/sys/devices/platform/i8042/serio0

start_weston() {
	start_compositor weston --renderer=pixman
	draw_clients
}

# suspend_to STATE: suspends with STATE in /sys/power/state, until the harness wakes the machine: by a key if it
# is suspended to idle, as QEMU's RTC does not wake it then.
suspend_to() {
	echo enabled >"$keyboard/power/wakeup"
	tell suspend
	echo "$1" >/sys/power/state || fail "no $1: $(dmesg | tail -n 12)"
	tell awake
}

# hibernates NAME: the machine hibernates while a program uses the display.
hibernates() {
	"start_$1"
	desktop_shows "$1@before" $preferred
	hibernate "${guest_hibernate:?}" || fail "the kernel did not hibernate: $(dmesg | tail -n 12)"
	desktop_shows "$1@hibernated" $preferred
	leaves_and_returns "$1@hibernated-vt"
	end_desktop
}

# suspends NAME: the machine is suspended while a program uses the display.
suspends() {
	"start_$1"
	for state in freeze mem; do
		suspend_to "$state"
		desktop_shows "$1@$state" $preferred
	done
	leaves_and_returns "$1@suspended-vt"
	end_desktop
}

# leaves_and_returns TEST: another VT is active for a moment.
leaves_and_returns() {
	front=$(front_vt)
	switch_vt $away
	switch_vt "$front"
	desktop_shows "$1" $preferred
}

modprobe -a barium evdev
add_swap
# After a suspension to RAM, a machine of QEMU's cannot be powered off any more.
for how in hibernates suspends; do
	for program in weston xorg; do
		check "$program@$how" $how "$program"
	done
done
