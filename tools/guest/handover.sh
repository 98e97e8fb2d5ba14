#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guest whose only display has a firmware framebuffer, which one of the kernel's
# drivers uses until Barium takes the display over.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# The framebuffer has a driver, which has claimed its memory.
drawn_on() {
	firmware_framebuffers
	[ -n "$(firmware_framebuffers)" ] || fail "it has no driver: $(dmesg | grep -iE 'simple|efifb|vesafb')"
	firmware_memory || fail "it has no memory: $(cat /proc/iomem)"
	[ -z "${guest_firmware_fb-}" ] || firmware_memory | grep "${guest_firmware_fb-}" ||
		fail "its driver is not $guest_firmware_fb"
}

# Loading Barium unbinds that driver and releases the memory.
taken_over() {
	modprobe barium || fail "modprobe: $?"
	[ -n "$(devices_of barium)" ] || fail "not bound: $(dmesg | tail -n 5)"
	[ -z "$(firmware_framebuffers)" ] || fail "the firmware's framebuffer still has its driver"
	! firmware_memory || fail "the firmware's framebuffer still has its memory"
	grep ' : barium VRAM' /proc/iomem || fail "VRAM is not ours"
}

# hold: opens and maps /dev/fb0 and keeps it.
hold() {
	python3 -c "
import mmap, os, time
fb = os.open('/dev/fb0', os.O_RDWR)
mapping = mmap.mmap(fb, 4096)
mapping[0] = 1
print('ready', flush=True)
time.sleep(1000)" >/tmp/holder.out 2>&1 &
	echo $! >/tmp/holder.pid
	wait_for $! python3 /tmp/holder.out grep -q ready /tmp/holder.out
}

# A driver of fbdev whose device a process has open keeps its claim on the memory, but not the display.
taken_from_holder() {
	hold
	modprobe barium || fail "modprobe: $?"
	[ -n "$(devices_of barium)" ] || fail "not bound: $(dmesg | tail -n 5)"
	[ -z "$(firmware_framebuffers)" ] || fail "the firmware's framebuffer still has its driver"
	firmware_memory || fail "nobody keeps the memory: this tests nothing"
	dmesg | grep "BAR 0 is still claimed" || fail "no warning about it"
	# The process may have mapped the memory uncached, as vesafb's mappings are: then all mappings are.
	type=$(bar_memory_type "$(devices_of barium)")
	echo "VRAM is $type"
	if dmesg | grep "is not write-combining"; then
		[ "$type" != write-combining ] || fail "it is write-combining"
	else
		[ "$type" = write-combining ] || fail "no word about it"
	fi
}

# is_released: returns true if no driver of the firmware's framebuffer has a claim on memory.
is_released() {
	! firmware_memory
}

# The claim ends with the process, and the driver can be unloaded and loaded again.
released() {
	kill "$(cat /tmp/holder.pid)"
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		is_released && break
		sleep 0.2
	done
	is_released || fail "the memory is still claimed"
	rmmod barium
	modprobe barium
	grep ' : barium VRAM' /proc/iomem || fail "VRAM is not ours"
}

# The firmware framebuffer's driver does not return, even after Barium is unloaded and loaded again.
stays_taken() {
	rmmod barium
	[ -z "$(firmware_framebuffers)" ] || fail "the firmware's framebuffer has a driver again"
	modprobe barium
	[ -c "$(render_node "$(devices_of barium)")" ] || fail "no render node"
}

check handover@drawn-on-before drawn_on
if [ -n "${guest_hold_open-}" ]; then
	check handover@taken-from-holder taken_from_holder
	check handover@oracle-beside-holder look handover@oracle-beside-holder 1 --width 640 --height 480
	check handover@released released
	exit
fi
check handover@taken-over taken_over
check handover@oracle look handover@oracle 1 --width 640 --height 480
check handover@stays-taken stays_taken
