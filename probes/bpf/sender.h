// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who sends the bytes of a segment, told before them. Needs state.h, record.h, lib/use.h and maps.h before it; adds no map of
 * its own. Why this way: docs/design/0003-causes.md.
 */
#ifndef SONDE_SENDER_H
#define SONDE_SENDER_H

/* Records of uses are made. */
const volatile u32 causes = 0;

/*
 * Whether the current task wrote the first byte of the segment. It holds the socket, so it is in a call on it. Packets that
 * wait for it to let go are not being worked off, in which case anything that waited in the socket goes out. With nothing on
 * its way to the peer a write goes out at once, so this is one. Else the byte may have waited for another write, unless all
 * calls that sent had ended before it.
 */
static __always_inline int current_wrote(struct segment *s, struct sock_state *st, struct bpf_tcp_sock *tp)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sock *sk = (struct sock *)*(volatile u64 *)&st->sock;
	struct last_use *last;
	u64 key = (u64)sk;

	if (!BPF_CORE_READ(sk, sk_lock.owned) || BPF_CORE_READ(sk, sk_backlog.len) ||
	    (BPF_CORE_READ(task, flags) & (PF_KTHREAD | PF_IO_WORKER)))
		return 0;
	if (tp->snd_una == s->seq)
		return 1;
	last = bpf_map_lookup_elem(&actors, &key);
	return last && (last->flags & LAST_SENT) && last->written == s->seq;
}

/* Returns 1 when the record found the ring full. */
static __noinline int tell_sender(struct segment *s, struct sock_state *st, struct bpf_tcp_sock *tp)
{
	u64 who = 0, which = 0;
	struct event_use *e;
	struct user u = {};

	if (current_wrote(s, st, tp)) {
		user_current(&u);
		who = user_who(&u);
		which = user_which(&u);
	}
	if (st->sender_who == who && st->sender_which == which)
		return 0;
	e = output_reserve(EVENT_USE, sizeof(*e));
	if (!e)
		return 1;
	use_fill(e, USE_SEND, st->sock, 0, &u);
	output_submit(e);
	st->sender_who = who;
	st->sender_which = which;
	return 0;
}

/*
 * Tells who sends the segment where that may have changed: at a turn, and at each write where more than one may come before
 * an answer. A sender that is not known is told too, as thread 0. Returns 1 when the record found the ring full: then the
 * segment is to count as lost, or the one told before would be taken for its sender.
 */
static __always_inline int sender_lost(struct segment *s, struct sock_state *st, struct bpf_tcp_sock *tp)
{
	struct direction *d = &st->dir[DIR_SENT];
	int begins = (s->flags & SEGMENT_TURN) || st->write_ended;

	if (st->flags & SOCK_TLS)
		return 0;
	st->write_ended = !!(s->tcp_flags & TCP_FLAG_PSH);
	if (!(st->flags & SOCK_OWN_WAY)) {
		if (!d->left || (d->guess != GUESS_REQUEST && !(s->flags & SEGMENT_TURN)))
			return 0;
	}
	return begins && tell_sender(s, st, tp);
}

#endif
