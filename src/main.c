// SPDX-License-Identifier: GPL-2.0
/*
 * iketcp - IKE and ESP over TCP (draft-ietf-ipsecme-tcp-encaps, RFC 8229,
 * RFC 9329) for kernels that were built without it.
 */
#include <linux/module.h>
#include <net/tcp.h>

#include "bridge.h"
#include "esp.h"
#include "event.h"
#include "hook.h"
#include "msg.h"
#include "stat.h"
#include "sysctl.h"
#include "tx.h"
#include "ulp.h"
#include "verdict.h"

static int __init iketcp_init(void)
{
	int err;

	err = iketcp_stat_setup();
	if (err)
		return err;
	err = iketcp_sysctl_setup();
	if (err)
		goto stat;
	err = iketcp_event_setup();
	if (err)
		goto sysctl;
	err = iketcp_hook_setup();
	if (err)
		goto event;
	err = iketcp_msg_setup();
	if (err)
		goto hook;
	err = iketcp_tx_setup();
	if (err)
		goto msg;
	err = iketcp_bridge_setup();
	if (err)
		goto tx;
	err = iketcp_esp_setup();
	if (err)
		goto bridge;
	err = iketcp_verdict_setup();
	if (err)
		goto esp;
	err = iketcp_ulp_setup();
	if (err)
		goto verdict;
	iketcp_esp_take();
	return 0;

verdict:
	iketcp_verdict_teardown();
esp:
	iketcp_esp_teardown();
bridge:
	iketcp_bridge_teardown();
tx:
	iketcp_tx_teardown();
msg:
	iketcp_msg_teardown();
hook:
	iketcp_hook_teardown();
event:
	iketcp_event_teardown();
sysctl:
	iketcp_sysctl_teardown();
stat:
	iketcp_stat_teardown();
	return err;
}

static void __exit iketcp_exit(void)
{
	iketcp_esp_give_back();
	iketcp_ulp_teardown();
	iketcp_verdict_teardown();
	iketcp_esp_teardown();
	iketcp_bridge_teardown();
	iketcp_tx_teardown();
	/* Connections are freed after a grace period. */
	rcu_barrier();
	iketcp_msg_teardown();
	iketcp_hook_teardown();
	iketcp_event_teardown();
	iketcp_sysctl_teardown();
	iketcp_stat_teardown();
}

module_init(iketcp_init);
module_exit(iketcp_exit);

MODULE_DESCRIPTION("IKE and ESP over TCP");
MODULE_LICENSE("GPL");
#ifdef IKETCP_VERSION
MODULE_VERSION(IKETCP_VERSION);
#endif
MODULE_ALIAS_TCP_ULP("iketcp");
MODULE_ALIAS_TCP_ULP("espintcp");
