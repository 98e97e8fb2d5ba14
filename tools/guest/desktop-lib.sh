# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Shared by the scenarios that run compositors and X servers: starts what such a program needs, the
# program itself and a client of it, and does to it what users do.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# The VT that switch_vt leaves a program for. Nothing else uses it.
away=9

# start_seat: starts what a compositor needs, if it does not run: udev for the list of devices, and
# seatd, which opens devices for the compositor and revokes them while another VT is active. libseat
# can do the latter in a child process of weston, but that inherits weston's blocked SIGUSR1, and
# the kernel requests VT switches by this signal.
start_seat() {
	if ! pidof systemd-udevd >/dev/null; then
		/usr/lib/systemd/systemd-udevd --daemon
		udevadm trigger --subsystem-match=drm --subsystem-match=input
		udevadm settle
	fi
	if ! pidof seatd >/dev/null; then
		setsid seatd -l debug >"$results/log/seatd.log" 2>&1 </dev/null &
		until [ -S /run/seatd.sock ]; do
			sleep 0.1
		done
	fi
}

# switch_vt NUMBER: switches to this VT.
switch_vt() {
	timeout 20 busybox chvt "$1" || fail "terminal $1 does not come: $(tail -n 12 "$results/log/seatd.log")"
}

# launch COMMAND...: starts a Wayland compositor in the background as process $desktop_pid, with its
# output in $desktop_log, and sets XDG_RUNTIME_DIR. Scenarios with a session of systemd-logind have a
# launch and an end_desktop of their own.
launch() {
	export XDG_RUNTIME_DIR="/run/desktop-$desktop" LIBSEAT_BACKEND=seatd
	rm -rf "$XDG_RUNTIME_DIR"
	mkdir -p "$XDG_RUNTIME_DIR"
	chmod 700 "$XDG_RUNTIME_DIR"
	start_seat
	setsid "$@" >"$desktop_log" 2>&1 </dev/null &
	desktop_pid=$!
	trap end_desktop EXIT
}

