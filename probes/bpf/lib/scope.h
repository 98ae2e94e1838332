// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Asking and filling the scope map. Needs maps.h before it; adds no map of its own. */
#ifndef SONDE_LIB_SCOPE_H
#define SONDE_LIB_SCOPE_H

#include "core.h"

#define SCOPE_LEVELS 8 /* of the cgroup hierarchy that are looked at */

/* OR of enum scope_kind: which filters are set. */
const volatile u32 scope_mask = 0;

static __always_inline int in_scope(u32 kind, u64 value)
{
	struct scope_key key = { .kind = kind, .value = value };

	return bpf_map_lookup_elem(&scope, &key) != 0;
}

/* At least one end has a wanted port. */
static __always_inline int ports_in_scope(u16 local, u16 remote)
{
	return !(scope_mask & SCOPE_PORT) || in_scope(SCOPE_PORT, local) || in_scope(SCOPE_PORT, remote);
}

#endif
