#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Tests the Debian packages in OUT/deb the way a user installs them: test.sh TRIXIE TOOLBOX. TRIXIE is
# the installation of tools/setup/trixie.sh, TOOLBOX has QEMU. Each test works on a machine: TRIXIE with
# its own changes on top, which other machines can build on. Guests boot the disk of such a machine,
# with the kernel and the initramfs that are installed there.
#
# Prints a line for each test, and writes OUT/packages/results for the harness. ONLY=<text> runs the
# groups with this in their name, such as T3.
# shellcheck disable=SC2317 # what step() calls is reached
set -uo pipefail
. "${BASH_SOURCE[0]%/*}/../lib.sh"
set +e

trixie=$1 toolbox=$2
work=$OUT/packages
kernel=$(<"$trixie/srv/barium/kernel")
other=$(<"$trixie/srv/barium/other-kernel")
failed=0

fail() {
	echo "$*"
	exit 1
}

# step NAME COMMAND...: runs COMMAND as a test. Its output goes to a log; the last line of it is the
# reason of a failure.
step() {
	local name=$1 start=$SECONDS status=0 word=passed why='' log
	shift
	log=$work/log/${name//\//-}
	("$@") >"$log" 2>&1 || status=$?
	if [[ $status -ne 0 ]]; then
		word=failed why=$(tail -n 1 "$log")
		failed=1
	fi
	echo "$word $name${why:+: $why}, $((SECONDS - start)) s"
	printf '%s %s %s: %s\n' "$word" "$((SECONDS - start))" "$name" "$why" >>"$work/results"
	return "$status"
}

# group NAME: returns true if this group of tests is wanted.
group() {
	[[ $1 == *"${ONLY-}"* ]]
}

# new_machine NAME FROM: makes a machine with the content of FROM, which is `base` or another machine.
new_machine() {
	remove_tree "$work/$1" "$work/$1".{work,root}
	mkdir -p "$work/$1"
	if [[ $2 == base ]]; then
		echo "$trixie"
	else
		echo "$work/$2:$(<"$work/$2.layers")"
	fi >"$work/$1.layers"
}

# on MACHINE SCRIPT [ARG...]: runs a shell script as root of the machine.
on() {
	local machine=$1 script=$2
	shift 2
	contained bash "$TOOLS/packages/enter.sh" "$(<"$work/$machine.layers")" "$work/$machine" "$OUT/deb:/barium/deb:ro" \
		"$TOOLS/packages:/barium/packages:ro" "$work/disks:/barium/disks" -- \
		KERNEL="$kernel" OTHER="$other" bash -euc "$script" on "$@"
}

# --- T2: installation

install_dkms() {
	local log=$work/log/apt
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t2 '
		apt-get --yes install --no-install-recommends \
			/barium/deb/barium-common_*.deb /barium/deb/barium-dkms_*.deb
		dkms status' | tee "$log"
	[[ ${PIPESTATUS[0]} -eq 0 ]] || {
		cat "$work/t2/var/lib/dkms/barium"/*/build/make.log
		fail "apt-get ended with an error"
	}
	grep -qF ", $kernel, x86_64: installed" "$log" || fail "DKMS has not installed the module"
}

module_fits() {
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t2 'modinfo -k $KERNEL barium >/tmp/info
		cat /tmp/info
		grep -q "^filename: */lib/modules/$KERNEL/updates/dkms/barium.ko" /tmp/info || { echo "it is elsewhere"; exit 1; }
		grep -q "^vermagic: *$KERNEL " /tmp/info || { echo "it is of another kernel"; exit 1; }
		grep -q "^alias: *pci:v00001234d00001111" /tmp/info || { echo "it has not the alias of the device"; exit 1; }
		grep -q "updates/dkms/barium.ko.*: .*/drm.ko" /lib/modules/$KERNEL/modules.dep ||
			{ echo "modules.dep does not know its dependencies"; exit 1; }'
}

metadata_cached() {
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t2 'ls -A /var/cache/barium; test -e /var/cache/barium/$KERNEL-*/rust/libkernel.rmeta
		du -sh /var/cache/barium
		[ -z "$(find /var/cache/barium -maxdepth 1 -name "*.tmp")" ] || { echo "something half-made is left"; exit 1; }'
}

in_initramfs() {
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t2 'lsinitramfs /boot/initrd.img-$KERNEL | grep -E "barium\.ko" || { echo "it is not in there"; exit 1; }'
}

in_dracut() {
	new_machine dracut t2
	# shellcheck disable=SC2016 # the machine's shell expands it
	on dracut 'apt-get --yes install dracut
		lsinitrd /boot/initrd.img-$KERNEL >/tmp/list
		grep -E "barium\.ko" /tmp/list || { echo "it is not in there"; exit 1; }'
}

# A program built with nothing but libbarium-dev and libdrm-dev. Guests run it.
program_builds() {
	new_machine program base
	rm -rf "$work/disks/examples"
	cp -r "$TOP/examples" "$work/disks/examples"
	# shellcheck disable=SC2016,SC2046 # the machine's shell expands it
	on program 'apt-get --yes install gcc libc6-dev pkgconf libdrm-dev /barium/deb/libbarium-dev_*.deb
		cd /barium/disks/examples
		gcc -std=gnu11 -D_GNU_SOURCE -O2 -o ../barium-draw barium-draw.c picture.c mapping-info.c \
			$(pkg-config --cflags --libs barium libdrm) -lm'
}

# --- Guests

# disk MACHINE KERNEL: makes the disk of a guest from a machine, without what only compiles.
disk() {
	local dir=$work/disks/$1
	mkdir -p "$dir"
	# shellcheck disable=SC2016 # the machine's shell expands it
	on "$1" '
		install -D -m 755 /barium/packages/guest.sh /srv/barium/check
		[ ! -e /barium/disks/barium-draw ] || cp /barium/disks/barium-draw /srv/barium/
		cat >/etc/systemd/system/barium-check.service <<X
[Service]
Type=oneshot
ExecStart=/srv/barium/check
X
		mkdir -p /etc/systemd/system/multi-user.target.wants
		ln -sf ../barium-check.service /etc/systemd/system/multi-user.target.wants/
		mkdir -p /barium/image && mount --bind / /barium/image
		for path in usr/src usr/lib/rustlib usr/lib/llvm-19 usr/lib/gcc usr/libexec/gcc usr/include \
			usr/share/perl usr/lib/python3 var/cache var/lib/apt/lists barium; do
			[ ! -d "/barium/image/$path" ] || mount -t tmpfs tmpfs "/barium/image/$path"
		done
		rm -f "/barium/disks/$1/root.img"
		mke2fs -q -t ext4 -L root -O ^has_journal -d /barium/image "/barium/disks/$1/root.img" 3G
		cp "/boot/vmlinuz-$2" "/barium/disks/$1/vmlinuz"
		cp "/boot/initrd.img-$2" "/barium/disks/$1/initrd"' "$1" "$2" || fail "no disk could be made"
}

# boot MACHINE DEVICE: boots the disk; the facts of the guest go to $facts.
boot() {
	facts=$work/disks/$1/facts
	in_toolbox "$toolbox" "$TOP:/barium/src:ro" "$work/disks/$1:/barium/out" -- \
		"ACCEL=${ACCEL-}" "TIMEOUT_FACTOR=${TIMEOUT_FACTOR-}" \
		bash /barium/src/tools/packages/boot.sh /barium/out "$2" >"$facts"
	cat "$facts"
	cp "$work/disks/$1/console.log" "$work/log/$1-$2-console.log"
	[[ ! -e $work/disks/$1/screen.ppm ]] || cp "$work/disks/$1/screen.ppm" "$work/log/$1-$2-screen.ppm"
	[[ $(fact end) == . ]] || fail "the guest did not come up: $(fact error);" \
		"$(tail -n 1 "$work/disks/$1/console.log")"
	[[ $(fact splats) == 0 ]] || fail "the kernel's log has $(fact splats) lines of a splat"
}

# fact NAME: prints the value of a fact.
fact() {
	sed -n "s/^FACT $1 //p" "$facts"
}

# same NAME VALUE: checks a fact.
same() {
	[[ $(fact "$1") == "$2" ]] || fail "$1 is \`$(fact "$1")\`, not \`$2\`"
}

# has_display MACHINE DEVICE: the guest has its display on Barium.
has_display() {
	boot "$1" "$2"
	same kernel "$kernel"
	same driver barium
	same console "0 bariumdrmfb"
	[[ $(fact lit) -gt 300 ]] || fail "the screen is black"
	[[ $(fact draw) == "driver: barium "* ]] || fail "barium-draw does not run: \`$(fact draw)\`"
}

# on_barium MACHINE DEVICE: also checks that Barium was loaded from the initramfs.
on_barium() {
	has_display "$1" "$2"
	[[ $(fact bound-at) -gt 0 && $(fact bound-at) -lt $(fact root-at) ]] ||
		fail "it was bound after the root was mounted"
}

# Without the initramfs, udev loads bochs and Barium, whichever comes first in its list.
softdep_alone() {
	new_machine softdep t2
	# shellcheck disable=SC2016 # the machine's shell expands it
	on softdep 'rm /usr/share/initramfs-tools/modules.d/barium
		update-initramfs -u -k $KERNEL'
	disk softdep "$kernel"
	has_display softdep bochs-display
	[[ $(fact bound-at) -gt $(fact root-at) ]] || fail "it was loaded from the initramfs"
}

on_bochs() {
	boot "$1" "$2"
	same kernel "$3"
	same driver bochs-drm
	same console "0 bochs-drmdrmfb"
	[[ $(fact lit) -gt 300 ]] || fail "the screen is black"
}

# The module is there, but the kernel refuses it.
broken_module() {
	new_machine broken t2
	# shellcheck disable=SC2016 # the machine's shell expands it
	on broken 'cd /lib/modules/$KERNEL/updates/dkms
		module=$(ls barium.ko*)
		xz -dcf $module >/tmp/barium.ko 2>/dev/null || cp $module /tmp/barium.ko
		sed -i "s/vermagic=$KERNEL/vermagic=${KERNEL/7/8}/" /tmp/barium.ko
		case $module in *.xz) xz --check=crc32 -c /tmp/barium.ko >$module ;; *) cp /tmp/barium.ko $module ;; esac
		update-initramfs -u -k $KERNEL'
	disk broken "$kernel"
	on_bochs broken bochs-display "$kernel"
	grep -q 'barium: version magic' "$work/disks/broken/console.log" || fail "the kernel did not refuse the module"
}

