// SPDX-License-Identifier: Apache-2.0

package detect

import (
	"bytes"
	"encoding/binary"
	"time"

	"sonde/agent/protocol"
)

// A load balancer may put one line or a block in front of the first bytes of a client that say who the client is (the PROXY
// protocol, version 1 and 2). It belongs to no protocol behind it, and is passed over.
const (
	proxy1       = "PROXY "
	proxy2       = "\r\n\r\n\x00\r\nQUIT\n"
	maxProxyLine = 107 // of version 1, line end included
	maxProxy     = 536 // of version 2: addresses and a few extensions; longer ones are not recognised
)

// proxyHeader returns the length of the header that p begins with: Done, NeedMore of a prefix, or Invalid.
func proxyHeader(p []byte) (int, protocol.State) {
	switch {
	case begins(p, proxy1):
		end := bytes.Index(p[:min(len(p), maxProxyLine)], []byte("\r\n"))
		switch {
		case end >= 0 && isProxyLine(p[len(proxy1):end]):
			return end + 2, protocol.Done
		case end < 0 && len(p) < maxProxyLine:
			return 0, protocol.NeedMore
		}
	case begins(p, proxy2):
		const fixed = len(proxy2) + 4
		if len(p) < fixed {
			return 0, protocol.NeedMore
		}
		n := fixed + int(binary.BigEndian.Uint16(p[fixed-2:]))
		switch {
		case p[len(proxy2)]>>4 != 2 || n > maxProxy:
		case len(p) < n:
			return 0, protocol.NeedMore
		default:
			return n, protocol.Done
		}
	}
	return 0, protocol.Invalid
}

// begins tells whether p begins with s, or s with p.
func begins(p []byte, s string) bool {
	n := min(len(p), len(s))
	return string(p[:n]) == s[:n]
}

func isProxyLine(p []byte) bool {
	for _, family := range []string{"TCP4 ", "TCP6 ", "UNKNOWN"} {
		if len(p) >= len(family) && string(p[:len(family)]) == family {
			return true
		}
	}
	return false
}

// proxied takes the first bytes of a connection and returns those that are not a PROXY header. While they may be the
// beginning of one, it keeps them and returns none.
func (c *Conn) proxied(d protocol.Dir, p []byte, t time.Duration) []byte {
	if c.behind || c.joined || c.passed != [2]uint64{} || c.started && c.dir != d {
		c.lookAtHeld()
		return p
	}
	whole := p
	if len(c.header) > 0 {
		whole = append(c.header, p...)
	}
	switch n, state := proxyHeader(whole); state {
	case protocol.NeedMore:
		if len(c.header) == 0 {
			c.headerAt = t
		}
		c.header, c.headerDir = append(c.header, p...), d
		return nil
	case protocol.Done:
		c.behind = true
		c.passed[d] += uint64(n)
		if c.engine.marks != nil {
			marker{c.engine}.Settle(d, c.passed[d])
		}
		p = p[n-len(c.header):]
		c.header = c.header[:0]
		return p
	}
	c.lookAtHeld()
	return p
}

// lookAtHeld takes what was kept for the beginning of a PROXY header and is none.
func (c *Conn) lookAtHeld() {
	c.behind = true
	if len(c.header) > 0 {
		p := c.header
		c.header = nil
		c.turn(c.headerDir)
		c.look(c.headerDir, p, c.headerAt)
	}
}
