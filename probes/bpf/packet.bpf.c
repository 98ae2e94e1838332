// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Flows that cross an interface: TCX, or a clsact filter where the kernel has no TCX. Counts only; what belongs to a
 * local TCP socket is told by payload.bpf.c and conn.bpf.c. The two views are labelled and never added up.
 */
#include "lib/core.h"
#include "event.h"
#include "scope.h"
#include "maps.h"
#include "lib/output.h"
#include "lib/flow.h"

/* "Go on with the next program": TCX_NEXT and TC_ACT_UNSPEC are the same number. The only value ever returned. */
#define NEXT (-1)

/* In place of the transport header's offset: a later fragment, which has none. */
#define FRAGMENT 255

/* ifindex of the loopback interface: TCP on it is seen at both of its sockets already, so it is not counted again. */
const volatile u32 loopback_ifindex = 1;

/* Flows at interfaces. Emptied by user space in batches; full: packets of further flows are counted as not counted. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 65536);
	__type(key, struct flow_key);
	__type(value, struct flow_value);
} flows SEC(".maps");

struct ports {
	__be16 source;
	__be16 dest;
	__be32 seq;
	__be32 ack;
	u8 doff;
	u8 flags;
	u8 rest[2];
};

/* Fills addresses and protocol of key; returns the offset of the transport header, or 0 for what is not counted. */
static __always_inline u32 network(struct __sk_buff *skb, struct flow_key *key, u8 dir, u32 *total)
{
	u8 ip[40];

	if (skb->protocol == bpf_htons(ETH_P_IP)) {
		u8 *source = dir == DIR_SENT ? key->local : key->remote,
		   *dest = dir == DIR_SENT ? key->remote : key->local;

		if (bpf_skb_load_bytes_relative(skb, 0, ip, 20, BPF_HDR_START_NET))
			return 0;
		__builtin_memset(key->local + 10, 0xff, 2);
		__builtin_memset(key->remote + 10, 0xff, 2);
		__builtin_memcpy(source + 12, ip + 12, 4);
		__builtin_memcpy(dest + 12, ip + 16, 4);
		key->proto = ip[9];
		*total = ip[2] << 8 | ip[3];
		if ((ip[6] & 0x1f) | ip[7])
			return FRAGMENT;
		return (ip[0] & 15) * 4;
	}
	if (skb->protocol == bpf_htons(ETH_P_IPV6)) {
		if (bpf_skb_load_bytes_relative(skb, 0, ip, 40, BPF_HDR_START_NET))
			return 0;
		__builtin_memcpy(dir == DIR_SENT ? key->local : key->remote, ip + 8, 16);
		__builtin_memcpy(dir == DIR_SENT ? key->remote : key->local, ip + 24, 16);
		key->proto = ip[6];
		*total = (ip[4] << 8 | ip[5]) + 40;
		if (key->proto == IPPROTO_HOPOPTS) { /* multicast reports, Big TCP */
			if (bpf_skb_load_bytes_relative(skb, 40, ip, 2, BPF_HDR_START_NET))
				return 0;
			key->proto = ip[0];
			if (*total == 40) /* a jumbogram: the length is in that header, and in skb */
				*total = skb->len;
			return 40 + (ip[1] + 1) * 8;
		}
		return 40;
	}
	return 0;
}

/* TCP between two sockets of this machine, told from the Ethernet header that the loopback interface has too. */
static __always_inline int loopback_tcp(struct __sk_buff *skb)
{
	u8 *data = (void *)(long)skb->data, *end = (void *)(long)skb->data_end;

	if (skb->ifindex != loopback_ifindex || data + 24 > end)
		return 0;
	return skb->protocol == bpf_htons(ETH_P_IP) ? data[23] == IPPROTO_TCP : data[20] == IPPROTO_TCP;
}

static __always_inline int packet(struct __sk_buff *skb, u8 dir)
{
	struct flow_key key = { .ifindex = skb->ifindex };
	struct ports p = {};
	struct flow_value *f;
	u32 l4, total = 0;

	if (loopback_tcp(skb)) /* most of the packets of some machines, and nothing to do for them */
		return NEXT;
	l4 = network(skb, &key, dir, &total);
	if (!l4)
		return NEXT;
	/* 8 bytes hold the ports, or an echo's identifier; what is shorter has neither. */
	if (l4 != FRAGMENT)
		bpf_skb_load_bytes_relative(skb, l4, &p, key.proto == IPPROTO_TCP ? sizeof(p) : 8, BPF_HDR_START_NET);
	if (key.proto == IPPROTO_TCP || key.proto == IPPROTO_UDP) {
		key.local_port = bpf_ntohs(dir == DIR_SENT ? p.source : p.dest);
		key.remote_port = bpf_ntohs(dir == DIR_SENT ? p.dest : p.source);
	} else if (key.proto == IPPROTO_ICMP || key.proto == IPPROTO_ICMPV6) {
		key.remote_port = bpf_ntohl(p.seq) >> 16;
	}
	/* GSO: one skb stands for several packets; the wire length is what counts. */
	f = flow_add(&flows, &key, dir, skb->len > total ? total : skb->len, bpf_ktime_get_boot_ns());
	if (!f) {
		count(COUNTER_FLOWS_FULL);
		return NEXT;
	}
	if (key.proto == IPPROTO_TCP && l4 != FRAGMENT) {
		u32 header = l4 + (p.doff >> 4) * 4;

		flow_tcp(f, dir, bpf_ntohl(p.seq), total > header ? total - header : 0, p.flags);
		if (skb->gso_segs > 1)
			__sync_fetch_and_add(&f->packets[dir & 1], skb->gso_segs - 1);
	}
	return NEXT;
}

/* Packets that leave by an interface. tcx since 6.6, clsact since 4.5. */
SEC("tc")
int packet_egress(struct __sk_buff *skb)
{
	return packet(skb, DIR_SENT);
}

/* Packets that come in by an interface. */
SEC("tc")
int packet_ingress(struct __sk_buff *skb)
{
	return packet(skb, DIR_RECEIVED);
}

char _license[] SEC("license")
= "Dual BSD/GPL";
