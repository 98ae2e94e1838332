// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The life of TCP connections and who uses them. Each hook has one body and a wrapper per flavour; probes/hooks chooses
 * the flavour that this kernel has.
 */
#include "lib/core.h"
#include "event.h"
#include "scope.h"
#include "maps.h"
#include "lib/output.h"
#include "lib/scope.h"
#include "lib/sock.h"
#include "lib/task.h"
#include "lib/use.h"

enum tcp_state {
	TCP_ESTABLISHED = 1,
	TCP_SYN_SENT = 2,
	TCP_SYN_RECV = 3,
	TCP_CLOSE = 7,
	TCP_LISTEN = 10,
};

/* Records of uses are made. */
const volatile u32 causes = 0;

/* enum skb_drop_reason << 16 | protocol (host order) -> packets. Full: counted under 0, which user space puts in. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 1024);
	__type(key, u64);
	__type(value, u64);
} drops SEC(".maps");

/* Source and destination of dropped packets -> packets. Emptied by user space; full: the oldest goes, and stays in drops. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct flow_key);
	__type(value, u64);
} flow_drops SEC(".maps");

static __always_inline void scope_add(u32 kind, u64 value)
{
	struct scope_key key = { .kind = kind, .value = value };
	u8 one = 1;

	bpf_map_update_elem(&scope, &key, &one, BPF_ANY);
}

static __always_inline void scope_remove(u32 kind, u64 value)
{
	struct scope_key key = { .kind = kind, .value = value };

	bpf_map_delete_elem(&scope, &key);
}

static __always_inline int port_wanted(const struct tuple *t)
{
	return ports_in_scope(t->local_port, t->remote_port);
}

/* Asked in the context of the process that uses the socket. */
static __always_inline int current_in_cgroup(void)
{
	int level;

	if (!(scope_mask & SCOPE_CGROUP))
		return 1;
	for (level = 0; level < SCOPE_LEVELS; level++) {
		u64 id = bpf_get_current_ancestor_cgroup_id(level);

		if (!id)
			return 0;
		if (in_scope(SCOPE_CGROUP, id))
			return 1;
	}
	return 0;
}

/* connect() runs in the context of the process that opens the connection, before a source port is chosen. */
static __always_inline void connect_began(struct sock *sk)
{
	u64 key = (u64)sk, who = bpf_get_current_pid_tgid();
	struct last_use use = { .actor = who, .flags = LAST_TCP | LAST_CLIENT };
	struct event_actor *e;

	bpf_map_update_elem(&actors, &key, &use, BPF_ANY);
	if (!current_in_cgroup())
		return;
	if (scope_mask & SCOPE_PID) {
		if (!in_scope(SCOPE_PID, who >> 32))
			return;
		scope_add(SCOPE_SOCK, key);
	}
	e = output_reserve(EVENT_CONNECT, sizeof(*e));
	if (!e)
		return;
	e->hdr.sock = key;
	task_actor(&e->actor);
	sock_tuple(&e->tuple, sk);
	output_submit(e);
}

static __always_inline void connection_established(struct sock *sk, int oldstate)
{
	struct event_established *e;
	struct tuple t;

	sock_tuple(&t, sk);
	if (!port_wanted(&t))
		return;
	e = output_reserve(EVENT_ESTABLISHED, sizeof(*e));
	if (!e)
		return;
	e->hdr.sock = (u64)sk;
	e->tuple = t;
	e->cgroup_id = 0;
	if (bpf_core_field_exists(sk->sk_cgrp_data.cgroup)) /* a union of pointer and flags before 5.15 */
		e->cgroup_id = BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id);
	e->passive = oldstate == TCP_SYN_RECV;
	e->pad[0] = e->pad[1] = e->pad[2] = 0;
	e->srtt_us = BPF_CORE_READ((struct tcp_sock *)sk, srtt_us) >> 3;
	output_submit(e);
}

