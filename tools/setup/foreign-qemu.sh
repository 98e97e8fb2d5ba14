#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Fetches a QEMU that the toolbox lacks: foreign-qemu.sh DIR PACKAGE... DIR has the programs of these
# packages with their data and libraries, as they would be below /usr. It comes from the same suite as
# the toolbox's QEMU.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"
. "${BASH_SOURCE[0]%/*}/mmdebstrap.sh"
umask 022

dir=$1
shift
mkdir "$dir"
# shellcheck disable=SC2016 # mmdebstrap's shell expands the hook
make_root "$dir/root" --variant=extract --include="$(IFS=, && echo "$*")" \
	--setup-hook='
		cd "$1/etc/apt"
		line=$(cat sources.list sources.list.d/*.list 2>/dev/null | grep "^deb.* trixie main" | head -n1)
		for suite in trixie-updates trixie-backports; do
			echo "$line" | sed "s/ trixie main/ $suite main/"
		done >sources.list.d/barium.list' \
	--setup-hook="copy-in $(printf '%q' "$TOOLS/setup/preferences") /etc/apt/preferences.d"

lib=usr/lib/x86_64-linux-gnu
mkdir -p "$dir/$lib" "$dir/usr/bin" "$dir/usr/share"
mv "$dir"/root/usr/bin/qemu-system-* "$dir/usr/bin/"
mv "$dir"/root/"$lib"/*.so* "$dir/$lib/"
mv "$dir/root/usr/share/qemu" "$dir/usr/share/"
# Firmware that QEMU does not bring itself.
firmware=usr/lib/riscv64-linux-gnu
if [[ -d $dir/root/$firmware/opensbi ]]; then
	mkdir -p "$dir/$firmware"
	mv "$dir/root/$firmware/opensbi" "$dir/$firmware/"
fi
# The C library must be the one that the toolbox's loader belongs to.
rm -f "$dir/$lib"/{libc.so.6,libm.so.6,libdl.so.2,libpthread.so.0,librt.so.1,libresolv.so.2,ld-linux-*}
remove_tree "$dir/root"
: >"$dir/.made"
