#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# The part of stock.sh that runs in the toolbox.
set -euo pipefail

# The modules that guests load, as paths below kernel/ without .ko; what they depend on comes along.
# All DRM modules but those of big GPUs: IGT's tests load some of them. Compositors need evdev.
wanted=(
	'drivers/(virtio/|block/(virtio_blk|zram/)|char/hw_random/virtio|gpu/drm/|dma-buf/|input/evdev)[^:]*'
	'fs/(squashfs|overlayfs)/[^:]*'
)
unwanted='drivers/gpu/drm/(amd|i915|nouveau|radeon|xe|imagination)/'
# The initramfs loads these, in this order.
boot=(virtio_blk virtio_pci squashfs overlay)

headers=$(echo /usr/src/linux-headers-7.3*-amd64)
release=${headers#*linux-headers-}
installed=/usr/lib/modules/$release
top=/barium/kernel-stock
modules=$top/modules/lib/modules/$release

# with_dependencies PATH...: prints paths of modules and of what they depend on, each once and before what
# depends on it.
with_dependencies() {
	printf '%s\n' "$@" | awk '
		NR == FNR { sub(":", "", $1); dependencies[$1] = $0; next }
		{
			count = split(dependencies[$1], path, " ")
			for (i = count; i >= 1; i--) {
				sub(":", "", path[i])
				if (!seen[path[i]]++) print path[i]
			}
		}' "$installed/modules.dep" -
}

# path_of NAME: prints the path of a module in modules.dep; nothing if it is built in.
path_of() {
	grep -oE "^[^:]*/${1//_/[_-]}[.]ko[^:]*" "$installed/modules.dep" ||
		grep -qE "/${1//_/[_-]}[.]ko\$" "$installed/modules.builtin"
}

/barium/src/tools/rust-metadata "$headers" /usr/src/linux-source-7.3.tar.xz "$top/tree"
mv "$top"/tree/* "$top"/tree/.config "$top/"
rm -rf "$top/tree" "$top/.lock-tree"

mkdir -p "$top/arch/x86/boot" "$modules" "$top/modules/boot"
cp "$installed/vmlinuz" "$top/arch/x86/boot/bzImage"
pattern=$(IFS='|' && echo "${wanted[*]}")
mapfile -t chosen < <(grep -oE "^kernel/($pattern)[.]ko[^:]*" "$installed/modules.dep" | grep -vE "$unwanted")
while read -r path; do
	mkdir -p "$modules/${path%/*}"
	case $path in
	*.xz) xz -dc "$installed/$path" >"$modules/${path%.xz}" ;;
	*) cp "$installed/$path" "$modules/$path" ;;
	esac
done < <(with_dependencies "${chosen[@]}")
cp "$installed"/modules.{order,builtin,builtin.modinfo} "$modules/"

mapfile -t chosen < <(for name in "${boot[@]}"; do path_of "$name"; done)
number=10
while read -r path; do
	path=${path%.xz}
	cp "$modules/$path" "$top/modules/boot/$number-${path##*/}"
	number=$((number + 1))
done < <(with_dependencies "${chosen[@]}")
echo "$release" >"$top/modules/release"
