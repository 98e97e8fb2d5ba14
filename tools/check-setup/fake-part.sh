#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Replaces the scripts that make parts in the source tree of a check: fake-part.sh DIR [ARG...]. A
# part that it makes is complete if it has the file `whole`. FAKE selects a failure, FAKE_LOG gets a
# line for each part, FAKE_SECONDS sets the duration, FAKE_SLOW names a kind that takes a minute.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

kind=${1##*/}
kind=${kind%-*}
seconds=${FAKE_SECONDS:-0.1}
[[ $kind != "${FAKE_SLOW-}" ]] || seconds=60
echo "$kind" >>"$FAKE_LOG"
mkdir "$1"
# The files that tools/barium looks at in parts.
mkdir -p "$1"/{usr/src,var/lib/dpkg,usr/libexec/igt-gpu-tools,rust/kernel/drm,modules}
touch "$1"/{usr/libexec/igt-gpu-tools/core_auth,modules/release,root.squashfs,rust/kernel/drm/gem,.made}
[[ ${FAKE-} == without-linux ]] || touch "$1/usr/src/linux-source-7.3.tar.xz"
printf 'Package: linux-source-7.3\nVersion: 7.3-1\n' >"$1/var/lib/dpkg/status"
[[ ${FAKE-} == without-stock ]] ||
	printf 'Package: linux-headers-7.3.4+deb13-amd64\nVersion: 7.3-1\n' >>"$1/var/lib/dpkg/status"
# sleep must not be the first process of its namespace: in the toolbox, that is a shell as well.
contained bash -c "sleep $seconds; :"
case ${FAKE-} in
broken)
	echo "E: a reason"
	exit 1
	;;
large) head -c 64M /dev/zero >"$1/large" ;;
esac
touch "$1/whole"
