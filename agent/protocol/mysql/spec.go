// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"encoding/binary"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/sql"
)

// Limits. What lies beyond them is counted, not kept.
const (
	MaxPacket     = 16 << 10  // bytes of a client's packet that are put together: the text of a query
	MaxAnswer     = 512       // bytes of a server's packet that are put together
	MaxFrame      = 256 << 10 // bytes of a compressed frame that are put together
	MaxInflated   = 1 << 20   // bytes of a compressed frame that are inflated
	MaxPending    = 256       // requests that wait for their answer
	MaxStatements = 128       // prepared statements of a connection whose text is kept
	maxName       = 256       // bytes of a name that are kept: 64 characters (Identifier Length Limits)
	maxUndecided  = 512       // bytes of a turn that are kept until they show which side is the client
	maxStrange    = 6         // turns that are passed over until one shows it
	maxPayload    = 1<<24 - 1
	manyPending   = 32 // a queue that has held more is given back when it is empty
)

const (
	header      = 4 // bytes of a length and a sequence number
	frameHeader = 7 // the same with the length before compression
)

// Spec describes MySQL to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{Protocol: model.ProtocolMySQL, Probe: Probe, Setup: setup}
}

func setup(env *protocol.Env) func(protocol.Start) protocol.Parser {
	s := &shared{env: env, text: sql.New()}
	return func(start protocol.Start) protocol.Parser { return s.open(start) }
}

func length(p []byte) int { return int(p[0]) | int(p[1])<<8 | int(p[2])<<16 }

// Probe says what the first bytes of a turn look like: a greeting, a login, a command, or a command in a compressed frame.
func Probe(p []byte) protocol.Guess {
	if len(p) <= header {
		if len(p) == header && (p[3] > 1 || length(p) == 0) {
			return protocol.GuessNo
		}
		return protocol.GuessMaybe
	}
	n := length(p)
	switch {
	case n == 0 || p[3] > 1:
		return protocol.GuessNo
	case p[3] == 1:
		return probeLogin(p, n)
	case p[4] == 0x0a || p[4] == 0xff:
		if guess := probeGreeting(p, n); guess != protocol.GuessNo {
			return guess
		}
	}
	if guess := probeCommand(p[header:], n); guess != protocol.GuessNo {
		return guess
	}
	return probeCompressed(p, n)
}

// probeGreeting takes Protocol::HandshakeV10, or an error in its place.
func probeGreeting(p []byte, n int) protocol.Guess {
	body := p[header:]
	if body[0] == 0xff {
		switch {
		case n > 600:
			return protocol.GuessNo
		case len(body) < 4:
			return protocol.GuessMaybe
		}
		code := binary.LittleEndian.Uint16(body[1:])
		if code < 1000 || code > 4999 || !isText(body[3:min(len(body), n)]) || len(body) > n {
			return protocol.GuessNo
		}
		return whole(p, n, protocol.GuessResponse)
	}
	if n < 30 || n > 600 {
		return protocol.GuessNo
	}
	version, rest, ok := text(body[1:])
	switch {
	case len(version) > 0 && (version[0] < '1' || version[0] > '9' || !isText(version)) || len(version) > 128 || ok && len(version) < 3:
		return protocol.GuessNo
	case !ok || len(rest) < 13:
		return protocol.GuessMaybe
	case rest[12] != 0: // the filler behind the first part of the scramble
		return protocol.GuessNo
	}
	return protocol.GuessResponse
}

// whole returns guess for a packet that ends p; a longer p is none, and of a shorter one there is more to come.
func whole(p []byte, n int, guess protocol.Guess) protocol.Guess {
	switch {
	case len(p) == n+header:
		return guess
	case len(p) < n+header:
		return protocol.GuessMaybe
	}
	return protocol.GuessNo
}

