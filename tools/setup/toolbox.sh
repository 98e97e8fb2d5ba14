#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Makes the toolbox: toolbox.sh DIR. A Debian 13 root with everything that builds and runs Barium,
# from the package mirror that the host itself uses.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"
umask 022

# host_mirror: the first Debian mirror of the host's apt, nothing where there is none.
host_mirror() {
	command -v apt-get >/dev/null || return 0
	# shellcheck disable=SC2016 # apt expands these
	apt-get indextargets --format '$(ORIGIN) $(SITE)' 'Created-By: Packages' 2>/dev/null |
		awk '$1 == "Debian" && $2 !~ /security/ && !n++ { print $2 }'
}

# host_apt_options: how the host reaches its mirror (proxies, certificates, checks).
host_apt_options() {
	command -v apt-config >/dev/null || return 0
	apt-config dump --format '%F "%v";%n' |
		grep -E '^Acquire::(https?::|Check-|Retries|ForceIPv|proxy)' |
		grep -v ' "";$' || true
}

dir=$1
mode=root
if is_root; then
	run=(contained)
else
	mode=unshare
	run=(setpriv --pdeathsig KILL --)
fi
args=()
while IFS= read -r option; do
	args+=("--aptopt=$option")
done < <(host_apt_options)
packages=$(sed 's/#.*//' "$TOOLS/setup/packages" | xargs | tr ' ' ,)
forky=$(sed 's/#.*//' "$TOOLS/setup/packages-forky" | xargs -n1 printf '%s/forky ')
mirror=()
mapfile -t mirror < <(host_mirror)

# shellcheck disable=SC2016 # mmdebstrap's shell expands the hooks
"${run[@]}" mmdebstrap --mode="$mode" --variant=apt --format=directory \
	--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
	--dpkgopt='path-exclude=/usr/share/locale/*' \
	"${args[@]}" \
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
		mkdir "$1/barium" && cd "$1/barium" && mkdir src out linux kernel-opt kernel-debug guest harness part' \
	trixie "$dir" "${mirror[@]}"

for needed in usr/bin/qemu-system-x86_64 usr/bin/bindgen usr/bin/cargo usr/libexec/igt-gpu-tools/core_auth; do
	[[ -e $dir/$needed ]] || die "the toolbox has no /$needed"
done
