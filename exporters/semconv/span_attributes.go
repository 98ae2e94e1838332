// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"time"

	"sonde/agent/model"
)

// Keys that spans have and the attributes of JSON have not: there the same stands outside of "attributes".
const (
	KeyClientAddress     = "client.address"
	KeyRPCMethodOriginal = "rpc.method_original"
	KeyEvidence          = "sonde.parent.evidence"
	KeyKept              = "sonde.sampling.kept"
	KeyOutcome           = "sonde.outcome"
	KeyReason            = "sonde.reason" // of an outcome that is incomplete
	KeyRole              = "sonde.role"
	KeyFirstByte         = "sonde.first_byte_us"
	KeyTCPSRTT           = "sonde.tcp.srtt_us"
	KeyTCPRetransmits    = "sonde.tcp.retransmits"
)

// SpanWalker visits the attributes of spans: those of the request as Walker has them, less what the conventions have no
// place for on a span, and what is known of the exchange beside it. Like a Walker it is for one goroutine, and the zero
// value is ready.
type SpanWalker struct {
	Methods Methods // that HTTP requests go by

	walker Walker
}

// Visit tells v the attributes of r's span.
func (w *SpanWalker) Visit(r *model.Request, v Visitor) {
	w.VisitRequest(r, v)
	w.VisitExchange(r, v)
}

// VisitRequest tells the first part of them: what was asked and answered, by whom. One connection often has the same again and
// again.
func (w *SpanWalker) VisitRequest(r *model.Request, v Visitor) {
	w.walker.Methods, w.walker.span = w.Methods, true
	w.walker.Visit(r, v)
	if r.HTTP != nil && r.RPC == nil && r.Role == model.RoleServer && r.Client.Addr.IsValid() {
		v.Addr(KeyClientAddress, r.Client.Addr.Addr())
	}
	visitRequired(r, v)
}

// visitRequired tells what a span must have and a request need not: "_OTHER" is a method that nothing is known of.
func visitRequired(r *model.Request, v Visitor) {
	switch {
	case r.RPC != nil:
		if r.RPC.Method == "" {
			v.String(KeyRPCMethod, other)
		}
	case r.HTTP != nil:
		if r.HTTP.Method == "" {
			v.String(KeyMethod, other)
		}
	case r.Messaging != nil:
		if r.Messaging.Operation == "" && r.Messaging.API != "" {
			v.String(KeyMessagingOp, r.Messaging.API)
		}
	}
}

const other = "_OTHER"

// VisitExchange tells the rest: what no convention has a name for, most of which is never the same again.
func (w *SpanWalker) VisitExchange(r *model.Request, v Visitor) {
	if e := r.Span.Evidence.String(); e != "" {
		v.String(KeyEvidence, e)
	}
	if r.Span.Kept != "" {
		v.String(KeyKept, r.Span.Kept)
	}
	if r.Outcome == model.OutcomeIncomplete {
		v.String(KeyOutcome, r.Outcome.String())
		v.String(KeyReason, orOther(r.Reason))
	}
	if r.Role == model.RoleWire {
		v.String(KeyRole, r.Role.String())
	}
	if r.ResponseStart > r.Start {
		v.Uint(KeyFirstByte, uint64((r.ResponseStart-r.Start)/time.Microsecond))
	}
	if r.TCP.SRTT > 0 {
		v.Uint(KeyTCPSRTT, uint64(r.TCP.SRTT/time.Microsecond))
	}
	if r.TCP.Retransmits > 0 {
		v.Uint(KeyTCPRetransmits, uint64(r.TCP.Retransmits))
	}
}
