#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Scenario of `make shell`: loads the driver and runs a shell on the console.
modprobe barium
stty sane
ln -sf /bin/busybox /usr/bin/poweroff
cat <<'X'

Barium guest. /barium/bin: examples, /barium/igt: IGT tests (IGT_FORCE_DRIVER=barium is set).
`poweroff -f` or leaving this shell ends the guest.
Try: barium-draw --width 640 --height 480 --reference /tmp/picture
     barium_mmap --list-subtests
     modetest -D /dev/dri/card0
     cat /sys/kernel/debug/x86/pat_memtype_list
X
export IGT_FORCE_DRIVER=barium PS1='barium:\w# '
exec setsid -c -w bash --norc -i <"/dev/${guest_console_tty:?}" >"/dev/$guest_console_tty" 2>&1
