// SPDX-License-Identifier: GPL-2.0
/*
 * A plugin of QEMU's that counts the guest's instructions by the address of the block
 * that they are in. (-plugin …/profile.so,mark=ADDRESS,out=FILE)
 *
 * Whenever the instruction at "mark" runs, which is to be the begin of the guest
 * kernel's sethostname(), the counts go to FILE as lines "ADDRESS INSTRUCTIONS", a line
 * "mark" behind them, and start again at 0.
 *
 * Debian does not package qemu-plugin.h: what is needed of version 1 is declared here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_info_t;
typedef void (*tb_trans_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*vcpu_udata_t)(unsigned int vcpu, void *data);
enum { CB_NO_REGS };
enum { INLINE_ADD_U64 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, tb_trans_t cb);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, vcpu_udata_t cb,
					    int flags, void *data);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int op,
					      void *ptr, uint64_t value);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

EXPORT int qemu_plugin_version = 1;

/* One for each block that was translated; the same one may be so several times. */
struct block {
	struct block *next;
	uint64_t address, count;
};

static struct block *blocks;
static uint64_t mark_address;
static FILE *out;

static void marked(unsigned int vcpu, void *data)
{
	struct block *b;

	(void)vcpu;
	(void)data;
	for (b = blocks; b; b = b->next) {
		if (b->count)
			fprintf(out, "%lx %lu\n", b->address, b->count);
		b->count = 0;
	}
	fprintf(out, "mark\n");
	fflush(out);
}

static void translated(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;
	struct block *b = calloc(1, sizeof(*b));

	(void)id;
	if (!b)
		abort();
	b->address = qemu_plugin_tb_vaddr(tb);
	b->next = blocks;
	blocks = b;
	qemu_plugin_register_vcpu_tb_exec_inline(tb, INLINE_ADD_U64, &b->count, n);
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);

		if (qemu_plugin_insn_vaddr(insn) == mark_address)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, CB_NO_REGS, NULL);
	}
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info_t *info,
			       int argc, char **argv)
{
	int i;

	(void)info;
	for (i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "mark=", 5))
			mark_address = strtoull(argv[i] + 5, NULL, 16);
		else if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	}
	if (!mark_address || !out)
		return -1;
	qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
	return 0;
}
