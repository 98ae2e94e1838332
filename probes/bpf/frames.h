// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * HTTP/2: a walk from frame header to frame header (RFC 9113 4.1), so that of DATA only the beginning is copied and of
 * everything else all, wherever the frames lie in the segments. Needs state.h, record.h, classify.h and the map `walks`
 * before it; adds no map of its own.
 */
#ifndef SONDE_FRAMES_H
#define SONDE_FRAMES_H

#define ROUNDS	      32    /* of frames_round() for a segment: of 64 KiB, whose frames are of 16 bytes on average */
#define FRAMES	      128   /* of one round */
#define ROUND_COPIED  32768 /* bytes of a run that end a round */
#define RECORDS	      32    /* of one round: RUNS, and the last of them in pieces */
#define FRAME_HEADER  9
#define FRAME_MAX     (1 << 24) /* DATA; a peer may allow that much */
#define FRAME_KEPT    (1 << 17) /* any other frame */
#define DATA_KEPT     16	/* of the payload of DATA: the prefix of a message of gRPC, and a look at what it is */
#define DATA_TOGETHER 512	/* DATA that is copied rather than cut out: cheaper than a record more */
#define PREFACE	      24
#define STEP_FIRST    2		 /* walk.in_step: nothing came yet, and what comes begins with a frame */
#define BUSY_KEPT     16384	 /* of a segment while another CPU is at the walk */
#define LOST_KEPT     AREA_OTHER /* of a segment whose frames are not known */

/* The next 9 bytes are w->header. Returns 0 when they are no frame header. */
static __always_inline int frame_begins(struct walk *w)
{
	u32 n = w->header[0] << 16 | w->header[1] << 8 | w->header[2];
	u8 type = w->header[3];

	w->have = 0;
	w->left = n;
	w->keep = n;
	if (type == 0) {
		if (n > DATA_KEPT + w->together)
			w->keep = DATA_KEPT;
		return infer_frame(w->header, FRAME_MAX);
	}
	/* Types that nobody knows are ignored by receivers (RFC 9113 4.1), and sent by browsers on purpose. */
	return n <= FRAME_KEPT && (type > 9 || infer_frame(w->header, FRAME_KEPT));
}

/* Closes the run of copied bytes when bytes were passed over since. */
static __always_inline void close_run(struct walk *w)
{
	u32 runs = w->runs;

	if (w->at == w->end)
		return;
	w->run[runs & (RUNS - 1)].at = w->begin;
	w->run[runs & (RUNS - 1)].end = w->end;
	w->begin = w->at;
	w->runs = runs + 1;
}

/* Takes the header of a frame, or as much of it as the segment has. Returns 0 when there is none. */
static __always_inline int take_header(struct __sk_buff *skb, struct walk *w)
{
	u32 have = w->have, n;

	if (have >= FRAME_HEADER)
		return 0;
	close_run(w);
	w->n = FRAME_HEADER - have;
	if (w->n > w->whole.len - w->at)
		w->n = w->whole.len - w->at;
	n = *(volatile u32 *)&w->n;
	if (load_some(skb, w->whole.off + w->at, w->header + have, n, FRAME_HEADER))
		return 0;
	w->at += n;
	w->end = w->at;
	w->have = have + n;
	return w->have < FRAME_HEADER || frame_begins(w);
}

/* Goes over frames of the segment from w->at on and notes the runs to copy, until a round is full. */
static __noinline int walk_frames(struct __sk_buff *skb, struct walk *w)
{
	u32 i, n;

	for (i = 0; i < FRAMES; i++) {
		if (w->at >= w->whole.len || w->runs >= RUNS - 1 || w->end - w->begin >= ROUND_COPIED)
			break;
		if (!w->left && !take_header(skb, w)) {
			w->in_step = 0;
			break;
		}
		n = w->whole.len - w->at;
		if (n > w->keep)
			n = w->keep;
		w->keep -= n;
		w->left -= n;
		w->at += n;
		if (n)
			w->end = w->at;
		if (w->keep)
			continue;
		n = w->whole.len - w->at;
		if (n > w->left)
			n = w->left;
		w->left -= n;
		w->at += n;
	}
	return done();
}

/*
 * Finds the step at the beginning of a segment: the preface, or a frame with another one behind it. Most writes begin with
 * a frame, so the first segment nearly always does. A frame that is longer than the segment is believed: that it is HTTP/2
 * is known.
 */
static __always_inline int find_step(struct __sk_buff *skb, struct direction *d, struct direction *o, struct walk *w,
				     struct walk *other)
{
	struct segment *s = &w->whole;
	u32 kept = d->kept, n;

