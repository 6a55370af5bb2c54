/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * iketcp: IKE and ESP over one TCP connection, for programs in user space.
 *
 * The wire format is that of draft-ietf-ipsecme-tcp-encaps, RFC 8229 and
 * RFC 9329. This header needs no other and is for C and C++.
 *
 *
 * Attach
 * ======
 *
 *	setsockopt(fd, IPPROTO_TCP, TCP_ULP, IKETCP_ULP, sizeof(IKETCP_ULP));
 *
 * makes a TCP socket one that carries messages. The length may count the NUL
 * or not. It cannot be undone: close the socket. getsockopt() with the same
 * option gives the name back.
 *
 *	name		state of the socket	role
 *	----		-------------------	----
 *	"iketcp"	before connect(), or	originator: the kernel sends the
 *			while it is under way	prefix before everything else
 *	"iketcp"	connected (accepted)	responder: the kernel waits for
 *						the prefix and removes it
 *	"iketcp"	listening		its connections are responders:
 *						see "Listeners"
 *	"espintcp"	connected		either; the program has sent
 *						or read the prefix already
 *
 * "Connected" includes that the peer has closed its side. What the peer sent
 * before is not lost: it is read as if it came afterwards. "iketcp" does not
 * ask who connected: on any connected socket it makes a responder.
 *
 * On a kernel with CONFIG_INET_ESPINTCP the name "espintcp" is the kernel's
 * own, and what follows holds for "iketcp" only.
 *
 * A namespace's administrator may attach: CAP_NET_ADMIN in the user namespace
 * that owns the socket's network namespace. If that is not the initial user
 * namespace, the module's parameter allow_userns has to be on, too. For the
 * module to be loaded by this call the program needs CAP_NET_ADMIN in the
 * initial user namespace.
 *
 * Errors:
 *	ENOENT		no such name; the module is not there
 *	EPERM		not allowed, see above
 *	EEXIST		the socket has a ULP already
 *	ENOTCONN	wrong state: shutting down or closed; for "espintcp"
 *			also: listening, or not connected yet
 *	EBUSY		somebody else has taken the socket over (sockmap, KCM)
 *	EINVAL		repair mode or Fast Open; or an empty name
 *	EOPNOTSUPP	not a TCP stream socket
 *	ENOMEM		no memory
 * A socket that is not TCP answers with an error of its own protocol. After an
 * error the socket is what it was before.
 *
 * The kernel sets TCP_NODELAY, SO_RCVLOWAT 1 and, if it is not set yet,
 * TCP_NOTSENT_LOWAT 131072. All else is the program's: keepalives,
 * TCP_USER_TIMEOUT, SO_MARK, IP_TOS (the DSCP of all that the connection carries;
 * its segments are never ECN-capable). A program whose IPsec policies could catch
 * the connection itself gives the socket a policy that lets it pass
 * (IP_XFRM_POLICY, IPV6_XFRM_POLICY), before connect() or after accept().
 *
 *
 * Messages
 * ========
 *
 * One read() gives one IKE message, one write() takes one, the non-ESP marker
 * (IKETCP_MARKER_LEN zero bytes) included, the length field not. ESP messages
 * are never seen here: they go to and come from the kernel's IPsec states that
 * have encapsulation type TCP_ENCAP_ESPINTCP and the socket's addresses and
 * ports. What is to be sent goes where the last valid ESP message of its peer
 * came from, until the program updates the state's ports. XFRM_MSG_MAPPING tells
 * it.
 *
 *
 * read(), recv(), recvmsg()
 * =========================
 *
 * Returns the length of one message, 5..IKETCP_BODY_MAX bytes. What does not
 * fit into the buffer is lost, and MSG_TRUNC is set in msg_flags. Waits for a
 * message unless the socket is non-blocking; SO_RCVTIMEO holds. Flags:
 * MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC (return the real length), MSG_ERRQUEUE;
 * others change nothing.
 *
 * Returns 0 at the end of the stream, also when it came in mid-message. All
 * whole messages that came before an end or an error are read first. An error
 * is returned once; afterwards 0.
 *
 * Errors:
 *	EAGAIN		no message
 *	EINTR		interrupted by a signal
 *	EINVAL		the peer sent a length of 0 or 1: connection reset
 *	EBADMSG		too many messages in a row were none, had an unknown
 *			SPI, or failed authentication (sysctls
 *			net.iketcp.bad_message_max, unknown_spi_max,
 *			bad_auth_max): connection reset
 *	EPROTO		"iketcp": the stream did not begin with the prefix:
 *			connection reset
 *	ETIMEDOUT	"iketcp": the prefix was not whole in time (sysctl
 *			net.iketcp.prefix_timeout, 10 seconds): connection
 *			reset; or as below
 *	ECONNRESET, ETIMEDOUT, ...	what ended the connection
 *	ENOTCONN	not connected
 *	EFAULT		bad buffer
 *	EOPNOTSUPP	MSG_OOB
 *
 * The queue of unread messages is bounded by SO_RCVBUF; IKE messages beyond it
 * are dropped and counted. ESP goes on meanwhile. Messages may be longer than
 * SO_RCVBUF. A NAT keepalive (one byte 0xff), an empty message and a message of
 * 1 to 4 bytes are never seen.
 *
 *
 * write(), send(), sendmsg()
 * ==========================
 *
 * Takes one message of 1..IKETCP_BODY_MAX bytes, whole or not at all, and
 * returns its length; 0 bytes are no message and return 0. All pieces of a
 * writev() are one message. The content is not looked at, so the marker has to
 * be there; only a NAT keepalive (one byte 0xff) is recognised, and not sent.
 * Flags: MSG_DONTWAIT, MSG_NOSIGNAL, MSG_MORE and MSG_EOR (which change
 * nothing).
 *
 * Messages go out in the order in which they were written. As many may wait as
 * begin within SO_SNDBUF bytes, each counted with 1 KiB more; then write() blocks
 * or says EAGAIN; SO_SNDTIMEO holds. While the connection is being made, write() waits for it.
 *
 * Errors:
 *	EAGAIN		too much is waiting, or not connected yet
 *	EINTR		interrupted by a signal
 *	EMSGSIZE	longer than IKETCP_BODY_MAX
 *	EPIPE		not connected, or sending was ended; with SIGPIPE
 *			unless MSG_NOSIGNAL
 *	ECONNRESET, ETIMEDOUT, ...	what ended the connection, once
 *	EFAULT		bad buffer
 *	ENOBUFS		no memory
 *	EOPNOTSUPP	another flag, or control data
 *
 *
 * poll(), epoll
 * =============
 *
 *	POLLIN		a whole message can be read, or the end
 *	POLLOUT		connected, and at most half of SO_SNDBUF is waiting; or
 *			a write would fail at once
 *	POLLRDHUP	the peer has ended its side, or the program its reading
 *	POLLHUP		both sides are ended, or there is no connection
 *	POLLERR		an error, or the error queue, can be read
 *
 * A poll() or an epoll registration from before the socket was attached goes
 * on working.
 *
 *
 * connect(), shutdown(), close()
 * ==============================
 *
 * A connect() that failed may be tried again. A socket that once was connected
 * cannot be used for another connection: EOPNOTSUPP, for AF_UNSPEC, too.
 *
 * shutdown(SHUT_WR) and close() send the IKE messages that were written before,
 * whole, and then the end of the stream. ESP messages that wait are dropped.
 * States in the kernel live on. If behind a close() the peer is gone, or does not
 * take these bytes, TCP gives up 30 s after it last took some (sooner with a
 * shorter TCP_USER_TIMEOUT), not after a quarter of an hour.
 *
 *
 * Other calls
 * ===========
 *
 *	FIONREAD	length of the next message, 0 if there is none
 *	TIOCOUTQ	TCP's own queue; what waits in front of it not counted
 *	SIOCATMARK, splice() in both directions, sendfile() to the socket,
 *	SO_PEEK_OFF, SO_RCVLOWAT above 1, TCP_ZEROCOPY_RECEIVE, TCP_REPAIR and its
 *	relatives, TCP_FASTOPEN_CONNECT:	EOPNOTSUPP
 *	sendfile() from the socket:	EINVAL, as from any socket
 *	mmap()		ENODEV
 *	listen()	EINVAL
 *
 *
 * Listeners
 * =========
 *
 * "iketcp" on a listening socket (after listen()) makes a responder of every
 * connection that it accepts, before accept() returns it: the prefix is read
 * and the first messages with it, also ESP. Threads that wait in accept() at
 * that moment may still get a bare connection; so do it before. What is set on
 * the listener with the options below holds for its connections.
 *
 * With IKETCP_OPT_ACCEPT_PREFIX accept() and poll() tell only of connections
 * whose prefix has come whole: strangers never reach the program. They wait
 * apart from the backlog, so they are in nobody's way there. Those that send
 * something else, nothing in time, or go, are closed; and when 4096 wait
 * (sysctl net.iketcp.max_waiting) the oldest has to go. Each is counted
 * (ListenDrop).
 *
 * Errors of accept() are those of any listener. EOPNOTSUPP: connect() and
 * TCP_FASTOPEN on such a listener; attaching to a listener with TCP_FASTOPEN
 * gives EINVAL.
 *
 *
 * Options
 * =======
 *
 * getsockopt() and setsockopt() with level SOL_IKETCP, on a socket with one of
 * the ULPs. Errors: ENOPROTOOPT (no such option; not of this kind of socket),
 * EINVAL (too short; a value out of range), EBUSY (too late), EFAULT.
 *
 *	IKETCP_OPT_ROLE		get: enum iketcp_role. set: IKETCP_ROLE_ORIGINATOR
 *				on a socket that was connected before it was
 *				attached as "iketcp", as long as nothing has
 *				been sent or received; else EBUSY
 *	IKETCP_OPT_PREFIX_TIMEOUT
 *				seconds that a responder waits for the prefix,
 *				0..3600, 0: for ever. set: counts from now on;
 *				means nothing any more once the prefix is there
 *	IKETCP_OPT_ACCEPT_PREFIX
 *				listener: 1: accept() waits for the prefix;
 *				0 (default): it does not
 *	IKETCP_OPT_INFO		get: struct iketcp_info
 *	IKETCP_OPT_MAX_MESSAGE	bytes that an ESP message shall have at most, its
 *				length field included: 1400..65535 (default:
 *				sysctl net.iketcp.max_message, 65535). Bounds the
 *				MTU for what goes through the connection's SAs:
 *				a longer packet that must not be cut is refused
 *				and its sender told. What was on its way before,
 *				and IPv4 packets that may be cut, are sent whole.
 *				IKE messages are as long as they are
 *	IKETCP_OPT_BRIDGE	get and set: struct iketcp_bridge. A connection
 *				that is made or is being made; else ENOTCONN.
 *				See "Bridges"
 *
 *
 * Bridges
 * =======
 *
 * An IKE daemon that knows UDP only can be served by a connection: with
 * IKETCP_OPT_BRIDGE it carries what the daemon and its states send to a UDP
 * address and port, and what comes by it looks as if it had come by UDP from there.
 *
 *	ESP received	goes to states with encapsulation type UDP_ENCAP_ESPINUDP;
 *			source and ports are the bridge's (XFRM_MSG_MAPPING, too)
 *	IKE received	is a UDP datagram from the peer to the local address, for
 *			whoever has bound the port there; firewalls see it. read()
 *			gives no messages any more, only the end. What was
 *			waiting to be read is delivered so, too
 *	UDP sent	from the local to the peer's address and port: a message
 *			with the non-ESP marker is taken off the output path and
 *			sent by the connection; so is the NAT keepalive (one byte
 *			0xff), which is not sent. All else stays UDP
 *	ESP sent	packets of states with UDP_ENCAP_ESPINUDP and these
 *			addresses and ports are sent by the connection
 *
 * write() goes on sending IKE messages. The newest of several connections with
 * the same pair is used for sending, the others are read. When it ends, or gives
 * its bridge up (family 0), the next newest is used; without one there is UDP
 * again. A new pair takes the place of the old one.
 *
 * What does not fit any more into the connection's allowance (SO_SNDBUF), and
 * datagrams longer than a message can be, are dropped and counted.
 *
 * Errors: EINVAL (too short; another family; reserved not 0; an address that is
 * unspecified, multicast or broadcast; a port of 0), ENOPROTOOPT (a listener),
 * ENOTCONN, ENOMEM.
 */
