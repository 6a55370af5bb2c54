#!/bin/bash
# The Debian packages: `make deb` makes them with or without git, and lintian
# has nothing to say. On a Debian 12 DKMS builds the module from them for each
# kernel that can have it, after an upgrade and for a new kernel, too. When they
# are removed, nothing is left.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

# Everything is mounted in a namespace of its own and goes with it.
if [[ -z ${IKETCP_DEB_ROOT:-} ]]; then
	((EUID == 0)) || skip_all "not root"
	tests/prepare deb || bail_out "no Debian tools"
	IKETCP_DEB_ROOT=$(tests/deb/root) || bail_out "no root file system"
	export IKETCP_DEB_ROOT
	exec unshare --mount --propagation private "tests/t/${0##*/}"
fi

dir=$(mktemp -d)
cleanup() {
	umount -l "$dir/root/proc" "$dir/root" "$dir/over" 2>/dev/null
	rm -rf --one-file-system "$dir"
}
trap cleanup EXIT

# package DIRECTORY NAME: the file of a package.
package() { echo "$1"/.build/deb/"$2"_*.deb; }

# contents DIRECTORY NAME: what is in a package, whatever the version.
contents() {
	local file version
	file=$(package "$1" "$2")
	version=$(dpkg-deb -f "$file" Version)
	dpkg-deb -c "$file" | awk '{ print $1, $6 }' | sed "s/-$version/-VERSION/" | LC_ALL=C sort
}

# --- Made ---

check "make deb" make -s deb || exit
version=$(dpkg-parsechangelog -l tools/debian/changelog -S Version)
check "lintian is silent" lintian --fail-on error,warning,info --display-info \
	--allow-root .build/deb/iketcp_*.changes

# The next version, by a line in the one place where it stands.
next=$version+next
mkdir "$dir/next"
cp -a Makefile Kbuild LICENSE README.md Documentation include src tools "$dir/next/"
sed -i "1s/($version)/($next)/" "$dir/next/tools/debian/changelog"
touch "$dir/next/src/main.o"
check "make deb without git" make -s -C "$dir/next" deb
for name in iketcp-dkms iketcp-tools; do
	is "$(contents "$dir/next" $name)" "$(contents . $name)" "$name: has the same files"
done

# --- A machine ---

root=$dir/root
mkdir "$dir/over" "$root"
mount -t tmpfs tmpfs "$dir/over"
mkdir "$dir/over/upper" "$dir/over/work"
mount -t overlay overlay "$root" 2>/dev/null \
	-o "lowerdir=$IKETCP_DEB_ROOT,upperdir=$dir/over/upper,workdir=$dir/over/work" ||
	cp -a "$IKETCP_DEB_ROOT/." "$root"
