/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is said on standard error, a line each.
 */
#ifndef IKETCPD_LOG_H
#define IKETCPD_LOG_H

#include "../iketcp/tool.h"

/*
 * For what a peer can cause as often as it likes: no more than so many lines a
 * second. For what the configuration or the machine causes there is complain().
 */
void log_peer(const char *format, ...) printf_like(1, 2);

#endif
