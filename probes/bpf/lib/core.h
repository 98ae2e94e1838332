// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The few kernel structs that sonde reads, with the fields it reads. CO-RE relocates them to the running kernel, so
 * order and neighbours do not matter: a whole vmlinux.h (2.8 MB for each architecture) would say the same.
 */
#ifndef SONDE_CORE_H
#define SONDE_CORE_H

#include <linux/bpf.h>

/* Registers as kprobe programs see them (ABI, never relocated); bpf_tracing.h picks the argument registers. */
#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, orig_rax, rip, cs,
		eflags, rsp, ss;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31], sp, pc, pstate;
};
struct pt_regs {
	struct user_pt_regs user_regs;
};
#endif

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_tracing.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;

#define AF_INET		2
#define AF_INET6	10
#define ETH_P_IP	0x0800
#define ETH_P_IPV6	0x86dd
#define IPPROTO_HOPOPTS 0
#define IPPROTO_ICMP	1
#define IPPROTO_TCP	6
#define IPPROTO_UDP	17
#define IPPROTO_ICMPV6	58
#define PF_IO_WORKER	0x00000010
#define PF_KTHREAD	0x00200000
#define CLONE_THREAD	0x00010000

#define CORE __attribute__((preserve_access_index))

/*
 * The result of a function that is called for what it does, by DO(). A result that nobody uses, or that is always the same,
 * is left away by the compiler, which then leaves anything in r0; and a function that returns with an address of its
 * stack there is refused by the verifier.
 */
static __always_inline int done(void)
{
	int result = 0;

	asm volatile("" : "+r"(result));
	return result;
}

#define DO(call)                                  \
	do {                                      \
		int result = (call);              \
		asm volatile("" : : "r"(result)); \
	} while (0)

struct in6_addr___sonde {
	u8 s6_addr[16];
};

struct ns_common {
	unsigned int inum;
} CORE;

struct net {
	struct ns_common ns;
} CORE;

typedef struct {
	struct net *net;
} CORE possible_net_t;

struct in6_addr {
	union {
		u8 u6_addr8[16];
	} in6_u;
} CORE;

struct sock_common {
	__be32 skc_daddr;
	__be32 skc_rcv_saddr;
	__be16 skc_dport;
	u16 skc_num;
	unsigned short skc_family;
	volatile unsigned char skc_state;
	possible_net_t skc_net;
	struct in6_addr skc_v6_daddr;
	struct in6_addr skc_v6_rcv_saddr;
} CORE;

struct kernfs_node {
	u64 id;
} CORE;

struct cgroup {
	struct kernfs_node *kn;
} CORE;

struct sock_cgroup_data {
	struct cgroup *cgroup;
} CORE;

typedef struct {
	int owned;
} CORE socket_lock_t;

struct sock_backlog {
	int len;
} CORE;

struct sock {
	struct sock_common __sk_common;
	socket_lock_t sk_lock;
	struct sock_backlog sk_backlog;
	u16 sk_protocol;
	u16 sk_type;
	int sk_err;
	int sk_err_soft;
	struct sock_cgroup_data sk_cgrp_data;
} CORE;

struct socket {
	struct sock *sk;
} CORE;

struct inet_sock {
	__be16 inet_sport;
} CORE;

struct tcp_sock {
	u32 srtt_us;
	u32 total_retrans;
	u64 bytes_acked;
	u64 bytes_received;
	u32 snd_una;
	u32 write_seq;
	u32 segs_in;
	u32 segs_out;
} CORE;

struct thread_struct {
	unsigned long fsbase; /* x86 */
} CORE;

struct task_struct {
	unsigned int flags;
	int pid;
	int tgid;
	struct thread_struct thread;
	struct task_struct *group_leader;
	u64 start_boottime;
	char comm[16];
} CORE;

struct sk_buff {
	__be16 protocol;
	u16 network_header;
	u16 transport_header;
	unsigned char *head;
	struct sock *sk;
} CORE;

#endif
