#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# The guest's first process: loads the modules in /modules, if there are any, resumes from the hibernation
# image on the disk guest_resume, if there is one, stacks payload, root file system and a tmpfs into one
# overlay, and continues there with init.sh, or with systemd (guest_init=systemd), whose service runs
# init.sh.
for module in /modules/*.ko; do
	[ ! -e "$module" ] || /bin/busybox insmod "$module"
done
# A kernel whose disk driver is a module has not looked for an image itself.
if [ -n "${guest_resume-}" ]; then
	/bin/busybox mkdir /sys
	/bin/busybox mount -t sysfs sys /sys
	/bin/busybox cat "/sys/block/$guest_resume/dev" >/sys/power/resume
	/bin/busybox umount /sys
fi
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mkdir /root/fs
/bin/busybox mount -t squashfs -o ro /dev/vda /root/fs
/bin/busybox mount -t squashfs -o ro /dev/vdb /payload
/bin/busybox mount -t tmpfs tmpfs /overlay
/bin/busybox mkdir /overlay/upper /overlay/work
/bin/busybox mount -t overlay \
	-o lowerdir=/payload:/root/fs,upperdir=/overlay/upper,workdir=/overlay/work root /new
/bin/busybox mount --move /dev /new/dev
[ "${guest_init-}" != systemd ] || exec /bin/busybox switch_root /new /usr/lib/systemd/systemd
exec /bin/busybox switch_root /new /bin/sh /barium/guest/init.sh
