#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make bench`: one part of the benchmark (cost, scaling, traffic or profile), perhaps only the
# workloads with a text in their name.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

part=${guest_bench:?}

bench() {
	# The scenario leaves its findings where lib.sh has the results.
	results=$results sh /barium/bin/scenario.sh "$part" ${guest_bench_text:+"$guest_bench_text"}
}

check "$part" bench