# --- T4: a kernel that Barium does not support

unsupported_kernel() {
	new_machine t4 t2
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t4 'apt-get --yes install "linux-image-$OTHER" "linux-headers-$OTHER"' | tee "$work/log/apt-other"
	[[ ${PIPESTATUS[0]} -eq 0 ]] || fail "apt-get ended with an error"
	grep -q "was skipped for module(s) barium" "$work/log/apt-other" || fail "DKMS does not say that it skips the kernel"
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t4 'dpkg --audit; [ -z "$(dpkg --audit)" ] || { echo "a package is not configured"; exit 1; }
		! lsinitramfs /boot/initrd.img-$OTHER | grep barium.ko
		dkms status; dkms status | grep -q "$KERNEL, x86_64: installed"'
}

unsupported_with_dracut() {
	new_machine t4-dracut dracut
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t4-dracut 'apt-get --yes install "linux-image-$OTHER" "linux-headers-$OTHER" >/tmp/log 2>&1 ||
		{ cat /tmp/log; echo "apt-get ended with an error"; exit 1; }
		cat /tmp/log
		test -s /boot/initrd.img-$OTHER
		! grep -F "dracut[E]" /tmp/log || { echo "dracut complains"; exit 1; }'
}

unsupported_boots() {
	disk t4 "$other"
	on_bochs t4 bochs-display "$other"
}

