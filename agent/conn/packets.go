// SPDX-License-Identifier: Apache-2.0

package conn

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"sonde/agent/model"
	"sonde/probes/event"
)

// flowIdle is how long a flow without packets stays in the table before its last report.
const flowIdle = 30 * time.Second

// IP protocol numbers, and the ports below which only services are found.
const (
	protoTCP = 6
	protoUDP = 17
	lowPort  = 1024
)

// maxActors bounds the table of UDP sockets whose process is known.
const maxActors = 16384

// packetFlow is a flow that is counted by packets: UDP at sockets, everything at interfaces.
type packetFlow struct {
	total model.Flow
	proto uint8
	last  time.Duration // of the last event, in the tracker's time
}

var transports = map[uint8]string{1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp", 47: "gre", 50: "esp"}

func transport(proto uint8) string {
	if n := transports[proto]; n != "" {
		return n
	}
	return "ip-" + strconv.Itoa(int(proto))
}

// flow adds an increment of a flow that the kernel counted.
func (t *Tracker) flow(e *event.Flow) bool {
	if e == nil {
		return false
	}
	f := t.flows[e.Key]
	if f == nil {
		if len(t.flows) >= t.config.MaxConns {
			t.stats.Refused++
			return true
		}
		f = &packetFlow{total: t.describe(e), proto: e.Key.Proto}
		f.total.Start = time.Duration(e.Value.First)
		t.nextID++
		f.total.Conn = t.nextID
		t.flows[e.Key] = f
	}
	f.last = event.Time(&e.Hdr)
	t.add(f, e)
	return true
}

func (t *Tracker) add(f *packetFlow, e *event.Flow) {
	v, d := &e.Value, model.FlowDelta{}
	d.PacketsTransmitted, d.PacketsReceived = v.Packets[event.DirSent], v.Packets[event.DirReceived]
	d.BytesTransmitted, d.BytesReceived = v.Bytes[event.DirSent], v.Bytes[event.DirReceived]
	d.Retransmits = uint64(v.Retransmits)
	g := &f.total
	sent, received := event.DirSent, event.DirReceived
	if g.Client.Addr != localAddr(&e.Key) { // seen from the client's end
		sent, received = received, sent
	}
	g.PacketsSent += v.Packets[sent]
	g.PacketsReceived += v.Packets[received]
	g.BytesSent += v.Bytes[sent]
	g.BytesReceived += v.Bytes[received]
	g.TCPFlags |= v.TcpFlags
	g.TCP.Retransmits += v.Retransmits
	g.End = time.Duration(v.Last)
	g.State = model.FlowActive
	t.out.Flow(g, d)
}

func localAddr(k *event.FlowKey) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16(k.Local).Unmap(), k.LocalPort)
}

// describe names the ends of a flow. Whoever sent the first packet that was seen is taken for the client, unless ports say
// otherwise: a flow that is older than the agent may begin with an answer, and services listen on lower ports than the
// kernel hands out to clients.
func (t *Tracker) describe(e *event.Flow) model.Flow {
	k := &e.Key
	local := model.Endpoint{Addr: localAddr(k), Process: t.actors[k.Sock]}
	remote := model.Endpoint{Addr: netip.AddrPortFrom(netip.AddrFrom16(k.Remote).Unmap(), k.RemotePort)}
	f := model.Flow{Transport: transport(k.Proto), Client: local, Server: remote, Role: model.RoleClient}
	server := e.Value.FirstDir == event.DirReceived
	if hasPorts := k.Proto == protoTCP || k.Proto == protoUDP; hasPorts && (k.LocalPort < lowPort) != (k.RemotePort < lowPort) {
		server = k.LocalPort < lowPort
	}
	if server {
		f.Client, f.Server, f.Role = remote, local, model.RoleServer
	}
	if t.config.Wire {
		f.Role = model.RoleWire
	}
	if k.Ifindex != 0 {
		f.View, f.Role, f.Interface = model.ViewInterface, model.RoleUnknown, t.interfaceName(k.Ifindex)
	}
	return f
}

