# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Checks of tools/in-tree/export, on the part of a real kernel tree that it reads and writes. Sourced by
# check.sh.
# shellcheck disable=SC2154 # check.sh sets real_cache, work, tree

in_tree_checks() {
	check in-tree/twice-is-once twice_is_once
	check in-tree/only-adds only_adds
	check in-tree/replaces-other-version other_version
	check in-tree/keeps-other-changes other_changes
	check in-tree/ignores-build-products build_products
	check in-tree/names-maintainer names_maintainer
	check in-tree/no-linux-given refuses "LINUX=<dir> is missing" ''
	check in-tree/no-directory refuses "is not a directory" "$work/none"
	check in-tree/no-kernel refuses "is not a Linux source tree" "$work"
	check in-tree/not-7.3 not_7_3
	check in-tree/no-anchor no_anchor
	check in-tree/read-only tree_read_only
	check in-tree/disk-full tree_disk_full
	check in-tree/in-use tree_in_use
	check in-tree/another-file-is-there foreign_file
	local path
	for path in drivers/gpu/drm/barium/{mmap.rs,Makefile,Kconfig} include/uapi/drm/barium_drm.h \
		Documentation/gpu/barium.rst MAINTAINERS drivers/gpu/drm/{Kconfig,Makefile}; do
		check "in-tree/changed-by-hand/${path//\//-}" changed_by_hand "$path"
	done
	check in-tree/added-by-hand added_by_hand
	check in-tree/interrupted export_interrupted
	check in-tree/write-fails write_fails
	check in-tree/killed export_killed
}

# plain_linux: prints the path of a kernel source tree without Barium. Skips the check if there is none.
plain_linux() {
	local path
	for path in /barium/linux-plain /barium/linux "$real_cache"/linux-*; do
		[[ ! -e $path/rust/kernel/drm ]] || { echo "$path" && return; }
	done
	skip "no kernel source is here"
}

# make_linux DIR: makes DIR a kernel tree, as far as the exporter looks at it.
make_linux() {
	local plain path
	plain=$(plain_linux) || skip "$plain"
	mkdir -p "$1"/{drivers/gpu/drm,Documentation/gpu,include/uapi/drm,rust/kernel}
	for path in Makefile MAINTAINERS drivers/gpu/drm/{Kconfig,Makefile} Documentation/gpu/drivers.rst; do
		cp "$plain/$path" "$1/$path"
	done
	chmod -R u+w "$1"
}

linux=$work/linux

# exporter [TREE]: runs the exporter of the source tree in the sandbox.
exporter() {
	[[ -e $tree/tools/in-tree ]] ||
		cp -r "$top"/tools/{in-tree,kernel-check,module-files,module-source,rust-metadata} "$tree/tools"
	"$tree/tools/in-tree/export" "${1-$linux}" >"$output" 2>&1 </dev/null
}

# exported: makes $linux and adds Barium to it.
exported() {
	make_linux "$linux"
	exporter || fail "ended with $?"
}

