/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tells who asks how things are.
 */
#ifndef IKETCPD_STATUS_H
#define IKETCPD_STATUS_H

int status_open(const char *path, unsigned int uid, unsigned int gid);
void status_close(void);
int status_ask(const char *path);

#endif
