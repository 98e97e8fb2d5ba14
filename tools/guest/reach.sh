#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guests with displays of all kinds and VRAM sizes, bound one at a time.
# guest_displays lists them as ID=PCI-ADDRESS, separated by commas; ID is the QEMU id. With
# guest_console=1 the scenario tests the console on each display, otherwise clients.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# bound SLOT: binds the display if it is not bound.
bound() {
	[ -e "/sys/bus/pci/drivers/barium/$1" ] || bind "$1" barium
}

# console_on SLOT TEXT: checks that the display shows the console with TEXT after it is bound.
console_on() {
	bound "$1"
	[ "$(cat /sys/class/graphics/fb0/name)" = bariumdrmfb ] ||
		fail "the console is not on the display: $(dmesg | tail -n 10)"
	text_on_console "console@$display_id" 3 2 "$2"
}

# reach_of SLOT: runs the IGT tests for the part of VRAM that the display can show.
reach_of() {
	bound "$1"
	BARIUM_DEVICE=$1 barium_reach
}

# shows SLOT: checks that the screen shows the picture of barium-show.
shows() {
	bound "$1"
	start_show --mode 640x480
	picture_on_screen "show@$display_id" 0 || fail "after the mode was set"
	end_show
}

tell begin load
echo 0 >/sys/bus/pci/drivers_autoprobe
modprobe barium
for display in $(echo "${guest_displays:?}" | tr , ' '); do
	display_id=${display%%=*} slot=${display#*=}
	if [ -n "$guest_console" ]; then
		check "console@$display_id" console_on "$slot" "The console of $display_id"
	else
		check "reach@$display_id" reach_of "$slot"
		check "show@$display_id" shows "$slot"
	fi
	[ ! -e "/sys/bus/pci/drivers/barium/$slot" ] || unbind "$slot" barium
done
check reach@unload rmmod barium
