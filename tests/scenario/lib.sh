# Sourced by scenarios, in the guest, after tests/lib/tap.sh and net.sh: a
# connection between A and B and SAs with manual keys on it.
# shellcheck shell=bash
#
#   try DESCRIPTION COMMAND…    check() of tap.sh in this very shell: for what
#                               sets variables or starts processes
#   spawn NS COMMAND…           starts COMMAND in NS; sets $spawned, its pid
#   end PID…                    ends such processes
#   servers_up                  "traffic serve" in A and B
#   conn_up ULP 4|6|mapped [SOURCE-PORT]
#                               B listens on port 4500, A connects; both sockets
#                               have ULP, or A's and B's one each (ULP:ULP); sets
#                               $port, A's port, and $hold_a and $hold_b, who
#                               hold them
#   conn_down                   ends both
#   sa_up FAMILY MODE ALG ESN WINDOW [ip xfrm state arguments]
#                               an SA each way and the policies for them; FAMILY
#                               of the outer packets; new SPIs each time, in
#                               $spi_ab and $spi_ba; with $encap: another
#                               encapsulation than espintcp
#   sa_update FAMILY MODE ALG ESN WINDOW    moves them to another $port
#   sa_down                     removes them
#   inner NS 4|6                the address behind A, B or C that a tunnel is for
#   inner_up                    gives A and B those addresses
#   pairs FROM TO 4|6…          inner addresses for "traffic"
#   sas_carried PACKETS [tfc]   at least so many packets went over each SA, both
#                               ends counted the same, and xfrm found no fault;
#                               bytes do not count with TFC padding, of which
#                               only the receiver knows
#   sas_account, sas_accounted PACKETS
#                               the same where more is sent than the connection
#                               can take: all packets since sas_account came in
#                               but those counted as OutFull or OutDelay
#   all_down                    removes the network and what runs in it
#   no_faults                   xfrm found none in A and B but $known_faults
#   stat_of NS FILE NAME        sets $value: a counter of /proc/net/FILE, 0 where
#                               it is not there; needs servers_up, no process
#   stats_note NS FILE, stats_rose NS FILE NAME...
#                               notes all counters; those that rose since, in
#                               $rose as "NAME=N NAME=N"
#
# SPIs and keys are fixed: nothing here is secret. Processes are slow to start
# in an emulated guest, hence the pains taken to do without.

hold=$(dirname "${BASH_SOURCE[0]}")/hold
traffic=$(dirname "${BASH_SOURCE[0]}")/traffic
state=$(mktemp -d)
declare -A server noted

try() {
	local name=$1
	shift
	if "$@" >"$state.output" 2>&1; then
		ok "$name"
	else
		not_ok "$name"
		diag "$* failed:"
		diag "$(<"$state.output")"
		return 1
	fi
}

outer() {
	case $2 in
	mapped) net_address "$1" 4 ;;
	*) net_address "$1" "$2" ;;
	esac
}

inner() {
	case $1$2 in
	A4) echo 192.168.1.1 ;;
	B4) echo 192.168.2.1 ;;
	C4) echo 192.168.3.1 ;;
	A6) echo fd01::1 ;;
	B6) echo fd02::1 ;;
	C6) echo fd03::1 ;;
	esac
}

spawn() {
	local ns=$1
	shift
	# Not ns(): this way the process is the command itself. <&0, as "&" would
	# give it /dev/null.
	nsenter --net="/run/netns/$ns" -- "$@" <&0 &
	spawned=$!
}

end() {
	kill "$@" 2>/dev/null
	wait "$@" 2>/dev/null
	return 0
}

servers_up() {
	local n
	rm -f "$state"/serve.*
	for n in A B; do
		spawn $n "$traffic" serve "$state/serve.$n"
		server[$n]=$spawned
	done
	wait_until 20 test -e "$state/serve.A" -a -e "$state/serve.B"
}

all_down() {
	end "${server[@]}"
	net_down
}

