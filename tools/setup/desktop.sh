#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Adds a desktop to the installation of trixie.sh: desktop.sh DIR TRIXIE. DIR/root has only the
# difference, as a layer for overlayfs. The user `barium`, without a password, is logged in at boot, and
# gets labwc, a compositor, with its default settings and a terminal.
set -euo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"

mkdir "$1"
# shellcheck disable=SC2016 # the installation's shell expands it
contained bash "$TOOLS/packages/enter.sh" "$2" "$1/root" "$TOP:/barium/src:ro" -- bash -euc '
	apt-get --yes --no-install-recommends install labwc foot swaybg fonts-dejavu-core drm-info \
		dbus-user-session libpam-systemd login passwd procps seatd
	apt-get clean
	useradd --create-home --shell /bin/bash --groups video,input,dialout barium
	passwd --delete barium
	mkdir -p /etc/systemd/system/getty@tty1.service.d
	cat >/etc/systemd/system/getty@tty1.service.d/login.conf <<X
[Service]
ExecStart=
ExecStart=-/sbin/agetty --autologin barium --noclear %I \$TERM
X
	cp -r /barium/src/tools/packages/desktop/. /home/barium/
	chown -R barium:barium /home/barium'
rm -rf "$1/root.work" "$1/root.root"
