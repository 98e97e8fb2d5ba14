#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make bench`: runs one part of the benchmark (cost, scaling, traffic or profile).
# guest_bench_text restricts it to workloads whose name contains that text.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

part=${guest_bench:?}

bench() {
	# The benchmark writes its results to the directory that lib.sh uses.
	results=$results sh /barium/bin/scenario.sh "$part" ${guest_bench_text:+"$guest_bench_text"}
}

check "$part" bench