	w->left = w->keep = w->have = 0;
	d->kept = 0;
	if (load_some(skb, s->off, w->header, s->len < FRAME_HEADER ? s->len : FRAME_HEADER, FRAME_HEADER))
		return 0;
	if (kept && kept < 5) /* the preface began in a segment before, and is known by what is here */
		w->left = w->keep = PREFACE - kept;
	else if (infer_preface(w->header, s->len < FRAME_HEADER ? s->len : FRAME_HEADER))
		w->left = w->keep = PREFACE;
	if (w->left) {
		if (!o->started) /* what it says first is a frame */
			other->in_step = STEP_FIRST;
		return 1;
	}
	if (s->len < FRAME_HEADER || !infer_frame(w->header, FRAME_KEPT))
		return 0;
	n = FRAME_HEADER + (w->header[0] << 16 | w->header[1] << 8 | w->header[2]);
	if (n + FRAME_HEADER > s->len)
		return 1;
	return !bpf_skb_load_bytes(skb, s->off + n, w->header, FRAME_HEADER) && infer_frame(w->header, FRAME_KEPT);
}

enum way {
	WAY_COUNT, /* nothing of the segment is copied */
	WAY_COPY,  /* the step is not known, or this is not its turn: the beginning is copied */
	WAY_WALK,  /* from w->at on */
};

/* How the segment is dealt with, and where the walk is to go on. */
static __noinline int find_way(struct __sk_buff *skb, struct sock_state *st, struct walks *both, u32 dir)
{
	struct direction *d = &st->dir[dir & 1], *o = &st->dir[(dir & 1) ^ 1];
	struct walk *w = &both->dir[dir & 1], *other = &both->dir[(dir & 1) ^ 1];
	struct segment *s = &w->whole;
	int ahead = s->flags & SEGMENT_AHEAD;
	s32 gap;

	w->at = 0;
	if (w->in_step == STEP_FIRST && !ahead) {
		w->in_step = 1;
		w->next = s->seq;
	}
	gap = (s32)(s->seq - w->next);
	if (w->in_step && gap > 0 && (u32)gap + (ahead ? s->len : 0) <= w->left && !(ahead && w->keep)) {
		if (ahead) /* the middle of DATA: what comes before it will find itself in the same frame */
			return WAY_COUNT;
		w->left -= gap; /* came before its time, and was copied or counted then */
		w->keep -= (u32)gap < w->keep ? (u32)gap : w->keep;
		gap = 0;
	}
	if (w->in_step && gap < 0) {
		w->at = -gap;
		if (w->at >= s->len) /* behind the walk: bytes that TCP joined anew */
			return WAY_COUNT;
		gap = 0;
	}
	if (ahead)
		return WAY_COPY;
	if (!w->in_step || gap)
		w->in_step = find_step(skb, d, o, w, other);
	w->next = s->seq + s->len;
	w->together = DATA_TOGETHER;
	if (s->len <= INFER_WHOLE) { /* a record more costs more than that */
		w->together = s->len;
		if (w->keep < s->len)
			w->keep = w->left < s->len ? w->left : s->len;
	}
	return w->in_step ? WAY_WALK : WAY_COPY;
}

/* Sets the segment to what the next record tells: copied bytes up to a piece's size, and those up to the next run. */
static __noinline int next_record(struct walk *w, int last)
{
	struct segment *whole = &w->whole;
	struct run *run = &w->run[w->n & (RUNS - 1)];
	u32 at = w->at, until = w->until, head = 0;

	if (at < run->at) { /* before the first run */
		until = run->at;
	} else {
		if (at < run->end)
			head = run->end - at;
		if (head > AREA_OTHER) {
			head = AREA_OTHER;
			until = at + head;
		} else if (++w->n < w->runs) {
			until = w->run[w->n & (RUNS - 1)].at;
		}
	}
	if (last || until > w->until || until < at + head)
		until = w->until;
	w->segment.off = whole->off + at;
	w->segment.seq = whole->seq + at;
	w->segment.len = until - at;
	w->segment.head = head;
	w->segment.tcp_flags = until < whole->len ? whole->tcp_flags & ~TCP_FLAG_FIN : whole->tcp_flags;
	w->at = until;
	return done();
}

static __always_inline void emit_frames(struct __sk_buff *skb, struct segment *s, struct sock_state *st,
					struct bpf_tcp_sock *tp)
{
	if (s->head <= 40)
		emit_other_40(skb, s, st, tp);
	else if (s->head <= 192)
		emit_other_192(skb, s, st, tp);
	else if (s->head <= 960)
		emit_other_960(skb, s, st, tp);
	else
		emit_other_4032(skb, s, st, tp);
}

/* Writes the records of the runs: each tells of the bytes up to the next. */
static __always_inline void emit_runs(struct __sk_buff *skb, struct sock_state *st, struct bpf_tcp_sock *tp,
				      struct walk *w)
{
	/* What waits for a hole to be filled must have none of its own: then its front is told of too. */
	int all = w->whole.flags & (SEGMENT_AHEAD | SEGMENT_LATE), i;

