// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The bytes of local TCP sockets, taken where their packets pass the socket: cgroup_skb on the root of cgroup2.
 * Whatever call the application used (read, writev, sendfile, splice, io_uring, ...) the segments look the same here.
 * Why here: docs/design/0001-capture-point.md.
 */
#include "lib/core.h"
#include "event.h"
#include "lib/sock.h"
#include "scope.h"
#include "infer.h"
#include "infer_known.h"
#include "state.h"
#include "maps.h"
#include "lib/output.h"
#include "lib/scope.h"
#include "lib/flow.h"
#include "record.h"
#include "classify.h"
#include "lib/use.h"

#define TCP_LISTEN 10
#define WINDOW_MAX (1U << 28) /* of what one socket can have announced and not yet read */

/*
 * Socket -> state. Made at the first packet of a socket with something to say, freed by the kernel with the socket.
 * BPF_F_CLONE: sockets accepted from sonde's own listener inherit SOCK_IGNORE. Full: not possible but by lack of memory.
 */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC | BPF_F_CLONE);
	__type(key, int);
	__type(value, struct sock_state);
} socks SEC(".maps");

/* Socket -> the walk over its frames. Made for connections that speak HTTP/2, freed by the kernel with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct walks);
} walks SEC(".maps");

/* Flows of UDP sockets. Emptied by user space in batches; full: packets of further flows are counted as not counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct flow_key);
	__type(value, struct flow_value);
} sock_flows SEC(".maps");

#include "frames.h"
#include "sender.h"

static __always_inline int cgroup_in_scope(struct bpf_sock *sk)
{
	int level;

	for (level = 0; level < SCOPE_LEVELS; level++) {
		u64 id = bpf_sk_ancestor_cgroup_id(sk, level);

		if (!id)
			return 0;
		if (in_scope(SCOPE_CGROUP, id))
			return 1;
	}
	return 0;
}

#include "datagram.h"

/* Once per socket. */
static __noinline int sock_wanted(struct bpf_sock *sk, struct sock_state *st, u32 ifindex)
{
	u16 local = st->tuple.local_port, remote = st->tuple.remote_port;

	if (!ports_in_scope(local, remote))
		return 0;
	if ((scope_mask & SCOPE_CGROUP) && !cgroup_in_scope(sk))
		return 0;
	if ((scope_mask & SCOPE_INTERFACE) && !in_scope(SCOPE_INTERFACE, ifindex))
		return 0;
	if ((scope_mask & SCOPE_PID) && !in_scope(SCOPE_COOKIE, st->cookie) && !in_scope(SCOPE_LISTEN_PORT, local) &&
	    !in_scope(SCOPE_SOCK, st->sock))
		return 0;
	return 1;
}

/*
 * Where the segment stands in its direction. Returns 0 when all of it was seen before; front is set when it has the newest
 * byte. A segment behind which bytes are missing is marked, so that user space waits for them instead of skipping them.
 */
static __always_inline int advance(struct direction *d, struct segment *s, struct bpf_tcp_sock *tp, int *front)
{
	u32 end = s->seq + s->len;

	/* Far from what TCP would accept: forged or stray. It would blind the count of what has been seen. */
	if (d->started && s->dir == DIR_RECEIVED && (u32)(s->seq - d->next + WINDOW_MAX) > 2 * WINDOW_MAX)
		return 0;
	if (!d->started) {
		d->started = 1;
		d->next = s->seq;
		/* Nothing received yet: the first byte is the one TCP waits for, whatever comes first. */
		if (s->dir == DIR_RECEIVED && !tp->bytes_received)
			d->next = tp->rcv_nxt;
	}
	*front = (s32)(end - d->next) > 0;
	if (*front) {
		/* What leaves a socket leaves it in order: a hole there is what took another way than this hook. */
		if (s->dir == DIR_RECEIVED && (s32)(s->seq - d->next) > 0) {
			s->flags |= SEGMENT_AHEAD;
			if (!d->open_hole) {
				d->open_hole = 1;
				d->hole = d->next;
			}
		}
		d->next = end;
		return 1;
	}
	if (!d->open_hole || (s32)(end - d->hole) <= 0)
		return 0;
	s->flags |= SEGMENT_LATE;
	if ((s32)(s->seq - d->hole) <= 0) /* fills the hole from its beginning; user space drops what it has twice */
		d->hole = end;
	if ((s32)(d->hole - d->next) >= 0)
		d->open_hole = 0;
	return 1;
}

/*
 * A segment of a socket that is known to speak something else than HTTP/1. Returns 1 when it turns out to be HTTP/2.
 *
 * Not static: see infer_words(). So it has to find the socket again, which these protocols can afford.
 */
