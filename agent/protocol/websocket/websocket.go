// SPDX-License-Identifier: Apache-2.0

// Package websocket follows WebSocket sessions (RFC 6455): frames in, one request for each session out, from its upgrade to
// its end.
//
// Opened by agent/protocol/http1 through protocol.Env.Open when a server switches protocols; there are no first bytes that
// would tell WebSocket, so a connection that is joined later stays a flow. It is no endpoint: it checks neither the accept
// key nor UTF-8, keeps no payload, decompresses nothing and does not look for other protocols in messages. Not safe for
// concurrent use.
//
// # What is reported
//
// Start, RequestEnd and ResponseStart are those of the upgrade, whose own request HTTP/1 reports; End is the last byte of
// the closing handshake, else of the connection. RequestBytes and ResponseBytes are those of the frames, headers included.
// Messages count once they are whole; control frames (RFC 6455 5.5) are frames without messages, pings are counted. A close
// code of a failure (1002, 1003, 1007 to 1011, 1014) is an error with the code as its type. Without a close frame the session
// is incomplete, with the reason of the connection's end.
//
// # What is certain after a gap
//
// A gap inside a payload does no harm. Over the header of a frame the direction is out of step until a turn begins with a
// frame as it should be (masked from the client and only from there, of a size that is usual); from there on
// MessagesUncounted says that the counts are lower bounds.
package websocket

