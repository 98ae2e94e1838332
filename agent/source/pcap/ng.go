// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// ng is a pcapng file (draft-ietf-opsawg-pcapng): sections of blocks, each section with interfaces of its own.
type ng struct {
	w          *window
	order      order
	interfaces []ngInterface // of the section
	passed     int           // bytes of the block that was read last
	last       uint64        // time of the last packet that has one
	drops      uint64        // of sections that have ended
}

// ngInterface is what an interface description says, and the newest of its statistics.
type ngInterface struct {
	link    uint32
	snap    uint32
	binary  bool // the unit of time is 2^-digits seconds, else 10^-digits
	digits  uint8
	offset  int64 // seconds added to each time
	dropped uint64
}

// Block types.
const (
	blockInterface  = 1
	blockPacket     = 2 // obsolete
	blockSimple     = 3
	blockStatistics = 5
	blockEnhanced   = 6
)

// Options.
const (
	optionEnd      = 0
	optionDropped  = 5 // of statistics: by the interface
	optionOSDrop   = 7 // of statistics: by the operating system
	optionUnit     = 9 // of interfaces
	optionTimeZero = 14
)

const (
	blockOverhead = 12 // type and length before, length behind
	byteOrder     = 0x1a2b3c4d
	maxInterfaces = 1 << 16
)

func (g *ng) next(f *frame) error {
	for {
		g.w.pass(g.passed)
		g.passed = 0
		kind, size, err := g.head()
		if err != nil {
			return err
		}
		if wanted := kind <= blockEnhanced || kind == magicSection; !wanted {
			if !g.w.skip(size) {
				return g.w.ended()
			}
			continue
		}
		body, err := g.body(size)
		if err != nil {
			return err
		}
		if found, err := g.block(kind, body, f); found || err != nil {
			return err
		}
	}
}

// head reads type and length of the next block.
func (g *ng) head() (kind uint32, size int, err error) {
	b, ok := g.w.peek(12)
	if !ok {
		if len(b) == 0 && errors.Is(g.w.err, io.EOF) {
			return 0, 0, io.EOF
		}
		return 0, 0, g.w.ended()
	}
	if kind = g.order.u32(b); kind == magicSection { // the same in both orders
		switch order := binary.LittleEndian.Uint32(b[8:]); order {
		case byteOrder:
			g.order.swapped = false
		case bits.ReverseBytes32(byteOrder):
			g.order.swapped = true
		default:
			return 0, 0, fmt.Errorf("a section in byte order %#x: the file is damaged", order)
		}
	}
	n := g.order.u32(b[4:])
	if n < blockOverhead || n > maxBlock && kind <= blockEnhanced {
		return 0, 0, fmt.Errorf("a block of %d bytes: the file is damaged", n)
	}
	return kind, (int(n) + 3) &^ 3, nil
}

func (g *ng) body(size int) ([]byte, error) {
	if size > maxBlock+3 {
		return nil, fmt.Errorf("a block of %d bytes: the file is damaged", size)
	}
	b, ok := g.w.peek(size)
	if !ok {
		return nil, g.w.ended()
	}
	if behind := (int(g.order.u32(b[size-4:])) + 3) &^ 3; behind != size {
		return nil, fmt.Errorf("a block of %d bytes that says %d at its end: the file is damaged", size, behind)
	}
	g.passed = size
	return b[8 : size-4], nil
}

func (g *ng) block(kind uint32, b []byte, f *frame) (found bool, err error) {
	switch kind {
	case magicSection:
		g.drops, g.interfaces = g.dropped(), g.interfaces[:0]
	case blockInterface:
		return false, g.addInterface(b)
	case blockStatistics:
		g.statistics(b)
	case blockEnhanced:
		if len(b) < 20 {
			return false, errShortBlock
		}
		return true, g.packet(f, g.order.u32(b), b[4:], b[20:])
	case blockPacket:
		if len(b) < 20 {
			return false, errShortBlock
		}
		return true, g.packet(f, uint32(g.order.u16(b)), b[4:], b[20:])
	case blockSimple:
		if len(b) < 4 {
			return false, errShortBlock
		}
		return true, g.simple(f, b)
	}
	return false, nil
}

