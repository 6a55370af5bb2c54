// SPDX-License-Identifier: GPL-2.0
/*
 * Bridges: connections that stand for a pair of UDP addresses and ports, for IKE
 * daemons that know UDP only.
 *
 * A table of all pairs. What is sent looks a pair up: ESP in sa.c, IKE in udp.c,
 * and the newest connection that takes messages carries it. What is received
 * asks its connection for the pair. Who ends takes itself out, and nobody has to be
 * told: without a connection UDP is what it always was.
 */
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <net/ipv6.h>
#include <net/netns/generic.h>
#include <net/netns/hash.h>
#include <net/tcp.h>

#include "bridge.h"
#include "conn.h"
#include "ike.h"
#include "udp.h"

/* The code of all CPUs is patched when it changes: not too often. */
DEFINE_STATIC_KEY_DEFERRED_FALSE(iketcp_bridge_key, HZ);

/**
 * struct bridge_net - what is kept for a network namespace
 * @users: connections that have had a bridge and not ended: as long as there are
 *	   some, its UDP output is looked at
 */
struct bridge_net {
	unsigned int users;
};

static unsigned int net_id __read_mostly;

/*
 * Guards all users, iketcp_conn.bridge_user and the writing of era. Outside of the
 * socket lock.
 */
static DEFINE_MUTEX(users_lock);
static unsigned int all_users;
static unsigned int era;

/* Pairs, in each slot the newest first. */
static DEFINE_HASHTABLE(table, 10);

/* Guards writing the table, of last, and of iketcp_conn.bridge; BH off. */
static DEFINE_SPINLOCK(table_lock);
static atomic64_t last;

/**
 * iketcp_bridge_last() - the id of the newest bridge that there ever was
 *
 * Who looks a pair up afterwards finds that bridge, if it has not ended.
 */
u64 iketcp_bridge_last(void)
{
	/* Pairs with the release in publish(). */
	return atomic64_read_acquire(&last);
}

/**
 * iketcp_bridge_era() - changes whenever there was no bridge at all
 *
 * What SAs keep in mind for bridges was not kept up meanwhile.
 */
unsigned int iketcp_bridge_era(void)
{
	return READ_ONCE(era);
}

static u32 key_of(const struct net *net, const struct iketcp_bridge_ends *ends)
{
	u32 ports = (__force u32)ends->local_port << 16 |
		    (__force u32)ends->peer_port;
	u32 hash = jhash_2words(net_hash_mix(net), ports, ends->family);

	hash = jhash2((const u32 *)&ends->local, sizeof(ends->local) / 4, hash);
	return jhash2((const u32 *)&ends->peer, sizeof(ends->peer) / 4, hash);
}

static bool is_same(const struct iketcp_bridge_ends *a,
		    const struct iketcp_bridge_ends *b)
{
	return a->family == b->family && a->local_port == b->local_port &&
	       a->peer_port == b->peer_port &&
	       !memcmp(&a->local, &b->local, sizeof(a->local)) &&
	       !memcmp(&a->peer, &b->peer, sizeof(a->peer));
}

/**
 * iketcp_bridge_find() - who carries what is sent to a peer
 * @net: the namespace
 * @ends: the pair
 * @id: the bridge's
 *
 * Context: RCU read side.
 * Return: the newest connection that takes messages, with a reference; or NULL.
 */
struct iketcp_conn *iketcp_bridge_find(const struct net *net,
				       const struct iketcp_bridge_ends *ends,
				       u64 *id)
{
	const struct iketcp_bridge_entry *entry;

	hash_for_each_possible_rcu(table, entry, node, key_of(net, ends)) {
		if (!net_eq(entry->net, net) || !is_same(&entry->ends, ends) ||
		    READ_ONCE(entry->conn->tx.closed) ||
		    !iketcp_conn_get(entry->conn))
			continue;
		*id = entry->id;
		return entry->conn;
	}
	return NULL;
}

static void fill_address(xfrm_address_t *to, const xfrm_address_t *from,
			 unsigned short family)
{
	memset(to, 0, sizeof(*to));
	if (family == AF_INET6)
		to->in6 = from->in6;
	else
		to->a4 = from->a4;
}

/**
 * iketcp_bridge_ends_of() - the pair of an outbound state
 * @x: the state, encap type UDP_ENCAP_ESPINUDP
 * @ends: filled in
 */
void iketcp_bridge_ends_of(const struct xfrm_state *x,
			   struct iketcp_bridge_ends *ends)
{
	ends->family = x->props.family;
	fill_address(&ends->local, &x->props.saddr, ends->family);
	fill_address(&ends->peer, &x->id.daddr, ends->family);
	ends->local_port = READ_ONCE(x->encap->encap_sport);
	ends->peer_port = READ_ONCE(x->encap->encap_dport);
}

