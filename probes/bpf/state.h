// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* What payload.bpf.c remembers of a socket. Types only. */
#ifndef SONDE_STATE_H
#define SONDE_STATE_H

/*
 * What every segment touches stands first and fits one cache line with sk_storage's own header before it: the two
 * directions of a socket run on different CPUs, and each line they share is a miss.
 */
struct direction {
	u32 next;	/* sequence number after the last byte seen */
	u32 told;	/* the same, set only after the record for it has its place in the ring */
	u32 other_told; /* the other direction's told when the current turn began */
	u32 hole;	/* sequence number of the first byte not seen, valid while open_hole */
	u32 unmarked;	/* bytes counted since the last record */
	u16 left;	/* bytes of the current turn that may still be copied */
	u8 guess : 2;
	u8 started : 1;
	u8 open_hole : 1;
	u8 pipelined : 1; /* the turn held more than one request */
	u8 brief : 1;  /* the turn is too short so far to tell what it is: `kept` bytes of it are in sock_state.first */
	u8 pushed : 1; /* SOCK_OTHER: the segment before ended a write */
	u8 kept;
};

#define KEPT_MAX 8 /* bytes of the beginning of a turn, kept until more of it comes */

struct sock_state {
	struct direction dir[2];
	u32 lost;
	u8 flags; /* enum sock_flags */
	u8 unknown_turns;
	u8 tls_turns;
	u8 pad;
	u64 sock; /* address of the struct sock; from here on written once */
	u64 cookie;
	struct tuple tuple;
	u64 first[2];	 /* bytes of a turn, while it is too short to tell what it is */
	u32 refilled[2]; /* SOCK_OTHER: how far renewals within a turn are paid for, in 2^20 ns since boot */
	/* The sender that was told of last, see user_who(); 0: not known. Behind what both directions write at each segment. */
	u64 sender_who;
	u64 sender_which;
	u8 write_ended; /* the segment sent before ended a write */
	u8 pad2[7];
};

#define RUNS 16 /* of copied bytes that are noted before their records are written */

/* Bytes [at, end) of a segment are copied; those up to the next run are counted. */
struct run {
	u32 at;
	u32 end;
};

struct segment {
	u32 off; /* of the first byte not yet emitted, from the start of skb */
	u32 seq;
	u32 len;
	u32 head; /* bytes to copy from the front */
	u32 other_told;
	u32 l4; /* offset of the TCP header */
	u8 dir;
	u8 flags; /* enum segment_flags */
	u8 tcp_flags;
	u8 tail; /* bytes to copy from the end, of what is no HTTP/1 */
};

/*
 * How far the walk over the frames of one direction has come. All that it reckons with is here and not on the stack: what
 * comes out of a map can be anything, so that the verifier does not follow each value through the loops.
 */
struct walk {
	u32 next; /* sequence number of the byte that `left` and `have` are about */
	u32 left; /* bytes of the current frame still to come */
	u32 keep; /* of them: to be copied */
	u32 have; /* bytes of a frame header in `header` */
	u32 in_step;
	u32 at, begin, end, until; /* places in the current segment */
	u32 runs, n, together;	   /* of the current segment */
	u8 header[24];
	struct segment whole, segment; /* the current one, and what the next record tells of it */
	struct run run[RUNS];
};

struct walks {
	struct bpf_spin_lock lock; /* of busy */
	u32 busy[2];		   /* a CPU is at the walk of this direction */
	u32 pad;
	struct walk dir[2];
};

#endif