static __always_inline void connection_closed(struct sock *sk, int oldstate)
{
	struct tcp_sock *tp = (struct tcp_sock *)sk;
	struct event_close *e;
	u64 key = (u64)sk;
	struct tuple t;

	sock_tuple(&t, sk);
	bpf_map_delete_elem(&actors, &key);
	if (scope_mask & SCOPE_PID)
		scope_remove(SCOPE_SOCK, key);
	if (!port_wanted(&t))
		return;
	e = output_reserve(EVENT_CLOSE, sizeof(*e));
	if (!e)
		return;
	e->hdr.sock = key;
	e->tuple = t;
	e->bytes_acked = BPF_CORE_READ(tp, bytes_acked);
	e->bytes_received = BPF_CORE_READ(tp, bytes_received);
	e->snd_una = BPF_CORE_READ(tp, snd_una);
	e->srtt_us = BPF_CORE_READ(tp, srtt_us) >> 3;
	e->retransmits = BPF_CORE_READ(tp, total_retrans);
	e->segs_out = BPF_CORE_READ(tp, segs_out);
	e->segs_in = BPF_CORE_READ(tp, segs_in);
	e->err = BPF_CORE_READ(sk, sk_err);
	if (!e->err && oldstate == TCP_SYN_SENT) /* what an ICMP message said while the socket was in use */
		e->err = BPF_CORE_READ(sk, sk_err_soft);
	e->oldstate = oldstate;
	__builtin_memset(e->pad, 0, sizeof(e->pad));
	output_submit(e);
}

static __always_inline int conn_state(struct sock *sk, int oldstate, int newstate)
{
	if (BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP)
		return 0;
	if (newstate == TCP_SYN_SENT)
		connect_began(sk);
	else if (newstate == TCP_ESTABLISHED && (oldstate == TCP_SYN_SENT || oldstate == TCP_SYN_RECV))
		connection_established(sk, oldstate);
	else if (newstate == TCP_CLOSE && oldstate != TCP_LISTEN && oldstate != TCP_CLOSE)
		connection_closed(sk, oldstate);
	else if (newstate == TCP_LISTEN && (scope_mask & SCOPE_PID) &&
		 in_scope(SCOPE_PID, bpf_get_current_pid_tgid() >> 32))
		scope_add(SCOPE_LISTEN_PORT, BPF_CORE_READ(sk, __sk_common.skc_num));
	return 0;
}

static __always_inline int sock_is_closed_tcp(struct sock *sk)
{
	return BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP && BPF_CORE_READ(sk, __sk_common.skc_state) == TCP_CLOSE;
}

/* Asked in the context of the process that uses the socket. */
static __always_inline int use_wanted(const struct tuple *t)
{
	return current_in_cgroup() && port_wanted(t) &&
	       (!(scope_mask & SCOPE_PID) || in_scope(SCOPE_PID, bpf_get_current_pid_tgid() >> 32));
}

/* Notes that another process than before uses the socket. Returns what is known of it now, or NULL. */
static __always_inline struct last_use *new_actor(struct sock *sk, struct last_use *last)
{
	u64 key = (u64)sk, who = bpf_get_current_pid_tgid();
	struct event_actor *e;
	struct tuple t;

	/* Used after its end (a write after a RST): the address may belong to another socket next. */
	if (!sock_is_inet(sk) || task_is_kernel_thread() || sock_is_closed_tcp(sk))
		return 0;
	if (last) {
		last->actor = who;
	} else {
		struct last_use use = { .actor = who };

		if (BPF_CORE_READ(sk, sk_protocol) == IPPROTO_TCP)
			use.flags = LAST_TCP;
		bpf_map_update_elem(&actors, &key, &use, BPF_ANY);
		last = causes ? bpf_map_lookup_elem(&actors, &key) : 0;
	}
	sock_tuple(&t, sk);
	if (!use_wanted(&t))
		return last;
	e = output_reserve(EVENT_ACTOR, sizeof(*e));
	if (!e)
		return last;
	e->hdr.sock = key;
	task_actor(&e->actor);
	e->tuple = t;
	output_submit(e);
	return last;
}

/* A process reads from or writes to a socket. Only the first use by another process than before makes a record. */
static __always_inline struct last_use *conn_actor(struct sock *sk)
{
	u64 key = (u64)sk;
	struct last_use *last = bpf_map_lookup_elem(&actors, &key);

	if (last && last->actor >> 32 == bpf_get_current_pid_tgid() >> 32)
		return last;
	return new_actor(sk, last);
}

static __always_inline u32 next_written(struct sock *sk)
{
	return BPF_CORE_READ((struct tcp_sock *)sk, write_seq);
}

