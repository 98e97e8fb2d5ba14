#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# `make lint`, in the toolbox: formatting, clippy, checkpatch, ShellCheck, rustdoc, and this driver's own
# rules. Runs all steps, and fails if one of them fails. LINT=<text> runs the steps with this in their
# name; rustdoc, cfi-list, snippets and examples need what driver-clippy has built.
set -uo pipefail

source=/barium/src
linux=/barium/linux
log=/barium/out/log
failed=()
ran=0
cd "$source" || exit
mkdir -p "$log"

# lint NAME COMMAND...: runs COMMAND and prints its output only if it fails.
lint() {
	local name=$1 start=$SECONDS
	shift
	[[ $name == *"${LINT-}"* ]] || return 0
	ran=1
	if ("$@") >"$log/lint-$name.log" 2>&1; then
		echo "[lint] $name: fine, $((SECONDS - start)) s"
	else
		echo "[lint] $name:"
		cat "$log/lint-$name.log"
		failed+=("$name")
	fi
}

driver_format() {
	mapfile -t files < <(find drivers tools/lint test-module -name '*.rs')
	[[ ${#files[@]} -gt 0 ]] || return
	rustfmt --check --edition 2021 --config-path .rustfmt.toml "${files[@]}"
}

# Builds into an empty directory of its own: clippy does not check what is already built.
driver_clippy() {
	rm -rf /barium/out/lint
	mkdir -p /barium/out/lint
	make -C /barium/kernel-opt "M=$source" MO=/barium/out/lint "-j$(nproc)" \
		CLIPPY=1 W=1 KRUSTFLAGS=-Dwarnings KCFLAGS=-Werror modules
}

test_module() {
	rm -rf /barium/out/lint-test-module
	mkdir -p /barium/out/lint-test-module
	make -C /barium/kernel-opt "M=$source/test-module" MO=/barium/out/lint-test-module "-j$(nproc)" \
		CLIPPY=1 W=1 KRUSTFLAGS=-Dwarnings KCFLAGS=-Werror modules
}

# unsafe is only allowed in upstream/. Comments are not searched.
no_unsafe() {
	local found
	found=$(find drivers tools/lint -name '*.rs' -not -path '*/upstream/*' -exec awk '
		{ sub(/\/\/.*/, "") }
		/(^|[^A-Za-z0-9_])unsafe([^A-Za-z0-9_]|$)/ { print FILENAME ":" FNR ":" $0 }' {} +)
	[[ -z $found ]] || { echo "$found" && return 1; }
}

# Makes the crate's documentation, with private items, as no other crate uses it. Uses the compiler
# command that the kernel build has recorded for the driver.
driver_rustdoc() {
	local crate=drivers/gpu/drm/barium doc=/barium/out/doc command
	cd /barium/out/lint || return
	command=$(sed -n 's/^savedcmd_[^ ]* := \([^;]*\).*/\1/p' "$crate/.barium_main.o.cmd" | sed -E '
		s/[^ ]*clippy-driver/rustdoc/
		s/--emit=[^ ]*//g
		s/--out-dir [^ ]*//') || return
	[[ $command == *rustdoc* ]] || { echo "$crate/.barium_main.o.cmd: no command in it" && return 1; }
	rm -rf "$doc.tmp"
	RUSTC_BOOTSTRAP=1 BARIUM_UAPI_RS=$PWD/$crate/barium_uapi_generated.rs \
		BARIUM_KMS_RS=$PWD/$crate/barium_kms_generated.rs \
		bash -c "$command --crate-name barium --output $doc.tmp --document-private-items \
			-Dwarnings -Drustdoc::broken_intra_doc_links -Arustdoc::private_intra_doc_links" ||
		return
	link_sources "$doc.tmp" || return
	rm -rf "$doc"
	mv "$doc.tmp" "$doc"
}

# link_sources DIR: points links to `srctree/FILE`, which the kernel's documentation has too, to that file of
# this kernel version. Fails if there is no such file.
link_sources() {
	local version file missing=0
	version=$(awk '$1 ~ /^(VERSION|PATCHLEVEL|SUBLEVEL)$/ { printf "%s%s", dot, $3; dot = "." }
		NR > 8 { exit }' "$linux/Makefile")
	while IFS= read -r file; do
		[[ -e $linux/$file ]] || { echo "srctree/$file: there is no such file" && missing=1; }
	done < <(grep -Erho --include='*.html' 'href="srctree/[^"#]+' "$1" | cut -d/ -f2- | sort -u)
	find "$1" -name '*.html' -exec sed -Ei \
		's|href="srctree/([^"#]+)|href="https://git.kernel.org/pub/scm/linux/kernel/git/stable/linux.git/tree/\1?h=v'"$version"'|g' {} +
	return "$missing"
}

# igt_declared_in LIBRARY [OPTION]...: the headers for the tests compile on their own, and declare only what
# nm, with these OPTIONs, shows in the LIBRARY.
igt_declared_in() {
	local library=$1 header declared exported missing flags
	shift
	[[ -e $library ]] || { echo "$library is missing" && return 1; }
	mapfile -t flags < <(pkg-config --cflags libdrm | xargs -n1)
	exported=$(nm "$@" --defined-only "$library" | awk '{ sub(/@.*/, "", $3); print $3 }' | sort -u)
	for header in igt-tests/include/*.h; do
		gcc -std=gnu11 -D_GNU_SOURCE -Wall -Wextra -Werror "${flags[@]}" -x c -fsyntax-only \
			-aux-info /tmp/declared "$header" || return
		declared=$(sed -n "s|^/\* $header:[0-9]*:NC \*/ extern .*[ *]\([A-Za-z0-9_]*\) (.*|\1|p" \
			/tmp/declared | sort -u)
		[[ -n $declared ]] || { echo "$header declares no functions" && return 1; }
		# Variables, except a weak one that the tests define.
		declared+=$(sed -n '/__weak/!s/^extern .*[ *]\([A-Za-z0-9_]*\);$/\n\1/p' "$header")
		missing=$(comm -23 <(sort -u <<<"$declared" | grep .) <(echo "$exported"))
		[[ -z $missing ]] || { echo "not in $library: $missing" && return 1; }
	done
}

igt_header() {
	igt_declared_in "$(gcc -print-file-name=libigt.so.0)" -D
}

# The library that replaces libigt where there is none has the same functions.
igt_core() {
	make -C igt-tests OUT=/tmp/igt IGT_CORE=1 /tmp/igt/igt_core.o /tmp/igt/igt_runner &&
		igt_declared_in /tmp/igt/igt_core.o
}

# words_of VARIABLE MAKEFILE: prints the words of a variable of make, one a line and sorted.
words_of() {
	sed -n "/^$1 := /,/[^\\\\]\$/p" "$2" | sed "s/^$1 := //; s/\\\\\$//" | xargs -n1 | sort
}

# The module's bindgen leaves out the same flags of GCC as the kernel's.
bindgen_flags() {
	local words
	words=$(words_of bindgen_skip_c_flags "$linux/rust/Makefile")
	[[ -n $words ]] || { echo "rust/Makefile has no bindgen_skip_c_flags" && return 1; }
	diff <(echo "$words") <(words_of barium-gcc-only drivers/gpu/drm/barium/Kbuild)
}

# own STEP: runs a lint step of the harness.
own() {
	/barium/out/bin/barium lint "$1"
}

harness_format() {
	cd tools/harness/src && rustfmt --check --edition 2021 main.rs
}

harness_clippy() {
	bash tools/setup/harness-build.sh clippy --all-targets -- -D warnings
}

bench_format() {
	mapfile -t files < <(find bench -name '*.rs')
	rustfmt --check --edition 2021 "${files[@]}"
}

bench_clippy() {
	bash tools/setup/guest-build.sh bench clippy --all-targets -- -D warnings
}

bench_tests() {
	bash tools/setup/guest-build.sh bench test
}

fuzz_format() {
	mapfile -t files < <(find fuzz -name '*.rs')
	rustfmt --check --edition 2021 "${files[@]}"
}

fuzz_clippy() {
	bash tools/setup/guest-build.sh fuzz clippy --all-targets -- -D warnings
}

fuzz_tests() {
	bash tools/setup/guest-build.sh fuzz test
}

# check_c ARG... -- PATH...: runs checkpatch with ARGs on the C files in the PATHs.
check_c() {
	local options=() files
	while [[ $1 != -- ]]; do
		options+=("$1")
		shift
	done
	mapfile -t files < <(find "${@:2}" -name '*.[ch]')
	[[ ${#files[@]} -gt 0 ]] || return
	perl "$linux/scripts/checkpatch.pl" --strict --no-tree --quiet --show-types \
		"${options[@]}" -f "${files[@]}"
}

# libdrm defines the names of its functions, and DRM the errors that it returns. IGT's
# `int igt_main()` is a macro without parameters. The arguments of TRACE_EVENT() are indented as in
# the kernel's own trace headers.
checkpatch() {
	local trace=drivers/gpu/drm/barium/trace.h
	check_c -- drivers uapi test-module ! -path $trace &&
		check_c --ignore PARENTHESIS_ALIGNMENT,OPEN_ENDED_LINE -- $trace &&
		check_c --ignore CAMELCASE,ENOSYS,FUNCTION_WITHOUT_ARGS -- igt-tests examples
}

# In the IGT tests, each subtest follows its description, and the TEST block lists it.
igt_form() {
	local file
	for file in igt-tests/barium_*.c; do
		[[ $file != */barium_lib* ]] || continue
		# shellcheck disable=SC2016
		awk '
			/^ \* SUBTEST: / { listed[$3] = FNR }
			match($0, /^\t+igt_subtest(_f|_with_dynamic)?\("[^"]*"/) {
				name = substr($0, RSTART, RLENGTH)
				gsub(/^[^"]*"|"$/, "", name)
				stands[name] = FNR
				if (last !~ /^\t+igt_describe(_f)?\(.*\);$/)
					print FILENAME ":" FNR ": no igt_describe() before " name
				if (!(name in listed))
					print FILENAME ":" FNR ": no SUBTEST: " name
			}
			{ last = $0 }
			END {
				for (name in listed)
					if (!(name in stands))
						print FILENAME ":" listed[name] ": no igt_subtest() " name
				if (!length(stands))
					print FILENAME ": no subtest"
			}' "$file"
	done | { ! grep .; }
}

shell() {
	mapfile -t files < <(grep -rlE '^#!.*sh$|^# shellcheck shell=' tools bench packaging .ci)
	shellcheck --external-sources --source-path=SCRIPTDIR "${files[@]}"
}

lint shellcheck shell
lint stripped-tree bash tools/lint/stripped.sh
lint harness-format harness_format
lint driver-format driver_format
lint unsafe no_unsafe
lint checkpatch checkpatch
lint igt-form igt_form
lint harness-clippy harness_clippy
lint bench-format bench_format
lint bench-clippy bench_clippy
lint bench-tests bench_tests
lint fuzz-format fuzz_format
lint fuzz-clippy fuzz_clippy
lint fuzz-tests fuzz_tests
lint bindgen-flags bindgen_flags
lint igt-header igt_header
lint igt-core igt_core
lint rooms own rooms
lint safety own safety
lint test-module test_module
lint driver-clippy driver_clippy
# These steps need the results of driver-clippy.
lint rustdoc driver_rustdoc
lint cfi-list own cfi
lint snippets own snippets
lint examples own examples

if ((!ran)); then
	echo "[lint] LINT=$LINT: no step has this in its name"
	exit 1
fi
if [[ ${#failed[@]} -gt 0 ]]; then
	echo "[lint] failed: ${failed[*]}"
	exit 1
fi
