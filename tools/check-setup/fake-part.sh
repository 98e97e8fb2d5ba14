#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Stands in for the scripts that make a part, in a copy of the tree: fake-part.sh DIR [ARG...]. What it
# makes is whole when the file `whole` is there. FAKE says how it is to end, FAKE_LOG gets a line for
# each part, FAKE_SECONDS is how long it takes, FAKE_SLOW is the kind that takes a minute.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

kind=${1##*/}
kind=${kind%-*}
seconds=${FAKE_SECONDS:-0.1}
[[ $kind != "${FAKE_SLOW-}" ]] || seconds=60
echo "$kind" >>"$FAKE_LOG"
mkdir "$1"
# What is looked at of a part: of a toolbox the kernel's package, of others whether they are there.
mkdir -p "$1"/{usr/src,var/lib/dpkg,usr/libexec/igt-gpu-tools,rust/kernel/drm,modules}
touch "$1"/{usr/libexec/igt-gpu-tools/core_auth,modules/release,root.squashfs,rust/kernel/drm/gem}
[[ ${FAKE-} == without-linux ]] || touch "$1/usr/src/linux-source-7.3.tar.xz"
printf 'Package: linux-source-7.3\nVersion: 7.3-1\n' >"$1/var/lib/dpkg/status"
# Not the first process of its namespace: as in the toolbox, that is a shell.
contained bash -c "sleep $seconds; :"
case ${FAKE-} in
broken)
	echo "E: a reason"
	exit 1
	;;
large) head -c 64M /dev/zero >"$1/large" ;;
esac
touch "$1/whole"
