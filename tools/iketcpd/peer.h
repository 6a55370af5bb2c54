/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Peers that connections are made to.
 */
#ifndef IKETCPD_PEER_H
#define IKETCPD_PEER_H

#include <stdio.h>

#include "config.h"

void peer_configure(const struct config *config);
void peer_close_all(void);
void peer_routes_changed(void);
void peer_status(FILE *file);

#endif
