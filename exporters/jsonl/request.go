// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"encoding/hex"
	"net/netip"

	"sonde/agent/model"
)

// AppendRequest appends r as one JSON object without a line end. It does not keep r and allocates only to grow b.
func AppendRequest(b []byte, r *model.Request, clock model.Clock) []byte {
	b = append(b, `{"type":"request"`...)
	b = appendTime(b, "time", clock.Wall(r.Start))
	b = appendUint(b, "duration_ns", uint64(r.Duration()))
	b = appendText(b, "protocol", r.Protocol.String())
	b = appendRole(b, r.Role)
	b = appendEndpoint(b, "client", &r.Client)
	b = appendEndpoint(b, "server", &r.Server)
	b = appendText(b, "outcome", r.Outcome.String())
	if r.Outcome == model.OutcomeIncomplete {
		b = appendText(b, "reason", r.Reason)
	}
	if r.OneWay {
		b = append(appendKey(b, "one_way"), "true"...)
	}
	if r.HTTP != nil && r.HTTP.HeadTruncated {
		b = append(appendKey(b, "head_truncated"), "true"...)
	}
	b = append(appendKey(b, "attributes"), '{')
	b = append(appendAttributes(b, r), '}')
	b = appendUint(b, "request_bytes", r.RequestBytes)
	b = appendUint(b, "response_bytes", r.ResponseBytes)
	b = appendOffsets(b, r)
	b = appendSpan(b, &r.Span)
	return append(b, '}')
}

// appendOffsets adds the times between start and end that were seen, counted from the start.
func appendOffsets(b []byte, r *model.Request) []byte {
	if r.RequestEnd >= r.Start && r.RequestEnd != 0 {
		b = appendUint(b, "request_end_ns", uint64(r.RequestEnd-r.Start))
	}
	if r.ResponseStart >= r.Start && r.ResponseStart != 0 {
		b = appendUint(b, "first_byte_ns", uint64(r.ResponseStart-r.Start))
	}
	return b
}

// appendSpan adds the place of the request in its trace, where traces are followed.
func appendSpan(b []byte, s *model.Span) []byte {
	if s.TraceID.IsZero() {
		return b
	}
	b = appendHex(b, "trace_id", s.TraceID[:])
	b = appendHex(b, "span_id", s.SpanID[:])
	if !s.Parent.IsZero() {
		b = appendHex(b, "parent_span_id", s.Parent[:])
		b = appendText(b, "parent_evidence", s.Evidence.String())
	}
	return b
}

func appendHex(b []byte, key string, id []byte) []byte {
	b = append(appendKey(b, key), '"')
	return append(hex.AppendEncode(b, id), '"')
}

func appendRole(b []byte, role model.Role) []byte {
	if role == model.RoleUnknown {
		return b
	}
	return appendText(b, "role", role.String())
}

func appendEndpoint(b []byte, key string, e *model.Endpoint) []byte {
	b = append(appendKey(b, key), '{')
	b = appendAddr(b, "address", e.Addr.Addr())
	if e.Addr.Port() != 0 {
		b = appendUint(b, "port", uint64(e.Addr.Port()))
	}
	if p := e.Process; p != nil {
		if p.PID != 0 {
			b = appendUint(b, "pid", uint64(p.PID))
		}
		b = appendText(b, "process", p.Name)
		b = appendText(b, "container", p.ContainerID)
	}
	return append(b, '}')
}

func appendAddr(b []byte, key string, addr netip.Addr) []byte {
	if !addr.IsValid() {
		return b
	}
	if addr.Zone() != "" { // an interface name, which only the kernel limits
		return appendString(appendKey(b, key), addr.String())
	}
	b = append(appendKey(b, key), '"')
	return append(addr.AppendTo(b), '"')
}
