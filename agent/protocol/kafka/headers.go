// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"encoding/binary"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// cursor goes over the records of a batch (KIP-98, KIP-82). What was not captured, and what is no record, ends it.
type cursor struct {
	p    []byte
	at   int
	over bool

	hide func(from, to int) // is told what is private of what was passed, nil when nobody asks
}

// varint reads a number, zigzag-encoded.
func (c *cursor) varint() int {
	v, n := binary.Varint(c.p[min(c.at, len(c.p)):])
	if n <= 0 || v > 1<<30 || v < -1<<30 {
		c.over = true
		return 0
	}
	c.at += n
	return int(v)
}

// long passes over a number of 64 bits.
func (c *cursor) long() {
	_, n := binary.Varint(c.p[min(c.at, len(c.p)):])
	c.over = c.over || n <= 0
	c.at += max(0, n)
}

// bytes returns what stands behind its length, nil for null.
func (c *cursor) bytes() []byte {
	n := c.varint()
	if c.over || n < 0 {
		return nil
	}
	if n > len(c.p)-c.at {
		c.over = true
		return nil
	}
	b := c.p[c.at : c.at+n]
	c.at += n
	return b
}

// private passes over what stands behind its length.
func (c *cursor) private() {
	b := c.bytes()
	c.conceal(c.at-len(b), c.at)
}

func (c *cursor) conceal(from, to int) {
	if c.hide != nil && !c.over && from < to {
		c.hide(from, to)
	}
}

// record reads one record and returns its headers that may carry trace context. They are those of a whole record, or none.
func (c *cursor) record() []model.Field {
	size := c.varint()
	end := c.at + size
	if c.over || size <= 0 || end > len(c.p) {
		c.over = true
		return nil
	}
	c.at++ // attributes
	c.long()
	c.varint()
	c.private()
	c.private()
	var fields []model.Field
	for n := c.varint(); n > 0 && !c.over && c.at < end; n-- {
		fields = c.header(fields)
	}
	if c.over = c.over || c.at != end; c.over {
		return nil
	}
	return fields
}

// header reads a header and adds it to fields when it may carry trace context.
func (c *cursor) header(fields []model.Field) []model.Field {
	name := c.bytes()
	named := c.at
	value := c.bytes()
	if c.over || value == nil || len(value) > model.MaxField || len(fields) == model.MaxFields || !protocol.CarriesContext(name) {
		c.conceal(named-len(name), named)
		c.conceal(c.at-len(value), c.at)
		return fields
	}
	return append(fields, model.Field{Name: string(name), Value: string(value)})
}

// headers reads the headers of the records of one batch, of which b was captured. Batches of magic 0 and 1 have none, and
// those of compressed ones are not read.
func (w *walk) headers(b []byte) {
	if len(b) <= batchFixedBytes || b[batchMagicAt] != 2 ||
		binary.BigEndian.Uint16(b[batchAttrAt:])&(controlBatch|compressionBits) != 0 {
		return
	}
	c := cursor{p: b, at: batchFixedBytes}
	for !c.over && c.at < len(b) && len(w.found.headers) < model.MaxMessages {
		if fields := c.record(); fields != nil {
			w.found.headers = append(w.found.headers, fields)
		}
	}
}

// hideBatch hides what a batch holds beside its head and the headers that were just read: those that follow the first n of
// all. b was captured of the batch, which begins at a position of the frame and has a size.
func (w *walk) hideBatch(b []byte, at, size, n int) {
	told := min(size, headOfBatch(b[batchMagicAt]))
	if n := len(w.found.headers) - n; n > 0 {
		c := cursor{p: b, at: batchFixedBytes, hide: func(from, to int) { w.private(at+from, at+to) }}
		for n > 0 && !c.over {
			if c.record() != nil {
				n--
			}
		}
		told = c.at
	}
	w.private(at+told, at+size)
}
