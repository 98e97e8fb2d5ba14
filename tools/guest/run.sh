#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make run`: loads the driver, draws, has the host look.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

draw() {
	modprobe barium || fail "the driver cannot be loaded: $(dmesg | tail -n 5)"
	look run 1 --width "${guest_width:?}" --height "${guest_height:?}"
	while read -r line; do
		tell say "$line"
	done <"$draw_output"
}

check draw draw