# --- T5: what is missing, and interruptions. Each check works on a machine from which the module and its
# metadata have been removed.

# rebuild SCRIPT REGEX: runs the script, which spoils something, and lets DKMS build; it must fail with a reason
# that matches REGEX, and leave nothing half-made.
rebuild() {
	new_machine t5 t2
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t5 '
		dkms unbuild "$(dkms status barium | sed -n "1s/,.*//p")" -k $KERNEL
		rm -rf /var/cache/barium
		eval "$1"
		status=0
		dkms autoinstall -k $KERNEL || status=$?
		cat /var/lib/dkms/barium/*/build/make.log
		echo "dkms: $status"
		dkms status
		! dkms status | grep -q "$KERNEL, x86_64: installed" || { echo "it has been built"; exit 1; }
		[ -z "$(find /var/cache/barium -mindepth 1 -maxdepth 1 ! -name ".lock*" 2>/dev/null)" ] ||
			{ echo "something half-made is left"; exit 1; }
	' "$1" >"$work/rebuild"
	local status=$?
	cat "$work/rebuild"
	[[ $status -eq 0 ]] || exit 1
	grep -Eq -- "$2" "$work/rebuild" || fail "does not say \`$2\`"
	grep -q "^dkms: $3$" "$work/rebuild" || fail "dkms ended with $(sed -n 's/^dkms: //p' "$work/rebuild"), not $3"
}

other_rustc() {
	rebuild 'mv /usr/bin/rustc /usr/bin/rustc.real
		printf "#!/bin/sh\necho rustc 1.97.1\n" >/usr/bin/rustc; chmod +x /usr/bin/rustc' \
		"kernel was built by rustc 1\.85\.1 .*, but /usr/bin/rustc is rustc 1\.97\.1\. Install" 11
}

no_bindgen() {
	rebuild 'rm /usr/bin/bindgen' "^rust-metadata: there is no bindgen: install" 11
}

other_source() {
	rebuild 'sed -i "/^Package: linux-source-7.3$/,/^\$/s/^Version: .*/Version: 7.3.3-1/" /var/lib/dpkg/status' \
		"is of version 7\.3\.3-1, but the headers of kernel .* are of 7\.3\.4-.*: install the same" 11
}