#ifndef _IKETCP_H
#define _IKETCP_H

/* The socket option, for C libraries whose headers lack it. */
#ifndef TCP_ULP
#define TCP_ULP			31
#endif

/* Names for TCP_ULP. */
#define IKETCP_ULP		"iketcp"
#define IKETCP_ULP_ESPINTCP	"espintcp"

/* Encapsulation type of states carried over TCP: struct xfrm_encap_tmpl. */
#ifndef TCP_ENCAP_ESPINTCP
#define TCP_ENCAP_ESPINTCP	7
#endif

/* What the originator of a stream sends first, once; without the NUL. */
#define IKETCP_PREFIX		"IKETCP"
#define IKETCP_PREFIX_LEN	6

/*
 * The length field in front of each message: 16 bits, network byte order; it
 * counts itself. A value of 0 or 1 ends the connection.
 */
#define IKETCP_LENGTH_LEN	2

/* The zero bytes in front of an IKE message, where ESP has its SPI. */
#define IKETCP_MARKER_LEN	4

/* The longest message, length field not included, in bytes. */
#define IKETCP_BODY_MAX		(0xffff - IKETCP_LENGTH_LEN)

/* The port that implementations must support. */
#define IKETCP_PORT		4500

/* The level of the options below, for getsockopt() and setsockopt(). */
#define SOL_IKETCP		8229

