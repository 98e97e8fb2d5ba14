#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guest with compositors and an X server beside Weston, all with their default settings,
# with QEMU's default of VRAM, and with the kernel's console. The host compares the screen with what it
# must show.
# shellcheck source=desktop-lib.sh
. /barium/guest/desktop-lib.sh

preferred=1280x800
other=1024x768

# uses NAME: a client draws; the mode is changed and changed back; another VT is active for a while.
uses() {
	"start_$1"
	desktop_shows "$1@draws" $preferred
	for mode in $other $preferred; do
		set_mode "$1" "$mode"
		desktop_shows "$1@mode" "$mode"
	done
	vt_switches "$1@vt" $preferred 5
	end_desktop
}

# survives NAME: the device is unbound and bound again beneath the program, which may end, and works when it
# is started again.
survives() {
	"start_$1"
	desktop_shows "$1@rebind" $preferred
	rebind_beneath
	! kill -0 "$desktop_pid" 2>/dev/null || echo "note: $1 goes on"
	end_desktop
	"start_$1"
	desktop_shows "$1@rebound" $preferred
	end_desktop
}

# gputop_lists: IGT's gputop lists the compositor with its memory and its copies. It leaves out clients that
# keep no engine busy, so what is not shown leaves VRAM again and again, and each flip copies a buffer in.
gputop_lists() {
	start_sway
	desktop_shows sway@gputop $preferred
	evict=/sys/kernel/debug/dri/$(devices_of barium)/evict
	(while echo 1 >"$evict"; do sleep 0.2; done) &
	evicting=$!
	COLUMNS=80 LINES=24 TERM=linux gputop -d 1 -n 10 >/tmp/gputop.txt
	status=$?
	kill $evicting
	[ $status = 0 ] || fail "gputop ended with $status"
	sed 's/\x1b[^a-zA-Z]*[a-zA-Z]//g' /tmp/gputop.txt
	grep -q "MEM *RSS *copy *NAME" /tmp/gputop.txt || fail "no header"
	grep -Eq "^[0-9]+ +[0-9]+M .* sway *$" /tmp/gputop.txt || fail "sway is not listed"
	end_desktop
}

modprobe barium
for program in sway cage xorg; do
	check "$program@draws" uses "$program"
	check "$program@rebind" survives "$program"
done
check sway@gputop gputop_lists
