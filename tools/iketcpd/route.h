/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Changes of addresses and routes.
 */
#ifndef IKETCPD_ROUTE_H
#define IKETCPD_ROUTE_H

int route_watch(void (*changed)(void));

#endif