var errShortBlock = errors.New("a block too short for what it is: the file is damaged")

func (g *ng) addInterface(b []byte) error {
	if len(b) < 8 {
		return errShortBlock
	}
	if len(g.interfaces) == maxInterfaces {
		return fmt.Errorf("more than %d interfaces: the file is damaged", maxInterfaces)
	}
	i := ngInterface{link: uint32(g.order.u16(b)), snap: g.order.u32(b[4:]), digits: 6}
	g.options(b[8:], func(code uint16, value []byte) {
		switch {
		case code == optionUnit && len(value) == 1:
			i.binary, i.digits = value[0]&0x80 != 0, value[0]&0x7f
		case code == optionTimeZero && len(value) == 8:
			i.offset = int64(g.order.u64(value))
		}
	})
	g.interfaces = append(g.interfaces, i)
	return nil
}

func (g *ng) statistics(b []byte) {
	if len(b) < 12 || g.order.u32(b) >= uint32(len(g.interfaces)) {
		return
	}
	dropped := uint64(0)
	g.options(b[12:], func(code uint16, value []byte) {
		if (code == optionDropped || code == optionOSDrop) && len(value) == 8 {
			dropped += g.order.u64(value)
		}
	})
	g.interfaces[g.order.u32(b)].dropped = dropped
}

func (g *ng) dropped() uint64 {
	sum := g.drops
	for i := range g.interfaces {
		sum += g.interfaces[i].dropped
	}
	return sum
}

// options calls f for each option of a block.
func (g *ng) options(b []byte, f func(code uint16, value []byte)) {
	for len(b) >= 4 {
		code, n := g.order.u16(b), int(g.order.u16(b[2:]))
		if b = b[4:]; code == optionEnd || n > len(b) {
			return
		}
		f(code, b[:n])
		b = b[min(len(b), (n+3)&^3):]
	}
}

// packet reads a packet that has a time. fixed holds time and lengths.
func (g *ng) packet(f *frame, index uint32, fixed, b []byte) error {
	if index >= uint32(len(g.interfaces)) {
		return fmt.Errorf("a packet of interface %d, which was not described: the file is damaged", index)
	}
	n := g.order.u32(fixed[8:])
	if uint64(n) > uint64(len(b)) {
		return fmt.Errorf("a packet of %d bytes in a block that holds %d: the file is damaged", n, len(b))
	}
	i := &g.interfaces[index]
	f.time = i.nanoseconds(uint64(g.order.u32(fixed))<<32 | uint64(g.order.u32(fixed[4:])))
	g.last = f.time
	f.link, f.data = i.link, b[:n]
	f.wire = max(int(n), int(min(g.order.u32(fixed[12:]), maxBlock)))
	return nil
}

// simple reads a packet of the first interface, which has no time: it is taken to pass when the one before did.
func (g *ng) simple(f *frame, b []byte) error {
	if len(g.interfaces) == 0 {
		return errors.New("a packet before any interface: the file is damaged")
	}
	i := &g.interfaces[0]
	wire := g.order.u32(b)
	n := min(wire, uint32(len(b)-4))
	if i.snap > 0 {
		n = min(n, i.snap)
	}
	f.time, f.link, f.data = g.last, i.link, b[4:4+n]
	f.wire = max(int(n), int(min(wire, maxBlock)))
	return nil
}

// nanoseconds returns a time in units of this interface as ns since the Unix epoch.
func (i *ngInterface) nanoseconds(t uint64) uint64 {
	offset := uint64(i.offset) * 1e9
	switch {
	case i.binary && i.digits > 63:
		return offset
	case i.binary:
		hi, lo := bits.Mul64(t&(1<<i.digits-1), 1e9)
		part := lo>>i.digits | hi<<(64-i.digits)
		return offset + t>>i.digits*1e9 + part
	}
	for d := i.digits; d < 9; d++ {
		t *= 10
	}
	for d := i.digits; d > 9 && t > 0; d-- {
		t /= 10
	}
	return offset + t
}
