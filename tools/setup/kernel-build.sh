#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# The part of kernel.sh that runs in the toolbox: kernel-build.sh FLAVOUR.
set -euo pipefail

flavour=$1
configs=/barium/src/tools/kernel
build=/barium/kernel-$flavour
make=(make -C /barium/linux "O=$build" "-j$(nproc)")
# RUST depends on !KASAN || CC_IS_CLANG.
[[ $flavour != debug ]] || make+=(LLVM=1)

# check_config FRAGMENT...: every symbol has the value that the last fragment naming it wants.
check_config() {
	local wrong=0 symbol value is
	while IFS='=' read -r symbol value; do
		is=$(sed -n "s/^$symbol=//p" "$build/.config")
		if [[ ${is:-n} != "$value" ]]; then
			echo "$symbol is ${is:-n}, wanted: $value"
			wrong=1
		fi
	done < <(sed -n 's/^\(CONFIG_[A-Z0-9_a-z]*\)=/\1=/p' "$@" | tac | sort -t= -k1,1 -u -s)
	return "$wrong"
}

cd "$build"
"${make[@]}" tinyconfig
/barium/linux/scripts/kconfig/merge_config.sh -m -O "$build" .config \
	"$configs/common.config" "$configs/$flavour.config"
"${make[@]}" olddefconfig
"${make[@]}" rustavailable
if ! check_config "$configs/common.config" "$configs/$flavour.config"; then
	echo "this kernel source cannot be configured as tools/kernel/*.config want it"
	exit 1
fi
"${make[@]}" bzImage modules
"${make[@]}" modules_install INSTALL_MOD_PATH="$build/modules" INSTALL_MOD_STRIP=1
"${make[@]}" -s kernelrelease >"$build/modules/release"
