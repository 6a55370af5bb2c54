# Sourced by the scripts in tests/vm, after cache.sh: from a kernel's name to its parts.
# shellcheck shell=bash
#
#   kernel_resolve NAME   sets
#     kernel_version   as in uname -r
#     kernel_package   version of the Debian package; empty for an own tree
#     kernel_build     an own tree's directory; empty for a Debian kernel, whose
#                      headers tests/vm/headers unpacks
#   package_download NAME[=VERSION]...   Debian packages to the working directory
#
# NAME is 6.1, 6.12, 6.1-rt, 6.12-rt (the newest one that the archive has), a
# Debian version like 6.1.0-56-amd64, or the directory of a built kernel.
# Nothing is installed: installing Debian's headers for 6.12 would bring a kernel
# and make an initramfs for it.

kernel_pattern() {
	case $1 in
	6.1) echo '6\.1\.0-[0-9]+-amd64' ;;
	6.1-rt) echo '6\.1\.0-[0-9]+-rt-amd64' ;;
	6.12) echo '6\.12\.[0-9]+\+deb12-amd64' ;;
	6.12-rt) echo '6\.12\.[0-9]+\+deb12-rt-amd64' ;;
	*) local name=${1//./[.]}; echo "${name//+/[+]}" ;;
	esac
}

# "VERSION PACKAGE-VERSION". Image and headers both: the archive may have one of them a little earlier.
kernel_find() {
	comm -12 <(apt-cache pkgnames linux-headers-6. | sed 's/linux-headers-//' | LC_ALL=C sort) \
		<(apt-cache pkgnames linux-image-6. | sed 's/linux-image-//' | LC_ALL=C sort) |
		grep -E -x "$(kernel_pattern "$1")" | sort -V | tail -n 1 | while read -r version; do
			echo "$version $(apt-cache policy "linux-headers-$version" |
				sed -n 's/^ *Candidate: *\([0-9].*\)/\1/p')"
		done
}

# shellcheck disable=SC2034 # the variables are for the caller
kernel_resolve() {
	local name=$1
	if [[ $name == /* ]]; then
		if [[ ! -f $name/include/config/kernel.release ]]; then
			echo "$name: no built kernel tree" >&2
			return 1
		fi
		kernel_version=$(<"$name/include/config/kernel.release")
		kernel_build=$name
		kernel_package=
		return
	fi
	kernel_build=
	read -r kernel_version kernel_package \
		< <(cache_memo "kernel-$name" kernel_find "$name")
	if [[ -z $kernel_version ]]; then
		echo "kernel $name: apt knows no image with headers for it;" \
			"is bookworm-security among the sources?" >&2
		return 1
	fi
}

# As root, apt would fetch as user _apt, who may not write here. The lists may be
# older than what the mirror has.
package_download() {
	apt-get -q -o APT::Sandbox::User=root download "$@" >&2 && return
	apt-get -q update >&2 &&
		apt-get -q -o APT::Sandbox::User=root download "$@" >&2
}
