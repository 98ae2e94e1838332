// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * HTTP/2: a walk from frame header to frame header (RFC 9113 4.1), so that of DATA only the beginning is copied and of
 * everything else all, wherever the frames lie in the segments. Needs state.h, record.h, classify.h and the map `walks`
 * before it; adds no map of its own.
 */
#ifndef SONDE_FRAMES_H
#define SONDE_FRAMES_H

#define FRAMES	      256 /* steps of one segment; smaller frames than 256 bytes on average in a segment of 64 KiB are lost */
#define RECORDS	      48 /* of one segment: RUNS, and the last of them in pieces */
#define FRAME_HEADER  9
#define FRAME_MAX     (1 << 24) /* DATA; a peer may allow that much */
#define FRAME_KEPT    (1 << 17) /* any other frame */
#define DATA_KEPT     16	/* of the payload of DATA: the prefix of a message of gRPC, and a look at what it is */
#define DATA_TOGETHER 512	/* DATA that is copied rather than cut out: cheaper than a record more */
#define PREFACE	      24
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

	if (w->at == w->end || runs >= RUNS - 1)
		return;
	w->run[runs & (RUNS - 1)].at = w->begin;
	w->run[runs & (RUNS - 1)].end = w->end;
	w->begin = w->at;
	w->runs = runs + 1;
	if (runs + 2 >= RUNS) /* no room for another one: all of the rest is copied */
		w->together = FRAME_MAX;
}

/* Takes the header of a frame, or as much of it as the segment has. Returns 0 when there is none. */
static __always_inline int take_header(struct __sk_buff *skb, struct walk *w)
{
	u32 have = w->have, n;

	if (have >= FRAME_HEADER)
		return 0;
	close_run(w);
	w->n = FRAME_HEADER - have;
	if (w->n > w->segment.len - w->at)
		w->n = w->segment.len - w->at;
	n = *(volatile u32 *)&w->n;
	if (load_some(skb, w->segment.off + w->at, w->header + have, n, FRAME_HEADER))
		return 0;
	w->at += n;
	w->end = w->at;
	w->have = have + n;
	return w->have < FRAME_HEADER || frame_begins(w);
}

/*
 * Goes over the frames of the segment from w->at on and notes the runs to copy. When the step is lost, w->in_step is 0 and
 * some of the rest is copied.
 */
static __noinline int walk_frames(struct __sk_buff *skb, struct walk *w)
{
	u32 i, n;

	w->begin = w->end = w->at;
	w->runs = 0;
	w->together = w->segment.len <= INFER_WHOLE ? FRAME_MAX : DATA_TOGETHER;
	for (i = 0; i < FRAMES && w->at < w->segment.len; i++) {
		if (!w->left && !take_header(skb, w))
			break;
		n = w->segment.len - w->at;
		if (n > w->keep)
			n = w->keep;
		w->keep -= n;
		w->left -= n;
		w->at += n;
		if (n)
			w->end = w->at;
		if (w->keep)
			continue;
		n = w->segment.len - w->at;
		if (n > w->left)
			n = w->left;
		w->left -= n;
		w->at += n;
	}
	if (w->at < w->segment.len) { /* too many frames, or something that is none */
		w->in_step = 0;
		w->end = w->at + LOST_KEPT < w->segment.len ? w->at + LOST_KEPT : w->segment.len;
	}
	w->run[w->runs & (RUNS - 1)].at = w->begin;
	w->run[w->runs & (RUNS - 1)].end = w->end;
	if (w->end > w->begin)
		w->runs++;
	return done();
}

/*
 * Finds the step at the beginning of a segment: the preface, or a frame with another one behind it. Most writes begin with
 * a frame, so the first segment nearly always does. A frame that is longer than the segment is believed: that it is HTTP/2
 * is known.
 */
static __always_inline int find_step(struct __sk_buff *skb, struct direction *d, struct walk *w)
{
	struct segment *s = &w->segment;
	u32 kept = d->kept, n;

	w->left = w->keep = w->have = 0;
	d->kept = 0;
	if (load_some(skb, s->off, w->header, s->len < FRAME_HEADER ? s->len : FRAME_HEADER, FRAME_HEADER))
		return 0;
	if (kept && kept < 5) /* the preface began in a segment before, and is known by what is here */
		w->left = w->keep = PREFACE - kept;
	else if (infer_preface(w->header, s->len < FRAME_HEADER ? s->len : FRAME_HEADER))
		w->left = w->keep = PREFACE;
	if (w->left)
		return 1;
	if (s->len < FRAME_HEADER || !infer_frame(w->header, FRAME_KEPT))
		return 0;
	n = FRAME_HEADER + (w->header[0] << 16 | w->header[1] << 8 | w->header[2]);
	if (n + FRAME_HEADER > s->len)
		return 1;
	return !bpf_skb_load_bytes(skb, s->off + n, w->header, FRAME_HEADER) && infer_frame(w->header, FRAME_KEPT);
}

