// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"strings"

	"sonde/agent/model"
)

// Request counts r, in one metric of durations or as one without. It keeps nothing of r but, for a series not seen before,
// copies of its strings, and the identifiers of its span.
func (a *Aggregator) Request(r *model.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.TLS == nil && !r.Span.TraceID.IsZero() { // a handshake is no span of its own
		a.spans[r.Span.Evidence%model.EvidenceCount][r.Role&roleMask]++
	}
	o := a.requestLayout.duration(r)
	if (r.Role != model.RoleServer && r.Role != model.RoleClient) || !a.measure(r, &o) {
		*a.unaggregated.at(protocolKey{r.Protocol, r.Role}, a.now)++
	}
}

const (
	roleCount = 4
	roleMask  = roleCount - 1
)

// measure counts a request in the metrics of its protocol. It is false where there are none.
func (a *Aggregator) measure(r *model.Request, o *observation) bool {
	switch {
	case r.RPC != nil:
		a.rpc(r, o)
	case r.HTTP != nil:
		a.http(r, o)
	case r.DB != nil:
		a.db(r, o)
	case r.Messaging != nil && r.Messaging.Operation != "":
		a.messaging(r, o)
	case r.DNS != nil:
		a.dns(r, o)
	case r.TLS != nil:
		a.handshake(r, o)
	case r.WebSocket != nil:
		a.session(r, o)
	default:
		return false
	}
	return true
}

// place spreads connections, and what tells the series of one connection apart.
func place(r *model.Request, detail int) uint16 {
	const golden = 0x9E3779B97F4A7C15 // Knuth's multiplier: connection ids may be addresses, whose low bits are equal
	return uint16((r.Conn + uint64(detail)) * golden >> (64 - placeBits))
}

const placeBits = 10

// failureOf is the error.type of a request whose status does not decide it, "" for a success: an exchange that did not end
// says why, and one that failed what its protocol calls the error.
func failureOf(r *model.Request) string {
	switch r.Outcome {
	case model.OutcomeOK:
		return ""
	case model.OutcomeError:
		if r.ErrorType != "" {
			return labelText(r.ErrorType)
		}
	}
	return reasonOf(r)
}

func reasonOf(r *model.Request) string {
	if r.Reason == "" {
		return otherName
	}
	return labelText(r.Reason)
}

// maxText bounds the bytes of a label. It is the length to which the conventions cut the summary of a query.
const maxText = 255

// labelText makes a label of what was on the wire. It allocates for what is no UTF-8 alone.
func labelText(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return valid(s)
}

// own makes copies of strings that may be parts of far larger buffers.
func own(all ...*string) {
	for _, s := range all {
		*s = strings.Clone(*s)
	}
}
