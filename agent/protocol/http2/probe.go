// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"

	"sonde/agent/protocol"
	"sonde/agent/protocol/http2/hpack"
)

// probe says what the first bytes of a turn look like.
//
// The client's preface is a request, the server's (a SETTINGS frame) an answer. In the middle of a connection, frames one
// behind the other are either when one of them is HEADERS with a block that can be decoded and has the fields of a
// request or an answer; without, they may be.
func probe(p []byte) protocol.Guess {
	if n := min(len(p), len(prefaceText)); string(p[:n]) == prefaceText[:n] {
		if n >= len("PRI * HTTP/2") {
			return protocol.GuessRequest
		}
		return protocol.GuessMaybe
	}
	if len(p) < headSize {
		if isSettings(p) {
			return protocol.GuessMaybe
		}
		return protocol.GuessNo
	}
	w, ok := walk(p, nil)
	first := readFrame(p)
	switch {
	case !ok:
		return protocol.GuessNo
	case w.kind != protocol.GuessNo:
		return w.kind
	case first.typ == typeSettings && !first.has(flagAck):
		return protocol.GuessResponse
	case w.frames >= 2 || w.exact:
		return protocol.GuessMaybe
	}
	return protocol.GuessNo
}

// isSettings tells whether p may begin the header of a SETTINGS frame.
func isSettings(p []byte) bool {
	return len(p) > 3 && p[0] == 0 && p[1] == 0 && p[2]%settingSize == 0 && p[3] == byte(typeSettings)
}

// chain is what frames one behind the other look like.
type chain struct {
	frames int            // that end in the bytes
	exact  bool           // the last ends with them
	open   bool           // one of them belongs to an open stream
	first  bool           // the first does, or begins one
	kind   protocol.Guess // what the first header block says: request, answer, or GuessNo
}

// Limits of what is looked at to tell frames from other bytes.
const (
	maxChain = 8   // frames
	maxBlock = 256 // bytes of a header block
)

// walk follows frames from the beginning of p, which has at least headSize bytes. It returns false when what comes there is no
// frame. open tells whether a stream is open; nil when none is.
func walk(p []byte, open func(uint32) bool) (w chain, ok bool) {
	w.kind = protocol.GuessNo
	for len(p) >= headSize && w.frames < maxChain {
		f := readFrame(p)
		body := p[headSize:]
		whole := uint64(len(body)) >= uint64(f.length)
		payload := body[:min(len(body), int(f.length))]
		if !f.plausible() || f.typ == typeSettings && !settings(payload) {
			return w, false
		}
		isOpen := open != nil && f.stream != 0 && open(f.stream)
		w.open = w.open || isOpen
		w.first = w.first || isOpen && w.frames == 0
		if f.typ == typeHeaders && w.kind == protocol.GuessNo {
			if w.kind, ok = blockKind(&f, payload, whole); !ok {
				return w, false
			}
			w.first = w.first || w.kind != protocol.GuessNo && w.frames == 0
		}
		if !whole {
			return w, true
		}
		w.frames++
		p = body[f.length:]
	}
	w.exact = len(p) == 0
	return w, true
}

// settings tells whether p is parameters that are registered (RFC 9113 6.5.2, RFC 8441, RFC 9218) or reserved to be passed
// over (RFC 8701 has 0x?a?a).
func settings(p []byte) bool {
	for ; len(p) >= settingSize; p = p[settingSize:] {
		id, value := binary.BigEndian.Uint16(p), binary.BigEndian.Uint32(p[2:])
		switch {
		case id == 2 && value > 1, id == 4 && value > maxIDs, id == 5 && (value < 1<<14 || value >= 1<<24):
			return false
		case id == 0 || id > 0x10 && id&0x0f0f != 0x0a0a && id < 0xf000:
			return false
		}
	}
	return true
}

// blockKind decodes what p holds of the payload of a HEADERS frame, whose table is not known, and tells whether it is a request
// or an answer. It returns false when it is no block.
func blockKind(f *frame, p []byte, whole bool) (protocol.Guess, bool) {
	n, pad := int(f.prefix()), 0
	if len(p) < n {
		return protocol.GuessNo, true
	}
	if f.has(flagPadded) {
		pad = int(p[0])
	}
	if p = p[n:]; whole {
		if pad > len(p) {
			return protocol.GuessNo, false
		}
		p = p[:len(p)-pad]
	}
	if len(p) > maxBlock {
		p, whole = p[:maxBlock], false
	}
	var d hpack.Decoder
	d.Reset(&hpack.Scratch{})
	d.Lose()
	kind := protocol.GuessNo
	var field hpack.Field
	for len(p) > 0 {
		n, state := d.Next(p, &field)
		switch state {
		case protocol.Invalid:
			return kind, false
		case protocol.NeedMore:
			return kind, !whole || !f.has(flagEndHeaders)
		case protocol.Done:
			if !isName(&field) {
				return kind, false
			}
			if kind == protocol.GuessNo {
				kind = fieldKind(&field)
			}
		}
		p = p[n:]
	}
	return kind, true
}

// isName tells whether a field has a name that a field may have (RFC 9113 8.2.1).
func isName(f *hpack.Field) bool {
	if f.NameUnknown {
		return true
	}
	for _, b := range f.Name {
		if b <= ' ' || b >= 0x7f || 'A' <= b && b <= 'Z' {
			return false
		}
	}
	return len(f.Name) > 0
}

func fieldKind(f *hpack.Field) protocol.Guess {
	switch string(f.Name) {
	case ":method", ":path", ":scheme", ":authority":
		return protocol.GuessRequest
	case ":status":
		return protocol.GuessResponse
	}
	return protocol.GuessNo
}

// place says whether bytes begin a segment.
type place uint8

const (
	atSegment place = iota
	inSegment
)

// resync looks for the beginning of a frame in the bytes of a direction that is out of step. It returns p from there on, nil
// when there is none. Segments mostly begin with a frame; further behind, frames must be of open streams, or begin
// one, or be several that end where p ends.
func (c *conn) resync(s *side, p []byte, begin place) []byte {
	open := func(id uint32) bool { return c.stream(id) != nil }
	for i := 0; len(p)-i >= headSize; i++ {
		f := readFrame(p[i:])
		if !f.plausible() {
			continue
		}
		w, ok := walk(p[i:], open)
		sure := w.first || w.exact && (w.open || w.kind != protocol.GuessNo || w.frames > 2)
		if ok && (sure || i == 0 && begin == atSegment) {
			s.step(atFrame)
			return p[i:]
		}
	}
	c.miss(1)
	return nil
}