	w->n = 0;
	for (i = 0; i < RECORDS && w->at < w->until; i++) {
		DO(next_record(w, i == RECORDS - 1));
		if (!w->segment.head && !all)
			continue;
		emit_frames(skb, &w->segment, st, tp);
		w->segment.flags &= ~SEGMENT_TURN;
		st->dir[w->segment.dir & 1].unmarked = 0;
	}
}

static __always_inline struct bpf_sock *full_sock(struct __sk_buff *skb)
{
	struct bpf_sock *sk = skb->sk;

	return sk ? bpf_sk_fullsock(sk) : 0;
}

/*
 * Writes the records of a part of the segment, from w->at on. Returns 1 when more of it is left.
 *
 * Not static: see infer_words().
 */
__noinline int frames_round(struct __sk_buff *skb, u32 dir, u32 way)
{
	struct bpf_sock *sk = full_sock(skb);
	struct bpf_tcp_sock *tp;
	struct sock_state *st;
	struct walks *both;
	struct walk *w;
	u32 from;
	int more;

	if (!sk)
		return 0;
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	both = bpf_sk_storage_get(&walks, sk, 0, 0);
	tp = bpf_tcp_sock(sk);
	if (!st || !both || !tp)
		return 0;
	w = &both->dir[dir & 1];
	w->begin = w->end = from = w->at;
	w->runs = 0;
	if (way == WAY_WALK)
		DO(walk_frames(skb, w));
	more = w->in_step && way == WAY_WALK && w->at < w->whole.len;
	w->until = more ? w->at : w->whole.len;
	if (way == WAY_COPY || !w->in_step) /* or something that is no frame */
		w->end = w->at + LOST_KEPT < w->until ? w->at + LOST_KEPT : w->until;
	if (w->end > w->begin) {
		w->run[w->runs & (RUNS - 1)].at = w->begin;
		w->run[w->runs & (RUNS - 1)].end = w->end;
		w->runs++;
	}
	w->at = from;
	if (w->runs)
		emit_runs(skb, st, tp, w);
	w->at = w->until;
	return more;
}

/*
 * Takes the walk of a direction for this CPU, or gives it back. Packets of one direction are received on two CPUs at once
 * when their sender, on this machine, has just moved from one to the other: they wait in a queue for each.
 */
static __always_inline int take_walk(struct walks *both, u32 dir)
{
	u32 was;

	bpf_spin_lock(&both->lock);
	was = both->busy[dir];
	both->busy[dir] = 1;
	bpf_spin_unlock(&both->lock);
	return !was;
}

static __always_inline void give_walk(struct walks *both, u32 dir)
{
	bpf_spin_lock(&both->lock);
	both->busy[dir] = 0;
	bpf_spin_unlock(&both->lock);
}

static __always_inline void frames_segment(struct __sk_buff *skb, struct sock_state *st, struct bpf_tcp_sock *tp,
					   struct walks *both, u32 dir)
{
	struct direction *d = &st->dir[dir];
	struct walk *w = &both->dir[dir];
	int way = WAY_COUNT, i;

	w->segment = w->whole;
	w->runs = 0;
	if (w->whole.len)
		way = find_way(skb, st, both, dir);
	if (way != WAY_COUNT) {
		for (i = 0; i < ROUNDS; i++)
			if (!frames_round(skb, dir, way))
				break;
		if (i == ROUNDS)
			w->in_step = 0;
	}
	if (!w->runs && worth_a_mark(st, d, &w->whole)) {
		d->unmarked = 0;
		emit_other_0(skb, &w->whole, st, tp);
	}
}

/* A segment of a connection that speaks HTTP/2. The arguments are those of own_way(). */
__noinline int frames_way(struct __sk_buff *skb, u32 off, u32 len, u64 seqs, u32 bits)
{
	struct bpf_sock *sk = full_sock(skb);
	u32 dir = bits & 1;
	struct bpf_tcp_sock *tp;
	struct sock_state *st;
	struct walks *both;

	if (!sk)
		return 0;
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	both = bpf_sk_storage_get(&walks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!both) /* who is the second of two CPUs to make it gets nothing */
		both = bpf_sk_storage_get(&walks, sk, 0, 0);
	tp = bpf_tcp_sock(sk);
	if (!st || !both || !tp) {
		count(COUNTER_STORAGE_FULL);
		return 0;
	}
	if (take_walk(both, dir)) {
		both->dir[dir].whole = segment_of(off, len, seqs, bits);
		frames_segment(skb, st, tp, both, dir);
		give_walk(both, dir);
	} else {
		struct segment s = segment_of(off, len, seqs, bits);

		/* The other CPU may still be writing records of what is before it. */
		s.flags |= SEGMENT_AHEAD;
		if (!st->dir[dir].open_hole)
			st->dir[dir].hole = s.seq;
		s.head = len < BUSY_KEPT ? len : BUSY_KEPT;
		emit_other_pieces(skb, &s, st, tp);
	}
	return 0;
}

#endif