pairs() {
	local from=$1 to=$2 f
	shift 2
	for f; do
		echo "$(inner "$from" "$f") $(inner "$to" "$f")"
	done
}

inner_up() {
	local n
	for n in A B; do
		ip -n "$n" -batch - <<-END || return
			addr add $(inner "$n" 4)/32 dev lo
			addr add $(inner "$n" 6)/128 dev lo nodad
		END
		inner_routes "$n" || return
	done
}

# Packets to the other side leave by the inner address.
inner_routes() {
	case $1 in
	A) ip -n A -batch - <<-END ;;
		route add 192.168.2.0/24 via 10.1.0.254 src 192.168.1.1
		route add fd02::/64 via fd00:1::fe src fd01::1
	END
	B) ip -n B -batch - <<-END ;;
		route add 192.168.1.0/24 via 10.2.0.254 src 192.168.2.1
		route add fd01::/64 via fd00:2::fe src fd02::1
	END
	esac
}

conn_up() {
	local ulp=$1 family=$2 at
	shift 2
	at=$(outer B "$family")
	[[ $family != mapped ]] || at=::ffff:$at
	rm -f "$state"/[AB] "$state/B.listening"
	policies_readable
	spawn B "$hold" listen "${ulp#*:}" "$at" 4500 "$state/B"
	hold_b=$spawned
	wait_until 20 test -e "$state/B.listening" || return
	spawn A "$hold" connect "${ulp%:*}" "$at" 4500 "$state/A" "$@"
	hold_a=$spawned
	wait_until 20 test -e "$state/A" -a -e "$state/B" || return
	read -r port _ <"$state/A"
}

# The sockets' own policies need somebody who can read them.
policies_readable() { [[ -d /sys/module/xfrm_user ]] || modprobe xfrm_user; }

conn_down() { end "$hold_a" "$hold_b"; }

# The words of "ip xfrm state" for an algorithm.
algorithm() {
	local k16=000102030405060708090a0b0c0d0e0f
	case $1 in
	gcm) echo "aead rfc4106(gcm(aes)) 0x${k16}10111213 128" ;;
	chacha) echo "aead rfc7539esp(chacha20,poly1305) 0x$k16${k16}10111213 128" ;;
	cbc) echo "enc cbc(aes) 0x$k16 auth-trunc hmac(sha256) 0x$k16$k16 128" ;;
	null) echo "enc ecb(cipher_null) \"\" auth-trunc hmac(sha1) 0x${k16}10111213 96" ;;
	esac
}

sa_up() {
	local family=$1 mode=$2 alg=$3 esn=$4 window=$5 a b n f flag='' ab='' ba=''
	shift 5
	a=$(outer A "$family") b=$(outer B "$family")
	sa_count=$((${sa_count:-0} + 1))
	spi_ab=$(printf 0x%x $((0x1000 + sa_count)))
	spi_ba=$(printf 0x%x $((0x2000 + sa_count)))
	[[ $mode != tunnel ]] || flag='flag af-unspec'
	[[ $esn != esn ]] || flag+=' flag esn'
	if [[ $mode == beet ]]; then
		# The addresses inside are the state's own.
		f=${inner_families:-4}
		ab="sel src $(inner A "$f") dst $(inner B "$f")"
		ba="sel src $(inner B "$f") dst $(inner A "$f")"
	fi
	for n in A B; do
		{
			echo "xfrm state add src $a dst $b proto esp spi $spi_ab reqid 1" \
				"mode $mode $flag replay-window $window $(algorithm "$alg")" \
				"encap ${encap:-espintcp} $port 4500 0.0.0.0 $* $ab"
			echo "xfrm state add src $b dst $a proto esp spi $spi_ba reqid 1" \
				"mode $mode $flag replay-window $window $(algorithm "$alg")" \
				"encap ${encap:-espintcp} 4500 $port 0.0.0.0 $* $ba"
			if [[ $mode == transport ]]; then
				policies "$n" "$a" "$b" "$a" "$b" "$mode"
				carrier_policies "$n" "$a" "$b"
			else
				for f in ${inner_families:-4 6}; do
					policies "$n" "$(inner A "$f")" "$(inner B "$f")" \
						"$a" "$b" "$mode"
				done
			fi
		} | ip -n "$n" -batch - || return
	done
}

