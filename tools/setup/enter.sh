#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Enters the toolbox: enter.sh ROOT [HOST:INSIDE[:ro]]... -- CMD... The caller must start it as the
# first process of new mount and PID namespaces; then nothing has to be cleaned up. CMD sees the
# toolbox read-only, and a /tmp of its own.
set -euo pipefail

# In a user namespace, a bind remount must repeat the flags that the outer mount has locked.
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

# No exec: as process 1, the command would ignore the terminal's SIGINT.
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 \
	TERM="${TERM:-dumb}" "$@"
