// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Facts read from a struct sock by CO-RE, for programs that get the pointer from a kernel hook. No maps. */
#ifndef SONDE_SOCK_H
#define SONDE_SOCK_H

#include "core.h"

static __always_inline void v4_mapped(u8 *out, __be32 addr)
{
	__builtin_memset(out, 0, 10);
	out[10] = 0xff;
	out[11] = 0xff;
	__builtin_memcpy(out + 12, &addr, 4);
}

static __always_inline u32 sock_netns(const struct sock *sk)
{
	return BPF_CORE_READ(sk, __sk_common.skc_net.net, ns.inum);
}

static __always_inline void sock_tuple(struct tuple *t, const struct sock *sk)
{
	if (BPF_CORE_READ(sk, __sk_common.skc_family) == AF_INET) {
		v4_mapped(t->local, BPF_CORE_READ(sk, __sk_common.skc_rcv_saddr));
		v4_mapped(t->remote, BPF_CORE_READ(sk, __sk_common.skc_daddr));
	} else {
		BPF_CORE_READ_INTO(&t->local, sk, __sk_common.skc_v6_rcv_saddr.in6_u.u6_addr8);
		BPF_CORE_READ_INTO(&t->remote, sk, __sk_common.skc_v6_daddr.in6_u.u6_addr8);
	}
	/* Not skc_num: the kernel clears it on the way to TCP_CLOSE, before the state changes. */
	t->local_port = bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport));
	t->remote_port = bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport));
	t->netns = sock_netns(sk);
}

static __always_inline int sock_is_inet(const struct sock *sk)
{
	u16 family = BPF_CORE_READ(sk, __sk_common.skc_family);

	return family == AF_INET || family == AF_INET6;
}

#endif