/**
 * iketcp_bridge_is_configured() - does a connection stand for a state's pair?
 * @conn: the connection, held
 * @x: an outbound state, held; encap type UDP_ENCAP_ESPINUDP
 *
 * Context: any.
 */
bool iketcp_bridge_is_configured(const struct iketcp_conn *conn,
				 const struct xfrm_state *x)
{
	const struct iketcp_bridge_entry *entry;
	struct iketcp_bridge_ends ends;
	bool same;

	iketcp_bridge_ends_of(x, &ends);
	rcu_read_lock();
	entry = rcu_dereference(conn->bridge);
	same = entry && is_same(&entry->ends, &ends);
	rcu_read_unlock();
	return same;
}

static bool is_ipv4(const unsigned char *from, xfrm_address_t *address)
{
	memset(address, 0, sizeof(*address));
	memcpy(&address->a4, from, sizeof(address->a4));
	return !memchr_inv(from + sizeof(address->a4), 0,
			   sizeof(*address) - sizeof(address->a4)) &&
	       !ipv4_is_zeronet(address->a4) &&
	       !ipv4_is_multicast(address->a4) &&
	       !ipv4_is_lbcast(address->a4);
}

static bool is_ipv6(const unsigned char *from, xfrm_address_t *address)
{
	memcpy(&address->in6, from, sizeof(address->in6));
	return !ipv6_addr_any(&address->in6) &&
	       !ipv6_addr_is_multicast(&address->in6) &&
	       !ipv6_addr_v4mapped(&address->in6);
}

/* Return: 0, and the pair that a program has named in @ends; or -EINVAL. */
static int read_ends(const struct iketcp_bridge *from,
		     struct iketcp_bridge_ends *ends)
{
	bool (*is)(const unsigned char *from, xfrm_address_t *address);

	if (from->family == AF_INET)
		is = is_ipv4;
	else if (ipv6_mod_enabled() && from->family == AF_INET6)
		is = is_ipv6;
	else
		return -EINVAL;
	if (from->reserved || !from->local_port || !from->peer_port ||
	    !is(from->local, &ends->local) || !is(from->peer, &ends->peer))
		return -EINVAL;
	ends->family = from->family;
	ends->local_port = (__force __be16)from->local_port;
	ends->peer_port = (__force __be16)from->peer_port;
	return 0;
}

/* A connection is going to have a bridge. */
static int use(struct iketcp_conn *conn, struct net *net)
{
	struct bridge_net *bn = net_generic(net, net_id);
	int err;

	lockdep_assert_held(&users_lock);

	if (conn->bridge_user)
		return 0;
	if (!bn->users) {
		err = iketcp_udp_start(net);
		if (err)
			return err;
	}
	bn->users++;
	if (!all_users++)
		WRITE_ONCE(era, era + 1);
	static_branch_deferred_inc(&iketcp_bridge_key);
	WRITE_ONCE(conn->bridge_user, true);
	return 0;
}

static void unuse(struct iketcp_conn *conn, struct net *net)
{
	struct bridge_net *bn = net_generic(net, net_id);

	lockdep_assert_held(&users_lock);

	if (!conn->bridge_user)
		return;
	WRITE_ONCE(conn->bridge_user, false);
	static_branch_slow_dec_deferred(&iketcp_bridge_key);
	all_users--;
	if (!--bn->users)
		iketcp_udp_stop(net);
}

/*
 * Put @entry, which may be NULL, in the place of what the connection has.
 */
static void publish(struct iketcp_conn *conn, struct iketcp_bridge_entry *entry)
{
	struct iketcp_bridge_entry *old;
	u64 id;

	spin_lock_bh(&table_lock);
	old = rcu_dereference_protected(conn->bridge,
					lockdep_is_held(&table_lock));
	if (old)
		hash_del_rcu(&old->node);
	if (entry) {
		id = atomic64_read(&last) + 1;
		entry->id = id;
		hash_add_rcu(table, &entry->node,
			     key_of(entry->net, &entry->ends));
	}
	rcu_assign_pointer(conn->bridge, entry);
	if (entry)
		/* Pairs with the acquire in iketcp_bridge_last(). */
		atomic64_set_release(&last, id);
	spin_unlock_bh(&table_lock);

	if (old)
		kfree_rcu(old, rcu);
}

/* Connected, or on the way there. */
static bool is_alive(const struct sock *sk)
{
	return (1 << sk->sk_state) &
	       (TCPF_ESTABLISHED | TCPF_CLOSE_WAIT | TCPF_SYN_SENT |
		TCPF_SYN_RECV);
}

