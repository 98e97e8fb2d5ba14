# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Part of the test scenario: unloads the driver and rebinds the device, idle and in use.
# shellcheck source=lib.sh
. /barium/guest/lib.sh

refused_while_open() {
	exec 5<>"$(render_node "$(devices_of barium)")"
	! rmmod barium || fail "rmmod went through"
	exec 5>&-
}

refused_while_mapped() {
	start_draw --width 64 --height 64
	! rmmod barium || fail "rmmod went through"
	end_draw
}

# A process has an open file and a mapping while the device is unbound and bound again.
unbind_in_use() {
	slot=$(devices_of barium)
	start_draw --width 256 --height 256
	unbind "$slot" barium
	[ -z "$(devices_of barium)" ] || fail "still bound"
	kill -0 "$draw_pid" || fail "the process is gone"
	bind "$slot" barium
	[ -c "$(render_node "$slot")" ] || fail "no render node after binding again"
	kill -0 "$draw_pid" || fail "the process is gone"
	end_draw
}

unbind_bind_often() {
	slot=$(devices_of barium)
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		unbind "$slot" barium
		bind "$slot" barium
	done
	[ -c "$(render_node "$slot")" ] || fail "no render node"
}

# soon COMMAND...: returns true if COMMAND succeeds within a minute.
soon() {
	for _ in $(seq 120); do
		"$@" && return 0
		sleep 0.5
	done
	return 1
}

is_back() {
	[ -n "$(devices_of barium)" ] && [ -c "$(render_node "$(devices_of barium)")" ]
}

is_gone() {
	[ ! -e "/sys/bus/pci/devices/$1" ]
}

# The host unplugs the display while a process has it mapped, and plugs another one into another
# slot.
hot_unplug_in_use() {
	slot=$(devices_of barium)
	start_draw --width 256 --height 256
	ask unplug display0
	case $answer in
	done) ;;
	*"not support hotplug"*) echo "QEMU: $answer" && end_draw && exit 77 ;;
	*) fail "the host: $answer" ;;
	esac
	soon is_gone "$slot" || fail "it is still there"
	kill -0 "$draw_pid" || fail "the process is gone"
	ask plug display0 port1
	[ "$answer" = "done" ] || fail "the host: $answer"
	soon is_back || fail "no driver for the new one"
	end_draw
}

load_again() {
	rmmod barium
	load_driver "${mode:-default}"
	[ -c "$(render_node "$(devices_of barium)")" ] || fail "no render node"
}

unload() {
	rmmod barium
	! grep -q '^barium ' /proc/modules
}

# rebind_checks: all checks but the hot-unplug. On the debug kernel that one must come last: lockdep
# reports a bug in PCIe hot-plug and is disabled from then on.
rebind_checks() {
	check rebind@rmmod-refused-while-open refused_while_open
	check rebind@rmmod-refused-while-mapped refused_while_mapped
	check rebind@unbind-while-mapped unbind_in_use
	check rebind@unbind-bind-often unbind_bind_often
	check rebind@load-again load_again
}