import (
	"encoding/binary"
	"strconv"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Limits. A control frame has at most 125 bytes behind a header of at most 14, of which the close code is the first.
const (
	keep        = 14 + 2
	maxUnstrict = 16 << 20 // bytes of a frame that is believed to begin behind a gap
)

const (
	opContinuation = 0
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// Spec describes WebSocket to the engine.
func Spec() protocol.Spec {
	return protocol.Spec{
		Protocol: model.ProtocolWebSocket,
		Probe:    func([]byte) protocol.Guess { return protocol.GuessNo },
		Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
			return func(s protocol.Start) protocol.Parser { return newConn(env, s) }
		},
	}
}

// Conn follows one session. It implements protocol.Parser.
type Conn struct {
	env    *protocol.Env
	client protocol.Dir
	side   [2]side

	started  bool
	dir      protocol.Dir // of the last call
	reported bool
	last     time.Duration // of the last byte
	at       uint64        // position of the client's first byte behind the upgrade
	request  model.Request
	session  model.WebSocket
}

// side is one direction.
type side struct {
	protocol.Framer
	strict bool // the next frame may not be one
	closed bool // a close frame passed
	bytes  uint64
}

func newConn(env *protocol.Env, s protocol.Start) *Conn {
	c := &Conn{env: env, client: s.Client, at: s.Base[s.Client]}
	if s.Upgrade != nil {
		c.request = *s.Upgrade
		c.request.Begun = 0
		if s.Upgrade.WebSocket != nil {
			c.session = *s.Upgrade.WebSocket
		}
	}
	c.last = c.request.End
	c.session.MessagesUncounted = s.Joined
	for d := range c.side {
		dir := protocol.Dir(d)
		c.side[d].Framer = protocol.Framer{
			Keep: keep,
			Pos:  s.Base[d],
			Size: func(p []byte) (uint64, protocol.State) { return c.size(dir, p) },
			Take: func(f *protocol.Frame) { c.take(dir, f) },
		}
	}
	return c
}

// Feed implements protocol.Parser.
func (c *Conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if len(p) == 0 {
		return
	}
	s := c.turn(d, uint64(len(p)), t)
	s.Feed(p, t)
	c.miss(s)
	if m := c.env.Marks; m != nil {
		s.Mark(m, d, protocol.FillAll)
	}
}

// Skip implements protocol.Parser.
func (c *Conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	s := c.turn(d, n, t)
	s.Skip(n, t)
	c.miss(s)
}

// turn counts bytes, and puts a direction that is out of step to the test again when its turn comes.
func (c *Conn) turn(d protocol.Dir, n uint64, t time.Duration) *side {
	s := &c.side[d]
	if !c.reported {
		s.bytes += n
		c.last = t
	}
	if c.started && c.dir != d && s.Lost() {
		s.Resync()
		s.strict = true
	}
	c.started, c.dir = true, d
	return s
}

// miss notes that frames may have passed unseen.
func (c *Conn) miss(s *side) {
	if !s.Lost() {
		return
	}
	if !c.session.MessagesUncounted && c.env.Resync != nil {
		c.env.Resync(model.ProtocolWebSocket)
	}
	c.session.MessagesUncounted = true
}

// size reads the header of a frame (RFC 6455 5.2).
func (c *Conn) size(d protocol.Dir, p []byte) (uint64, protocol.State) {
	if len(p) < 2 {
		return 0, protocol.NeedMore
	}
	op, fin, masked := p[0]&15, p[0]&0x80 != 0, p[1]&0x80 != 0
	h := headerSize(p[1])
	n := uint64(p[1] & 0x7f)
	switch {
	case op > opBinary && op < opClose || op > opPong, p[0]&0x30 != 0, op >= opClose && (!fin || n > 125):
		return 0, protocol.Invalid
	case c.side[d].strict && (masked != (d == c.client) || op == opContinuation):
		return 0, protocol.Invalid
	case len(p) < h:
		return 0, protocol.NeedMore
	case n == 126:
		n = uint64(binary.BigEndian.Uint16(p[2:]))
	case n == 127:
		n = binary.BigEndian.Uint64(p[2:])
	}
	if n >= 1<<62 || c.side[d].strict && n > maxUnstrict {
		return 0, protocol.Invalid
	}
	return uint64(h) + n, protocol.Done
}

// headerSize returns the length of a header whose second byte is b.
func headerSize(b byte) int {
	n := 2
	switch b & 0x7f {
	case 126:
		n += 2
	case 127:
		n += 8
	}
	if b&0x80 != 0 {
		n += 4
	}
	return n
}

// take counts a frame.
func (c *Conn) take(d protocol.Dir, f *protocol.Frame) {
	s := &c.side[d]
	s.strict = false
	if c.env.Marks != nil {
		c.mark(d, f)
	}
	h := headerSize(f.Head[1])
	op, fin := f.Head[0]&15, f.Head[0]&0x80 != 0
	frames, messages, bytes := &c.session.FramesSent, &c.session.MessagesSent, &c.session.BytesSent
	if d != c.client {
		frames, messages, bytes = &c.session.FramesReceived, &c.session.MessagesReceived, &c.session.BytesReceived
	}
	*frames++
	*bytes += f.Size - uint64(h)
	switch {
	case op == opPing:
		c.session.Pings++
	case op == opClose:
		c.closes(s, f, h)
	case op <= opBinary && fin:
		*messages++
	}
	if op <= opBinary && f.Head[0]&0x40 != 0 { // RFC 7692 6
		c.session.Compressed = true
	}
}

// closes takes a close frame (RFC 6455 5.5.1). The first one's code counts: the other side repeats it.
func (c *Conn) closes(s *side, f *protocol.Frame, h int) {
	if code := f.Head[h:]; len(code) >= 2 && c.session.CloseCode == 0 {
		n := binary.BigEndian.Uint16(code)
		if f.Head[1]&0x80 != 0 {
			n ^= binary.BigEndian.Uint16(f.Head[h-4:])
		}
		c.session.CloseCode = int(n)
	} else if c.session.CloseCode == 0 {
		c.session.CloseCode = noStatus
	}
	s.closed = true
	if c.side[0].closed && c.side[1].closed {
		c.report("", f.End)
	}
}

// noStatus stands for a close frame without a code (RFC 6455 7.1.5).
const noStatus = 1005

// isFailure tells whether a close code says that something went wrong (RFC 6455 7.4.1 and IANA's registry).
func isFailure(code int) bool {
	return code == 1002 || code == 1003 || code >= 1007 && code <= 1011 || code == 1014
}

// report ends the session.
func (c *Conn) report(reason string, end time.Duration) {
	if c.reported {
		return
	}
	c.reported = true
	r := &c.request
	r.Protocol, r.Role, r.HTTP, r.WebSocket = model.ProtocolWebSocket, protocol.RoleOf(c.client), nil, &c.session
	r.Outcome, r.Reason, r.ErrorType, r.End = model.OutcomeOK, reason, "", end
	r.RequestBytes, r.ResponseBytes = c.side[c.client].bytes, c.side[c.client.Other()].bytes
	switch {
	case reason != "":
		r.Outcome = model.OutcomeIncomplete
	case isFailure(c.session.CloseCode):
		r.Outcome, r.ErrorType = model.OutcomeError, strconv.Itoa(c.session.CloseCode)
	}
	if c.env.Begins(r.Begun) {
		r.Begun = c.env.Begin(protocol.Begin{Dir: c.client, At: c.at, Start: r.Start, Fields: r.Fields, Late: true})
	}
	c.env.Emit(r)
}

// EOF implements protocol.Parser.
func (c *Conn) EOF(_ protocol.Dir, t time.Duration) {
	if !c.reported {
		c.last = t
	}
}

// Close implements protocol.Parser. One close frame is enough: not every side waits for the other's.
func (c *Conn) Close(e protocol.Close) {
	reason := e.Reason
	if reason == "" {
		reason = "connection_closed"
	}
	end := e.Time
	if c.side[0].closed || c.side[1].closed {
		reason, end = "", c.last
	}
	c.report(reason, end)
}

// Pending implements protocol.Parser.
func (c *Conn) Pending() int {
	if c.reported {
		return 0
	}
	return 1
}

// Fit implements protocol.Parser: both sides agreed on it before.
func (c *Conn) Fit() protocol.Fit { return protocol.FitYes }

// Release implements protocol.Parser.
func (c *Conn) Release() {}
