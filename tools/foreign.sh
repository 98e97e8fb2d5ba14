# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Guests of another architecture than this machine's: ARCH=arm64 and so on. Sourced by tools/barium,
# after lib.sh. What they need beyond the toolbox are parts of their own, which nothing makes unless ARCH
# asks for it.

# What ARCH can be beside x86_64: Debian's name of the architecture, the page size, and the fragments of
# the kernel's configuration in tools/kernel/arch.
declare -A FOREIGN=(
	[arm64]="arm64 4k arm64 arm64-4k"
	[arm64-16k]="arm64 16k arm64 arm64-16k"
	[arm64-64k]="arm64 64k arm64 arm64-64k"
	[riscv64]="riscv64 4k riscv64"
)

# By Debian's name of the architecture: the kernel's name, the name in the directories of libraries, and
# the packages with a QEMU for it.
declare -A FOREIGN_BASE=(
	[arm64]="arm64 aarch64-linux-gnu qemu-system-arm"
	[riscv64]="riscv riscv64-linux-gnu qemu-system-riscv"
)

# is_foreign: returns true if ARCH asks for guests of another architecture.
is_foreign() {
	[[ ${ARCH:-x86_64} != x86_64 ]]
}

# foreign_names: prints what ARCH can be beside x86_64.
foreign_names() {
	printf '%s\n' "${!FOREIGN[@]}" | sort -V | xargs
}

# need_arch COMMAND: checks ARCH, and that COMMAND has guests of other architectures.
need_arch() {
	is_foreign || return 0
	[[ -n ${FOREIGN[$ARCH]-} ]] || die "ARCH=$ARCH: must be x86_64, $(foreign_names | sed 's/ /, /g')."
	case $1 in
	setup | run | shell | test | mutants | fuzz) ;;
	bench | bench-docs) [[ $ARCH == arm64* ]] || die "ARCH=$ARCH: the benchmark knows x86_64 and arm64 only." ;;
	*) die "ARCH=$ARCH: only setup, run, shell, test, mutants, fuzz and bench know other architectures than x86_64." ;;
	esac
	[[ ${KERNEL:-opt} == @(opt|debug) ]] || die "KERNEL=$KERNEL: ARCH=$ARCH has the kernels opt and debug."
	[[ ${KERNEL:-opt} == opt || $ARCH == arm64 ]] || die "KERNEL=$KERNEL: ARCH=$ARCH has the kernel opt only."
	[[ ${ACCEL:-tcg} == tcg ]] || die "ACCEL=$ACCEL: guests of ARCH=$ARCH are emulated (tcg)."
}

# foreign_part KIND KEY TEXT SCRIPT ARG...: makes a part of this kind. Its key has the script too.
foreign_part() {
	local kind=$1 key=$2 text=$3 script=$4
	shift 4
	make_part "foreign-$kind" "$({ echo "$key" && cat "$TOOLS/setup/$script"; } | hash_of)" "$text" \
		"$script" "$@"
}

# set_up_foreign: makes everything that guests of ARCH need. Sets BINDS for in_toolbox. Results go to a
# directory of their own in OUT: make would take objects of one architecture for those of another.
set_up_foreign() {
	local debian page srcarch triplet qemu names fragments base kernel kind kinds=() flavour=${KERNEL:-opt}
	read -r debian page names <<<"${FOREIGN[$ARCH]}"
	kernel=kernel-$debian-$page
	if [[ $flavour != opt ]]; then
		kernel=kernel-$flavour-$debian-$page
		names+=" $ARCH-$flavour"
	fi
	read -r srcarch triplet qemu <<<"${FOREIGN_BASE[$debian]}"
	need_out
	: >>"$OUT/.lock"
	use_out "$OUT/$ARCH"
	prepare

	kinds=("$TOOLBOX")
	for kind in "$kernel" "guest-$debian" "qemu-$debian"; do
		has_part "foreign-$kind" || kinds+=("$CACHE/foreign-$kind-none")
	done
	[[ -n ${KSRC-} ]] || has_part linux || kinds+=("$CACHE/linux-none")
	need_space "${kinds[@]}"
	need_memory

	make_toolbox
	make_linux
	mkdir -p "$HARNESS"
	BINDS=("$TOP:/barium/src:ro" "$OUT:/barium/out" "$HARNESS:/barium/harness" "$LINUX:/barium/linux:ro")

	# shellcheck disable=SC2086 # several packages
	foreign_part "qemu-$debian" "$(installed 'qemu-system-x86') $qemu" \
		"fetching QEMU for $debian, typically 1 min" foreign-qemu.sh $qemu || return
	BINDS+=("$PART:/barium/qemu:ro")
	base=$(cat "$TOOLS"/setup/{packages-foreign,mmdebstrap.sh})
	foreign_part "guest-$debian" "${TOOLBOX##*/} $triplet $base" \
		"making a root file system for $debian, typically 3 min" \
		foreign-guest.sh "$TOOLBOX" "$debian" "$triplet" || return
	BINDS+=("$PART:/barium/guest:ro")
	# shellcheck disable=SC2086 # several fragments
	read -ra fragments <<<"common.config $flavour.config $(printf 'arch/%s.config ' $names)"
	base=$(cat "$TOOLS/setup/foreign-kernel-build.sh" "${fragments[@]/#/$TOOLS/kernel/}")
	foreign_part "$kernel" "$(compilers) $LINUX_ID $base" \
		"building the $flavour kernel for $ARCH, typically 15 min on 2 cores" \
		foreign-kernel.sh "$TOOLBOX" "$LINUX" "$flavour" "$srcarch" "${fragments[@]}" || return
	BINDS+=("$PART:/barium/kernel-$flavour")
}

# What `make test` runs on arm64 too, if the set-up for that is in the cache.
SMOKE_TESTS='^load$|^kunit@|^rebind@|^oracle@|^igt@barium_(fault|fault_count|huge|memory_type|mmap)@'

# smoke_test: runs SMOKE_TESTS. Sets SMOKE for the harness, which adds the results to those of `make test`.
smoke_test() {
	local arch=arm64 tool=$TOOLS/barium
	[[ -z ${ONLY-}${TESTS-} ]] || return 0
	ARCH=$arch KERNEL=opt OUT=$OUT CACHED_ONLY=1 "$tool" setup >/dev/null 2>&1 || return 0
	say "$arch" "a few tests, typically 2 min"
	rm -f "$OUT/$arch/results.json"
	ARCH=$arch KERNEL=opt OUT=$OUT ONLY=$arch/bochs-display TESTS=$SMOKE_TESTS "$tool" test >"$LOG/$arch.log" 2>&1 ||
		say "$arch" "failed (log: $LOG/$arch.log)"
	export SMOKE=$arch
}

# clean_foreign: removes the results for each ARCH from OUT.
clean_foreign() {
	local name
	for name in "${!FOREIGN[@]}"; do
		[[ ! -d $OUT/$name ]] || (use_out "$OUT/$name" && clean)
	done
}

# foreign COMMAND: runs a command of tools/barium for ARCH.
foreign() {
	set_up_foreign
	case $1 in
	setup) return ;;
	bench-docs)
		[[ -e $OUT/bench/costs.md ]] || die "\`ARCH=$ARCH make bench\` first, without BENCH."
		fill_documents "$ARCH"
		return
		;;
	bench | fuzz) guest_programs "$1" ;;
	esac
	[[ $1 != fuzz ]] || take_replay
	harness "$1"
}
