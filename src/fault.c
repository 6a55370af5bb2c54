// SPDX-License-Identifier: GPL-2.0
/*
 * Corruption (section 6): too many messages in a row that cannot be read, that
 * have an unknown SPI, or whose authentication fails end the connection.
 * Anything good, an ESP message that is valid or an IKE message that looks like
 * one, starts the counting anew. SAs are never touched.
 *
 * Faults are noted where they are found, perhaps on another CPU when a cipher
 * is done; they are judged by the reader, with the socket lock.
 */
#include <linux/skbuff.h>

#include "fault.h"
#include "sysctl.h"

/*
 * An unknown SPI is no fault for a moment: in a rekey, and when one side starts
 * again, the databases differ until a daemon had its turn, and a fast peer can
 * send thousands of messages meanwhile. So a run of them has to last, too: as
 * long as a busy daemon may take.
 */
#define UNKNOWN_TIME	(5 * HZ)

static const struct {
	enum iketcp_stat_id each;
	enum iketcp_stat_id end;
} stats[IKETCP_FAULT_COUNT] = {
	/* The reader has counted these one by one, by what they are. */
	[IKETCP_FAULT_MESSAGE] = {
		IKETCP_STAT_COUNT, IKETCP_STAT_IN_CORRUPT_MESSAGE
	},
	[IKETCP_FAULT_SPI] = {
		IKETCP_STAT_IN_UNKNOWN_SPI, IKETCP_STAT_IN_CORRUPT_SPI
	},
	[IKETCP_FAULT_AUTH] = {
		IKETCP_STAT_IN_BAD_AUTH, IKETCP_STAT_IN_CORRUPT_AUTH
	},
};

/**
 * iketcp_fault_note() - there was one
 * @conn: the connection by which it came, held
 * @fault: what it was
 *
 * Context: softirq, or process with BH off.
 */
void iketcp_fault_note(struct iketcp_conn *conn, enum iketcp_fault fault)
{
	struct iketcp_faults *faults = &conn->faults;

	if (stats[fault].each != IKETCP_STAT_COUNT)
		iketcp_stat_inc(conn->stats, stats[fault].each);
	if (atomic_inc_return(&faults->run[fault]) == 1 &&
	    fault == IKETCP_FAULT_SPI)
		WRITE_ONCE(faults->unknown_since, jiffies);
	WRITE_ONCE(faults->any, true);
}

/**
 * iketcp_fault_forget() - a good message came
 * @conn: the connection by which it came, held
 *
 * A fault that is noted at the same time may get lost, or not: either came first.
 *
 * Context: softirq, or process with BH off.
 */
void iketcp_fault_forget(struct iketcp_conn *conn)
{
	struct iketcp_faults *faults = &conn->faults;
	unsigned int i;

	WRITE_ONCE(faults->any, false);
	for (i = 0; i < IKETCP_FAULT_COUNT; i++)
		atomic_set(&faults->run[i], 0);
}

/**
 * iketcp_fault_judge() - is the stream corrupt?
 * @conn: a connection that has faults
 *
 * Context: socket lock held.
 * Return: IKETCP_STAT_COUNT, or the counter of why it is.
 */
enum iketcp_stat_id iketcp_fault_judge(const struct iketcp_conn *conn)
{
	const struct iketcp_faults *faults = &conn->faults;
	unsigned int i;

	sock_owned_by_me(conn->sk);

	for (i = 0; i < IKETCP_FAULT_COUNT; i++) {
		unsigned int run = atomic_read(&faults->run[i]);
		unsigned int max;

		max = iketcp_sysctl_fault_max(sock_net(conn->sk), i);
		if (!max || run < max)
			continue;
		if (i == IKETCP_FAULT_SPI &&
		    time_before(jiffies, READ_ONCE(faults->unknown_since) +
				UNKNOWN_TIME))
			continue;
		return stats[i].end;
	}
	return IKETCP_STAT_COUNT;
}

/**
 * iketcp_fault_is_ike() - does a message look like IKE?
 * @skb: the message, linear, marker included
 *
 * All else in it is the daemon's to judge (INVALID_SYNTAX), so what does not
 * look like it is no fault: it is passed on as it is.
 *
 * Return: major version and length are IKE's (RFC 7296, section 3.1).
 */
bool iketcp_fault_is_ike(const struct sk_buff *skb)
{
	enum { VERSION = 17, LENGTH = 24, HEADER = 28 };
	const u8 *ike = skb->data + IKETCP_MARKER_LEN;
	unsigned int major;
	__be32 len;

	if (skb->len < IKETCP_MARKER_LEN + HEADER)
		return false;
	major = ike[VERSION] >> 4;
	memcpy(&len, ike + LENGTH, sizeof(len));
	return (major == 1 || major == 2) &&
	       be32_to_cpu(len) == skb->len - IKETCP_MARKER_LEN;
}
