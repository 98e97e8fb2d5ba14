#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Makes the toolbox: toolbox.sh DIR. A Debian 13 root with everything that builds and runs Barium,
# from the package mirror that the host itself uses.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"
. "${BASH_SOURCE[0]%/*}/mmdebstrap.sh"
umask 022

dir=$1
packages=$(sed 's/#.*//' "$TOOLS/setup/packages" | xargs | tr ' ' ,)
forky=$(sed 's/#.*//' "$TOOLS/setup/packages-forky" | xargs -n1 printf '%s/forky ')

# shellcheck disable=SC2016 # mmdebstrap's shell expands the hooks
make_root "$dir" \
	--setup-hook='
		cd "$1/etc/apt"
		line=$(cat sources.list sources.list.d/*.list 2>/dev/null | grep "^deb.* trixie main" | head -n1)
		for suite in trixie-updates trixie-backports forky; do
			echo "$line" | sed "s/ trixie main/ $suite main/"
		done >sources.list.d/barium.list' \
	--setup-hook="copy-in $(printf '%q' "$TOOLS/setup/preferences") /etc/apt/preferences.d" \
	--include="$packages" \
	--customize-hook='
		if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
			cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
		fi
		chroot "$1" apt-get --yes install '"$forky"'
		if chroot "$1" apt-cache show linux-source-7.3 >/dev/null 2>&1; then
			chroot "$1" apt-get --yes install linux-source-7.3
		fi
		kernel=$(chroot "$1" apt-cache pkgnames linux-headers-7.3 |
			grep -xE "linux-headers-7\.3\.[0-9]+\+deb13-amd64" | sort -V | tail -n 1)
		if [ -n "$kernel" ]; then
			release=${kernel#linux-headers-}
			chroot "$1" apt-get --yes install "$kernel" "linux-binary-$release" "linux-modules-$release"
		fi
		mkdir "$1/barium" && cd "$1/barium" && mkdir src out linux kernel-opt kernel-debug guest harness part'

for needed in usr/bin/qemu-system-x86_64 usr/bin/bindgen usr/bin/cargo usr/libexec/igt-gpu-tools/core_auth; do
	[[ -e $dir/$needed ]] || die "the toolbox has no /$needed"
done
