#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the fuzzer: it generates programs from the seed guest_fuzz_seed. guest_fuzz_length is
# their number, or a time in seconds (120s). With guest_fuzz_replay, it runs the programs that the
# host has put on the exchange disk.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

fuzzer=/barium/fuzz/barium-fuzz
module=$(modinfo -n barium)

# strangers DISPLAY...: sets up devices that the driver must refuse when it is loaded, and leaves one
# display, which is not among DISPLAYs, to bochs.
strangers() {
	modprobe bochs
	for device; do
		echo "$device" >/sys/bus/pci/drivers/bochs-drm/unbind
	done
	for device in $edu $wrong_id $no_vram $no_bar; do
		echo barium >"/sys/bus/pci/devices/$device/driver_override"
	done
}

search() {
	mkdir -p "$results/fuzz"
	# The fuzzer loads the driver itself: so it records the coverage of module initialisation.
	displays=$(devices_of barium)
	rmmod barium
	# shellcheck disable=SC2086 # one argument for each
	strangers $displays
	told fuzz "$fuzzer" run /dev/vdd "${guest_fuzz_seed:?}" "${guest_fuzz_length:?}" "$results/fuzz" "$module"
}

tell begin load
load_driver default
[ ! -e "$kmemleak" ] || echo clear >"$kmemleak"
if [ -n "$guest_fuzz_replay" ]; then
	check fuzz@replay told replay "$fuzzer" replay /dev/vdd "$module"
else
	check fuzz@findings search
fi
check fuzz@unload rmmod barium
[ ! -e "$kmemleak" ] || check fuzz@kmemleak no_leaks
