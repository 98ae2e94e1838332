// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Counting packets of a flow in a map that the caller names. No map of its own. */
#ifndef SONDE_FLOW_H
#define SONDE_FLOW_H

#include "core.h"

/* A segment that ends before the highest sequence number of its direction was sent before. */
static __always_inline void flow_tcp(struct flow_value *f, u8 dir, u32 seq, u32 len, u8 flags)
{
	u32 end = seq + len;

	f->tcp_flags |= flags;
	if (!len)
		return;
	if (f->seen[dir & 1] && (s32)(end - f->next_seq[dir & 1]) <= 0) {
		f->retransmits++;
		return;
	}
	f->seen[dir & 1] = 1;
	f->next_seq[dir & 1] = end;
}

/*
 * Returns the flow's counters after adding one packet, or NULL when the map has no room. Two CPUs that count packets of
 * one direction at once may lose one of two adds on the plain increments of a slow path, hence the atomics.
 */
static __always_inline struct flow_value *flow_add(void *map, struct flow_key *key, u8 dir, u32 bytes, u64 now)
{
	struct flow_value *f = bpf_map_lookup_elem(map, key);

	if (!f) {
		struct flow_value fresh = { .first = now, .first_dir = dir };

		bpf_map_update_elem(map, key, &fresh, BPF_NOEXIST);
		f = bpf_map_lookup_elem(map, key);
		if (!f)
			return 0;
	}
	f->last = now;
	__sync_fetch_and_add(&f->packets[dir & 1], 1);
	__sync_fetch_and_add(&f->bytes[dir & 1], bytes);
	return f;
}

#endif