/* Options. What each takes and gives stands in "Options" above. */
enum {
	IKETCP_OPT_ROLE = 1,		/* int, enum iketcp_role */
	IKETCP_OPT_PREFIX_TIMEOUT = 2,	/* int, seconds */
	IKETCP_OPT_ACCEPT_PREFIX = 3,	/* int, 0 or 1 */
	IKETCP_OPT_INFO = 4,		/* struct iketcp_info, get only */
	IKETCP_OPT_MAX_MESSAGE = 5,	/* int, bytes */
	IKETCP_OPT_BRIDGE = 6,		/* struct iketcp_bridge */
};

/**
 * struct iketcp_bridge - the UDP addresses and ports that a connection stands for
 * @family: AF_INET or AF_INET6, of the UDP packets; need not be the connection's.
 *	    0: none; what else is set is not looked at then, and reads as 0
 * @local_port: UDP port, network order
 * @peer_port: likewise
 * @reserved: 0
 * @local: address; IPv4: the first 4 bytes, the rest 0
 * @peer: likewise
 */
struct iketcp_bridge {
	unsigned short family;
	unsigned short local_port;
	unsigned short peer_port;
	unsigned short reserved;
	unsigned char local[16];
	unsigned char peer[16];
};

/* Who handles the prefix. */
enum iketcp_role {
	IKETCP_ROLE_PLAIN = 0,		/* "espintcp": the program does */
	IKETCP_ROLE_ORIGINATOR = 1,	/* the kernel sends it */
	IKETCP_ROLE_RESPONDER = 2,	/* the kernel waits for it */
	IKETCP_ROLE_LISTENER = 3,	/* its connections are responders */
};

