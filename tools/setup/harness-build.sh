#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the harness, in the toolbox: harness-build.sh CARGO-COMMAND [ARG...]. Works on a copy,
# since cargo writes next to the source. Dependencies are Debian's packaged crates; nothing is
# downloaded.
#
# All source trees and runs that use one cache share the copy and the target directory. So the build
# holds a lock, and its result goes to /barium/out/bin. cargo rebuilds a file with a new time: rsync
# keeps the time of a file only if its content is unchanged.
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
