/* SPDX-License-Identifier: GPL-2.0 */
/* Which connection carries an SA. */
#ifndef IKETCP_PATH_H
#define IKETCP_PATH_H

#include <linux/types.h>

struct iketcp_conn;
struct iketcp_sa;
struct xfrm_state;

struct iketcp_conn *iketcp_path_find(const struct xfrm_state *x, int dif,
				     bool *foreign);
bool iketcp_path_is_configured(const struct iketcp_conn *conn,
			       const struct xfrm_state *x);

void iketcp_path_add(struct iketcp_sa *sa);
void iketcp_path_remove(struct iketcp_sa *sa);
void iketcp_path_heard(struct iketcp_sa *in, struct iketcp_conn *conn);

#endif
