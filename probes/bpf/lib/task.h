// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Who is running. Only for hooks in process context. No maps. */
#ifndef SONDE_TASK_H
#define SONDE_TASK_H

#include "core.h"

static __always_inline int task_is_kernel_thread(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, flags) & PF_KTHREAD;
}

static __always_inline void task_actor(struct actor *a)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	a->pid_tgid = bpf_get_current_pid_tgid();
	a->start = BPF_CORE_READ(task, group_leader, start_boottime);
	a->cgroup_id = bpf_get_current_cgroup_id();
	BPF_CORE_READ_STR_INTO(&a->comm, task, group_leader, comm);
}

#endif
