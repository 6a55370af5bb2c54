# Sourced by scenarios, in the guest, after tests/lib/net.sh: a slow wire between A and
# B, and how long packets take.
# shellcheck shell=bash
#
#   bottleneck [NETEM-ARGUMENTS...]
#                         20 Mbit/s with 20 ms each way, whose own queue holds one round
#                         trip of bytes
#   pings NS ADDRESS SECONDS
#                         20 a second; sets $median and $high, the 95th percentile, in
#                         tenths of a ms

# A packet on this wire is one packet: no device may send several at once. Those that are
# under way count in the limit.
bottleneck() {
	local n dev
	for n in A:toR B:toR R:toA R:toB; do
		dev=${n#*:}
		ns "${n%:*}" ethtool -K "$dev" tso off gso off gro off || return
	done
	for dev in toA toB; do
		ns R tc qdisc replace dev $dev root netem rate 20mbit delay 20ms limit 70 "$@" ||
			return
	done
}

pings() {
	local n=$(($3 * 20)) got
	# shellcheck disable=SC2034 # for who calls us
	read -r median high got < <(ns "$1" ping -i 0.05 -c $n -w $(($3 * 2)) \
		-W 2 "$2" | sed -n 's/.* time=\([0-9.]*\) ms/\1/p' | sort -n |
		awk '{ t[NR] = $1 } END { print int(10 * t[int((NR + 1) / 2)]), int(10 * t[int(NR * .95 + .5)]), NR }')
	echo "$got of $n came back: median $median, 95th percentile $high (in 0.1 ms)"
	((got > n * 3 / 4))
}