// probeLogin takes Protocol::HandshakeResponse41 or SSLRequest: where the greeting was not seen.
func probeLogin(p []byte, n int) protocol.Guess {
	body := p[header:]
	switch {
	case n < 32:
		return protocol.GuessNo
	case len(body) >= 2 && body[1]&(capProtocol41>>8) == 0:
		return protocol.GuessNo
	case len(body) < 32:
		return protocol.GuessMaybe
	case !bytes.Equal(body[9:28], make([]byte, 19)):
		return protocol.GuessNo
	}
	return protocol.GuessRequest
}

// probeCommand takes a command of n bytes.
func probeCommand(body []byte, n int) protocol.Guess {
	exact := func(size int) protocol.Guess {
		switch {
		case n != size || len(body) > size:
			return protocol.GuessNo
		case len(body) < size:
			return protocol.GuessMaybe
		}
		return protocol.GuessRequest
	}
	switch body[0] {
	case comQuit:
		if n == 1 && len(body) == 1 { // five bytes that say little
			return protocol.GuessMaybe
		}
	case comPing, comStatistics, comDebug, comResetConnection, comProcessInfo:
		return exact(1)
	case comStmtClose, comStmtReset:
		return exact(5)
	case comStmtFetch:
		return exact(9)
	case comSetOption:
		return exact(3)
	case comStmtExecute:
		return probeExecute(body, n)
	case comStmtLongData:
		if n >= 7 && len(body) >= n {
			return protocol.GuessMaybe
		}
	case comQuery, comStmtPrepare, comInitDB, comFieldList:
		return probeText(body, n)
	}
	return protocol.GuessNo
}

// probeExecute goes by the iteration count, which is always 1.
func probeExecute(body []byte, n int) protocol.Guess {
	switch {
	case n < 10:
		return protocol.GuessNo
	case len(body) < 10:
		return protocol.GuessMaybe
	case body[5] > 0x0f || binary.LittleEndian.Uint32(body[6:]) != 1:
		return protocol.GuessNo
	}
	return protocol.GuessRequest
}

// probeText takes a command whose argument is text: all of it, or enough of it.
func probeText(body []byte, n int) protocol.Guess {
	s := body[1:]
	if body[0] == comQuery && len(s) >= 2 && s[1] == 1 && s[0] < 32 { // query attributes
		if s = s[2:]; body[1] > 0 {
			s = nil
		}
	}
	if !isText(s[:min(len(s), 32)]) && (body[0] != comFieldList || !isText(bytes.TrimRight(s, "\x00"))) {
		return protocol.GuessNo
	}
	switch {
	case len(body) > n || n < 2:
		return protocol.GuessNo
	case len(body) == n || len(body) >= maxUndecided-header:
		return protocol.GuessRequest
	}
	return protocol.GuessMaybe
}

// probeCompressed takes a frame that holds the beginning of a command.
func probeCompressed(p []byte, n int) protocol.Guess {
	if len(p) < frameHeader+5 {
		return protocol.GuessMaybe
	}
	inflated := length(p[4:])
	if inflated == 0 {
		inner := p[frameHeader:]
		if size := length(inner); inner[3] != 0 || size+header > n || size == 0 || inner[header] == comQuit {
			return protocol.GuessNo
		}
		return probeCommand(inner[header:], length(inner))
	}
	if n < 8 || inflated <= header || p[7] != 0x78 || (int(p[7])<<8|int(p[8]))%31 != 0 {
		return protocol.GuessNo
	}
	if len(p) >= n+frameHeader || len(p) >= maxUndecided {
		return protocol.GuessRequest
	}
	return protocol.GuessMaybe
}

// text splits p behind its first zero.
func text(p []byte) (s, rest []byte, ok bool) {
	i := bytes.IndexByte(p, 0)
	if i < 0 {
		return p, nil, false
	}
	return p[:i], p[i+1:], true
}

// isText tells whether p may be SQL, a name or a message: no control bytes but white space.
func isText(p []byte) bool {
	for _, c := range p {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}
