#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Boots a disk image, in the toolbox: boot.sh DIR DEVICE. DIR has root.img, vmlinuz and initrd; DEVICE is
# a display of QEMU. Prints the facts of guest.sh and, as the fact `lit`, how many pixels of the screen
# are not black; the fact `error` says why the guest did not come up. DIR/console.log has the output of
# kernel and systemd, DIR/screen.ppm the screen. When the guest has come up, a getty may just have cleared the
# screen: the picture is the first of at most 10 with more on it than a cursor.
set -euo pipefail

dir=$1 device=$2
limit=$((300 * ${TIMEOUT_FACTOR:-1}))
accel=${ACCEL:-tcg}
[[ $accel != tcg ]] || accel=tcg,thread=multi
rm -f "$dir"/{console.log,facts.log,screen.ppm,monitor}
touch "$dir"/{console.log,facts.log}
mkfifo "$dir/monitor"
# The writes of the guest go to a temporary file, for which QEMU does not take /tmp.
export TMPDIR=$dir
trap '' PIPE
qemu-system-x86_64 -M q35 -cpu max,la57=off -m 1024 -smp 2 -accel "$accel" -nodefaults -vga none \
	-display none -no-reboot -device "$device" -kernel "$dir/vmlinuz" -initrd "$dir/initrd" \
	-append "root=/dev/vda rw console=tty0 console=ttyS0 loglevel=6 no_timer_check systemd.mask=apt-daily.timer" \
	-drive "file=$dir/root.img,if=virtio,format=raw,snapshot=on" \
	-serial "file:$dir/console.log" -serial "file:$dir/facts.log" -monitor stdio \
	<"$dir/monitor" >"$dir/monitor.log" 2>&1 &
qemu=$!
exec {monitor}>"$dir/monitor"

# lit: prints how many pixels of the picture are not black.
lit() {
	python3 -c 'import sys
data = open(sys.argv[1], "rb").read()
pixels = data.split(b"\n", 3)[3]
print(sum(pixels[i:i + 3] != b"\0\0\0" for i in range(0, len(pixels), 3)))' "$dir/screen.ppm"
}

while kill -0 "$qemu" 2>/dev/null && ((SECONDS < limit)) &&
	! grep -q '^FACT end' "$dir/facts.log"; do
	sleep 0.5
done
if grep -q '^FACT end' "$dir/facts.log"; then
	for _ in {1..10}; do
		echo "screendump $dir/screen.ppm" >&"$monitor" || true
		sleep 2
		[[ ! -s $dir/screen.ppm || $(lit) -le 300 ]] || break
	done
elif ((SECONDS >= limit)); then
	echo "FACT error it took more than $limit s"
else
	echo "FACT error $(tail -n 1 "$dir/monitor.log")"
fi
echo quit >&"$monitor" || true
for _ in {1..20}; do
	kill -0 "$qemu" 2>/dev/null || break
	sleep 0.5
done
kill -KILL "$qemu" 2>/dev/null || true

tr -d '\r' <"$dir/facts.log"
if [[ -s $dir/screen.ppm ]]; then
	echo "FACT lit $(lit)"
fi
