#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Builds the benchmark or the fuzzer, in the toolbox: guest-build.sh bench|fuzz CARGO-COMMAND
# [ARG...]. Works on a copy and under a lock, for the same reasons as harness-build.sh; the results
# are in /barium/out/bench or /barium/out/fuzz. The copy includes our uapi header, from which
# build.rs generates the ioctl arguments. If GUEST_ARCH is set, guests have another architecture than the
# toolbox, and `build` builds what runs in them for that.
set -euo pipefail

name=$1
shift
top=/barium/harness/$name
export CARGO_HOME=$top/cargo CARGO_TARGET_DIR=$top/target
mkdir -p "$top/source" "$CARGO_HOME"
exec {lock}>"$top/.lock"
flock "$lock"
cat >"$CARGO_HOME/config.toml" <<'X'
[source.crates-io]
replace-with = "debian"
[source.debian]
directory = "/usr/share/cargo/registry"
X
rsync --recursive --checksum --delete --exclude=Cargo.lock \
	"/barium/src/$name" /barium/src/uapi "$top/source/"
cd "$top/source/$name"
if [[ $1 != build ]]; then
	cargo --offline "$@"
	exit
fi

programs=$CARGO_TARGET_DIR/release
case ${GUEST_ARCH-} in
'') target='' ;;
arm64*) target=aarch64-unknown-linux-gnu triplet=aarch64-linux-gnu ;;
riscv64) target=riscv64gc-unknown-linux-gnu triplet=riscv64-linux-gnu ;;
*) echo "GUEST_ARCH=$GUEST_ARCH: no target of Rust is known" && exit 1 ;;
esac
if [[ -n $target ]]; then
	programs=$CARGO_TARGET_DIR/$target/release
	sysroot=/barium/guest/sysroot
	flags=("--sysroot=$sysroot/usr" -Clinker=clang -Clink-arg=--target="$triplet" -Clink-arg=--sysroot="$sysroot"
		-Clink-arg=-fuse-ld=lld)
	guest=(env "RUSTFLAGS=${flags[*]}" cargo --offline "$@" "--target=$target")
else
	guest=(cargo --offline "$@")
fi
out=/barium/out/$name
mkdir -p "$out"/{bin,programs}
case $name in
bench)
	"${guest[@]}" --package barium-bench
	cargo --offline "$@" --package barium-bench-report --package barium-profiler
	cp -f "$CARGO_TARGET_DIR"/release/{barium-bench-report,libbarium_profiler.so} "$out/bin/"
	cp -f "$programs/barium-bench" /barium/src/bench/scenario.sh "$out/programs/"
	;;
fuzz)
	"${guest[@]}"
	cp -f "$programs/barium-fuzz" "$out/programs/"
	;;
esac
