# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Shared by the scenarios: sends requests and results to the host over the control line (file
# descriptor 3), and finds devices. tools/harness/src/vm.rs is the host's side.

results=/tmp/results
kmemleak=/sys/kernel/debug/kmemleak

# PCI addresses of the devices that the driver must refuse, in guests that have them; strangers() in
# tools/harness/src/guests.rs sets them. `blind` is a display without registers.
# shellcheck disable=SC2034 # for the scenarios
{
	blind=0000:00:13.0
	edu=0000:00:14.0
	wrong_id=0000:00:15.0
	no_vram=0000:00:16.0
	no_bar=0000:00:17.0
}

tell() {
	printf '%s\n' "$*" >&3
}

# ask WORDS...: sends a request to the host and stores its reply in $answer.
ask() {
	tell "$*"
	read -r answer <&3
}

# skip_kunit: from now on, KUnit runs no tests when a module is loaded.
skip_kunit() {
	[ ! -w /sys/module/kunit/parameters/filter_glob ] ||
		printf none >/sys/module/kunit/parameters/filter_glob
}
# A selection of tests has those of KUnit only if it names them: kunit@...
case ${guest_tests:-kunit} in
*kunit*) ;;
*) skip_kunit ;;
esac

# load_driver MODE: loads the driver with the module parameters of a mode: default, strict (a fault
# maps one page), around (fault-around without huge entries), huge (huge entries without fault-around)
# or moves (each fifth fault moves its object out of VRAM or into it). KUnit tests do not depend on the
# mode, and some run a model for a minute on the debug kernel: they run only the first time.
load_driver() {
	case $1 in
	default) modprobe barium ;;
	strict) modprobe barium fault_around=0 huge=0 ;;
	around) modprobe barium fault_around=1 huge=0 ;;
	huge) modprobe barium fault_around=0 huge=1 ;;
	moves) modprobe barium move_every=5 ;;
	*) return 1 ;;
	esac || return
	skip_kunit
}

# wanted NAME: returns true if the user selects this test (guest_tests, a regular expression).
wanted() {
	[ -z "$guest_tests" ] || printf '%s\n' "$1" | grep -Eq -- "$guest_tests"
}

# now: prints the time since boot in seconds.
now() {
	cut -d' ' -f1 /proc/uptime
}

# check NAME COMMAND...: runs COMMAND as a test. Status 0 means passed, 77 skipped. Its output is
# saved, and its last lines are the reason of a failure. Lines that begin with "note: " are reported
# for a test that passes as well.
check() {
	check_name=$1
	shift
	wanted "$check_name" || return 0
	check_log=$results/log/$(printf '%s' "$check_name" | tr '@/' '--').log
	tell begin "$check_name"
	check_start=$(now)
	("$@") >"$check_log" 2>&1
	case $? in
	0)
		check_outcome=pass
		check_reason=$(sed -n 's/^note: //p' "$check_log" | sed ':a;N;$!ba;s/\n/ | /g')
		;;
	77) check_outcome=skip check_reason=$(tail -n 3 "$check_log" | tr '\n' ' ') ;;
	*) check_outcome=fail check_reason=$(tail -n 15 "$check_log" | sed ':a;N;$!ba;s/\n/ | /g') ;;
	esac
	[ "$check_outcome" != fail ] || check_reason=${check_reason:-without a word}
	tell result "$check_outcome" "$(echo "$(now) $check_start" | awk '{ print $1 - $2 }')" \
		"$check_name" "$check_reason"
}

# fail WORDS...: prints WORDS and ends the test with a failure.
fail() {
	echo "$*"
	exit 1
}

# alive PID PROGRAM OUTPUT: fails if PROGRAM has ended, and quotes the end of its output in the file
# OUTPUT.
alive() {
	kill -0 "$1" 2>/dev/null || fail "$2 has ended: $(tail -n 12 "$3")"
}

# wait_for PID PROGRAM OUTPUT CONDITION...: waits until the command CONDITION succeeds. Fails if
# PROGRAM ends before that.
wait_for() {
	waiting_pid=$1 waiting_program=$2 waiting_output=$3
	shift 3
	until "$@"; do
		alive "$waiting_pid" "$waiting_program" "$waiting_output"
		sleep 0.1
	done
}

