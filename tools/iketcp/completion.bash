# SPDX-License-Identifier: GPL-2.0
# bash completion for iketcp(8).
# shellcheck shell=bash

# The word that stands before exec and names the command, in $command.
_iketcp_command() {
	local word
	command=
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		case $word in
		-*) ;;
		*) command=$word; return ;;
		esac
	done
}

_iketcp() {
	local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
	local options='-json -pretty -numeric -oneline -color -4 -6 -Version -help'
	local command words='' settings='ulp keepalive user-timeout exec -v' i

	COMPREPLY=()
	_iketcp_command
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == exec ]]; then
			if declare -F _command_offset >/dev/null; then
				_command_offset $((i + 1))
			fi
			return
		fi
	done
	case $command in
	'') words='show stat monitor listen connect check help' ;;
	sh*)
		case $before in
		role) words='plain originator responder listener' ;;
		state) words='listen connected' ;;
		src | dst | sport | dport | port | spi) return ;;
		*) words='src dst sport dport port role state spi' ;;
		esac
		;;
	st*)
		words=-z
		if [[ -r /proc/net/iketcp_stat ]]; then
			words+=" $(cut -d ' ' -f 1 /proc/net/iketcp_stat 2>/dev/null)"
		fi
		;;
	m*) words='attach prefix close path drop -t' ;;
	l* | co*)
		case $before in
		ulp) words='iketcp espintcp' ;;
		src | keepalive | user-timeout | prefix-timeout | timeout) return ;;
		*)
			words=$settings
			[[ $command == l* ]] && words+=' prefix-timeout'
			[[ $command == co* ]] && words+=' src timeout --reconnect'
			;;
		esac
		;;
	esac
	[[ $current != -* ]] || words+=" $options"
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}

complete -F _iketcp iketcp
