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
#include "maps.h"
#include "lib/output.h"
#include "lib/scope.h"
#include "lib/flow.h"

#define TCP_LISTEN 10
#define WINDOW_MAX (1U << 28) /* of what one socket can have announced and not yet read */

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_PSH 0x08

#define AREA_MAX 4096 /* bytes of one record; a longer prefix takes several */
#define TAIL	 16   /* the last bytes of a cut segment: enough for the last chunk of a chunked body */
#define PIECES	 5    /* records of one segment at most */

/* Bytes of a turn that begins like an HTTP request: heads are copied whole up to this. */
const volatile u32 budget_request = 16384;
/* Bytes of a turn that begins like an HTTP response. */
const volatile u32 budget_response = 1024;
/* The same where the request turn before it held more than one request: their answers may come in one segment. */
const volatile u32 budget_pipelined = 16384;
/* Bytes of a turn that begins like nothing known, on connections that may still turn out to be something. */
const volatile u32 budget_unknown = 256;
/* Turns in a row that look like nothing known after which a connection is no longer copied (and stays a flow). */
const volatile u32 unknown_turns_max = 6;
/* A body that is counted, not copied, leaves a mark each time this many bytes have passed, and at each PSH. */
const volatile u32 mark_bytes = 65536;
/*
 * What every segment touches stands first and fits one cache line with sk_storage's own header before it: the two
 * directions of a socket run on different CPUs, and each line they share is a miss.
 */
struct direction {
	u32 next;	/* sequence number after the last byte seen */
	u32 told;	/* the same, set only after the record for it has its place in the ring */
	u32 other_told; /* the other direction's told when the current turn began */
	u32 hole;	/* sequence number of the first byte not seen, valid while open_hole */
	u32 unmarked;	/* bytes counted since the last record */
	u16 left;	/* bytes of the current turn that may still be copied */
	u8 guess : 2;
	u8 started : 1;
	u8 open_hole : 1;
	u8 pipelined : 1; /* the turn held more than one request */
	u8 pad;
};

struct sock_state {
	struct direction dir[2];
	u32 lost;
	u8 flags; /* enum sock_flags */
	u8 unknown_turns;
	u8 pad[2];
	u64 sock; /* address of the struct sock; from here on written once */
	u64 cookie;
	struct tuple tuple;
};

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

/* Flows of UDP sockets. Emptied by user space in batches; full: packets of further flows are counted as not counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct flow_key);
	__type(value, struct flow_value);
} sock_flows SEC(".maps");

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

struct segment {
	u32 off; /* of the first byte not yet emitted, from the start of skb */
	u32 seq;
	u32 len;
	u32 head; /* bytes to copy from the front */
	u32 other_told;
	u32 l4; /* offset of the TCP header */
	u8 dir;
	u8 flags; /* enum segment_flags */
	u8 tcp_flags;
	u8 pad;
};

static __always_inline void segment_facts(struct event_segment *e, struct __sk_buff *skb, struct segment *s,
					  struct sock_state *st, struct bpf_tcp_sock *tp)
{
	struct direction *d = &st->dir[s->dir & 1];

	e->hdr.sock = st->sock;
	e->hdr.flags = s->flags;
	e->cookie = st->cookie;
	e->tuple = st->tuple;
	e->seq = s->seq;
	e->len = s->len;
	e->dir = s->dir;
	e->guess = d->guess;
	e->tcp_flags = s->tcp_flags;
	e->pad = 0;
	e->other_next = s->other_told;
	e->lost = st->lost;
	e->ifindex = skb->ifindex;
	e->hole = d->hole;
	if (s->dir == DIR_RECEIVED) { /* another CPU may own these lines at the moment; what is sent next will tell */
		e->srtt_us = e->retransmits = 0;
		e->bytes_acked = e->bytes_received = 0;
		return;
	}
	e->srtt_us = tp->srtt_us >> 3; /* the kernel keeps eighths */
	e->retransmits = tp->total_retrans;
	e->bytes_acked = tp->bytes_acked;
	e->bytes_received = tp->bytes_received;
}

