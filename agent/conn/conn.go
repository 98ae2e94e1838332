// SPDX-License-Identifier: Apache-2.0

package conn

import (
	"net/netip"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/detect"
	"sonde/agent/stream"
	"sonde/probes/event"
)

// Conn is one socket.
type Conn struct {
	t      *Tracker
	id     uint64
	sock   uint64
	cookie uint64

	local, remote netip.AddrPort
	netns         uint32
	role          model.Role
	process       *model.Process // who used the socket last
	tid           uint32
	peer          *Conn          // the other end, when it is on this machine
	peerProcess   *model.Process // of a peer that has gone
	peerTries     uint8          // a peer that was not found on this machine is not looked for with each request
	evidence      Evidence
	self          bool   // the agent's own
	lost          uint32 // the kernel's count of this socket's lost records, as of the last that was not

	opened      time.Duration
	listedAt    time.Duration // last listing that had the socket
	last        time.Duration // last record
	established bool
	midStream   bool
	ended       bool

	dirs     [2]direction
	parser   *detect.Conn // nil before the first bytes
	protocol model.Protocol

	facts                       model.TCPFacts
	acked, received             uint64 // by the kernel's count
	listedAcked, listedReceived uint64 // the same when the agent started
	segsOut, segsIn             uint64
	drops                       uint64
	lastReport                  time.Duration
	reported                    reported
}

// direction is one direction of a Conn, and the stream's consumer.
type direction struct {
	stream stream.Stream
	conn   *Conn
	dir    protocol.Dir
}

// is tells whether a record belongs to this connection and not to an earlier one at the same address.
func (c *Conn) is(s *event.Segment) bool {
	if c.cookie == s.Cookie {
		return true
	}
	if c.cookie != 0 || c.local.Port() != s.Tuple.LocalPort && c.local.Port() != 0 || c.remote.Port() != s.Tuple.RemotePort {
		return false
	}
	c.setCookie(s.Cookie)
	if c.local.Port() == 0 { // data before the handshake was reported: Fast Open
		c.t.repair(c, &s.Tuple)
	}
	return true
}

func (c *Conn) setCookie(cookie uint64) {
	c.cookie = cookie
	c.t.cookies[cookie] = c
}

func (c *Conn) setTuple(t *event.Tuple) {
	c.local, c.remote, c.netns = event.LocalAddr(t), event.RemoteAddr(t), t.Netns
}

func (c *Conn) segment(s *event.Segment, head, tail []byte) {
	at := event.Time(&s.Hdr)
	c.last = at
	c.evidence = EvidencePayload
	if s.Dir == event.DirSent { // records of received bytes have no facts
		c.acked, c.received = s.BytesAcked, s.BytesReceived
		c.facts = model.TCPFacts{SRTT: time.Duration(s.SrttUs) * time.Microsecond, Retransmits: s.Retransmits}
	}
	d, o := &c.dirs[s.Dir], &c.dirs[s.Dir^1]
	if d.conn == nil {
		c.dirs[0].conn, c.dirs[1].conn, c.dirs[1].dir = c, c, protocol.Received
		if c.t.config.Wire {
			c.dirs[0].stream.Allow(wireWaiting, wireWaitingBytes)
			c.dirs[1].stream.Allow(wireWaiting, wireWaitingBytes)
		}
	}
	c.t.current = c
	if c.parser == nil {
		c.parser = c.t.engine.Conn(model.TransportTCP, c.midStream || s.Lost > 0)
	}
	if s.Lost != c.lost {
		c.lost = s.Lost
		c.abandon(at)
	}
	c.catchUp(s, d, o)
	g := stream.Segment{
		Seq: s.Seq, Len: s.Len, Head: head, Tail: tail, Time: at,
		FIN: s.TcpFlags&event.TCPFin != 0, Ahead: s.Hdr.Flags&event.SegmentAhead != 0,
	}
	if g.Ahead {
		d.stream.StartAt(s.Hole)
	}
	d.stream.Append(&g, d)
}

// What may wait behind a hole in a capture file: a window of TCP at its largest. All connections together are bounded by the
// source.
const (
	wireWaiting      = 4096
	wireWaitingBytes = 4 << 20
)

// abandon is called when records of this socket were lost. The next turn that begins like a request is a new beginning.
func (c *Conn) abandon(at time.Duration) {
	if c.parser != nil {
		c.parser.Abandon(at)
	}
}

// lostAtLeast is taken for the bytes of a direction whose first records were lost: how many there were is not known. Two is
// what it takes to say that they came before and after some of the other direction.
const lostAtLeast = 2