# policies NS INNER-A INNER-B OUTER-A OUTER-B MODE: "ip -batch" lines
policies() {
	local ab=out ba='in fwd' dir
	[[ $1 == A ]] || { ab='in fwd'; ba=out; }
	for dir in $ab; do
		echo "xfrm policy add src $2 dst $3 dir $dir" \
			"priority 2 tmpl src $4 dst $5 proto esp reqid 1 mode $6"
	done
	for dir in $ba; do
		echo "xfrm policy add src $3 dst $2 dir $dir" \
			"priority 2 tmpl src $5 dst $4 proto esp reqid 1 mode $6"
	done
}

# carrier_policies NS A B: the connection itself goes in the clear. A socket's
# own policy does that, too, but not for IPv4 in an IPv6 socket. Lower numbers
# come first.
carrier_policies() {
	local ab=out ba=in
	[[ $1 == A ]] || { ab=in; ba=out; }
	echo "xfrm policy add src $2 dst $3 proto tcp dport 4500 dir $ab priority 1"
	echo "xfrm policy add src $3 dst $2 proto tcp sport 4500 dir $ba priority 1"
}

sa_down() {
	local n
	for n in A B; do
		ip -n "$n" xfrm policy flush
		ip -n "$n" xfrm state flush
	done
}

sa_update() {
	local family=$1 mode=$2 alg=$3 esn=$4 window=$5 a b n flag=''
	a=$(outer A "$family") b=$(outer B "$family")
	[[ $mode != tunnel ]] || flag='flag af-unspec'
	[[ $esn != esn ]] || flag+=' flag esn'
	for n in A B; do
		ip -n "$n" -batch - <<-END || return
			xfrm state update src $a dst $b proto esp spi $spi_ab reqid 1 mode $mode $flag replay-window $window $(algorithm "$alg") encap espintcp $port 4500 0.0.0.0
			xfrm state update src $b dst $a proto esp spi $spi_ba reqid 1 mode $mode $flag replay-window $window $(algorithm "$alg") encap espintcp 4500 $port 0.0.0.0
		END
	done
}

stat_of() {
	local name
	while read -r name value; do
		[[ $name != "$3" ]] || return 0
	done <"/proc/${server[$1]}/net/$2"
	value=0
}

stats_note() {
	local name n
	while read -r name n; do
		noted[$1/$2/$name]=$n
	done <"/proc/${server[$1]}/net/$2"
}

stats_rose() {
	local name n
	rose=
	while read -r name n; do
		n=$((n - ${noted[$1/$2/$name]:-0}))
		((n == 0)) || rose+="${rose:+ }$name=$n"
	done <"/proc/${server[$1]}/net/$2"
}

# The error counters of xfrm that are not 0, in $faults.
faults_of() {
	local name n
	while read -r name n; do
		[[ $n == 0 || $name != Xfrm* ]] || faults+="$1:$name=$n "
	done <"/proc/${server[$1]}/net/xfrm_stat"
}

no_faults() {
	local faults=''
	faults_of A
	faults_of B
	[[ $faults == "${known_faults:-}" ]] && return
	echo "xfrm's faults: $faults"
	return 1
}

# "BYTES PACKETS" of all SAs of NS, in $counted[NS/SPI].
sa_counters() {
	local line spi='' take=''
	while read -r line; do
		if [[ $line =~ spi\ (0x[0-9a-f]+) ]]; then
			spi=$((BASH_REMATCH[1]))
		elif [[ $line == 'lifetime current:'* ]]; then
			take=1
		elif [[ -n $take ]]; then
			[[ $line =~ ^([0-9]+).*\ ([0-9]+) ]]
			counted[$1/$spi]="${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"
			take=
		fi
	done < <(ip -n "$1" -s xfrm state list)
}

