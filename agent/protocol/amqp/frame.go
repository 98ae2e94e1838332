// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"bytes"
	"encoding/binary"

	"sonde/agent/protocol"
)

// The frame format (AMQP 0-9-1, 2.3.5): type, channel, size of the payload, payload, end octet.
const (
	headBytes    = 7
	framingBytes = headBytes + 1
	endOctet     = 0xce
	sizeAt       = 3
	methodBytes  = headBytes + 4 // up to and with class and method
	bodySizeAt   = headBytes + 4 // in a content header: behind class and weight

	smallestLimit = 4096 // bytes of a frame that every peer takes (frame-min-size)
)

const (
	typeMethod    = 1
	typeHeader    = 2
	typeBody      = 3
	typeHeartbeat = 8
)

// protocolHeader opens a connection. Other versions, 1.0 among them, end otherwise.
var protocolHeader = []byte("AMQP\x00\x00\x09\x01")

// frameSize tells the length of a frame, or of a protocol header.
func frameSize(p []byte) (uint64, protocol.State) {
	if p[0] == protocolHeader[0] {
		n := min(len(p), len(protocolHeader))
		if !bytes.Equal(p[:n], protocolHeader[:n]) {
			return 0, protocol.Invalid
		}
		return uint64(len(protocolHeader)), protocol.Done
	}
	switch p[0] {
	case typeMethod, typeHeader, typeBody, typeHeartbeat:
	default:
		return 0, protocol.Invalid
	}
	if len(p) < headBytes {
		return 0, protocol.NeedMore
	}
	size := binary.BigEndian.Uint32(p[sizeAt:])
	if size > maxFrame || p[0] == typeHeartbeat && size > 0 || p[0] == typeMethod && size < 4 {
		return 0, protocol.Invalid
	}
	return uint64(size) + framingBytes, protocol.Done
}

// certainFrame tells the length of a frame that can hardly be anything else: a method that is known, or a heartbeat.
func certainFrame(p []byte) (uint64, protocol.State) {
	size, state := frameSize(p)
	if state != protocol.Done || p[0] == protocolHeader[0] || p[0] == typeHeartbeat {
		return size, state
	}
	if p[0] != typeMethod {
		return 0, protocol.Invalid
	}
	if len(p) < methodBytes {
		return 0, protocol.NeedMore
	}
	if _, known := methods[methodOf(p)]; !known {
		return 0, protocol.Invalid
	}
	return size, protocol.Done
}

func methodOf(p []byte) id        { return id(binary.BigEndian.Uint32(p[headBytes:])) }
func channelOf(p []byte) uint16   { return binary.BigEndian.Uint16(p[1:]) }
func payloadSize(n uint64) uint64 { return n - framingBytes }

// Probe says whether p begins a connection, or a frame in the middle of one.
func Probe(p []byte) protocol.Guess {
	size, state := certainFrame(p)
	switch {
	case state == protocol.Invalid:
		return protocol.GuessNo
	case state == protocol.NeedMore || uint64(len(p)) < min(size, uint64(len(protocolHeader))):
		return protocol.GuessMaybe
	case p[0] == protocolHeader[0]:
		return protocol.GuessRequest
	case uint64(len(p)) < size:
		return protocol.GuessMaybe
	case p[size-1] != endOctet:
		return protocol.GuessNo
	case p[0] == typeMethod && methods[methodOf(p)].of != 0:
		return protocol.GuessResponse
	}
	return protocol.GuessRequest
}

// args reads the arguments of a method. What was not captured is empty, and cut says so.
type args struct {
	p   []byte
	cut bool
}

func (a *args) take(n int) []byte {
	if n > len(a.p) {
		a.p, a.cut = nil, true
		return nil
	}
	b := a.p[:n]
	a.p = a.p[n:]
	return b
}

func (a *args) u8() byte {
	if b := a.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (a *args) u16() uint16 {
	if b := a.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (a *args) u32() uint32 {
	if b := a.take(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (a *args) u64() uint64 {
	if b := a.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// short reads a short string.
func (a *args) short() []byte { return a.take(int(a.u8())) }

// long passes over a long string or a table: both begin with their length.
func (a *args) long() {
	n := a.u32()
	if uint64(n) > uint64(len(a.p)) {
		a.p, a.cut = nil, true
		return
	}
	a.take(int(n))
}
