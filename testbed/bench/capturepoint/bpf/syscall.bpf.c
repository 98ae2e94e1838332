// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Prototype (a): bytes at the socket calls, amd64 call numbers. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include "record.h"

#define NR_READ	     0
#define NR_WRITE     1
#define NR_READV     19
#define NR_WRITEV    20
#define NR_SENDTO    44
#define NR_RECVFROM  45
#define NR_SENDMSG   46
#define NR_RECVMSG   47
#define BIT(nr)	     (1ULL << (nr))
#define CALLS_OUT    (BIT(NR_WRITE) | BIT(NR_WRITEV) | BIT(NR_SENDTO) | BIT(NR_SENDMSG))
#define CALLS_IN     (BIT(NR_READ) | BIT(NR_READV) | BIT(NR_RECVFROM) | BIT(NR_RECVMSG))
#define CALLS_IOVEC  (BIT(NR_READV) | BIT(NR_WRITEV))
#define CALLS_MSGHDR (BIT(NR_SENDMSG) | BIT(NR_RECVMSG))
#define MAX_IOVECS   4
#define FILE_TYPE    0170000
#define FILE_SOCKET  0140000
#define PROTO_TCP    6
#define PROTO_MPTCP  262
#define FLAG_PEEK    2
#define INET4	     2

struct call {
	__u64 sk;
	__u64 buf;
	__u64 iovecs;
	__u32 nr;
	__u32 flags;
};

struct scratch {
	__u8 bytes[sizeof(struct record) + 2 * BUDGET];
};

#include "ring.h"

/* Key: tgid whose calls are not looked at (the consumer itself). Filled by user space. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 64);
	__type(key, __u32);
	__type(value, __u8);
} ignored_tgids SEC(".maps");

/* Key: pid_tgid inside a call. Filled at entry, removed at exit; when full the call is counted as lost. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__type(key, __u64);
	__type(value, struct call);
} calls SEC(".maps");

/* Key: struct sock. Filled by the first call, removed by tcp_destroy_sock; when full the oldest goes. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct conn);
} conns SEC(".maps");

/* Where the parts of an iovec are put together: their offsets cannot be proved inside a ring record. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

#include "turn.h"

static __always_inline bool is_watched(__u64 nr)
{
	__u32 tgid;

	if (nr > NR_RECVMSG || !((CALLS_IN | CALLS_OUT) & BIT(nr)))
		return false;
	tgid = bpf_get_current_pid_tgid() >> 32;
	return !bpf_map_lookup_elem(&ignored_tgids, &tgid);
}

static __always_inline struct sock *tcp_socket(__u32 fd)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct fdtable *fdt = BPF_CORE_READ(task, files, fdt);
	struct file **files, *file = 0;
	struct socket *socket;
	struct sock *sk;
	__u16 protocol;

	if (fd >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	files = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), files + fd);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & FILE_TYPE) != FILE_SOCKET)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	protocol = BPF_CORE_READ(sk, sk_protocol);
	return protocol == PROTO_TCP || protocol == PROTO_MPTCP ? sk : 0;
}

static __always_inline void call_enter(__u32 nr, __u64 fd, __u64 buf, __u64 third, __u64 fourth)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct call call = { .buf = buf, .nr = nr };
	struct user_msghdr msg;

	call.sk = (__u64)tcp_socket(fd);
	if (!call.sk)
		return;
	if (nr == NR_RECVFROM)
		call.flags = fourth;
	if (nr == NR_RECVMSG)
		call.flags = third;
	if (CALLS_IOVEC & BIT(nr))
		call.iovecs = third;
	if ((CALLS_MSGHDR & BIT(nr)) && !bpf_probe_read_user(&msg, sizeof(msg), (void *)buf)) {
		call.buf = (__u64)msg.msg_iov;
		call.iovecs = msg.msg_iovlen;
	}
	if (call.flags & FLAG_PEEK)
		return;
	if (bpf_map_update_elem(&calls, &id, &call, BPF_ANY))
		count_lost(LOST_MAP_FULL);
}

static __always_inline struct conn *conn_of(__u64 sk)
{
	struct conn *conn = bpf_map_lookup_elem(&conns, &sk);
	struct conn fresh = {};

	if (conn)
		return conn;
	bpf_map_update_elem(&conns, &sk, &fresh, BPF_NOEXIST);
	return bpf_map_lookup_elem(&conns, &sk);
}

static __always_inline void record_socket(struct record *r, struct sock *sk)
{
	struct tcp_sock *tcp = (void *)sk;

	r->sock = (__u64)sk;
	r->actor = bpf_get_current_pid_tgid();
	r->kind = RECORD_PAYLOAD;
	r->family = BPF_CORE_READ(sk, __sk_common.skc_family);
	r->local_port = BPF_CORE_READ(sk, __sk_common.skc_num);
	r->remote_port = __builtin_bswap16(BPF_CORE_READ(sk, __sk_common.skc_dport));
	if (r->family == INET4) {
		__builtin_memset(r->local_addr, 0, 32);
		bpf_core_read(r->local_addr, 4, &sk->__sk_common.skc_rcv_saddr);
		bpf_core_read(r->remote_addr, 4, &sk->__sk_common.skc_daddr);
	} else {
		bpf_core_read(r->local_addr, 16, &sk->__sk_common.skc_v6_rcv_saddr);
		bpf_core_read(r->remote_addr, 16, &sk->__sk_common.skc_v6_daddr);
	}
	r->srtt_us = BPF_CORE_READ(tcp, srtt_us);
	r->retransmits = BPF_CORE_READ(tcp, total_retrans);
	r->bytes_acked = BPF_CORE_READ(tcp, bytes_acked);
}

static __always_inline void send_buffer(struct call *call, struct conn *conn, int direction, __u32 len, __u32 take)
{
	struct record *r;

	if (take <= SMALL_PAYLOAD)
		r = bpf_ringbuf_reserve(&records, sizeof(*r) + SMALL_PAYLOAD, 0);
	else
		r = bpf_ringbuf_reserve(&records, sizeof(*r) + BUDGET, 0);
	if (!r) {
		count_lost(LOST_RING_FULL);
		return;
	}
	if (bpf_probe_read_user(r->payload, take, (void *)call->buf))
		count_lost(LOST_UNREADABLE);
	record_socket(r, (void *)call->sk);
	record_stream(r, conn, direction, len, take);
	bpf_ringbuf_submit(r, wakeup_flags());
}

/* Copies up to take bytes from the parts; returns how many it got. */
static __always_inline __u32 gather(struct record *r, const struct call *call, __u32 take)
{
	struct iovec iov;
	__u64 done = 0;

	for (__u32 i = 0; i < MAX_IOVECS && i < call->iovecs && done < take; i++) {
		__u64 part = take - done;

		if (bpf_probe_read_user(&iov, sizeof(iov), (struct iovec *)call->buf + i))
			break;
		if (part > iov.iov_len)
			part = iov.iov_len;
		asm volatile("" : "+r"(part), "+r"(done));
		if (!part)
			continue;
		if (done > BUDGET || part > BUDGET)
			break;
		if (bpf_probe_read_user(r->payload + done, part, iov.iov_base)) {
			count_lost(LOST_UNREADABLE);
			break;
		}
		done += part;
	}
	return done;
}

