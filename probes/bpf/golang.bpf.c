// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which goroutine is behind a request, where the socket's own hooks cannot tell: in Go programs one goroutine asks, and another
 * one reads or writes. Uprobes say so at the moment of the hand-over (docs/design/0003 has the list of functions).
 *
 * All of it is read from the memory of the observed program at offsets that user space found in its type table. Nothing is
 * believed: a connection counts only when its descriptor is a TCP socket of this process with the very ports that the
 * program keeps for it. Go calls an entry uprobe again when the function's stack has to grow; the record is then the same.
 */
#include "lib/core.h"
#include "event.h"
#include "scope.h"
#include "maps.h"
#include "lib/output.h"
#include "lib/scope.h"
#include "lib/sock.h"
#include "lib/use.h"
#include "golang.h"

#define FD_MAX	    (1 << 20)
#define STREAM_MAX  0x7fffffff
#define WRAPPERS    3 /* of a net.Conn that are looked through, tls.Conn among them */
#define REPEAT_NS   20000
#define SOCK_STREAM 1
#define S_IFMT	    0170000
#define S_IFSOCK    0140000

/* TGID -> where this program keeps connections and streams. Filled and emptied with go_programs, and allocated as that. Full: as there. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, u32);
	__type(value, struct go_layout);
} go_layouts SEC(".maps");

struct last {
	u64 time;
	u64 goid;
	u64 sock;
	u32 tgid;
	u32 stream;
};

/*
 * The last record of each CPU. A file that is reached by two ways (two containers with the same layer) has each uprobe
 * twice; what the second one says follows at once and is left out.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct last);
} go_last SEC(".maps");

/* The structs on the way from a descriptor to its socket. */
struct inode___go {
	unsigned short i_mode;
} CORE;

struct file___go {
	struct inode___go *f_inode;
	void *private_data;
} CORE;

struct fdtable___go {
	unsigned int max_fds;
	struct file___go **fd;
} CORE;

struct files_struct___go {
	struct fdtable___go *fdt;
} CORE;

struct task_struct___go {
	struct files_struct___go *files;
} CORE;

struct socket___go {
	struct sock *sk;
} CORE;

/* Registers of Go's calling convention (ABIInternal), which are not those of C. */
#if defined(__TARGET_ARCH_x86)
#define GO_A(ctx) ((ctx)->rax)
#define GO_B(ctx) ((ctx)->rbx)
#define GO_C(ctx) ((ctx)->rcx)
#define GO_D(ctx) ((ctx)->rdi)
#define GO_G(ctx) ((ctx)->r14)
#elif defined(__TARGET_ARCH_arm64)
#define GO_A(ctx) ((ctx)->user_regs.regs[0])
#define GO_B(ctx) ((ctx)->user_regs.regs[1])
#define GO_C(ctx) ((ctx)->user_regs.regs[2])
#define GO_D(ctx) ((ctx)->user_regs.regs[3])
#define GO_G(ctx) ((ctx)->user_regs.regs[28])
#endif

static __always_inline u64 user_word(u64 at)
{
	u64 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)at); /* 0 where there is nothing */
	return value;
}

static __always_inline u32 user_half(u64 at)
{
	u32 value = 0;

	bpf_probe_read_user(&value, sizeof(value), (void *)at);
	return value;
}

/* The socket behind a descriptor of the current process, 0 when it is none of TCP. */
static __always_inline struct sock *sock_of_fd(u64 n)
{
	struct task_struct___go *task = (void *)bpf_get_current_task();
	struct fdtable___go *fdt = BPF_CORE_READ(task, files, fdt);
	struct file___go *file = 0, **fd;
	struct socket___go *socket;
	struct sock *sk;

	if (n >= FD_MAX || n >= BPF_CORE_READ(fdt, max_fds))
		return 0;
	fd = BPF_CORE_READ(fdt, fd);
	bpf_probe_read_kernel(&file, sizeof(file), fd + n);
	if (!file || (BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || !sock_is_inet(sk) || BPF_CORE_READ(sk, sk_protocol) != IPPROTO_TCP ||
	    BPF_CORE_READ(sk, sk_type) != SOCK_STREAM)
		return 0;
	return sk;
}

/* Whether the net.Addr at addr has this port. */
static __always_inline int has_port(const struct go_layout *l, u64 addr, u16 port)
{
	u64 tcp_addr = user_word(addr + 8); /* behind the type of the interface's value */

	return port && user_word(tcp_addr + l->tcp_port) == port;
}

/* The socket of a *net.TCPConn, 0 when this is something else. */
static __always_inline struct sock *sock_of_tcp(const struct go_layout *l, u64 conn)
{
	u64 fd = user_word(conn + l->tcp_fd);
	struct sock *sk;

	if (!fd)
		return 0;
	sk = sock_of_fd(user_word(fd + l->sysfd));
	if (!sk || !has_port(l, fd + l->laddr, bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport))) ||
	    !has_port(l, fd + l->raddr, bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport))))
		return 0;
	return sk;
}

/* The socket of the net.Conn at addr: of itself, or of the connection that it wraps and keeps in its first field. */
static __always_inline struct sock *sock_of_conn(const struct go_layout *l, u64 addr)
{
	struct sock *sk;
	u64 conn;
	int i;

#pragma unroll
	for (i = 0; i < WRAPPERS; i++) {
		conn = user_word(addr + 8);
		if (!conn)
			return 0;
		sk = sock_of_tcp(l, conn);
		if (sk)
			return sk;
		addr = conn;
	}
	return 0;
}

