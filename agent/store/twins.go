// SPDX-License-Identifier: Apache-2.0

package store

import "sonde/agent/model"

// twins find the two observations of one exchange: the span at the server's end has that at the client's as its parent, by the
// evidence of the connection that both saw. A list of requests shows one of them.
type twins struct{ young, old map[model.SpanID]uint64 } // by span of the client's end, to the end that came first

// maxTwins bounds each generation of those that wait for their other end, which comes within the time on the way.
const maxTwins = 4096

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
	for _, all := range [...]map[model.SpanID]uint64{t.young, t.old} {
		if first := all[at]; first != 0 {
			delete(all, at)
			return first
		}
	}
	if len(t.young) >= maxTwins {
		t.young, t.old = nil, t.young
	}
	if t.young == nil {
		t.young = map[model.SpanID]uint64{}
	}
	t.young[at] = id
	return 0
}
