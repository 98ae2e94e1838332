// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Compiled only to carry the types of event.h into BTF for the generator of probes/event. */
#include <linux/types.h>
#include "event.h"
#include "scope.h"

#define CARRY(kind, name) const kind name *carry_##name __attribute__((unused))

CARRY(struct, event_header);
CARRY(struct, event_segment);
CARRY(struct, event_datagram);
CARRY(struct, event_actor);
CARRY(struct, event_use);
CARRY(struct, go_offsets);
CARRY(enum, use_kind);
CARRY(struct, event_established);
CARRY(struct, event_close);
CARRY(struct, event_listed);
CARRY(struct, event_flow);
CARRY(struct, event_lost);
CARRY(struct, event_drops);
CARRY(struct, event_flow_drops);
CARRY(struct, scope_key);
CARRY(enum, event_kind);
CARRY(enum, event_dir);
CARRY(enum, event_guess);
CARRY(enum, segment_flags);
CARRY(enum, counter);
CARRY(enum, scope_kind);
CARRY(enum, sock_flags);
