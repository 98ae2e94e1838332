// SPDX-License-Identifier: Apache-2.0

package conn

import (
	"syscall"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/probes/event"
)

// TCP states of the kernel (include/net/tcp_states.h) that a connection can be in before it ends.
const (
	tcpEstablished = 1
	tcpSynSent     = 2
	tcpCloseWait   = 8
)

// ending is how a connection ended.
type ending struct {
	state  model.FlowState
	reason string
	errno  syscall.Errno
	kernel *event.Close // nil when the end was inferred
}

// endingOf reads the cause from the state that the socket left and the error it holds. Leaving an open state at once,
// without an error, is a RST that this side sent: an orderly close passes through FIN_WAIT1 or LAST_ACK.
func endingOf(e *event.Close) ending {
	end := ending{state: model.FlowClosed, reason: "connection_closed", errno: syscall.Errno(e.Err), kernel: e}
	switch {
	case e.Hdr.Flags&event.CloseOpen != 0:
		end.state, end.reason = model.FlowActive, "capture_ended"
	case e.Oldstate == tcpSynSent && end.errno == syscall.ECONNREFUSED:
		end.state = model.FlowRefused
	case end.errno == syscall.ETIMEDOUT:
		end.state, end.reason = model.FlowTimedOut, "timeout"
	case e.Oldstate == tcpSynSent:
		end.state = model.FlowFailed
	case end.errno == syscall.ECONNRESET || end.errno == syscall.EPIPE:
		end.state, end.reason = model.FlowReset, "connection_reset"
	case end.errno == 0 && (e.Oldstate == tcpEstablished || e.Oldstate == tcpCloseWait):
		end.state, end.reason = model.FlowReset, "connection_reset"
	case end.errno != 0:
		end.state, end.reason = model.FlowReset, "connection_reset"
	}
	return end
}

var errnoNames = map[syscall.Errno]string{
	syscall.ECONNREFUSED: "ECONNREFUSED", syscall.ECONNRESET: "ECONNRESET", syscall.ETIMEDOUT: "ETIMEDOUT",
	syscall.EHOSTUNREACH: "EHOSTUNREACH", syscall.ENETUNREACH: "ENETUNREACH", syscall.EPIPE: "EPIPE",
	syscall.ECONNABORTED: "ECONNABORTED", syscall.EHOSTDOWN: "EHOSTDOWN", syscall.EACCES: "EACCES", syscall.EPERM: "EPERM",
	syscall.EPROTO: "EPROTO", syscall.ENOPROTOOPT: "ENOPROTOOPT",
}

func errnoName(e syscall.Errno) string {
	if e == 0 {
		return ""
	}
	if n := errnoNames[e]; n != "" {
		return n
	}
	return "OTHER"
}

// reported holds the counters of the last report of a flow: reports carry what came since.
type reported struct {
	sent, received, segsOut, segsIn uint64
	retransmits                     uint32
	drops                           uint64
	any                             bool
}

func (c *Conn) finish(at time.Duration, end ending) {
	c.ended = true
	if e := end.kernel; e != nil {
		c.acked, c.received = e.BytesAcked, e.BytesReceived
		c.segsOut, c.segsIn = uint64(e.SegsOut), uint64(e.SegsIn)
		c.facts = model.TCPFacts{SRTT: time.Duration(e.SrttUs) * time.Microsecond, Retransmits: e.Retransmits}
	}
	for d := range c.dirs {
		if c.dirs[d].conn != nil {
			c.dirs[d].stream.GiveUp(&c.dirs[d])
		}
	}
	c.closeParser(at, end)
	c.flow(at, end, true)
	c.last = at
}

func (c *Conn) closeParser(at time.Duration, end ending) {
	c.learn()
	if c.protocol != model.ProtocolUnknown {
		c.account(end)
	}
	if c.parser == nil {
		return
	}
	pc := protocol.Close{Time: at, Reason: end.reason}
	if e := end.kernel; e != nil && c.dirs[protocol.Sent].stream.Started() {
		sent := &c.dirs[protocol.Sent].stream
		// The FIN takes a sequence number of its own, so the difference may be -1.
		unacked := max(0, int64(int32(sent.Next()-e.SndUna)))
		pc.SentAcked, pc.AckedKnown = uint64(max(0, int64(sent.Position())-unacked)), true
	}
	c.parser.Close(pc)
	c.parser.Release()
	c.parser = nil
}

