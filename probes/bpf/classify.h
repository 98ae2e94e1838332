// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How much of a turn is copied, from what its first bytes look like. Needs state.h, record.h and the infer headers before
 * it; adds no map of its own.
 */
#ifndef SONDE_CLASSIFY_H
#define SONDE_CLASSIFY_H

/* Bytes of a turn that begins like an HTTP request: heads are copied whole up to this. */
const volatile u32 budget_request = 16384;
/* Bytes of a turn that begins like an HTTP response. */
const volatile u32 budget_response = 1024;
/* The same where the request turn before it held more than one request: their answers may come in one segment. */
const volatile u32 budget_pipelined = 16384;
/* Bytes of a turn of any other protocol that user space knows, in each direction. */
const volatile u32 budget_other = 8192;
/*
 * Twice the same again within a turn after this many times 2^20 ns: who only listens never ends a turn. What a direction did
 * not use of this, up to REFILLS times, it may use at once: so do clients that ask on before they have their answers.
 */
const volatile u32 refill_after = 10;
#define REFILLS 8
/* Bytes of each of the first turns of TLS; of what follows them nothing is copied. */
const volatile u32 budget_tls = 16384;
const volatile u32 tls_turns_max = 4;
/* Bytes of a turn that begins like nothing known, on connections that may still turn out to be something. */
const volatile u32 budget_unknown = 256;
/* The same of the first turns: what nobody knows is found out by its first message, if at all. */
const volatile u32 budget_unknown_first = 2048;
const volatile u32 unknown_turns_first = 2;
/* Turns in a row that look like nothing known after which a connection is no longer copied (and stays a flow). */
const volatile u32 unknown_turns_max = 6;
/* A body that is counted, not copied, leaves a mark each time this many bytes have passed, and at each PSH. */
const volatile u32 mark_bytes = 65536;

/* Who of them keeps a socket is not asked again by classify(): they have ways of their own. */
#define SOCK_OWN_WAY (SOCK_OTHER | SOCK_FRAMES | SOCK_TLS)

/* Turns of something else in a row after which HTTP is over: a tunnel. One alone is the body after 100 Continue. */
#define TURNS_OF_A_BODY 1

static __always_inline void become(struct sock_state *st, struct direction *d, u8 what)
{
	st->flags = (st->flags & ~(SOCK_HTTP | SOCK_ANSWERED | SOCK_OWN_WAY)) | what;
	st->unknown_turns = 0;
	d->guess = GUESS_NONE;
	d->brief = 0;
}

/* Whether the segment begins with a frame of HTTP/2 and goes on with another one, or ends with it. */
static __always_inline int frame_chain(struct __sk_buff *skb, u32 off, u32 len, const u8 *first)
{
	u32 n = 9 + (first[0] << 16 | first[1] << 8 | first[2]);
	u8 second[9];

	if (!infer_frame(first, 16384) || len < 9)
		return 0;
	if (n == len)
		return 1;
	return n + 9 <= len && !bpf_skb_load_bytes(skb, off + n, second, sizeof(second)) && infer_frame(second, 16384);
}

/*
 * infer_known() of the bytes in two words.
 *
 * Not static, and without pointers to anything but the packet: so this and the next are verified once and for themselves.
 * Verified with each of the states that their callers may be in, they are more than kernels follow.
 */
__noinline int infer_words(u64 low, u64 high, u64 lengths)
{
	union {
		u64 words[3];
		struct turn turn;
	} t = { .words = { low, high, lengths } };

	return infer_known(&t.turn);
}

/* What a turn begins like: the kept bytes of it that came before, at most KEPT_MAX, and the len bytes from off on. */
__noinline int infer_turn(struct __sk_buff *skb, u32 off, u32 len, u64 before, u32 kept)
{
	u32 n = len < INFER_BYTES ? len : INFER_BYTES;
	u64 first[2] = {};

	if (load_some(skb, off, first, n, INFER_BYTES))
		return KNOWN_NONE;
	if (!kept && frame_chain(skb, off, len, (u8 *)first))
		return KNOWN_FRAME;
	if (kept >= KEPT_MAX) {
		first[1] = first[0];
		first[0] = before;
	} else if (kept) {
		first[1] = first[1] << kept * 8 | first[0] >> (64 - kept * 8);
		first[0] = first[0] << kept * 8 | before;
	}
	n += kept;
	return infer_words(first[0], first[1], (n < INFER_BYTES ? n : INFER_BYTES) | (u64)(len + kept) << 32);
}

