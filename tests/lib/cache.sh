# Sourced by the scripts in tests/vm: things that are expensive to make are
# made once and kept in $IKETCP_CACHE (default ~/.cache/iketcp).
# shellcheck shell=bash
#
#   cache_make KEY FUNCTION   sets $made to the directory KEY in the cache;
#                             if there is none, "FUNCTION TEMPDIR" fills it
#
#   cache_memo KEY COMMAND…   prints what COMMAND does, remembered until apt's
#                             lists change: apt-cache takes a second each time
#
# The key has to say everything the contents depend on: nothing in the cache
# is ever brought up to date.

# What is made, and what is read of apt, does not depend on who calls.
umask 022
export LC_ALL=C
unset LANGUAGE
: "${HOME:=/root}"
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
cache=${IKETCP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iketcp}
mkdir -p "$cache"
cache=$(cd "$cache" && pwd -P)
made=
cache_temp=

cache_cleanup() {
	[[ -z $cache_temp ]] || rm -rf --one-file-system "$cache_temp"
	cache_temp=
}

# The directory appears by rename, so a killed run leaves no half entry; a
# second caller waits for the first. What a killed run did leave is removed
# by the next one that makes the same entry.
#
# Call it as a plain command under "set -e": in "if", "||" or "&&" the shell
# would go on after a failure inside FUNCTION.
cache_make() {
	local key=$1 function=$2 lock
	made=$cache/$key
	if [[ ! -d $made ]]; then
		mkdir -p "$cache/lock"
		exec {lock}>"$cache/lock/$key"
		flock "$lock"
		if [[ ! -d $made ]]; then
			rm -rf --one-file-system "$cache/tmp.$key."*
			cache_temp=$(mktemp -d "$cache/tmp.$key.XXXXXX")
			chmod 755 "$cache_temp"
			trap cache_cleanup EXIT
			trap 'exit 1' INT TERM HUP
			# It inherits the lock: should this script be killed, the next
			# one waits until what goes on without it has ended.
			(set -e; "$function" "$cache_temp") >&2
			mv -T "$cache_temp" "$made"
			cache_temp=
			trap - EXIT INT TERM HUP
		fi
		exec {lock}>&-
	fi
	# Entries that make a crowd are pruned by when they were last used.
	touch -c "$made" 2>/dev/null || true
}

cache_memo() {
	local memo=$cache/memo/$1 lists=/var/lib/apt/lists
	shift
	if [[ ! -s $memo || $lists -nt $memo ]]; then
		mkdir -p "$cache/memo"
		"$@" >"$memo.$$" || { rm -f "$memo.$$"; return 1; }
		mv "$memo.$$" "$memo"
	fi
	cat "$memo"
}
