# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Checks with fake parts. Sourced by check.sh.
# shellcheck disable=SC2154 # check.sh sets real_path, session, work

quick_checks() {
	check set-up/makes-each-part-once once
	check set-up/of-two-at-once-one-makes two_at_once
	check set-up/waits-for-the-same-out same_out
	check set-up/leftovers-are-removed leftovers
	check set-up/damaged-part-is-made-again damaged
	check set-up/part-fails part_fails
	check set-up/disk-full-while-making disk_full
	check set-up/cache-too-small cache_too_small
	check set-up/out-too-small out_too_small
	check set-up/cache-read-only cache_read_only
	check set-up/source-read-only source_read_only
	check set-up/source-read-only-without-out source_read_only_without_out
	check set-up/no-home no_home
	check set-up/colon-in-path colon
	check set-up/path-with-spaces spaces
	check set-up/no-mmdebstrap no_mmdebstrap
	check set-up/apt-get-fails apt_get_fails
	check set-up/no-unshare no_unshare
	check set-up/user-without-uidmap user_without_uidmap
	check set-up/user-without-ids user_without_ids
	check set-up/no-capability no_capability
	check set-up/mirror-without-linux mirror_without_linux
	check set-up/mirror-without-stock-kernel mirror_without_stock
	check set-up/stock-kernel-needs-no-source stock_alone
	check set-up/ksrc-is-no-kernel ksrc_is_no_kernel
	check set-up/ksrc-was-built-in ksrc_was_built_in
	check set-up/unknown-kernel unknown_kernel
	check set-up/unknown-arch unknown_arch
	check set-up/arch arch
	check set-up/unknown-command unknown_command
	check packages/version version_of_content
	check packages/user-namespace rename_in_user_namespace
	check out/with-foreign-files foreign_out
	check out/of-another-tree other_tree
	check clean/refused-while-in-use in_use clean "$work/out" "$work/out"
	check clean/removes-only-its-own clean_own
	check distclean/refused-while-in-use in_use distclean "$work/cache" "$work/out-too"
	check distclean/removes-all distclean_all
	check distclean/killed distclean_killed
	local signal
	for signal in INT TERM KILL; do
		check "killed/$signal" killed "$signal"
	done
}

made() {
	sort "$FAKE_LOG" | tr '\n' ' '
}

all_parts='guest kernel-debug kernel-opt kernel-stock linux toolbox '

# succeeds COMMAND...: checks that COMMAND succeeds and that all parts exist.
succeeds() {
	"$@" || fail "ended with $?"
	local kind
	for kind in $all_parts; do
		[[ -n $(compgen -G "$cache/$kind-*") ]] || fail "there is no $kind"
	done
	no_partial_parts
}

once() {
	succeeds barium setup
	succeeds barium setup
	[[ $(made) == "$all_parts" ]] || fail "made: $(made)"
}

# make_setup OUT: starts `make setup` in the background.
make_setup() {
	start env BARIUM_CACHE="$cache" OUT="$1" FAKE_SECONDS="${FAKE_SECONDS-}" make -C "$tree" setup
}

two_at_once() {
	local first
	FAKE_SECONDS=1
	make_setup "$out"
	first=$session
	output=$work/output-too
	make_setup "$work/out-too"
	wait "$session" || fail "the second ended with $?"
	output=$work/output
	wait "$first" || fail "the first ended with $?"
	no_partial_parts
	[[ $(made) == "$all_parts" ]] || fail "made: $(made)"
	cat "$work/output" "$work/output-too" | grep "waiting for that" || fail "no word about waiting"
}

same_out() {
	FAKE_SECONDS=0.5
	make_setup "$out"
	local first=$session
	wait_until_says "making"
	output=$work/output-too
	succeeds barium setup
	grep "is using $out: waiting" "$output" || fail "no word about waiting"
	wait "$first" || fail "the first ended with $?"
}

leftovers() {
	succeeds barium setup
	mkdir -p "$cache/kernel-opt-0123456789ab.tmp/with" "$cache/toolbox-0123456789ab.tmp"
	chmod 000 "$cache/kernel-opt-0123456789ab.tmp/with"
	succeeds barium setup
}

