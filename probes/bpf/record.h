// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writing the records of segments. Needs state.h, maps.h and lib/output.h before it; adds no map of its own. */
#ifndef SONDE_RECORD_H
#define SONDE_RECORD_H

#define AREA_MAX   4096 /* bytes of one record; a longer prefix takes several */
#define TAIL	   16	/* the last bytes of a cut segment: enough for the last chunk of a chunked body */
#define AREA_OTHER 4032
#define TAIL_OTHER 64 /* of a database's answer: whether it went well stands at the end */
#define PIECES	   5  /* records of one prefix at most */

#define TCP_FLAG_FIN 0x01
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_PSH 0x08

/* A segment as numbers, which is all that a function that is verified for itself can take. */
static __always_inline u64 segment_seqs(struct segment *s)
{
	return s->seq | (u64)s->other_told << 32;
}

static __always_inline u32 segment_bits(struct segment *s)
{
	return s->dir | s->flags << 8 | (u32)s->tcp_flags << 16;
}

static __always_inline struct segment segment_of(u32 off, u32 len, u64 seqs, u32 bits)
{
	return (struct segment){ .off = off,
				 .len = len,
				 .seq = seqs,
				 .other_told = seqs >> 32,
				 .dir = bits & 1,
				 .flags = bits >> 8,
				 .tcp_flags = bits >> 16 };
}

static __always_inline void segment_facts(struct event_segment *e, struct __sk_buff *skb, struct segment *s,
					  struct sock_state *st, struct bpf_tcp_sock *tp)
{
	struct direction *d = &st->dir[s->dir & 1];

	e->hdr.sock = st->sock;
	e->hdr.flags = s->flags;
	e->cookie = st->cookie;
	e->tuple = st->tuple;
	e->seq = s->seq;
	e->len = s->len;
	e->dir = s->dir;
	e->guess = d->guess;
	e->tcp_flags = s->tcp_flags;
	e->pad = 0;
	e->other_next = s->other_told;
	e->lost = st->lost;
	e->ifindex = skb->ifindex;
	e->hole = d->hole;
	if (s->dir == DIR_RECEIVED) { /* another CPU may own these lines at the moment; what is sent next will tell */
		e->srtt_us = e->retransmits = 0;
		e->bytes_acked = e->bytes_received = 0;
		return;
	}
	e->srtt_us = tp->srtt_us >> 3; /* the kernel keeps eighths */
	e->retransmits = tp->total_retrans;
	e->bytes_acked = tp->bytes_acked;
	e->bytes_received = tp->bytes_received;
}

static __always_inline void segment_lost(struct segment *s, struct sock_state *st)
{
	st->lost++;
	if ((s->flags & SEGMENT_TURN) && st->dir[s->dir & 1].guess == GUESS_REQUEST)
		count(COUNTER_LOST_REQUESTS_SENT + (s->dir & 1));
}

/*
 * Copies n bytes when there are 1 to max of them. Written with n - 1, because verifiers before 6.8 do not learn from n != 0
 * that n is at least 1, and refuse a length that may be 0.
 */
static __always_inline int load_some(struct __sk_buff *skb, u32 off, void *to, u32 n, u32 max)
{
	u32 last = n - 1;

	asm volatile("" : "+r"(last));
	if (last >= max)
		return -1;
	return bpf_skb_load_bytes(skb, off, to, last + 1);
}

/*
 * One record of a size class: reserving the right size and copying into it is cheaper than a scratch buffer and a second
 * copy, and the verifier wants a constant. The caller made sure that s->head <= AREA. LAST: bytes of
 * the end that there is room for, last: those that are wanted. SCAN: bytes of a request that are searched for a second one.
 */
#define EMIT(NAME, AREA, LAST, last, SCAN)                                                                 \
	struct record_##NAME {                                                                             \
		struct event_segment e;                                                                    \
		u8 bytes[AREA + LAST];                                                                     \
	};                                                                                                 \
	static __noinline int emit_##NAME(struct __sk_buff *skb, struct segment *s, struct sock_state *st, \
					  struct bpf_tcp_sock *tp)                                         \
	{                                                                                                  \
		u32 head = s->head, off = s->off, tail;                                                    \
		struct record_##NAME *r;                                                                   \
                                                                                                           \
		r = output_reserve(EVENT_SEGMENT, sizeof(*r));                                             \
		if (!r) {                                                                                  \
			segment_lost(s, st);                                                               \
			return 0;                                                                          \
		}                                                                                          \
		segment_facts(&r->e, skb, s, st, tp);                                                      \
		if (load_some(skb, off, r->bytes, head, AREA))                                             \
			head = 0;                                                                          \
		if (SCAN && (s->flags & SEGMENT_TURN) && st->dir[s->dir & 1].guess == GUESS_REQUEST)       \
			st->dir[s->dir & 1].pipelined = infer_pipelined(r->bytes, head, SCAN);             \
		tail = s->len - head;                                                                      \
		if (tail > (last))                                                                         \
			tail = last;                                                                       \
		asm volatile("" : "+r"(head));                                                             \
		if (head > AREA || load_some(skb, off + s->len - tail, r->bytes + head, tail, LAST))       \
			tail = 0;                                                                          \
		r->e.head = head;                                                                          \
		r->e.tail = tail;                                                                          \
		output_submit(r);                                                                          \
		return 0;                                                                                  \
	}

