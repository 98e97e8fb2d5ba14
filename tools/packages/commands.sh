# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# `make deb`, `make packages` and `make vm`. Sourced by tools/barium.

# set_up_deb: makes the Debian installation TRIXIE, and DEBTOOLS, the tools that build packages in it.
set_up_deb() {
	local trixie debtools
	trixie=$CACHE/trixie-$(cat "$TOOLS"/setup/{mmdebstrap.sh,trixie.sh} | hash_of)
	debtools=$CACHE/debtools-$({ echo "${trixie##*/}" && cat "$TOOLS/setup/deb-tools.sh" \
		"$TOOLS"/{setup/mounts.sh,packages/enter.sh} "$TOP/packaging/debian/control.in"; } | hash_of)
	[[ -e $trixie ]] || command -v mmdebstrap >/dev/null || install_packages mmdebstrap
	need_space "$trixie" "$debtools"
	make_part trixie "${trixie##*-}" "making a Debian installation with its own kernel, typically 3 min" trixie.sh
	TRIXIE=$PART
	make_part debtools "${debtools##*-}" "adding what builds packages, typically 1 min" deb-tools.sh "$TRIXIE"
	DEBTOOLS=$PART
	mkdir -p "$CACHE/metadata-deb"
}

# deb: builds the packages into OUT/deb.
deb() {
	local version start=$SECONDS log=$LOG/deb.log
	prepare
	set_up_deb
	version=$("$TOOLS/packages/version")
	say deb "building barium $version (log: $log)"
	rm -rf "$OUT/packages/build"
	mkdir -p "$OUT/packages"
	if ! contained bash "$TOOLS/packages/enter.sh" "$DEBTOOLS/root:$TRIXIE" "$OUT/packages/build" \
		"$TOP:/barium/src:ro" "$OUT:/barium/out" "$CACHE/metadata-deb:/barium/metadata" -- \
		bash /barium/src/tools/packages/build.sh "$version" "$(deb_date)" >"$log" 2>&1; then
		tail -n 30 "$log" >&2
		die "the packages could not be built; the lines above are the end of $log"
	fi
	remove_tree "$OUT/packages/build"{,.work,.root}
	say deb "done in $((SECONDS - start)) s: $OUT/deb"
	(cd "$OUT/deb" && ls -1)
}

# deb_date: the date of the changelog: that of the last commit.
deb_date() {
	git -C "$TOP" log -1 --format=%cD 2>/dev/null || date -R
}

# vm: builds the packages if there are none, and boots a desktop with them.
vm() {
	local desktop
	if compgen -G "$OUT/deb/barium-modules-*.deb" >/dev/null &&
		[[ -z $(find "$TOP"/{drivers,uapi,packaging,tools/packages} -newer "$OUT/deb" -print -quit) ]]; then
		prepare
		set_up_deb
	else
		deb
	fi
	set_up
	desktop=$CACHE/desktop-$({ echo "${TRIXIE##*/}" && cat "$TOOLS/setup/desktop.sh" \
		"$TOOLS"/{setup/mounts.sh,packages/enter.sh} && find "$TOOLS/packages/desktop" -type f -exec cat {} +; } | hash_of)
	need_space "$desktop"
	make_part desktop "${desktop##*-}" "adding a desktop to the installation, typically 1 min" desktop.sh "$TRIXIE"
	bash "$TOOLS/packages/vm.sh" "$TRIXIE" "$PART" "$TOOLBOX"
}

# packages: builds the packages and tests them.
packages() {
	deb
	set_up
	bash "$TOOLS/packages/test.sh" "$TRIXIE" "$TOOLBOX" || true
	harness packages
}