# start_compositor COMMAND...: starts a Wayland compositor with its default settings and waits for its
# socket. The name of its display is then in WAYLAND_DISPLAY.
start_compositor() {
	desktop=$1 desktop_log=$results/log/$1.log
	unset WAYLAND_DISPLAY
	launch "$@"
	for _ in $(seq 1200); do
		! has_socket || break
		alive "$desktop_pid" "$desktop" "$desktop_log"
		sleep 0.1
	done
	has_socket || fail "$desktop has no socket after two minutes: $(tail -n 12 "$desktop_log")"
	WAYLAND_DISPLAY=$(wayland_socket)
	WAYLAND_DISPLAY=${WAYLAND_DISPLAY##*/}
	export WAYLAND_DISPLAY
}

# wayland_socket: prints the path of the compositor's socket, if there is one.
wayland_socket() {
	for socket in "$XDG_RUNTIME_DIR"/wayland-?; do
		[ ! -S "$socket" ] || echo "$socket"
	done
}

has_socket() {
	[ -n "$(wayland_socket)" ]
}

# draw_clients: starts clients that draw a moving scene.
draw_clients() {
	weston-simple-shm >/dev/null 2>&1 </dev/null &
	weston-flower >/dev/null 2>&1 </dev/null &
}

start_sway() {
	start_compositor sway
	draw_clients
}

start_cage() {
	start_compositor cage -- weston-simple-shm
}

# start_xorg: starts an X server with its default settings, and an xterm that scrolls coloured lines.
start_xorg() {
	# shellcheck disable=SC2119 # none of this script's
	start_xserver
	coloured_lines xterm
}

# start_xserver [OPTION]...: starts an X server with these options and waits for its socket.
# shellcheck disable=SC2120 # other scenarios pass options
start_xserver() {
	desktop=Xorg desktop_log=$results/log/Xorg.log
	rm -f /tmp/.X0-lock /tmp/.X11-unix/X0
	export DISPLAY=:0
	setsid Xorg "$DISPLAY" vt7 -noreset -logfile "$results/log/Xorg-server.log" "$@" \
		>"$desktop_log" 2>&1 </dev/null &
	desktop_pid=$!
	trap end_desktop EXIT
	wait_for "$desktop_pid" Xorg "$desktop_log" xrandr --query >/dev/null 2>&1
}

# coloured_lines TERMINAL [OPTION]...: starts a terminal that prints lines in many colours.
coloured_lines() {
	cat >/tmp/coloured-lines.sh <<-'EOF'
		colour=16
		while true; do
			for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
				printf '\033[48;5;%dm%6s' "$colour" "$colour"
				colour=$((colour < 231 ? colour + 1 : 16))
			done
			printf '\033[0m\n'
			sleep 0.05
		done
	EOF
	"$@" -e sh /tmp/coloured-lines.sh >"$results/log/$1.log" 2>&1 </dev/null &
}

# end_desktop: ends the program, if it runs, also when the test fails. Its clients end with it.
end_desktop() {
	trap - EXIT
	kill "$desktop_pid" 2>/dev/null
	wait "$desktop_pid" || echo "$desktop ended with $?"
}

# desktop_shows TEST MODE: checks that the screen shows a moving scene, after at most $patience times 30
# seconds. More has to move than the digits of the clock that sway shows, without a client, in many colours.
# The program must not have missed a buffer: some then draw into the one that is shown.
desktop_shows() {
	for _ in $(seq "${patience:-2}"); do
		alive "$desktop_pid" "$desktop" "$desktop_log"
		on_screen "$1" 30 scene "${2%x*}" "${2#*x}" 5000 || continue
		! grep -m 1 "No space left on device" "$desktop_log" || fail "there is no room for a buffer"
		return 0
	done
	alive "$desktop_pid" "$desktop" "$desktop_log"
	fail "$(tail -n 12 "$desktop_log")"
}

# output_name: prints the name of the connector. It has another number after an unbind, if a program still
# has the device open that it belonged to.
output_name() {
	connector_path=$(echo /sys/bus/pci/drivers/"${driver:-barium}"/*/drm/card*/card*-*)
	connector_path=${connector_path##*/}
	echo "${connector_path#card*-}"
}

# set_mode PROGRAM MODE: sets this mode.
set_mode() {
	case $1 in
	xorg) xrandr -s "$2" ;;
	*) wlr-randr --output "$(output_name)" --mode "$2" ;;
	esac || fail "$1 does not set the mode $2: $(tail -n 5 "$desktop_log")"
}

# front_vt: prints the number of the active VT.
front_vt() {
	sed s/tty// /sys/class/tty/tty0/active
}

# has_master: tells whether the device has a DRM master.
has_master() {
	grep -qE '^ *\S+ +[0-9]+ +[0-9]+ +y ' /sys/kernel/debug/dri/*/clients
}

# return_to_vt NUMBER: switches to the VT of the program and waits until it is DRM master again. The kernel
# takes an acknowledgement of the switch that comes after the next request to leave for the answer to that
# request (vt_reldisp() in drivers/tty/vt/vt_ioctl.c), and seatd and the X server then lose track.
return_to_vt() {
	switch_vt "$1"
	for _ in $(seq 200); do
		! has_master || return 0
		sleep 0.1
	done
	fail "$desktop is not DRM master after 20 seconds on its terminal: $(tail -n 12 "$results/log/seatd.log")"
}

# vt_switches TEST MODE COUNT: switches to another VT and back COUNT times. There, the screen must show the
# kernel's console, and the scene again at the end.
vt_switches() {
	front=$(front_vt)
	for round in $(seq "$3"); do
		switch_vt $away
		case $round in
		1 | "$3") text_on_console "$1" 3 5 "round $round" || fail "no console in round $round" ;;
		esac
		return_to_vt "$front"
	done
	desktop_shows "$1" "$2"
}

# rebind_beneath: unbinds the device from its driver and binds it again.
rebind_beneath() {
	slot=$(devices_of "${driver:-barium}")
	unbind "$slot" "${driver:-barium}" || fail "the device cannot be unbound"
	sleep 1
	bind "$slot" "${driver:-barium}" || fail "the device cannot be bound again"
	udevadm settle
}
