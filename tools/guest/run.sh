#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make run`: loads the driver and draws; the host compares VRAM with the drawing. Then
# shows a picture, which the host compares with the screen.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

draw() {
	modprobe barium || fail "the driver cannot be loaded: $(dmesg | tail -n 5)"
	tell say "bar: $(bar_memory_type "$(devices_of barium)")"
	look run 1 --width "${guest_width:?}" --height "${guest_height:?}"
	while read -r line; do
		tell say "$line"
	done <"$draw_output"
}

show() {
	start_show --driver barium
	picture_on_screen show 0 || fail "it is not on the screen"
	while read -r line; do
		tell say "$line"
	done <"$show_output"
	end_show
}

check draw draw
check show show