static __always_inline void segment_lost(struct segment *s, struct sock_state *st)
{
	st->lost++;
	if ((s->flags & SEGMENT_TURN) && st->dir[s->dir & 1].guess == GUESS_REQUEST)
		count(COUNTER_LOST_REQUESTS_SENT + (s->dir & 1));
}

/*
 * Copies n bytes when there are 1 to max of them. Written with n - 1, because verifiers before 6.8 do not learn from n != 0
 * that n is at least 1, and refuse a length that may be 0.
 */
static __always_inline int load_some(struct __sk_buff *skb, u32 off, void *to, u32 n, u32 max)
{
	u32 last = n - 1;

	asm volatile("" : "+r"(last));
	if (last >= max)
		return -1;
	return bpf_skb_load_bytes(skb, off, to, last + 1);
}

/*
 * One record of a size class: reserving the right size and copying into it is cheaper than a scratch buffer and a second
 * copy, and the verifier wants a constant. The caller made sure that s->head <= AREA.
 */
#define EMIT(AREA)                                                                                         \
	struct record_##AREA {                                                                             \
		struct event_segment e;                                                                    \
		u8 bytes[AREA + TAIL];                                                                     \
	};                                                                                                 \
	static __noinline int emit_##AREA(struct __sk_buff *skb, struct segment *s, struct sock_state *st, \
					  struct bpf_tcp_sock *tp)                                         \
	{                                                                                                  \
		u32 head = s->head, off = s->off, tail;                                                    \
		struct record_##AREA *r;                                                                   \
                                                                                                           \
		r = output_reserve(EVENT_SEGMENT, sizeof(*r));                                             \
		if (!r) {                                                                                  \
			segment_lost(s, st);                                                               \
			return 0;                                                                          \
		}                                                                                          \
		segment_facts(&r->e, skb, s, st, tp);                                                      \
		if (load_some(skb, off, r->bytes, head, AREA))                                             \
			head = 0;                                                                          \
		if (AREA && (s->flags & SEGMENT_TURN) && st->dir[s->dir & 1].guess == GUESS_REQUEST)       \
			st->dir[s->dir & 1].pipelined =                                                    \
				infer_pipelined(r->bytes, head, AREA < INFER_SCAN ? AREA : INFER_SCAN);    \
		tail = s->len - head;                                                                      \
		if (tail > TAIL)                                                                           \
			tail = TAIL;                                                                       \
		asm volatile("" : "+r"(head));                                                             \
		if (head > AREA || load_some(skb, off + s->len - tail, r->bytes + head, tail, TAIL))       \
			tail = 0;                                                                          \
		r->e.head = head;                                                                          \
		r->e.tail = tail;                                                                          \
		output_submit(r);                                                                          \
		return 0;                                                                                  \
	}

EMIT(0)
EMIT(112)
EMIT(496)
EMIT(1008)
EMIT(2032)
EMIT(4096)

static __always_inline void emit(struct __sk_buff *skb, struct segment *s, struct sock_state *st,
				 struct bpf_tcp_sock *tp)
{
	if (s->head == 0)
		emit_0(skb, s, st, tp);
	else if (s->head <= 112)
		emit_112(skb, s, st, tp);
	else if (s->head <= 496)
		emit_496(skb, s, st, tp);
	else if (s->head <= 1008)
		emit_1008(skb, s, st, tp);
	else if (s->head <= 2032)
		emit_2032(skb, s, st, tp);
	else
		emit_4096(skb, s, st, tp);
}

/* A prefix longer than one record is cut into records that follow each other. */
static __always_inline void emit_pieces(struct __sk_buff *skb, struct segment *s, struct sock_state *st,
					struct bpf_tcp_sock *tp)
{
	u32 len = s->len, head = s->head;
	int i;