/* Flags of struct iketcp_info. */
#define IKETCP_INFO_F_PREFIX	0x1	/* the prefix has been sent or read */
#define IKETCP_INFO_F_DEAD	0x2	/* the stream cannot be read any more */
#define IKETCP_INFO_F_CLOSED	0x4	/* takes no more messages to send */
#define IKETCP_INFO_F_FILTER	0x8	/* listener: IKETCP_OPT_ACCEPT_PREFIX */

/**
 * struct iketcp_info - what the kernel knows of a connection or a listener
 * @role: enum iketcp_role
 * @flags: IKETCP_INFO_F_*
 * @last_drop: what the last dropped message was dropped for: number of a line
 *	       of this module's /proc/net/iketcp_stat, from 1; 0: none was
 * @in_queue: bytes of memory of IKE messages that the program has not read
 * @out_queue_ike: bytes of IKE messages that TCP has not taken yet
 * @out_queue_esp: the same of ESP
 * @waiting: listener: connections without a whole prefix yet
 * @ready: listener: connections that accept() would return
 * @in_ike: whole IKE messages queued for the program
 * @in_esp: whole ESP messages handed to xfrm
 * @in_bytes: bytes of the stream read, prefix, lengths and all
 * @out_ike: whole IKE messages given to TCP
 * @out_esp: whole ESP messages given to TCP
 * @out_bytes: bytes given to TCP
 * @drops: messages dropped, in either direction
 *
 * It grows at its end only. getsockopt() copies as much as both sides know and
 * gives back that length; a field beyond it is one that this kernel's module
 * does not have. Also the payload of IKETCP_DIAG_INFO in sock_diag.
 */
