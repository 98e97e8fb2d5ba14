#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make desktops`: compositors, an X server and other programs that draw with KMS, on one
# driver. guest_module is its module, guest_driver its name on the PCI bus. systemd is the first process;
# compositors run as the user `barium` in a session of systemd-logind, with their default settings.
# ROWS in tools/harness/src/desktops.rs lists the tests.
# shellcheck source=desktop-lib.sh
. /barium/guest/desktop-lib.sh

driver=${guest_driver:?}
# shellcheck disable=SC2034 # for desktop_shows: GL in software takes its time under TCG
patience=3
preferred=1280x800
other=1024x768
large=1920x1080
# The VT of the sessions.
front=7

# launch COMMAND...: starts COMMAND in a session on VT $front.
launch() {
	export XDG_RUNTIME_DIR=/run/user/1000
	rm -f "$XDG_RUNTIME_DIR"/wayland-*
	systemctl stop desktop.service 2>/dev/null
	switch_vt $front
	: >"$desktop_log"
	systemd-run --quiet --wait --collect --unit=desktop -E XDG_SESSION_TYPE=wayland \
		-p User=barium -p PAMName=login -p WorkingDirectory=/home/barium \
		-p StandardInput=tty -p TTYPath=/dev/tty$front -p TTYReset=yes -p TTYVHangup=yes \
		-p "StandardOutput=append:$desktop_log" -p "StandardError=append:$desktop_log" \
		-- "$@" &
	desktop_pid=$!
	trap end_desktop EXIT
}

# end_desktop: ends the session, or the program that runs without one, also when the test fails.
end_desktop() {
	trap - EXIT
	systemctl stop desktop.service 2>/dev/null
	kill "$desktop_pid" 2>/dev/null
	wait "$desktop_pid" || echo "$desktop ended with $?"
}

# start_plain COMMAND...: starts a program that needs no session.
start_plain() {
	desktop=$1 desktop_log=$results/log/$1.log
	switch_vt $front
	setsid "$@" >"$desktop_log" 2>&1 </dev/tty$front &
	desktop_pid=$!
	trap end_desktop EXIT
}

# start_NAME [MODE]: starts the program of this name with clients that draw.
start_labwc() {
	start_compositor labwc
	draw_clients
}

start_weston() {
	printf '[output]\nname=%s\nmode=%s\n' "$(output_name)" "${1:-$preferred}" >/tmp/weston.ini
	start_compositor weston --config=/tmp/weston.ini
	draw_clients
}

start_mutter() {
	start_compositor mutter --wayland --display-server
	draw_clients
}

start_kwin() {
	start_compositor kwin_wayland --drm --no-lockscreen
	draw_clients
}

start_mpv() {
	start_plain mpv --no-config --vo=drm ${1:+--drm-mode="$1"} av://lavfi:testsrc2
}

# The node has another number after an unbind, if a program still has the previous one open.
start_kmscube() {
	node=$(basename /sys/bus/pci/drivers/"$driver"/*/drm/card*)
	start_plain kmscube -D "/dev/dri/$node"
}

# draws TEST PROGRAM [MODE]: the program starts, with the mode MODE if it takes one, and a client draws.
draws() {
	"start_$2" ${3:+"$3"}
	desktop_shows "$1" "${3:-$preferred}"
	end_desktop
}

# modes TEST PROGRAM MODE...: the program starts, and sets these modes and the preferred one.
modes() {
	modes_test=$1 modes_program=$2
	shift 2
	"start_$modes_program"
	desktop_shows "$modes_test" $preferred
	for mode in "$@" $preferred; do
		set_mode "$modes_program" "$mode"
		desktop_shows "$modes_test" "$mode"
	done
	end_desktop
}

# large_mode TEST PROGRAM: the program starts and sets the large mode.
large_mode() {
	"start_$2"
	desktop_shows "$1" $preferred
	set_mode "$2" $large
	desktop_shows "$1" $large
	end_desktop
}

# switches TEST PROGRAM: another VT is active 50 times.
switches() {
	"start_$2"
	desktop_shows "$1" $preferred
	vt_switches "$1" $preferred 50
	end_desktop
}

# rebinds TEST PROGRAM: the device is unbound and bound again beneath the program, which may end, and works
# when it is started again.
rebinds() {
	"start_$2"
	desktop_shows "$1" $preferred
	rebind_beneath
	sleep 1
	if kill -0 "$desktop_pid" 2>/dev/null; then
		echo "note: $2 goes on"
	else
		echo "note: $2 ends"
	fi
	end_desktop
	"start_$2"
	desktop_shows "$1" $preferred
	end_desktop
}

# row TEST FUNCTION ARG...: runs FUNCTION with TEST, the name of the program in it, and ARGs.
row() {
	row_test=$1 row_function=$2
	shift 2
	wanted "$row_test" || return 0
	check "$row_test" "$row_function" "$row_test" "${row_test%%@*}" "$@"
	busybox chvt 1
}

# version PROGRAM PACKAGE: tells the host the version of PROGRAM.
version() {
	tell say "version $1 $(dpkg-query --show --showformat '${Version}' "$2")"
}

modprobe "${guest_module:?}" || exit
udevadm settle
while read -r program package; do
	version "$program" "$package"
done <<-EOF
	sway sway
	labwc labwc
	cage cage
	weston weston
	xorg xserver-xorg-core
	mpv mpv
	kmscube kmscube
	mutter mutter
	kwin kwin-wayland
EOF
for program in sway labwc cage; do
	row $program@draws draws
	row $program@modes modes $other
	row $program@1080p large_mode
	row $program@vt switches
	row $program@rebind rebinds
done
row weston@draws draws
row weston@1080p draws $large
row weston@vt switches
row weston@rebind rebinds
row xorg@draws draws
row xorg@modes modes $other 800x600
row xorg@1080p large_mode
row xorg@large-modes modes $large 1680x1050
row xorg@vt switches
row xorg@rebind rebinds
row mpv@draws draws
row mpv@1080p draws $large
row kmscube@draws draws
for program in mutter kwin; do
	row $program@draws draws
	row $program@vt switches
	row $program@rebind rebinds
done
