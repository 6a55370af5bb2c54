// SPDX-License-Identifier: GPL-2.0
/*
 * load connect [connections=1000] [kind=iketcp|espintcp|tcp]
 *
 * So many connections, one after the other: made, attached at both ends, the prefix,
 * one IKE message, closed by A and then by B. Prints what it took: see
 * tests/bench/measure.h. With "tcp" there is no ULP and no prefix.
 */
#include "load.h"

#include "../bench/measure.h"

static void one(int listener, enum kind kind)
{
	uint8_t message[40] = { [39] = 1 };
	struct link l;

	l.a = need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	link_open(&l, listener, kind);
	need(send(l.a, message, sizeof(message), 0));
	need(recv(l.b, message, sizeof(message), 0));
	close(l.a);
	close(l.b);
}

int load_connect(int argc, char **argv)
{
	unsigned int n = option(argc, argv, "connections", 1000), i;
	enum kind kind = option_kind(argc, argv);
	int listener;

	world_up(1);
	listener = sock_listen(B, outer(B, 0), IKE_PORT);
	enter(A);
	for (i = 0; i < n / 4; i++)
		one(listener, kind);
	measure_begin();
	for (i = 0; i < n; i++)
		one(listener, kind);
	measure_end(0, n, 0);
	close(listener);
	world_down();
	return 0;
}
