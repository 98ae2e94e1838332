// SPDX-License-Identifier: Apache-2.0

package http2

import "encoding/binary"

// frameType is the type of a frame (RFC 9113 6).
type frameType uint8

const (
	typeData         frameType = 0x0
	typeHeaders      frameType = 0x1
	typePriority     frameType = 0x2
	typeReset        frameType = 0x3
	typeSettings     frameType = 0x4
	typePush         frameType = 0x5
	typePing         frameType = 0x6
	typeGoAway       frameType = 0x7
	typeWindow       frameType = 0x8
	typeContinuation frameType = 0x9
	typeAltSvc       frameType = 0xa  // RFC 7838 4
	typeOrigin       frameType = 0xc  // RFC 8336 2
	typeUpdate       frameType = 0x10 // PRIORITY_UPDATE, RFC 9218 7.1
)

// Flags of frames.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

const (
	headSize     = 9 // bytes of a frame's header
	prefaceText  = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
	usualFrame   = 1 << 20 // bytes; a larger frame is possible, but no reason to take bytes for a frame
	maxIDs       = 1<<31 - 1
	settingSize  = 6
	maxSettings  = 32 // in a frame that is taken for one; there are ten
	goAwaySize   = 8
	resetSize    = 4
	pingSize     = 8
	prioritySize = 5
)

// frame is a frame's header (RFC 9113 4.1).
type frame struct {
	length uint32
	typ    frameType
	flags  uint8
	stream uint32
	bit    bool // the reserved bit is set
}

// readFrame reads the header that p begins with.
func readFrame(p []byte) frame {
	id := binary.BigEndian.Uint32(p[5:])
	return frame{
		length: uint32(p[0])<<16 | uint32(p[1])<<8 | uint32(p[2]),
		typ:    frameType(p[3]), flags: p[4], stream: id & maxIDs, bit: id > maxIDs,
	}
}

func (f *frame) has(flag uint8) bool { return f.flags&flag != 0 }

// endsStream tells whether the frame is the last of its direction of its stream.
func (f *frame) endsStream() bool {
	return (f.typ == typeData || f.typ == typeHeaders) && f.has(flagEndStream)
}

// isBlock tells whether the frame holds a part of a header block.
func (f *frame) isBlock() bool {
	return f.typ == typeHeaders || f.typ == typePush || f.typ == typeContinuation
}

// legal tells whether a peer would accept the frame by its header alone. Frames of unknown types are (RFC 9113 4.1).
func (f *frame) legal() bool {
	switch f.typ {
	case typeData, typeHeaders, typePush, typeContinuation:
		return f.stream != 0 && f.length >= f.prefix()
	case typePriority:
		return f.stream != 0 && f.length == prioritySize
	case typeReset:
		return f.stream != 0 && f.length == resetSize
	case typeSettings:
		return f.stream == 0 && f.length%settingSize == 0 && (!f.has(flagAck) || f.length == 0)
	case typePing:
		return f.stream == 0 && f.length == pingSize
	case typeGoAway:
		return f.stream == 0 && f.length >= goAwaySize
	case typeWindow:
		return f.length == 4
	}
	return true
}

// plausible tells whether bytes that may be anything are likely to be the header of a frame.
func (f *frame) plausible() bool {
	known := uint8(0)
	switch f.typ {
	case typeData:
		known = flagEndStream | flagPadded
	case typeHeaders:
		known = flagEndStream | flagEndHeaders | flagPadded | flagPriority
	case typePush:
		known = flagEndHeaders | flagPadded
	case typeContinuation:
		known = flagEndHeaders
	case typeSettings, typePing:
		known = flagAck
	case typePriority, typeReset, typeGoAway, typeWindow, typeAltSvc, typeOrigin, typeUpdate:
	default:
		return false
	}
	return !f.bit && f.flags&^known == 0 && f.legal() && f.length <= usualFrame &&
		(f.typ != typeSettings || f.length <= maxSettings*settingSize)
}

// prefix is the number of bytes at the beginning of the payload that have to be read before the rest can be.
func (f *frame) prefix() (n uint32) {
	if f.has(flagPadded) && (f.typ == typeData || f.typ == typeHeaders || f.typ == typePush) {
		n = 1
	}
	switch {
	case f.typ == typeHeaders && f.has(flagPriority):
		n += prioritySize
	case f.typ == typePush:
		n += 4
	case f.typ == typeReset:
		n = resetSize
	case f.typ == typeGoAway:
		n = goAwaySize
	}
	return n
}

// errorCode is the reason of a RST_STREAM or GOAWAY (RFC 9113 7).
type errorCode uint32

const (
	codeNone       errorCode = 0x0
	codeRefused    errorCode = 0x7
	codeCancel     errorCode = 0x8
	codeCalm       errorCode = 0xb
	codeInadequate errorCode = 0xc
	codeUnseen     errorCode = 1<<32 - 1 // it was not captured
)

var errorNames = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED", "FRAME_SIZE_ERROR",
	"REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM", "INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

// String returns the RFC's name, "" for a code without one.
func (c errorCode) String() string {
	if int64(c) < int64(len(errorNames)) {
		return errorNames[c]
	}
	return ""
}
