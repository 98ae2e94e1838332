// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Every type that leaves the kernel. Go's twins are generated from the BTF of these (probes/gen.go), so a change here
 * is a change there. Fixed-size fields, no holes, host byte order except addresses.
 */
#ifndef SONDE_EVENT_H
#define SONDE_EVENT_H

enum event_kind {
	EVENT_NONE = 0,
	EVENT_SEGMENT = 1,     /* payload passed a local TCP socket */
	EVENT_CONNECT = 2,     /* connect() began */
	EVENT_ESTABLISHED = 3, /* the handshake is complete */
	EVENT_CLOSE = 4,       /* the connection is over, or failed */
	EVENT_ACTOR = 5,       /* a process used a socket for the first time */
	/* Made by user space, so that a recording holds everything that the pipeline takes: */
	EVENT_LISTED = 6, /* a socket that was there before the agent */
	EVENT_FLOW = 7,	  /* counters of a flow since the last such event */
	EVENT_LOST = 8,	  /* what the kernel side could not pass on since the last such event */
	EVENT_DROPS = 9,  /* packets dropped by the kernel since the last such event */
	/* Made by the kernel again: */
	EVENT_DATAGRAM = 10, /* a datagram passed a local UDP socket */
	EVENT_USE = 13,	     /* a thread used a socket; only where causes are asked for. 11 and 12: see enum counter */
	/* Made by user space: */
	EVENT_FLOW_DROPS = 16, /* packets of one flow that the kernel dropped since the last such event */
};

/* What a thread did, of event_use. */
enum use_kind {
	USE_READ = 1,  /* data was copied to a reader */
	USE_SEND = 2,  /* the bytes that follow are from this thread */
	USE_SENT = 3,  /* the bytes before are from this thread */
	USE_CALL = 4,  /* Go: the next request on the socket, or the stream, is from this goroutine */
	USE_SERVE = 5, /* Go: the stream that parent_goid read from its socket is served by this goroutine */
};

/* Direction, seen from the local socket. */
enum event_dir {
	DIR_SENT = 0,
	DIR_RECEIVED = 1,
};

/* What the first bytes of a turn look like, see infer.h. */
enum event_guess {
	GUESS_NONE = 0,
	GUESS_MAYBE = 1,
	GUESS_REQUEST = 2,
	GUESS_RESPONSE = 3,
};

enum segment_flags {
	SEGMENT_TURN = 1,     /* first segment after the other direction spoke */
	SEGMENT_AHEAD = 4,    /* bytes before it have not been seen yet: reordering or loss on the network */
	SEGMENT_LATE = 8,     /* fills a hole that an AHEAD segment left */
	SEGMENT_LISTENER = 2, /* the child socket does not exist yet (TCP_DEFER_ACCEPT, Fast Open): join by tuple */
};

/* State of a socket in payload.bpf.c; user space sets SOCK_IGNORE on sonde's own. */
enum sock_flags {
	SOCK_KNOWN = 1,	  /* tuple, cookie and scope are set */
	SOCK_IGNORE = 2,  /* sonde's own, or out of scope */
	SOCK_HTTP = 4,	  /* has looked like HTTP/1 at least once */
	SOCK_OTHER = 8,	  /* speaks another protocol that user space knows */
	SOCK_FRAMES = 16, /* speaks HTTP/2 */
	SOCK_TLS = 32,
	SOCK_ANSWERED = 64, /* has had an answer of HTTP/1 */
};

struct tuple {
	__u8 local[16]; /* IPv4 as ::ffff:a.b.c.d */
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port;
	__u32 netns; /* inode of the network namespace, 0 where the hook cannot see it */
};

struct actor {
	__u64 pid_tgid;
	__u64 start;	 /* start of the process, ns since boot: tells a reused PID apart */
	__u64 cgroup_id; /* cgroup2 directory inode */
	char comm[16];	 /* of the thread group leader: a change of it is an exec */
};

struct event_header {
	__u64 time; /* ns since boot, CLOCK_BOOTTIME */
	__u64 sock; /* address of struct sock: identifies the connection while it lives */
	__u8 kind;  /* enum event_kind */
	__u8 flags;
	__u16 pad;
	__u32 cpu;
};

/*
 * Bytes [seq, seq + len) passed. The first `head` of them and the last `tail` of them follow this struct, in that order.
 * The rest is counted, not copied. Cumulative fields make every later record tell what an earlier lost one held.
 */
struct event_segment {
	struct event_header hdr;
	__u64 cookie;
	struct tuple tuple;
	__u32 seq;
	__u32 len;
	__u16 head;
	__u8 tail;
	__u8 dir;
	__u8 guess;
	__u8 tcp_flags;
	__u16 pad;
	__u32 other_next; /* sequence number after the last byte of the other direction that earlier records account for */
	__u32 lost;	  /* records of this socket that found the ring full so far */
	__u32 srtt_us;	  /* this and the other facts of TCP: only in records of sent bytes, else 0 */
	__u32 retransmits;
	__u32 ifindex;
	__u32 hole; /* with SEGMENT_AHEAD: first byte that has not been seen */
	__u64 bytes_acked;
	__u64 bytes_received;
};

/*
 * A datagram of `len` bytes passed; its first `head` bytes follow this struct. Only datagrams that look like a protocol that
 * user space understands make one; all of them are counted in the flow maps.
 */
struct event_datagram {
	struct event_header hdr;
	struct tuple tuple;
	__u32 len;
	__u16 head;
	__u8 dir;
	__u8 pad;
};

/* connect() began, or a process used a socket for the first time. */
struct event_actor {
	struct event_header hdr;
	struct actor actor;
	struct tuple tuple;
};