mount -t proc proc "$root/proc" || bail_out "cannot mount"
mkdir "$root"/tmp/{this,next}
cp .build/deb/*.deb "$root/tmp/this/"
cp "$dir"/next/.build/deb/*.deb "$root/tmp/next/"

in_root() {
	env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C \
		DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"
}

apt() { in_root apt-get -q -y -o Dpkg::Use-Pty=0 "$@" 2>&1; }

# install this|next
install() {
	local packages=("$root/tmp/$1"/*.deb)
	apt install "${packages[@]#"$root"}"
}

# Nothing loads the host's kernel with our module, and it is noted if anybody
# wants to. The true ones are in /tmp.
for name in modprobe insmod; do
	in_root ln -s /usr/bin/kmod "/tmp/$name"
	rm "$root/usr/sbin/$name"
	# shellcheck disable=SC2016 # for the shell there
	printf '#!/bin/sh\necho "$0 $*" >>/tmp/loaded\n' >"$root/usr/sbin/$name"
	chmod +x "$root/usr/sbin/$name"
done

# DKMS would build for the running and the newest kernel only; here all are alike,
# whatever the host runs.
echo 'autoinstall_all_kernels="yes"' >>"$root/etc/dkms/framework.conf"

# Kernels that lack one of the options each.
needs=$(sed -n 's/^NEEDS := //p' Makefile)
for need in $needs; do
	build=$root/lib/modules/6.5.0-without-$need/build
	mkdir -p "$build/include"
	for option in $needs; do
		[[ $option == "$need" ]] || echo "CONFIG_$option=y"
	done >"$build/.config"
done

# files: all names, and what is in those that count. Left out is what dpkg, apt
# and DKMS (its key) keep.
files() {
	in_root bash -c '
		find / -xdev \( -path /tmp -o -path /proc -o -path /var/log -o -path /var/lib/apt \
			-o -path /var/cache/apt \) -prune -o -printf "%M %p\n" |
			grep -E -v " /var/lib/dpkg/((status|available)-old|lock.*|triggers/Lock)$" |
			grep -E -v " /var/lib/dkms/mok\.(key|pub)$"
		find /etc /lib/modules/ -type f -exec sha256sum {} + | grep -v "\.bin$"' |
		LC_ALL=C sort
}
before=$(files)
kernels=$(in_root bash -c 'cd /lib/modules && echo 6.1.* 6.12.*')
read -r old new <<<"$kernels"

# built VERSION KERNEL: that version's module is there for that kernel, as one
# that the kernel and modprobe find.
built() {
	local v=$2 dkms=$root/lib/modules/$2/updates/dkms name info log
	# Compressed as the kernel's own are.
	name=$(basename "$root/lib/modules/$v"/kernel/net/ipv4/esp4.ko*)
	is "$(ls "$dkms" 2>&1)" "${name/esp4/iketcp}" "$v: the module is in updates/dkms"
	info=$(in_root modinfo -k "$v" iketcp 2>&1)
	like "$info" "^version: +${1//+/[+]}\$" "$v: of version $1"
	like "$info" "^vermagic: +${v//+/[+]} " "$v: for this kernel"
	like "$info" "^signer: +DKMS module signing key" "$v: signed with the key of DKMS"
	for name in espintcp iketcp; do
		like "$(in_root /tmp/modprobe -S "$v" -n -v "tcp-ulp-$name" 2>&1)" \
			"^insmod .*/updates/dkms/iketcp.ko" "$v: modprobe tcp-ulp-$name finds it"
	done
	log=$root/var/lib/dkms/iketcp/$1/$v/x86_64/log/make.log
	is "$(grep -i -E '\b(warning|error)\b' "$log" 2>&1)" "" "$v: built without a warning"
}

# --- Installed ---

check "install" install this || { done_testing; exit; }
output=$tap_output
for v in "$old" "$new"; do built "$version" "$v"; done
for need in $needs; do
	v=6.5.0-without-$need
	like "$(grep -A 3 "module for $v\$" <<<"$output")" '^Skipped' "$v: passed over"
done
check "iketcp.h is in /usr/include" cmp include/iketcp.h "$root/usr/include/iketcp.h"
load=$(grep -v '^#' "$root/usr/lib/modules-load.d/iketcp.conf")
is "$load" iketcp "loaded at boot"
if compgen -G 'tools/wireshark/*.lua' >/dev/null; then
	plugins=$(in_root tshark -G plugins 2>/dev/null)
	for name in tools/wireshark/*.lua; do
		like "$plugins" "^${name##*/}	" "tshark finds ${name##*/}"
	done
fi

# --- Upgraded ---

# One kernel without headers, which come later.
mv "$root/lib/modules/$old/build" "$dir/build"
check "upgrade" install next
built "$next" "$new"
is "$(files | grep -E "iketcp[-/]${version//./[.]}(/|\$)")" "" "nothing is left of the version before"
is "$(find "$root/lib/modules/$old/" -name 'iketcp*')" "" "$old: no module without headers"
mv "$dir/build" "$root/lib/modules/$old/build"
check "the headers of a kernel come later" in_root run-parts --exit-on-error "--arg=$old" \
	/etc/kernel/header_postinst.d
built "$next" "$old"

# --- Removed ---

check "remove" apt remove iketcp-dkms iketcp-tools
check "purge" in_root dpkg --purge iketcp-dkms iketcp-tools
is "$(diff <(echo "$before") <(files))" "" "nothing is left"
is "$(cat "$root/tmp/loaded" 2>/dev/null)" "" "nobody tried to load a module"
done_testing
