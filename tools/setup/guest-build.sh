#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the benchmark or the fuzzer, in the toolbox: guest-build.sh bench|fuzz CARGO-COMMAND [ARG...].
# Works on a copy, like harness-build.sh, and like that under a lock; what it built is then in
# /barium/out/bench or /barium/out/fuzz. The headers of our ABI come along, the Rust side of the ioctls
# is made from them.
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
