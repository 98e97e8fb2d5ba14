# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Shared by the shell that runs on the host: where things are, how to say things, and the rule
# by which parts of the cache are made. Sourced, never run.
#
# A part is a file or directory CACHE/KIND-KEY, where KEY is a hash of what it is made from. It is
# made as CACHE/KIND-KEY.tmp by a script of its own in tools/setup and renamed when whole, under a
# lock per kind: a part that exists is finished.

TOOLS=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd)
TOP=${TOOLS%/*}
CACHE=$(realpath -m -- "${BARIUM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/barium}")
OUT=$(realpath -m -- "${OUT:-$TOP/out}")
LOG=$OUT/log

# say WHO TEXT...: one line of progress.
say() {
	local who=$1
	shift
	printf '[%s] %s\n' "$who" "$*"
}

die() {
	printf 'barium: %s\n' "$@" >&2
	exit 1
}

# hash_of: 12 hex digits of what is on stdin.
hash_of() {
	sha256sum | cut -c1-12
}

# is_root: whether the toolbox can be made and entered without a user namespace.
is_root() {
	[[ $(id -u) -eq 0 ]]
}

# contained CMD...: runs CMD so that its processes and mounts are gone when this shell is, however
# it ends.
contained() {
	local userns=()
	is_root || userns=(--user --map-auto --map-root-user)
	setpriv --pdeathsig KILL -- \
		unshare "${userns[@]}" --mount --pid --fork --kill-child -- "$@"
}

# make_part KIND KEY TEXT SCRIPT [ARG...]: sees to it that the part is there. SCRIPT gets the
# temporary path and ARGs; its output goes to a log. Sets PART to the part's path.
make_part() {
	local kind=$1 key=$2 text=$3 script=$4
	shift 4
	PART=$CACHE/$kind-$key
	[[ ! -e $PART ]] || return 0

	local lock start=$SECONDS log=$LOG/$kind.log
	exec {lock}>"$CACHE/.lock-$kind"
	if ! flock --nonblock "$lock"; then
		say "$kind" "another run is making it in $CACHE: waiting for that"
		flock "$lock"
	fi
	if [[ ! -e $PART ]]; then
		remove_tree "$CACHE/$kind"-*.tmp
		say "$kind" "$text (log: $log)"
		if ! setpriv --pdeathsig KILL -- bash "$TOOLS/setup/$script" "$PART.tmp" "$@" >"$log" 2>&1; then
			tail -n 20 "$log" >&2
			die "$kind: could not be made; the lines above are the end of $log"
		fi
		mv -T "$PART.tmp" "$PART"
		say "$kind" "done in $((SECONDS - start)) s"
	fi
	exec {lock}>&-
}

# remove_tree PATH...: removes what is there, also what belongs to users of our user namespace.
remove_tree() {
	local path
	for path in "$@"; do
		[[ -e $path || -L $path ]] || continue
		chmod -R u+rwX -- "$path" 2>/dev/null || true
		rm -rf -- "$path" 2>/dev/null || contained rm -rf -- "$path"
	done
}

# in_toolbox ROOT [HOST:INSIDE[:ro]]... -- CMD...: runs CMD in the toolbox with these bind mounts.
in_toolbox() {
	contained bash "$TOOLS/setup/enter.sh" "$@"
}
