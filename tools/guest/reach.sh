#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guests with displays of all kinds and sizes. One display is bound at a time. The
# kernel command line lists them (guest_displays) as ID=PCI-ADDRESS, separated by commas, where ID is
# QEMU's. With guest_console=1 the kernel's console is on each display; otherwise IGT tests and
# barium-show use it.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# console_on SLOT TEXT: the console appears on the display when it is bound, with TEXT on it.
console_on() {
	bind "$1" barium
	[ "$(cat /sys/class/graphics/fb0/name)" = bariumdrmfb ] ||
		fail "the console is not on the display: $(dmesg | tail -n 10)"
	text_on_console "console@$display_id" 3 2 "$2"
}

# reach_of SLOT: the IGT tests of the display's reach.
reach_of() {
	bind "$1" barium
	BARIUM_DEVICE=$1 barium_reach
}

# shows: a picture is on the screen.
shows() {
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
		check "show@$display_id" shows
	fi
	[ ! -e "/sys/bus/pci/drivers/barium/$slot" ] || unbind "$slot" barium
done
check reach@unload rmmod barium
