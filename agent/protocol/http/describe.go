// SPDX-License-Identifier: Apache-2.0

package http1

import "bytes"

// recent holds the strings of the last request of a connection: most repeat them, and comparing is cheaper than a map.
type recent struct {
	method, path, query, host, agent string
}

// again returns the string of b, and remembers it in last.
func (s *Shared) again(last *string, b []byte, limit int) string {
	if string(b) != *last {
		*last = s.intern(b, limit)
	}
	return *last
}

// describe sets what a request's head tells.
func (c *Conn) describe(e *exchange, h *head) {
	d, s := &e.http, c.s
	d.Version, d.Scheme = version(h.version), "http"
	d.Method = s.again(&c.seen.method, h.method, maxField)
	d.UserAgent = s.again(&c.seen.agent, h.agent, maxField)
	e.head, e.connect = d.Method == "HEAD", d.Method == "CONNECT"
	target := h.target
	if e.connect { // authority-form, RFC 9112 3.2.3
		d.Host = s.again(&c.seen.host, target, maxField)
		return
	}
	host := h.host
	if target[0] != '/' { // absolute-form wins over Host, RFC 9112 3.2.2
		if scheme, authority, rest, ok := absolute(target); ok {
			d.Scheme, host, target = s.intern(bytes.ToLower(scheme), maxField), authority, rest
		}
	}
	d.Host = s.again(&c.seen.host, host, maxField)
	if i := bytes.IndexByte(target, '?'); i >= 0 {
		target, d.Query = target[:i], s.again(&c.seen.query, target[i+1:], MaxPath)
	}
	d.Path = "/"
	if len(target) > 0 {
		d.Path = s.again(&c.seen.path, target, MaxPath)
	}
}

// absolute takes an absolute-form target apart; rest begins with its path or query and may be empty.
func absolute(target []byte) (scheme, authority, rest []byte, ok bool) {
	i := bytes.IndexByte(target, ':')
	if i < 1 || !isToken(target[:i]) || !bytes.HasPrefix(target[i:], []byte("://")) {
		return nil, nil, nil, false
	}
	scheme, rest = target[:i], target[i+3:]
	end := bytes.IndexAny(rest, "/?")
	if end < 0 {
		end = len(rest)
	}
	authority = rest[:end]
	return scheme, authority[bytes.LastIndexByte(authority, '@')+1:], rest[end:], true // credentials are not kept
}
