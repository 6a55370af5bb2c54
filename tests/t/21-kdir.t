#!/bin/bash
# A kernel that the module cannot be built for is refused in one clear line.
cd "$(dirname "$0")/../.." || exit
. tests/lib/tap.sh

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# kernel OPTION…: a kernel tree as far as the Makefile looks at it
kernel() {
	local option
	rm -rf "$dir/k"
	mkdir -p "$dir/k/include/config"
	: >"$dir/k/Makefile"
	for option; do echo "CONFIG_$option"; done >"$dir/k/include/config/auto.conf"
}

# refused REGEX DESCRIPTION
refused() {
	local output
	if output=$(make -s modules KDIR="$dir/k" 2>&1); then
		not_ok "$2: refused"
	else
		ok "$2: refused"
	fi
	like "$output" "$1" "$2: and says why"
	is "$(grep -cv '^make' <<<"$output")" 1 "$2: in one line"
}

kernel MODULES=y XFRM=y
refused 'without CONFIG_INET_ESP$' "no ESP"
kernel MODULES=y INET_ESP=m
refused 'without CONFIG_XFRM$' "no XFRM"
kernel XFRM=y INET_ESP=y
refused 'without CONFIG_MODULES$' "no modules"
kernel
rm "$dir/k/include/config/auto.conf"
refused 'not configured' "not configured"
rm -rf "$dir/k"
refused 'no kernel headers in .*linux-headers' "no headers"
done_testing