/* Keeps the bytes of a turn that is too short to tell what it is. */
static __always_inline void keep_brief(struct __sk_buff *skb, struct segment *s, struct sock_state *st,
				       struct direction *d, u32 kept)
{
	u64 bytes = 0;

	if (s->len + kept > KEPT_MAX || load_some(skb, s->off, &bytes, s->len, KEPT_MAX))
		return;
	st->first[s->dir & 1] = (kept ? st->first[s->dir & 1] : 0) | bytes << (kept & 7) * 8;
	d->kept = kept + s->len;
	d->brief = 1;
}

/*
 * Gives the socket to a protocol other than HTTP/1 when the turn begins like one. A turn whose beginning is too short to
 * tell is asked again with more of it.
 */
static __noinline int know_other(struct __sk_buff *skb, struct segment *s, struct sock_state *st)
{
	struct direction *d = &st->dir[s->dir & 1];
	u32 kept = s->flags & SEGMENT_TURN ? 0 : d->kept;
	int known = infer_turn(skb, s->off, s->len, st->first[s->dir & 1], kept);

	d->brief = 0;
	d->kept = 0;
	switch (known) {
	case KNOWN_NONE:
		keep_brief(skb, s, st, d, kept);
		return 0;
	case KNOWN_HTTP2:
		d->kept = kept;
		become(st, d, SOCK_FRAMES);
		return 1;
	case KNOWN_FRAME:
		become(st, d, SOCK_FRAMES);
		return 1;
	case KNOWN_TLS:
		become(st, d, SOCK_TLS);
		d->left = budget_tls;
		st->tls_turns = s->flags & SEGMENT_TURN ? 0 : 1; /* tls_budget() counts this turn */
		return 1;
	case KNOWN_TLS_DATA: /* one turn is enough to see that it is TLS */
		become(st, d, SOCK_TLS);
		st->tls_turns = tls_turns_max - 1;
		return 1;
	}
	/* What looked like a request may have been an inline command of Redis: then no answer of HTTP came. */
	if ((st->flags & SOCK_ANSWERED) && st->unknown_turns <= TURNS_OF_A_BODY)
		return 0;
	become(st, d, SOCK_OTHER);
	d->left = budget_other;
	return 1;
}

/* 101 Switching Protocols (RFC 9110 15.2.2): what follows is no HTTP/1 any more, whatever it looks like. */
static __always_inline int is_switch(const u8 *first)
{
	return first[9] == '1' && first[10] == '0' && first[11] == '1';
}

/* Sets how much of this segment may be copied, from what its first bytes look like. */
static __noinline int classify(struct __sk_buff *skb, struct segment *s, struct sock_state *st)
{
	struct direction *d = &st->dir[s->dir & 1];
	u8 first[INFER_BYTES] = {};
	u32 n = s->len < INFER_BYTES ? s->len : INFER_BYTES;
	int guess;

	if (load_some(skb, s->off, first, n, INFER_BYTES))
		return done();
	guess = infer_http(first, n);
	if (!(s->flags & SEGMENT_TURN)) {
		/* Later in a turn only a new message matters: pipelined ones, each in a segment of its own. */
		if (guess == GUESS_RESPONSE && d->left < budget_response)
			d->left = budget_response;
		if (guess == GUESS_REQUEST && d->left < budget_request)
			d->left = budget_request;
		if (d->brief)
			DO(know_other(skb, s, st));
		return done();
	}
	d->guess = guess;
	d->brief = 0;
	if (guess == GUESS_RESPONSE) {
		d->left = st->dir[(s->dir & 1) ^ 1].pipelined ? budget_pipelined : budget_response;
		st->unknown_turns = 0;
		st->flags |= SOCK_HTTP | SOCK_ANSWERED;
		if (is_switch(first)) {
			become(st, d, SOCK_OTHER);
			d->guess = GUESS_RESPONSE;
		}
		return done();
	}
	if ((guess != GUESS_REQUEST || !(st->flags & SOCK_HTTP)) && know_other(skb, s, st))
		return done();
	if (guess == GUESS_REQUEST) {
		d->left = budget_request;
		st->unknown_turns = 0;
		st->flags |= SOCK_HTTP;
		return done();
	}
	/* A segment of nothing but a few bytes of a method or a version says nothing against HTTP. */
	if (guess == GUESS_NONE && st->unknown_turns < 255)
		st->unknown_turns++;
	d->left = 0;
	if (st->unknown_turns > unknown_turns_max)
		return done();
	d->left = budget_unknown;
	if (guess == GUESS_MAYBE)
		d->left = budget_request;
	else if (st->unknown_turns <= unknown_turns_first && !(st->flags & SOCK_HTTP))
		d->left = budget_unknown_first;
	return done();
}

