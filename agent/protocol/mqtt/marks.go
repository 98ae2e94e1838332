// SPDX-License-Identifier: Apache-2.0

package mqtt

import "sonde/agent/protocol"

// A recording keeps topics, client identifiers, packet identifiers, codes, which properties there are, and those of users that
// carry trace context. Payloads, wills, user names, passwords and texts are hidden.

// mark tells a recording what of a packet it may hold. What cannot be read is hidden, and cannot be read then either.
func (c *Conn) mark(d protocol.Dir, p *packet, f *protocol.Frame) {
	s := protocol.NewScreen(c.shared.env.Marks, d, f.At, f.Head)
	s.Keep(f.Head[:len(f.Head)-len(p.body)])
	switch p.kind {
	case kindConnect:
		keepConnect(&s, p.body)
	case kindConnack:
		s.Keep(p.body[:min(len(p.body), 2)])
		if len(p.body) > 2 {
			keepProperties(&s, p.body[2:], propertyClientID)
		}
	case kindPublish:
		keepPublish(&s, p)
	case kindPuback, kindPubrec, kindPubrel, kindPubcomp:
		s.Keep(p.body[:min(len(p.body), 3)])
		if len(p.body) > 3 {
			keepProperties(&s, p.body[3:], 0)
		}
	case kindSubscribe, kindUnsubscribe:
		keepFilters(&s, p)
	case kindSuback, kindUnsuback:
		keepCodes(&s, p)
	case kindDisconnect, kindAuth:
		s.Keep(p.body[:min(len(p.body), 1)])
	}
	s.End(f.Size)
}

func keepConnect(s *protocol.Screen, b []byte) {
	h, ok := readConnect(b)
	if !ok {
		return
	}
	_, rest, _ := text(b)
	rest = rest[4:]
	s.Keep(b[:len(b)-len(rest)])
	if h.version == 5 {
		if rest, ok = keepProperties(s, rest, 0); !ok {
			return
		}
	}
	if len(rest) >= 2 {
		s.Keep(rest[:min(len(rest), 2+len(h.clientID), 2+maxName)])
	}
}

func keepPublish(s *protocol.Screen, p *packet) {
	h, ok := readPublish(p)
	if !ok {
		return
	}
	if h.cut {
		s.Keep(p.body[:min(len(p.body), 2+len(h.topic)+2)])
		return
	}
	n := 2 + len(h.topic)
	if p.qos() > 0 {
		n += 2
	}
	s.Keep(p.body[:n])
	if p.version == 5 || p.version == 0 && len(h.topic) == 0 {
		keepProperties(s, p.body[n:], propertyTopicAlias)
	}
}

// keepFilters keeps the filters with their options: they are names.
func keepFilters(s *protocol.Screen, p *packet) {
	h, ok := readFilters(p)
	if !ok {
		return
	}
	s.Keep(p.body[:2])
	rest := p.body[2:]
	if h.version == 5 {
		rest, _ = keepProperties(s, rest, 0)
	}
	s.Keep(rest)
}

// keepCodes keeps the codes behind the properties. Where it is not known whether there are any, only the first code that is
// an error matters.
func keepCodes(s *protocol.Screen, p *packet) {
	if len(p.body) < 2 {
		return
	}
	s.Keep(p.body[:2])
	rest := p.body[2:]
	switch p.version {
	case 5:
		if rest, ok := keepProperties(s, rest, 0); ok {
			s.Keep(rest)
		}
	case 0:
		for i, b := range rest {
			if b >= codeFailure {
				s.Keep(rest[i : i+1])
				return
			}
		}
	default:
		s.Keep(rest)
	}
}

// keepProperties keeps which properties there are and how long they are, the value of one of them, and trace context.
func keepProperties(s *protocol.Screen, b []byte, value byte) (rest []byte, ok bool) {
	list, rest, ok := properties(b)
	if !ok {
		n, _ := varint(b)
		s.Keep(b[:max(0, n)])
		return nil, false
	}
	s.Keep(b[:len(b)-len(rest)-len(list)])
	for len(list) > 0 {
		id, size := list[0], propertySizes[list[0]]
		n := propertyLength(size, list[1:])
		if n <= 0 || n > len(list)-1 {
			break
		}
		s.Keep(list[:1])
		v := list[1 : 1+n]
		switch {
		case id == value || size == sizeVarint || id == propertyUser && carriesContext(v):
			s.Keep(v)
		case size == sizeText || size == sizePair:
			s.Keep(v[:2])
			if first, _, _ := text(v); size == sizePair {
				s.Keep(v[2+len(first) : 4+len(first)])
			}
		}
		list = list[1+n:]
	}
	return rest, true
}
