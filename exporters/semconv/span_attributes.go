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

	walker  Walker
	visited spanVisitor
}

// Visit tells v the attributes of r's span.
func (w *SpanWalker) Visit(r *model.Request, v Visitor) {
	w.visited = spanVisitor{Visitor: v, r: r}
	if r.HTTP != nil && r.RPC == nil && r.Role == model.RoleClient {
		_, w.visited.client = urlPath(r.HTTP)
	}
	w.walker.Methods = w.Methods
	w.walker.Visit(r, &w.visited)
	w.visited = spanVisitor{}
	if r.HTTP != nil && r.RPC == nil && r.Role == model.RoleServer && r.Client.Addr.IsValid() {
		v.Addr(KeyClientAddress, r.Client.Addr.Addr())
	}
	visitRequired(r, v)
	visitExchange(r, v)
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

// visitExchange tells what no convention has a name for.
func visitExchange(r *model.Request, v Visitor) {
	if e := r.Span.Evidence.String(); e != "" {
		v.String(KeyEvidence, e)
	}
	if r.Span.Kept != "" {
		v.String(KeyKept, r.Span.Kept)
	}
	if r.Outcome == model.OutcomeIncomplete {
		v.String(KeyOutcome, r.Outcome.String())
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

// spanVisitor leaves out what a span has not.
type spanVisitor struct {
	Visitor
	r      *model.Request
	client bool // of HTTP: the path and query are in url.full
}

// String implements Visitor.
func (s *spanVisitor) String(key, value string) {
	switch key {
	case KeyURLPath:
		if s.client {
			return
		}
	case KeyRPCMethod:
		if s.r.RPC.Status == rpcUnimplemented {
			s.Visitor.String(KeyRPCMethodOriginal, value)
			value = other
		}
	}
	s.Visitor.String(key, value)
}

// Bytes implements Visitor.
func (s *spanVisitor) Bytes(key string, value []byte) {
	if s.client && key == KeyURLQuery {
		return
	}
	s.Visitor.Bytes(key, value)
}

// Int implements Visitor.
func (s *spanVisitor) Int(key string, value int64) {
	if key == KeyBatchCount && value == 1 { // of batches only; nothing received is a batch of none
		return
	}
	s.Visitor.Int(key, value)
}
