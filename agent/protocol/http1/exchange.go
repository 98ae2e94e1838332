// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// exchange is a request on its way.
type exchange struct {
	request model.Request
	http    model.HTTP
	fields  []model.Field // memory of request.Fields

	dir       protocol.Dir // that the request travels in
	turn      uint32       // of that direction in which it began
	from      uint64       // position in that direction at which it began
	end       uint64       // position in the other direction behind its answer
	head      bool         // HEAD
	connect   bool         // CONNECT
	expects   bool         // waits for 100 Continue
	continued bool         // and got it
	guess     bool         // bytes that are no request: reported only when an HTTP response answers them
	ghost     bool         // reported before its answer came: the answer is passed over
}

// setRequest takes what a request head says.
func (e *exchange) setRequest(s *Shared, h *head) {
	d := &e.http
	d.Method = s.intern(h.method, MaxField)
	d.Version = s.intern(h.version, MaxField)
	d.Host = s.intern(h.host, MaxField)
	d.UserAgent = s.intern(h.agent, MaxField)
	e.expects = h.expects
	for _, f := range h.context {
		e.fields = protocol.KeepField(e.fields, s.intern(f.name, MaxField), f.value)
		e.request.Fields = e.fields
	}
	e.head, e.connect = d.Method == "HEAD", d.Method == "CONNECT"
	if h.target == nil {
		return
	}
	target := h.target
	if e.connect { // authority-form, RFC 9112 3.2.3
		d.Host = s.intern(target, MaxField)
		return
	}
	if target[0] != '/' && target[0] != '*' {
		target = e.absolute(s, target)
	}
	path, query := target, []byte(nil)
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		path, query = target[:i], target[i+1:]
	}
	d.Path, d.Query = s.intern(path, MaxPath), s.intern(query, MaxHead)
}

// absolute takes scheme and host of an absolute-form target, which override the Host field (RFC 9112 3.2.2), and returns
// the rest. User information is not kept: it may hold a password.
func (e *exchange) absolute(s *Shared, target []byte) []byte {
	scheme, rest, ok := bytes.Cut(target, []byte("://"))
	if !ok {
		return target
	}
	end := bytes.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	host := rest[:end]
	host = host[bytes.LastIndexByte(host, '@')+1:]
	e.http.Scheme, e.http.Host = s.intern(bytes.ToLower(scheme), MaxField), s.intern(host, MaxField)
	switch rest = rest[end:]; {
	case len(rest) == 0 && e.http.Method == "OPTIONS": // RFC 9112 3.2.4
		return []byte("*")
	case len(rest) == 0 || rest[0] != '/':
		return append([]byte("/"), rest...)
	}
	return rest
}

// finish hands a request on and takes its memory back. reason is "" when the exchange was seen to its end.
func (c *Conn) finish(e *exchange, reason string, end time.Duration) {
	c.seal(e)
	if e.guess && e.http.Status == 0 || e.ghost { // nobody took it for a request, or it is reported
		c.shared.recycle(e)
		return
	}
	r := &e.request
	r.Protocol, r.HTTP, r.Reason, r.End = model.ProtocolHTTP, &e.http, reason, end
	r.Role = model.RoleServer
	if e.dir == protocol.Sent {
		r.Role = model.RoleClient
	}
	r.Outcome = outcome(c.shared.env.View(r.Role), e.http.Status)
	if reason != "" {
		r.Outcome = model.OutcomeIncomplete
	}
	c.shared.env.Emit(r)
	c.shared.recycle(e)
}

// outcome follows the conventions for span status: a client's mistake is no failure of the server.
func outcome(role model.Role, status int) model.Outcome {
	if status >= 500 || status >= 400 && role == model.RoleClient {
		return model.OutcomeError
	}
	return model.OutcomeOK
}
