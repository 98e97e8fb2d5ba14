#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guest that uses the display: an example program, modetest and a compositor, each
# in several modes. The host compares the screen with the expected picture.
# shellcheck source=desktop-lib.sh
. /barium/guest/desktop-lib.sh

# listed_modes: prints the sizes that the connector lists, without duplicates.
listed_modes() {
	modetest -M barium -c | awk '$1 ~ /^#[0-9]+$/ { print $2 }' | sort -u
}

modes_are_listed() {
	modes=$(listed_modes)
	echo "$modes"
	[ -n "$modes" ] || fail "no modes: $(dmesg | tail -n 10)"
}

# shows MODE: checks a picture, a flip to another one, and a flip back.
shows() {
	start_show --mode "$1"
	[ "${show_width}x$show_height" = "$1" ] || fail "the mode is not $1: $(cat "$show_output")"
	picture_on_screen "show@$1" 0 || fail "after the mode was set"
	flip 1
	picture_on_screen "show@$1" 1 || fail "after a flip"
	flip 2
	picture_on_screen "show@$1" 0 || fail "after a flip back"
	end_show
}

# start_modetest OPTION...: starts modetest, which runs until it reads a line from its stdin.
start_modetest() {
	rm -f /tmp/modetest.go
	mkfifo /tmp/modetest.go
	modetest -M barium "$@" </tmp/modetest.go >/tmp/modetest.out 2>&1 &
	modetest_pid=$!
	exec 6>/tmp/modetest.go
}

end_modetest() {
	echo >&6
	exec 6>&-
	wait "$modetest_pid" || fail "modetest ended with $?: $(cat /tmp/modetest.out)"
}

# connector: prints the id of the connected connector.
connector() {
	modetest -M barium -c | awk '$3 == "connected" { print $1 }'
}

# bars MODE...: checks modetest's colour bars in each of these modes.
bars() {
	for bars_mode; do
		start_modetest -s "$(connector):$bars_mode"
		on_screen modetest@each-mode 10 bars "${bars_mode%x*}" "${bars_mode#*x}" ||
			fail "in mode $bars_mode: $(cat /tmp/modetest.out)"
		end_modetest
	done
	echo "note: $# modes"
}

# bars_flip MODE: modetest flips between two buffers at each vblank. After 60 flips it prints their
# rate, which must not exceed the 60 vblanks per second of the mode.
bars_flip() {
	start_modetest -v -s "$(connector):$1"
	on_screen modetest@flips 10 flips "${1%x*}" "${1#*x}" || fail "$(cat /tmp/modetest.out)"
	wait_for "$modetest_pid" modetest /tmp/modetest.out grep -q '^freq' /tmp/modetest.out
	end_modetest
	frequency=$(sed -n 's/^freq: \([0-9]*\).*/\1/p' /tmp/modetest.out | tail -n 1)
	[ "$frequency" -le 62 ] || fail "$frequency flips a second do not wait for vblanks"
	echo "note: $frequency flips a second"
}

# start_weston MODE: starts weston in this mode with its software renderer, and some clients.
start_weston() {
	export XDG_RUNTIME_DIR=/run/weston LIBSEAT_BACKEND=seatd
	mkdir -p $XDG_RUNTIME_DIR
	chmod 700 $XDG_RUNTIME_DIR
	start_seat
	! [ -e /tmp/weston.pid ] || end_weston
	cat >/tmp/weston.ini <<-EOF
		[core]
		idle-time=0
		[shell]
		locking=false
		background-color=0xff2b3f5c
		panel-color=0xd0101820
		[output]
		name=Virtual-1
		mode=$1
	EOF
	printf '#!/bin/sh\ndmesg | grep -F barium\nexec sh\n' >/tmp/terminal.sh
	chmod +x /tmp/terminal.sh
	setsid weston --backend=drm --renderer=pixman --continue-without-input --socket=barium \
		--config=/tmp/weston.ini >"$results/log/weston-$1.log" 2>&1 </dev/null &
	echo $! >/tmp/weston.pid
	export WAYLAND_DISPLAY=barium
	wait_for "$(cat /tmp/weston.pid)" weston "$results/log/weston-$1.log" \
		[ -S $XDG_RUNTIME_DIR/barium ]
	for client in weston-simple-shm weston-flower "weston-terminal --shell=/tmp/terminal.sh"; do
		$client >/dev/null 2>&1 </dev/null &
	done
}

# end_weston: ends weston, if it runs. Its clients end with it.
end_weston() {
	weston_pid=$(cat /tmp/weston.pid)
	kill "$weston_pid" 2>/dev/null
	while kill -0 "$weston_pid" 2>/dev/null; do
		sleep 0.1
	done
	rm /tmp/weston.pid
}

# weston_shows TEST MODE: checks that the screen shows a moving scene.
weston_shows() {
	alive "$(cat /tmp/weston.pid)" weston "$results/log/weston-$2.log"
	on_screen "$1" 40 scene "${2%x*}" "${2#*x}" || fail "$(cat "$results/log/weston-$2.log")"
}

# weston_draws MODE: checks that weston draws into two buffers, which are in VRAM.
weston_draws() {
	start_weston "$1"
	weston_shows weston@draws "$1"
	buffers=$((2 * ${1%x*} * ${1#*x} * 4)) used=$((available - $(vram_available)))
	[ "$used" -ge "$buffers" ] || fail "only $used bytes of VRAM, two buffers have $buffers"
	[ "$used" -lt "$((buffers * 3 / 2))" ] || fail "$used bytes of VRAM for buffers of $buffers"
	echo "note: $used bytes of VRAM, two buffers have $buffers"
}

# weston_after_other_client MODE: weston ends, another client sets a different mode, and weston starts again in
# MODE.
weston_after_other_client() {
	end_weston
	bars 640x480
	start_weston "$1"
	weston_shows weston@other-mode "$1"
	end_weston
}

# weston_vt_switch MODE: another client uses the display while another VT is active.
weston_vt_switch() {
	start_weston "$1"
	weston_shows weston@switched-away "$1"
	terminal=$(sed s/tty// /sys/class/tty/tty0/active)
	switch_vt $away
	start_show --mode 640x480
	picture_on_screen weston@switched-away 0 || fail "while another terminal was in front"
	end_show
	switch_vt "$terminal"
	weston_shows weston@switched-back "$1"
	end_weston
}

# weston_unplugged MODE: unbinds and binds the device while weston draws. weston may end but not
# crash, and must work again when it is restarted.
weston_unplugged() {
	start_weston "$1"
	weston_shows weston@unplugged "$1"
	slot=$(devices_of barium)
	unbind "$slot" barium
	sleep 2
	bind "$slot" barium
	! kill -0 "$(cat /tmp/weston.pid)" 2>/dev/null || echo "note: weston goes on"
	end_weston
	wait "$weston_pid" || fail "weston ended with $?: $(tail -n 12 "$results/log/weston-$1.log")"
	start_weston "$1"
	weston_shows weston@plugged "$1"
	end_weston
}

tell begin load
modprobe barium
check modes@listed modes_are_listed
available=$(vram_available)
for mode in 640x480 1024x768 1920x1080; do
	check "show@$mode" shows "$mode"
done
# shellcheck disable=SC2046 # one word for each mode
check modetest@each-mode bars $(listed_modes)
check modetest@flips bars_flip 1024x768
check weston@draws weston_draws 1024x768
check weston@other-mode weston_after_other_client 1280x800
check weston@switched-away weston_vt_switch 1024x768
check weston@unplugged weston_unplugged 1280x800
check vram@returns-to-start same_vram "$available"
