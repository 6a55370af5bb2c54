/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The rights that are kept.
 */
#ifndef IKETCPD_RIGHTS_H
#define IKETCPD_RIGHTS_H

struct passwd;

int rights_keep(const struct passwd *user);

#endif
