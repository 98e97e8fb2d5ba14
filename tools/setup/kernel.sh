#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds a kernel: kernel.sh DIR TOOLBOX LINUX FLAVOUR; FLAVOUR is opt, debug, kcsan or cfi. DIR
# becomes the build directory (O=) and has everything for building modules; DIR/modules has the installed
# modules.
#
# A line `#make: NAME=VALUE` in tools/kernel/FLAVOUR.config sets a variable in make's environment.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

mkdir "$1"
mapfile -t variables < <(sed -n 's/^#make: //p' "$TOOLS/kernel/$4.config")
in_toolbox "$2" "$3:/barium/linux:ro" "$1:/barium/kernel-$4" "$TOP:/barium/src:ro" -- \
	"${variables[@]}" bash /barium/src/tools/setup/kernel-build.sh "$4"
