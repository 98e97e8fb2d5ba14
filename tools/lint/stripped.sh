#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the module, in the toolbox, from nothing but what distributions ship: stripped.sh. The
# kernel's own script for headers packages makes a tree of the opt kernel, without .cmd files, objects
# and vmlinux, and without sources of Rust; like the packages of Arch, Ubuntu and NixOS, it gets the Rust
# metadata. The module's source is what tools/module-files lists.
#
# STRIPPED_BREAK=<path> removes that file or directory from the tree: a test of this test.
set -euo pipefail

work=/barium/out/stripped
kernel=/barium/kernel-opt
rm -rf "$work"
mkdir -p "$work"

cd "$kernel"
srctree=/barium/linux SRCARCH=x86 CC=gcc HOSTCC=gcc \
	sh /barium/linux/scripts/package/install-extmod-build "$work/headers"
mkdir -p "$work/headers/rust"
cp rust/*.rmeta rust/*.so "$work/headers/rust/"
cp .config "$work/headers/"
[[ -z ${STRIPPED_BREAK-} ]] || rm -r "$work/headers/${STRIPPED_BREAK:?}"

cd "$work/headers"
found=$(find . -name '*.cmd' -o -name '*.o' -o -path './rust/*.rs' -o -name vmlinux)
[[ -z $found ]] || {
	echo "the tree is not stripped: it has $(head -n 1 <<<"$found")"
	exit 1
}
/barium/src/tools/module-source "$work/module"

# The kernel's source and its build are out of reach of the module's build.
unshare --mount bash -euc "
	mount -t tmpfs tmpfs /barium/linux
	mount -t tmpfs tmpfs $kernel
	mount --bind $work/module /barium/src
	make -C $work/module KDIR=$work/headers -j$(nproc) KRUSTFLAGS=-Dwarnings KCFLAGS=-Werror"

# The same names are undefined in the module as in any other build.
module=$work/module/drivers/gpu/drm/barium/barium.ko
modinfo -F vermagic "$module" | grep -qF "$(<"$kernel/include/config/kernel.release") " ||
	{ echo "the module is of $(modinfo -F vermagic "$module")" && exit 1; }
rm -rf "$work"
