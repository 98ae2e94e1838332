// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"bytes"
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// switches is called for the head of an answer behind which HTTP/1 ends: 101, or 2xx to CONNECT (RFC 9110 7.8, 9.3.6). What
// follows goes to a parser of its own. The request is reported as any other, but for h2c, where its answer is still to come
// in the new protocol (RFC 7540 3.2).
func (c *Conn) switches(e *exchange, h *head, t time.Duration) {
	if c.shared.env.Open == nil {
		c.answered(t)
		c.leave()
		return
	}
	upgrade := c.upgraded(e, h)
	r := &c.side[c.dir]
	early, at := r.takeBuf(), r.first // came before the answer
	start := protocol.Start{Client: c.dir, Upgrade: upgrade, Base: [2]uint64{c.side[0].pos, c.side[1].pos}}
	start.Base[c.dir] -= uint64(len(early))
	start.Joined = e != c.sending && start.Base[c.dir] > e.from+e.request.RequestBytes
	if e.http.Status == 101 {
		c.inner = c.shared.env.Open(e.http.Upgrade, start)
	}
	if c.inner == nil {
		start.Upgrade = nil
		c.inner = c.shared.env.Open("", start)
	}
	if c.inner != nil && e.http.Status == 101 && e.http.Upgrade == "h2c" {
		c.cur, c.sending = nil, nil
		c.shared.recycle(e)
	} else {
		c.answered(t)
	}
	c.leave()
	if c.inner != nil && len(early) > 0 {
		c.inner.Feed(c.dir, early, at)
	}
	c.shared.giveBack(early)
}

// upgraded copies a request for the parser of the protocol that it asked for.
func (c *Conn) upgraded(e *exchange, h *head) *model.Request {
	s := &c.side[c.dir.Other()]
	x := &struct {
		request model.Request
		http    model.HTTP
		session model.WebSocket
	}{request: e.request, http: e.http}
	r := &x.request
	r.Protocol, r.Role, r.HTTP, r.Fields = model.ProtocolHTTP, protocol.RoleOf(e.dir), &x.http, slices.Clone(r.Fields)
	if e == c.sending {
		q := &c.side[e.dir]
		r.RequestBytes, r.RequestEnd = q.pos-e.from, q.last
	}
	r.End = s.last
	if e.http.Upgrade == "websocket" {
		x.session = model.WebSocket{
			Path: e.http.Path, Host: e.http.Host,
			Subprotocol: c.shared.intern(h.subprotocol, MaxField),
			Compressed:  bytes.Contains(h.extensions, []byte("permessage-deflate")), // RFC 7692
		}
		r.WebSocket = &x.session
	}
	return r
}
