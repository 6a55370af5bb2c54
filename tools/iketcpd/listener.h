/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Listeners: where peers come in.
 */
#ifndef IKETCPD_LISTENER_H
#define IKETCPD_LISTENER_H

#include <stdio.h>

#include "config.h"

int listener_configure(const struct responder_config *config);
void listener_close_all(void);
void listener_status(FILE *file);

#endif
