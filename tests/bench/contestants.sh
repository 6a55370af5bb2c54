# Sourced by the benchmark's scripts, in the guest, after tests/lib/net.sh and
# tests/scenario/lib.sh: who takes part, and how each is set up between A and B.
# shellcheck shell=bash disable=SC2034,SC2154
#
#   options [NAME=VALUE...] [CONTESTANT...]
#                         sets the variables and $wanted (default: $all)
#   modules               loads iketcp and, unless $offload is empty, the stock
#                         offload modules
#   lans                  a host behind each of A and B: LA 192.168.5.1 and
#                         LB 192.168.6.1; see tests/scenario/lan.sh
#   begin CONTESTANT CIPHER, finish CONTESTANT
#                         what is between A and B, and LA and LB, is carried by it
#   takes_part CONTESTANT CIPHER    is there such a one?
#   went CONTESTANT       did what was measured go the way it is named for?
#   faults                xfrm's counters of A and B, for the reader
# outer() of scenario/lib.sh says where A and B are.

die() {
	echo "tests/bench: $*" >&2
	exit 1
}

options() {
	local argument
	wanted=()
	for argument; do
		case $argument in
		*=*) declare -g "${argument%%=*}=${argument#*=}" ;;
		*) wanted+=("$argument") ;;
		esac
	done
	((${#wanted[@]})) || wanted=("${all[@]}")
}

modules() {
	modprobe iketcp || die "no module"
	modprobe xfrm_user 2>/dev/null
	[[ -z $offload ]] || modprobe -a esp4_offload esp6_offload || die "no offload modules"
}

lans() { lan LA A 5 && lan LB B 6; }

words() {
	case $1 in
	null) echo 'enc ecb(cipher_null) "" auth digest_null ""' ;;
	*) algorithm "$1" ;;
	esac
}

# states CIPHER [ENCAPSULATION A's-PORT]
states() {
	local a b n ab='' ba=''
	a=$(outer A 4) b=$(outer B 4)
	if (($# > 1)); then
		ab="encap $2 $3 4500 0.0.0.0"
		ba="encap $2 4500 $3 0.0.0.0"
	fi
	for n in A B; do
		{
			# As wide a window for all: the kernel's espintcp loses order.
			echo "xfrm state add src $a dst $b proto esp spi 0x1001 reqid 1 mode tunnel" \
				"replay-window 1024 $(words "$1") $ab"
			echo "xfrm state add src $b dst $a proto esp spi 0x2001 reqid 1 mode tunnel" \
				"replay-window 1024 $(words "$1") $ba"
			policies $n 192.168.1.1 192.168.2.1 "$a" "$b" tunnel
			policies $n 192.168.5.1 192.168.6.1 "$a" "$b" tunnel
		} | ip -n $n -batch - || return
	done
}

# Sets $to, where B is for A itself, and $more, words for tests/bench/work.c.
begin() {
	local n
	before=$(ours)
	to=192.168.2.1 more=() held=()
	case $1 in
	tcp) to=$(outer B 4) ;;
	ktls) to=$(outer B 4) more=(tls) ;;
	esp) states "$2" ;;
	udp|udp-gro)
		for n in A B; do
			rm -f "$state/udp.$n"
			# shellcheck disable=SC2046 # a word or none
			spawn $n tests/scenario/udpencap 4500 "$state/udp.$n" \
				$([[ $1 == udp ]] || echo gro)
			held+=("$spawned")
			wait_until 20 test -e "$state/udp.$n" || return
		done
		states "$2" espinudp 4500
		;;
	wireguard)
		for n in A B; do
			ip -n $n link add wg0 type wireguard || return
			.build/bench/wg genkey >"$state/key.$n" 2>/dev/null
			ns $n .build/bench/wg set wg0 listen-port 51820 private-key "$state/key.$n"
		done
		wireguard_peer A B 192.168.2.1 192.168.6.1 &&
			wireguard_peer B A 192.168.1.1 192.168.5.1
		;;
	espintcp) conn_up espintcp 4 && states "$2" espintcp "$port" ;;
	espintcp-nodelay) HOLD_NODELAY=1 conn_up espintcp 4 && states "$2" espintcp "$port" ;;
	iketcp) conn_up iketcp 4 && states "$2" espintcp "$port" ;;
	iketcp-bridge) HOLD_BRIDGE=1 conn_up iketcp 4 && states "$2" espinudp 4500 ;;
	iketcp-nodelay) HOLD_NODELAY=1 conn_up iketcp 4 && states "$2" espintcp "$port" ;;
	*) die "no contestant $1" ;;
	esac
}

# wireguard_peer NS OTHER ADDRESS LAN-ADDRESS
wireguard_peer() {
	ns "$1" .build/bench/wg set wg0 peer "$(ns "$2" .build/bench/wg show wg0 public-key)" \
		allowed-ips "$3/32,$4/32" endpoint "$(outer "$2" 4):51820" &&
		ip -n "$1" link set wg0 up && ip -n "$1" route add "$3" dev wg0 src "$(inner "$1" 4)" &&
		ip -n "$1" route add "$4" dev wg0
}

takes_part() {
	case $1:$2 in
	ktls:null|wireguard:null|tcp:gcm) return 1 ;;
	esac
}

finish() {
	local n
	case $1 in
	udp*) end "${held[@]}" ;;&
	wireguard) for n in A B; do ip -n $n link del wg0; done ;;
	*espintcp*|iketcp*) conn_down ;;&
	*) sa_down ;;
	esac
}

# Messages that our code took in at B.
ours() {
	# shellcheck disable=SC2016 # for awk
	ns B awk '$1 == "InEsp" { n = $2 } END { print n + 0 }' /proc/net/iketcp_stat
}

# $before: ours() before it.
went() {
	local packets after
	case $1 in
	tcp|ktls|wireguard) return ;;
	esac
	packets=$(sa_counter B 0x1001) && after=$(ours) || return
	((${packets#* } > 100)) || return
	case $1 in
	iketcp*) ((after - before >= ${packets#* })) ;;
	*) ((after == before)) ;;
	esac
}

# A fault is no failure of the benchmark, but has to be seen.
faults() {
	local n
	for n in A B; do
		# shellcheck disable=SC2016 # for awk
		ns $n awk -v n=$n '$2 { print "#", n, $0 }' /proc/net/xfrm_stat
	done
}
