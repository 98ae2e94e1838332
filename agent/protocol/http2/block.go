// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"bytes"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/http2/hpack"
)

// block is a header block on its way (RFC 9113 4.3): a HEADERS or PUSH_PROMISE frame and the CONTINUATION frames behind it.
type block struct {
	open      bool // the next frame has to be a CONTINUATION
	push      bool
	endStream bool
	broken    bool // a part of it was not captured, or it is none
	stream    uint32
	at        uint64        // position of its first byte
	start     time.Duration // the same
	end       time.Duration // the last byte that has come
	bytes     uint64        // of its frames
	head      *head         // nil outside of a block
	buf       []byte        // the beginning of a field: not more than hpack.MaxField bytes
	origins   []origin      // where buf, and what is decoded with it, comes from; while there is a recording
	dir       protocol.Dir
}

func (b *block) begun() bool { return b.head != nil }

// blockBegin is called behind the header of a frame that holds a part of a block.
func (c *conn) blockBegin(s *side) {
	if s.frame.typ == typeContinuation {
		return
	}
	s.block = block{
		push: s.frame.typ == typePush, endStream: s.frame.endsStream(), stream: s.frame.stream, at: s.headAt, start: s.start, head: c.shared.head(), dir: c.dirOf(s),
	}
}

// fragment takes the next bytes of a block.
func (c *conn) fragment(s *side, p []byte) {
	b := &s.block
	if b.broken {
		c.markBroken(s, s.pos, len(p))
		return
	}
	c.origin(s)
	if len(b.buf) > 0 {
		b.buf = append(b.buf, p...)
		p = b.buf
	}
	taken := c.fields(s, p)
	c.taken(s, p, taken)
	rest := p[taken:]
	switch {
	case b.broken || len(rest) == 0:
		c.shared.giveBack(b.buf)
		b.buf = nil
	case len(b.buf) > 0:
		b.buf = b.buf[:copy(b.buf, rest)]
	default:
		if b.buf == nil {
			b.buf = c.shared.buffer()
		}
		b.buf = append(b.buf, rest...)
	}
}

// fields decodes the fields that p holds and returns how many bytes they take.
func (c *conn) fields(s *side, p []byte) (taken int) {
	var f hpack.Field
	for {
		passing := s.table.Passing()
		n, state := s.table.Next(p[taken:], &f)
		switch state {
		case protocol.Ignored:
			if passing {
				c.markLong(s, taken, n)
			}
		case protocol.Done:
			c.markField(s, p[taken:taken+n], taken, &f)
			s.block.head.take(c.shared, &f)
		case protocol.Invalid:
			s.block.broken = true
			return taken
		case protocol.NeedMore:
			return taken
		}
		taken += n
	}
}

// blockEnd is called behind the last frame of a block, or when the rest of it will not come.
func (c *conn) blockEnd(d protocol.Dir, s *side, t time.Duration) {
	b := s.block
	c.markUnfinished(s)
	if b.broken || len(b.buf) > 0 {
		s.table.Lose()
		b.head.cut = true
	}
	s.block = block{}
	c.shared.giveBack(b.buf)
	if !b.push {
		c.headers(d, &b, t)
	}
	c.shared.heads = append(c.shared.heads, b.head)
}

func (s *side) dropBlock(sh *shared) {
	if s.block.head != nil {
		sh.heads = append(sh.heads, s.block.head)
	}
	sh.giveBack(s.block.buf)
	s.block = block{}
}

// head is what the fields of a block say.
type head struct {
	request bool // a pseudo-header field of requests was there (RFC 9113 8.3.1)
	cut     bool // the block was not seen to its end
	unknown bool // fields of interest may have been there that are not known

	method, scheme, path, query, authority, host, agent, protocol string
	pathKnown                                                     bool

	status      int // 0 when none is known
	content     content
	grpcStatus  int // -1 when none is known
	grpcMessage string
	timeout     time.Duration
	grpc        bool // there was a grpc-status

	fields []model.Field // that may carry trace context; the memory is used again
}

// content is what a content-type says.
type content uint8

const (
	contentUnsaid content = iota
	contentOther
	contentGRPC
)

// take notes a field.
func (h *head) take(s *shared, f *hpack.Field) {
	if f.NameUnknown {
		h.unknown = true
		return
	}
	if len(f.Name) > 0 && f.Name[0] == ':' {
		h.takePseudo(s, f)
		return
	}
	switch string(f.Name) {
	case "host", "user-agent", "content-type", "grpc-status", "grpc-message", "grpc-timeout":
	default:
		if !f.ValueUnknown && protocol.CarriesContext(f.Name) {
			h.fields = protocol.KeepField(h.fields, s.intern(f.Name, MaxField), f.Value)
		}
		return
	}
	if f.ValueUnknown {
		h.unknown = true
		return
	}
	switch string(f.Name) {
	case "host":
		h.host = s.intern(f.Value, MaxField)
	case "user-agent":
		h.agent = s.intern(f.Value, MaxField)
	case "content-type":
		h.content = contentOf(f.Value)
	case "grpc-status":
		h.grpc, h.grpcStatus = true, number(f.Value)
	case "grpc-message":
		h.grpcMessage = grpcMessage(s, f.Value)
	case "grpc-timeout":
		h.timeout = grpcTimeout(f.Value)
	}
}

// takePseudo notes a pseudo-header field (RFC 9113 8.3, RFC 8441 4).
func (h *head) takePseudo(s *shared, f *hpack.Field) {
	h.unknown = h.unknown || f.ValueUnknown
	status := string(f.Name) == ":status"
	h.request = h.request || !status
	if f.ValueUnknown {
		return
	}
	switch string(f.Name) {
	case ":status":
		h.status = max(0, number(f.Value))
	case ":method":
		h.method = s.intern(f.Value, MaxField)
	case ":scheme":
		h.scheme = s.intern(f.Value, MaxField)
	case ":authority":
		h.authority = s.intern(f.Value, MaxField)
	case ":protocol":
		h.protocol = s.intern(bytes.ToLower(f.Value), MaxField)
	case ":path":
		path, query, _ := bytes.Cut(f.Value, []byte{'?'})
		h.path, h.query, h.pathKnown = s.intern(path, MaxPath), s.intern(query, MaxQuery), true
	}
}

// number reads a decimal number of at most nine digits, -1 when b is none.
func number(b []byte) (n int) {
	if len(b) == 0 || len(b) > 9 {
		return -1
	}
	for _, d := range b {
		if d < '0' || d > '9' {
			return -1
		}
		n = n*10 + int(d-'0')
	}
	return n
}
