// SPDX-License-Identifier: Apache-2.0

package summary

import (
	"net/netip"
	"strconv"
	"strings"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// event is what is counted: exactly one of request and flow is set.
type event struct {
	request        *model.Request
	flow           *model.Flow
	role           model.Role
	protocol       model.Protocol
	client, server *model.Endpoint
	status         func(b []byte, r *model.Request) []byte
}

// Key is something that events can have in common.
type Key struct {
	Name  string
	Usage string

	// add appends the value, nothing where there is none.
	add func(b []byte, e *event) []byte
}

var keys = []Key{
	{"service", "service of the observed process", func(b []byte, e *event) []byte { return appendService(b, e.observed(), true) }},
	{"client", "service of the client, else its address", func(b []byte, e *event) []byte { return appendService(b, e.client, false) }},
	{"server", "service of the server, else its address and port", func(b []byte, e *event) []byte { return appendService(b, e.server, true) }},
	{"operation", "name of the span: GET /users/{id}, SELECT orders", ofRequest(semconv.AppendSpanName)},
	{"route", "template of the HTTP path: /users/{id}", ofHTTP(func(h *model.HTTP) string { return h.Route })},
	{"path", "HTTP path without query", ofHTTP(func(h *model.HTTP) string { return h.Path })},
	{"method", "HTTP or gRPC method", ofRequest(appendMethod)},
	{"host", "host that is asked for: Host, :authority, TLS server name", ofRequest(appendHost)},
	{"name", "DNS name", ofRequest(func(b []byte, r *model.Request) []byte {
		if r.DNS == nil {
			return b
		}
		return append(b, r.DNS.Name...)
	})},
	{"status", "status of the answer: 200, NXDOMAIN, 42P01; state of a connection", appendStatus},
	{"outcome", "ok, error, incomplete", ofRequest(func(b []byte, r *model.Request) []byte { return append(b, r.Outcome.String()...) })},
	{"error", "what the protocol calls the error, why an end was not seen", appendError},
	{"protocol", "application protocol", func(b []byte, e *event) []byte { return append(b, e.protocol.String()...) }},
	{"role", "end that was observed: client, server, wire", func(b []byte, e *event) []byte { return append(b, e.role.String()...) }},
	{"process", "name of the observed process", func(b []byte, e *event) []byte {
		if p := e.process(); p != nil {
			return append(b, p.Name...)
		}
		return b
	}},
	{"pid", "observed process", func(b []byte, e *event) []byte {
		if p := e.process(); p != nil && p.PID != 0 {
			return strconv.AppendUint(b, uint64(p.PID), 10)
		}
		return b
	}},
	{"port", "port of the server", func(b []byte, e *event) []byte {
		if port := e.server.Addr.Port(); port != 0 {
			return strconv.AppendUint(b, uint64(port), 10)
		}
		return b
	}},
	{"interface", "interface that connections crossed, for --type flow", func(b []byte, e *event) []byte {
		if e.flow == nil {
			return b
		}
		return append(b, e.flow.Interface...)
	}},
}

// Keys lists what can be grouped by, in the order to show it.
func Keys() []Key { return append([]Key(nil), keys...) }

func keyNames() string {
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}

func keyOf(name string) *Key {
	for i := range keys {
		if keys[i].Name == name {
			return &keys[i]
		}
	}
	return nil
}

func ofRequest(add func([]byte, *model.Request) []byte) func([]byte, *event) []byte {
	return func(b []byte, e *event) []byte {
		if e.request == nil {
			return b
		}
		return add(b, e.request)
	}
}

func ofHTTP(of func(*model.HTTP) string) func([]byte, *event) []byte {
	return func(b []byte, e *event) []byte {
		if e.request == nil || e.request.HTTP == nil {
			return b
		}
		return append(b, of(e.request.HTTP)...)
	}
}

// observed is the end that the event was seen at. A capture has neither, and tells more of the server.
func (e *event) observed() *model.Endpoint {
	if e.role == model.RoleClient {
		return e.client
	}
	return e.server
}

// process is that of the observed end, nil where there is none.
func (e *event) process() *model.Process {
	if e.role != model.RoleClient && e.role != model.RoleServer {
		return nil
	}
	return e.observed().Process
}

// appendService adds the service, or the address of an end that no process is known of. Ports of clients are left out: each
// connection has another one.
func appendService(b []byte, e *model.Endpoint, port bool) []byte {
	switch {
	case e.Process != nil:
		return append(b, e.Process.ServiceName...)
	case !e.Addr.IsValid():
		return b
	case port && e.Addr.Port() != 0:
		return e.Addr.AppendTo(b)
	}
	return netip.Addr.AppendTo(e.Addr.Addr(), b)
}

func appendMethod(b []byte, r *model.Request) []byte {
	switch {
	case r.RPC != nil:
		return append(b, r.RPC.Method...)
	case r.HTTP != nil:
		return append(b, r.HTTP.Method...)
	}
	return b
}

// appendHost leaves out credentials in front of the host.
func appendHost(b []byte, r *model.Request) []byte {
	host := ""
	switch {
	case r.HTTP != nil:
		host = r.HTTP.Host
	case r.WebSocket != nil:
		host = r.WebSocket.Host
	case r.TLS != nil:
		host = r.TLS.ServerName
	}
	return append(b, host[strings.LastIndexByte(host, '@')+1:]...)
}

func appendStatus(b []byte, e *event) []byte {
	if e.flow != nil {
		return append(b, e.flow.State.String()...)
	}
	from := len(b)
	if b = e.status(b, e.request); string(b[from:]) == "-" {
		return b[:from]
	}
	return b
}

func appendError(b []byte, e *event) []byte {
	if e.flow != nil {
		return append(b, e.flow.Error...)
	}
	switch r := e.request; {
	case r.ErrorType != "":
		return append(b, r.ErrorType...)
	case r.Reason != "":
		return append(b, r.Reason...)
	case r.Outcome == model.OutcomeError:
		return appendStatus(b, e)
	}
	return b
}
