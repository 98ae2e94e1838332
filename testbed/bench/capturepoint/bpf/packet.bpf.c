// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Prototype (b): bytes at the packets of local sockets; (b') the same at a device; and the thin actor hooks. */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "record.h"

#define PROTO_TCP      6
#define ETHERNET_BYTES 14

struct flow {
	__u32 addr[2];
	__u32 ports;
};

/* A TCP segment as the packet says, lengths in bytes. */
struct segment {
	__u32 seq;
	__u32 payload_offset;
	__u32 len;
	__u16 source;
	__u16 dest;
	__u32 fin;
	struct flow flow;
};

#include "ring.h"

/* One conn per socket. Created by the first segment, freed by the kernel with the socket. */
struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct conn);
} conns SEC(".maps");

/*
 * Key: the two ends in one order. Filled by the first segment at the device, and by segments that arrive before their
 * socket exists; when full the oldest goes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, struct flow);
	__type(value, struct conn);
} flows SEC(".maps");

/* Key: struct sock, value: pid_tgid that used it last. Filled by the actor hooks; when full the oldest goes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, __u64);
} actors SEC(".maps");

#include "turn.h"

/* Direct reads only: the stack has pulled both headers into the linear part before these hooks. */
static __always_inline bool parse(struct __sk_buff *skb, __u32 at, struct segment *seg)
{
	void *end = (void *)(long)skb->data_end;
	struct iphdr *ip = (void *)(long)skb->data + at;
	struct ipv6hdr *ip6 = (void *)ip;
	struct tcphdr *tcp;
	__u32 header = sizeof(*ip);

	if ((void *)(ip + 1) > end)
		return false;
	if (ip->version == 4) {
		if (ip->protocol != PROTO_TCP)
			return false;
		header = ip->ihl * 4;
		seg->flow.addr[0] = ip->saddr;
		seg->flow.addr[1] = ip->daddr;
	} else {
		if ((void *)(ip6 + 1) > end || ip6->nexthdr != PROTO_TCP)
			return false;
		header = sizeof(*ip6);
	}
	tcp = (void *)ip + header;
	if ((void *)(tcp + 1) > end)
		return false;
	header += at + tcp->doff * 4;
	seg->seq = bpf_ntohl(tcp->seq);
	seg->payload_offset = header;
	seg->len = skb->len > header ? skb->len - header : 0;
	seg->source = bpf_ntohs(tcp->source);
	seg->dest = bpf_ntohs(tcp->dest);
	seg->fin = tcp->fin;
	return true;
}

/*
 * Drops what was counted before (retransmission, overlap). Bytes behind a hole are taken at once and the hole is
 * counted as passed, so a segment that fills it later is not copied: enough here, the product keeps the hole.
 */
static __always_inline void trim(struct stream *s, struct segment *seg)
{
	__s32 ahead;

	if (!s->started) {
		s->started = 1;
		s->next_seq = seg->seq;
	}
	ahead = seg->seq - s->next_seq;
	if (ahead > 0)
		s->bytes += ahead;
	if (ahead < 0) {
		__u32 seen = -ahead;

		if (seen > seg->len)
			seen = seg->len;
		seg->seq += seen;
		seg->payload_offset += seen;
		seg->len -= seen;
	}
	if (seg->len)
		s->next_seq = seg->seq + seg->len;
}

/* Volatile, because clang would form the address of the array first, and the verifier refuses sums with sockets. */
static __always_inline void record_inet6(struct record *r, volatile struct bpf_sock *sk)
{
	__u32 *local = (void *)r->local_addr, *remote = (void *)r->remote_addr;

	local[0] = sk->src_ip6[0];
	local[1] = sk->src_ip6[1];
	local[2] = sk->src_ip6[2];
	local[3] = sk->src_ip6[3];
	remote[0] = sk->dst_ip6[0];
	remote[1] = sk->dst_ip6[1];
	remote[2] = sk->dst_ip6[2];
	remote[3] = sk->dst_ip6[3];
}