damaged() {
	succeeds barium setup
	local path=("$cache"/kernel-opt-*)
	rm -r "${path[0]:?}"/*
	succeeds barium setup
	grep "kernel-opt" "$output" || fail "no word about it"
}

part_fails() {
	FAKE=broken fails_cleanly "toolbox: could not be made.*$out/log/toolbox.log" barium setup
	grep "a reason" "$output" || fail "no word of why"
	succeeds barium setup
}

disk_full() {
	mount -t tmpfs -o size=16m tmpfs "$cache"
	FAKE=large fails_cleanly "No space left on device" barium setup
	grep "No space is left in $cache.*BARIUM_CACHE" "$output" || fail "no word of where"
	umount "$cache"
	succeeds barium setup
}

cache_too_small() {
	rm "$work/bin/df"
	mount -t tmpfs -o size=1g tmpfs "$cache"
	fails_cleanly "$cache has 10.. MiB free.* takes [0-9]+ MiB.*BARIUM_CACHE" barium setup
	[[ -z $(made) ]] || fail "made: $(made)"
}

out_too_small() {
	mount -t tmpfs -o size=1m tmpfs "$out"
	fake_command df "case \$* in *$out) printf 'Avail\\n1M\\n';; *) printf 'Avail\\n99999M\\n';; esac"
	fails_cleanly "$out has 1 MiB free, 500 MiB are needed.*OUT=" barium setup
}

read_only() {
	mount --bind "$1" "$1"
	mount -o remount,bind,ro "$1"
}

cache_read_only() {
	read_only "$cache"
	fails_cleanly "cannot write to $cache.*BARIUM_CACHE" barium setup
}

source_read_only() {
	read_only "$tree"
	succeeds barium setup
}

source_read_only_without_out() {
	read_only "$tree"
	out='' fails_cleanly "cannot (write to|make) $tree/out.*OUT=" barium setup
}

no_home() {
	fails_cleanly "HOME.*BARIUM_CACHE" env -u HOME OUT="$out" "$tree/tools/barium" setup >"$output" 2>&1
}

colon() {
	out=$work/out:put
	mkdir "$out"
	fails_cleanly "$out.*colon" barium setup
}

spaces() {
	mv "$tree" "$work/a tree"
	tree="$work/a tree" cache="$work/a cache" out="$work/an out"
	succeeds barium setup
	succeeds barium setup
	rm -rf "$tree" "$cache" "$out"
}

# hide_commands COMMAND...: sets PATH to one with all commands but these.
hide_commands() {
	local dir name
	mkdir "$work/some"
	for dir in ${real_path//:/ }; do
		ln -s "$dir"/* "$work/some/" 2>/dev/null
	done
	for name in "$@"; do
		rm -f "$work/bin/$name" "$work/some/$name"
	done
	PATH=$work/bin:$work/some
}

no_mmdebstrap() {
	hide_commands mmdebstrap apt-get
	fails_cleanly "missing on this machine: mmdebstrap.*install" barium setup
}

apt_get_fails() {
	hide_commands mmdebstrap
	fake_command apt-get 'echo "E: Unable to locate package mmdebstrap"; exit 100'
	fails_cleanly "could not install mmdebstrap.*host.log" barium setup
	grep "Unable to locate" "$output" || fail "no word of why"
}

no_unshare() {
	hide_commands unshare
	fails_cleanly "missing on this machine: util-linux.*install" barium setup
}

# as_user COMMAND...: runs tools/barium as an unprivileged user who owns the directories.
as_user() {
	chown -R 65534:65534 "$work" 2>/dev/null || skip "there is no other user in this user namespace"
	setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all -- \
		env BARIUM_CACHE="$cache" OUT="$out" "$tree/tools/barium" "$@" >"$output" 2>&1 </dev/null
}

user_without_uidmap() {
	hide_commands newuidmap
	fails_cleanly "missing on this machine: uidmap.*install" as_user setup
}

user_without_ids() {
	fake_command newuidmap 'exit 1'
	fake_command newgidmap 'exit 1'
	fails_cleanly "user namespace.*/etc/subuid" as_user setup
}

in_container() {
	setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin -- \
		env BARIUM_CACHE="$cache" OUT="$out" "$tree/tools/barium" "$@" >"$output" 2>&1
}