/* Return: 0, and @entry is taken; or an error. */
static int begin(struct sock *sk, struct iketcp_bridge_entry *entry)
{
	struct iketcp_conn *conn = iketcp_conn_of(sk);
	int err = -ENOTCONN;

	lock_sock(sk);
	if (is_alive(sk) && !READ_ONCE(conn->tx.closed)) {
		publish(conn, entry);
		iketcp_ike_redirect(conn);
		err = 0;
	}
	release_sock(sk);
	return err;
}

/**
 * iketcp_bridge_set() - IKETCP_OPT_BRIDGE is set
 * @sk: a socket with one of our ULPs
 * @optval: struct iketcp_bridge
 * @optlen: its length
 *
 * Context: process, socket lock not held.
 * Return: 0, -EINVAL, -EFAULT, -ENOPROTOOPT, -ENOTCONN, -ENOMEM.
 */
int iketcp_bridge_set(struct sock *sk, sockptr_t optval, unsigned int optlen)
{
	struct iketcp_bridge_entry *entry;
	struct net *net = sock_net(sk);
	struct iketcp_bridge wanted;
	struct iketcp_conn *conn;
	int err;

	conn = iketcp_conn_of(sk);
	if (iketcp_conn_role_of(conn) == IKETCP_ROLE_LISTENER)
		return -ENOPROTOOPT;
	if (optlen < sizeof(wanted))
		return -EINVAL;
	if (copy_from_sockptr(&wanted, optval, sizeof(wanted)))
		return -EFAULT;
	if (wanted.family == AF_UNSPEC) {
		iketcp_bridge_end(conn, net);
		return 0;
	}

	entry = kzalloc(sizeof(*entry), GFP_KERNEL);
	if (!entry)
		return -ENOMEM;
	entry->conn = conn;
	entry->net = net;
	err = read_ends(&wanted, &entry->ends);
	if (err)
		goto free;

	mutex_lock(&users_lock);
	err = use(conn, net);
	if (err)
		goto unlock;
	err = begin(sk, entry);
	if (err && !rcu_access_pointer(conn->bridge))
		unuse(conn, net);
unlock:
	mutex_unlock(&users_lock);
	if (!err)
		return 0;
free:
	kfree(entry);
	return err;
}

/**
 * iketcp_bridge_get() - IKETCP_OPT_BRIDGE is asked for
 * @ulp_data: of the socket
 * @bridge: filled in
 *
 * Context: socket lock held, or RCU.
 * Return: 0 or -ENOPROTOOPT.
 */
int iketcp_bridge_get(const void *ulp_data, struct iketcp_bridge *bridge)
{
	const struct iketcp_bridge_entry *entry;
	const struct iketcp_conn *conn = ulp_data;

	if (iketcp_conn_role_of(ulp_data) == IKETCP_ROLE_LISTENER)
		return -ENOPROTOOPT;

	memset(bridge, 0, sizeof(*bridge));
	rcu_read_lock();
	entry = rcu_dereference(conn->bridge);
	if (entry) {
		bridge->family = entry->ends.family;
		bridge->local_port = (__force u16)entry->ends.local_port;
		bridge->peer_port = (__force u16)entry->ends.peer_port;
		memcpy(bridge->local, &entry->ends.local,
		       sizeof(bridge->local));
		memcpy(bridge->peer, &entry->ends.peer, sizeof(bridge->peer));
	}
	rcu_read_unlock();
	return 0;
}

/**
 * iketcp_bridge_drop() - a connection stands for nobody any more
 * @conn: the connection
 *
 * Context: any but hard interrupt.
 */
void iketcp_bridge_drop(struct iketcp_conn *conn)
{
	if (rcu_access_pointer(conn->bridge))
		publish(conn, NULL);
}

/**
 * iketcp_bridge_end() - the same, and nothing is kept for it
 * @conn: the connection; being detached, or its program says so
 * @net: its namespace
 *
 * Context: process, socket lock not held.
 */
void iketcp_bridge_end(struct iketcp_conn *conn, struct net *net)
{
	/* Set by a call of the same program that has returned. */
	if (!READ_ONCE(conn->bridge_user))
		return;
	mutex_lock(&users_lock);
	iketcp_bridge_drop(conn);
	unuse(conn, net);
	mutex_unlock(&users_lock);
}

static struct pernet_operations net_ops = {
	.id = &net_id,
	.size = sizeof(struct bridge_net),
};

/**
 * iketcp_bridge_setup() - make room in all namespaces
 *
 * Context: process, module init.
 * Return: 0 or -ENOMEM.
 */
int __init iketcp_bridge_setup(void)
{
	return register_pernet_subsys(&net_ops);
}

/**
 * iketcp_bridge_teardown() - undo that
 *
 * Context: process, module exit; no connection is left.
 */
void iketcp_bridge_teardown(void)
{
	/* Who still is in a hook. */
	synchronize_rcu();
	static_key_deferred_flush(&iketcp_bridge_key);
	unregister_pernet_subsys(&net_ops);
}
