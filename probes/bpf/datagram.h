// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Records of datagrams that user space understands: DNS on any port, and the packets of QUIC that begin a connection. Needs
 * maps.h, record.h, the infer headers and the map `socks` before it; adds no map of its own.
 */
#ifndef SONDE_DATAGRAM_H
#define SONDE_DATAGRAM_H

/* Bytes of a datagram that are copied. */
const volatile u32 budget_datagram = 1500;

#define DATAGRAM_MAX 1500

/* One record of a size class, as EMIT() in record.h. */
#define DATAGRAM(AREA)                                                                                               \
	struct datagram_##AREA {                                                                                     \
		struct event_datagram e;                                                                             \
		u8 bytes[AREA];                                                                                      \
	};                                                                                                           \
	static __noinline int datagram_##AREA(struct __sk_buff *skb, struct flow_key *key, u32 off, u32 len, u8 dir) \
	{                                                                                                            \
		u32 head = len < budget_datagram ? len : budget_datagram;                                            \
		struct datagram_##AREA *r;                                                                           \
                                                                                                                     \
		r = output_reserve(EVENT_DATAGRAM, sizeof(*r));                                                      \
		if (!r)                                                                                              \
			return done();                                                                               \
		datagram_facts(&r->e, key, len, dir);                                                                \
		if (head > AREA)                                                                                     \
			head = AREA;                                                                                 \
		if (load_some(skb, off, r->bytes, head, AREA))                                                       \
			head = 0;                                                                                    \
		r->e.head = head;                                                                                    \
		output_submit(r);                                                                                    \
		return done();                                                                                       \
	}

static __always_inline void datagram_facts(struct event_datagram *e, struct flow_key *key, u32 len, u8 dir)
{
	*(volatile u64 *)&e->hdr.sock = key->sock;
	__builtin_memcpy(e->tuple.local, key->local, 16);
	__builtin_memcpy(e->tuple.remote, key->remote, 16);
	e->tuple.local_port = key->local_port;
	e->tuple.remote_port = key->remote_port;
	/* Through the record the verifier forgets that this is a socket, as in know(). */
	e->tuple.netns = sock_netns((struct sock *)*(volatile u64 *)&e->hdr.sock);
	e->len = len;
	e->dir = dir;
	e->pad = 0;
}

DATAGRAM(184)
DATAGRAM(1500)

/* The parts of the scope that flows leave to user space. Which process a datagram is of is not known here. */
static __always_inline int datagram_wanted(struct __sk_buff *skb, struct bpf_sock *sk)
{
	struct sock_state *own;

	if ((scope_mask & SCOPE_CGROUP) && !cgroup_in_scope(sk))
		return 0;
	if ((scope_mask & SCOPE_INTERFACE) && !in_scope(SCOPE_INTERFACE, skb->ifindex))
		return 0;
	own = bpf_sk_storage_get(&socks, sk, 0, 0);
	return !own || !(own->flags & SOCK_IGNORE);
}

/* Makes a record of the datagram whose len bytes begin at off, when it is one that user space understands. */
static __always_inline void datagram(struct __sk_buff *skb, struct flow_key *key, u32 off, u8 dir)
{
	struct bpf_sock *sk = skb->sk;
	u8 first[INFER_BYTES] = {};
	u32 len = skb->len;

	if (len < off + 12 || !sk)
		return;
	len -= off;
	if (load_some(skb, off, first, len < INFER_BYTES ? len : INFER_BYTES, INFER_BYTES) ||
	    !infer_datagram(first, len))
		return;
	sk = bpf_sk_fullsock(sk);
	if (!sk || !datagram_wanted(skb, sk))
		return;
	if (len <= 184)
		DO(datagram_184(skb, key, off, len, dir));
	else
		DO(datagram_1500(skb, key, off, len, dir));
}

#endif
