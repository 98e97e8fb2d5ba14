#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the guest with unusual devices: several displays with different VRAM sizes, devices
# that the driver must refuse, and a display that another driver has bound.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

# PCI addresses; odd_devices() in tools/harness/src/guests.rs sets them.
small=0000:00:10.0
large=0000:00:11.0
usual=0000:00:12.0

bound_to_barium() {
	[ -c "$(render_node "$1")" ] || fail "$1 has no render node: $(dmesg | grep "$1")"
	[ "$(readlink "/sys/bus/pci/devices/$1/driver")" = ../../../bus/pci/drivers/barium ] ||
		fail "$1 is bound to $(readlink "/sys/bus/pci/devices/$1/driver")"
}

# usable PCI-ADDRESS MIB: checks that the driver reports this VRAM size and that all of VRAM is
# usable.
usable() {
	bound_to_barium "$1"
	dmesg | grep "barium $1: $2 MiB of VRAM" || fail "not $2 MiB: $(dmesg | grep "$1")"
	BARIUM_DEVICE=$1 barium_params --run-subtest vram-size || fail "vram-size: $?"
	BARIUM_DEVICE=$1 barium_mmap --run-subtest whole-vram || fail "whole-vram: $?"
}

# objects PCI-ADDRESS: checks that one client can create as many one-page objects as VRAM has pages.
objects() {
	BARIUM_DEVICE=$1 barium_limits --run-subtest many-objects || fail "many-objects: $?"
}

# unplug_not_delayed PCI-ADDRESS OTHER: checks that a client busy on PCI-ADDRESS does not delay the
# unplugging of OTHER.
unplug_not_delayed() {
	BARIUM_DEVICE=$1 BARIUM_OTHER_DEVICE=$2 \
		barium_limits --run-subtest ahead-other-unplugged || fail "ahead-other-unplugged: $?"
}

# shows_other PCI-ADDRESS OTHER: checks that PCI-ADDRESS shows an object of OTHER.
shows_other() {
	BARIUM_DEVICE=$1 BARIUM_OTHER_DEVICE=$2 \
		barium_shadow_prime --run-subtest import-barium || fail "import-barium: $?"
}

# count_errors PCI-ADDRESS [TEXT]: counts the errors with TEXT for the device in the kernel log.
count_errors() {
	dmesg --level err | grep "barium $1" | grep -c -- "${2:-.}"
}

# edid_overridden PCI-ADDRESS OTHER: checks that a display without an EDID has the one that the user gives it
# through debugfs, here that of OTHER, and none after that.
edid_overridden() {
	connector=$(connector_of "$1")
	other_edid=$(connector_of "$2")/edid
	# cardNUMBER-NAME
	override=${connector##*/card}
	override=/sys/kernel/debug/dri/${override%%-*}/${override#*-}/edid_override
	[ -e "$override" ] || fail "there is no $override"
	[ -z "$(od -An -tx1 "$connector/edid")" ] || fail "it has one"
	[ "$(head -n 1 "$connector/modes")" = 1024x768 ] || fail "modes: $(cat "$connector/modes")"
	[ -n "$(od -An -tx1 "$other_edid")" ] || fail "$2 has none"
	cat "$other_edid" >"$override"
	connector=$(connector_of "$1")
	cmp "$connector/edid" "$other_edid" || fail "the override is ignored"
	[ "$(head -n 1 "$connector/modes")" = 1280x800 ] || fail "modes: $(cat "$connector/modes")"
	printf reset >"$override"
	connector=$(connector_of "$1")
	[ -z "$(od -An -tx1 "$connector/edid")" ] || fail "it has one after the reset"
	! dmesg --level err,warn | grep -i edid || fail "DRM complains about the content of none"
}

# refused PCI-ADDRESS TEXT: checks that probing fails and logs a new error with TEXT for the device.
refused() {
	errors=$(count_errors "$1" "$2")
	echo barium >"/sys/bus/pci/devices/$1/driver_override"
	echo "$1" >/sys/bus/pci/drivers_probe 2>/dev/null
	dmesg | grep "barium $1"
	[ ! -e "/sys/bus/pci/devices/$1/driver" ] || fail "it was bound"
	[ "$(count_errors "$1" "$2")" -gt "$errors" ] || fail "without the error \`$2\` in the kernel log"
	echo >"/sys/bus/pci/devices/$1/driver_override"
}

# A display that the driver refuses keeps the framebuffer that the firmware set up.
framebuffer_kept() {
	case $(readlink -f "$framebuffers") in
	*/$blind/*) ;;
	*) fail "there was none: $framebuffers" ;;
	esac
	[ "$(firmware_framebuffers)" = "$framebuffers" ] || fail "it is gone"
}

# A display that bochs has bound stays bound until the user unbinds it, and the driver logs how.
taken_over() {
	rmmod barium
	modprobe bochs
	modprobe barium
	[ -z "$(devices_of barium)" ] || fail "barium took a display from bochs"
	dmesg | grep "$usual is held by bochs-drm" || fail "without a word about it"
	unbind "$usual" bochs-drm
	bind "$usual" barium
	bound_to_barium "$usual"
	unbind "$usual" barium
	bind "$usual" bochs-drm
	rmmod barium
	rmmod bochs
	modprobe barium
	bound_to_barium "$usual"
}

framebuffers=$(firmware_framebuffers)
tell begin load
modprobe barium
check devices@4-MiB usable "$small" 4
check devices@256-MiB usable "$large" 256
check devices@16-MiB usable "$usual" 16
check limits@256-MiB objects "$large"
check edid@override edid_overridden "$usual" "$large"
check limits@ahead-other-unplugged unplug_not_delayed "$usual" "$small"
check shadow@other-device shows_other "$usual" "$large"
check refused@no-register-bar refused "$blind" "register BAR"
check handover@refused-display-keeps-framebuffer framebuffer_kept
check refused@edu refused "$edu" "register BAR"
check refused@wrong-id refused "$wrong_id" "ID register reads"
check refused@no-vram refused "$no_vram" "no VRAM"
check refused@vram-larger-than-bar refused "$no_bar" "but BAR"
check devices@taken-over-from-bochs taken_over
check devices@unload rmmod barium
