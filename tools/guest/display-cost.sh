#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make display-cost`: the console, Xorg, sway and Weston show a terminal that prints, and one in which
# a cursor blinks. guest_cost=host: the host measures what that costs it. guest_cost=reads: QEMU's profiler records
# what the CPU reads. guest_module is the module of the driver, guest_driver its name on the PCI bus.
# shellcheck source=desktop-lib.sh
. /barium/guest/desktop-lib.sh

# Seconds of a measurement, of which the host makes several, and from the start of a program in a terminal until
# then.
seconds=5
settle=4

# terminal_program NAME CODE: makes /tmp/NAME a program for terminals: CODE runs in python with a function
# every(SECONDS), which yields a number each time.
terminal_program() {
	cat >"/tmp/$1" <<-EOF
		#!/usr/bin/python3
		import sys, time
		open('/tmp/started', 'w').close()
		def every(seconds):
		    start, number = time.monotonic(), 0
		    while True:
		        yield number
		        number += 1
		        time.sleep(max(0, start + number * seconds - time.monotonic()))
		$2
	EOF
	chmod 755 "/tmp/$1"
}

# Lines like those of a build.
terminal_program prints "
for number in every(0.05):
    print(f'  CC      drivers/gpu/drm/file{number}.o', 'x' * (number % 30), flush=True)"
# The cursor of a terminal, but not where the terminal has its own.
terminal_program blinks "
for number in every(0.5):
    print('    ', '\\033[7m' if number % 2 else '', ' \\033[0m', sep='', end='\\r', flush=True)"

# measure NAME: measures for a while, when the program in the terminal runs and the desktop has settled.
measure() {
	for _ in $(seq 600); do
		[ ! -e /tmp/started ] || break
		sleep 0.1
	done
	rm /tmp/started || fail "the program in the terminal does not start"
	sleep $settle
	if [ "${guest_cost:?}" = reads ]; then
		barium-bench record start
		sleep $seconds
		barium-bench record end
		tell say "reads $1 $seconds"
	else
		ask cost "$1" $seconds
		[ "$answer" = "done" ] || fail "$answer"
	fi
}

# console NAME PROGRAM: the kernel's console.
console() {
	switch_vt 1
	printf '\033[2J\033[?25l' >/dev/tty1
	"/tmp/$2" >/dev/tty1 2>&1 &
	program=$!
	measure "$1"
	kill "$program"
}

# xorg NAME PROGRAM [OPTION]...: an xterm on an X server with these options.
xorg() {
	name=$1 program=$2
	shift 2
	start_xserver "$@"
	xterm -geometry 120x40 -e "/tmp/$program" >"$results/log/xterm.log" 2>&1 </dev/null &
	measure "$name"
	grep -iE 'shadow' "$results/log/Xorg-server.log"
	end_desktop
}

# wayland NAME PROGRAM COMPOSITOR...: weston-terminal on a compositor.
wayland() {
	name=$1 program=$2
	shift 2
	start_compositor "$@"
	weston-terminal --shell="/tmp/$program" >"$results/log/terminal.log" 2>&1 </dev/null &
	terminal=$!
	measure "$name"
	alive "$terminal" weston-terminal "$results/log/terminal.log"
	end_desktop
}

modprobe "${guest_module:?}"
slot=$(devices_of "${guest_driver:?}")
tell say "vram $(head -n 1 "/sys/bus/pci/devices/$slot/resource")"
terminal_program nothing "time.sleep(1000)"
check console-nothing console console-nothing nothing
for program in prints blinks; do
	check console-$program console console-$program $program
	check xorg-$program xorg xorg-$program $program
	check sway-$program wayland sway-$program $program sway
	check weston-$program wayland weston-$program $program weston --renderer=pixman
done
if [ "$guest_cost" = reads ]; then
	cat >/tmp/xorg.conf <<-EOF
		Section "Device"
			Identifier "display"
			Driver "modesetting"
			Option "ShadowFB" "false"
		EndSection
	EOF
	check xorg-without-shadow-prints xorg xorg-without-shadow-prints prints -config /tmp/xorg.conf
fi