/*
 * A thread, or a goroutine, used a socket. hdr.sock may be 0 for USE_SERVE. goid and what follows is 0 in programs that are not
 * known to be Go (go_programs in maps.h). pid_tgid 0: somebody who is not known for certain; what was told before is over.
 */
struct event_use {
	struct event_header hdr;
	__u64 pid_tgid;
	__u64 thread_start; /* of the thread, ns since boot */
	__u64 goid;
	__u64 parent_goid;
	__u64 start_pc; /* of the function that the goroutine runs */
	__u32 creator;	/* thread that started this one, 0 when not known */
	__u32 stream;	/* HTTP/2, for USE_CALL and USE_SERVE */
	__u8 use;	/* enum use_kind */
	__u8 pad[7];
};

/* Where a Go program keeps what is asked of a goroutine: offsets within runtime.g. */
struct go_offsets {
	__u32 goid;
	__u32 parent_goid; /* 0: this release does not keep it */
	__u32 start_pc;
	__u32 pad;
};

/* The handshake is complete. */
struct event_established {
	struct event_header hdr;
	struct tuple tuple;
	__u64 cgroup_id; /* of the socket */
	__u8 passive;	 /* 1: accepted */
	__u8 pad[3];
	__u32 srtt_us;
};

struct event_close {
	struct event_header hdr;
	struct tuple tuple;
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 snd_una; /* first byte that the peer did not acknowledge */
	__u32 srtt_us;
	__u32 retransmits;
	__u32 segs_out;
	__u32 segs_in;
	__s32 err;     /* sk_err: a positive errno, or 0 */
	__u8 oldstate; /* TCP state that was left */
	__u8 pad[7];
};

/* A socket that was there before the agent. hdr.sock is 0: its first segment is joined by the cookie. */
struct event_listed {
	struct event_header hdr;
	__u64 cookie;
	struct tuple tuple;
	struct actor actor; /* pid_tgid 0: no process holds it */
	__u64 bytes_acked;
	__u64 bytes_received;
	__u32 srtt_us;
	__u32 retransmits;
	__u8 state; /* TCP state */
	__u8 proto;
	__u8 pad[6];
};

struct event_lost {
	struct event_header hdr;
	__u64 records;
	__u64 lifecycle;     /* of them: connects, ends, actors; the table of connections may be stale */
	__u64 requests_sent; /* requests whose first bytes were in a lost record, by direction */
	__u64 requests_received;
};

struct event_drops {
	struct event_header hdr;
	__u64 packets;
	__u32 reason;	/* enum skb_drop_reason of this kernel */
	__u32 protocol; /* EtherType */
	char name[40];	/* of the reason, from this kernel's BTF */
};

/* Indexes of the counters map: what the kernel side could not pass on. */
enum counter {
	COUNTER_LOST = 1, /* records that found the ring full; + event_kind: 2 to 6, 11 and 14 */
	COUNTER_LOST_REQUESTS_SENT = 8,
	COUNTER_LOST_REQUESTS_RECEIVED = 9,
	COUNTER_STORAGE_FULL = 10,  /* a socket got no state: its bytes are not seen */
	COUNTER_FLOWS_FULL = 12,    /* a packet found no room in a flow map */
	COUNTER_RETRANSMITTED = 13, /* payload segments seen before, not passed on */
	COUNTERS = 16,
};

/* Key and value of the flow maps: UDP and ICMP at sockets, everything at interfaces. */
struct flow_key {
	__u8 local[16]; /* at an interface: source of egress packets, destination of ingress packets */
	__u8 remote[16];
	__u16 local_port;
	__u16 remote_port; /* ICMP: identifier */
	__u32 ifindex;	   /* 0 at sockets */
	__u64 sock;	   /* 0 at interfaces */
	__u8 proto;
	__u8 pad[7];
};

struct flow_value {
	__u64 first;
	__u64 last;
	__u64 packets[2]; /* by enum event_dir */
	__u64 bytes[2];	  /* from the network header on */
	__u32 next_seq[2];
	__u32 retransmits;
	__u8 tcp_flags;
	__u8 seen[2];
	__u8 first_dir; /* of the first packet */
};

/* Drops are in event_drops too, by reason. Here local is the source of the packets, remote their destination. */
struct event_flow_drops {
	struct event_header hdr;
	struct flow_key key; /* sock and ifindex are 0 */
	__u64 packets;
};

struct event_flow {
	struct event_header hdr;
	struct flow_key key;
	struct flow_value value; /* packets and bytes since the last event of this flow */
};

#ifdef __cplusplus
#define _Static_assert static_assert
#endif
_Static_assert(sizeof(struct tuple) == 40, "tuple");
_Static_assert(sizeof(struct event_header) == 24, "event_header");
_Static_assert(sizeof(struct event_segment) == 128, "event_segment");
_Static_assert(sizeof(struct event_datagram) == 72, "event_datagram");
_Static_assert(sizeof(struct event_actor) == 104, "event_actor");
_Static_assert(sizeof(struct event_use) == 80, "event_use");
_Static_assert(sizeof(struct go_offsets) == 16, "go_offsets");
_Static_assert(sizeof(struct event_established) == 80, "event_established");
_Static_assert(sizeof(struct event_close) == 112, "event_close");
_Static_assert(sizeof(struct event_listed) == 144, "event_listed");
_Static_assert(sizeof(struct event_lost) == 56, "event_lost");
_Static_assert(sizeof(struct event_drops) == 80, "event_drops");
_Static_assert(sizeof(struct event_flow) == 144, "event_flow");
_Static_assert(sizeof(struct event_flow_drops) == 88, "event_flow_drops");
_Static_assert(sizeof(struct flow_key) == 56, "flow_key");
_Static_assert(sizeof(struct flow_value) == 64, "flow_value");

#endif
