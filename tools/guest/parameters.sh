#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guest with `nomodeset` on the kernel's command line, and no other parameters of the
# module: what binds, and which nodes there are. The host starts it with a framebuffer of the firmware.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# not_loaded PARAMETER: checks that modprobe with this parameter fails with ENODEV.
not_loaded() {
	modprobe barium "$1" 2>&1 | grep "No such device" || fail "modprobe did not say ENODEV"
	[ -z "$(devices_of barium)" ] || fail "it was bound"
}

# The firmware's framebuffer keeps its driver.
refused() {
	before=$(firmware_framebuffers)
	[ -n "$before" ] || fail "the firmware's framebuffer has no driver"
	not_loaded modeset=-1
	[ "$(firmware_framebuffers)" = "$before" ] || fail "the firmware's framebuffer lost its driver"
}

overridden() {
	modprobe barium modeset=1 || fail "modprobe: $?"
	[ -n "$(devices_of barium)" ] || fail "not bound: $(dmesg | tail -n 5)"
	[ -z "$(firmware_framebuffers)" ] || fail "the firmware's framebuffer still has its driver"
}

no_render_node() {
	ls "/sys/bus/pci/devices/$(devices_of barium)/drm" || fail "no device is bound"
	[ -z "$(render_node "$(devices_of barium)")" ] || fail "it has one"
	for path in /dev/dri/renderD*; do
		[ ! -e "$path" ] || fail "there is $path"
	done
}

on_demand() {
	rmmod barium
	modprobe barium modeset=1 render_node=1 || fail "modprobe: $?"
	[ -c "$(render_node "$(devices_of barium)")" ] || fail "no render node"
}

check nomodeset@refused refused
check nomodeset@overridden overridden
# The tests above may not have been selected.
[ -n "$(devices_of barium)" ] || modprobe barium modeset=1
check render-node@none-by-default no_render_node
check render-node@primary-has-the-abi look render-node@primary-has-the-abi 1 --width 640 --height 480
check render-node@on-demand on_demand
rmmod barium
check nomodeset@off not_loaded modeset=0
