#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the harness, in the toolbox: harness-build.sh CARGO-COMMAND [ARG...]. Works on a copy, since
# cargo writes next to the source; dependencies are Debian's crates, nothing comes from the network.
set -euo pipefail

export CARGO_HOME=/barium/harness/cargo CARGO_TARGET_DIR=/barium/harness/target
mkdir -p /barium/harness/source "$CARGO_HOME"
cat >"$CARGO_HOME/config.toml" <<'X'
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
X
rsync -a --delete --exclude=Cargo.lock /barium/src/tools/harness/ /barium/harness/source/
cd /barium/harness/source
exec cargo --offline "$@"