static __always_inline void tell_reader(struct sock *sk, struct last_use *last, u32 at, struct user *u)
{
	struct event_use *e;
	struct tuple t;

	if (scope_mask & (SCOPE_PORT | SCOPE_CGROUP | SCOPE_PID)) {
		sock_tuple(&t, sk);
		if (!use_wanted(&t))
			return;
	}
	e = output_reserve(EVENT_USE, sizeof(*e));
	if (!e)
		return;
	use_fill(e, USE_READ, (u64)sk, 0, u);
	output_submit(e);
	last->who = user_who(u);
	last->which = user_which(u);
	last->read_at = at;
	last->flags |= LAST_READ;
}

/*
 * Once per turn: at the first read after this end has sent something, and at a read by another user than the last. Who opened
 * the connection is a client, whose reads cause nothing.
 */
static __noinline int conn_read(struct sock *sk, struct last_use *last)
{
	struct user u = {};
	u32 at;

	/* Not owned: the kernel reads for itself, in whoever's context (sockmap). */
	if (!(last->flags & LAST_TCP) || !BPF_CORE_READ(sk, sk_lock.owned) || task_is_kernel_thread())
		return 0;
	at = next_written(sk);
	user_current(&u);
	if ((last->flags & LAST_READ) && last->read_at == at && last->who == user_who(&u) &&
	    last->which == user_which(&u))
		return 0;
	tell_reader(sk, last, at, &u);
	return 0;
}

static __always_inline int conn_recv(struct sock *sk)
{
	struct last_use *last = conn_actor(sk);

	if (causes && last && !(last->flags & LAST_CLIENT))
		DO(conn_read(sk, last));
	return 0;
}

/*
 * A call that sends has ended: what is written from here on is of another one. By that payload.bpf.c knows whose bytes it
 * sees. A call that begins says nothing: another one may be at the socket.
 */
static __always_inline int conn_sent(struct sock *sk)
{
	struct last_use *last = conn_actor(sk);

	if (causes && last && (last->flags & LAST_TCP)) {
		last->written = next_written(sk);
		last->flags |= LAST_SENT;
	}
	return 0;
}

static __always_inline int conn_send(struct sock *sk)
{
	conn_actor(sk);
	return 0;
}

/* Fills the ends of a TCP or UDP packet; 0 when it has none that can be read, as later fragments have not. */
static __always_inline int dropped_ends(struct sk_buff *skb, u16 protocol, struct flow_key *key)
{
	unsigned char *at = BPF_CORE_READ(skb, head) + BPF_CORE_READ(skb, network_header);
	u32 header = 40;
	__be16 ports[2];
	u8 ip[40];

	if (protocol == ETH_P_IP) {
		if (bpf_probe_read_kernel(ip, 20, at) || ip[0] >> 4 != 4 || (ip[6] & 0x1f) | ip[7])
			return 0;
		header = (ip[0] & 15) * 4;
		key->proto = ip[9];
		__builtin_memset(key->local + 10, 0xff, 2);
		__builtin_memset(key->remote + 10, 0xff, 2);
		__builtin_memcpy(key->local + 12, ip + 12, 4);
		__builtin_memcpy(key->remote + 12, ip + 16, 4);
	} else if (protocol == ETH_P_IPV6) {
		if (bpf_probe_read_kernel(ip, 40, at) || ip[0] >> 4 != 6)
			return 0;
		key->proto = ip[6];
		__builtin_memcpy(key->local, ip + 8, 16);
		__builtin_memcpy(key->remote, ip + 24, 16);
	}
	if (key->proto != IPPROTO_TCP && key->proto != IPPROTO_UDP)
		return 0;
	if (bpf_probe_read_kernel(ports, sizeof(ports), at + header))
		return 0;
	key->local_port = bpf_ntohs(ports[0]);
	key->remote_port = bpf_ntohs(ports[1]);
	return 1;
}

static __always_inline void flow_dropped(struct sk_buff *skb, u16 protocol)
{
	struct flow_key key = {};
	u64 one = 1, *n;

	if (!dropped_ends(skb, protocol, &key))
		return;
	n = bpf_map_lookup_elem(&flow_drops, &key);
	if (n)
		__sync_fetch_and_add(n, 1);
	else
		bpf_map_update_elem(&flow_drops, &key, &one, BPF_ANY);
}

