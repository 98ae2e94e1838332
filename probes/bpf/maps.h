// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Maps that more than one object uses. The loader makes each once and hands it to all of them. */
#ifndef SONDE_MAPS_H
#define SONDE_MAPS_H

/* Who used a socket last. */
struct last_use {
	__u64 actor; /* pid_tgid of any use */
	__u64 who;   /* this and which: of the reader that was told of last, see user_who() */
	__u64 which;
	__u32 read_at; /* number of the byte to be written next when that reader read */
	__u32 written; /* the same when the last call that sends had ended */
	__u8 flags;    /* enum last_use_flags */
	__u8 pad[7];
};

enum last_use_flags {
	LAST_TCP = 1,
	LAST_CLIENT = 2, /* opened by connect() */
	LAST_READ = 4,	 /* a reader was told of */
	LAST_SENT = 8,	 /* written is set */
};

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
 * Allocated beforehand: kernels before 6.1 warn in their log when a tracing program uses a map that is not (WARN_ONCE in
 * check_map_prog_compatibility()), and some machines are set to panic at a warning.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u32);
	__type(value, struct go_offsets);
} go_programs SEC(".maps");

/*
 * Socket address -> who used it last, so that only a change makes a record. Filled at connect() and at the first use,
 * emptied at close. Full: the least recently used goes, and its socket's actor is reported once more.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, __u64);
	__type(value, struct last_use);
} actors SEC(".maps");

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