// account holds what the parsers saw against what the kernel counted on the same connection.
func (c *Conn) account(end ending) {
	t := c.t
	for d := range c.dirs {
		t.stats.BytesSeen[d] += c.dirs[d].stream.Position()
	}
	if end.kernel == nil || c.midStream {
		return
	}
	for d := range c.dirs {
		t.stats.BytesAccounted[d] += c.dirs[d].stream.Position()
	}
	sent, received := &c.dirs[protocol.Sent].stream, &c.dirs[protocol.Received].stream
	acked, got := c.payload()
	t.stats.BytesAcked[protocol.Sent] += near(acked, sent.Position())
	t.stats.BytesAcked[protocol.Received] += near(got, received.Position())
}

// payload returns the kernel's counts without the SYN of the connecting side, which it counts as a byte.
func (c *Conn) payload() (sent, received uint64) {
	sent, received = c.acked, c.received
	if c.role == model.RoleClient && !c.midStream {
		sent -= min(sent, 1)
	}
	if c.ended { // and a FIN is one too, once it is acknowledged
		sent, received = near(sent, c.dirs[0].stream.Position()), near(received, c.dirs[1].stream.Position())
	}
	return sent, received
}

// near returns the kernel's count, without the FIN that makes it one more than what was seen of the payload.
func near(kernel, seen uint64) uint64 {
	if kernel == seen+1 {
		return seen
	}
	return kernel
}

// report tells of a connection that goes on, unless nothing has passed since the last report.
func (c *Conn) report(now time.Duration) {
	c.lastReport = now
	sent, received := c.totals()
	was := c.reported
	idle := was.any && was.sent == sent && was.received == received && was.segsOut == c.segsOut && was.segsIn == c.segsIn &&
		was.retransmits == c.facts.Retransmits && was.drops == c.drops
	if !idle && (c.established || c.midStream) {
		c.flow(now, ending{state: model.FlowActive}, false)
	}
}

func (c *Conn) flow(at time.Duration, end ending, final bool) {
	if c.self || c.evidence < c.t.config.Evidence {
		return
	}
	local := model.Endpoint{Addr: c.local, Process: c.process, TID: c.tid}
	remote := model.Endpoint{Addr: c.remote, Process: c.peerOf()}
	c.learn()
	f := model.Flow{
		Transport: "tcp", View: model.ViewSocket, Role: c.role, State: end.state, Error: errnoName(end.errno),
		NetNS: c.netns, Conn: c.id, Protocol: c.protocol, JoinedMid: c.midStream,
		Start: c.opened, End: at, TCP: c.facts, Drops: c.drops,
	}
	sent, received := c.totals()
	out, in := c.segsOut, c.segsIn
	f.Client, f.Server = local, remote
	f.BytesSent, f.BytesReceived, f.PacketsSent, f.PacketsReceived = sent, received, out, in
	if c.role == model.RoleServer {
		f.Client, f.Server = remote, local
		f.BytesSent, f.BytesReceived, f.PacketsSent, f.PacketsReceived = received, sent, in, out
	}
	if c.t.config.Wire {
		f.Role = model.RoleWire
	}
	f.Encryption = encryption(c.protocol)
	d := c.since(sent, received)
	d.Final = final
	c.t.out.Flow(&f, d)
}

// learn takes over the protocol of a connection on which no request has ended yet.
func (c *Conn) learn() {
	if c.protocol == model.ProtocolUnknown && c.parser != nil {
		c.protocol = c.parser.Protocol()
	}
}

// encryption of a connection: nothing is said of one whose protocol is not known.
func encryption(p model.Protocol) string {
	switch p {
	case model.ProtocolUnknown:
		return ""
	case model.ProtocolTLS, model.ProtocolQUIC:
		return "tls"
	}
	return "none"
}

// totals are payload bytes since the agent knows the connection.
func (c *Conn) totals() (sent, received uint64) {
	sent, received = c.payload()
	if c.midStream {
		sent, received = sent-min(sent, c.listedAcked), received-min(received, c.listedReceived)
	}
	return sent, received
}

// since returns what the aggregator has not been told yet.
func (c *Conn) since(sent, received uint64) model.FlowDelta {
	was := c.reported
	c.reported = reported{
		sent: sent, received: received, segsOut: c.segsOut, segsIn: c.segsIn, retransmits: c.facts.Retransmits, drops: c.drops,
		any: true,
	}
	d := model.FlowDelta{
		BytesTransmitted: sent - min(sent, was.sent), BytesReceived: received - min(received, was.received),
		PacketsTransmitted: c.segsOut - was.segsOut, PacketsReceived: c.segsIn - was.segsIn,
	}
	if was.any || !c.midStream {
		d.Retransmits = uint64(c.facts.Retransmits - min(c.facts.Retransmits, was.retransmits))
	}
	return d
}
