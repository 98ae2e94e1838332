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

	if (n) /* per CPU, yet a program can be preempted by another one that counts */
		__sync_fetch_and_add(n, 1);
}

/*
 * size is a constant: the verifier wants it. Returns NULL and counts when the ring is full.
 *
 * The time is taken before the place in the ring. A program may be preempted in between; taken after, the record would
 * stand before others of its CPU with a later time than theirs, and hold them back behind what they caused on other CPUs.
 * Taken before, whatever a record depends on has an earlier time and whatever depends on it a later one.
 */
static __always_inline void *output_reserve(u32 kind, u32 size)
{
	u64 now = bpf_ktime_get_boot_ns();
	u32 cpu = bpf_get_smp_processor_id();
	void *ring = bpf_map_lookup_elem(&events, &cpu);
	struct event_header *h = ring ? bpf_ringbuf_reserve(ring, size, 0) : 0;

	if (!h) {
		count(COUNTER_LOST + kind);
		return 0;
	}
	h->time = now;
	h->kind = kind;
	h->flags = 0;
	h->pad = 0;
	h->cpu = cpu;
	return h;
}

/*
 * A wake-up costs the reader more than a hundred records do, so it comes by time, and is woken only when a ring fills. Every
 * sixteenth record looks how full it is, as the clock has it: that reads positions which the reader writes.
 */
static __always_inline void output_submit(void *record)
{
	struct event_header *h = record;
	u64 flags = BPF_RB_NO_WAKEUP;
	u32 cpu = h->cpu;
	void *ring;

	if (!((h->time >> 6) & 15)) {
		ring = bpf_map_lookup_elem(&events, &cpu);
		if (ring && bpf_ringbuf_query(ring, BPF_RB_AVAIL_DATA) > ring_wake_bytes)
			flags = BPF_RB_FORCE_WAKEUP;
	}
	bpf_ringbuf_submit(record, flags);
}

#endif