/* Notes which bytes of the segment are copied, whether or not the step is known. */
static __always_inline void find_runs(struct __sk_buff *skb, struct direction *d, struct walk *w)
{
	struct segment *s = &w->segment;
	s32 gap = (s32)(s->seq - w->next);
	int ahead = s->flags & SEGMENT_AHEAD;

	w->at = w->runs = 0;
	if (w->in_step && gap > 0 && !w->keep && (u32)gap + (ahead ? s->len : 0) <= w->left) {
		if (ahead) /* the middle of DATA: what comes before it will find itself in the same frame */
			return;
		w->left -= gap; /* came before its time, and was counted then */
		gap = 0;
	}
	if (w->in_step && gap < 0) {
		w->at = -gap;
		if (w->at >= s->len) /* behind the walk: bytes that TCP joined anew */
			return;
		gap = 0;
	}
	if (!ahead) {
		if (!w->in_step || gap)
			w->in_step = find_step(skb, d, w);
		w->next = s->seq + s->len;
		if (w->in_step) {
			DO(walk_frames(skb, w));
			return;
		}
	}
	w->run[0].at = 0;
	w->run[0].end = s->len < LOST_KEPT ? s->len : LOST_KEPT;
	w->runs = 1;
}

/* Sets the segment to what the next record tells: copied bytes up to a piece's size, and those up to the next run. */
static __noinline int next_record(struct walk *w, struct segment *whole, int last)
{
	struct run *run = &w->run[w->n & (RUNS - 1)];
	u32 at = w->at, until = whole->len, head = 0;

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
	if (last || until > whole->len || until < at + head)
		until = whole->len;
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
	if (s->head <= 192)
		emit_other_192(skb, s, st, tp);
	else if (s->head <= 960)
		emit_other_960(skb, s, st, tp);
	else
		emit_other_4032(skb, s, st, tp);
}

/* Writes the records of the runs: each tells of the bytes up to the next. whole is the segment. */
static __always_inline void emit_runs(struct __sk_buff *skb, struct segment *whole, struct sock_state *st,
				      struct bpf_tcp_sock *tp, struct walk *w)
{
	/* What waits for a hole to be filled must have none of its own: then its front is told of too. */
	int all = whole->flags & (SEGMENT_AHEAD | SEGMENT_LATE), i;

	w->at = all ? 0 : w->run[0].at;
	w->n = 0;
	for (i = 0; i < RECORDS && w->at < whole->len; i++) {
		DO(next_record(w, whole, i == RECORDS - 1));
		if (!w->segment.head && !all)
			continue;
		emit_frames(skb, &w->segment, st, tp);
		w->segment.flags &= ~SEGMENT_TURN;
	}
}

/* A segment of a connection that speaks HTTP/2. The arguments are those of own_way(). */
__noinline int frames_way(struct __sk_buff *skb, u32 off, u32 len, u64 seqs, u32 bits)
{
	struct segment s = segment_of(off, len, seqs, bits);
	struct bpf_tcp_sock *tp;
	struct sock_state *st;
	struct direction *d;
	struct walks *both;
	struct walk *w;
	struct bpf_sock *sk = skb->sk;

	sk = sk ? bpf_sk_fullsock(sk) : 0;
	if (!sk)
		return 0;
	st = bpf_sk_storage_get(&socks, sk, 0, 0);
	both = bpf_sk_storage_get(&walks, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	tp = bpf_tcp_sock(sk);
	if (!st || !both || !tp) {
		count(COUNTER_STORAGE_FULL);
		return 0;
	}
	d = &st->dir[s.dir & 1];
	w = &both->dir[s.dir & 1];
	w->segment = s;
	w->runs = 0;
	if (len)
		find_runs(skb, d, w);
	if (w->runs) {
		d->unmarked = 0;
		emit_runs(skb, &s, st, tp, w);
		return 0;
	}
	if (worth_a_mark(st, d, &s)) {
		d->unmarked = 0;
		emit_other_0(skb, &s, st, tp);
	}
	return 0;
}

#endif
