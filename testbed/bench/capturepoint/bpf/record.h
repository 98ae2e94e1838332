// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef CAPTUREPOINT_RECORD_H
#define CAPTUREPOINT_RECORD_H

/* Payload bytes copied per direction and turn; set by the compiler's command line, one object per budget. */
#ifndef BUDGET
#define BUDGET 512
#endif
/* How far prototype (b) goes, to see where the time is; set like BUDGET. */
#define STOP_PARSED   1
#define STOP_COUNTED  2
#define STOP_RESERVED 3
#define STOP_NEVER    4
#ifndef STOP
#define STOP STOP_NEVER
#endif
/* Whether records carry srtt, retransmits and bytes acked. */
#ifndef TCP_FACTS
#define TCP_FACTS 1
#endif
/* 1, or 2: one ring for even and one for odd CPUs. */
#ifndef RINGS
#define RINGS 1
#endif
#define SMALL_PAYLOAD  128
#define LARGEST_RECORD (sizeof(struct record) + BUDGET)
#define RING_BYTES     (8 << 20)
#define WAKE_AT	       (RING_BYTES / 4)

enum direction {
	DIR_IN,
	DIR_OUT
};
enum record_kind {
	RECORD_PAYLOAD = 1,
	RECORD_END,
	RECORD_ACTOR
};
enum lost_reason {
	LOST_RING_FULL,
	LOST_UNREADABLE,
	LOST_MAP_FULL,
	LOST_REASONS
};

/* The header is the same for both prototypes, so that only the way to the bytes differs. main.go decodes it. */
struct record {
	__u64 time_ns;
	__u64 sock;
	__u64 actor;
	__u64 offset;
	__u64 bytes_in;
	__u64 bytes_out;
	__u32 original_len;
	__u32 captured_len;
	__u32 turn;
	__u16 kind;
	__u16 direction;
	__u16 local_port;
	__u16 remote_port;
	__u32 family;
	__u8 local_addr[16];
	__u8 remote_addr[16];
	__u32 srtt_us;
	__u32 retransmits;
	__u64 bytes_acked;
	__u64 reserved;
	__u8 payload[];
};

_Static_assert(sizeof(struct record) == 128, "header is one size class");

/*
 * One direction of a socket. Only programs of that direction write it, so receive and send need no lock: a turn is
 * noticed by looking whether the other direction's byte count moved since the last call. Both directions fit into the
 * one cache line at which the kernel lets sk_storage begin (8 bytes are its own): they run on different CPUs.
 */
struct stream {
	__u64 bytes;
	__u32 peer_bytes;
	__u32 next_seq;
	__u32 turn;
	__u16 copied;
	__u16 started;
};

struct conn {
	struct stream streams[2];
};

_Static_assert(sizeof(struct conn) <= 56, "one cache line with the kernel's pointer");

#endif
