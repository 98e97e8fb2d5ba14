#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Unpacks the kernel source, which is a package in the toolbox: linux.sh DIR TOOLBOX.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

mkdir "$1"
in_toolbox "$2" "$1:/barium/part" -- \
	tar -C /barium/part --strip-components=1 -xf /usr/src/linux-source-7.3.tar.xz