struct iketcp_info {
	unsigned char role;
	unsigned char flags;
	unsigned short last_drop;
	unsigned int in_queue;
	unsigned int out_queue_ike;
	unsigned int out_queue_esp;
	unsigned int waiting;
	unsigned int ready;
	unsigned long long in_ike;
	unsigned long long in_esp;
	unsigned long long in_bytes;
	unsigned long long out_ike;
	unsigned long long out_esp;
	unsigned long long out_bytes;
	unsigned long long drops;
};

/*
 * sock_diag (what ss(8) uses): the attribute with struct iketcp_info, inside
 * INET_DIAG_ULP_INFO, beside INET_ULP_INFO_NAME. The kernel tells of ULPs only who
 * has CAP_NET_ADMIN and asks for INET_DIAG_INFO.
 */
#define IKETCP_DIAG_INFO	8229

/* There, too, for a connection with a bridge: struct iketcp_bridge. */
#define IKETCP_DIAG_BRIDGE	8230

/*
 * Events: a generic netlink family. Its multicast group IKETCP_GENL_EVENTS
 * tells, in each network namespace, of its connections; nobody listening costs
 * nothing. Joining needs CAP_NET_ADMIN in the namespace's user namespace. When
 * a listener is too slow, or there is no memory, events are lost, as always with
 * netlink (ENOBUFS).
 */
#define IKETCP_GENL_NAME	"iketcp"
#define IKETCP_GENL_VERSION	1
#define IKETCP_GENL_EVENTS	"events"

enum {
	IKETCP_EVENT_ATTACH = 1,	/* a socket got one of our ULPs */
	IKETCP_EVENT_PREFIX = 2,	/* responder: the prefix is whole;
					 * originator: connected, it goes out
					 */
	IKETCP_EVENT_CLOSE = 3,		/* a connection has ended */
	IKETCP_EVENT_PATH = 4,		/* an SA went to this connection, as
					 * its peer was heard there
					 */
	IKETCP_EVENT_DROP = 5,		/* a message was dropped */
};

/*
 * Attributes of events. Ports and SPIs are in network byte order. Family,
 * addresses and ports are missing while a socket is not connected.
 */
enum {
	IKETCP_ATTR_UNSPEC,
	IKETCP_ATTR_FAMILY,	/* u16: AF_INET or AF_INET6 (outer packets) */
	IKETCP_ATTR_LOCAL,	/* 4 or 16 bytes */
	IKETCP_ATTR_REMOTE,	/* 4 or 16 bytes */
	IKETCP_ATTR_LPORT,	/* be16 */
	IKETCP_ATTR_RPORT,	/* be16 */
	IKETCP_ATTR_ROLE,	/* u8: enum iketcp_role */
	IKETCP_ATTR_ERROR,	/* u32: close: positive errno of our reset */
	IKETCP_ATTR_REASON,	/* string: drop: the counter's name */
	IKETCP_ATTR_SPI,	/* be32: path; drop, where there is one */
	IKETCP_ATTR_PAD,
	IKETCP_ATTR_MAX = IKETCP_ATTR_PAD
};

#endif
