#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# The part of foreign-kernel.sh that runs in the toolbox: foreign-kernel-build.sh FLAVOUR SRCARCH
# FRAGMENT...
# clang and lld compile for each architecture; so this needs no other compiler than the toolbox's.
set -euo pipefail

make=(make -C /barium/linux "O=/barium/kernel-$1" "ARCH=$2" LLVM=1 "-j$(nproc)")
cd "/barium/kernel-$1"
shift 2
fragments=("${@/#//barium/src/tools/kernel/}")

# not_set: prints the symbols that do not have the value that the last fragment naming them wants.
not_set() {
	awk -F= '
		FILENAME == ".config" { is[$1] = $2 }
		FILENAME != ".config" && /^CONFIG_/ { wanted[$1] = $2 }
		END {
			for (symbol in wanted) {
				value = symbol in is ? is[symbol] : "n"
				if (value != wanted[symbol])
					print symbol " is " value ", wanted: " wanted[symbol]
			}
		}' "${fragments[@]}" .config
}

"${make[@]}" tinyconfig
/barium/linux/scripts/kconfig/merge_config.sh -m -O . .config "${fragments[@]}"
"${make[@]}" olddefconfig
"${make[@]}" rustavailable
not_set >wrong
if [[ -s wrong ]]; then
	cat wrong
	echo "this kernel source cannot be configured as these files want it: $*"
	exit 1
fi
"${make[@]}" Image modules
"${make[@]}" modules_install INSTALL_MOD_PATH="$PWD/modules" INSTALL_MOD_STRIP=1
"${make[@]}" -s kernelrelease >modules/release
