// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Writing records, with the loss counted. Needs maps.h before it; adds no map of its own. */
#ifndef SONDE_OUTPUT_H
#define SONDE_OUTPUT_H

#include "core.h"

/* Bytes waiting in the ring at which the reader is woken: below it the reader comes by its timer. */
const volatile u32 ring_wake_bytes = 1 << 21;

static __always_inline void count(u32 counter)
{
	u64 *n = bpf_map_lookup_elem(&counters, &counter);

	if (n)
		(*n)++; /* per CPU; an interrupt in between loses one count at most on a preempted add, never a record */
}

/* size is a constant: the verifier wants it. Returns NULL and counts when the ring is full. */
static __always_inline void *output_reserve(u32 kind, u32 size)
{
	struct event_header *h = bpf_ringbuf_reserve(&events, size, 0);

	if (!h) {
		count(COUNTER_LOST + kind);
		return 0;
	}
	h->kind = kind;
	h->flags = 0;
	h->pad = 0;
	h->cpu = bpf_get_smp_processor_id();
	return h;
}

/* A wake-up costs the reader more than a hundred records do, so it comes by time and is woken only by a full ring. */
static __always_inline void output_submit(void *record)
{
	u64 flags = BPF_RB_NO_WAKEUP;

	if (bpf_ringbuf_query(&events, BPF_RB_AVAIL_DATA) > ring_wake_bytes)
		flags = BPF_RB_FORCE_WAKEUP;
	bpf_ringbuf_submit(record, flags);
}

#endif