__noinline int own_way(struct __sk_buff *skb, u32 off, u32 len, u64 seqs, u32 bits)
{
	struct segment s = segment_of(off, len, seqs, bits);
	struct bpf_sock *sk = skb->sk;
	struct bpf_tcp_sock *tp;
	struct sock_state *st;
	struct direction *d;

	sk = sk ? bpf_sk_fullsock(sk) : 0;
	if (!sk)
		return 0;
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	tp = bpf_tcp_sock(sk);
	if (!st || !tp)
		return 0;
	d = &st->dir[s.dir & 1];
	if ((st->flags & SOCK_OTHER) && len)
		DO(other_budget(skb, &s, st));
	if (st->flags & SOCK_FRAMES)
		return 1;
	if (st->flags & SOCK_TLS)
		tls_budget(&s, st);
	s.head = len < d->left ? len : d->left;
	if (!s.head && !worth_a_mark(st, d, &s))
		return 0;
	d->left -= s.head;
	d->unmarked = 0;
	s.tail = st->flags & SOCK_OTHER ? TAIL_OTHER : 0;
	emit_other_pieces(skb, &s, st, tp);
	return 0;
}

static __always_inline void segment(struct __sk_buff *skb, struct segment *s, struct sock_state *st,
				    struct bpf_tcp_sock *tp)
{
	struct direction *d = &st->dir[s->dir & 1], *o = &st->dir[(s->dir & 1) ^ 1];
	int first = !d->started, front = 0;
	u32 end = s->seq + s->len;

	/*
	 * Read before this segment's record is reserved, and written after: so a record that claims bytes of the other
	 * direction always comes after the record of those bytes, also when two CPUs work on one connection.
	 */
	s->other_told = *(volatile u32 *)&o->told;
	if (s->len) {
		int news = advance(d, s, tp, &front);

		if (!news) {
			count(COUNTER_RETRANSMITTED);
			return;
		}
		if (front && (first || d->other_told != s->other_told)) {
			d->other_told = s->other_told;
			s->flags |= SEGMENT_TURN;
		}
		if (!(st->flags & SOCK_OWN_WAY) && ((s->flags & SEGMENT_TURN) || d->left < s->len || d->brief))
			DO(classify(skb, s, st));
	}
	if (causes && front && s->dir == DIR_SENT && sender_lost(s, st, tp)) {
		count(COUNTER_LOST + EVENT_SEGMENT);
		segment_lost(s, st);
		*(volatile u32 *)&d->told = end;
		return;
	}
	if (st->flags & SOCK_OWN_WAY) {
		u64 seqs = segment_seqs(s);
		u32 bits = segment_bits(s);

		if ((st->flags & SOCK_FRAMES) || own_way(skb, s->off, s->len, seqs, bits))
			frames_way(skb, s->off, s->len, seqs, bits);
		if (front)
			*(volatile u32 *)&d->told = end;
		return;
	}
	s->head = s->len < d->left ? s->len : d->left;
	if (s->head || worth_a_mark(st, d, s)) {
		d->left -= s->head;
		d->unmarked = 0;
		emit_pieces(skb, s, st, tp);
	}
	if (front)
		*(volatile u32 *)&d->told = end;
}

static __noinline int know(struct sock_state *st, struct bpf_sock *sk, struct __sk_buff *skb)
{
	/* Through the map the verifier forgets that this is a socket, and CO-RE may read behind what struct bpf_sock shows. */
	*(volatile u64 *)&st->sock = (u64)sk;
	st->cookie = bpf_get_socket_cookie(skb);
	sock_tuple(&st->tuple, (struct sock *)*(volatile u64 *)&st->sock);
	st->flags |= SOCK_KNOWN;
	if (!sock_wanted(sk, st, skb->ifindex))
		st->flags |= SOCK_IGNORE;
	return 0;
}

/*
 * Data on the packet that completes a handshake (TCP_DEFER_ACCEPT, a lost ACK, Fast Open): the child socket is made from
 * it and does not exist yet. User space joins it by address.
 */
static __noinline int listener_segment(struct __sk_buff *skb, struct segment *s, struct bpf_sock *sk)
{
	struct sock_state st = {}, *own;
	struct bpf_tcp_sock *tp;
	u8 ip[40] = {};
	__be16 ports[2] = {};

	own = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (own && (own->flags & SOCK_IGNORE))
		return 0;
	tp = bpf_tcp_sock(sk);
	if (!tp || bpf_skb_load_bytes(skb, 0, ip, sizeof(ip)))
		return 0;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		v4_mapped(st.tuple.remote, *(__be32 *)(ip + 12));
		v4_mapped(st.tuple.local, *(__be32 *)(ip + 16));
	} else {
		__builtin_memcpy(st.tuple.remote, ip + 8, 16);
		__builtin_memcpy(st.tuple.local, ip + 24, 16);
	}
	if (bpf_skb_load_bytes(skb, s->l4, ports, sizeof(ports)))
		return 0;
	st.tuple.remote_port = bpf_ntohs(ports[0]);
	st.tuple.local_port = bpf_ntohs(ports[1]);
	if (!ports_in_scope(st.tuple.local_port, st.tuple.remote_port))
		return 0;
	st.dir[DIR_RECEIVED].guess = GUESS_MAYBE;
	s->flags = SEGMENT_TURN | SEGMENT_LISTENER;
	s->head = s->len < AREA_MAX ? s->len : AREA_MAX;
	emit_4096(skb, s, &st, tp);
	return 0;
}

