#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Makes what is needed to use Debian's own kernel, whose packages are in the toolbox: stock.sh DIR
# TOOLBOX. DIR has the same layout as the build directory of a kernel of our own (kernel.sh): the tree
# for building modules, the kernel image, and in DIR/modules the modules that guests load.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

mkdir "$1"
in_toolbox "$2" "$1:/barium/kernel-stock" "$TOP:/barium/src:ro" -- \
	bash /barium/src/tools/setup/stock-build.sh
