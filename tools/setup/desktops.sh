#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Makes the root file system for the guests of `make desktops`: desktops.sh DIR TOOLBOX.
# DIR/root.squashfs is a Debian 13 with systemd and many programs that use a display. Its service
# `scenario` runs tools/guest/init.sh. Not compressed: unpacking is slow under TCG.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"
. "${BASH_SOURCE[0]%/*}/mmdebstrap.sh"
umask 022

dir=$1 toolbox=$2

# What the guest's scripts use, sessions, compositors, the X server, other programs that draw with KMS,
# and their clients.
packages=(
	systemd-sysv udev kmod procps iproute2 busybox-static libdrm-tests
	login passwd dbus dbus-user-session libpam-systemd polkitd
	sway labwc cage weston mutter kwin-wayland
	xserver-xorg-core x11-xserver-utils
	mpv kmscube
	foot xterm wlr-randr fonts-dejavu-core
)

mkdir "$dir"
# shellcheck disable=SC2016 # mmdebstrap's shell expands the hook
make_root "$dir/root" --include="$(IFS=, && echo "${packages[*]}")" \
	--customize-hook='
		set -e
		chroot "$1" useradd --create-home --shell /bin/bash --groups video,render,input,tty barium
		chroot "$1" passwd --delete barium
		cat >"$1/etc/systemd/system/scenario.service" <<X
[Unit]
Description=Scenario of the guest
After=systemd-logind.service dbus.service systemd-udev-settle.service
Wants=systemd-udev-settle.service
[Service]
ExecStart=/bin/sh /barium/guest/init.sh
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
[Install]
WantedBy=multi-user.target
X
		chroot "$1" systemctl enable scenario.service
		chroot "$1" systemctl set-default multi-user.target
		chroot "$1" systemctl mask getty@tty1.service serial-getty@ttyS0.service apt-daily.timer \
			apt-daily-upgrade.timer dpkg-db-backup.timer systemd-networkd-wait-online.service'
in_toolbox "$toolbox" "$dir:/barium/part" -- \
	mksquashfs /barium/part/root /barium/part/root.squashfs.tmp -noappend -no-progress -quiet \
	-noI -noD -noF -noX -wildcards -e var/lib/apt var/cache usr/share/doc usr/share/man usr/share/locale boot \
	"proc/*" "sys/*" "dev/*" "run/*" "tmp/*"
remove_tree "$dir/root"
mv "$dir/root.squashfs.tmp" "$dir/root.squashfs"
