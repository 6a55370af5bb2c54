#!/bin/bash
# The suites of tests/gate/suites in Debian's kernel 6.1.
exec "$(dirname "$0")/all" 6.1