// catchUp passes over what a record proves to have passed before it without a record of its own: lost, or over the budget.
// What is missing of the direction d before a new turn belongs to its last turn, so it comes before what the other
// direction o said in between.
func (c *Conn) catchUp(s *event.Segment, d, o *direction) {
	at := event.Time(&s.Hdr)
	lost := s.Lost > 0 && !c.midStream
	if lost && !d.stream.Started() {
		d.stream.StartAt(s.Seq - lostAtLeast)
	}
	if s.OtherNext != 0 && d.stream.Started() && !o.stream.Started() {
		if lost {
			o.stream.StartAt(s.OtherNext - lostAtLeast)
		} else if s.Hdr.Flags&event.SegmentTurn != 0 { // the other side spoke in between: without a byte of it this were no turn
			o.stream.StartAt(s.OtherNext - 1)
		}
	}
	if s.Hdr.Flags&event.SegmentAhead == 0 && d.stream.Started() {
		c.gaps(s, d, o, at)
	}
	switch {
	case s.OtherNext == 0: // nothing seen in the other direction yet
	case s.Hdr.Flags&event.SegmentAcked != 0:
		if _, waits := d.stream.Waiting(); waits && int32(s.OtherNext-o.stream.Next()) > 0 { // what d said before comes before it
			d.stream.GiveUp(d)
		}
		o.stream.Acked(s.OtherNext, at, o)
	default:
		c.arrived(s, o)
		o.stream.Reached(s.OtherNext, at, o)
	}
}

// arrived fills holes that TCP says are none: by its count of bytes in order, which comes with what the socket sends, all of
// them have arrived, so their record would have come before this one. Two CPUs that receive one direction at once can take
// a late segment for one that was seen before.
func (c *Conn) arrived(s *event.Segment, o *direction) {
	if s.Dir != event.DirSent || c.midStream || s.Lost > 0 {
		return
	}
	if _, waits := o.stream.Waiting(); waits && s.BytesReceived > o.stream.Position() {
		o.stream.Acked(o.stream.SeqAt(s.BytesReceived), event.Time(&s.Hdr), o)
	}
}

// gaps passes over what is missing of d. When bytes of both directions are missing, several turns were lost, and which
// bytes belonged to which is not known: the directions take turns, so that no answer is taken for that of a request on the
// other side of the gap.
func (c *Conn) gaps(s *event.Segment, d, o *direction, at time.Duration) {
	missing := int32(s.Seq-d.stream.Next()) > 0
	both := missing && s.OtherNext != 0 && int32(s.OtherNext-o.stream.Next()) > 0
	turn := s.Hdr.Flags&event.SegmentTurn != 0
	if both && (!turn || int32(s.OtherNext-o.stream.Next()) > 1) {
		o.stream.Reached(o.stream.Next()+1, at, o)
	}
	switch {
	case turn:
		d.stream.Reached(s.Seq, at, d)
	case both:
		d.stream.Reached(d.stream.Next()+1, at, d)
	}
}

func (d *direction) Feed(p []byte, at time.Duration) {
	if d.conn.parser != nil {
		d.conn.parser.Feed(d.dir, p, at)
	}
}

func (d *direction) Skip(n uint64, at time.Duration) {
	if d.conn.parser != nil {
		d.conn.parser.Skip(d.dir, n, at)
	}
}

func (d *direction) EOF(at time.Duration) {
	if d.conn.parser != nil {
		d.conn.parser.EOF(d.dir, at)
	}
}

func (c *Conn) giveUp(d protocol.Dir) {
	c.t.current = c
	c.dirs[d].stream.GiveUp(&c.dirs[d])
	c.t.stats.HolesGivenUp++
}

// emit completes a request that the parser of the current connection found.
func (t *Tracker) emit(r *model.Request) {
	if t.talking != nil {
		t.talking.emit(r)
		return
	}
	c := t.current
	c.protocol = r.Protocol
	if c.role == model.RoleUnknown {
		c.role = r.Role
	}
	if c.self {
		return
	}
	r.Conn, r.TCP = c.id, c.facts
	t.deliver(r, model.Endpoint{Addr: c.local, Process: c.process, TID: c.tid}, model.Endpoint{Addr: c.remote, Process: c.peerOf()}, c.netns)
}

// deliver completes a request with its ends and hands it on.
func (t *Tracker) deliver(r *model.Request, local, remote model.Endpoint, netns uint32) {
	t.stats.Requests++
	r.Client, r.Server = local, remote
	if r.Role == model.RoleServer {
		r.Client, r.Server = remote, local
	}
	if t.config.Wire {
		r.Role = model.RoleWire
	}
	r.NetNS = netns
	t.out.Request(r)
}

// maxPeerTries is more than one, because a peer's first record may come after this end's first request.
const maxPeerTries = 4

// peerOf returns the process at the other end when that end is on this machine too.
func (c *Conn) peerOf() *model.Process {
	if c.peer == nil && c.peerProcess == nil && c.peerTries < maxPeerTries {
		c.peerTries++
		if p := c.t.pairs[pair{c.remote, c.local}]; p != nil && p != c {
			c.peer, p.peer = p, c
		}
	}
	if c.peer != nil && c.peer.process != nil {
		return c.peer.process
	}
	return c.peerProcess
}