static __always_inline int repeated(const struct user *u, u64 sock, u32 stream)
{
	u32 zero = 0, tgid = u->pid_tgid >> 32;
	struct last *last = bpf_map_lookup_elem(&go_last, &zero);
	u64 now = bpf_ktime_get_boot_ns();
	int same;

	if (!last)
		return 0;
	same = last->tgid == tgid && last->goid == u->goid && last->sock == sock && last->stream == stream &&
	       now - last->time < REPEAT_NS;
	last->time = now;
	last->goid = u->goid;
	last->sock = sock;
	last->tgid = tgid;
	last->stream = stream;
	return same;
}

/* The goroutine whose runtime.g is g uses the net.Conn at conn, or a stream of it. */
static __always_inline int used(u8 use, const struct go_layout *l, u64 conn, u32 stream, u64 g)
{
	struct event_use *e;
	struct user u = {};
	struct sock *sk;

	user_thread(&u);
	if (!user_goroutine(&u, g))
		return 0;
	sk = sock_of_conn(l, conn);
	if (!sk || repeated(&u, (u64)sk, stream) ||
	    !ports_in_scope(bpf_ntohs(BPF_CORE_READ((struct inet_sock *)sk, inet_sport)),
			    bpf_ntohs(BPF_CORE_READ(sk, __sk_common.skc_dport))))
		return 0;
	e = output_reserve(EVENT_USE, sizeof(*e));
	if (!e)
		return 0;
	use_fill(e, use, (u64)sk, stream, &u);
	output_submit(e);
	return 0;
}

static __always_inline const struct go_layout *layout(void)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&go_layouts, &tgid);
}

/* Streams that clients open have odd numbers. */
static __always_inline int stream_valid(u32 id)
{
	return (id & 1) && id <= STREAM_MAX;
}

/* net/http.(*persistConn).roundTrip(pc, ...): the caller is the goroutine that asks. Any kernel that has uprobes. */
SEC("uprobe/http_call")
int golang_http(struct pt_regs *ctx)
{
	const struct go_layout *l = layout();
	u64 pc = GO_A(ctx);

	if (!l || l->http_conn == GO_NONE || !pc)
		return 0;
	return used(USE_CALL, l, pc + l->http_conn, 0, GO_G(ctx));
}

/* (*http2.serverConn).runHandler(sc, rw, ...), of net/http and of x/net: called by the goroutine that serves a stream. */
static __always_inline int http2_serve(struct pt_regs *ctx, const struct go_layout *l, const struct go_server *s)
{
	u64 sc = GO_A(ctx), rw = GO_B(ctx), stream;
	u32 id;

	if (s->conn == GO_NONE || !sc || !rw)
		return 0;
	stream = user_word(user_word(rw + s->state) + s->stream);
	id = stream ? user_half(stream + s->id) : 0;
	if (!stream_valid(id))
		return 0;
	return used(USE_SERVE, l, sc + s->conn, id, GO_G(ctx));
}

SEC("uprobe/http2_serve")
int golang_http2(struct pt_regs *ctx)
{
	const struct go_layout *l = layout();

	return l ? http2_serve(ctx, l, &l->http2) : 0;
}

SEC("uprobe/http2_serve_x")
int golang_xhttp2(struct pt_regs *ctx)
{
	const struct go_layout *l = layout();

	return l ? http2_serve(ctx, l, &l->xhttp2) : 0;
}

/* Address of a gRPC stream: within, or behind a pointer of, the struct that belongs to one side. */
static __always_inline u64 grpc_stream(const struct go_stream *s, u64 side)
{
	return s->inner == GO_NONE ? side : user_word(side + s->inner);
}

/* google.golang.org/grpc.(*Server).handleStream(s, t interface, stream): called by the goroutine that serves it. */
SEC("uprobe/grpc_serve")
int golang_grpcs(struct pt_regs *ctx)
{
	const struct go_layout *l = layout();
	u64 transport = GO_C(ctx), side = GO_D(ctx), stream;
	u32 id;

	if (!l || l->grpc_server.conn == GO_NONE || !transport || !side)
		return 0;
	stream = grpc_stream(&l->grpc_server, side);
	id = stream ? user_half(stream + l->grpc_server.id) : 0;
	if (!stream_valid(id))
		return 0;
	return used(USE_SERVE, l, transport + l->grpc_server.conn, id, GO_G(ctx));
}

/*
 * google.golang.org/grpc/internal/transport.(*http2Client).NewStream, where it has returned or is about to: the stream has its
 * number now and the caller is the goroutine that asks. Another goroutine sends it, and may have done so already.
 */
SEC("uprobe/grpc_call")
int golang_grpcc(struct pt_regs *ctx)
{
	const struct go_layout *l = layout();
	u64 side = GO_A(ctx), stream, transport;
	u32 id;

	if (!l || l->grpc_client.conn == GO_NONE || !side)
		return 0;
	stream = grpc_stream(&l->grpc_client, side);
	transport = user_word(side + l->grpc_client.transport);
	id = stream ? user_half(stream + l->grpc_client.id) : 0;
	if (!transport || !stream_valid(id))
		return 0;
	return used(USE_CALL, l, transport + l->grpc_client.conn, id, GO_G(ctx));
}

/* A process that becomes another program is no longer what user space found out about it. Raw tracepoint, any kernel. */
SEC("raw_tp/sched_process_exec")
int golang_exec(void *ctx)
{
	u32 tgid = bpf_get_current_pid_tgid() >> 32;

	bpf_map_delete_elem(&go_layouts, &tgid);
	bpf_map_delete_elem(&go_programs, &tgid);
	return 0;
}

char LICENSE[] SEC("license")
= "Dual BSD/GPL";
