# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Checks of tools/kernel-check, each on a small fake of a kernel's headers in which one thing is wrong.
# Sourced by check.sh.
# shellcheck disable=SC2154 # check.sh sets work, top, output
# shellcheck disable=SC2016 # the fake commands expand it

kernel_check_checks() {
	check kernel-check/good verdict 0
	check kernel-check/good-with-drm-m good_with_drm_m
	check kernel-check/versions versions
	check kernel-check/no-release without include/config/kernel.release 1 "make prepare"
	check kernel-check/release-in-utsrelease release_in_utsrelease
	check kernel-check/no-configuration without include/config/auto.conf 1 "make prepare"
	local option
	for option in RUST PCI GPU_BUDDY DRM_KMS_HELPER X86_PAT; do
		check "kernel-check/no-$option" without_option "CONFIG_$option" "has no CONFIG_$option, which"
	done
	check kernel-check/no-DRM without_option CONFIG_DRM "has no CONFIG_DRM\\."
	check kernel-check/arm64-needs-no-pat arm64
	check kernel-check/drm-m drm_m
	local crate
	for crate in core kernel bindings pin_init; do
		check "kernel-check/no-metadata-of-$crate" without "rust/lib$crate.rmeta" 1 "lib$crate\\.rmeta"
	done
	check kernel-check/no-rustc no_rustc
	check kernel-check/other-rustc other_rustc
	check kernel-check/rustc-by-variable rustc_by_variable
	check kernel-check/so-of-another-machine other_machine
	check kernel-check/no-bindgen no_bindgen
	check kernel-check/old-bindgen old_bindgen
	check kernel-check/new-bindgen new_bindgen
	check kernel-check/no-libclang no_libclang
	check kernel-check/two-reasons two_reasons
	check kernel-check/the-kernel-decides the_kernel_decides
	check kernel-check/usage usage
}

fake_rustc='rustc 1.85.1 (4eb161250 2025-03-15) (built from a source tarball)'

# fake_kernel: makes the fake headers in $kdir, and tools that fit them.
fake_kernel() {
	kdir=$work/other
	mkdir -p "$kdir"/{include/config,include/generated,rust}
	echo 7.3.4+deb13-amd64 >"$kdir/include/config/kernel.release"
	printf 'CONFIG_%s\n' RUST=y X86_64=y PCI=y GPU_BUDDY=m DRM_KMS_HELPER=m X86_PAT=y DRM=y \
		>"$kdir/include/config/auto.conf"
	local crate
	for crate in core kernel bindings pin_init; do
		printf 'rust\0\0\0\11\0\0\0\0\0\0\1\2#%s\0\1' "$fake_rustc" >"$kdir/rust/lib$crate.rmeta"
	done
	head -c 64 /bin/sh >"$kdir/rust/libmacros.so"
	fake_command rustc "echo '$fake_rustc'"
	fake_command bindgen "[ \"\$1\" != --version ] || echo 'bindgen 0.71.1'"
}