/* Whether a segment of which nothing is copied gets a record all the same: it tells how far the body has come, and when. */
static __always_inline int worth_a_mark(struct sock_state *st, struct direction *d, struct segment *s)
{
	if (!(st->flags & (SOCK_HTTP | SOCK_OTHER | SOCK_FRAMES)) || st->unknown_turns > unknown_turns_max)
		return (st->flags & SOCK_TLS) && (s->tcp_flags & TCP_FLAG_FIN);
	d->unmarked += s->len;
	return (s->tcp_flags & (TCP_FLAG_FIN | TCP_FLAG_PSH)) || d->unmarked >= mark_bytes ||
	       (s->flags & (SEGMENT_TURN | SEGMENT_AHEAD | SEGMENT_LATE));
}

static __always_inline void refill(struct sock_state *st, struct direction *d, u8 dir)
{
	u32 now = bpf_ktime_get_boot_ns() >> 20, since = now - st->refilled[dir & 1];

	if (since < refill_after)
		return;
	if (since > REFILLS * refill_after)
		since = REFILLS * refill_after;
	st->refilled[dir & 1] = now - since + refill_after;
	d->left = 2 * budget_other;
}

/*
 * Renews the budget of a protocol that is no HTTP: at each turn, and now and then within one, where a write begins. A
 * connection may go over to TLS, or to HTTP/2, or turn out to be HTTP/1 after all.
 */
static __noinline int other_budget(struct __sk_buff *skb, struct segment *s, struct sock_state *st)
{
	struct direction *d = &st->dir[s->dir & 1];
	u32 n = s->len < INFER_BYTES ? s->len : INFER_BYTES;
	int turn = s->flags & SEGMENT_TURN, write = turn || d->pushed;
	u8 first[INFER_BYTES] = {};

	d->pushed = !!(s->tcp_flags & TCP_FLAG_PSH);
	if (!write || load_some(skb, s->off, first, n, INFER_BYTES))
		return done();
	if (infer_preface(first, n)) {
		d->kept = 0;
		become(st, d, SOCK_FRAMES);
		return done();
	}
	if (first[0] == 0x16 && n > 8 && first[1] == 3 && first[5] == 1 && !first[6]) { /* ClientHello */
		become(st, d, SOCK_TLS);
		d->left = budget_tls;
		st->tls_turns = turn ? 0 : 1;
		return done();
	}
	if (turn) {
		d->left = budget_other;
		if (infer_http(first, n) == GUESS_RESPONSE && !is_switch(first)) {
			become(st, d, SOCK_HTTP);
			d->guess = GUESS_RESPONSE;
			return done();
		}
	}
	if (d->left < s->len)
		refill(st, d, s->dir);
	return done();
}

static __always_inline void tls_budget(struct segment *s, struct sock_state *st)
{
	struct direction *d = &st->dir[s->dir & 1];

	if (!(s->flags & SEGMENT_TURN))
		return;
	if (st->tls_turns < 255)
		st->tls_turns++;
	d->left = st->tls_turns <= tls_turns_max ? budget_tls : 0;
}

#endif
