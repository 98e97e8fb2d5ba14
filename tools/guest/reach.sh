#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guests with displays of all kinds and sizes. It binds one display at a time. The
# kernel command line lists them (guest_displays) as ID=PCI-ADDRESS, separated by commas, with the IDs
# of QEMU. With guest_console=1, the console is tested on each display, otherwise clients are.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# bound SLOT: binds the display if it is not bound.
bound() {
	[ -e "/sys/bus/pci/drivers/barium/$1" ] || bind "$1" barium
}

# console_on SLOT TEXT: checks that the console is on the display once it is bound, and shows TEXT.
console_on() {
	bound "$1"
	[ "$(cat /sys/class/graphics/fb0/name)" = bariumdrmfb ] ||
		fail "the console is not on the display: $(dmesg | tail -n 10)"
	text_on_console "console@$display_id" 3 2 "$2"
}

# reach_of SLOT: runs the IGT tests of the display's reach.
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