# devices_of DRIVER: prints the PCI addresses of the devices bound to DRIVER.
devices_of() {
	for device_path in "/sys/bus/pci/drivers/$1"/*:*; do
		[ -e "$device_path" ] && echo "${device_path##*/}"
	done
	return 0
}

# displays: prints the PCI addresses of all devices with the ID 1234:1111, whatever their driver.
displays() {
	for device_path in /sys/bus/pci/devices/*; do
		[ "$(cat "$device_path/vendor" "$device_path/device" | tr '\n' ' ')" = "0x1234 0x1111 " ] &&
			echo "${device_path##*/}"
	done
	return 0
}

# render_node PCI-ADDRESS: prints the path of the device's render node.
render_node() {
	for node_path in "/sys/bus/pci/devices/$1"/drm/renderD*; do
		[ -e "$node_path" ] && echo "/dev/dri/${node_path##*/}"
	done
	return 0
}

# connector_of PCI-ADDRESS: probes the connector of the device, and prints its directory in sysfs.
connector_of() {
	for connector_path in "/sys/bus/pci/devices/$1"/drm/card*/card*-Virtual-*; do
		echo detect >"$connector_path/status"
		echo "$connector_path"
	done
}

# firmware_framebuffers: prints the DRM and fbdev devices that drive a framebuffer set up by the firmware.
firmware_framebuffers() {
	for device_path in /sys/bus/platform/drivers/simple-framebuffer/*/drm \
		/sys/bus/platform/drivers/*-framebuffer/*/graphics; do
		[ -e "$device_path" ] && echo "$device_path"
	done
	return 0
}

# firmware_memory: prints the memory regions that drivers of such framebuffers have claimed.
firmware_memory() {
	grep -iE ' : (simple|efifb|vesafb)' /proc/iomem
}

# bar_memory_type PCI-ADDRESS: prints the memory types that the kernel has reserved for the BAR of VRAM, or
# `unknown` where it has no list of them.
bar_memory_type() {
	bar_list=/sys/kernel/debug/x86/pat_memtype_list
	[ -e "$bar_list" ] || { echo unknown && return; }
	bar_start=$(head -n 1 "/sys/bus/pci/devices/$1/resource" | cut -d' ' -f1)
	sed -n "s/^PAT: \[mem $bar_start-[^]]*\] //p" "$bar_list" | sort -u
}

# bind PCI-ADDRESS DRIVER: binds the device to DRIVER; unbind does the opposite.
bind() {
	echo "$1" >"/sys/bus/pci/drivers/$2/bind"
}

unbind() {
	echo "$1" >"/sys/bus/pci/drivers/$2/unbind"
}

# start_draw ARG...: starts barium-draw and waits until it has drawn. It keeps its object mapped.
# $draw_output is the file with its output.
start_draw() {
	draw_output=/tmp/draw.out
	rm -f /tmp/draw.go "$draw_output"
	mkfifo /tmp/draw.go
	barium-draw --reference /tmp/reference --wait "$@" </tmp/draw.go >"$draw_output" 2>&1 &
	draw_pid=$!
	exec 4>/tmp/draw.go
	wait_for "$draw_pid" barium-draw "$draw_output" grep -q '^ready' "$draw_output"
}

# end_draw: ends barium-draw and checks its status.
end_draw() {
	echo >&4
	exec 4>&-
	wait "$draw_pid" || fail "barium-draw ended with $?: $(cat "$draw_output")"
}

# matches: returns true if the host has replied that it sees the expected content.
matches() {
	case $answer in
	match\ *) ;;
	*) return 1 ;;
	esac
}

# look NAME MIN-PIECES ARG...: draws, and makes the host compare the drawing with the content of
# VRAM.
look() {
	look_name=$1 look_pieces=$2
	shift 2
	start_draw "$@"
	dd if=/tmp/reference of=/dev/vdd bs=64k conv=fsync status=none
	ask oracle "$look_name" "$(stat -c %s /tmp/reference)" "$(devices_of barium | head -n 1)" \
		"$look_pieces"
	end_draw
	echo "$answer"
	matches
}

# vram_available: prints how many bytes of VRAM the driver reports as available.
vram_available() {
	barium-draw --width 64 --height 64 --reference /tmp/available |
		sed -n 's/^vram_available: //p'
}