EMIT(0, 0, TAIL, TAIL, 0)
EMIT(112, 112, TAIL, TAIL, 112)
EMIT(496, 496, TAIL, TAIL, INFER_SCAN)
EMIT(1008, 1008, TAIL, TAIL, INFER_SCAN)
EMIT(2032, 2032, TAIL, TAIL, INFER_SCAN)
EMIT(4096, AREA_MAX, TAIL, TAIL, INFER_SCAN)

EMIT(other_0, 0, TAIL_OTHER, s->tail, 0)
EMIT(other_40, 40, TAIL_OTHER, s->tail, 0)
EMIT(other_192, 192, TAIL_OTHER, s->tail, 0)
EMIT(other_960, 960, TAIL_OTHER, s->tail, 0)
EMIT(other_4032, AREA_OTHER, TAIL_OTHER, s->tail, 0)

static __always_inline void emit(struct __sk_buff *skb, struct segment *s, struct sock_state *st,
				 struct bpf_tcp_sock *tp)
{
	if (s->head == 0)
		emit_0(skb, s, st, tp);
	else if (s->head <= 112)
		emit_112(skb, s, st, tp);
	else if (s->head <= 496)
		emit_496(skb, s, st, tp);
	else if (s->head <= 1008)
		emit_1008(skb, s, st, tp);
	else if (s->head <= 2032)
		emit_2032(skb, s, st, tp);
	else
		emit_4096(skb, s, st, tp);
}

static __always_inline void emit_other(struct __sk_buff *skb, struct segment *s, struct sock_state *st,
				       struct bpf_tcp_sock *tp)
{
	if (s->head == 0)
		emit_other_0(skb, s, st, tp);
	else if (s->head <= 40)
		emit_other_40(skb, s, st, tp);
	else if (s->head <= 192)
		emit_other_192(skb, s, st, tp);
	else if (s->head <= 960)
		emit_other_960(skb, s, st, tp);
	else
		emit_other_4032(skb, s, st, tp);
}

/* Takes the first n bytes, of which a record was written, off the segment. */
static __always_inline void segment_pass(struct segment *s, u32 n)
{
	s->off += n;
	s->seq += n;
	s->flags &= ~SEGMENT_TURN;
}

/*
 * A prefix longer than one record is cut into records that follow each other. The end of the stream is behind the last of
 * them.
 */
#define EMIT_PIECES(NAME, ONE, WHOLE, AREA)                                                               \
	static __always_inline void NAME(struct __sk_buff *skb, struct segment *s, struct sock_state *st, \
					 struct bpf_tcp_sock *tp)                                         \
	{                                                                                                 \
		u32 len = s->len, head = s->head;                                                         \
		u8 tcp_flags = s->tcp_flags;                                                              \
		int i;                                                                                    \
                                                                                                          \
		for (i = 0; i < PIECES - 1 && head > AREA; i++) {                                         \
			s->len = AREA;                                                                    \
			s->head = AREA;                                                                   \
			s->tcp_flags = tcp_flags & ~TCP_FLAG_FIN;                                         \
			WHOLE(skb, s, st, tp);                                                            \
			segment_pass(s, AREA);                                                            \
			head -= AREA;                                                                     \
			len -= AREA;                                                                      \
		}                                                                                         \
		s->tcp_flags = tcp_flags;                                                                 \
		s->len = len;                                                                             \
		s->head = head > AREA ? AREA : head;                                                      \
		ONE(skb, s, st, tp);                                                                      \
	}

EMIT_PIECES(emit_pieces, emit, emit_4096, AREA_MAX)
EMIT_PIECES(emit_other_pieces, emit_other, emit_other_4032, AREA_OTHER)

#endif
