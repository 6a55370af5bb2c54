#!/bin/bash
# What a VPN gateway does, "make" and "make install": in another folder than the gate's
# other builds, and into another root. The module is the same to the byte: what is in a
# guest does not depend on where the checkout is.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
# A make that started this must not pass on its variables.
unset MAKEFLAGS MFLAGS MAKELEVEL KDIR DESTDIR PREFIX INSTALL_MOD_PATH CPPFLAGS

built=$(tests/vm/build 6.12) || bail_out "no module for 6.12"
headers=$(tests/vm/headers 6.12) || bail_out "no headers for 6.12"
release=$(<"$headers/include/config/kernel.release")

# The sources alone, as tests/vm/build took them.
tree=$tmp/some/other/tree
mkdir -p "$tree"
rsync --recursive --files-from="${built%/*}/.list" ./ "$tree/"
cp -r tools "$tree/"

check "make KDIR=… builds" make -C "$tree" -j"$(nproc)" KDIR="$headers" || { done_testing; exit 1; }
check "and leaves iketcp.ko in the top folder" test -f "$tree/iketcp.ko"

# As tests/vm/run does for the guest.
for ko in "$built" "$tree/iketcp.ko"; do
	strip -g -R .note.gnu.build-id -R .BTF -R .BTF.base -o "$tmp/$((++n)).ko" "$ko"
done
check "the guest's module is the same as from the other folder" cmp "$tmp/1.ko" "$tmp/2.ko"

# CPPFLAGS: the libraries of the tools are not found. Stripped, as xz takes 8 s for the rest.
# shellcheck disable=SC2016 # for the shell inside
check "make install without them installs the module" bash -c '
	make -s -C "$1" KDIR="$2" INSTALL_MOD_PATH="$3" DESTDIR="$3" INSTALL_MOD_STRIP=1 CPPFLAGS=-nostdinc install \
		>"$3.stdout" 2>"$3.stderr"' 0 "$tree" "$headers" "$tmp/root"
# depmod and the kernel miss files of the kernel itself, which is not in that root.
is "$(grep -v -e ^depmod: -e '^Warning: modules_install:' -e '^  ' "$tmp/root.stderr")" \
	"iketcp: the tool takes libmnl-dev and libjansson-dev, which are not installed
iketcp: only the module was installed; the tool: make install-tools" "and says what is missing"
installed=$(cd "$tmp/root" && find . -type f ! -name 'modules.*')
like "$installed" "^\./lib/modules/${release//+/[+]}/[a-z]*/iketcp.ko(.xz)?\$" "the module is where modprobe looks"
is "$(wc -l <<<"$installed")" 1 "and nothing else"
modules=$tmp/root/lib/modules/$release
like "$(<"$modules/modules.dep")" '^[a-z]*/iketcp.ko(.xz)?:' "modules.dep has it"
for ulp in espintcp iketcp; do
	like "$(<"$modules/modules.alias")" "^alias tcp-ulp-$ulp iketcp\$" "and modules.alias: tcp-ulp-$ulp"
done
check "make uninstall takes it away" \
	make -s -C "$tree" KDIR="$headers" INSTALL_MOD_PATH="$tmp/root" DESTDIR="$tmp/root" uninstall
is "$(find "$tmp/root" -type f ! -name 'modules.*')" "" "all of it"
done_testing
