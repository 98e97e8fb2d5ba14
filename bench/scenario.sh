#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Runs in the guests of the benchmark: scenario.sh cost|scaling|traffic|profile [TEXT]. Binds each
# display to the driver to compare, and runs the workloads in each of Barium's modes. Writes its
# results to files in $results.
#
#   cost      workloads (with TEXT in their name), in guest instructions
#   scaling   two and four threads, in wall-clock time
#   traffic   bytes that both drivers of the same display read and write, counted by the profiler
#   profile   faults, rounds, lives and flips (with TEXT in their line below), recorded by the
#             profiler; also saves the kernel's symbols for each
#
# barium-bench is in PATH; modprobe finds all modules. If $guest_run is set, file descriptor 3 takes
# progress messages.
set -u
results=${results:-/tmp/results}
mkdir -p "$results"

# PCI addresses; DISPLAYS in tools/harness/src/bench.rs sets them.
barium=0000:00:10.0
shmem=0000:00:11.0
ttm=0000:00:12.0
# The BAR of the display that bochs drives: bochs has no objects in it.
eager=$shmem

# Modes of Barium and their module parameters.
modes='default strict around huge'
parameters() {
	case $1 in
	strict) echo fault_around=0 huge=0 ;;
	around) echo fault_around=1 huge=0 ;;
	huge) echo fault_around=0 huge=1 ;;
	esac
}

# The profiles to record: way, mode, part of the workload, workload.
profiles='barium strict fault seq-8M
barium around fault stride32-8M
barium around round seq-1M
barium huge fault seq-8M
barium default round seq-8M
barium default life life-4K
barium default flip flip-1080p
ttm default fault seq-8M
shmem default fault seq-8M
shmem default flip flip-1080p'

failed=0

# give PCI-ADDRESS DRIVER: only DRIVER may bind the device.
give() {
	echo "$2" >"/sys/bus/pci/devices/$1/driver_override"
}

# load MODE: loads Barium in this mode.
load() {
	rmmod barium 2>/dev/null
	# shellcheck disable=SC2046 # words are parameters
	modprobe barium $(parameters "$1")
}

# address WAY: prints the PCI address of the display for this way of mapping.
address() {
	case $1 in
	barium) echo "$barium" ;;
	shmem) echo "$shmem" ;;
	ttm) echo "$ttm" ;;
	eager) echo "$eager" ;;
	esac
}

# measure COMMAND WAY MODE [TEXT]: runs barium-bench for one way of mapping.
measure() {
	[ -z "${guest_run-}" ] || echo "begin $1: $2 $3" >&3
	command=$1 way=$2 mode=$3
	shift 3
	barium-bench "$command" "$way" "$mode" "$(address "$way")" "$@" || failed=1
}

# compare COMMAND [TEXT]: measures all ways of mapping, Barium in all modes.
compare() {
	command=$1
	shift
	for way in $others; do
		measure "$command" "$way" default "$@"
	done
	for mode in $modes; do
		load "$mode"
		measure "$command" barium "$mode" "$@"
	done
}

# record WAY MODE WHAT WORKLOAD: records a profile. The number of its line in $results/profiles is
# its index in the profiler's record and in the name of its file of symbols.
record() {
	[ -z "${guest_run-}" ] || echo "begin profile: $*" >&3
	load "$2"
	number=$(wc -l <"$results/profiles")
	cat /proc/kallsyms >"$results/kallsyms-$number"
	if barium-bench profile "$1" "$(address "$1")" "$3" "$4"; then
		echo "$*" >>"$results/profiles"
	else
		failed=1
	fi
}

# Programs must be mapped at the same addresses in each run.
echo 0 >/proc/sys/kernel/randomize_va_space
give "$barium" barium
give "$shmem" bochs-drm
modprobe bochs
others='shmem eager'
# QEMU has this display for x86 only.
if [ -e "/sys/bus/pci/devices/$ttm" ]; then
	give "$ttm" qxl
	modprobe qxl
	others="ttm $others"
fi

case $1 in
cost | scaling)
	compare "$@" >"$results/$1.jsonl"
	;;
traffic)
	load default
	for way in shmem barium; do
		measure traffic "$way" default ${2+"$2"}
	done >"$results/traffic.jsonl"
	;;
profile)
	: >"$results/profiles"
	printf '%s\n' "$profiles" >"$results/wanted"
	while read -r way mode what workload; do
		case "$way $mode $what $workload" in
		*"${2-}"*) record "$way" "$mode" "$what" "$workload" ;;
		esac
	done <"$results/wanted"
	;;
esac
exit "$failed"
