#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the benchmark, in the toolbox: bench-build.sh CARGO-COMMAND [ARG...]. Works on a copy, like
# harness-build.sh, and like that under a lock; what it built is then in /barium/out/bench. The
# headers of our ABI come along, its side of the ioctls is made from them.
set -euo pipefail

top=/barium/harness/bench
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
	/barium/src/bench /barium/src/uapi "$top/source/"
cd "$top/source/bench"
cargo --offline "$@"
if [[ $1 == build ]]; then
	out=/barium/out/bench
	mkdir -p "$out"/{bin,programs}
	cp -f "$CARGO_TARGET_DIR"/release/{barium-bench-report,libbarium_profiler.so} "$out/bin/"
	cp -f "$CARGO_TARGET_DIR/release/barium-bench" /barium/src/bench/scenario.sh "$out/programs/"
fi
