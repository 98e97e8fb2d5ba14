#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the benchmark or the fuzzer, in the toolbox: guest-build.sh bench|fuzz CARGO-COMMAND
# [ARG...]. Works on a copy and under a lock, for the same reasons as harness-build.sh; the results
# are in /barium/out/bench or /barium/out/fuzz. The copy includes our uapi header, from which
# build.rs generates the ioctl arguments.
set -euo pipefail

name=$1
shift
top=/barium/harness/$name
export CARGO_HOME=$top/cargo CARGO_TARGET_DIR=$top/target
mkdir -p "$top/source" "$CARGO_HOME"
exec {lock}>"$top/.lock"
flock "$lock"
cat >"$CARGO_HOME/config.toml" <<'X'
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
X
rsync --recursive --checksum --delete --exclude=Cargo.lock \
	"/barium/src/$name" /barium/src/uapi "$top/source/"
cd "$top/source/$name"
cargo --offline "$@"

[[ $1 == build ]] || exit 0
out=/barium/out/$name
mkdir -p "$out"/{bin,programs}
case $name in
bench)
	cp -f "$CARGO_TARGET_DIR"/release/{barium-bench-report,libbarium_profiler.so} "$out/bin/"
	cp -f "$CARGO_TARGET_DIR/release/barium-bench" /barium/src/bench/scenario.sh "$out/programs/"
	;;
fuzz) cp -f "$CARGO_TARGET_DIR/release/barium-fuzz" "$out/programs/" ;;
esac
