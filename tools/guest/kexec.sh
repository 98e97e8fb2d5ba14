#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guest that starts a second kernel by kexec while the screen shows a picture, and then
# a third one by a panic (kdump). No firmware sets the display up for these: the driver of the kernel
# before has left it in the firmware's mode, or, after the panic, as it was. With guest_next_driver, the
# second kernel does not load Barium, but that driver, and there is no third one. guest_stage is the number of
# the kernel; /dev/vde and /dev/vdf have its image and its initramfs.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

stage=${guest_stage:-1}

# load_next OPTION...: loads the next kernel, which gets the same command line, with kexec's OPTIONs. If it
# has another driver, its console is on no framebuffer, so that only the test draws.
load_next() {
	# kexec takes regular files only.
	cat /dev/vde >/tmp/kernel
	cat /dev/vdf >/tmp/initramfs
	kexec -s "$@" /tmp/kernel --initrd=/tmp/initramfs \
		--command-line="$(sed 's/ guest_stage=[0-9]*//' /proc/cmdline) guest_stage=$((stage + 1)) ${guest_next_driver:+fbcon=map:1}" ||
		fail "kexec: $?: $(dmesg | tail -n 3)"
	rm /tmp/kernel /tmp/initramfs
}

# load NAME OPTION...: load_next as the test NAME. The next kernel is needed also if that is not wanted.
load() {
	load_name=$1
	shift
	if wanted "$load_name"; then
		check "$load_name" load_next "$@"
	else
		load_next "$@"
	fi
}

# shows NAME [MODULE DRIVER]: the driver binds, and a picture and a flip reach the screen.
shows() {
	modprobe "${2:-barium}" || fail "modprobe: $?"
	[ -n "$(devices_of "${3:-barium}")" ] || fail "not bound: $(dmesg | tail -n 5)"
	start_show --driver "${3:-barium}" --mode 1024x768
	picture_on_screen "$1" 0 || fail "after the mode was set"
	flip 1
	picture_on_screen "$1" 1 || fail "after a flip"
	end_show
}

# firmware_framebuffer_shows NAME: the kernel, which has no driver of the device, has one of the firmware's
# framebuffer. The screen shows that: black at first, then what a program writes.
firmware_framebuffer_shows() {
	[ ! -e /sys/module/barium ] || fail "Barium is loaded"
	fb=/sys/class/graphics/fb0
	[ -e "$fb" ] || fail "there is no framebuffer: $(dmesg | grep -iE 'efifb|vesafb|sysfb')"
	cat "$fb/name" "$fb/bits_per_pixel" "$fb/stride"
	size=$(tr , ' ' <"$fb/virtual_size")
	width=${size% *} height=${size#* }
	[ "$(cat "$fb/bits_per_pixel") $(cat "$fb/stride")" = "32 $((width * 4))" ] || fail "another format"
	on_screen "$1" 0 black "$width" "$height" || fail "before anything is drawn"
	head -c "$((width * height * 4))" /dev/urandom >/tmp/picture
	dd if=/tmp/picture of=/dev/vdd bs=64k conv=notrunc,fsync status=none
	cat /tmp/picture >/dev/fb0
	on_screen "$1" 0 picture "$width" "$height" || fail "after a picture was drawn"
}

# leave COMMAND...: starts the next kernel with COMMAND while the screen shows a picture.
leave() {
	modprobe barium
	start_show --mode 800x600
	# The next kernel reads the selection of tests here, where the pictures were.
	dd if=/dev/zero of=/dev/vdd bs=64k count=1 status=none
	printf '%s' "$guest_tests" | dd of=/dev/vdd conv=notrunc,fsync status=none
	sync
	"$@"
	fail "the next kernel did not start: $(dmesg | tail -n 5)"
}

crash() {
	echo c >/proc/sysrq-trigger
}

case $stage${guest_next_driver+-other} in
1*)
	check kexec@picture-before shows kexec@picture-before
	load kexec@load -l
	tell begin kexec@picture
	leave kexec -e
	;;
2-other)
	check kexec@firmware-framebuffer firmware_framebuffer_shows kexec@firmware-framebuffer
	check kexec@other-driver shows kexec@other-driver "$guest_next_driver" "$guest_next_driver-drm"
	check kexec@removed rmmod "$guest_next_driver"
	check kexec@back shows kexec@back
	;;
2)
	check kexec@picture shows kexec@picture
	check kexec@oracle look kexec@oracle 1 --width 640 --height 480
	load kdump@load -p
	tell begin kdump@picture
	tell crash
	leave crash
	;;
3)
	check kdump@picture shows kdump@picture
	check kdump@oracle look kdump@oracle 1 --width 640 --height 480
	;;
esac
