# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Shared by the shell that runs on the host: where things are, how to say things, and the rule
# by which parts of the cache are made. Sourced, never run.
#
# A part is a directory CACHE/KIND-KEY, where KEY is a hash of what it is made from. It is made as
# CACHE/KIND-KEY.tmp by a script of its own in tools/setup and renamed when whole, under a lock per
# kind, and renamed back before it is removed: a part that exists is finished.

# say WHO TEXT...: one line of progress.
say() {
	local who=$1
	shift
	printf '[%s] %s\n' "$who" "$*"
}

die() {
	printf 'barium: %s\n' "$*" >&2
	exit 1
}

[[ -n ${BARIUM_CACHE-}${XDG_CACHE_HOME-}${HOME-} ]] ||
	die "HOME is not set: BARIUM_CACHE=<dir> says where to keep the set-up."
TOOLS=$(cd -- "${BASH_SOURCE[0]%/*}" && pwd)
TOP=${TOOLS%/*}
CACHE=$(realpath -m -- "${BARIUM_CACHE:-${XDG_CACHE_HOME:-${HOME-}/.cache}/barium}")
OUT=$(realpath -m -- "${OUT:-$TOP/out}")
LOG=$OUT/log

# MiB on disk while it is being made, by kind of part.
declare -A SPACE=([toolbox]=4500 [linux]=2000 [kernel-opt]=1200 [kernel-debug]=3000 [kernel-kcsan]=1500
	[kernel-cfi]=1500 [guest]=900)
# What a part has when it is whole, by the first word of its kind: one that somebody has emptied is
# made again.
declare -A PROOF=([toolbox]=usr/libexec/igt-gpu-tools/core_auth [linux]=rust/kernel/drm
	[kernel]=modules/release [guest]=root.squashfs)

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
	local proof=$PART/${PROOF[${kind%%-*}]}
	[[ ! -e $proof ]] || return 0

	local lock start=$SECONDS log=$LOG/$kind.log
	exec {lock}>"$CACHE/.lock-$kind"
	if ! flock --nonblock "$lock"; then
		say "$kind" "another run is making it in $CACHE: waiting for that"
		flock "$lock"
	fi
	if [[ ! -e $proof ]]; then
		[[ ! -e $PART ]] || say "$kind" "$PART is damaged"
		discard "$PART" "$CACHE/$kind"-*.tmp
		need_room "$CACHE" "${SPACE[$kind]-0}"
		say "$kind" "$text (log: $log)"
		if ! setpriv --pdeathsig KILL -- bash "$TOOLS/setup/$script" "$PART.tmp" "$@" >"$log" 2>&1; then
			not_made "$kind" "$log"
		fi
		# A machine that loses its power may keep the new name and lose what is in the files.
		sync --file-system "$PART.tmp"
		mv -T "$PART.tmp" "$PART"
		say "$kind" "done in $((SECONDS - start)) s"
	fi
	exec {lock}>&-
}

# not_made KIND LOG: says why, and ends.
not_made() {
	local kind=$1 log=$2 advice=
	tail -n 20 "$log" >&2
	if grep -q "No space left on device" "$log"; then
		advice="No space is left in $CACHE. Set BARIUM_CACHE to a directory with more room."
	elif [[ $kind == toolbox ]]; then
		advice="Its packages come from the mirror of this machine's apt: does \`apt-get update\` work?"
	fi
	discard "$CACHE/$kind"-*.tmp
	die "$kind: could not be made; the lines above are the end of $log. $advice"
}

# need_room DIR MIB: ends if there is less in the cache.
need_room() {
	local free
	free=$(free_mib "$1")
	((free >= $2)) || die "$1 has $free MiB free, setting up what is missing takes $2 MiB." \
		"Set BARIUM_CACHE to a directory with more room."
}

# free_mib DIR: MiB that can still be written there.
free_mib() {
	df --output=avail -BM "$1" | tail -n1 | tr -dc 0-9
}

# take_lock FILE [OPTION]...: takes the lock, options being flock's. It is held until this shell and
# all that it has started are gone.
take_lock() {
	local file=$1 lock
	shift
	while true; do
		mkdir -p "${file%/*}"
		exec {lock}>"$file"
		flock "$@" "$lock" || break
		# Who had it may have removed the file.
		[[ ! /proc/self/fd/$lock -ef $file ]] || return 0
		exec {lock}>&-
	done
	exec {lock}>&-
	return 1
}

# discard PATH...: removes parts that are there; at no moment is one taken for whole.
discard() {
	local path
	for path in "$@"; do
		if [[ -e $path && $path != *.tmp ]]; then
			remove_tree "$path.tmp"
			mv -T -- "$path" "$path.tmp"
			path+=.tmp
		fi
		remove_tree "$path"
	done
}

# remove_leftovers: what runs that did not come to their end have left in the cache.
remove_leftovers() {
	local path kind lock
	for path in "$CACHE"/*-*.tmp; do
		[[ -e $path ]] || continue
		kind=${path##*/}
		kind=${kind%-*}
		exec {lock}>"$CACHE/.lock-$kind"
		if flock --nonblock "$lock"; then
			say "$kind" "removing ${path##*/}, which an interrupted run has left"
			discard "$path"
		fi
		exec {lock}>&-
	done
}

# remove_tree PATH...: removes what is there, also what belongs to users of our user namespace.
remove_tree() {
	local path
	for path in "$@"; do
		[[ -e $path || -L $path ]] || continue
		[[ -L $path ]] || chmod -R u+rwX -- "$path" 2>/dev/null || true
		rm -rf -- "$path" 2>/dev/null || contained rm -rf -- "$path"
	done
}

# in_toolbox ROOT [HOST:INSIDE[:ro]]... -- CMD...: runs CMD in the toolbox with these bind mounts.
in_toolbox() {
	contained bash "$TOOLS/setup/enter.sh" "$@"
}