static __always_inline void send_iovec(struct call *call, struct conn *conn, int direction, __u32 len, __u32 take)
{
	__u32 zero = 0, size = sizeof(struct record) + BUDGET;
	struct scratch *s = bpf_map_lookup_elem(&scratches, &zero);

	if (!s)
		return;
	take = gather((void *)s->bytes, call, take);
	if (take <= SMALL_PAYLOAD)
		size = sizeof(struct record) + SMALL_PAYLOAD;
	record_socket((void *)s->bytes, (void *)call->sk);
	record_stream((void *)s->bytes, conn, direction, len, take);
	if (bpf_ringbuf_output(&records, s, size, wakeup_flags()))
		count_lost(LOST_RING_FULL);
}

static __always_inline void call_exit(struct call *call, int direction, __u32 len)
{
	struct conn *conn = conn_of(call->sk);
	__u32 take;

	if (!conn) {
		count_lost(LOST_MAP_FULL);
		return;
	}
	take = turn_take(conn, direction, len);
	asm volatile("" : "+r"(take)); /* clang knows the bound and drops the check that the verifier needs */
	if (!take || take > BUDGET)
		return;
	if (call->iovecs)
		send_iovec(call, conn, direction, len, take);
	else
		send_buffer(call, conn, direction, len, take);
}

static __always_inline void call_finish(__u64 ret)
{
	__u64 id = bpf_get_current_pid_tgid();
	struct call *found = bpf_map_lookup_elem(&calls, &id);
	struct call call;

	if (!found)
		return;
	call = *found;
	bpf_map_delete_elem(&calls, &id);
	if ((__s64)ret <= 0)
		return;
	if (CALLS_OUT & BIT(call.nr))
		call_exit(&call, DIR_OUT, ret);
	else
		call_exit(&call, DIR_IN, ret);
}

/* Every system call of the machine, in the caller's context. */
SEC("raw_tp/sys_enter")
int raw_enter(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (void *)ctx->args[0];
	__u64 nr = ctx->args[1];

	if (!is_watched(nr))
		return 0;
	call_enter(nr, BPF_CORE_READ(regs, di), BPF_CORE_READ(regs, si), BPF_CORE_READ(regs, dx),
		   BPF_CORE_READ(regs, r10));
	return 0;
}

SEC("raw_tp/sys_exit")
int raw_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct pt_regs *regs = (void *)ctx->args[0];

	if (is_watched(BPF_CORE_READ(regs, orig_ax)))
		call_finish(ctx->args[1]);
	return 0;
}

/* Attached to sys_enter_* of the eight calls, in the caller's context. */
SEC("tracepoint/syscalls")
int tp_enter(struct syscall_trace_enter *ctx)
{
	__u64 *args = (void *)ctx + 16;
	__u64 nr = ctx->nr, fourth = 0;

	if (!is_watched(nr))
		return 0;
	/* Calls with three arguments have a shorter context: reading the fourth directly refuses the attachment. */
	if (nr == NR_RECVFROM)
		bpf_probe_read_kernel(&fourth, sizeof(fourth), args + 3);
	call_enter(nr, args[0], args[1], args[2], fourth);
	return 0;
}

SEC("tracepoint/syscalls")
int tp_exit(struct syscall_trace_exit *ctx)
{
	if (is_watched(ctx->nr))
		call_finish(ctx->ret);
	return 0;
}

/* The socket goes away; its address will be used again. Any context. */
SEC("raw_tp/tcp_destroy_sock")
int sock_destroy(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 sk = ctx->args[0];

	bpf_map_delete_elem(&conns, &sk);
	return 0;
}

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
