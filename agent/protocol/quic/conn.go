// SPDX-License-Identifier: Apache-2.0

package quic

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/tls"
)

const (
	maxAttempts = 4       // handshakes at a time between two addresses; beyond it the oldest is given up
	maxPackets  = 16      // of a datagram that are read
	maxPacket   = 1 << 14 // bytes of a packet that is read
	maxMisses   = 3       // first packets that are not authentic, after which the connection is something else
	maxDone     = 4       // identifiers of reported handshakes that are remembered: their first packets may come again
)

// shared is what the parsers of one engine have in common.
type shared struct {
	env     *protocol.Env
	scratch []byte // a packet, while it is decrypted
}

// conn follows one pair of addresses. It implements protocol.Parser.
type conn struct {
	shared   *shared
	attempts []*attempt // oldest first
	done     [maxDone]id
	dones    int
	fit      protocol.Fit
	misses   int
}

// Feed implements protocol.Parser.
func (c *conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	x := datagram{c: c, dir: d, time: t, size: uint64(len(p))}
	for range maxPackets {
		if len(p) == 0 {
			return
		}
		if p[0]&longHeader == 0 {
			x.short(p)
			return
		}
		k, ok := readLong(p)
		if !ok || k.size > len(p) || k.kind == initial && k.number > k.size {
			return
		}
		x.long(&k, p[:k.size])
		p = p[k.size:]
	}
}

// datagram is the one being read.
type datagram struct {
	c    *conn
	dir  protocol.Dir
	time time.Duration
	size uint64 // that no attempt was charged for yet
}

func (x *datagram) long(k *packet, p []byte) {
	a := x.c.find(x.dir, k)
	if a != nil {
		x.charge(a)
	}
	switch {
	case k.kind == initial && a == nil:
		x.begin(k, p)
	case k.kind == initial:
		x.initial(a, k, p)
	case a == nil || a.side(x.dir) != ofServer:
	case k.kind == retry:
		if a.chosen == a.first && !a.said[ofServer] {
			a.retry(k.from)
		}
	case k.kind == negotiation:
		a.refused = !a.said[ofServer]
	}
}

// charge counts the datagram.
func (x *datagram) charge(a *attempt) {
	a.bytes[a.side(x.dir)] += x.size
	a.last = x.time
	x.size = 0
}

// find returns the attempt that a packet belongs to, by its identifiers.
func (c *conn) find(d protocol.Dir, k *packet) *attempt {
	for _, a := range c.attempts {
		if a.side(d) == ofServer && k.to == a.ids[ofClient] {
			return a
		}
		if a.side(d) == ofClient && (k.to == a.first || k.to == a.chosen || a.said[ofServer] && k.to == a.ids[ofServer]) {
			return a
		}
	}
	return nil
}

// begin takes an Initial packet of no known attempt: if it is authentic as a client's first, it is one.
func (x *datagram) begin(k *packet, p []byte) {
	c := x.c
	if k.to.size < minID || c.isDone(k.to) {
		return
	}
	a := &attempt{client: x.dir, first: k.to, chosen: k.to, largest: [2]int64{-1, -1}, start: x.time, last: x.time}
	size := x.size
	x.charge(a)
	if !x.initial(a, k, p) {
		x.size = size
		if c.misses++; c.misses == maxMisses && c.fit == protocol.FitOpen {
			c.fit = protocol.FitNo
		}
		return
	}
	c.fit = protocol.FitYes
	if len(c.attempts) > 0 && c.attempts[0].refused { // the client begins again with another version
		c.restart(c.attempts[0], a)
	}
	if a.over {
		return
	}
	if c.attempts = append(c.attempts, a); len(c.attempts) > maxAttempts {
		c.report(c.attempts[0], model.OutcomeIncomplete, "pipeline_limit", "", x.time)
	}
}

// restart makes a the successor of one that was refused.
func (c *conn) restart(old, a *attempt) {
	a.start = old.start
	for i := range a.bytes {
		a.bytes[i] += old.bytes[i]
	}
	c.remove(old)
}

// initial reads an Initial packet and reports whether it is authentic.
func (x *datagram) initial(a *attempt, k *packet, p []byte) bool {
	side := a.side(x.dir)
	payload, ok := x.c.shared.decrypt(a, side, k, p)
	if !ok {
		return false
	}
	if side == ofServer && a.answerStart == 0 {
		a.answerStart = x.time
	}
	a.ids[side] = k.from
	if side == ofClient && k.version != a.secrets[0].version { // it took another version and went on
		a.refused = false
	}
	closing := a.frames(side, payload)
	a.read(side, k.version, x.time)
	if closing.seen {
		x.closed(a, side, closing.code)
	}
	return true
}

