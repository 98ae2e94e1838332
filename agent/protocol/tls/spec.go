// SPDX-License-Identifier: Apache-2.0

package tls

import (
	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Spec describes TLS to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{
		Protocol: model.ProtocolTLS, Probe: probe,
		Names: []string{"tls", "tls/1.0", "tls/1.1", "tls/1.2", "tls/1.3"},
		Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
			return func(s protocol.Start) protocol.Parser { return newConn(env, s) }
		},
	}
}

// Types of records.
const (
	changeCipherSpec = 20
	alert            = 21
	handshake        = 22
	applicationData  = 23
)

const (
	recordHeader = 5
	maxRecord    = 1<<14 + 2048 // bytes of payload (RFC 5246 6.2.3)
	version2Min  = 9            // bytes of header and lengths of a hello of SSL 2.0
)

// recordSize returns the size of the record that p begins.
func recordSize(p []byte) (uint64, protocol.State) {
	switch {
	case p[0] < changeCipherSpec || p[0] > applicationData+1, len(p) > 1 && p[1] != 3 && p[1] != 0x7f, len(p) > 2 && p[1] == 3 && p[2] > 4:
		return 0, protocol.Invalid
	case len(p) < recordHeader:
		return 0, protocol.NeedMore
	}
	size := int(p[3])<<8 | int(p[4])
	if size == 0 && p[0] != applicationData || size > maxRecord || p[0] == alert && size < 2 || p[0] == handshake && size < 4 {
		return 0, protocol.Invalid
	}
	return uint64(recordHeader + size), protocol.Done
}

// version2Size returns the size of the hello of SSL 2.0 that p begins (RFC 5246 E.2).
func version2Size(p []byte) (uint64, protocol.State) {
	switch {
	case p[0]&0x80 == 0, len(p) > 2 && p[2] != clientHello, len(p) > 3 && p[3] != 3 && p[3] != 0:
		return 0, protocol.Invalid
	case len(p) < 2+version2Min:
		return 0, protocol.NeedMore
	}
	r := reader{p: p}
	size := int(r.u16() & 0x7fff)
	r.u8()
	version, suites, session, challenge := r.u16(), r.number(2), r.number(2), r.number(2)
	if version != version2 && (version < version30 || version > version13) || suites == 0 || suites%3 != 0 ||
		session > 32 || challenge < 16 || challenge > 32 || version2Min+suites+session+challenge != size {
		return 0, protocol.Invalid
	}
	return uint64(2 + size), protocol.Done
}

// probe says what the first bytes of a turn look like.
func probe(p []byte) protocol.Guess {
	if p[0]&0x80 != 0 {
		return guess(version2Size(p))
	}
	size, s := recordSize(p)
	if s != protocol.Done {
		return guess(size, s)
	}
	switch body := p[recordHeader:]; p[0] {
	case handshake:
		return probeHandshake(body)
	case alert:
		if size == recordHeader+2 && len(body) > 1 && (body[0] == 1 || body[0] == 2) && alertNames[body[1]] != "" {
			return protocol.GuessResponse
		}
		return protocol.GuessNo
	case applicationData: // joined later
		if size < recordHeader+17 || p[1] != 3 {
			return protocol.GuessNo
		}
		return probeNext(p, size)
	}
	return protocol.GuessNo
}

func guess(_ uint64, s protocol.State) protocol.Guess {
	switch s {
	case protocol.Done:
		return protocol.GuessRequest
	case protocol.NeedMore:
		return protocol.GuessMaybe
	}
	return protocol.GuessNo
}

// probeHandshake looks at the beginning of a handshake message: its type, its length and the version of a hello.
func probeHandshake(p []byte) protocol.Guess {
	switch {
	case len(p) == 0:
		return protocol.GuessMaybe
	case p[0] != clientHello && p[0] != serverHello, len(p) > 1 && p[1] != 0, len(p) > 4 && p[4] != 3 && p[4] != 0x7f:
		return protocol.GuessNo
	case len(p) < 6:
		return protocol.GuessMaybe
	case p[0] == serverHello:
		return protocol.GuessResponse
	}
	return protocol.GuessRequest
}

// probeNext looks whether another record follows the first.
func probeNext(p []byte, size uint64) protocol.Guess {
	if uint64(len(p)) <= size {
		return protocol.GuessRequest
	}
	_, s := recordSize(p[size:])
	return guess(size, s)
}
