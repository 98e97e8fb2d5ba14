#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make soak`: runs a mixed load for guest_soak_seconds.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

soak() {
	mkdir -p "$results/soak"
	told soak /barium/fuzz/barium-fuzz soak "${guest_fuzz_seed:?}" "${guest_soak_seconds:?}" "$results/soak"
}

tell begin load
modprobe barium
[ ! -e "$kmemleak" ] || echo clear >"$kmemleak"
check soak soak
check soak@unload rmmod barium
[ ! -e "$kmemleak" ] || check soak@kmemleak no_leaks
