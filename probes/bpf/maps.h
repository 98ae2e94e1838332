// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Maps that more than one object uses. The loader makes each once and hands it to all of them. */
#ifndef SONDE_MAPS_H
#define SONDE_MAPS_H

/* Who started a thread. */
struct thread {
	__u64 start;   /* of the started thread, ns since boot: tells a reused number apart */
	__u32 creator; /* its number, within the same process */
	__u32 pad;
};

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
};

/*
 * The way out: CPU -> its ring, so that two CPUs never write the same positions (docs/design/0001 has what that costs).
 * The reader merges by time. Sizes set by the loader. Full: counted as lost.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, 1);
	__type(key, __u32);
	__array(values, struct ring);
} events SEC(".maps");

/* enum counter -> count. Never full. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

/*
 * TGID -> where this Go program keeps what is asked of a goroutine. Filled by user space once it has looked at the program,
 * emptied when the process has gone. Full: the goroutines of further programs are not told apart, they have no causes.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct go_offsets);
} go_programs SEC(".maps");

/*
 * Thread -> who started it. Filled by conn.bpf.c where causes are asked for. Full: the least recently used goes, and the
 * creator of that thread is not known.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 32768);
	__type(key, __u32);
	__type(value, struct thread);
} threads SEC(".maps");

/*
 * Which sockets are wanted, see scope.h. Key: struct scope_key. Filled by user space before the programs are attached, and
 * by conn.bpf.c for sockets of a wanted process. Full: the oldest entry goes, user space filters again.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct scope_key);
	__type(value, __u8);
} scope SEC(".maps");

#endif