sas_carried() {
	local spi want=$1 tfc=${2:-} a b sent got
	local -A counted
	sa_counters A
	sa_counters B
	for spi in "$spi_ab" "$spi_ba"; do
		a=${counted[A/$((spi))]:-none} b=${counted[B/$((spi))]:-none}
		if [[ -n $tfc ]]; then
			# The receiver counts the padding, too.
			sent=$a got=$b
			((spi != spi_ba)) || sent=$b got=$a
			[[ ${a#* } == "${b#* }" ]] && ((${got% *} > ${sent% *}))
		else
			[[ $a == "$b" ]]
		fi || {
			echo "SA $spi: A counts $a, B counts $b (bytes, packets)"
			return 1
		}
		if ((${a#* } < want)); then
			echo "SA $spi carried ${a#* } packets, not $want"
			return 1
		fi
	done
	no_faults
}

# full NS: $full, packets since sas_account for which the way was too slow.
full() {
	local name
	full=0
	for name in OutFull OutDelay; do
		stat_of "$1" iketcp_stat $name
		full=$((full + value - ${noted[$1/iketcp_stat/$name]:-0}))
	done
}

sas_account() {
	stats_note A iketcp_stat
	stats_note B iketcp_stat
}

all_came() {
	local want=$1 sent got
	local -A counted
	sa_counters A
	sa_counters B
	full A
	sent=${counted[A/$((spi_ab))]#* } got=${counted[B/$((spi_ab))]#* }
	echo "A to B: $sent sent, $full found it too full, $got came in"
	no_faults && ((got >= want && sent - full == got)) || return
	full B
	sent=${counted[B/$((spi_ba))]#* } got=${counted[A/$((spi_ba))]#* }
	echo "B to A: $sent sent, $full found it too full, $got came in"
	((got >= want && sent - full == got))
}

# The last messages may still be under way.
sas_accounted() {
	wait_until 10 all_came "$1"
	all_came "$1"
}

# peer_up ULP FAMILY [SOURCE-PORT]: a connection from "peer" in A to another
# listener in B; sets $peer_port, $peer_pid and $hold_c, the listener, which is
# started with "hold ${peer_role:-listen}".
# ask COMMAND: what "peer" answers goes to $answer; fails when it failed.
peer_up() {
	local ulp=$1 family=$2
	shift 2
	rm -f "$state"/C "$state"/C.* "$state"/peer.*
	policies_readable
	spawn B "$hold" "${peer_role:-listen}" "$ulp" "$(outer B "$family")" 4500 "$state/C"
	hold_c=$spawned
	mkfifo "$state/peer.to" "$state/peer.from" || return
	# For reading and writing: that does not wait for the other side.
	exec {peer_to}<>"$state/peer.to" {peer_from}<>"$state/peer.from"
	wait_until 20 test -e "$state/C.listening" || return
	spawn A "${hold%/*}/peer" "$(outer B "$family")" 4500 "$@" \
		<&"$peer_to" >&"$peer_from" 2>&1
	peer_pid=$spawned
	# shellcheck disable=SC2034 # for who calls us
	read -r -t 30 -u "$peer_from" answer peer_port && [[ $answer == port ]] &&
		wait_until 20 test -e "$state/C" -o -e "$state/C.accepted"
}

ask() {
	echo "$*" >&"$peer_to"
	answer='no answer'
	read -r -t $((60 * ${IKETCP_SLOW:-1})) -u "$peer_from" answer
	[[ $answer == ok* ]] && return
	echo "peer: $*: $answer"
	return 1
}

peer_down() {
	exec {peer_to}>&- {peer_from}<&-
	end "$peer_pid" "$hold_c"
}
