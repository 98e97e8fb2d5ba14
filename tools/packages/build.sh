#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the Debian packages, in the installation that tools/setup/deb-tools.sh has added the tools to:
# build.sh VERSION DATE. The source tree is /barium/src, the packages go to /barium/out/deb, Rust
# metadata of the kernel stays in /barium/metadata.
set -euo pipefail

version=$1 date=$2
src=/barium/src build=/build/barium-$version
kernel=$(</srv/barium/kernel)
kernel_version=$(dpkg-query -W -f '${Version}' "linux-image-$kernel")
series=$(sed -n 's/^SERIES=//p' "$src/tools/kernel-check")

rm -rf /build
mkdir -p /build
"$src/tools/module-source" "$build"
cp -r "$src/packaging" "$build/packaging"
rm -rf "$build/packaging/arch"
mv "$build/packaging/debian" "$build/debian"
cd "$build"
sed -i "s/@KERNEL@/$kernel/g; s/@KERNEL_VERSION@/$kernel_version/g; s/@SERIES@/$series/g" \
	debian/control.in debian/*.triggers debian/barium-modules.*
mv debian/control.in debian/control
for file in debian/barium-modules.*; do
	mv "$file" "debian/barium-modules-$kernel.${file##*.}"
done
printf '%s' "$kernel" >debian/kernel
cat >debian/changelog <<X
barium ($version) unstable; urgency=medium

  * Built from the repository.

 -- $(sed -n 's/^Maintainer: //p' debian/control)  $date
X

export BARIUM_METADATA=/barium/metadata
dpkg-buildpackage --build=binary --no-sign
rm -rf /barium/out/deb
mkdir -p /barium/out/deb
cp ../*.deb /barium/out/deb/
lintian --fail-on error,warning --info ../barium_*.changes || {
	echo "lintian has complaints about the packages; the lines above are these."
	exit 1
}
