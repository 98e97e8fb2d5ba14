#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds Debian packages of a kernel of one's own, on a machine of test.sh: build.sh CONFIGS PACKAGES.
# The source is Debian's source package with rust-metadata.patch. CONFIGS has the fragments of the
# configuration; own.config is the last one. Writes the packages of the kernel and its headers, and
# the file `release`, to the directory PACKAGES.
set -euo pipefail

configs=$1 packages=$2
here=${BASH_SOURCE[0]%/*}

apt-get --yes install bc bindgen bison build-essential cpio debhelper flex gcc kmod libc6-dev \
	libssl-dev make openssl patch python3 rsync rust-src rustc xz-utils
# The headers of the kernel have their libraries from there.
apt-get --yes --target-release trixie-backports install libdw-dev libelf-dev
mkdir -p /srv/own
cd /srv/own
tar -xf /usr/src/linux-source-*.tar.xz
cd linux-source-*
patch -p1 <"$here/rust-metadata.patch"
make tinyconfig
scripts/kconfig/merge_config.sh -m .config "$configs"/{common,opt,own}.config
make olddefconfig rustavailable
while read -r line; do
	[[ $line != CONFIG_*=[y\"]* ]] || grep -qxF -- "$line" .config || {
		echo "the kernel cannot be configured with $line"
		exit 1
	}
done <"$configs/own.config"
make "-j$(nproc)" KDEB_PKGVERSION=1 bindeb-pkg
rm -rf "$packages"
mkdir "$packages"
mv ../linux-image-*-own_*.deb ../linux-headers-*-own_*.deb "$packages/"
make -s kernelrelease >"$packages/release"
