#!/bin/bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Tests that the set-up is robust, and what tools/kernel-check says: check.sh quick|all. `quick` uses
# fake parts and takes seconds. `all` also kills real runs, which need the parts in BARIUM_CACHE, and
# takes minutes. All checks work in temporary directories and in a separate mount namespace.
#
# Prints lines `passed NAME`, `skipped NAME: why` or `failed NAME: why`, and finally the number of
# each. CHECK=<regex> selects checks by name.
# shellcheck disable=SC2317 # what check() calls is reached
set -uo pipefail

here=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd)
top=${here%/tools/*}

# All mounts disappear with this mount namespace. SIGINT gets its default action back, which a shell takes
# from commands that it starts in the background: a script cannot trap a signal that was ignored at its start.
if [[ -z ${CHECK_SETUP_INSIDE-} ]]; then
	userns=()
	[[ $(id -u) -eq 0 ]] || userns=(--user --map-root-user)
	export CHECK_SETUP_INSIDE=1
	exec env --default-signal=INT,QUIT setpriv --pdeathsig KILL -- unshare "${userns[@]}" --mount -- \
		"$BASH" "$here/check.sh" "$@"
fi

real_cache=${BARIUM_CACHE:-${XDG_CACHE_HOME:-${HOME-}/.cache}/barium}
real_out=${OUT:-$top/out}/check-setup
work=$(mktemp -d "${TMPDIR:-/tmp}/barium-check.XXXXXX")
trap 'umount --lazy "$work"; rmdir "$work"' EXIT
mount -t tmpfs -o mode=755 barium-check "$work"
unset BARIUM_CACHE XDG_CACHE_HOME OUT KSRC ONLY TESTS MUTANT BENCH KERNEL JOBS MAKEFLAGS MAKELEVEL
counts=([0]=0 [1]=0 [77]=0)

# check NAME COMMAND...: runs COMMAND as a check. Status 0 means passed, 77 skipped. The last line
# of its output is the reason of a failure or skip.
check() {
	local name=$1 status word
	shift
	[[ $name =~ ${CHECK-} ]] || return 0
	reset_sandbox
	("$@") >"$work/check.log" 2>&1
	status=$?
	unmount_all
	case $status in
	0) word=passed ;;
	77) word=skipped ;;
	*) status=1 word=failed ;;
	esac
	counts[status]=$((counts[status] + 1))
	if [[ $status -eq 0 ]]; then
		echo "$word $name"
	else
		echo "$word $name: $(tail -n 1 "$work/check.log")"
	fi
}

# fail WORDS...: ends a check with a failure, after the output of the run under test.
fail() {
	cat "$output" 2>/dev/null
	echo "$*"
	exit 1
}

skip() {
	echo "$*"
	exit 77
}

# reset_sandbox: sets up a source tree with fake scripts for all slow steps, an empty cache and an empty
# OUT.
reset_sandbox() {
	cache=$work/cache out=$work/out tree=$work/tree output=$work/output
	export FAKE_LOG=$work/made
	chmod -R u+rwX "$work" 2>/dev/null
	rm -rf "$cache" "$out" "$tree" "$FAKE_LOG" "${work:?}"/{bin,linux,other,some}
	mkdir -p "$cache" "$out" "$tree/tools" "$work/bin"
	touch "$FAKE_LOG" "$output"
	cp -r "$top"/{Makefile,Kbuild,drivers,uapi,mutants,docs,README.md} "$tree"
	cp -r "$top"/tools/{barium,lib.sh,foreign.sh,setup,kernel,rust-metadata,packages} "$tree/tools"
	local part
	for part in toolbox linux guest kernel stock foreign-{qemu,guest,kernel}; do
		cp "$here/fake-part.sh" "$tree/tools/setup/$part.sh"
	done
	# A machine with enough disk space and all required packages.
	fake_command df 'printf "Avail\n99999M\n"'
	fake_command mmdebstrap 'exit 1'
	PATH=$work/bin:$real_path
}
real_path=$PATH

# fake_command NAME SHELL: overrides a command of the host.
fake_command() {
	printf '#!/bin/sh\n%s\n' "$2" >"$work/bin/$1"
	chmod 755 "$work/bin/$1"
}

# unmount_all: removes the mounts of a check.
unmount_all() {
	local point
	while read -r _ _ _ _ point _; do
		case $point in
		"$work"/?* | "$real_out"/?* | /etc/sub?id) echo "$point" ;;
		esac
	done </proc/self/mountinfo | tac | xargs -r -n1 umount --lazy
}

# barium ARG...: runs the command under test; its output goes to $output.
barium() {
	BARIUM_CACHE=$cache OUT=$out "$tree/tools/barium" "$@" >"$output" 2>&1 </dev/null
}

# fails_with REGEX COMMAND...: checks that COMMAND fails within a minute with a message that matches
# REGEX, and not with an error message of the shell.
fails_with() {
	local regex=$1 status=0 start=$SECONDS
	shift
	"$@" || status=$?
	[[ $status -ne 0 ]] || fail "it did not fail"
	[[ $status -lt 126 ]] || fail "ended with $status"
	((SECONDS - start < 60)) || fail "took $((SECONDS - start)) s"
	grep -Eq -- "$regex" "$output" || fail "does not say \`$regex\` but: $(tail -n 2 "$output" | tr '\n' ' ')"
	! grep -E '(barium|\.sh): line [0-9]+:' "$output" || fail "the shell complains: $(cat "$output")"
}

# fails_cleanly REGEX COMMAND...: like fails_with; also checks that no partial part is left.
fails_cleanly() {
	fails_with "$@"
	no_partial_parts
}

# no_partial_parts: checks that each part with a final name is complete, and that the cache has
# nothing else.
no_partial_parts() {
	local path
	for path in "$cache"/*; do
		case ${path##*/} in
		harness-* | '*') ;;
		*.tmp) fail "${path##*/} is left" ;;
		*) [[ -e $path/whole || -L $path ]] || fail "${path##*/} is not whole" ;;
		esac
	done
}

