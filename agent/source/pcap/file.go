// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// frame is one packet as a capture file has it.
type frame struct {
	time uint64 // ns since the Unix epoch
	link uint32 // link type
	data []byte // captured bytes; valid until the next frame is read
	wire int    // length on the wire, never less than len(data)
}

// format reads the packets of one file format.
type format interface {
	// next reads the next packet; io.EOF when there is none.
	next(f *frame) error
	// dropped is the number of packets that the capturing program says it missed.
	dropped() uint64
}

// Magic numbers, in the byte order of the file. The second variant of pcap has eight bytes more in front of each packet.
const (
	magicMicro    = 0xa1b2c3d4
	magicNano     = 0xa1b23c4d
	magicModified = 0xa1b2cd34
	magicSection  = 0x0a0d0d0a
)

var errForeign = errors.New("not a capture file: want pcap or pcapng, plain or packed with gzip or zstd")

// openFormat finds out the format from the first bytes.
func openFormat(w *window) (format, error) {
	b, ok := w.peek(4)
	if !ok {
		switch {
		case w.err != nil && !errors.Is(w.err, io.EOF):
			return nil, w.err
		case len(b) == 0:
			return nil, errors.New("the file is empty")
		}
		return nil, errForeign
	}
	magic := binary.LittleEndian.Uint32(b)
	if magic == magicSection {
		return &ng{w: w}, nil
	}
	c := &classic{w: w}
	if c.order.swapped = bits.ReverseBytes32(magic) == magicMicro || bits.ReverseBytes32(magic) == magicNano ||
		bits.ReverseBytes32(magic) == magicModified; c.order.swapped {
		magic = bits.ReverseBytes32(magic)
	}
	switch magic {
	case magicMicro:
		c.unit, c.header = 1000, 16
	case magicNano:
		c.unit, c.header = 1, 16
	case magicModified:
		c.unit, c.header = 1000, 24
	default:
		return nil, errForeign
	}
	return c, c.begin()
}

// order is the byte order of a file.
type order struct{ swapped bool }

func (o order) u16(b []byte) uint16 {
	v := binary.LittleEndian.Uint16(b)
	if o.swapped {
		return bits.ReverseBytes16(v)
	}
	return v
}

func (o order) u32(b []byte) uint32 {
	v := binary.LittleEndian.Uint32(b)
	if o.swapped {
		return bits.ReverseBytes32(v)
	}
	return v
}

func (o order) u64(b []byte) uint64 {
	v := binary.LittleEndian.Uint64(b)
	if o.swapped {
		return bits.ReverseBytes64(v)
	}
	return v
}

// classic is a pcap file (draft-ietf-opsawg-pcap).
type classic struct {
	w      *window
	order  order
	unit   uint64 // ns of the smaller part of a time
	header int
	link   uint32
	passed int // bytes of the packet that was read last
}

const classicFileHeader = 24

// linkMask leaves out what the upper bits of the link type say of the frame check sequence.
const linkMask = 0x03ffffff

func (c *classic) begin() error {
	b, ok := c.w.peek(classicFileHeader)
	if !ok {
		return c.w.ended()
	}
	c.link = c.order.u32(b[20:]) & linkMask
	c.passed = classicFileHeader
	return nil
}

func (c *classic) next(f *frame) error {
	c.w.pass(c.passed)
	c.passed = 0
	b, ok := c.w.peek(c.header)
	if !ok {
		if len(b) == 0 && errors.Is(c.w.err, io.EOF) {
			return io.EOF
		}
		return c.w.ended()
	}
	n := c.order.u32(b[8:])
	if n > maxBlock-64 {
		return fmt.Errorf("a packet of %d bytes: the file is damaged", n)
	}
	f.time = uint64(c.order.u32(b))*1e9 + uint64(c.order.u32(b[4:]))*c.unit
	f.link, f.wire = c.link, int(min(c.order.u32(b[12:]), maxBlock))
	if b, ok = c.w.peek(c.header + int(n)); !ok {
		return c.w.ended()
	}
	f.data = b[c.header:]
	f.wire = max(f.wire, len(f.data))
	c.passed = len(b)
	return nil
}

func (c *classic) dropped() uint64 { return 0 }
