#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guest that hibernates while the screen shows a picture and a process has an object
# mapped. The machine powers off and resumes from the image on its swap disk; VRAM is empty then. The
# picture is in VRAM again, and the object in system memory. At the end the machine halts, and the host
# checks that the display is disabled.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# hibernates NAME HOW: checks that the screen and the object are the same before and after.
hibernates() {
	start_show --mode 1024x768
	start_draw --width 640 --height 480
	picture_on_screen "$1" 0 || fail "before hibernation"
	hibernate "$2" || fail "the kernel did not hibernate: $(dmesg | tail -n 12)"

	picture_on_screen "$1" 0 || fail "the screen has changed"
	end_draw
	grep -q '^kept: yes' "$draw_output" || fail "the mapping has changed: $(cat "$draw_output")"
	flip 1
	picture_on_screen "$1" 1 || fail "after a flip"
	end_show
}

# halts: halts the machine while the screen shows a picture.
halts() {
	start_show
	tell halt shutdown@display-off "$(devices_of barium)"
	busybox halt -f
}

tell begin load
modprobe barium
add_swap
available=$(vram_available)
check hibernate@test-resume hibernates hibernate@test-resume test_resume
check hibernate@image hibernates hibernate@image "${guest_hibernate:?}"
check hibernate@vram-returns same_vram "$available"
if wanted shutdown@display-off; then
	tell begin shutdown@display-off
	halts
fi
