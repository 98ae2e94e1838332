// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"encoding/binary"
	"time"
)

// Limits of what is looked at to find the end of an answer that is out of step.
const (
	tailSize  = 300 // bytes kept
	tailChunk = 4096
	tailMost  = 250 // bytes of the payload of a packet that may be an end
)

// feedTail looks for the packet that ends a result.
func (c *conn) feedTail(p []byte, t time.Duration) {
	for len(p) > 0 {
		n := min(len(p), tailChunk)
		before := len(c.tail)
		c.tail = append(c.tail, p[:n]...)
		if from, end := findEnd(c.tail); end > before {
			c.uncounted(uint64(end-before), t)
			c.markEnd(c.tail[from:end], c.pos[c.client.Other()]-uint64(len(p)-(end-before)))
			c.endLost(c.tail[from:end], t)
			c.tail = c.tail[:0]
			if rest := p[end-before:]; len(rest) > 0 {
				c.feedBack(rest, t)
			}
			return
		}
		c.uncounted(uint64(n), t)
		if over := len(c.tail) - tailSize; over > 0 {
			c.tail = c.tail[:copy(c.tail, c.tail[over:])]
		}
		p = p[n:]
	}
}

// findEnd returns where the first whole packet lies that can hardly be anything but the end of a result; end is 0 when
// there is none.
func findEnd(p []byte) (from, end int) {
	for i := 0; i+header+5 <= len(p); i++ {
		n := int(p[i])
		if p[i+1] != 0 || p[i+2] != 0 || n < 5 || n > tailMost || i+header+n > len(p) || p[i+3] < 2 {
			continue
		}
		if isEnd(p[i+header : i+header+n]) {
			return i, i + header + n
		}
	}
	return 0, 0
}

// isEnd tells whether p is an EOF packet, an OK packet in its place, or an ERR packet.
func isEnd(p []byte) bool {
	switch p[0] {
	case 0xfe:
		if len(p) == 5 { // warnings, status
			return isStatus(binary.LittleEndian.Uint16(p[3:])) && p[2] == 0
		}
		return len(p) >= 7 && p[1] == 0 && p[2] == 0 && isStatus(binary.LittleEndian.Uint16(p[3:])) && p[6] == 0
	case 0xff:
		if len(p) < 9 || p[3] != '#' {
			return false
		}
		for _, c := range p[4:9] {
			if (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
				return false
			}
		}
		return isText(p[9:])
	}
	return false
}

// isStatus tells whether a status is one that a server sends: autocommit or in a transaction.
func isStatus(status uint16) bool { return status&statusReserved == 0 && status&0x0003 != 0 }

// endLost ends the request whose answer was out of step with packet p.
func (c *conn) endLost(p []byte, t time.Duration) {
	c.back.resync()
	if c.front.lost(c.compressed) || c.queue.Len() != 1 { // which of them has ended cannot be told
		c.giveUp("lost", t)
		return
	}
	e := c.queue.Front()
	e.seq, e.holed = p[3]+1, true
	c.damaged = false
	payload := p[header:]
	switch {
	case payload[0] == 0xff:
		c.failure(e, payload)
		c.finish()
	case e.reading == readFields, e.reading == readRows && e.text != "" && e.batch < 2 && e.procedure == "":
		c.result(e, binary.LittleEndian.Uint16(payload[3:]))
	default:
		e.reading = readRest
		c.rest(e, payload, uint64(len(payload)))
	}
}

// rest takes a packet of an answer of which some were not seen. An EOF packet ends definitions or rows: which of them, what
// follows tells, or that nothing does. Where more results are to come, an OK packet may be the last; rows of prepared
// statements look like it.
func (c *conn) rest(e *exchange, p []byte, size uint64) {
	_, status, ok := okPacket(p)
	switch {
	case isEOF(p, size) && size == 5 && len(p) == 5:
		status, ok = binary.LittleEndian.Uint16(p[3:]), true
	case isEOF(p, size) && ok && status&statusMoreResults == 0:
		c.finish()
		return
	case p[0] != 0x00 || !isStatus(status):
		ok = false
	}
	e.uncertain = ok && status&statusMoreResults == 0
}