/* p is the TCP header in the linear part. */
static __always_inline void tcp_segment(struct __sk_buff *skb, void *data, void *end, u32 l4, u8 dir)
{
	struct segment s = { .dir = dir };
	struct bpf_tcp_sock *tp;
	struct sock_state *st;
	struct bpf_sock *sk;
	u8 *tcp = data + l4;
	u32 doff;

	if ((void *)tcp + 20 > end)
		return;
	doff = (tcp[12] >> 4) * 4;
	s.tcp_flags = tcp[13];
	s.l4 = l4;
	s.off = l4 + doff;
	if (skb->len < s.off)
		return;
	s.len = skb->len - s.off;
	if (!s.len && !(s.tcp_flags & TCP_FLAG_FIN))
		return; /* a pure acknowledgement: the most frequent packet of all */
	s.seq = bpf_ntohl(*(__be32 *)(tcp + 4));

	sk = skb->sk;
	if (!sk)
		return;
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return;
	if (sk->state == TCP_LISTEN) {
		if (s.len && dir == DIR_RECEIVED)
			listener_segment(skb, &s, sk);
		return;
	}
	st = bpf_sk_storage_get(&socks, sk, 0, s.len ? BPF_SK_STORAGE_GET_F_CREATE : 0);
	if (!st) /* who is the second of two CPUs to make it gets nothing */
		st = bpf_sk_storage_get(&socks, sk, 0, 0);
	if (!st) {
		if (s.len)
			count(COUNTER_STORAGE_FULL);
		return;
	}
	if (!(st->flags & SOCK_KNOWN) && !(st->flags & SOCK_IGNORE))
		know(st, sk, skb);
	if (st->flags & SOCK_IGNORE)
		return;
	tp = bpf_tcp_sock(sk);
	if (!tp)
		return;
	segment(skb, &s, st, tp);
}

/* A datagram of a UDP socket is counted, and has a record where user space understands it. */
static __noinline int udp_datagram(struct __sk_buff *skb, u32 l4, u8 dir)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	struct flow_key key = { .proto = IPPROTO_UDP };
	struct bpf_sock *sk = skb->sk;
	u8 *ip = data;
	u16 *ports = data + l4;

	if (data + 20 > end || (void *)(ports + 4) > end || !sk)
		return done();
	key.sock = (u64)sk;
	key.local_port = bpf_ntohs(dir == DIR_SENT ? ports[0] : ports[1]);
	key.remote_port = bpf_ntohs(dir == DIR_SENT ? ports[1] : ports[0]);
	if (!ports_in_scope(key.local_port, key.remote_port))
		return done();
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (data + 40 > end)
			return done();
		__builtin_memcpy(dir == DIR_SENT ? key.local : key.remote, ip + 8, 16);
		__builtin_memcpy(dir == DIR_SENT ? key.remote : key.local, ip + 24, 16);
	} else {
		v4_mapped(dir == DIR_SENT ? key.local : key.remote, *(__be32 *)(ip + 12));
		v4_mapped(dir == DIR_SENT ? key.remote : key.local, *(__be32 *)(ip + 16));
	}
	datagram(skb, &key, l4 + 8, dir);
	if (!flow_add(&sock_flows, &key, dir, skb->len, bpf_ktime_get_boot_ns()))
		count(COUNTER_FLOWS_FULL);
	return done();
}

static __always_inline void packet(struct __sk_buff *skb, u8 dir)
{
	void *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;
	u8 *ip = data, proto;
	u32 l4;

	if (data + 28 > end) /* IPv4 and the shortest transport header */
		return;
	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		proto = ip[9];
		l4 = (ip[0] & 15) * 4;
	} else if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (data + 48 > end) /* with a TCP or UDP header behind it */
			return;
		proto = ip[6];
		l4 = 40;
		/* Big TCP: the kernel announces segments beyond 64 KiB in a hop-by-hop header, even to its own loopback. */
		if (proto == IPPROTO_HOPOPTS) {
			proto = ip[40];
			l4 += (ip[41] + 1) * 8;
		}
	} else {
		return;
	}
	if (proto == IPPROTO_TCP)
		tcp_segment(skb, data, end, l4, dir);
	else if (proto == IPPROTO_UDP)
		DO(udp_datagram(skb, l4, dir));
}

/* Packets that a local socket sends, after its own and before the interface's queue. Since 4.10. 1 lets it pass. */
SEC("cgroup_skb/egress")
int payload_egress(struct __sk_buff *skb)
{
	packet(skb, DIR_SENT);
	return 1;
}

/* Packets that reach a local socket, before TCP looks at them. Since 4.10. 1 lets it pass. */
SEC("cgroup_skb/ingress")
int payload_ingress(struct __sk_buff *skb)
{
	packet(skb, DIR_RECEIVED);
	return 1;
}

char _license[] SEC("license")
= "Dual BSD/GPL";