no_space() {
	rebuild 'mkdir -p /var/cache/barium; mount -t tmpfs -o size=100m tmpfs /var/cache/barium' \
		"/var/cache/barium has [0-9]+ MiB free, 2500 MiB are needed" 11
}

no_source() {
	rebuild 'rm /usr/src/linux-source-7.3.tar.xz' "is skipped: its headers have no Rust metadata.*linux-source-7\.3" 0
}

# A killed build leaves no tree under its final name; the next one removes what is left, also if it is interrupted
# itself.
killed() {
	new_machine t5 t2
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t5 '
		cd /var/cache/barium && rm -rf ..?* .[!.]* *
		run() {
			setsid /usr/src/barium-*/dkms/build $KERNEL /lib/modules/$KERNEL/build >/tmp/log 2>&1 &
			for try in $(seq 300); do
				[ ! -d ./*.tmp/source ] || break
				sleep 0.1
			done
			sleep 1
		}
		run
		kill -KILL -- -$!
		wait $! || true
		sleep 1
		ls
		[ -d ./*.tmp/source ] || { echo "it was not killed in the middle"; exit 1; }
		[ -z "$(find . -mindepth 1 -maxdepth 1 ! -name "*.tmp" ! -name ".lock*")" ] ||
			{ echo "half a tree has its name"; exit 1; }
		work=$(echo ./*.tmp)
		mv $work/source $work/of-the-first
		run
		cat /tmp/log
		[ ! -e $work/of-the-first ] || { echo "the second run uses what the first has left"; exit 1; }
		kill -TERM -- -$!
		wait $! || true
		sleep 1
		[ -z "$(find . -mindepth 1 -maxdepth 1 ! -name ".lock*")" ] ||
			{ ls -A; echo "the second run leaves something"; exit 1; }'
}

# --- T6: a kernel of one's own, from packages that the kernel's own scripts have made

# own_kernel: builds the packages. That takes minutes: they are kept for the same source and
# configuration.
own_kernel() {
	local key own=$work/disks/own
	key=$({ cat "$TOOLS"/kernel/{common,opt}.config "$TOOLS"/packages/own-kernel/* && echo "$trixie"; } | hash_of)
	if [[ -e $own/packages/key && $(<"$own/packages/key") == "$key" ]]; then
		return
	fi
	new_machine own-build base
	remove_tree "$own"
	mkdir -p "$own/configs"
	cp "$TOOLS"/kernel/{common,opt}.config "$TOOLS/packages/own-kernel/own.config" "$own/configs/"
	on own-build '/barium/packages/own-kernel/build.sh /barium/disks/own/configs /barium/disks/own/packages' ||
		fail "the kernel was not built"
	remove_tree "$work/own-build" "$work"/own-build.{work,root}
	echo "$key" >"$own/packages/key"
}

# DKMS builds the module for it when it is installed, without making metadata.
own_kernel_installs() {
	local own
	own=$(<"$work/disks/own/packages/release")
	new_machine t6 t2
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t6 'touch /tmp/before
		apt-get --yes install /barium/disks/own/packages/linux-*.deb
		dkms status | grep ", $1, x86_64: installed"
		modinfo -k $1 barium | grep "^vermagic: *$1 "
		lsinitramfs /boot/initrd.img-$1 | grep "barium\.ko"
		[ -z "$(find /var/cache/barium -newer /tmp/before -name "*.rmeta")" ] ||
			{ echo "metadata was made, although the headers have it"; exit 1; }' "$own"
}

own_kernel_boots() {
	kernel=$(<"$work/disks/own/packages/release")
	on_barium t6 "$1"
}

# --- T7: removal

# left MACHINE: prints what there is of Barium, outside of this test's own directories.
left() {
	# shellcheck disable=SC2016 # the machine's shell expands it
	on "$1" 'find / -xdev \( -path /srv -o -path /barium -o -path /proc -o -path /sys -o -path /tmp \
		-o -path /var/cache/apt -o -path /var/log -o -path /etc/systemd \) -prune -o -iname "*barium*" -print
		lsinitramfs /boot/initrd.img-$KERNEL | grep -i barium'
}

purge() {
	new_machine t7 t2
	on t7 'apt-get --yes purge barium-dkms barium-common
		dkms status' || fail "apt-get ended with an error"
	local found
	found=$(left t7 | head -n 3 | xargs)
	[[ -z $found ]] || fail "left: $found"
}

# The metadata stays for the next installation.
remove_and_reinstall() {
	new_machine t7b t2
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t7b 'apt-get --yes remove barium-dkms
		! modinfo -k $KERNEL barium
		! lsinitramfs /boot/initrd.img-$KERNEL | grep "barium\.ko"
		test -d /var/cache/barium
		apt-get --yes install /barium/deb/barium-dkms_*.deb
		dkms status | grep "$KERNEL, x86_64: installed"
		lsinitramfs /boot/initrd.img-$KERNEL | grep "barium\.ko"'
}

# A later version, made from this one, replaces it; the metadata is used again.
upgrade() {
	new_machine t7c t2
	# shellcheck disable=SC2016 # the machine's shell expands it
	on t7c 'old=$(dpkg-query -W -f "\${Version}" barium-dkms) new=9999.0
		for package in barium-common barium-dkms; do
			dpkg-deb -R /barium/deb/${package}_*.deb /tmp/$package
			sed -i "s/$old/$new/g" /tmp/$package/DEBIAN/*
			rm /tmp/$package/DEBIAN/md5sums
		done
		mv /tmp/barium-dkms/usr/src/barium-$old /tmp/barium-dkms/usr/src/barium-$new
		sed -i "s/$old/$new/" /tmp/barium-dkms/usr/src/barium-$new/dkms.conf
		for package in barium-common barium-dkms; do
			dpkg-deb -b /tmp/$package /tmp/$package.deb
		done
		touch /tmp/before
		apt-get --yes install /tmp/barium-common.deb /tmp/barium-dkms.deb
		dkms status
		[ "$(dkms status)" = "barium/$new, $KERNEL, x86_64: installed" ] || { echo "DKMS has something else"; exit 1; }
		[ -z "$(ls -d /usr/src/barium-$old 2>/dev/null)" ] || { echo "the old source is left"; exit 1; }
		[ /boot/initrd.img-$KERNEL -nt /tmp/before ] || { echo "the initramfs is the old one"; exit 1; }
		[ -z "$(find /var/cache/barium -name libkernel.rmeta -newer /tmp/before)" ] ||
			{ echo "the metadata was made again"; exit 1; }'
}

# binary_package: the package for users without a compiler, on a machine that has none.
binary_package() {
	new_machine binary base
	# shellcheck disable=SC2016 # the machine's shell expands it
	on binary 'apt-get --yes install /barium/deb/barium-common_*.deb /barium/deb/barium-modules-*.deb
		modinfo -k $KERNEL barium
		lsinitramfs /boot/initrd.img-$KERNEL | grep "barium\.ko"' || fail "apt-get ended with an error"
}

main() {
	mkdir -p "$work/log" "$work/disks"
	rm -f "$work/results"
	compgen -G "$OUT/deb/barium-dkms_*.deb" >/dev/null || die "there are no packages in $OUT/deb: \`make deb\` first."
	if group T2 || group T3-dracut || group T4 || group T5 || group T6 || group T7; then
		new_machine_for_t2 || return
	fi
	if group T2; then
		step T2/module module_fits
		step T2/metadata metadata_cached
		step T2/initramfs-tools in_initramfs
	fi
	if group T2 || group T3-dracut || group T6 || group binary; then
		step libbarium-dev program_builds
	fi
	if group T2 || group T3-dracut || group T4; then
		step T2/dracut in_dracut
	fi
	if group T3; then
		step T3/disk disk t2 "$kernel"
		step T3/bochs-display on_barium t2 bochs-display
		step T3/VGA on_barium t2 VGA
		step T3/softdep-alone softdep_alone
		step T3/broken-module broken_module
	fi
	if group T3-dracut; then
		step T3-dracut/disk disk dracut "$kernel"
		step T3-dracut/bochs-display on_barium dracut bochs-display
	fi
	if group T4; then
		step T4/install unsupported_kernel
		step T4/install-with-dracut unsupported_with_dracut
		step T4/boot unsupported_boots
	fi
	if group T5; then
		step T5/other-rustc other_rustc
		step T5/no-bindgen no_bindgen
		step T5/source-of-another-version other_source
		step T5/no-space no_space
		step T5/no-source no_source
		step T5/killed killed
	fi
	# Only on request: it builds a kernel, which takes 20 minutes.
	if [[ ${ONLY-} == *T6* ]] && step T6/build own_kernel && step T6/install own_kernel_installs; then
		step T6/disk disk t6 "$(<"$work/disks/own/packages/release")"
		step T6/bochs-display own_kernel_boots bochs-display
	fi
	if group T7; then
		step T7/purge purge
		step T7/remove-and-reinstall remove_and_reinstall
		step T7/upgrade upgrade
	fi
	if group binary; then
		step binary/install binary_package
		step binary/disk disk binary "$kernel"
		step binary/bochs-display on_barium binary bochs-display
	fi
	return "$failed"
}

# The machine with the installed packages takes minutes to make: it is kept for the same packages.
new_machine_for_t2() {
	local key
	key=$({ cat "$OUT"/deb/*.deb && echo "$trixie"; } | hash_of)
	if [[ -e $work/t2.key && $(<"$work/t2.key") == "$key" ]]; then
		return 0
	fi
	rm -f "$work/t2.key"
	new_machine t2 base
	step T2/install install_dkms || return
	echo "$key" >"$work/t2.key"
}

main "$@"
exit
