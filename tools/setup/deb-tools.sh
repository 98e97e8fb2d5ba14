#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Adds what builds the Debian packages to the installation of trixie.sh: deb-tools.sh DIR TRIXIE.
# DIR/root has only the difference, as a layer for overlayfs.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

mkdir "$1"
# shellcheck disable=SC2016 # the installation's shell expands it
contained bash "$TOOLS/packages/enter.sh" "$2" "$1/root" "$TOP:/barium/src:ro" -- bash -euc '
	kernel=$(cat /srv/barium/kernel)
	series=$(sed -n "s/^SERIES=//p" /barium/src/tools/kernel-check)
	mkdir -p /tmp/build/debian
	sed "s/@KERNEL@/$kernel/g; s/@KERNEL_VERSION@/0/g; s/@SERIES@/$series/g" \
		/barium/src/packaging/debian/control.in >/tmp/build/debian/control
	apt-get --yes install dpkg-dev fakeroot lintian libdrm-dev pkgconf
	apt-get --yes build-dep /tmp/build
	apt-get clean'
rm -rf "$1/root.work" "$1/root.root"
