// SPDX-License-Identifier: Apache-2.0

package store

import "sonde/agent/model"

// twins find the two observations of one exchange: the span at the server's end has that at the client's as its parent, by the
// evidence of the connection that both saw. A list of requests shows one of them.
type twins struct {
	first generations[model.SpanID, uint64] // by span of the client's end: the end that came first
}

// of returns the identifier of the observation of the same exchange that came before r, which gets id; 0 when there is none.
func (t *twins) of(r *model.Request, id uint64) uint64 {
	at := r.Span.SpanID
	if r.Role == model.RoleServer {
		if r.Span.Evidence != model.EvidenceConnection {
			return 0
		}
		at = r.Span.Parent
	}
	if at.IsZero() {
		return 0
	}
	if first, known := t.first.take(at); known {
		return first
	}
	t.first.put(at, id)
	return 0
}