# same_vram BYTES: checks that as much VRAM is available as at the start.
same_vram() {
	is=$(vram_available)
	echo "$1 bytes of VRAM were available at the start, now $is"
	[ -n "$is" ] && [ "$is" = "$1" ]
}

# no_leaks: checks that kmemleak reports nothing. It reports an object that is some seconds old and
# that two scans found no pointer to.
no_leaks() {
	echo scan >"$kmemleak"
	sleep 6
	echo scan >"$kmemleak"
	cat "$kmemleak"
	[ -z "$(cat "$kmemleak")" ]
}

# told NAME COMMAND...: runs COMMAND and copies its output to the control line, so that the host can
# show its progress.
told() {
	told_name=$1
	shift
	{
		"$@" 2>&1
		echo $? >/tmp/status
	} | while IFS= read -r line; do
		echo "$line"
		tell begin "$told_name: $line"
	done
	return "$(cat /tmp/status)"
}

# text_on_console TEST COLUMN ROW TEXT: clears the console, writes TEXT at this position, and checks that
# the screen shows it and nothing else. Columns and rows count from 0; the terminal's escape sequences
# count from 1.
text_on_console() {
	printf '\033[2J\033[?25l\033[%d;%dH%s' "$(($3 + 1))" "$(($2 + 1))" "$4" >/dev/tty0
	# shellcheck disable=SC2046 # width and height
	on_screen "$1" 10 console \
		$(tr , ' ' </sys/class/graphics/fb0/virtual_size) "$2" "$3" "$4"
}

# start_show ARG...: starts barium-show and waits until it shows its first picture. Its output is in
# $show_output, its pictures of $show_width x $show_height pixels are in /tmp/pictures.
start_show() {
	show_output=/tmp/show.out
	rm -f /tmp/show.go "$show_output"
	mkfifo /tmp/show.go
	barium-show --reference /tmp/pictures "$@" </tmp/show.go >"$show_output" 2>&1 &
	show_pid=$!
	exec 5>/tmp/show.go
	wait_for "$show_pid" barium-show "$show_output" grep -q '^ready' "$show_output"
	show_width=$(sed -n 's/^mode: \([0-9]*\)x.*/\1/p' "$show_output")
	show_height=$(sed -n 's/^mode: [0-9]*x\([0-9]*\).*/\1/p' "$show_output")
}

# has_flipped COUNT: returns true if barium-show has flipped COUNT times.
has_flipped() {
	[ "$(grep -c '^flipped' "$show_output")" = "$1" ]
}

# flip COUNT: makes barium-show flip to its other picture, for the COUNTth time.
flip() {
	echo >&5
	wait_for "$show_pid" barium-show "$show_output" has_flipped "$1"
}

# end_show: ends barium-show and checks its status.
end_show() {
	exec 5>&-
	wait "$show_pid" || fail "barium-show ended with $?: $(cat "$show_output")"
}

# on_screen TEST SECONDS WORDS...: makes the host wait until the screen shows what WORDS describe,
# for at most SECONDS. The screen is that of the display with the QEMU id $display_id,
# or display0.
on_screen() {
	on_screen_test=$1 on_screen_seconds=$2
	shift 2
	ask screen "$on_screen_test" "$on_screen_seconds" "${display_id:-display0}" "$@"
	echo "$on_screen_test: $answer"
	matches
}

# picture_on_screen TEST NUMBER: makes the host compare the current screen with picture 0 or 1 of
# barium-show.
picture_on_screen() {
	dd if=/tmp/pictures of=/dev/vdd bs="$((show_width * show_height * 4))" skip="$2" count=1 \
		conv=fsync status=none
	on_screen "$1" 0 picture "$show_width" "$show_height"
}

# add_swap: has the kernel swap to the disk for that.
add_swap() {
	mkswap /dev/vde >/dev/null
	swapon /dev/vde
}

# hibernate HOW: hibernates with HOW in /sys/power/disk. Fails if the kernel refuses.
hibernate() {
	echo "$1" >/sys/power/disk || fail "no $1 in $(cat /sys/power/disk)"
	sync
	echo 3 >/proc/sys/vm/drop_caches
	tell hibernate
	if echo disk >/sys/power/state; then
		hibernate_status=0
	else
		hibernate_status=1
	fi
	tell awake
	return "$hibernate_status"
}
