#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the benchmark, in the toolbox: bench-build.sh CARGO-COMMAND [ARG...]. Works on a copy, like
# harness-build.sh. The headers of our ABI come along, its side of the ioctls is made from them.
set -euo pipefail

top=/barium/harness/bench
export CARGO_HOME=$top/cargo CARGO_TARGET_DIR=$top/target
mkdir -p "$top/source" "$CARGO_HOME"
cat >"$CARGO_HOME/config.toml" <<'X'
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
X
rsync -a --delete --exclude=Cargo.lock /barium/src/bench /barium/src/uapi "$top/source/"
cd "$top/source/bench"
exec cargo --offline "$@"
