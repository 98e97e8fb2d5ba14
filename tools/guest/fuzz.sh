#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of the fuzzer: it searches for some time (guest_fuzz_seconds) from a seed (guest_fuzz_seed),
# or, with guest_fuzz_replay, runs the programs that the host has put on the exchange disk.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

fuzzer=/barium/fuzz/barium-fuzz

search() {
	mkdir -p "$results/fuzz"
	# The fuzzer loads the driver itself, to see what that covers.
	[ "${guest_kernel:?}" = opt ] || rmmod barium
	told fuzz "$fuzzer" run /dev/vdd "${guest_fuzz_seed:?}" "${guest_fuzz_seconds:?}" "$results/fuzz" \
		"$(modinfo -n barium)"
}

tell begin load
modprobe barium
[ ! -e "$kmemleak" ] || echo clear >"$kmemleak"
if [ -n "$guest_fuzz_replay" ]; then
	check fuzz@replay told replay "$fuzzer" replay /dev/vdd
else
	check fuzz@findings search
fi
check fuzz@unload rmmod barium
[ ! -e "$kmemleak" ] || check fuzz@kmemleak no_leaks
