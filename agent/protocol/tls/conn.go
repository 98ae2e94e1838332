// SPDX-License-Identifier: Apache-2.0

package tls

import (
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const (
	maxHello = 8192 // bytes of a hello that are read
	// minFinished is the least payload of a record that holds a Finished message of TLS 1.3: header, hash, type of content and
	// tag (RFC 8446 4.4.4, 5.2). An alert has sealedAlert bytes.
	minFinished = handshakeHeader + 32 + 1 + 16
	sealedAlert = 2 + 1 + 16
)

// side is one direction.
type side struct {
	records  protocol.Framer
	messages protocol.Framer
	first    time.Duration // of the handshake message at hand
	pos      uint64        // of the bytes fed and skipped, from Start.Base on
	read     uint64        // position behind the last record that was read
	bytes    uint64        // of the handshake
	turned   bool          // it spoke
	sealed   bool          // what follows is encrypted
	active   bool          // something encrypted passed
}

// conn follows one connection. It implements protocol.Parser.
type conn struct {
	env    *protocol.Env
	sides  [2]side
	hello  Hello
	joined bool
	over   bool // the handshake was reported, or was before
	fit    protocol.Fit
	joins  int // records of a connection that was joined

	started bool
	last    protocol.Dir
	known   bool // which side is the client
	client  protocol.Dir

	start, requestEnd, answerStart time.Duration
	certified                      bool // the server sent a certificate
	holed                          bool // bytes of the handshake were not seen
	hidden                         bool // among them whole records, or the beginning of one
	lost                           bool // and that of the server
}

func newConn(env *protocol.Env, s protocol.Start) *conn {
	c := &conn{env: env, joined: s.Joined}
	for i := range c.sides {
		d := protocol.Dir(i)
		x := &c.sides[i]
		x.pos = s.Base[i]
		x.records = protocol.Framer{
			Keep: maxHello, Pos: x.pos, Take: func(f *protocol.Frame) { c.record(d, f) },
			Size: func(p []byte) (uint64, protocol.State) { return c.size(d, p) },
		}
		x.messages = protocol.Framer{Keep: maxHello, Size: messageSize, Take: func(f *protocol.Frame) { c.message(d, f) }}
	}
	return c
}

// size implements protocol.Framer.Size. Only the first record can be a hello of SSL 2.0.
func (c *conn) size(d protocol.Dir, p []byte) (uint64, protocol.State) {
	if !c.known && p[0]&0x80 != 0 {
		return version2Size(p)
	}
	return recordSize(p)
}

// messageSize implements protocol.Framer.Size for handshake messages.
func messageSize(p []byte) (uint64, protocol.State) {
	const maxMessage = 1 << 20
	if len(p) < handshakeHeader {
		return 0, protocol.NeedMore
	}
	size := uint64(p[1])<<16 | uint64(p[2])<<8 | uint64(p[3])
	if size > maxMessage {
		return 0, protocol.Invalid
	}
	return handshakeHeader + size, protocol.Done
}

// Feed implements protocol.Parser.
func (c *conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 { // it begins no turn
		return
	}
	s := &c.sides[d]
	s.pos += uint64(len(p))
	if !c.over {
		c.turn(d)
		s.records.Feed(p, t)
		c.noticeLoss(d)
	}
	if m := c.env.Marks; m != nil && c.fit == protocol.FitYes {
		c.mark(m, d, uint64(len(p)))
	}
}

// mark lets a recording have the handshake; of what follows, only how long it is.
func (c *conn) mark(m protocol.Marks, d protocol.Dir, n uint64) {
	at := c.sides[d].pos
	if from := max(at-n, c.sides[d].read); c.over && from < at { // what ended the handshake has to end it again
		m.Hide(d, from, at, protocol.FillAll)
	}
	m.Settle(d, at)
}

// Skip implements protocol.Parser.
func (c *conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	s := &c.sides[d]
	s.pos += n
	if c.over {
		return
	}
	c.turn(d)
	c.holed = true
	if c.hello.hasServer && c.hello.encryptsAll() && d != c.client {
		s.sealed, s.active = true, true
	}
	s.records.Skip(n, t)
	c.noticeLoss(d)
}

// turn brings a direction that is out of step back at the beginning of its next turn.
func (c *conn) turn(d protocol.Dir) {
	s := &c.sides[d]
	if s.turned = true; c.started && c.last == d {
		return
	}
	c.started, c.last = true, d
	if s.records.Lost() && c.fit != protocol.FitNo {
		s.records.Resync()
		s.messages.Resync()
	}
}

func (c *conn) noticeLoss(d protocol.Dir) {
	if c.over || !c.sides[d].records.Lost() {
		return
	}
	if c.fit == protocol.FitOpen && !c.known {
		c.fit = protocol.FitNo
		c.leave()
		return
	}
	if d != c.client && !c.lost {
		c.lost = true
		c.env.Resync(model.ProtocolTLS)
	}
	c.holed, c.hidden = true, true
}

// record takes a record when its last byte has passed.
func (c *conn) record(d protocol.Dir, f *protocol.Frame) {
	if c.over || len(f.Head) == 0 {
		return
	}
	s := &c.sides[d]
	s.bytes += f.Size
	s.read = f.At + f.Size
	switch kind := f.Head[0]; {
	case kind&0x80 != 0:
		c.version2Hello(d, f)
	case !c.known && kind != handshake && kind != alert:
		c.notHello()
	case kind == handshake && !s.sealed:
		c.handshake(d, s, f)
	case kind == changeCipherSpec:
		c.changed(d, s)
	case kind == alert && (!s.sealed || c.hello.encryptsAll()) && f.Size == recordHeader+2:
		c.alert(d, f)
	case kind == alert:
		c.warned(f.End)
	case kind == handshake || kind == applicationData:
		c.sealedRecord(d, s, f)
	}
}

// notHello is called for a record that no handshake begins with.
func (c *conn) notHello() {
	if !c.joined {
		c.fit = protocol.FitNo
		c.leave()
		return
	}
	if c.joins++; c.joins > 1 {
		c.fit = protocol.FitYes
		c.leave()
	}
}

// handshake gives the payload of a record to the messages.
func (c *conn) handshake(d protocol.Dir, s *side, f *protocol.Frame) {
	if s.messages.Partial() == nil {
		s.first = f.Start
	}
	body := f.Head[min(recordHeader, len(f.Head)):]
	if len(body) > 0 {
		s.messages.Feed(body, f.End)
	}
	if n := f.Size - uint64(len(f.Head)); n > 0 && !c.over {
		s.messages.Skip(n, f.End)
	}
	if c.fit == protocol.FitOpen && !c.over && s.messages.Partial() == nil {
		c.notHello()
	}
}

// message takes a handshake message in the clear.
func (c *conn) message(d protocol.Dir, f *protocol.Frame) {
	s := &c.sides[d]
	switch f.Head[0] {
	case clientHello:
		if c.hello.Client(f.Head) {
			c.began(d, s.first, f.End)
		}
	case serverHello, helloRetryRequest:
		c.serverHello(d, s, f)
	case certificate:
		c.certified = true
	case serverKeyExchange:
		c.hello.Facts.Curve = curveOf(f.Head, c.hello.Facts.Cipher)
	}
	s.first = f.End // of the next message in the same record, which is never the one that counts
}

func (c *conn) serverHello(d protocol.Dir, s *side, f *protocol.Frame) {
	if c.known && d == c.client || !c.hello.Server(f.Head) {
		return
	}
	c.fit = protocol.FitYes
	if !c.known {
		c.known, c.client = true, d.Other()
	}
	if c.answerStart == 0 || c.hello.hasServer {
		c.answerStart = s.first
	}
	if c.hello.hasServer && c.hello.encryptsAll() {
		s.sealed = true
	}
}

// began notes a ClientHello.
func (c *conn) began(d protocol.Dir, start, end time.Duration) {
	if c.known && d != c.client {
		return
	}
	c.fit = protocol.FitYes
	if !c.known || !c.hello.Facts.Retried {
		c.start = start
	}
	c.known, c.client, c.requestEnd = true, d, end
}

// version2Hello takes the hello of SSL 2.0, which names one version and no extensions.
func (c *conn) version2Hello(d protocol.Dir, f *protocol.Frame) {
	r := reader{p: f.Head[min(3, len(f.Head)):]}
	c.hello.hasClient = true
	c.hello.Facts.Offered = []string{versionName(r.u16())}
	c.began(d, f.Start, f.End)
}

// changed takes a ChangeCipherSpec. In TLS 1.3 it means nothing (RFC 8446 D.4).
func (c *conn) changed(d protocol.Dir, s *side) {
	if c.hello.encryptsAll() {
		return
	}
	s.sealed = true
	if d != c.client && !c.certified && !c.sides[c.client].sealed && c.hello.version != 0 {
		c.hello.Facts.Resumed = !c.holed || c.hello.sameSession
	}
}

// sealedRecord takes an encrypted record.
func (c *conn) sealedRecord(d protocol.Dir, s *side, f *protocol.Frame) {
	other := &c.sides[d.Other()]
	if !c.hello.encryptsAll() {
		s.sealed, s.active = true, true
		if other.active {
			c.established(f.End)
		}
		return
	}
	switch {
	case d != c.client:
		s.active = true
	case !other.active: // early data
	case f.Size < recordHeader+minFinished && !c.hello.early && (!c.hidden || f.Size == recordHeader+sealedAlert):
		c.warned(f.End)
	default:
		c.established(f.End)
	}
}

// warned takes an encrypted alert. It ends the handshake, else there would be nothing to warn of; unless the end of the
// handshake is among the records that were not seen, and this is the end of the connection.
func (c *conn) warned(t time.Duration) {
	if c.hidden {
		c.report(model.OutcomeIncomplete, "lost", "", t)
		return
	}
	c.failed("encrypted_alert", t)
}

const fatal = 2 // level of an alert

// alert takes an alert in the clear.
func (c *conn) alert(d protocol.Dir, f *protocol.Frame) {
	if len(f.Head) < recordHeader+2 {
		return
	}
	level, code := f.Head[recordHeader], f.Head[recordHeader+1]
	a := &c.hello.Facts
	if a.Alert == "" || level == fatal {
		a.Alert, a.AlertFrom = AlertName(code), "server"
		if !c.known { // only a server answers before there was a ServerHello
			c.client = d.Other()
		}
		if d == c.client {
			a.AlertFrom = "client"
		}
	}
	if d != c.client && c.answerStart == 0 {
		c.answerStart = f.Start
	}
	if level == fatal && c.known {
		c.failed(a.Alert, f.End)
	}
}

func (c *conn) established(t time.Duration) {
	c.hello.Facts.Established = true
	c.report(model.OutcomeOK, "", "", t)
}

func (c *conn) failed(kind string, t time.Duration) {
	c.report(model.OutcomeError, "", kind, t)
}

// report emits the handshake. What follows is passed over.
func (c *conn) report(o model.Outcome, reason, kind string, t time.Duration) {
	defer c.leave()
	if !c.hello.hasClient {
		if o, kind = model.OutcomeIncomplete, ""; reason == "" {
			reason = "request_lost"
		}
		c.start = c.answerStart
	}
	f := &c.hello.Facts
	c.env.Emit(&model.Request{
		Protocol: model.ProtocolTLS, Role: protocol.RoleOf(c.client), Outcome: o, Reason: reason,
		ErrorType: kind, Start: c.start, RequestEnd: c.requestEnd, ResponseStart: c.answerStart, End: t, TLS: f,
		RequestBytes: c.sides[c.client].bytes, ResponseBytes: c.sides[c.client.Other()].bytes,
	})
}

// leave ends all reading and gives the memory back.
func (c *conn) leave() {
	c.over = true
	for i := range c.sides {
		s := &c.sides[i]
		*s = side{pos: s.pos, read: s.read}
		s.records.Lose() // one of them may be at work
		s.messages.Lose()
	}
}

// EOF implements protocol.Parser.
func (c *conn) EOF(protocol.Dir, time.Duration) {}

// Close implements protocol.Parser.
func (c *conn) Close(e protocol.Close) {
	if c.over {
		return
	}
	c.closeHello()
	if !c.known || c.over {
		return
	}
	reason := e.Reason
	switch alert := c.hello.Facts.Alert; {
	case c.lost: // an alert may have been a warning, which the handshake survived
		reason = "lost"
	case alert != "" && alert != alertNames[alertCloseNotify] && alert != alertNames[alertUserCanceled]:
		c.failed(alert, e.Time)
		return
	case reason == "":
		reason = "connection_closed"
	}
	c.report(model.OutcomeIncomplete, reason, "", e.Time)
}

// closeHello takes what came of a hello that will never be whole.
func (c *conn) closeHello() {
	if c.known {
		return
	}
	for i := range c.sides {
		s, d := &c.sides[i], protocol.Dir(i)
		f, from := s.messages.Partial(), s.first
		body := []byte(nil)
		if f != nil {
			body = f.Head
		} else if f = s.records.Partial(); f != nil && len(f.Head) > recordHeader && f.Head[0] == handshake {
			body, from = f.Head[recordHeader:], f.Start
		}
		if len(body) > 0 && c.hello.Client(body) {
			s.bytes += uint64(len(body))
			c.began(d, from, f.End)
			return
		}
	}
}

// Pending implements protocol.Parser.
func (c *conn) Pending() int {
	if c.known && !c.over {
		return 1
	}
	return 0
}

// Fit implements protocol.Parser.
func (c *conn) Fit() protocol.Fit { return c.fit }

// Release implements protocol.Parser.
func (c *conn) Release() {}
