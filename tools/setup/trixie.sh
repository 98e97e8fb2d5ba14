#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Makes the Debian installation that `make deb` and `make packages` work on: trixie.sh DIR. A user's
# machine with the kernel of trixie-backports, its headers and its source, and without a compiler. Its
# /var/cache/apt/archives has all other packages that the build of the packages and the tests
# install, including a kernel that Barium does not support; so these need no network.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"
. "${BASH_SOURCE[0]%/*}/mmdebstrap.sh"
umask 022

dir=$1

# The installed part of the machine, and what is only downloaded. The series of the kernel is
# kernel-check's.
installed=systemd-sysv,udev,kmod,initramfs-tools,zstd,e2fsprogs,libdrm2
build=(debhelper dh-dkms dpkg-dev lintian pkgconf fakeroot libdrm-dev)
dkms=(dkms bc bindgen bison flex gcc libc6-dev libssl-dev make openssl pahole rust-src rustc xz-utils)
own_kernel=(build-essential cpio debhelper kmod patch python3 rsync)
series=$(sed -n 's/^SERIES=//p' "$TOOLS/kernel-check")

# shellcheck disable=SC2016 # mmdebstrap's shell expands the hooks
make_root "$dir" --skip=cleanup/apt \
	--setup-hook='
		cd "$1/etc/apt"
		line=$(cat sources.list sources.list.d/*.list 2>/dev/null | grep "^deb.* trixie main" | head -n1)
		for suite in trixie-updates trixie-backports; do
			echo "$line" | sed "s/ trixie main/ $suite main/"
		done >sources.list.d/suites.list' \
	--include="$installed" \
	--customize-hook='
		set -e
		if [ -e /etc/ssl/certs/ca-certificates.crt ]; then
			mkdir -p "$1/etc/ssl/certs"
			cp /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
		fi
		series="'"$series"'"
		kernel=$(chroot "$1" apt-cache pkgnames linux-headers-$series |
			sed -n "s/^linux-headers-\($series\.[0-9]*+deb13-amd64\)$/\1/p" | sort -V | tail -n1)
		if [ -z "$kernel" ]; then
			echo "the mirror has no kernel $series in trixie-backports" >&2
			exit 1
		fi
		chroot "$1" apt-get --yes --target-release trixie-backports install \
			"linux-image-$kernel" "linux-headers-$kernel" "linux-source-$series"
		mkdir -p "$1/srv/barium"
		echo "$kernel" >"$1/srv/barium/kernel"
		other=$(chroot "$1" apt-cache depends linux-image-amd64/trixie |
			sed -n "s/.*Depends: linux-image-\(.*\)/\1/p" | head -n1)
		echo "$other" >"$1/srv/barium/other-kernel"
		rm -f "$1"/var/cache/apt/archives/*.deb
		chroot "$1" apt-get --yes --download-only install "linux-image-$other" "linux-headers-$other"
		chroot "$1" apt-get --yes --download-only install '"${build[*]} ${dkms[*]} ${own_kernel[*]}"'
		chroot "$1" apt-get --yes --download-only --target-release trixie-backports install libdw-dev libelf-dev
		chroot "$1" apt-get --yes --download-only install dracut'

for needed in srv/barium/other-kernel usr/src/linux-source-"$series".tar.xz; do
	[[ -e $dir/$needed ]] || die "the installation has no /$needed"
done
