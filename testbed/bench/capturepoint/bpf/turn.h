// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef CAPTUREPOINT_TURN_H
#define CAPTUREPOINT_TURN_H

static __always_inline void count_lost(__u32 reason)
{
	__u64 *n = bpf_map_lookup_elem(&lost, &reason);

	if (n)
		(*n)++;
}

/* Counts len bytes of this direction and says how many of them are still within the budget of the turn. */
static __always_inline __u32 turn_take(struct conn *conn, int direction, __u32 len)
{
	struct stream *s = &conn->streams[direction];
	__u32 peer = conn->streams[!direction].bytes;
	__u32 take = 0;

	if (s->peer_bytes != peer) {
		s->peer_bytes = peer;
		s->turn++;
		s->copied = 0;
	}
	s->bytes += len;
	if (s->copied < BUDGET)
		take = BUDGET - s->copied;
	if (take > len)
		take = len;
	s->copied += take;
	return take;
}

static __always_inline void record_stream(struct record *r, const struct conn *conn, int direction, __u32 len,
					  __u32 take)
{
	r->time_ns = bpf_ktime_get_boot_ns();
	r->offset = conn->streams[direction].bytes - len;
	r->bytes_in = conn->streams[DIR_IN].bytes;
	r->bytes_out = conn->streams[DIR_OUT].bytes;
	r->original_len = len;
	r->captured_len = take;
	r->turn = conn->streams[direction].turn;
	r->direction = direction;
	r->reserved = 0;
}

/* The ring of this CPU: with one for all, producers on different CPUs wait for each other's cache lines. */
static __always_inline void *own_ring(void)
{
#if RINGS == 2
	__u32 odd = bpf_get_smp_processor_id() & 1;

	return bpf_map_lookup_elem(&rings, &odd);
#else
	return &records;
#endif
}

/*
 * Wake-ups cost more than records: the consumer comes by its timer, and is woken only while the fill level crosses
 * WAKE_AT, not by every record above it.
 */
static __always_inline __u64 wakeup_flags(void)
{
	void *ring = own_ring();

	if (ring && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) - WAKE_AT < 2 * LARGEST_RECORD)
		return BPF_RB_FORCE_WAKEUP;
	return BPF_RB_NO_WAKEUP;
}

#endif