# verdict STATUS [REGEX]: checks the exit status of kernel-check and that it prints one line that
# matches REGEX, or nothing.
verdict() {
	local status=0
	[[ -n ${kdir-} ]] || fake_kernel
	"$top/tools/kernel-check" "$kdir" >"$output" 2>&1 || status=$?
	[[ $status -eq $1 ]] || fail "ended with $status, not $1"
	if [[ $# -eq 1 ]]; then
		[[ ! -s $output ]] || fail "it says something"
	else
		[[ $(wc -l <"$output") -eq 1 ]] || fail "it does not give one reason"
		grep -Eq "^kernel-check: .*$2" "$output" || fail "does not say \`$2\`"
	fi
}

# without FILE STATUS REGEX: the headers lack FILE.
without() {
	fake_kernel
	rm "$kdir/$1"
	verdict "$2" "$3"
}

without_option() {
	fake_kernel
	sed -i "/^$1=/d" "$kdir/include/config/auto.conf"
	verdict 77 "$2"
}

good_with_drm_m() {
	fake_kernel
	sed -i 's/^CONFIG_DRM=y/CONFIG_DRM=m/' "$kdir/include/config/auto.conf"
	printf '%s\n' '--cfg=CONFIG_RUST="y"' '--cfg=CONFIG_DRM="y"' >"$kdir/include/generated/rustc_cfg"
	verdict 0
}

drm_m() {
	fake_kernel
	sed -i 's/^CONFIG_DRM=y/CONFIG_DRM=m/' "$kdir/include/config/auto.conf"
	echo '--cfg=CONFIG_DRM="m"' >"$kdir/include/generated/rustc_cfg"
	verdict 1 "CONFIG_DRM=m.*tools/rust-metadata"
}

versions() {
	local version
	fake_kernel
	for version in 7.3 7.3-rc7 7.3.12 7.3.4-arch1-1 7.3+; do
		echo "$version" >"$kdir/include/config/kernel.release"
		verdict 0
	done
	for version in 7.2.13 7.30.1 7.4-rc1 17.3 6.12.117+deb13-amd64; do
		echo "$version" >"$kdir/include/config/kernel.release"
		verdict 77 "kernel ${version//+/\\+} is not supported yet"
	done
}

release_in_utsrelease() {
	fake_kernel
	rm "$kdir/include/config/kernel.release"
	echo '#define UTS_RELEASE "7.2.1"' >"$kdir/include/generated/utsrelease.h"
	verdict 77 "kernel 7.2.1 is not supported yet"
}

arm64() {
	fake_kernel
	sed -i '/X86/d' "$kdir/include/config/auto.conf"
	verdict 0
}

no_rustc() {
	fake_kernel
	hide_commands rustc
	verdict 1 "no rustc: install rustc 1\\.85\\.1 \\(4eb161250 2025-03-15\\)"
}

other_rustc() {
	fake_kernel
	fake_command rustc 'echo "rustc 1.97.1 (0123456789 2026-07-01)"'
	verdict 1 "is of rustc 1\\.85\\.1 \\(.*but rustc is rustc 1\\.97\\.1"
}

rustc_by_variable() {
	fake_kernel
	mv "$work/bin/rustc" "$work/bin/rustc-1.85"
	fake_command rustc 'echo "rustc 1.97.1 (0123456789 2026-07-01)"'
	RUSTC=rustc-1.85 verdict 0
}

# The machine is in bytes 18 and 19 of an ELF header.
other_machine() {
	fake_kernel
	printf '\363\0' | dd of="$kdir/rust/libmacros.so" bs=1 seek=18 conv=notrunc status=none
	verdict 1 "libmacros\\.so .*another machine"
}

no_bindgen() {
	fake_kernel
	hide_commands bindgen
	verdict 1 "no bindgen: install bindgen 0\\.71\\.1"
}

old_bindgen() {
	fake_kernel
	fake_command bindgen 'echo "bindgen 0.69.5"'
	verdict 1 "bindgen 0\\.69\\.5 is too old"
}

# Version numbers are no text: 0.100 is later than 0.71.
new_bindgen() {
	fake_kernel
	fake_command bindgen '[ "$1" != --version ] || echo "bindgen 0.100.0"'
	verdict 0
}

no_libclang() {
	fake_kernel
	fake_command bindgen '[ "$1" = --version ] || exit 1; echo "bindgen 0.72.0"'
	verdict 1 "cannot load libclang"
}

# Each reason has its line, so that a user does not find them one by one.
two_reasons() {
	fake_kernel
	fake_command bindgen 'echo "bindgen 0.69.5"'
	rm "$kdir/rust/libcore.rmeta"
	fails_with "libcore.rmeta" "$top/tools/kernel-check" "$kdir" >"$output" 2>&1
	grep -q "too old" "$output" || fail "it gives the first reason only"
}

# What is missing on the machine does not matter if the kernel cannot have the module.
the_kernel_decides() {
	fake_kernel
	rm "$kdir/rust/libcore.rmeta"
	sed -i '/^CONFIG_RUST=/d' "$kdir/include/config/auto.conf"
	verdict 77 "has no CONFIG_RUST"
}

usage() {
	kdir=$work/none
	local status=0
	"$top/tools/kernel-check" "$kdir" >"$output" 2>&1 || status=$?
	[[ $status -eq 2 ]] || fail "ended with $status, not 2"
	grep -q "^usage: kernel-check KDIR" "$output" || fail "does not say how to use it"
}
