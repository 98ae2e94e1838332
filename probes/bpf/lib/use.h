// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who uses a socket, for records of struct event_use. Only for hooks in process context. Needs event.h and maps.h before it;
 * adds no map of its own.
 *
 * A hook in the kernel calls user_current(). A uprobe in a Go program has g in a register, and calls user_thread() and
 * user_goroutine(). Both then reserve a record and call use_fill().
 */
#ifndef SONDE_USE_H
#define SONDE_USE_H

#include "core.h"

/* A thread and, in Go programs that are known, the goroutine that it runs. */
struct user {
	u64 pid_tgid;
	u64 start; /* of the thread, ns since boot */
	u64 g;	   /* address of its runtime.g in user memory, 0: none */
	u64 goid;  /* 0: none, or not known */
	struct go_offsets go;
};

/* Not by bpf_get_current_pid_tgid(), which programs at sockets have only since 6.10. */
static __always_inline void user_thread(struct user *u)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 tgid = (u32)BPF_CORE_READ(task, tgid);

	u->pid_tgid = tgid << 32 | (u32)BPF_CORE_READ(task, pid);
	u->start = BPF_CORE_READ(task, start_boottime);
	u->g = u->goid = 0;
}

/* Adds the goroutine whose runtime.g is at g, when the program of the thread is known. Returns 0 when it is none. */
static __always_inline int user_goroutine(struct user *u, u64 g)
{
	u32 tgid = u->pid_tgid >> 32;
	struct go_offsets *o = bpf_map_lookup_elem(&go_programs, &tgid);

	if (!o || !g)
		return 0;
	u->go = *o;
	if (bpf_probe_read_user(&u->goid, sizeof(u->goid), (void *)(g + u->go.goid)))
		u->goid = 0;	/* not in memory at the moment */
	u->g = u->goid ? g : 0; /* 0: a stack of the runtime's own */
	return u->goid != 0;
}

/*
 * The address of the current runtime.g: amd64 keeps it in the word before the thread's own storage. arm64 keeps it in a
 * register that is not seen from here.
 */
static __always_inline u64 current_g(void)
{
	u64 g = 0;
#ifdef __TARGET_ARCH_x86
	struct task_struct *task = (void *)bpf_get_current_task();
	u64 tls = BPF_CORE_READ(task, thread.fsbase);

	if (bpf_probe_read_user(&g, sizeof(g), (void *)(tls - 8)))
		return 0;
#endif
	return g;
}

/*
 * In a Go program whose goroutine is not seen, nobody: a thread there works for many. So it is for a moment in memory that
 * is not there, and always on arm64.
 */
static __always_inline void user_current(struct user *u)
{
	u32 tgid;

	user_thread(u);
	tgid = u->pid_tgid >> 32;
	if (bpf_map_lookup_elem(&go_programs, &tgid) && !user_goroutine(u, current_g()))
		u->pid_tgid = u->start = 0;
}

/*
 * Two words that are equal for the same user only. Goroutines change their thread without notice, and their numbers are not
 * used again; threads' numbers are, so their start belongs to them.
 */
static __always_inline u64 user_who(const struct user *u)
{
	return u->goid ? u->pid_tgid & ~0xffffffffULL : u->pid_tgid;
}

static __always_inline u64 user_which(const struct user *u)
{
	return u->goid ? u->goid : u->start;
}

/* The thread that started this one. */
static __always_inline u32 user_creator(const struct user *u)
{
	u32 tid = u->pid_tgid;
	struct thread *t = bpf_map_lookup_elem(&threads, &tid);

	return t && t->start == u->start ? t->creator : 0;
}

/* Fills what output_reserve() left. sock and stream are 0 where they do not belong to the use. */
static __always_inline void use_fill(struct event_use *e, u8 use, u64 sock, u32 stream, const struct user *u)
{
	e->hdr.sock = sock;
	e->pid_tgid = u->pid_tgid;
	e->thread_start = u->start;
	e->goid = u->goid;
	e->parent_goid = e->start_pc = 0;
	if (u->goid) {
		if (u->go.parent_goid)
			bpf_probe_read_user(&e->parent_goid, 8, (void *)(u->g + u->go.parent_goid));
		bpf_probe_read_user(&e->start_pc, 8, (void *)(u->g + u->go.start_pc));
	}
	e->creator = user_creator(u);
	e->stream = stream;
	e->use = use;
	__builtin_memset(e->pad, 0, sizeof(e->pad));
}

#endif
