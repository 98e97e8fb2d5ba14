#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Enters the toolbox: enter.sh ROOT [HOST:INSIDE[:ro]]... -- CMD... The caller must start it as the
# first process of new mount and PID namespaces; then nothing has to be cleaned up. CMD sees the
# toolbox read-only, and a /tmp of its own.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/mounts.sh"

root=$1
shift
mount --bind "$root" "$root"
binds=()
while [[ $1 != -- ]]; do
	binds+=("$1")
	shift
done
shift
mount_into "$root" "${binds[@]}"
read_only "$root"

# No exec: as process 1, the command would ignore the terminal's SIGINT.
chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/tmp LANG=C.UTF-8 \
	TERM="${TERM:-dumb}" "$@"
