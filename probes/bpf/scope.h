// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Which sockets are wanted. The kernel keeps a superset of what the user asked for, decided once per socket; user space
 * filters again, exactly. Kinds are ANDed, values of one kind are ORed; a kind that is not in scope_mask is not asked.
 */
#ifndef SONDE_SCOPE_H
#define SONDE_SCOPE_H

#include <linux/types.h>

enum scope_kind {
	SCOPE_PORT = 1,		/* local or remote port */
	SCOPE_CGROUP = 2,	/* cgroup2 id, of the socket's cgroup or any above it */
	SCOPE_PID = 4,		/* tgid; asked when a socket is opened */
	SCOPE_INTERFACE = 8,	/* ifindex of the first segment */
	SCOPE_SOCK = 16,	/* address of a struct sock that a wanted process opened */
	SCOPE_LISTEN_PORT = 32, /* port that a wanted process listens on */
	SCOPE_COOKIE = 64,	/* socket that a wanted process held when sonde started */
};

struct scope_key {
	__u64 value;
	__u32 kind;
	__u32 pad;
};

#endif
