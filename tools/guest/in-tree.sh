#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guests whose kernel has Barium built in. With guest_in_tree=first, Barium probes
# before the kernel registers the firmware's framebuffer. With guest_in_tree=stub, another driver
# has the display at boot, so that simpledrm uses the framebuffer until Barium gets the display.
# shellcheck source=rebind.sh
. /barium/guest/rebind.sh

no_modules() {
	[ -z "$(cat /proc/modules)" ] || fail "loaded: $(cut -d' ' -f1 /proc/modules | tr '\n' ' ')"
	[ ! -e /sys/module/barium/initstate ] || fail "Barium is a module"
}

has_display() {
	[ -n "$(devices_of barium)" ] || fail "no device bound: $(dmesg | grep -i barium | tail -n 10)"
	[ -c "$(render_node "$(devices_of barium)")" ] || fail "no render node"
	grep ' : barium VRAM' /proc/iomem || fail "VRAM is not ours"
}

# The firmware's framebuffer has neither a driver nor memory.
no_firmware_framebuffer() {
	[ -z "$(firmware_framebuffers)" ] || fail "it has a driver"
	! firmware_memory || fail "it has memory"
}

# console_of NAME: checks that the console is on the framebuffer device with this name.
console_of() {
	[ "$(cat /sys/class/graphics/fb0/name)" = "$1" ] ||
		fail "it is not: $(cat /sys/class/graphics/*/name; dmesg | tail -n 10)"
}

# The kernel command line has barium.fault_around=0 barium.huge=0, so that a program takes a page
# fault for each of its pages.
parameters() {
	start_draw --width 64 --height 64
	end_draw
	faults=$(sed -n 's/^minor_faults: //p' "$draw_output")
	[ "$faults" = 4 ] || fail "4 pages took ${faults:-?} faults"
}

# Nobody unloads a driver that is built in: unbinding is its whole teardown.
unbound() {
	slot=$(devices_of barium)
	unbind "$slot" barium
	[ -z "$(devices_of barium)" ] || fail "still bound"
	[ ! -e /sys/class/graphics/fb0 ] || fail "the console's framebuffer is still there"
	! grep barium /proc/iomem || fail "VRAM is still claimed"
	bind "$slot" barium
	has_display
	console_of bariumdrmfb
}

# Another driver has the display, and simpledrm draws on the framebuffer in it.
drawn_on_before() {
	[ -z "$(devices_of barium)" ] || fail "Barium has the display already"
	[ -n "$(firmware_framebuffers)" ] || fail "it has no driver: $(dmesg | grep -i simple)"
	console_of simpledrmdrmfb
}

# hand_over: executes the commands that Barium has logged.
hand_over() {
	commands=$(dmesg | sed -n 's/.*is held by pci-stub; to have it: //p')
	[ -n "$commands" ] || fail "no word about it: $(dmesg | grep -i barium)"
	sh -c "$commands" || fail "\`$commands\`: $?"
	has_display
	no_firmware_framebuffer
}

case ${guest_in_tree:?} in
first)
	check display@bound has_display
	check firmware-fb@not-registered no_firmware_framebuffer
	check console@on-barium console_of bariumdrmfb
	check console@written text_on_console console@written 17 5 "Barium, built in"
	check parameters@command-line parameters
	check oracle@draw look oracle@draw 1 --width 640 --height 480
	check unbind@console unbound
	check console@written-again text_on_console console@written-again 3 7 "Barium, bound again"
	check unbind@in-use unbind_in_use
	check unbind@often unbind_bind_often
	;;
stub)
	check handover@drawn-on-before drawn_on_before
	check console@simpledrm text_on_console console@simpledrm 17 5 "simpledrm has it"
	check handover@taken-over hand_over
	check console@on-barium console_of bariumdrmfb
	check console@written text_on_console console@written 17 5 "Barium has it"
	check unbind@console unbound
	;;
esac
check modules@none no_modules
