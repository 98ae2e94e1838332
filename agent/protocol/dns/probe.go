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
	switch answer, s := plausible(p, maxSize); {
	case s != protocol.Done:
		return protocol.GuessNo
	case answer:
		return protocol.GuessResponse
	}
	return protocol.GuessRequest
}

// probeTCP says what the first bytes of a turn look like.
func probeTCP(p []byte) protocol.Guess {
	if len(p) < 2 {
		return protocol.GuessMaybe
	}
	size := int(binary.BigEndian.Uint16(p))
	switch answer, s := plausible(p[2:min(len(p), 2+size)], size); {
	case s == protocol.Invalid || size < headerSize || s == protocol.NeedMore && len(p) >= 2+size:
		return protocol.GuessNo
	case s == protocol.NeedMore:
		return protocol.GuessMaybe
	case answer:
		return protocol.GuessResponse
	}
	return protocol.GuessRequest
}

// plausible tells whether p is the beginning of a message of at most size bytes that somebody would send, and which kind.
func plausible(p []byte, size int) (answer bool, s protocol.State) {
	if s = plausibleHeader(p, size); s != protocol.Done {
		return false, s
	}
	var m message
	m.header(p)
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
	var m message
	m.header(head[:])
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
func (m *message) plausibleQuery() bool {
	an, ns, ar := m.counts[answers], m.counts[authorities], m.counts[additional]
	switch {
	case m.opcode() == opcodeUpdate: // RFC 2136 2
		return an <= maxUpdates && ns <= maxUpdates && ar <= maxQueryExtra
	case m.id == 0: // mDNS: known answers, and records to be claimed
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
