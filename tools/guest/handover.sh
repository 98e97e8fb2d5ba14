#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guest whose only display has a framebuffer, set up by the firmware, that a driver
# of the kernel's draws on when ours comes.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# The framebuffer has a driver, which has claimed its memory.
drawn_on() {
	[ -n "$(firmware_framebuffers)" ] || fail "it has no driver: $(dmesg | grep -i simple)"
	grep -i 'simple' /proc/iomem || fail "it has no memory: $(cat /proc/iomem)"
}

# Ours has the display then, and what was there before has lost driver and memory.
taken_over() {
	modprobe barium || fail "modprobe: $?"
	[ -n "$(devices_of barium)" ] || fail "not bound: $(dmesg | tail -n 5)"
	[ -z "$(firmware_framebuffers)" ] || fail "the firmware's framebuffer still has its driver"
	! grep -i 'simple' /proc/iomem || fail "the firmware's framebuffer still has its memory"
	grep ' : barium VRAM' /proc/iomem || fail "VRAM is not ours"
}

# Nobody draws there afterwards but us, also when we have gone and come again.
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
