# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0 OR MIT
#
# Shared by the scripts that run on the host: paths, messages, and the cache of parts. Sourced,
# never run.
#
# A part is a directory CACHE/KIND-KEY; KEY is a hash of its inputs. A script in tools/setup makes
# it as CACHE/KIND-KEY.tmp under a lock for its kind, and it gets its final name when it is
# complete. Before it is removed, it is renamed back. So a part with its final name is always
# complete.

# say TOPIC TEXT...: prints one line of progress.
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

# use_out DIR: puts all results and logs into DIR from now on.
use_out() {
	OUT=$1 LOG=$1/log
}

# Disk space in MiB that making a part takes, by kind.
declare -A SPACE=([toolbox]=5000 [linux]=2000 [kernel-stock]=3000 [kernel-opt]=1200 [kernel-debug]=3000 [kernel-kcsan]=1500
	[kernel-cfi]=1500 [guest]=900 [trixie]=3000 [debtools]=2500 [desktop]=1500 [desktops]=6000
	[foreign-qemu-arm64]=900 [foreign-guest-arm64]=1800 [foreign-kernel-arm64-4k]=1000
	[foreign-kernel-debug-arm64-4k]=3000 [foreign-kernel-arm64-16k]=1000 [foreign-kernel-arm64-64k]=1000
	[foreign-qemu-riscv64]=900 [foreign-guest-riscv64]=1800 [foreign-kernel-riscv64-4k]=1000)
# A file that a complete part has, by the first word of its kind. If the file is missing, the part
# is made again.
declare -A PROOF=([toolbox]=usr/libexec/igt-gpu-tools/core_auth [linux]=rust/kernel/drm
	[kernel]=modules/release [guest]=root.squashfs [trixie]=srv/barium/other-kernel
	[debtools]=root/usr/bin/lintian [desktop]=root/usr/bin/labwc [desktops]=root.squashfs
	[foreign]=.made)

# hash_of: prints 12 hex digits of a hash of stdin.
hash_of() {
	sha256sum | cut -c1-12
}

# is_root: returns true if the toolbox can be made and entered without a user namespace.
is_root() {
	[[ $(id -u) -eq 0 ]]
}

# contained CMD...: runs CMD in mount and PID namespaces of its own. Its processes and mounts
# disappear when this shell ends, for whatever reason.
contained() {
	local userns=()
	is_root || userns=(--user --map-auto --map-root-user)
	setpriv --pdeathsig KILL -- \
		unshare "${userns[@]}" --mount --pid --fork --kill-child -- "$@"
}

# make_part KIND KEY TEXT SCRIPT [ARG...]: makes the part with SCRIPT if it does not exist. SCRIPT
# gets the temporary path and the ARGs; its output goes to a log. Sets PART to the part's path. With
# CACHED_ONLY set, returns false instead of making the part.
make_part() {
	local kind=$1 key=$2 text=$3 script=$4
	shift 4
	PART=$CACHE/$kind-$key
	local proof=$PART/${PROOF[${kind%%-*}]}
	[[ ! -e $proof ]] || return 0
	[[ -z ${CACHED_ONLY-} ]] || return 1

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
		# After a power failure, the file system may have the new name and no file contents.
		sync --file-system "$PART.tmp"
		mv -T "$PART.tmp" "$PART"
		say "$kind" "done in $((SECONDS - start)) s"
	fi
	exec {lock}>&-
}

# not_made KIND LOG: prints why a part could not be made, and ends.
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

# need_room DIR MIB: ends with a message if DIR has less free space.
need_room() {
	local free
	free=$(free_mib "$1")
	((free >= $2)) || die "$1 has $free MiB free, setting up what is missing takes $2 MiB." \
		"Set BARIUM_CACHE to a directory with more room."
}

# free_mib DIR: prints the free space in MiB.
free_mib() {
	df --output=avail -BM "$1" | tail -n1 | tr -dc 0-9
}

# take_lock FILE [OPTION]...: takes the lock with flock's OPTIONs. The lock is held until this shell
# and all its child processes have ended.
take_lock() {
	local file=$1 lock
	shift
	while true; do
		mkdir -p "${file%/*}"
		exec {lock}>"$file"
		flock "$@" "$lock" || break
		# The previous owner of the lock may have removed the file.
		[[ ! /proc/self/fd/$lock -ef $file ]] || return 0
		exec {lock}>&-
	done
	exec {lock}>&-
	return 1
}

# discard PATH...: removes parts. A part loses its final name before its content is removed.
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

# remove_leftovers: removes partial parts of interrupted runs from the cache.
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

# remove_tree PATH...: removes PATHs if they exist, including files of other users of the user
# namespace.
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
