// SPDX-License-Identifier: Apache-2.0

package quic

import (
	"time"

	"sonde/agent/protocol"
	"sonde/agent/protocol/tls"
)

const (
	ofClient = iota
	ofServer
)

// secrets are the keys of an attempt in one version. A server may go on in another one (RFC 9368).
type secrets struct {
	version *version
	keys    [2]*keys
}

// attempt is a handshake that was not reported yet.
type attempt struct {
	client  protocol.Dir
	first   id // that the client made up as its destination
	chosen  id // that the server put in its place with a Retry; first without one
	ids     [2]id
	secrets []secrets
	largest [2]int64
	crypto  [2]stream
	hello   tls.Hello
	said    [2]bool // the hello of this side is known
	refused bool    // the server wants another version
	over    bool    // it was reported

	start, requestEnd, answerStart, last time.Duration
	bytes                                [2]uint64
}

// side returns whose packets pass in direction d.
func (a *attempt) side(d protocol.Dir) int {
	if d == a.client {
		return ofClient
	}
	return ofServer
}

// keysFor returns the keys of both sides in a version, nil when they cannot be made.
func (a *attempt) keysFor(v *version) *secrets {
	for i := range a.secrets {
		if a.secrets[i].version == v {
			return &a.secrets[i]
		}
	}
	const maxVersions = 2
	if len(a.secrets) == maxVersions {
		return nil
	}
	client, server, err := deriveKeys(v, a.chosen.bytes[:a.chosen.size])
	if err != nil {
		return nil
	}
	a.secrets = append(a.secrets, secrets{v, [2]*keys{client, server}})
	return &a.secrets[len(a.secrets)-1]
}

// retry makes the keys anew (RFC 9001 5.2): the client begins again with an identifier of the server.
func (a *attempt) retry(chosen id) {
	a.chosen, a.secrets, a.largest = chosen, nil, [2]int64{-1, -1}
	a.crypto = [2]stream{}
}

// closing is what a CONNECTION_CLOSE frame says.
type closing struct {
	seen bool
	code uint64
}

// Frames that an Initial packet may hold (RFC 9000 12.4).
const (
	framePadding = 0x00
	framePing    = 0x01
	frameAck     = 0x02
	frameAckECN  = 0x03
	frameCrypto  = 0x06
	frameClose   = 0x1c
)

// frames reads the payload of an Initial packet of one side.
func (a *attempt) frames(side int, p []byte) (c closing) {
	for r := (reader{p: p}); r.at < len(p) && !r.bad; {
		switch kind := r.varint(); kind {
		case framePadding, framePing:
		case frameAck, frameAckECN:
			r.ack(kind == frameAckECN)
		case frameCrypto:
			offset := r.varint()
			if data := r.take(r.varint()); !r.bad {
				a.crypto[side].add(offset, data)
			}
		case frameClose:
			if code := r.varint(); !r.bad {
				return closing{true, code}
			}
		default:
			return c
		}
	}
	return c
}

// ack passes over an ACK frame (RFC 9000 19.3).
func (r *reader) ack(counts bool) {
	r.varint()
	r.varint()
	ranges := r.varint()
	for r.varint(); ranges > 0 && !r.bad; ranges-- {
		r.varint()
		r.varint()
	}
	if counts {
		r.varint()
		r.varint()
		r.varint()
	}
}

// read takes the messages of a side that are whole.
func (a *attempt) read(side int, v *version, t time.Duration) {
	for p := a.crypto[side].next(); p != nil; p = a.crypto[side].next() {
		if side == ofClient && a.hello.Client(p) {
			a.said[side], a.requestEnd = true, t
		}
		if side == ofServer && a.hello.Server(p) {
			a.said[side] = a.hello.Answered()
		}
	}
	if a.hello.Facts.QUICVersion == "" || side == ofServer {
		a.hello.Facts.QUICVersion = v.name
	}
}