	for (i = 0; i < PIECES - 1 && head > AREA_MAX; i++) {
		s->len = AREA_MAX;
		s->head = AREA_MAX;
		emit_4096(skb, s, st, tp);
		s->off += AREA_MAX;
		s->seq += AREA_MAX;
		s->flags &= ~SEGMENT_TURN;
		head -= AREA_MAX;
		len -= AREA_MAX;
	}
	s->len = len;
	s->head = head > AREA_MAX ? AREA_MAX : head;
	emit(skb, s, st, tp);
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

/* Sets how much of this segment may be copied, from what its first bytes look like. */
static __noinline int classify(struct __sk_buff *skb, struct segment *s, struct sock_state *st)
{
	struct direction *d = &st->dir[s->dir & 1];
	u8 first[INFER_BYTES] = {};
	u32 n = s->len < INFER_BYTES ? s->len : INFER_BYTES;
	int guess;

	if (load_some(skb, s->off, first, n, INFER_BYTES))
		return 0;
	guess = infer_http(first, n);
	if (!(s->flags & SEGMENT_TURN)) {
		/* Later in a turn only a new message matters: pipelined ones, each in a segment of its own. */
		if (guess == GUESS_RESPONSE && d->left < budget_response)
			d->left = budget_response;
		if (guess == GUESS_REQUEST && d->left < budget_request)
			d->left = budget_request;
		return 0;
	}
	d->guess = guess;
	if (guess == GUESS_REQUEST) {
		d->left = budget_request;
	} else if (guess == GUESS_RESPONSE) {
		d->left = st->dir[(s->dir & 1) ^ 1].pipelined ? budget_pipelined : budget_response;
	} else {
		/* A segment of nothing but a few bytes of a method or a version says nothing against HTTP. */
		if (guess == GUESS_NONE && st->unknown_turns < 255)
			st->unknown_turns++;
		d->left = 0;
		if (st->unknown_turns <= unknown_turns_max)
			d->left = guess == GUESS_MAYBE ? budget_request : budget_unknown;
		return 0;
	}
	st->unknown_turns = 0;
	st->flags |= SOCK_HTTP;
	return 0;
}

/* Whether a segment of which nothing is copied gets a record all the same: it tells how far the body has come, and when. */
static __always_inline int worth_a_mark(struct sock_state *st, struct direction *d, struct segment *s)
{
	if (!(st->flags & SOCK_HTTP) || st->unknown_turns > unknown_turns_max)
		return 0;
	d->unmarked += s->len;
	return (s->tcp_flags & (TCP_FLAG_FIN | TCP_FLAG_PSH)) || d->unmarked >= mark_bytes ||
	       (s->flags & (SEGMENT_TURN | SEGMENT_AHEAD | SEGMENT_LATE));
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
		if ((s->flags & SEGMENT_TURN) || d->left < s->len)
			classify(skb, s, st);
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

/* A datagram of a UDP socket is counted; its bytes are not looked at. */
static __always_inline void udp_datagram(struct __sk_buff *skb, void *data, void *end, u32 l4, u8 dir)
{
	struct flow_key key = { .proto = IPPROTO_UDP };
	struct bpf_sock *sk = skb->sk;
	u8 *ip = data;
	u16 *ports = data + l4;

	if ((void *)(ports + 4) > end || !sk)
		return;
	key.sock = (u64)sk;
	key.local_port = bpf_ntohs(dir == DIR_SENT ? ports[0] : ports[1]);
	key.remote_port = bpf_ntohs(dir == DIR_SENT ? ports[1] : ports[0]);
	if (!ports_in_scope(key.local_port, key.remote_port))
		return;
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (data + 40 > end)
			return;
		__builtin_memcpy(dir == DIR_SENT ? key.local : key.remote, ip + 8, 16);
		__builtin_memcpy(dir == DIR_SENT ? key.remote : key.local, ip + 24, 16);
	} else {
		v4_mapped(dir == DIR_SENT ? key.local : key.remote, *(__be32 *)(ip + 12));
		v4_mapped(dir == DIR_SENT ? key.remote : key.local, *(__be32 *)(ip + 16));
	}
	if (!flow_add(&sock_flows, &key, dir, skb->len, bpf_ktime_get_boot_ns()))
		count(COUNTER_FLOWS_FULL);
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
		udp_datagram(skb, data, end, l4, dir);
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