/* A packet was dropped by the kernel. reason 0: this kernel does not say. */
static __always_inline int packet_dropped(struct sk_buff *skb, u32 reason)
{
	u16 protocol = bpf_ntohs(BPF_CORE_READ(skb, protocol));
	u64 key = (u64)reason << 16 | protocol, other = 0;
	u64 one = 1, *n = bpf_map_lookup_elem(&drops, &key);

	flow_dropped(skb, protocol);
	if (!n) {
		if (!bpf_map_update_elem(&drops, &key, &one, BPF_NOEXIST))
			return 0;
		n = bpf_map_lookup_elem(&drops, &other);
	}
	if (n)
		(*n)++;
	return 0;
}

/* Every change of state of a TCP socket; softirq or process context. Tracepoint since 4.16. */
SEC("raw_tp/inet_sock_set_state")
int conn_state_tp(struct bpf_raw_tracepoint_args *ctx)
{
	return conn_state((void *)ctx->args[0], ctx->args[1], ctx->args[2]);
}

/* The same before the state is stored: the old one is still in the socket. */
SEC("fentry/tcp_set_state")
int BPF_PROG(conn_state_fe, struct sock *sk, int newstate)
{
	return conn_state(sk, BPF_CORE_READ(sk, __sk_common.skc_state), newstate);
}

SEC("kprobe/tcp_set_state")
int BPF_KPROBE(conn_state_kp, struct sock *sk, int newstate)
{
	return conn_state(sk, BPF_CORE_READ(sk, __sk_common.skc_state), newstate);
}

/* Data was copied to a reader of a TCP socket, in the reader's context. Tracepoint since 4.16. */
SEC("raw_tp/tcp_rcv_space_adjust")
int conn_recv_tp(struct bpf_raw_tracepoint_args *ctx)
{
	return conn_recv((void *)ctx->args[0]);
}

SEC("fentry/tcp_rcv_space_adjust")
int BPF_PROG(conn_recv_fe, struct sock *sk)
{
	return conn_recv(sk);
}

SEC("kprobe/tcp_rcv_space_adjust")
int BPF_KPROBE(conn_recv_kp, struct sock *sk)
{
	return conn_recv(sk);
}

/* Any socket has sent, in the sender's context. Tracepoint since 6.3; covers UDP too. */
SEC("raw_tp/sock_send_length")
int conn_send_tp(struct bpf_raw_tracepoint_args *ctx)
{
	return conn_sent((void *)ctx->args[0]);
}

/* Any socket is about to send: older kernels have no other function that sends of TCP and UDP alike have in common. */
SEC("fentry/security_socket_sendmsg")
int BPF_PROG(conn_send_fe, struct socket *sock)
{
	return conn_send(BPF_CORE_READ(sock, sk));
}

SEC("kprobe/security_socket_sendmsg")
int BPF_KPROBE(conn_send_kp, struct socket *sock)
{
	return conn_send(BPF_CORE_READ(sock, sk));
}

/* A thread or process is started by the current one, and does not run yet. Only threads can be a part of a request. */
SEC("raw_tp/task_newtask")
int thread_started(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	struct thread t = { .creator = (u32)bpf_get_current_pid_tgid() };
	u32 tid;

	if (!(ctx->args[1] & CLONE_THREAD))
		return 0;
	tid = BPF_CORE_READ(task, pid);
	t.start = BPF_CORE_READ(task, start_boottime);
	bpf_map_update_elem(&threads, &tid, &t, BPF_ANY);
	return 0;
}

/* A packet is freed without having been used. Since 5.17 with the reason. */
SEC("raw_tp/kfree_skb")
int drop_reason(struct bpf_raw_tracepoint_args *ctx)
{
	return packet_dropped((void *)ctx->args[0], ctx->args[2]);
}

/* The same for older kernels, whose tracepoint has two arguments: reading the third would fail to attach. */
SEC("raw_tp/kfree_skb")
int drop_any(struct bpf_raw_tracepoint_args *ctx)
{
	return packet_dropped((void *)ctx->args[0], 0);
}

char _license[] SEC("license")
= "Dual BSD/GPL";
