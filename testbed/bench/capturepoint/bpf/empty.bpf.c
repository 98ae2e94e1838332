// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

/* Programs that do nothing, on the hooks of the prototypes: the price of being there. */

SEC("raw_tp/sys_enter")
int raw_enter(void *ctx)
{
	return 0;
}

SEC("raw_tp/sys_exit")
int raw_exit(void *ctx)
{
	return 0;
}

SEC("tracepoint/syscalls")
int tp_enter(void *ctx)
{
	return 0;
}

SEC("tracepoint/syscalls")
int tp_exit(void *ctx)
{
	return 0;
}

SEC("cgroup_skb/ingress")
int skb_ingress(struct __sk_buff *skb)
{
	return 1;
}

SEC("cgroup_skb/egress")
int skb_egress(struct __sk_buff *skb)
{
	return 1;
}

/* Packets to drop: every nth with payload at the loopback device, for the coverage test of retransmissions only. */
const volatile __u32 drop_every = 5;
__u32 dropped;

static __u32 packets;

SEC("tcx/ingress")
int device_drop(struct __sk_buff *skb)
{
	if (skb->len < 200 || ++packets % drop_every)
		return TCX_NEXT;
	dropped++;
	return TCX_DROP;
}

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
