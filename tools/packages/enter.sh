#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Runs a command as root in a Debian installation whose files it may change:
# enter.sh LOWER UPPER [HOST:INSIDE[:ro]]... -- CMD... LOWER is the installation, or several layers of
# it as overlayfs takes them, and stays as it is; the changes go to the directory UPPER. The caller
# must start it as the first process of new mount and PID namespaces; then nothing has to be cleaned
# up.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../setup/mounts.sh"

lower=$1 upper=$2
shift 2
work=$upper.work root=$upper.root
mkdir -p "$upper" "$work" "$root"
options=lowerdir=$lower,upperdir=$upper,workdir=$work
# In a user namespace, overlayfs can be mounted without this option, but cannot mark a new directory as opaque
# then: dpkg fails when it renames one.
read -r _ _ ids </proc/self/uid_map
[[ $ids == 4294967295 ]] || options+=,userxattr
mount -t overlay -o "$options" overlay "$root" || {
	echo "overlayfs cannot be mounted on $upper. BARIUM_CACHE=<dir> and OUT=<dir> on another file system may help." >&2
	exit 1
}
binds=()
while [[ $1 != -- ]]; do
	binds+=("$1")
	shift
done
shift
mount_into "$root" "${binds[@]}"
# The network's names, for packages that are not in the cache of apt.
if [[ ! -s $root/etc/resolv.conf && -s /etc/resolv.conf ]]; then
	cat /etc/resolv.conf >"$root/etc/resolv.conf"
fi

# No exec: as process 1, the command would ignore the terminal's SIGINT.
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 \
	DEBIAN_FRONTEND=noninteractive TERM="${TERM:-dumb}" "$@"
