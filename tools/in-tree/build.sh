#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# `make in-tree-test`, in the toolbox: the checks of a kernel tree with Barium in it that need no guest.
# build.sh STEP prints one line for each check: `passed NAME`, `failed NAME: why` or `skipped NAME: why`.
#
# STEP is `tree` for checks of the added files, `y` or `m` for the kernel with Barium built in or as a
# module, which the harness boots afterwards, `warnings` for builds with all warnings, and `kunit` for
# kunit.py. /barium/linux is the tree, /barium/linux-plain the same tree without Barium,
# /barium/kernel-opt the build directory.
set -uo pipefail

linux=/barium/linux
plain=/barium/linux-plain
build=/barium/kernel-opt
log=/barium/out/log
driver=drivers/gpu/drm/barium
header=include/uapi/drm/barium_drm.h

# check NAME COMMAND...: runs COMMAND, with its output in a log, and prints the line of this check.
check() {
	local name=$1 status=0 file=$log/in-tree-$1.log
	shift
	("$@") >"$file" 2>&1 || status=$?
	case $status in
	0) echo "passed $name" ;;
	77) echo "skipped $name: $(tail -n 1 "$file")" ;;
	*) echo "failed $name: $(tail -n 20 "$file" | sed ':a;N;$!ba;s/\n/ | /g')" ;;
	esac
	return "$status"
}

kernel_make() {
	make -C "$linux" "O=$build" "-j$(nproc)" "$@"
}

# configure SYMBOL=VALUE...: changes the configuration of the build directory.
configure() {
	local setting
	[[ -e $build/.config ]] || return
	for setting in "$@"; do
		sed -i -E "/^(# )?CONFIG_${setting%%=*}[ =]/d" "$build/.config"
		echo "CONFIG_$setting" >>"$build/.config"
	done
	kernel_make olddefconfig 2>&1 | tee "$log/in-tree-olddefconfig.log" || return
	no_warnings "$log/in-tree-olddefconfig.log"
	for setting in "$@"; do
		[[ $setting == *=n ]] || grep -qx "CONFIG_$setting" "$build/.config" ||
			{ echo "CONFIG_$setting is not possible" && return 1; }
	done
}

# no_warnings FILE: fails if the build log FILE has a warning.
no_warnings() {
	! grep -in -A5 'warning:\|warning(s)' "$1"
}

# The added files, as checkpatch sees them in a patch; of another version of the kernel, without its own
# files. Comments in Rust may be longer than 100 columns. The arguments of TRACE_EVENT() are indented as in
# the kernel's own trace headers.
checkpatch() {
	local trace=PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE
	local path paths=(Documentation/gpu/barium.rst "$header" "$driver")
	! cmp -s "$plain/Makefile" "$linux/Makefile" ||
		paths+=(Documentation/gpu/drivers.rst MAINTAINERS drivers/gpu/drm/{Kconfig,Makefile})
	ln -sfn "$plain" /tmp/a && ln -sfn "$linux" /tmp/b && cd /tmp || return
	printf '%s\n' "From: A. Person <person@example.org>" "Subject: [PATCH] drm/barium: add driver" \
		"" "Add the driver." "" "Signed-off-by: A. Person <person@example.org>" "---" >added.patch
	for path in "${paths[@]}"; do
		diff -urN --exclude=.exported "a/$path" "b/$path" >>added.patch
		grep -q "^+++ b/$path" added.patch || { echo "$path is unchanged" && return 1; }
	done
	cd "$linux" || return
	perl scripts/checkpatch.pl --strict --show-types --ignore "LONG_LINE,LONG_LINE_COMMENT,$trace" \
		/tmp/added.patch || return
	perl scripts/checkpatch.pl --strict --show-types --quiet --ignore "$trace" -f "$driver/trace.h" || return
	find "$driver" "$header" ! -name trace.h \( -name '*.[ch]' -o -name Kconfig -o -name Makefile \) -print0 |
		xargs -0 perl scripts/checkpatch.pl --strict --show-types --quiet -f
}

kernel_doc() {
	cd "$linux" || return
	local file
	for file in "$header" "$driver/helpers.c"; do
		PYTHONDONTWRITEBYTECODE=1 scripts/kernel-doc -none -Wall -Werror "$file" || return
	done
	# Each structure of the header is documented.
	[[ $(PYTHONDONTWRITEBYTECODE=1 scripts/kernel-doc -rst "$header" | grep -c '^\.\. c:struct:: ') == \
		$(grep -c '^struct .* {$' "$header") ]] || { echo "$header has structures without kernel-doc" && return 1; }
}

# The formatting rules of the kernel are those of `make rustfmtcheck`.
rust_format() {
	cd "$linux" || return
	find "$driver" -name '*.rs' -print0 | xargs -0 rustfmt --check
}

# The documentation is in the table of contents, and names files that exist.
documentation() {
	cd "$linux" || return
	local file
	grep -qx '   barium' Documentation/gpu/drivers.rst || { echo "not in drivers.rst" && return 1; }
	# shellcheck disable=SC2016
	while IFS= read -r file; do
		[[ -e $file || -e $driver/$file ]] || { echo "$file does not exist" && return 1; }
	done < <(grep -Eo '``[a-z_/]+\.(rs|c|h)``|[a-zA-Z][a-zA-Z_/]*/[a-z_/]+\.(py|h|rst)' Documentation/gpu/barium.rst |
		tr -d '`' | sort -u)
}

