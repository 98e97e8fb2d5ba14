#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Runs as a service in the guests of `make packages` and prints facts about the display to the second
# serial port, as lines `FACT NAME VALUE`; the last one is `end`. tools/packages/test.sh judges them.

fact() {
	printf 'FACT %s %s\n' "$1" "$2" >/dev/ttyS1
}

udevadm settle
fact kernel "$(uname -r)"
for device in /sys/bus/pci/devices/*; do
	case $(cat "$device/class") in
	0x03*) fact driver "$(basename "$(readlink "$device/driver")")" ;;
	esac
done
fact loaded "$(lsmod | awk '$1 == "barium" || $1 == "bochs" { print $1 }' | sort | xargs)"
fact console "$(cat /proc/fb)"
dmesg >/run/dmesg
fact bound-at "$(grep -n -m1 'Initialized barium' /run/dmesg | cut -d: -f1)"
fact root-at "$(grep -n -m1 'EXT4-fs (vda): mounted' /run/dmesg | cut -d: -f1)"
fact splats "$(grep -cE 'WARNING:|BUG:|Oops|cut here|Call Trace' /run/dmesg)"
fact taint "$(cat /sys/module/barium/taint 2>/dev/null)"
if [ -x /srv/barium/barium-draw ] && [ -e /sys/module/barium ]; then
	fact draw "$(/srv/barium/barium-draw 2>&1 | grep -m1 '^driver: ')"
fi
fact end .