# start COMMAND...: starts COMMAND in the background, in a session of its own in which SIGINT works
# as on a terminal. Sets session.
start() {
	: >"$output"
	env --default-signal=INT,QUIT setsid "$@" >>"$output" 2>&1 </dev/null &
	session=$!
}

# wait_until_says REGEX: waits until the output of the started command matches REGEX.
wait_until_says() {
	local tries
	for tries in {1..300}; do
		! grep -q -- "$1" "$output" || return 0
		sleep 0.1
	done
	fail "does not say \`$1\` within $((tries / 10)) s"
}

# session_left: lists the remaining processes of the session in all namespaces.
session_left() {
	local stat state pid sid
	for stat in /proc/[0-9]*/stat; do
		read -r stat 2>/dev/null <"$stat" || continue
		pid=${stat%% *}
		read -r state _ _ sid _ <<<"${stat##*) }"
		[[ $sid != "$session" || $state == Z ]] || tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null
	done
}

# kill_session SIGNAL: sends INT to the whole session, as the keyboard does, and other signals to make only.
# Checks that all processes of the session are gone some seconds later.
kill_session() {
	local to=$session tries
	[[ $1 != INT ]] || to=-$session
	kill -s "$1" -- "$to" 2>/dev/null
	for tries in {1..50}; do
		[[ -n $(session_left) ]] || break
		sleep 0.1
	done
	[[ -z $(session_left) ]] || fail "$((tries / 10)) s after SIG$1 there is: $(session_left)"
	wait "$session" || true
}

main() {
	# shellcheck source=in-tree.sh
	. "$here/in-tree.sh"
	in_tree_checks
	# shellcheck source=quick.sh
	. "$here/quick.sh"
	quick_checks
	# shellcheck source=kernel-check.sh
	. "$here/kernel-check.sh"
	kernel_check_checks
	if [[ ${1-} == all ]]; then
		# shellcheck source=real.sh
		. "$here/real.sh"
		real_checks
	fi
	echo "${counts[0]} passed, ${counts[1]} failed, ${counts[77]} skipped"
	[[ ${counts[1]} -eq 0 ]]
}

# bash has read the whole file when it gets here: editing the file during a run is safe.
{ main "$@"; exit; }
