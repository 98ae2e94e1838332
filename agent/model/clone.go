// SPDX-License-Identifier: Apache-2.0

package model

import (
	"reflect"
	"strings"
)

// Clone returns a copy of r that stays valid when r does not: parsers reuse requests and details, and their strings may be
// parts of far larger buffers. Only processes are shared, which never change once published.
func (r *Request) Clone() *Request {
	to := new(Request)
	r.CloneInto(to)
	return to
}

// CloneInto makes of to what Clone returns. The details that to holds are written over when r has the same, so that requests
// can be kept in a pool; its strings and slices are not, whoever took them may keep them. to must not be r.
func (r *Request) CloneInto(to *Request) {
	old := *to
	*to = *r
	to.HTTP = cloneDetail(old.HTTP, r.HTTP)
	to.RPC = cloneDetail(old.RPC, r.RPC)
	to.DNS = cloneDetail(old.DNS, r.DNS)
	to.DB = cloneDetail(old.DB, r.DB)
	to.Messaging = cloneDetail(old.Messaging, r.Messaging)
	to.WebSocket = cloneDetail(old.WebSocket, r.WebSocket)
	to.TLS = cloneDetail(old.TLS, r.TLS)
	to.cloneSlices()

	// All strings go into one piece of memory: a request has a dozen short ones.
	var s texts
	to.texts(&s)
	s.take = true
	s.text.Grow(s.bytes)
	to.texts(&s)
}

// Footprint returns about how many bytes a copy of r occupies: what a bound on memory should count for one.
func (r *Request) Footprint() int {
	var s texts
	r.texts(&s)
	n := sizeOf[Request]() + s.bytes
	n += detailBytes(r.HTTP) + detailBytes(r.RPC) + detailBytes(r.DNS) + detailBytes(r.DB) +
		detailBytes(r.Messaging) + detailBytes(r.WebSocket) + detailBytes(r.TLS)
	fields := len(r.Fields)
	if m := r.Messaging; m != nil {
		for i := range m.Headers {
			fields += 1 + len(m.Headers[i]) // a slice is a little less than a field
		}
	}
	return n + fields*sizeOf[Field]() + len(r.Span.Links)*sizeOf[SpanContext]()
}

func detailBytes[T any](d *T) int {
	if d == nil {
		return 0
	}
	return sizeOf[T]()
}

func sizeOf[T any]() int { return int(reflect.TypeFor[T]().Size()) }

func cloneDetail[T any](to, from *T) *T {
	if from == nil {
		return nil
	}
	if to == nil {
		to = new(T)
	}
	*to = *from
	return to
}

func cloneSlice[T any](s []T) []T {
	if s == nil {
		return nil
	}
	return append(make([]T, 0, len(s)), s...)
}

// cloneSlices gives r, whose details are its own already, slices of its own.
func (r *Request) cloneSlices() {
	r.Fields = cloneSlice(r.Fields)
	r.Span.Links = cloneSlice(r.Span.Links)
	if d := r.DNS; d != nil {
		d.Answers, d.Addrs, d.TTLs = cloneSlice(d.Answers), cloneSlice(d.Addrs), cloneSlice(d.TTLs)
	}
	if m := r.Messaging; m != nil {
		m.Headers = cloneSlice(m.Headers)
		for i := range m.Headers {
			m.Headers[i] = cloneSlice(m.Headers[i])
		}
	}
	if t := r.TLS; t != nil {
		t.Offered, t.ALPN = cloneSlice(t.Offered), cloneSlice(t.ALPN)
	}
}

// texts first counts the bytes of the strings that it visits, then, with take set, replaces them by copies.
type texts struct {
	bytes int
	take  bool
	text  strings.Builder
}

func (s *texts) visit(all ...*string) {
	for _, p := range all {
		switch {
		case *p == "":
		case s.take:
			from := s.text.Len()
			s.text.WriteString(*p)
			*p = s.text.String()[from:]
		default:
			s.bytes += len(*p)
		}
	}
}

func (s *texts) visitAll(all []string) {
	for i := range all {
		s.visit(&all[i])
	}
}

func (s *texts) visitFields(all []Field) {
	for i := range all {
		s.visit(&all[i].Name, &all[i].Value)
	}
}

// texts visits every string of r and its details.
func (r *Request) texts(s *texts) {
	s.visit(&r.Reason, &r.ErrorType, &r.Span.State, &r.Span.Kept)
	for i := range r.Span.Links {
		s.visit(&r.Span.Links[i].State)
	}
	s.visitFields(r.Fields)
	if h := r.HTTP; h != nil {
		s.visit(&h.Version, &h.Method, &h.Scheme, &h.Path, &h.Query, &h.Host, &h.UserAgent, &h.Upgrade, &h.Route)
	}
	if c := r.RPC; c != nil {
		s.visit(&c.Method, &c.Message)
	}
	if d := r.DNS; d != nil {
		s.visit(&d.Name, &d.Type, &d.Class, &d.Opcode, &d.RCode)
		s.visitAll(d.Answers)
	}
	if d := r.DB; d != nil {
		s.visit(&d.System, &d.Command, &d.Operation, &d.Collection, &d.Namespace, &d.Summary, &d.Query, &d.Procedure, &d.User,
			&d.Statement, &d.Status, &d.Message)
	}
	if m := r.Messaging; m != nil {
		s.visit(&m.System, &m.API, &m.Operation, &m.OperationType, &m.Destination, &m.RoutingKey, &m.Group, &m.ClientID,
			&m.Mechanism, &m.Error)
		for _, fields := range m.Headers {
			s.visitFields(fields)
		}
	}
	if w := r.WebSocket; w != nil {
		s.visit(&w.Path, &w.Host, &w.Subprotocol)
	}
	if t := r.TLS; t != nil {
		s.visit(&t.Version, &t.ServerName, &t.NextProto, &t.Cipher, &t.Curve, &t.Alert, &t.AlertFrom, &t.QUICVersion)
		s.visitAll(t.Offered)
		s.visitAll(t.ALPN)
	}
}