static __always_inline void record_socket(struct record *r, struct bpf_sock *sk)
{
	struct bpf_tcp_sock *tcp = TCP_FACTS ? bpf_tcp_sock(sk) : 0;

	r->family = sk->family;
	r->local_port = sk->src_port;
	r->remote_port = bpf_ntohs(sk->dst_port);
	if (r->family == 2) {
		__builtin_memset(r->local_addr, 0, 32);
		*(__u32 *)r->local_addr = sk->src_ip4;
		*(__u32 *)r->remote_addr = sk->dst_ip4;
	} else {
		record_inet6(r, sk);
	}
	if (tcp) {
		r->srtt_us = tcp->srtt_us;
		r->retransmits = tcp->total_retrans;
		r->bytes_acked = tcp->bytes_acked;
	}
}

static __always_inline void record_flow(struct record *r, const struct segment *seg)
{
	__builtin_memset(r->local_addr, 0, 32);
	r->family = 2;
	r->local_port = seg->dest;
	r->remote_port = seg->source;
	*(__u32 *)r->local_addr = seg->flow.addr[1];
	*(__u32 *)r->remote_addr = seg->flow.addr[0];
	r->srtt_us = r->retransmits = r->bytes_acked = 0;
}

static __always_inline struct record *reserve(__u32 take)
{
	void *ring = own_ring();

	if (!ring)
		return 0;
	if (!take)
		return bpf_ringbuf_reserve(ring, sizeof(struct record), 0);
	if (take <= SMALL_PAYLOAD)
		return bpf_ringbuf_reserve(ring, sizeof(struct record) + SMALL_PAYLOAD, 0);
	return bpf_ringbuf_reserve(ring, sizeof(struct record) + BUDGET, 0);
}

static __always_inline void segment_send(struct __sk_buff *skb, struct bpf_sock *sk, struct conn *conn, int direction,
					 const struct segment *seg, __u32 take)
{
	struct record *r;

	asm volatile("" : "+r"(take)); /* clang knows the bound and drops the check that the verifier needs */
	if (take > BUDGET)
		return;
	r = reserve(take);
	if (!r) {
		count_lost(LOST_RING_FULL);
		return;
	}
	if (STOP == STOP_RESERVED) {
		bpf_ringbuf_discard(r, BPF_RB_NO_WAKEUP);
		return;
	}
	if (take && bpf_skb_load_bytes(skb, seg->payload_offset, r->payload, take))
		count_lost(LOST_UNREADABLE);
	r->sock = (__u64)sk;
	r->actor = 0;
	r->kind = seg->fin ? RECORD_END : RECORD_PAYLOAD;
	if (sk)
		record_socket(r, sk);
	else
		record_flow(r, seg);
	record_stream(r, conn, direction, seg->len, take);
	bpf_ringbuf_submit(r, wakeup_flags());
}

static __always_inline void flow_key(const struct segment *seg, struct flow *key, int *direction)
{
	int up = seg->source <= seg->dest;

	*direction = up ? DIR_OUT : DIR_IN;
	key->addr[0] = seg->flow.addr[up];
	key->addr[1] = seg->flow.addr[!up];
	key->ports = up ? (__u32)seg->dest << 16 | seg->source : (__u32)seg->source << 16 | seg->dest;
}

static __always_inline struct conn *flow_lookup(const struct segment *seg, int *direction)
{
	struct flow key;

	flow_key(seg, &key, direction);
	return bpf_map_lookup_elem(&flows, &key);
}

static __always_inline struct conn *flow_conn(const struct segment *seg, int *direction)
{
	struct conn fresh = {}, *conn;
	struct flow key;

	flow_key(seg, &key, direction);
	conn = bpf_map_lookup_elem(&flows, &key);
	if (conn)
		return conn;
	bpf_map_update_elem(&flows, &key, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&flows, &key);
}