no_capability() {
	fails_cleanly "unshare is refused.*CAP_SYS_ADMIN" in_container setup
}

mirror_without_linux() {
	FAKE=without-linux fails_cleanly "no linux-source-7.3.*KSRC" barium setup
}

mirror_without_stock() {
	FAKE=without-stock barium setup || fail "ended with $?"
	grep "no Debian kernel 7.3: its guests are skipped" "$output" || fail "no word about it"
	[[ $(made) == "${all_parts/kernel-stock /}" ]] || fail "made: $(made)"
}

# The command fails after the set-up, as a fake toolbox cannot build the harness.
stock_alone() {
	fails_cleanly "the harness could not be built" barium run
	[[ $(made) == "guest kernel-stock toolbox " ]] || fail "made: $(made)"
	rm -r "${cache:?}"/*
	: >"$FAKE_LOG"
	FAKE=without-stock fails_cleanly "the harness could not be built" barium run
	grep "no Debian kernel 7.3: building one" "$output" || fail "no word about it"
	[[ $(made) == "guest kernel-opt linux toolbox " ]] || fail "made: $(made)"
}

ksrc_is_no_kernel() {
	mkdir "$work/bin/empty"
	KSRC=$work/bin/empty fails_cleanly "KSRC=.* is not a kernel source tree" barium setup
}

ksrc_was_built_in() {
	mkdir -p "$work/bin/linux/rust/kernel/drm"
	touch "$work/bin/linux/.config"
	KSRC=$work/bin/linux fails_cleanly "KSRC=.*mrproper" barium setup
}

unknown_kernel() {
	KERNEL=optimal fails_cleanly "KERNEL=optimal: must be stock, opt or debug" barium shell
}

unknown_arch() {
	ARCH=arm7 fails_cleanly "ARCH=arm7: must be x86_64, arm64, " barium test
	ARCH=arm64 fails_cleanly "ARCH=arm64: only setup, run, " barium lint
	ARCH=riscv64 fails_cleanly "ARCH=riscv64: the benchmark knows " barium bench
	ARCH=arm64 KERNEL=stock fails_cleanly "ARCH=arm64 has the kernels opt and debug" barium shell
	ARCH=riscv64 KERNEL=debug fails_cleanly "ARCH=riscv64 has the kernel opt only" barium shell
	ARCH=arm64 ACCEL=kvm fails_cleanly "ACCEL=kvm: guests of ARCH=arm64 are emulated" barium run
}

# The parts for another architecture are made only for it, beside the toolbox and the source.
arch() {
	ARCH=arm64 barium setup || fail "ended with $?: $(tail -n 2 "$output")"
	[[ $(made) == "foreign-guest-arm64 foreign-kernel-arm64-4k foreign-qemu-arm64 linux toolbox " ]] ||
		fail "made: $(made)"
	[[ -d $out/arm64/log ]] || fail "there is: $(ls -A "$out")"
	ARCH=arm64-64k barium setup || fail "ended with $?: $(tail -n 2 "$output")"
	[[ $(made) == *"foreign-kernel-arm64-64k "* ]] || fail "made: $(made)"
	[[ $(grep -c foreign-guest "$FAKE_LOG") == 1 ]] || fail "made twice: $(made)"
	succeeds barium setup
	barium clean || fail "ended with $?"
	[[ ! -e $out ]] || fail "there is: $(ls -A "$out")"
	barium distclean || fail "ended with $?"
	[[ ! -e $cache ]] || fail "there is: $(ls -A "$cache")"
}

unknown_command() {
	fails_cleanly "setup" barium st
}

# The version of the packages is that of their content, whatever makepkg has left.
version_of_content() {
	local first arch=$tree/packaging/arch
	cp -r "$top/packaging" "$tree"
	cp "$top"/tools/{module-files,module-source,kernel-check} "$tree/tools"
	first=$("$tree/tools/packages/version") || fail "ended with $?"
	[[ $first =~ ^0\.[0-9]+\+[0-9a-f]{12}$ ]] || fail "it is $first"
	sed -i "s/^pkgver=.*/pkgver=$first/" "$arch/PKGBUILD"
	mkdir -p "$arch"/{pkg,src}
	touch "$arch"/{pkg/file,src/file,"barium-dkms-$first.pkg.tar.zst"}
	[[ $("$tree/tools/packages/version") == "$first" ]] || fail "makepkg changes it"
	echo >>"$tree/packaging/common/modprobe.conf"
	[[ $("$tree/tools/packages/version") != "$first" ]] || fail "other content has the same version"
}

