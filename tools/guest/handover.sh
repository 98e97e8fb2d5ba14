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

# The firmware framebuffer's driver does not return, even after Barium is unloaded and loaded again.
stays_taken() {
	rmmod barium
	[ -z "$(firmware_framebuffers)" ] || fail "the firmware's framebuffer has a driver again"
	modprobe barium
	[ -c "$(render_node "$(devices_of barium)")" ] || fail "no render node"
}

check handover@drawn-on-before drawn_on
check handover@taken-over taken_over
check handover@oracle look handover@oracle 1 --width 640 --height 480
check handover@stays-taken stays_taken
