#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds a kernel for guests of another architecture: foreign-kernel.sh DIR TOOLBOX LINUX FLAVOUR SRCARCH
# FRAGMENT... SRCARCH is what the kernel's makefiles call ARCH; the FRAGMENTs are files in tools/kernel.
# DIR has the same layout as that of kernel.sh.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

dir=$1 toolbox=$2 linux=$3
shift 3
mkdir "$dir"
in_toolbox "$toolbox" "$linux:/barium/linux:ro" "$dir:/barium/kernel-$1" "$TOP:/barium/src:ro" -- \
	bash /barium/src/tools/setup/foreign-kernel-build.sh "$@"
: >"$dir/.made"