// udpActor remembers who uses a socket that is no TCP connection in the table.
func (t *Tracker) udpActor(e *event.Actor) {
	if len(t.actors) >= maxActors {
		clear(t.actors)
	}
	t.actors[e.Hdr.Sock] = t.identify(
		uint32(e.Actor.PidTgid>>32), time.Duration(e.Actor.Start), event.Comm(&e.Actor), e.Actor.CgroupId)
	t.resume(e.Hdr.Sock)
}

func (t *Tracker) sweepFlows(now time.Duration) {
	var idle []*packetFlow
	for k, f := range t.flows {
		if now-f.last >= flowIdle {
			idle = append(idle, f)
			delete(t.flows, k)
		}
	}
	slices.SortFunc(idle, func(a, b *packetFlow) int { return cmp.Compare(a.total.Conn, b.total.Conn) }) // see inOrder
	for _, f := range idle {
		f.total.State = model.FlowClosed
		t.out.Flow(&f.total, model.FlowDelta{Final: true})
	}
}

// list takes a socket that user space found. The first listing tells of sockets older than the agent; later ones refresh
// what the kernel counts of connections that go on.
func (t *Tracker) list(e *event.Listed) bool {
	if e == nil {
		return false
	}
	if e.Cookie == 0 {
		t.listingEnded(event.Time(&e.Hdr))
		return true
	}
	if e.Proto == protoUDP {
		t.bind(e)
		return true
	}
	if c := t.cookies[e.Cookie]; c != nil {
		if c.midStream && c.process == nil && e.Actor.PidTgid != 0 { // its bytes came before the first listing did
			t.join(c, e)
		}
		c.refresh(e)
		return true
	}
	old := t.listed[e.Cookie]
	if old != nil || len(t.listed) < t.config.MaxConns {
		kept := *e
		if old != nil && kept.Actor.PidTgid == 0 { // only the first listing looks for processes
			kept.Actor = old.Actor
		}
		t.listed[e.Cookie] = &kept
	}
	return true
}

// refresh takes the kernel's counts of a connection of which no segment may have made a record for long.
func (c *Conn) refresh(e *event.Listed) {
	c.listedAt = event.Time(&e.Hdr)
	c.acked, c.received = max(c.acked, e.BytesAcked), max(c.received, e.BytesReceived)
	c.facts = model.TCPFacts{SRTT: time.Duration(e.SrttUs) * time.Microsecond, Retransmits: e.Retransmits}
}

// listingEnded removes connections whose end was lost: they were open before the listing began and are not in it.
func (t *Tracker) listingEnded(began time.Duration) {
	for cookie, l := range t.listed { // it has gone without a byte
		if event.Time(&l.Hdr) < began {
			delete(t.listed, cookie)
		}
	}
	t.unbind(began)
	if !t.stale {
		return
	}
	t.stale = false
	gone := func(c *Conn) bool { return c.cookie != 0 && c.last < began && c.listedAt < began }
	for _, c := range t.inOrder(gone) {
		t.stats.Stale++
		t.finish(c, c.last, ending{state: model.FlowClosed, reason: "lost"})
	}
}

func (t *Tracker) lost(e *event.Lost) bool {
	if e == nil {
		return false
	}
	at := event.Time(&e.Hdr)
	t.stale = t.stale || e.Lifecycle > 0
	for _, l := range []model.Loss{
		{Where: "ring", What: "records", Count: e.Records, Time: at},
		{Where: "ring", What: "requests", Role: model.RoleClient, Count: e.RequestsSent, Time: at},
		{Where: "ring", What: "requests", Role: model.RoleServer, Count: e.RequestsReceived, Time: at},
	} {
		if l.Count > 0 {
			t.out.Lost(&l)
		}
	}
	return true
}
