// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"encoding/binary"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/sql"
)

// Limits. What lies beyond them is counted, not kept.
const (
	MaxMessage    = 16 << 10 // bytes of a client's message that are put together: the text of a query
	MaxAnswer     = 512      // bytes of a server's message that are put together
	MaxPending    = 256      // requests that wait for their answer
	MaxStatements = 128      // prepared statements of a connection whose text is kept
	MaxPortals    = 16       // named portals
	maxName       = 63       // bytes of a name that are kept: the server's own limit (NAMEDATALEN)
	maxUndecided  = 512      // bytes of a turn that are kept until they show which side is the client
	maxLength     = 1 << 30  // of a message: the server's own limit
	maxStartup    = 10000    // of a startup packet: MAX_STARTUP_PACKET_LENGTH
	maxStrange    = 6        // turns that are passed over until one shows which side is the client
	manyPending   = 32       // a queue that has held more is given back when it is empty
)

// Codes that stand in the place of a protocol version.
const (
	codeCancel = 1234<<16 | 5678
	codeSSL    = 1234<<16 | 5679
	codeGSS    = 1234<<16 | 5680
)

// Spec describes PostgreSQL to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{Protocol: model.ProtocolPostgreSQL, Probe: Probe, Setup: setup}
}

func setup(env *protocol.Env) func(protocol.Start) protocol.Parser {
	s := &shared{env: env, text: sql.New()}
	return func(start protocol.Start) protocol.Parser { return s.open(start) }
}

// Probe says what the first bytes of a turn look like. One message must be whole and well formed, or two must follow each
// other; of a long one the beginning is enough.
func Probe(p []byte) protocol.Guess {
	if p[0] == 0 {
		return probeStartup(p)
	}
	front, back := probeMessages(p, frontSize, frontMessage), probeMessages(p, backSize, backMessage)
	switch {
	case front == protocol.Done && back != protocol.Done:
		return protocol.GuessRequest
	case back == protocol.Done && front != protocol.Done:
		return protocol.GuessResponse
	case front == protocol.Invalid && back == protocol.Invalid:
		return protocol.GuessNo
	}
	return protocol.GuessMaybe
}

func probeStartup(p []byte) protocol.Guess {
	size, state := startupSize(p)
	switch {
	case state == protocol.Invalid:
		return protocol.GuessNo
	case state == protocol.NeedMore:
		return protocol.GuessMaybe
	case !isStartup(binary.BigEndian.Uint32(p[4:])):
		return protocol.GuessRequest
	case len(p) < 9:
		return protocol.GuessMaybe
	case size < 9:
		return protocol.GuessNo
	}
	return probeParameters(p[8:], size-8)
}

// probeParameters looks at the beginning of the size bytes of parameters in a StartupMessage: a name, or the end of an empty
// list. Metadata of Kafka begins like that message.
func probeParameters(p []byte, size uint64) protocol.Guess {
	const maxName = 64
	for i, b := range p {
		switch {
		case b == 0 && (i > 0 || size == 1):
			return protocol.GuessRequest
		case i >= maxName || !isParameterByte(b):
			return protocol.GuessNo
		}
	}
	return protocol.GuessMaybe
}

func isParameterByte(b byte) bool {
	return 'a' <= b|0x20 && b|0x20 <= 'z' || '0' <= b && b <= '9' || b == '_' || b == '.'
}

func isStartup(code uint32) bool { return code>>16 == 3 }

// startupSize measures a message without a type. Only known codes are let through.
func startupSize(p []byte) (uint64, protocol.State) {
	if len(p) >= 2 && (p[0] != 0 || p[1] != 0) {
		return 0, protocol.Invalid
	}
	if len(p) < 8 {
		if len(p) >= 5 && p[4] != 0 && p[4] != 1234>>8 {
			return 0, protocol.Invalid
		}
		return 0, protocol.NeedMore
	}
	size, code := binary.BigEndian.Uint32(p), binary.BigEndian.Uint32(p[4:])
	switch {
	case size < 8 || size > maxStartup:
		return 0, protocol.Invalid
	case code == codeSSL || code == codeGSS:
		if size != 8 {
			return 0, protocol.Invalid
		}
	case code == codeCancel:
		if size < 16 || size > 16+256 { // 3.2 has longer keys
			return 0, protocol.Invalid
		}
	case !isStartup(code) || code&0xffff > 9999:
		return 0, protocol.Invalid
	}
	return uint64(size), protocol.Done
}

// probeMessages walks the messages of p. It is Done when they can hardly be anything else.
func probeMessages(p []byte, size func([]byte) (uint64, protocol.State), check func([]byte, bool) protocol.State) protocol.State {
	found := protocol.NeedMore
	for n := 0; len(p) > 0; n++ {
		length, state := size(p)
		switch {
		case state == protocol.Invalid:
			return protocol.Invalid
		case state == protocol.NeedMore:
			return found
		}
		whole := uint64(len(p)) >= length
		switch check(p[:min(uint64(len(p)), length)], whole) {
		case protocol.Invalid:
			return protocol.Invalid
		case protocol.Done:
			found = protocol.Done
		}
		if !whole {
			return found
		}
		p = p[length:]
		if n > 0 {
			found = protocol.Done
		}
	}
	return found
}
