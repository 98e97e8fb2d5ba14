#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# What the benchmark's guests run: scenario.sh cost|scaling|traffic|profile [TEXT]. Gives each display to
# the driver that is compared there, and runs the workloads in each of barium's modes. What is
# found goes to files in $results.
#
#   cost      workloads (with TEXT in their name), in guest instructions
#   scaling   two and four threads, by wall clock
#   traffic   has the profiler record what the two drivers of the same display read and write
#   profile   has the profiler record faults, rounds, lives and flips (with TEXT in their line below);
#             leaves the kernel's symbols for each
#
# barium-bench is in the path, modprobe finds all modules. If $guest_run is set, file descriptor 3
# is where to say what is going on.
set -u
results=${results:-/tmp/results}
mkdir -p "$results"

# Addresses on the PCI bus as the host gives them to QEMU.
barium=0000:00:10.0
shmem=0000:00:11.0
ttm=0000:00:12.0
# The BAR of the display that bochs drives: bochs puts no object there.
eager=$shmem

# Modes of barium and the parameters that make them.
modes='default strict around huge'
parameters() {
	case $1 in
	strict) echo fault_around=0 huge=0 ;;
	around) echo fault_around=1 huge=0 ;;
	huge) echo fault_around=0 huge=1 ;;
	esac
}

# What is profiled: way, mode, what of the workload, workload.
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

# give PCI-ADDRESS DRIVER: no other driver will take the device.
give() {
	echo "$2" >"/sys/bus/pci/devices/$1/driver_override"
}

# load MODE: barium in that mode.
load() {
	rmmod barium 2>/dev/null
	# shellcheck disable=SC2046 # words are parameters
	modprobe barium $(parameters "$1")
}

# address WAY: where its display is.
address() {
	case $1 in
	barium) echo "$barium" ;;
	shmem) echo "$shmem" ;;
	ttm) echo "$ttm" ;;
	eager) echo "$eager" ;;
	esac
}

# measure COMMAND WAY MODE [TEXT]
measure() {
	[ -z "${guest_run-}" ] || echo "begin $1: $2 $3" >&3
	command=$1 way=$2 mode=$3
	shift 3
	barium-bench "$command" "$way" "$mode" "$(address "$way")" "$@" || failed=1
}

# compare COMMAND [TEXT]: all drivers, barium in all modes.
compare() {
	command=$1
	shift
	for way in ttm shmem eager; do
		measure "$command" "$way" default "$@"
	done
	for mode in $modes; do
		load "$mode"
		measure "$command" barium "$mode" "$@"
	done
}

# record WAY MODE WHAT WORKLOAD: a profile; its line in the list of profiles has the place in the
# record that the profiler makes, and the file of symbols beside it the number.
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

# Where a program is mapped must not change from run to run.
echo 0 >/proc/sys/kernel/randomize_va_space
give "$barium" barium
give "$shmem" bochs-drm
give "$ttm" qxl
modprobe bochs
modprobe qxl

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
