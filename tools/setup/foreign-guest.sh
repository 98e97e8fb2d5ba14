#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Makes the root file system of guests of another architecture: foreign-guest.sh DIR TOOLBOX ARCH
# TRIPLET; ARCH is Debian's name of the architecture, TRIPLET that of its directories. Nothing of it runs
# here: the packages are unpacked, and what their scripts would have made is made by hand.
# DIR/root.squashfs is the file system, not compressed: unpacking is slow under TCG. DIR/sysroot has what
# the tests are compiled and linked with.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"
. "${BASH_SOURCE[0]%/*}/mmdebstrap.sh"
umask 022

dir=$1 toolbox=$2 arch=$3 triplet=$4
packages=$(sed 's/#.*//' "$TOOLS/setup/packages-foreign" | xargs | tr ' ' ,)

mkdir "$dir"
make_root "$dir/root" --variant=extract --architectures="$arch" --include="$packages"

root=$dir/root
cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
ln -sf mawk "$root/usr/bin/awk"

sysroot=$dir/sysroot
mkdir -p "$sysroot/usr/lib/$triplet" "$sysroot/usr/bin"
ln -s usr/lib "$sysroot/lib"
mv "$root/usr/include" "$sysroot/usr/"
mv "$root/usr/lib/gcc" "$root/usr/lib/linux" "$root/usr/lib/rustlib" "$sysroot/usr/lib/"
(
	cd "$root/usr/lib"
	cp -a ld-linux-* "$sysroot/usr/lib/"
	cd "$triplet"
	cp -a ./*.o ./*.a pkgconfig ./ld-linux-* ./lib{c,m,rt,dl,pthread,resolv,util,gcc_s,drm}.so* "$sysroot/usr/lib/$triplet/"
	# libm.so of arm64 names it.
	[[ ! -e libmvec.so ]] || cp -a ./libmvec.so* "$sysroot/usr/lib/$triplet/"
)
cp -a "$root/usr/bin/busybox" "$sysroot/usr/bin/"

in_toolbox "$toolbox" "$dir:/barium/part" -- \
	mksquashfs /barium/part/root /barium/part/root.squashfs -noappend -no-progress -quiet \
	-noI -noD -noF -noX -wildcards -e var/lib/apt var/cache usr/share/doc usr/share/man usr/share/locale boot \
	usr/share/perl usr/share/gcc "usr/lib/$triplet/*.a" "usr/lib/$triplet/*.o" \
	"usr/lib/$triplet/librustc_driver-*" "usr/lib/$triplet/libstd-*" "usr/lib/$triplet/libtest-*" \
	"proc/*" "sys/*" "dev/*" "run/*" "tmp/*"
remove_tree "$root"
: >"$dir/.made"
