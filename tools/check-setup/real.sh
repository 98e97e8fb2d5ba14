# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Checks with real parts: runs of a guest that are killed, disturbed, or lack something. Sourced by
# check.sh.
# shellcheck disable=SC2154 # check.sh sets real_cache, real_out, session, top, work

kills=10

real_checks() {
	mkdir -p "$real_out" || return
	check real/no-mirror no_mirror
	local signal
	for signal in INT TERM KILL; do
		check "real/toolbox-killed-$signal" toolbox_killed "$signal"
	done
	check real/source-read-only real_source_read_only
	check real/source-trees-do-not-mix trees_do_not_mix
	check real/out-full out_full
	check real/killed-at-random killed_at_random
	check real/user-without-rights real_user
	rm -rf "$real_out"
}

# set_test_command TREE OUT: sets command to a short run.
set_test_command() {
	command=(env BARIUM_CACHE="$real_cache" OUT="$2" ONLY=opt/bochs-display TESTS=barium_params
		make --no-print-directory -C "$1" test)
}

# passes COMMAND...: checks that COMMAND succeeds, and that tests passed and none failed.
passes() {
	PATH=$real_path "$@" >"$output" 2>&1 </dev/null || fail "ended with $?: $(tail -n 1 "$output")"
	tail -n 1 "$output" | grep -E '^[1-9][0-9]* passed, 0 failed' || fail "$(tail -n 1 "$output")"
}

# The only mirror in the host's apt sources does not answer.
no_mirror() {
	PATH=$real_path command -v mmdebstrap || skip "there is no mmdebstrap here"
	cp "$top/tools/setup/toolbox.sh" "$tree/tools/setup/"
	rm "$work/bin/mmdebstrap"
	fake_command apt-get "case \$1 in
		indextargets) echo 'Debian http://127.0.0.1:9/debian' ;;
		*) PATH=$real_path exec apt-get \"\$@\" ;;
	esac"
	fails_cleanly "toolbox: .* mirror" barium setup
	grep "127.0.0.1" "$output" || fail "no word of which"
}

# The run is killed while mmdebstrap downloads and installs packages.
toolbox_killed() {
	PATH=$real_path command -v mmdebstrap || skip "there is no mmdebstrap here"
	cp "$top/tools/setup/toolbox.sh" "$tree/tools/setup/"
	rm "$work/bin/mmdebstrap"
	make_setup "$out"
	sleep "$((RANDOM % 8 + 2)).$((RANDOM % 10))"
	grep -q "making a Debian root" "$output" || fail "it did not begin: $(tail -n 1 "$output")"
	kill_session "$1"
	[[ ! -e $(compgen -G "$cache/toolbox-*[0-9a-f]") ]] || fail "there is a toolbox"
	cp "$here/fake-part.sh" "$tree/tools/setup/toolbox.sh"
	succeeds barium setup
}

real_source_read_only() {
	mkdir "$work/other"
	mount --bind "$top" "$work/other"
	mount -o remount,bind,ro "$work/other"
	set_test_command "$work/other" "$real_out/read-only"
	passes "${command[@]}"
}

# Two source trees with different harnesses build at the same time, twice; each must get its own
# harness.
trees_do_not_mix() {
	local turn first other=$work/other
	mkdir "$other"
	copy_of_tree "$other"
	sed -i 's/usage: barium/usage: another barium/' "$other/tools/harness/src/main.rs"
	for turn in 1 2; do
		set_test_command "$other" "$real_out/other"
		output=$work/output-too
		PATH=$real_path start "${command[@]}"
		first=$session
		output=$work/output
		set_test_command "$top" "$real_out/own"
		passes "${command[@]}"
		wait "$first" || fail "in turn $turn the other ended with $?: $(tail -n 1 "$work/output-too")"
		grep -q "usage: another barium" "$real_out/other/bin/barium" || fail "the other has ours"
		! grep -q "usage: another barium" "$real_out/own/bin/barium" || fail "ours is the other"
	done
}

# The disk with the results has enough space at the start and becomes full later.
out_full() {
	mkdir -p "$real_out/full"
	mount -t tmpfs -o size=530m barium-check "$real_out/full"
	set_test_command "$top" "$real_out/full"
	(
		until [[ -s $real_out/full/vm/opt-bochs-display/console.log ]]; do
			sleep 0.1
		done
		head -c 600M /dev/zero >"$real_out/full/large" 2>/dev/null
	) &
	local status=0 start=$SECONDS
	PATH=$real_path "${command[@]}" >"$output" 2>&1 </dev/null || status=$?
	((SECONDS - start < 200)) || fail "took $((SECONDS - start)) s"
	[[ $status -ne 0 ]] || fail "it did not fail"
	grep -Ei "no (space|room)" "$output" || fail "no word of it: $(tail -n 1 "$output")"
}

# Kills ten runs at random moments between start and end; then one run must pass.
killed_at_random() {
	local mounts turn signals=(INT TERM KILL) start=$SECONDS takes
	set_test_command "$top" "$real_out/killed"
	passes "${command[@]}"
	takes=$(((SECONDS - start) * 10))
	mounts=$(cat /proc/self/mountinfo)
	for ((turn = 0; turn < kills; turn++)); do
		# Leaves something to build.
		rm -rf "$real_out"/killed/{igt,examples,module-opt}
		PATH=$real_path start "${command[@]}"
		local wait=$((RANDOM % takes))
		sleep "$((wait / 10)).$((wait % 10))"
		echo "SIG${signals[turn % 3]} after $((wait / 10)).$((wait % 10)) s"
		kill_session "${signals[turn % 3]}"
		[[ $(cat /proc/self/mountinfo) == "$mounts" ]] || fail "there are more mounts"
		nothing_left_in_cache
	done
	passes "${command[@]}"
}

# nothing_left_in_cache: checks that the cache has no partial part, except those that another run is
# making.
nothing_left_in_cache() {
	local path kind
	for path in "$real_cache"/*.tmp; do
		kind=${path##*/}
		[[ ! -e $path ]] || ! flock --nonblock "$real_cache/.lock-${kind%-*}" true ||
			fail "${path##*/} is left"
	done
}

# A user with ids in /etc/subuid and no other privileges, and with a cache and source tree owned by
# that user. The parts are the real ones.
real_user() {
	local path id=65534
	PATH=$real_path command -v newuidmap || skip "there is no newuidmap here"
	[[ $(wc -l </proc/self/uid_map) -eq 1 && $(id -u) -eq 0 ]] || skip "this is a user namespace"
	echo "$(id -un "$id"):100000:65536" >"$work/ids"
	mount --bind "$work/ids" /etc/subuid
	mount --bind "$work/ids" /etc/subgid
	for path in "$real_cache"/{toolbox,linux,guest,kernel-opt}-*; do
		mkdir "$cache/${path##*/}"
		mount --bind "$path" "$cache/${path##*/}"
	done
	mkdir -p "$work/other" "$work/user" "$real_out/user"
	mount --bind "$real_out/user" "$work/user"
	copy_of_tree "$work/other"
	chown "$id:$id" "$cache" "$work/user"
	set_test_command "$work/other" "$work/user"
	passes setpriv --reuid "$id" --regid "$id" --clear-groups -- \
		env HOME="$work" "${command[@]}" BARIUM_CACHE="$cache"
}

# copy_of_tree DIR: copies the source tree without build results.
copy_of_tree() {
	tar -C "$top" --exclude=./out --exclude=./.git -cf - . | tar -C "$1" -xf -
}
