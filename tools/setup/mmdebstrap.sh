# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Makes Debian 13 roots from the package mirror that the host itself uses. Sourced by toolbox.sh and
# trixie.sh, after lib.sh.

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

# make_root DIR OPTION...: makes a root with mmdebstrap and these OPTIONs, without documentation and
# translations.
make_root() {
	local dir=$1 mode=root run=(contained) options=() option mirror=()
	shift
	if ! is_root; then
		mode=unshare
		run=(setpriv --pdeathsig KILL --)
	fi
	while IFS= read -r option; do
		options+=("--aptopt=$option")
	done < <(host_apt_options)
	mapfile -t mirror < <(host_mirror)
	"${run[@]}" mmdebstrap --mode="$mode" --variant=apt --format=directory \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		"${options[@]}" "$@" trixie "$dir" "${mirror[@]}"
}
