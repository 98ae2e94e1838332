// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef CAPTUREPOINT_RING_H
#define CAPTUREPOINT_RING_H

/* Records on their way to the consumer. Filled by every program; a full ring is counted in lost. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} records SEC(".maps");

#if RINGS == 2
/* The same for odd CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
} records_odd SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, RING_BYTES);
};

/* Key: CPU modulo RINGS. Filled here, never changed. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, RINGS);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps")
= { .values = { (void *)&records, (void *)&records_odd } };
#endif

/* Key: enum lost_reason. Only ever grows. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOST_REASONS);
	__type(key, __u32);
	__type(value, __u64);
} lost SEC(".maps");

#endif