maintainers() {
	cd "$linux" || return
	local file
	for file in "$driver/mmap.rs" "$header" Documentation/gpu/barium.rst; do
		perl scripts/get_maintainer.pl --no-git --no-git-fallback --sections -f "$file" |
			grep 'BARIUM' || { echo "$file belongs to nobody" && return 1; }
	done
}

tree() {
	check checkpatch checkpatch
	check kernel-doc kernel_doc
	check rustfmt rust_format
	check documentation documentation
	check maintainers maintainers
}

# kernel y|m: builds the kernel and its modules, and installs the modules for the guests.
kernel() {
	local file=$log/in-tree-$1-build.log
	kernel_make bzImage modules >"$file" 2>&1 || { tail -n 20 "$file" && return 1; }
	no_warnings "$file" || return
	rm -rf "$build/modules"
	kernel_make modules_install INSTALL_MOD_PATH="$build/modules" INSTALL_MOD_STRIP=1 || return
	kernel_make -s kernelrelease >"$build/modules/release"
}

# The driver is where its form says.
placed() {
	case $1 in
	y) grep -qx "kernel/$driver/barium.ko" "$build/modules.builtin" ;;
	m) find "$build/modules" -name barium.ko | grep . ;;
	esac
}

# The kernel exports the header to user space, and has compiled it as C, and as C++ if it can.
uapi_header() {
	kernel_make headers_install INSTALL_HDR_PATH=/tmp/usr || return
	cmp <(grep '^struct' "/tmp/usr/include/drm/barium_drm.h") <(grep '^struct' "$linux/$header") || return
	! grep -E '__user|#ifdef __KERNEL__' /tmp/usr/include/drm/barium_drm.h || return
	ls "$build/usr/include/drm/barium_drm.hdrtest"
}

# What the guests need besides the opt kernel's configuration: a stub that has the display until a
# test hands it over.
options=(HEADERS_INSTALL=y UAPI_HEADER_TEST=y PCI_STUB=y)

built_in() {
	# With bochs built in as well, Barium must be the first to probe.
	check config configure "${options[@]}" DRM_BARIUM=y DRM_BOCHS=y || return
	check build kernel y || return
	check built-in placed y
	check uapi-header uapi_header
}

as_module() {
	check config configure "${options[@]}" DRM_BARIUM=m DRM_BOCHS=m || return
	check build kernel m || return
	check is-module placed m
}

# Builds the driver with all of the kernel's optional warnings, and clippy. Before the driver, make builds
# the kernel crate, which has warnings of its own.
all_warnings() {
	local file=$log/in-tree-$1-W1.log
	configure "${options[@]}" "DRM_BARIUM=$1" || return
	# clippy does not check what is already built.
	rm -f "$build/$driver"/*.o
	kernel_make W=1 CLIPPY=1 "$driver/" >"$file" 2>&1 || { tail -n 20 "$file" && return 1; }
	grep -q 'CLIPPY.* drivers/gpu/drm/barium/barium_main.o' "$file" ||
		{ echo "clippy did not check the driver" && return 1; }
	no_warnings <(sed -n '/ drivers\/gpu\/drm\/barium\//,$p' "$file")
}

warnings() {
	check module all_warnings m
	check built-in all_warnings y
}

# kunit: runs the suites with the kernel's own tool, in a kernel with hardly anything else, not even
# system sleep or the console. Prints the line of each test. kunit.py prints the warnings of the build.
kunit() {
	local work=/barium/out/in-tree/kunit file=$log/in-tree-kunit.log status=0
	mkdir -p "$work"
	rm -f "$work/results.json"
	cd "$linux" || return
	PYTHONDONTWRITEBYTECODE=1 python3 tools/testing/kunit/kunit.py run --arch=x86_64 \
		"--build_dir=$work" "--jobs=$(nproc)" "--kunitconfig=$driver" --timeout=300 \
		--kconfig_add=CONFIG_SUSPEND=n --qemu_args='-device bochs-display' "--json=$work/results.json" 'barium*' >"$file" 2>&1 ||
		status=$?
	check kunit-warnings no_warnings "$file"
	python3 - "$work/results.json" "$status" <<'X' || echo "failed kunit.py: $(tail -n 5 "$file" | tr '\n' ' ')"
import json, sys
with open(sys.argv[1]) as results:
    groups = json.load(results)["sub_groups"]
names = {"PASS": "passed", "SKIP": "skipped"}
tests = 0
for group in groups:
    for case in group["test_cases"]:
        tests += 1
        word = names.get(case["status"], "failed")
        print(f"{word} {group['name']}.{case['name']}" + (": see the log" if word != "passed" else ""))
sys.exit(not tests or sys.argv[2] != "0")
X
}

mkdir -p "$log"
case ${1-} in
tree) tree ;;
y) built_in ;;
m) as_module ;;
warnings) warnings ;;
kunit) kunit ;;
*)
	echo "usage: build.sh tree|y|m|warnings|kunit" >&2
	exit 2
	;;
esac
