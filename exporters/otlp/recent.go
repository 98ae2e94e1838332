// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"net/netip"

	"sonde/agent/model"
)

// Bounds of what is remembered, together half a megabyte at most.
const (
	recentSpans    = 256  // connections
	maxRecentTexts = 512  // bytes
	maxRecentSpan  = 1536 // bytes
)

// recentSpan is what the last HTTP request of a connection looked like and how that was encoded. Many are like the one before:
// comparing and copying takes a sixth of the time of encoding. It has copies of everything, because texts may be parts of much
// larger buffers.
type recentSpan struct {
	key     requestKey
	texts   []byte // those of key, one after the other
	encoded []byte // what describe adds; empty where nothing is remembered
	written int
	dropped uint32
}

// requestKey is all that describe reads of an HTTP request, with the lengths of texts in their place. TestRecentSpans holds it
// against that.
type requestKey struct {
	role                    model.Role
	outcome                 model.Outcome
	transport               model.Transport
	status                  int
	requestBody, response   uint64
	client, server          netip.AddrPort
	method, scheme, version int
	path, query, host       int
	userAgent, route        int
	reason, errorType       int
}

func keyOf(r *model.Request) requestKey {
	h := r.HTTP
	return requestKey{
		role: r.Role, outcome: r.Outcome, transport: r.Transport, client: r.Client.Addr, server: r.Server.Addr,
		status: h.Status, requestBody: h.RequestBodyBytes, response: h.ResponseBodyBytes,
		method: len(h.Method), scheme: len(h.Scheme), version: len(h.Version), path: len(h.Path), query: len(h.Query), host: len(h.Host),
		userAgent: len(h.UserAgent), route: len(h.Route), reason: len(r.Reason), errorType: len(r.ErrorType),
	}
}

// size is the number of bytes of all texts.
func (k *requestKey) size() int {
	return k.method + k.scheme + k.version + k.path + k.query + k.host + k.userAgent + k.route + k.reason + k.errorType
}

// textsOf returns the texts of a request, those first that differ most often.
func textsOf(r *model.Request) [10]string {
	h := r.HTTP
	return [...]string{h.Path, h.Query, h.Method, h.Route, h.UserAgent, h.Host, h.Scheme, h.Version, r.Reason, r.ErrorType}
}

// request does what describe does.
func (e *encoder) request(r *model.Request) {
	if r.HTTP == nil || r.RPC != nil {
		e.describe(r)
		return
	}
	k := keyOf(r)
	c := &e.recent[r.Conn%recentSpans]
	if len(c.encoded) > 0 && c.key == k && c.same(r) {
		e.b = append(e.b, c.encoded...)
		e.written, e.dropped = c.written, c.dropped
		return
	}
	from := len(e.b)
	e.describe(r)
	c.remember(&k, r, e.b[from:])
	c.written, c.dropped = e.written, e.dropped
}

// same tells whether the texts are those of r, whose lengths are the same.
func (c *recentSpan) same(r *model.Request) bool {
	rest := c.texts
	for _, t := range textsOf(r) {
		if string(rest[:len(t)]) != t {
			return false
		}
		rest = rest[len(t):]
	}
	return true
}

func (c *recentSpan) remember(k *requestKey, r *model.Request, encoded []byte) {
	c.encoded = c.encoded[:0]
	if k.size() > maxRecentTexts || len(encoded) > maxRecentSpan {
		return
	}
	c.key, c.texts = *k, c.texts[:0]
	for _, t := range textsOf(r) {
		c.texts = append(c.texts, t...)
	}
	c.encoded = append(c.encoded, encoded...)
}