# state [DIR]: prints names, modes and contents of all files in DIR.
state() {
	(cd "${1-$linux}" && find . -printf '%p %m\n' | LC_ALL=C sort &&
		find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
}

# refuses REGEX [TREE]: checks that the exporter fails with one sentence that matches REGEX and changes
# nothing.
refuses() {
	local before=
	[[ ! -d $linux ]] || before=$(state)
	fails_with "$1" exporter "${@:2}"
	[[ $(wc -l <"$output") -eq 1 ]] || fail "more than one line: $(cat "$output")"
	[[ ! -d $linux || $(state) == "$before" ]] || fail "the tree has changed"
}

twice_is_once() {
	exported
	local before
	before=$(state && stat -c '%Y %n' "$linux"/drivers/gpu/drm/{Kconfig,barium/*})
	sleep 1
	exporter || fail "the second time, it ended with $?"
	[[ $(state && stat -c '%Y %n' "$linux"/drivers/gpu/drm/{Kconfig,barium/*}) == "$before" ]] ||
		fail "the second time, it changed the tree"
	grep -q already "$output" || fail "no word about it"
}

# In the files of the kernel, the export adds lines; all other files are Barium's.
only_adds() {
	exported
	make_linux "$work/other"
	local changes
	changes=$(diff -rN "$work/other" "$linux" | grep -c '^<')
	[[ $changes -eq 0 ]] || fail "it removed $changes lines"
	changes=$(diff -rq "$work/other" "$linux" | sed "s|$work/[a-z]*/*||g" | LC_ALL=C sort)
	[[ $changes == "Files Documentation/gpu/drivers.rst and Documentation/gpu/drivers.rst differ
Files MAINTAINERS and MAINTAINERS differ
Files drivers/gpu/drm/Kconfig and drivers/gpu/drm/Kconfig differ
Files drivers/gpu/drm/Makefile and drivers/gpu/drm/Makefile differ
Only in Documentation/gpu: barium.rst
Only in drivers/gpu/drm: barium
Only in include/uapi/drm: barium_drm.h" ]] || fail "it changed: $changes"
	[[ ! -e $linux/drivers/gpu/drm/barium/Kbuild ]] || fail "there is a Kbuild beside the Makefile"
	! grep -r 'obj-m\|KBUILD_EXTMOD\|rust-metadata' "$linux/drivers/gpu/drm/barium" || fail "see above"
}

other_version() {
	exported
	local driver=$tree/drivers/gpu/drm/barium
	echo '// Another version.' >>"$driver/mmap.rs"
	mv "$driver/units.rs" "$driver/numbers.rs"
	sed -i 's/^S:.*/S:\tMaintained/' "$tree/tools/in-tree/maintainers"
	exporter || fail "ended with $?"
	make_linux "$work/other"
	exporter "$work/other" || fail "ended with $?"
	[[ $(state) == "$(state "$work/other")" ]] || fail "$(diff -r "$linux" "$work/other")"
}

# What a developer changes elsewhere in the same files stays.
other_changes() {
	exported
	sed -i 's/^S:\tMaintained/S:\tSupported/' "$linux/MAINTAINERS"
	echo 'obj-m += another/' >>"$linux/drivers/gpu/drm/Makefile"
	echo '// Another version.' >>"$tree/drivers/gpu/drm/barium/mmap.rs"
	exporter || fail "ended with $?"
	grep -q another/ "$linux/drivers/gpu/drm/Makefile" || fail "the Makefile's line is gone"
	! grep -q '^S:	Maintained' "$linux/MAINTAINERS" || fail "MAINTAINERS is as before"
}

build_products() {
	exported
	touch "$linux"/drivers/gpu/drm/barium/{barium.o,.barium.o.cmd,barium.mod.c,barium_kms_generated.rs}
	touch "$tree"/drivers/gpu/drm/barium/{barium.o,barium.mod.c,barium_kms_generated.rs}
	exporter || fail "ended with $?"
	grep -q already "$output" || fail "it took them for sources"
}

names_maintainer() {
	make_linux "$linux"
	MAINTAINER='A. Person <person@example.org>' exporter || fail "ended with $?"
	grep -A2 '^DRM DRIVER FOR BARIUM' "$linux/MAINTAINERS" | grep -q '^M:	A. Person <person@example.org>$' ||
		fail "not named"
	exporter || fail "ended with $?, without the name"
	! grep -q 'A. Person' "$linux/MAINTAINERS" || fail "still named"
}

not_7_3() {
	make_linux "$linux"
	sed -i 's/^PATCHLEVEL = .*/PATCHLEVEL = 4/' "$linux/Makefile"
	refuses "is Linux 7.4. Barium .* 7.3: give"
}

no_anchor() {
	make_linux "$linux"
	sed -i '/armada/d' "$linux/drivers/gpu/drm/Makefile"
	refuses "drivers/gpu/drm/Makefile has no line"
}

tree_read_only() {
	make_linux "$linux"
	mount --bind "$linux" "$linux"
	mount -o remount,bind,ro "$linux"
	refuses "cannot be written to"
}

tree_disk_full() {
	mkdir "$linux"
	mount -t tmpfs -o size=1300k barium-check "$linux"
	make_linux "$linux"
	local before
	before=$(state)
	fails_with "nothing was changed: is there free space" exporter
	[[ $(state) == "$before" ]] || fail "the tree has changed"
}

tree_in_use() {
	make_linux "$linux"
	exec 9<"$linux"
	flock 9
	refuses "another export is writing"
}

foreign_file() {
	make_linux "$linux"
	mkdir -p "$linux/drivers/gpu/drm/barium"
	echo mine >"$linux/drivers/gpu/drm/barium/driver.rs"
	refuses "changed by hand .*barium/driver.rs"
}

# changed_by_hand PATH: changes what the export has written to PATH.
changed_by_hand() {
	exported
	case $1 in
	MAINTAINERS) sed -i 's/^\(DRM DRIVER FOR BARIUM.*\)/\1\nM:\tA. Person <person@example.org>/' "$linux/$1" ;;
	drivers/gpu/drm/?akefile) sed -i 's|+= barium/|+= barium/ # mine|' "$linux/$1" ;;
	drivers/gpu/drm/Kconfig) sed -i 's|^\(source.*barium.*\)|# \1|' "$linux/$1" ;;
	*) echo '// Mine.' >>"$linux/$1" ;;
	esac
	refuses "changed by hand .*: $1\\."
}

added_by_hand() {
	exported
	echo '// Mine.' >"$linux/drivers/gpu/drm/barium/upstream/mine.rs"
	refuses "changed by hand .*: drivers/gpu/drm/barium/upstream/mine.rs"
}

export_interrupted() {
	make_linux "$linux"
	local before
	before=$(state)
	# shellcheck disable=SC2016
	fake_command install 'kill -INT $PPID; exec '"$(PATH=$real_path command -v install)"' "$@"'
	exporter
	[[ $? -eq 130 ]] || fail "ended with another status than 130"
	[[ $(state) == "$before" ]] || fail "the tree has changed"
}

# nth_mv N COMMAND: makes the Nth mv run COMMAND.
nth_mv() {
	rm -f "$work/moves"
	fake_command mv "echo >>$work/moves
	[ \$(wc -l <$work/moves) != $1 ] || { $2; }
	exec $(PATH=$real_path command -v mv) \"\$@\""
}

write_fails() {
	make_linux "$linux"
	local n before
	before=$(state)
	for n in 1 2 17; do
		nth_mv "$n" "exit 1"
		fails_with "could not be written, and nothing was changed" exporter
		[[ $(state) == "$before" ]] || fail "the tree has changed, with mv number $n"
	done
}

# new_version: changes three files of the driver.
new_version() {
	local file
	for file in device driver mmap; do
		echo '// Another version.' >>"$tree/drivers/gpu/drm/barium/$file.rs"
	done
}

# Whether the first export or a later one was killed: the next one, of yet another version, works.
export_killed() {
	local n
	for n in 1 2 3 4; do
		rm -rf "$linux" "$work/other"
		make_linux "$linux"
		[[ $n -eq 1 ]] || exporter || fail "ended with $?"
		new_version
		# shellcheck disable=SC2016
		nth_mv "$n" 'kill -KILL $PPID; exit 1'
		! exporter || fail "was not killed"
		rm "$work/bin/mv"
		new_version
		exporter || fail "after mv number $n, ended with $?"
		make_linux "$work/other"
		exporter "$work/other" || fail "ended with $?"
		[[ $(state) == "$(state "$work/other")" ]] || fail "$(diff -r "$linux" "$work/other")"
	done
}
