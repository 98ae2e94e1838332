// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"encoding/binary"

	"sonde/agent/protocol"
)

const (
	maxQuestions  = 64  // in one message; servers take one, mDNS puts as many as fit
	maxUnicast    = 8   // the same, for those that are no mDNS
	maxQueryExtra = 4   // additional records of a query: OPT, TSIG, SIG(0)
	maxUpdates    = 512 // records in a section of an UPDATE
)

// probeUDP says what a datagram looks like. It sees the whole of it, or more of it than the first question can fill.
func probeUDP(p []byte) protocol.Guess {
	answer, s := plausible(p, maxSize)
	if s == protocol.Done && consistent(p, len(p)) {
		return guess(answer)
	}
	if odd(p) {
		return guess(p[2]&0x80 != 0)
	}
	return protocol.GuessNo
}

// odd tells whether a datagram is a message but for a reserved bit, or an opcode that nobody uses any more: all the rest of it
// must be as in the most usual messages.
func odd(p []byte) bool {
	var m message
	if len(p) < headerSize || m.read(p) != protocol.Done {
		return false
	}
	const iquery, status = 1, 2
	named := typeNames[m.typ] != "" && m.class == 1 && m.counts[questions] == 1
	usual := m.opcode() == opcodeQuery || m.opcode() == iquery || m.opcode() == status
	return named && usual && m.flags&15 <= 11 && (m.answer() || m.flags&15 == 0 && m.plausibleQuery()) && consistent(p, len(p))
}

func guess(answer bool) protocol.Guess {
	if answer {
		return protocol.GuessResponse
	}
	return protocol.GuessRequest
}

// probeTCP says what the first bytes of a turn look like.
func probeTCP(p []byte) protocol.Guess {
	if len(p) < prefix {
		return protocol.GuessMaybe
	}
	size := int(binary.BigEndian.Uint16(p))
	p = p[prefix:min(len(p), prefix+size)]
	switch answer, s := plausible(p, size); {
	case s == protocol.Invalid || size < headerSize || s == protocol.NeedMore && len(p) >= size || s == protocol.Done && !consistent(p, size):
		return protocol.GuessNo
	case s == protocol.NeedMore:
		return protocol.GuessMaybe
	default:
		return guess(answer)
	}
}

// consistent looks at all of a message that is there. It must end where its records do; where it goes on, which is rare,
// its type must be one that has a name.
func consistent(p []byte, size int) bool {
	var m message
	if m.read(p) != protocol.Done {
		return false
	}
	c := m.cursor()
	for _, ok := c.next(); ok; _, ok = c.next() {
	}
	switch c.state {
	case protocol.Done:
		return c.at == size
	case protocol.NeedMore:
		_, named := typeNames[m.typ]
		return m.counts[questions] == 0 || named && m.answer()
	}
	return false
}

// plausible tells whether p is the beginning of a message of at most size bytes that somebody would send, and which kind.
func plausible(p []byte, size int) (answer bool, s protocol.State) {
	if s = plausibleHeader(p, size); s != protocol.Done {
		return false, s
	}
	m := message{header: headerOf(p), p: p}
	if m.counts[questions] == 0 {
		return true, m.plausibleRecord()
	}
	at, s := skipName(p, headerSize)
	switch {
	case s != protocol.Done:
		return false, s
	case at+4 > len(p):
		return false, protocol.NeedMore
	case p[at-1] != 0: // no name comes before it that it could point to
		return false, protocol.Invalid
	}
	typ, class := binary.BigEndian.Uint16(p[at:]), binary.BigEndian.Uint16(p[at+2:])
	if typ == 0 || !plausibleClass(class, m.id) {
		return false, protocol.Invalid
	}
	return m.answer(), protocol.Done
}

// plausibleHeader looks at as much of the header as there is.
func plausibleHeader(p []byte, size int) protocol.State {
	var head [headerSize]byte
	n := copy(head[:], p)
	m := headerOf(head[:])
	answer, opcode := m.answer(), m.opcode()
	if n >= 4 && (m.flags&flagZero != 0 || opcode != opcodeQuery && opcode != opcodeNotify && opcode != opcodeUpdate ||
		m.flags&15 > 11 || !answer && m.flags&15 != 0) {
		return protocol.Invalid
	}
	records := 0
	for i := answers; i < sections; i++ {
		records += int(m.counts[i])
	}
	switch {
	case headerSize+records*minRecord > size, !answer && !m.plausibleQuery(),
		m.counts[questions] > maxQuestions, m.id != 0 && m.counts[questions] > maxUnicast:
		return protocol.Invalid
	case n < headerSize:
		return protocol.NeedMore
	case !answer && m.counts[questions] == 0:
		return protocol.Invalid
	}
	return protocol.Done
}

// plausibleQuery tells whether the counts are those of a query.
func (h *header) plausibleQuery() bool {
	an, ns, ar := h.counts[answers], h.counts[authorities], h.counts[additional]
	switch {
	case h.opcode() == opcodeUpdate: // RFC 2136 2
		return an <= maxUpdates && ns <= maxUpdates && ar <= maxQueryExtra
	case h.id == 0: // mDNS: known answers, and records to be claimed
		return an <= maxUpdates && ns <= maxUpdates && ar <= maxUpdates
	}
	return an <= 1 && ns <= 1 && ar <= maxQueryExtra // NOTIFY and IXFR carry an SOA
}

// plausibleRecord looks at the first record of an answer without a question: mDNS, a part of a zone transfer, or a bare
// header in which a server says that it cannot read the query.
func (m *message) plausibleRecord() protocol.State {
	m.records = headerSize
	c := m.cursor()
	r, ok := c.next()
	switch {
	case ok && (r.typ == 0 || r.typ != typeOPT && !plausibleClass(r.class, m.id)):
		return protocol.Invalid
	case !ok && c.state == protocol.Done && (m.flags&15 == 0 || len(m.p) > headerSize):
		return protocol.Invalid
	case c.state != protocol.Done:
		return c.state
	}
	return protocol.Done
}

func plausibleClass(c, id uint16) bool {
	if id == 0 {
		c &^= flagQU
	}
	switch c {
	case 1, 3, 4, 254, 255:
		return true
	}
	return false
}
