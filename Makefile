# SPDX-License-Identifier: GPL-2.0
# iketcp: IKE and ESP over TCP for stock kernels.
#
#   make              build iketcp.ko for the running kernel (or KDIR=…)
#   make tools        build the tool iketcp(8), in .build/tools, and the daemon
#                     iketcpd(8), in .build/iketcpd
#   make install      install the module, so that modprobe and the kernel find it,
#                     and the tools, if they can be built (PREFIX=/usr/local);
#                     into another root: INSTALL_MOD_PATH and DESTDIR
#   make install-tools    the tools alone
#   make deb          make the Debian packages, in .build/deb
#   make demo         see the main job in a virtual machine (HOST=1: here;
#                     PEER=strongswan: with strongSwan, not Libreswan)
#   make check        test it, in ten minutes at most (T=WORD, K=6.1: a part)
#   make check-long   the tests that take longer, or do not repeat (ARGS)
#   make check-debug  run those of the kernel in kernels that check themselves
#   make bench        measure, beside what else carries ESP (Documentation/performance.md)
#   make fuzz         look for inputs that break a parser (SECONDS=600)
#   make style        checkpatch, shellcheck, syntax checks
#   make C=1          build with sparse

KDIR ?= /lib/modules/$(shell uname -r)/build

# Options that the kernel must have been built with.
NEEDS := MODULES XFRM INET_ESP
CONFIG = $(firstword $(wildcard $(KDIR)/include/config/auto.conf $(KDIR)/.config))

# The name of the kernel's folder in /lib/modules.
RELEASE = $(or $(patsubst /lib/modules/%/build,%,$(filter /lib/modules/%/build,$(KDIR))),\
	$(shell cat "$(KDIR)/include/config/kernel.release"))

# As the kernel's own modules_install has it.
DEPMOD = depmod -a $(if $(INSTALL_MOD_PATH),-b "$(INSTALL_MOD_PATH)") "$(RELEASE)"

TOOL := $(MAKE) -C tools/iketcp $(if $(O),O="$(O)")
DAEMON := $(MAKE) -C tools/iketcpd $(if $(O),O="$(O)/iketcpd")

all: modules

# One clear line where the build could only fail with many.
kernel:
	@test -e "$(KDIR)/Makefile" || { echo >&2 \
		"iketcp: no kernel headers in $(KDIR): install linux-headers-$$(uname -r), or say KDIR=…"; \
		exit 1; }
	@test -n "$(CONFIG)" || { echo >&2 \
		"iketcp: the kernel in $(KDIR) is not configured"; exit 1; }
	@for need in $(NEEDS); do \
		grep -q "^CONFIG_$$need=[ym]" "$(CONFIG)" || { echo >&2 \
		"iketcp: the kernel in $(KDIR) was built without CONFIG_$$need"; \
		exit 1; }; \
	done

modules: kernel
	$(MAKE) -C "$(KDIR)" M="$(CURDIR)" modules

# Unsigned: the kernel's own key is not to be had. Where Secure Boot wants
# signatures see Documentation/admin.md.
install: modules
	$(MAKE) -C "$(KDIR)" M="$(CURDIR)" CONFIG_MODULE_SIG_ALL= modules_install
	$(DEPMOD)
	@if said=$$($(TOOL) --no-print-directory -s libraries 2>&1); then \
		$(MAKE) --no-print-directory install-tools; \
	else \
		echo "$$said" | grep -v '^make' >&2; \
		echo >&2 "iketcp: only the module was installed; the tool: make install-tools"; \
	fi

tools:
	$(TOOL)
	$(DAEMON)

install-tools uninstall-tools:
	$(TOOL) $(@:-tools=)
	$(DAEMON) $(@:-tools=)

uninstall: kernel uninstall-tools
	find "$(INSTALL_MOD_PATH)/lib/modules/$(RELEASE)" -name 'iketcp.ko*' -delete
	$(DEPMOD)

deb:
	tools/deb

demo:
	HOST=$(HOST) PEER=$(PEER) tests/demo/run

check:
	T="$(T)" K="$(K)" tests/check

# ARGS: see tests/check-long.
check-long:
	tests/check-long $(ARGS)

# ARGS: see tests/check-debug; "-k all" for every such kernel.
check-debug:
	tests/check-debug $(ARGS)

# ARGS: see tests/bench/run.
bench:
	tests/bench/run $(ARGS)

# For each target; see tests/fuzz/run.
SECONDS ?= 600
fuzz:
	tests/fuzz/run -t "$(SECONDS)"

style:
	tests/style

clean:
	@test ! -e "$(KDIR)/Makefile" || $(MAKE) -C "$(KDIR)" M="$(CURDIR)" clean
	rm -rf .build

.PHONY: all kernel modules tools install install-tools uninstall uninstall-tools \
	deb demo check check-long check-debug bench fuzz style clean