static __always_inline struct conn *socket_conn(struct bpf_sock *sk, const struct segment *seg)
{
	struct conn *conn = bpf_sk_storage_get(&conns, sk, 0, 0), *early;
	int direction;

	if (conn)
		return conn;
	conn = bpf_sk_storage_get(&conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	early = flow_lookup(seg, &direction);
	if (conn && early)
		conn->streams[DIR_IN] = early->streams[DIR_IN];
	return conn;
}

/*
 * A listening socket gets the segment that completes the handshake: with TCP_DEFER_ACCEPT, fast open, or after a lost
 * ACK that segment carries data, and there is no socket yet to keep its state.
 */
static __always_inline int socket_segment(struct __sk_buff *skb, int direction)
{
	struct segment seg = {};
	struct bpf_sock *sk;
	struct conn *conn;
	__u32 take;
	int side;

	if (!parse(skb, 0, &seg) || (!seg.len && !seg.fin))
		return 1;
	sk = skb->sk;
	if (!sk)
		return 1;
	if (STOP == STOP_PARSED) {
		/* Without a use the compiler would drop the parsing too. */
		asm volatile("" : : "r"(seg.seq), "r"(seg.len), "r"(seg.payload_offset));
		return 1;
	}
	sk = bpf_sk_fullsock(sk);
	if (!sk)
		return 1;
	if (sk->state == BPF_TCP_LISTEN) {
		conn = flow_conn(&seg, &side);
		sk = 0;
	} else {
		conn = socket_conn(sk, &seg);
	}
	if (!conn) {
		count_lost(LOST_MAP_FULL);
		return 1;
	}
	trim(&conn->streams[direction], &seg);
	take = seg.len ? turn_take(conn, direction, seg.len) : 0;
	if ((take || seg.fin) && STOP > STOP_COUNTED)
		segment_send(skb, sk, conn, direction, &seg, take);
	return 1;
}

/* Segments that arrived for a local socket, before the socket takes them. Softirq; data starts at the IP header. */
SEC("cgroup_skb/ingress")
int skb_ingress(struct __sk_buff *skb)
{
	return socket_segment(skb, DIR_IN);
}

/* Segments that a local socket sends, before they are cut for the wire. Sender's context or softirq. */
SEC("cgroup_skb/egress")
int skb_egress(struct __sk_buff *skb)
{
	return socket_segment(skb, DIR_OUT);
}

/* Packets that arrive at one device (loopback: each packet of both ends once). Softirq; data starts at Ethernet. */
SEC("tcx/ingress")
int device_ingress(struct __sk_buff *skb)
{
	struct segment seg = {};
	struct conn *conn;
	int direction;
	__u32 take;

	if (!parse(skb, ETHERNET_BYTES, &seg) || (!seg.len && !seg.fin))
		return TCX_NEXT;
	conn = flow_conn(&seg, &direction);
	if (!conn) {
		count_lost(LOST_MAP_FULL);
		return TCX_NEXT;
	}
	if (direction == DIR_IN) {
		trim(&conn->streams[DIR_IN], &seg);
		take = seg.len ? turn_take(conn, DIR_IN, seg.len) : 0;
	} else {
		trim(&conn->streams[DIR_OUT], &seg);
		take = seg.len ? turn_take(conn, DIR_OUT, seg.len) : 0;
	}
	if (take || seg.fin)
		segment_send(skb, 0, conn, direction & 1, &seg, take);
	return TCX_NEXT;
}

static __always_inline void actor_used(__u64 sk)
{
	__u64 id = bpf_get_current_pid_tgid();
	__u64 *last = bpf_map_lookup_elem(&actors, &sk);
	struct record *r;

	if (last && *last == id)
		return;
	if (bpf_map_update_elem(&actors, &sk, &id, BPF_ANY))
		count_lost(LOST_MAP_FULL);
	r = bpf_ringbuf_reserve(&records, sizeof(*r), 0);
	if (!r) {
		count_lost(LOST_RING_FULL);
		return;
	}
	__builtin_memset(r, 0, sizeof(*r));
	r->kind = RECORD_ACTOR;
	r->sock = sk;
	r->actor = id;
	bpf_ringbuf_submit(r, wakeup_flags());
}

/* A reader took bytes out of a TCP socket, in the reader's context. Since 4.16. */
SEC("raw_tp/tcp_rcv_space_adjust")
int actor_read(struct bpf_raw_tracepoint_args *ctx)
{
	actor_used(ctx->args[0]);
	return 0;
}

/* Return of a receive call of any protocol, in the reader's context. Not in 6.1, in 6.12. */
SEC("raw_tp/sock_recv_length")
int actor_recv(struct bpf_raw_tracepoint_args *ctx)
{
	if ((int)ctx->args[1] > 0)
		actor_used(ctx->args[0]);
	return 0;
}

/* Return of a send call of any protocol, in the sender's context. Not in 6.1, in 6.12. */
SEC("raw_tp/sock_send_length")
int actor_send(struct bpf_raw_tracepoint_args *ctx)
{
	if ((int)ctx->args[1] > 0)
		actor_used(ctx->args[0]);
	return 0;
}

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
