# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Shared by the scenarios: telling the host results over the control line (file descriptor 3), and
# finding devices. The host's side is tools/harness/src/vm.rs.

results=/tmp/results
kmemleak=/sys/kernel/debug/kmemleak

# Devices that the driver has to refuse, where there are any. Addresses as guests.rs in tools/harness
# gives them.
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

# ask WORDS...: a question to the host; its answer is in $answer.
ask() {
	tell "$*"
	read -r answer <&3
}

# load_driver MODE: the driver with the parameters that make this mode: default, strict (one page
# for a fault), around (no huge entries) or huge (nothing around a single page).
load_driver() {
	case $1 in
	default) modprobe barium ;;
	strict) modprobe barium fault_around=0 huge=0 ;;
	around) modprobe barium fault_around=1 huge=0 ;;
	huge) modprobe barium fault_around=0 huge=1 ;;
	*) return 1 ;;
	esac
}

# wanted NAME: whether the user wants this test (guest_tests, a regular expression).
wanted() {
	[ -z "$guest_tests" ] || printf '%s\n' "$1" | grep -Eq -- "$guest_tests"
}

# now: seconds since boot.
now() {
	cut -d' ' -f1 /proc/uptime
}

# check NAME COMMAND...: a test; COMMAND returns 0 for passed, 77 for skipped. What it prints is kept,
# and is the reason if it fails; lines that begin with "note: " are told in any case.
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

# fail WORDS...: ends a test's command.
fail() {
	echo "$*"
	exit 1
}

# alive PID PROGRAM OUTPUT: fails, with the end of what PROGRAM has written to OUTPUT, if it has ended.
alive() {
	kill -0 "$1" 2>/dev/null || fail "$2 has ended: $(tail -n 12 "$3")"
}

# wait_for PID PROGRAM OUTPUT CONDITION...: waits until CONDITION, a command, succeeds; fails if PROGRAM
# ends before that.
wait_for() {
	waiting_pid=$1 waiting_program=$2 waiting_output=$3
	shift 3
	until "$@"; do
		alive "$waiting_pid" "$waiting_program" "$waiting_output"
		sleep 0.1
	done
}

# devices_of DRIVER: the PCI addresses bound to it.
devices_of() {
	for device_path in "/sys/bus/pci/drivers/$1"/*:*; do
		[ -e "$device_path" ] && echo "${device_path##*/}"
	done
	return 0
}

# displays: PCI addresses of all 1234:1111, whoever drives them.
displays() {
	for device_path in /sys/bus/pci/devices/*; do
		[ "$(cat "$device_path/vendor" "$device_path/device" | tr '\n' ' ')" = "0x1234 0x1111 " ] &&
			echo "${device_path##*/}"
	done
	return 0
}

# render_node PCI-ADDRESS: the path of the device's render node.
render_node() {
	for node_path in "/sys/bus/pci/devices/$1"/drm/renderD*; do
		[ -e "$node_path" ] && echo "/dev/dri/${node_path##*/}"
	done
	return 0
}

# firmware_framebuffers: the devices through which a driver draws on what the firmware has set up.
firmware_framebuffers() {
	for device_path in /sys/bus/platform/drivers/simple-framebuffer/*/drm; do
		[ -e "$device_path" ] && echo "$device_path"
	done
	return 0
}

# bind PCI-ADDRESS DRIVER, unbind PCI-ADDRESS DRIVER
bind() {
	echo "$1" >"/sys/bus/pci/drivers/$2/bind"
}

unbind() {
	echo "$1" >"/sys/bus/pci/drivers/$2/unbind"
}

# start_draw ARG...: barium-draw, waiting with its object mapped; its output is in $draw_output.
start_draw() {
	draw_output=/tmp/draw.out
	rm -f /tmp/draw.go "$draw_output"
	mkfifo /tmp/draw.go
	barium-draw --reference /tmp/reference --wait "$@" </tmp/draw.go >"$draw_output" 2>&1 &
	draw_pid=$!
	exec 4>/tmp/draw.go
	wait_for "$draw_pid" barium-draw "$draw_output" grep -q '^ready' "$draw_output"
}

# end_draw: lets it end, which has to be a good end.
end_draw() {
	echo >&4
	exec 4>&-
	wait "$draw_pid" || fail "barium-draw ended with $?: $(cat "$draw_output")"
}

# matches: whether the host has answered that what it sees is what it should be.
matches() {
	case $answer in
	match\ *) ;;
	*) return 1 ;;
	esac
}

# look NAME MIN-PIECES ARG...: draws, and has the host compare what the device then holds.
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

# vram_available: bytes of VRAM that no object has, as the driver says.
vram_available() {
	barium-draw --width 64 --height 64 --reference /tmp/available |
		sed -n 's/^vram_available: //p'
}

# same_vram BYTES: as much VRAM is available as at the start.
same_vram() {
	is=$(vram_available)
	echo "$1 bytes of VRAM were available at the start, now $is"
	[ -n "$is" ] && [ "$is" = "$1" ]
}

# no_leaks: an object is reported when two scans did not find a pointer to it, and it is some
# seconds old.
no_leaks() {
	echo scan >"$kmemleak"
	sleep 6
	echo scan >"$kmemleak"
	cat "$kmemleak"
	[ -z "$(cat "$kmemleak")" ]
}

# told NAME COMMAND...: runs it; its output goes on the control line too, so that the host can say how it goes.
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

# written TEST COLUMN ROW TEXT: clears the console, writes TEXT there and has the host check that the
# screen shows it and nothing else. The terminal counts from 1.
written() {
	printf '\033[2J\033[?25l\033[%d;%dH%s' "$(($3 + 1))" "$(($2 + 1))" "$4" >/dev/tty0
	# shellcheck disable=SC2046 # width and height
	on_screen "$1" 10 console \
		$(tr , ' ' </sys/class/graphics/fb0/virtual_size) "$2" "$3" "$4"
}

# start_show ARG...: barium-show, which shows its first picture then; its output is in $show_output,
# its pictures, of $show_width x $show_height pixels, are in /tmp/pictures.
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

# has_flipped COUNT: whether it has flipped so often.
has_flipped() {
	[ "$(grep -c '^flipped' "$show_output")" = "$1" ]
}

# flip COUNT: has it flip to the other picture, for the COUNTth time.
flip() {
	echo >&5
	wait_for "$show_pid" barium-show "$show_output" has_flipped "$1"
}

# end_show: lets it end, which has to be a good end.
end_show() {
	exec 5>&-
	wait "$show_pid" || fail "barium-show ended with $?: $(cat "$show_output")"
}

# on_screen TEST SECONDS WORDS...: has the host look until the screen shows what WORDS say, for so long
# at most. The screen is that of the display whose QEMU id is in $display_id, or of display0.
on_screen() {
	on_screen_test=$1 on_screen_seconds=$2
	shift 2
	ask screen "$on_screen_test" "$on_screen_seconds" "${display_id:-display0}" "$@"
	echo "$on_screen_test: $answer"
	matches
}

# picture_on_screen TEST NUMBER: has the host compare the screen, as it is now, with picture 0 or 1 of
# barium-show.
picture_on_screen() {
	dd if=/tmp/pictures of=/dev/vdd bs="$((show_width * show_height * 4))" skip="$2" count=1 \
		conv=fsync status=none
	on_screen "$1" 0 picture "$show_width" "$show_height"
}