# dpkg renames new directories, also where the user is not root.
rename_in_user_namespace() {
	local namespace=(unshare --user --map-root-user --mount --pid --fork --)
	"${namespace[@]}" true || skip "no user namespace can be made here"
	# The host's /usr as the root: / itself has mounts on it, which overlayfs refuses.
	mkdir -p "$work/some/top"/{dev,proc,sys,tmp}
	ln -s . "$work/some/top/usr"
	"${namespace[@]}" bash "$tree/tools/packages/enter.sh" "$work/some/top:/usr" "$work/some/upper" -- perl -e '
		mkdir "/share/barium.new" or die "$!";
		rename "/share/barium.new", "/share/barium" or die "$!"' >"$output" 2>&1 || {
		! grep -q "overlayfs cannot be mounted" "$output" || skip "overlayfs cannot be mounted on tmpfs here"
		fail "ended with an error"
	}
	[[ -d $work/some/upper/share/barium ]] || fail "the directory is not there"
}

# in_use COMMAND DIR OUT: checks that COMMAND does not touch DIR while a run with OUT is making a
# part.
in_use() {
	succeeds barium setup
	rm -r "$cache"/kernel-opt-*
	FAKE_SLOW=kernel-opt make_setup "$3"
	wait_until_says "kernel-opt.*building"
	output=$work/output-too
	fails_with "another run is using $2" barium "$1"
	kill_session KILL
}

foreign_out() {
	touch "$out/mine"
	fails_cleanly "$out has files in it.*OUT=" barium setup
	fails_cleanly "$out has files in it.*OUT=" barium clean
	[[ $(ls -A "$out") == mine ]] || fail "there is: $(ls -A "$out")"
}

# make must not take files that were built from another source tree for up to date.
other_tree() {
	succeeds barium setup
	mkdir "$out/igt"
	succeeds barium setup
	[[ -e $out/igt ]] || fail "what was built is gone"
	mv "$tree" "$work/tree-too"
	tree=$work/tree-too succeeds barium setup
	rm -r "$work/tree-too"
	[[ ! -e $out/igt ]] || fail "what was built is still there"
}

clean_own() {
	succeeds barium setup
	mkdir "$out/mine"
	barium clean || fail "ended with $?"
	[[ $(ls -A "$out") == mine ]] || fail "there is: $(ls -A "$out")"
}

distclean_all() {
	succeeds barium setup
	touch "$cache/mine"
	barium distclean || fail "ended with $?"
	[[ $(ls -A "$cache") == mine ]] || fail "there is: $(ls -A "$cache")"
}

# distclean is killed while it removes the second part.
distclean_killed() {
	succeeds barium setup
	# shellcheck disable=SC2016 # the command expands it
	fake_command rm 'for path; do :; done
		case $path in *kernel-opt*) exec /bin/rm "$path/whole";; esac
		exec /bin/rm "$@"'
	fake_command du 'echo 1'
	barium distclean
	rm "$work/bin/rm"
	local path
	for path in "$cache"/*-*; do
		[[ $path == *.tmp || $path == */harness-* || -e $path/whole ]] || fail "$path is not whole"
	done
	succeeds barium setup
}

# killed SIGNAL: kills a run while it makes a random part, and checks that the next run succeeds.
killed() {
	local kinds
	read -r -a kinds <<<"$all_parts"
	FAKE_SLOW=${kinds[RANDOM % ${#kinds[@]}]} make_setup "$out"
	sleep "$((RANDOM % 3)).$((RANDOM % 10))"
	kill_session "$1"
	local path
	for path in "$cache"/*-*; do
		[[ $path == *.tmp || $path == */harness-* || $path == *'*'* || -e $path/whole ]] ||
			fail "$path is not whole"
	done
	succeeds barium setup
}
