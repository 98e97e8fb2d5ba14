#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Sets up the guest, runs the scenario that the kernel command line names (guest_run), passes the
# results to the host and shuts down. As a service of systemd, which has mounted the file systems, it reads
# its parameters from the command line.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/barium/bin:/barium/igt HOME=/root TERM="${TERM:-linux}"
export guest_run guest_kernel guest_modes guest_mode_tests guest_self_check guest_test_timeout
export guest_unplug_rounds guest_race_seconds guest_warn_level guest_fault_full guest_width guest_height
export guest_fuzz_length guest_fuzz_seed guest_fuzz_replay guest_soak_seconds guest_hibernate guest_displays
export guest_console guest_firmware_fb guest_render_node guest_hold_open guest_in_tree guest_stage
export guest_next_driver guest_cost guest_console_tty guest_control_tty

if [ $$ = 1 ]; then
	mkdir -p /proc /sys /dev/pts /dev/shm /tmp /run /root
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	mount -t tmpfs tmpfs /tmp
	mount -t tmpfs tmpfs /run
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
	ip link set lo up
else
	read -r parameters </proc/cmdline
	for word in $parameters; do
		case $word in
		guest_*=*) export "${word?}" ;;
		esac
	done
fi
# The first access to tracing through debugfs triggers a kernel warning: trigger it before any test.
ls /sys/kernel/debug/tracing >/dev/null 2>&1
cd /root || exit
mkdir -p /tmp/results/log

# The user's selection of tests: a regular expression that may be too long for the command line.
guest_tests=$(dd if=/dev/vdd bs=64k count=1 status=none | tr -d '\0')
export guest_tests

# Shows page table entries to tests.
test_module=/barium/test-module/$guest_kernel/barium_entry.ko
[ ! -e "$test_module" ] || insmod "$test_module"

# The tests use Barium's own ioctls through render nodes. Scenarios that test the default, as `make run`
# does, set guest_render_node=0.
[ "${guest_render_node-}" = 0 ] || echo options barium render_node=1 >/etc/modprobe.d/barium.conf

stty -F "/dev/$guest_control_tty" raw -echo 115200
exec 3<>"/dev/$guest_control_tty"
# OVMF writes to the line, too, and does not end its last one.
echo >&3

sh "/barium/guest/$guest_run.sh"
if [ "$guest_run" != shell ]; then
	tar -C /tmp/results -cf /dev/vdc .
	sync
	echo end >&3
fi
# Closing the file waits until all output is sent.
exec 3>&-
# QEMU exits on a reboot (-no-reboot). Power-off does not work here: after a suspend, ACPI's wake
# status stays set, and the kernel reports the power-off as failed.
exec busybox reboot -f
