#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Makes the guests' root file system: guest.sh DIR TOOLBOX. DIR/root.squashfs is the toolbox without
# what only builds and hosts need. Not compressed: unpacking is slow under TCG.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

lib=usr/lib/x86_64-linux-gnu
leave_out=(
	usr/src usr/include usr/lib/rustlib usr/lib/gcc usr/libexec/gcc usr/lib/llvm-19
	"usr/lib/git-core" usr/share/cargo usr/share/doc usr/share/man usr/share/locale
	usr/lib/modules "usr/lib/linux-*" usr/share/ovmf usr/share/OVMF
	usr/share/qemu usr/share/seabios usr/share/perl var/lib/apt var/cache
	"usr/bin/qemu-*" "$lib/qemu" "$lib/*.a" "$lib/librustc_driver*"
	"$lib/libclang*" "usr/bin/*cargo*" "usr/bin/rust*"
	barium
)

mkdir "$1"
in_toolbox "$2" "$1:/barium/part" "$2:/barium/linux:ro" -- \
	mksquashfs /barium/linux /barium/part/root.squashfs -noappend -no-progress -quiet \
	-noI -noD -noF -noX -wildcards -e "${leave_out[@]}"
