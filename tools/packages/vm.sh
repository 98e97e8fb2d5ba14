#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# `make vm`: boots a Debian desktop whose display is Barium: vm.sh TRIXIE DESKTOP TOOLBOX. Installs the
# packages in OUT/deb by apt on a machine with the layers TRIXIE and DESKTOP, makes a disk of it, and boots
# the disk with its own kernel and initramfs. When the desktop has come up, OUT/vm.png is a picture of it.
#
# With a display and a QEMU on this host, the guest is in a window; otherwise, OUT/desktop/vnc is a socket
# for a VNC viewer. The disk is made anew if the packages change; what is written to it is lost.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

trixie=$1 desktop=$2 toolbox=$3
work=$OUT/desktop
kernel=$(<"$trixie/srv/barium/kernel")
limit=$((300 * ${TIMEOUT_FACTOR:-1}))

# make_disk: installs the packages and makes the disk, unless that has been done for these packages.
make_disk() {
	local start=$SECONDS key
	key=$({ cat "$OUT"/deb/*.deb && echo "$trixie $desktop"; } | hash_of)
	[[ ! -e $work/key || $(<"$work/key") != "$key" ]] || return 0
	say vm "installing the packages and making a disk, typically 1 min (log: $LOG/vm.log)"
	remove_tree "$work"
	mkdir -p "$work"
	# shellcheck disable=SC2016 # the machine's shell expands it
	contained bash "$TOOLS/packages/enter.sh" "$desktop/root:$trixie" "$work/root" \
		"$OUT/deb:/barium/deb:ro" "$work:/barium/disk" -- bash -euc '
			apt-get --yes install /barium/deb/barium-common_*.deb /barium/deb/barium-modules-*.deb
			echo barium >/etc/hostname
			mkdir -p /barium/image && mount --bind / /barium/image
			for path in usr/src usr/lib/llvm-19 usr/include var/cache var/lib/apt/lists barium; do
				[ ! -d "/barium/image/$path" ] || mount -t tmpfs tmpfs "/barium/image/$path"
			done
			mke2fs -q -t ext4 -L root -O ^has_journal -d /barium/image /barium/disk/root.img 4G
			cp "/boot/vmlinuz-$1" /barium/disk/vmlinuz
			cp "/boot/initrd.img-$1" /barium/disk/initrd' vm "$kernel" >"$LOG/vm.log" 2>&1 || {
		tail -n 20 "$LOG/vm.log" >&2
		die "the disk could not be made; the lines above are the end of $LOG/vm.log"
	}
	remove_tree "$work"/root{,.work,.root}
	echo "$key" >"$work/key"
	say vm "done in $((SECONDS - start)) s"
}

# run_qemu DIR ARG...: starts QEMU with the disk in DIR.
run_qemu() {
	local dir=$1 accel=${ACCEL:-tcg} device=${DISPLAY_DEVICE:-VGA,vgamem_mb=32}
	shift
	[[ $accel != tcg ]] || accel=tcg,thread=multi
	# shellcheck disable=SC2206 # words
	local more=(${QEMU_ARGS-})
	set -- qemu-system-x86_64 -M q35 -cpu max,la57=off -m 2048 -smp 2 -accel "$accel" -nodefaults -vga none \
		-device "$device" -device qemu-xhci -device usb-tablet -device usb-kbd \
		-nic user,model=virtio-net-pci -kernel "$dir/vmlinuz" -initrd "$dir/initrd" \
		-append "root=/dev/vda rw console=ttyS0 console=tty0 quiet no_timer_check systemd.mask=apt-daily.timer" \
		-drive "file=$dir/root.img,if=virtio,format=raw,snapshot=on" -serial "file:$dir/console.log" \
		-qmp "unix:$dir/qmp,server=on,wait=off" "$@" "${more[@]}"
	if [[ $dir == "$work" ]]; then
		TMPDIR=$dir setpriv --pdeathsig KILL -- "$@"
	else
		in_toolbox "$toolbox" "$work:$dir" -- "TMPDIR=$dir" "$@"
	fi
}

# screendump: writes the screen to OUT/vm.png.
screendump() {
	in_toolbox "$toolbox" "$work:/barium/out" -- python3 -c '
import json, socket
qmp = socket.socket(socket.AF_UNIX)
qmp.connect("/barium/out/qmp")
lines = qmp.makefile("rw")
lines.readline()
for command, arguments in (("qmp_capabilities", {}),
                           ("screendump", {"filename": "/barium/out/screen.png", "format": "png"})):
    lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
    lines.flush()
    while "return" not in (answer := json.loads(lines.readline())):
        if "error" in answer:
            raise SystemExit(answer["error"]["desc"])' || return
	mv "$work/screen.png" "$OUT/vm.png"
}

# fact NAME: prints the value of a fact that the guest has told.
fact() {
	tr -d '\r' <"$work/console.log" | sed -n "s/.*FACT $1 //p"
}

make_disk
rm -f "$work"/{console.log,vnc,qmp} "$OUT/vm.png"
touch "$work/console.log"
start=$SECONDS
if [[ -n ${DISPLAY-}${WAYLAND_DISPLAY-} ]] && command -v qemu-system-x86_64 >/dev/null; then
	say vm "booting it in a window; a minute until the desktop is there"
	run_qemu "$work" -display gtk >"$LOG/vm-qemu.log" 2>&1 &
else
	say vm "booting it; a VNC viewer can connect to $work/vnc; a minute until the desktop is there"
	run_qemu /barium/out -display vnc=unix:/barium/out/vnc >"$LOG/vm-qemu.log" 2>&1 &
fi
qemu=$!
trap 'kill "$qemu" 2>/dev/null || true' EXIT
while [[ -z $(fact desktop) ]]; do
	kill -0 "$qemu" 2>/dev/null || {
		tail -n 5 "$LOG/vm-qemu.log" >&2
		die "QEMU has ended; the lines above are the end of $LOG/vm-qemu.log"
	}
	[[ -z $(fact desktop-ended) ]] || die "the compositor did not start: $(fact desktop-ended)"
	((SECONDS - start < limit)) || die "no desktop after $limit s: see $work/console.log"
	sleep 1
done
screendump || die "QEMU gave no picture of the screen"
say vm "the desktop is there after $((SECONDS - start)) s: $OUT/vm.png"
if [[ -z ${ONCE-} ]]; then
	say vm "poweroff in the guest, or control-c here, ends it"
	wait "$qemu" || true
fi
