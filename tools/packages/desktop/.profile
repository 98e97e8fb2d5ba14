# shellcheck shell=sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Starts the compositor on the first terminal of the guest of `make vm`.
export LANG=C.UTF-8
if [ "$(tty)" = /dev/tty1 ]; then
	labwc >"$HOME/labwc.log" 2>&1
	echo "FACT desktop-ended $(tail -n 1 "$HOME/labwc.log")" >/dev/ttyS0
fi
