// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"strconv"
	"strings"

	"sonde/agent/model"
)

// SpanKind is the kind of a span, with OTLP's numbers.
type SpanKind uint8

// The kinds that sonde's spans have.
const (
	SpanInternal SpanKind = 1 + iota
	SpanServer
	SpanClient
	SpanProducer
	SpanConsumer
)

// String returns OpenTelemetry's word, in lower case as Jaeger's span.kind has it.
func (k SpanKind) String() string {
	if k < SpanInternal || k > SpanConsumer {
		return "unspecified"
	}
	return [...]string{"internal", "server", "client", "producer", "consumer"}[k-1]
}

// IsSpan tells whether a request is a span at all. A TLS handshake is part of every connection and of no request, so its
// spans would double the number of spans and tell what metrics and JSON tell.
func IsSpan(r *model.Request) bool { return r.TLS == nil }

// KindOf returns the kind of r's span.
//
// The conventions know database and DNS clients only; a server that is observed is a SERVER. Of a capture file nothing is
// known of either end: requests of HTTP and RPC count as received, all others as sent, which is how the conventions
// describe them.
func KindOf(r *model.Request) SpanKind {
	switch {
	case r.Role == model.RoleServer:
		return SpanServer
	case r.Messaging != nil:
		return messagingKind(r)
	case r.Role == model.RoleClient || r.DB != nil || r.DNS != nil:
		return SpanClient
	}
	return SpanServer
}

// messagingKind is PRODUCER where a message carries this very span as its context, otherwise the span of a call to a broker
// is CLIENT. Work on a message that was pushed is CONSUMER.
func messagingKind(r *model.Request) SpanKind {
	switch r.Messaging.OperationType {
	case "process":
		return SpanConsumer
	case "send", "create":
		for i := range r.Span.Links {
			if r.Span.Links[i].SpanID == r.Span.SpanID {
				return SpanProducer
			}
		}
	}
	return SpanClient
}

// AppendSpanName appends the name of r's span: of low cardinality, never the path of a URL. Text is as it was on the wire,
// so it may be no UTF-8.
func AppendSpanName(b []byte, r *model.Request) []byte { return Methods(nil).AppendSpanName(b, r) }

// AppendSpanName is the same where other methods are known.
func (m Methods) AppendSpanName(b []byte, r *model.Request) []byte {
	switch {
	case r.RPC != nil:
		if r.RPC.Method == "" || r.RPC.Status == rpcUnimplemented {
			return append(b, rpcSystem...)
		}
		return append(b, r.RPC.Method...)
	case r.HTTP != nil:
		return m.appendHTTPName(b, r.HTTP)
	case r.DB != nil:
		return appendDBName(b, r)
	case r.Messaging != nil:
		return appendMessagingName(b, r)
	case r.DNS != nil:
		return appendTarget(append(b, "DNS"...), r.DNS.Type)
	case r.WebSocket != nil:
		return append(b, "websocket"...)
	case r.TLS != nil:
		return append(b, "TLS handshake"...)
	}
	return append(b, "unknown"...)
}

const (
	rpcSystem        = "grpc"
	rpcUnimplemented = 12 // a method that does not exist: names of such are the caller's and have no bound
)

func appendTarget(b []byte, target string) []byte {
	if target == "" {
		return b
	}
	return append(append(b, ' '), target...)
}

// appendHTTPName appends "{method} {route}", or the method alone. "HTTP" stands in for methods that are not known.
func (m Methods) appendHTTPName(b []byte, h *model.HTTP) []byte {
	if m.known(h.Method) {
		b = append(b, h.Method...)
	} else {
		b = append(b, "HTTP"...)
	}
	return appendTarget(b, h.Route)
}

// appendDBName appends the first of the summary, "{operation} {target}", the target, the system.
func appendDBName(b []byte, r *model.Request) []byte {
	d := r.DB
	if d.Summary != "" {
		return append(b, d.Summary...)
	}
	b = append(b, d.Operation...)
	target := d.Collection
	if target == "" {
		target = d.Procedure
	}
	if target == "" && d.System != "redis" { // a database's number tells nothing
		target = d.Namespace
	}
	if target == "" {
		return appendServer(b, r, d.System)
	}
	if len(b) > 0 && d.Operation != "" {
		b = append(b, ' ')
	}
	return append(b, target...)
}

// appendServer appends the server's socket where a name has no better target, otherwise to be sure that there is a name.
func appendServer(b []byte, r *model.Request, otherwise string) []byte {
	addr := r.Server.Addr
	if !addr.IsValid() {
		if len(b) == 0 {
			b = append(b, otherwise...)
		}
		return b
	}
	if len(b) > 0 {
		b = append(b, ' ')
	}
	if addr.Addr().Is4() { // IPv6 in the form "address:port" of the conventions has no brackets
		return addr.AppendTo(b)
	}
	b = addr.Addr().WithZone("").AppendTo(b)
	return strconv.AppendUint(append(b, ':'), uint64(addr.Port()), 10)
}

// appendMessagingName appends "{operation} {destination}".
func appendMessagingName(b []byte, r *model.Request) []byte {
	m := r.Messaging
	b = append(b, messagingOperation(m)...)
	if m.OperationType == "" { // a command that moves no message
		return b
	}
	if m.Destination == "" || temporary(m) {
		return appendServer(b, r, m.System)
	}
	return appendTarget(b, m.Destination)
}

// messagingOperation is never empty for what a parser emits: a command that moves no message goes by its name on the wire.
func messagingOperation(m *model.Messaging) string {
	if m.Operation != "" {
		return m.Operation
	}
	return m.API
}

// temporary tells of destinations that are made for one answer or one consumer and have no end: inboxes of NATS, queues that
// RabbitMQ names.
func temporary(m *model.Messaging) bool {
	for _, prefix := range [...]string{"_INBOX.", "amq.gen-", "amq.rabbitmq.reply-to", "amq.ctag-"} {
		if strings.HasPrefix(m.Destination, prefix) {
			return true
		}
	}
	return false
}
