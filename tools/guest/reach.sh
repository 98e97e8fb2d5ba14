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

# console_blanked SLOT TEXT: checks that the screen is black while the console is blanked, and shows it
# afterwards. 4 is FB_BLANK_POWERDOWN, 0 is FB_BLANK_UNBLANK. 4 MiB have no room for two pictures of the
# mode: the black one is as small as can be.
console_blanked() {
	bound "$1"
	text_on_console "dark@$display_id" 3 2 "$2" || fail "before it was blanked"
	case $display_id in
	bochs-display-4) black_size="64 64" ;;
	*) black_size=$(tr , ' ' </sys/class/graphics/fb0/virtual_size) ;;
	esac
	echo 4 >/sys/class/graphics/fb0/blank
	# shellcheck disable=SC2086 # width and height
	is_black=$(on_screen "dark@$display_id" 2 black $black_size) || is_black="not: $is_black"
	echo 0 >/sys/class/graphics/fb0/blank
	[ "${is_black#not}" = "$is_black" ] || fail "while the console was blanked: $is_black"
	text_on_console "dark@$display_id" 3 2 "$2" || fail "after it was blanked"
}

# reach_of SLOT: runs the IGT tests for the part of VRAM that the display can show.
reach_of() {
	bound "$1"
	BARIUM_DEVICE=$1 barium_reach
}

# told_of_room SLOT: checks that the log names QEMU's option if, and only if, VRAM is too small for two
# pictures of the preferred mode, 1280x800.
told_of_room() {
	bound "$1"
	line="barium $1: VRAM has room for . of the 2 buffers .* at 1280x800, the preferred mode"
	case $display_id in
	*-4 | *-8) dmesg | grep "$line.*vgamem" || fail "no line" ;;
	*) ! dmesg | grep "$line" || fail "there is room" ;;
	esac
}

# modes_have_room SLOT: checks that the connector lists the preferred mode, 1280x800, and otherwise only modes
# for which VRAM has room for two pictures of a multiple of 64 lines, and all of these that a smaller list of
# sizes has.
modes_have_room() {
	bound "$1"
	modes=$(cat "$(connector_of "$1")/modes")
	[ "$(echo "$modes" | head -n 1)" = 1280x800 ] || fail "1280x800 is not the first: $modes"
	room=$((${display_id##*-} << 20))
	for size in $(echo "$modes" | sort -u); do
		[ "$size" = 1280x800 ] || [ "$(two_pictures "$size")" -le "$room" ] || fail "no room for two of $size"
	done
	for size in 640x480 1024x768 1920x1080; do
		[ "$(two_pictures "$size")" -gt "$room" ] || echo "$modes" | grep -qx "$size" || fail "not $size: $modes"
	done
}

# two_pictures WIDTHxHEIGHT: prints how many bytes two pictures have.
two_pictures() {
	echo $((2 * ${1%x*} * 4 * ((${1#*x} + 63) / 64 * 64)))
}

# shows SLOT: checks that the screen shows the picture of barium-show.
shows() {
	bound "$1"
	start_show --mode 640x480
	picture_on_screen "show@$display_id" 0 || fail "after the mode was set"
	end_show
}

# dark SLOT: checks that the screen is black after the client has ended.
dark() {
	shows "$1"
	on_screen "dark@$display_id" 0 black "$show_width" "$show_height"
}

tell begin load
echo 0 >/sys/bus/pci/drivers_autoprobe
modprobe barium
for display in $(echo "${guest_displays:?}" | tr , ' '); do
	display_id=${display%%=*} slot=${display#*=}
	if [ -n "$guest_console" ]; then
		check "console@$display_id" console_on "$slot" "The console of $display_id"
		check "dark@$display_id" console_blanked "$slot" "The console of $display_id"
	else
		check "reach@$display_id" reach_of "$slot"
		check "room@$display_id" told_of_room "$slot"
		check "modes@$display_id" modes_have_room "$slot"
		check "show@$display_id" shows "$slot"
		check "dark@$display_id" dark "$slot"
	fi
	[ ! -e "/sys/bus/pci/drivers/barium/$slot" ] || unbind "$slot" barium
done
check reach@unload rmmod barium
