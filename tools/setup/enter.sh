#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Enters the toolbox: enter.sh ROOT [HOST:INSIDE[:ro]]... -- CMD...
# Expects to be the first process of mount and PID namespaces of its own, so that it need not clean
# up. The toolbox itself is read-only to CMD; /tmp is its own.
set -euo pipefail

# A bind remount in a user namespace has to repeat the flags that the outer mount has locked.
read_only() {
	mount -o "remount,bind,ro" "$1" 2>/dev/null ||
		mount -o "remount,bind,ro,nosuid,nodev" "$1"
}

root=$1
shift
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc" 2>/dev/null || mount --rbind /proc "$root/proc"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
while [[ $1 != -- ]]; do
	IFS=: read -r host inside mode <<<"$1"
	mkdir -p "$root$inside"
	mount --bind "$host" "$root$inside"
	[[ $mode != ro ]] || read_only "$root$inside"
	shift
done
shift
read_only "$root"

# Not exec: as process 1 the command would be deaf to the terminal's interrupt.
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 \
	TERM="${TERM:-dumb}" "$@"
