# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# What a root needs before a command can run in it. Sourced by the two enter.sh.

# In a user namespace, a bind remount must repeat the flags that the outer mount has locked.
read_only() {
	mount -o "remount,bind,ro" "$1" 2>/dev/null ||
		mount -o "remount,bind,ro,nosuid,nodev" "$1"
}

# mount_into ROOT [HOST:INSIDE[:ro]]...: mounts the kernel's file systems, a /tmp of its own, and the
# bind mounts.
mount_into() {
	local root=$1 bind host inside mode
	shift
	mount --rbind /dev "$root/dev"
	mount --rbind /sys "$root/sys"
	mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
	mount -t tmpfs -o mode=1777 tmp "$root/tmp"
	for bind; do
		IFS=: read -r host inside mode <<<"$bind"
		mkdir -p "$root$inside"
		mount --bind "$host" "$root$inside"
		[[ $mode != ro ]] || read_only "$root$inside"
	done
}
