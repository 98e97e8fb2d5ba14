#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# `make lint`, in the toolbox: formatting, clippy, checkpatch, ShellCheck, and no unsafe outside
# upstream/. Runs all steps, and fails if one of them fails.
set -uo pipefail

source=/barium/src
linux=/barium/linux
log=/barium/out/log
failed=()
cd "$source" || exit
mkdir -p "$log"

# lint NAME COMMAND...: runs COMMAND and prints its output only if it fails.
lint() {
	local name=$1 start=$SECONDS
	shift
	if ("$@") >"$log/lint-$name.log" 2>&1; then
		echo "[lint] $name: fine, $((SECONDS - start)) s"
	else
		echo "[lint] $name:"
		cat "$log/lint-$name.log"
		failed+=("$name")
	fi
}

driver_format() {
	mapfile -t files < <(find drivers -name '*.rs')
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

# unsafe is only allowed in upstream/. Comments are not searched.
no_unsafe() {
	local found
	found=$(find drivers -name '*.rs' -not -path '*/upstream/*' -exec awk '
		{ sub(/\/\/.*/, "") }
		/(^|[^A-Za-z0-9_])unsafe([^A-Za-z0-9_]|$)/ { print FILENAME ":" FNR ":" $0 }' {} +)
	[[ -z $found ]] || { echo "$found" && return 1; }
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

# check_c ARG... -- DIR...: runs checkpatch with ARGs on the C files in the DIRs.
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
# `int igt_main()` is a macro without parameters.
checkpatch() {
	check_c -- drivers uapi &&
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
	mapfile -t files < <(grep -rlE '^#!.*sh$|^# shellcheck shell=' tools bench .ci)
	shellcheck --external-sources --source-path=SCRIPTDIR "${files[@]}"
}

lint shellcheck shell
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
lint driver-clippy driver_clippy

if [[ ${#failed[@]} -gt 0 ]]; then
	echo "[lint] failed: ${failed[*]}"
	exit 1
fi
