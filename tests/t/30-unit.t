#!/bin/sh
# Unit tests of the framing code, in user space, with sanitizers.
set -e
top=$(cd "$(dirname "$0")/../.." && pwd -P)
mkdir -p "$top/.build/unit"
gcc -std=gnu11 -g -O1 -Wall -Wextra -Werror -fsanitize=address,undefined \
	-fno-sanitize-recover=all -o "$top/.build/unit/frame" \
	"$top/tests/unit/frame.c" "$top/src/frame.c" -lcmocka
CMOCKA_MESSAGE_OUTPUT=TAP exec "$top/.build/unit/frame"
