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
	e.seq, e.counted = p[3]+1, false
	payload := p[header:]
	if payload[0] == 0xff {
		c.failure(e, payload)
	} else {
		at := 3
		if binary.LittleEndian.Uint16(payload[at:])&statusMoreResults != 0 {
			e.reading = readFirst
			return
		}
	}
	c.damaged = false
	c.finish()
}
