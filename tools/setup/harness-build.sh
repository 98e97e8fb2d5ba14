#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the harness, in the toolbox: harness-build.sh CARGO-COMMAND [ARG...]. Works on a copy, since
# cargo writes next to the source; dependencies are Debian's crates, nothing comes from the network.
#
# Copy and target are shared by all source trees and runs on one cache, so it works under a lock, and
# leaves what it built in /barium/out/bin. Cargo takes for new what has a new time: a file keeps its
# own only where the copy has the same content.
set -euo pipefail

export CARGO_HOME=/barium/harness/cargo CARGO_TARGET_DIR=/barium/harness/target
mkdir -p /barium/harness/source "$CARGO_HOME"
exec {lock}>/barium/harness/.lock
flock "$lock"
cat >"$CARGO_HOME/config.toml" <<'X'
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
X
rsync --recursive --checksum --delete --exclude=Cargo.lock \
	/barium/src/tools/harness/ /barium/harness/source/
cd /barium/harness/source
cargo --offline "$@"
if [[ $1 == build ]]; then
	mkdir -p /barium/out/bin
	cp -f "$CARGO_TARGET_DIR/debug/barium" /barium/out/bin/barium
fi