// decrypt returns the payload of an Initial packet. It is valid until the next call.
func (sh *shared) decrypt(a *attempt, side int, k *packet, p []byte) (payload []byte, ok bool) {
	s := a.keysFor(k.version)
	if s == nil || len(p) > maxPacket {
		return nil, false
	}
	sh.scratch = append(sh.scratch[:0], p...)
	payload, number, ok := s.keys[side].open(sh.scratch, k.number, a.largest[side])
	if ok {
		a.largest[side] = max(a.largest[side], number)
	}
	return payload, ok
}

// short takes a packet with a short header. Behind the ServerHello, one of the client says that it has all keys.
func (x *datagram) short(p []byte) {
	a := x.c.findShort(x.dir, p)
	if a == nil {
		return
	}
	x.charge(a)
	a.hello.Facts.Established = true
	x.c.report(a, model.OutcomeOK, "", "", x.time)
}

// findShort returns the answered attempt that a client's packet belongs to. A client may have changed to an identifier that
// it was given encrypted (RFC 9000 5.1.1): then it is told only where there is no other attempt.
func (c *conn) findShort(d protocol.Dir, p []byte) *attempt {
	var only *attempt
	answered := 0
	for _, a := range c.attempts {
		if a.side(d) != ofClient || !a.said[ofServer] {
			continue
		}
		to := a.ids[ofServer]
		if len(p) > int(to.size) && idOf(p[1:1+to.size]) == to {
			return a
		}
		only = a
		answered++
	}
	if answered > 1 {
		return nil
	}
	return only
}

// Errors of the transport (RFC 9000 20.1). Those of cryptoError and above are TLS alerts.
const cryptoError = 0x100

var transportErrors = [...]string{
	"no_error", "internal_error", "connection_refused", "flow_control_error", "stream_limit_error", "stream_state_error",
	"final_size_error", "frame_encoding_error", "transport_parameter_error", "connection_id_limit_error",
	"protocol_violation", "invalid_token", "application_error", "crypto_buffer_exceeded", "key_update_error",
	"aead_limit_reached", "no_viable_path",
}

// closed takes a CONNECTION_CLOSE frame.
func (x *datagram) closed(a *attempt, side int, code uint64) {
	f := &a.hello.Facts
	kind := "transport_error"
	switch {
	case code>>8 == cryptoError>>8:
		f.Alert, f.AlertFrom = tls.AlertName(uint8(code)), [2]string{"client", "server"}[side]
		kind = f.Alert
	case code == 0:
		x.c.report(a, model.OutcomeIncomplete, "connection_closed", "", x.time)
		return
	case code < uint64(len(transportErrors)):
		kind = transportErrors[code]
	}
	x.c.report(a, model.OutcomeError, "", kind, x.time)
}

// report emits a handshake and forgets it.
func (c *conn) report(a *attempt, o model.Outcome, reason, kind string, t time.Duration) {
	a.over = true
	c.remove(a)
	for _, x := range [2]id{a.first, a.chosen} {
		if !c.isDone(x) {
			c.done[c.dones%maxDone] = x
			c.dones++
		}
	}
	c.shared.env.Emit(&model.Request{
		Protocol: model.ProtocolQUIC, Transport: model.TransportUDP, Role: protocol.RoleOf(a.client),
		Outcome: o, Reason: reason, ErrorType: kind, Start: a.start, RequestEnd: max(a.requestEnd, a.start), ResponseStart: a.answerStart,
		End: t, RequestBytes: a.bytes[ofClient], ResponseBytes: a.bytes[ofServer], TLS: &a.hello.Facts,
	})
}

func (c *conn) remove(a *attempt) {
	for i, x := range c.attempts {
		if x == a {
			c.attempts = append(c.attempts[:i], c.attempts[i+1:]...)
			return
		}
	}
}

func (c *conn) isDone(x id) bool {
	for i := range min(c.dones, maxDone) {
		if c.done[i] == x {
			return true
		}
	}
	return false
}

// Skip implements protocol.Parser: it is the rest of a datagram, whose first packets were read.
func (c *conn) Skip(d protocol.Dir, n uint64, _ time.Duration) {
	if len(c.attempts) == 1 {
		a := c.attempts[0]
		a.bytes[a.side(d)] += n
	}
}

// EOF implements protocol.Parser. Datagrams have no end.
func (c *conn) EOF(protocol.Dir, time.Duration) {}

// Close implements protocol.Parser.
func (c *conn) Close(e protocol.Close) {
	reason := e.Reason
	if reason == "" {
		reason = "connection_closed"
	}
	for len(c.attempts) > 0 {
		a := c.attempts[0]
		if a.refused {
			c.report(a, model.OutcomeError, "", "version_negotiation", a.last)
			continue
		}
		if !a.said[ofClient] {
			a.hello.Client(a.crypto[ofClient].prefix())
		}
		c.report(a, model.OutcomeIncomplete, reason, "", e.Time)
	}
}

// Pending implements protocol.Parser.
func (c *conn) Pending() int { return len(c.attempts) }

// Fit implements protocol.Parser.
func (c *conn) Fit() protocol.Fit { return c.fit }

// Release implements protocol.Parser.
func (c *conn) Release() {}
