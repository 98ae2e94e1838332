// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"cmp"
	"encoding/binary"
	"slices"

	"sonde/probes/event"
)

// Flags of TCP.
const (
	flagFIN = 0x01
	flagSYN = 0x02
	flagRST = 0x04
	flagACK = 0x10
)

const tcpHeader = 20

// Times after which a connection is given up, in ns of capture time without a packet.
const (
	openingTimeout = 130e9 // a SYN without an answer: as long as Linux tries
	closingTimeout = 30e9  // what is missing is the last acknowledgement, or the direction that was not captured
	overTimeout    = 60e9  // packets that come late are still known to belong to it
)

// segment is a TCP segment as it was captured.
type segment struct {
	time  uint64
	bytes []byte // captured
	n     uint32 // on the wire
	seq   uint32
	ack   uint32
	dir   uint8
	flags uint8
}

func (g *segment) has(flag uint8) bool { return g.flags&flag != 0 }

// connKey is a connection with its lower end first, so that both directions have the same.
type connKey struct {
	low, high         [16]byte
	lowPort, highPort uint16
}

// tcpTable follows connections.
type tcpTable struct {
	out     *output
	limit   int
	conns   map[connKey]*tcpConn
	phases  [phaseCount]queue // connections, those without a packet for longest first
	holding []held            // connections that hold segments back, in the order in which that began
	waiting int               // bytes behind holes, of all connections
	socks   uint64
	strays  uint64 // packets that belong to no connection
}

// phase is where in its life a connection is.
type phase uint8

const (
	opening phase = iota // a SYN was seen and no answer
	open
	closing // both directions have ended, or the only one that was captured
	over    // its end was told; late packets are passed over
	phaseCount
)

var phaseTimeouts = [phaseCount]uint64{opening: openingTimeout, closing: closingTimeout, over: overTimeout}

// packet takes the TCP part of a packet: b are the captured bytes of n.
func (t *tcpTable) packet(p *packet, b []byte, n int) verdict {
	if len(b) < tcpHeader {
		return cutShort
	}
	header := int(b[12]>>4) * 4
	if header < tcpHeader || header > n {
		return cutShort
	}
	g := segment{
		time: p.time, bytes: b[min(header, len(b)):], n: uint32(n - header), flags: b[13],
		seq: binary.BigEndian.Uint32(b[4:]), ack: binary.BigEndian.Uint32(b[8:]),
	}
	if g.has(flagSYN) { // data on it (Fast Open) begins behind it
		g.seq++
	}
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	k := connKey{p.src, p.dst, src, dst}
	if before(&p.dst, &p.src, dst, src) {
		k = connKey{p.dst, p.src, dst, src}
	}
	c := t.conns[k]
	if c != nil {
		g.dir = c.dirOf(p, src)
		if c.isAnother(&g) {
			t.end(c, c.last, ending{state: stateLastAck})
			t.remove(c)
			c = nil
		}
	}
	if c == nil {
		if c = t.add(k, p, &g, src, dst); c == nil {
			t.strays++
			return taken
		}
		g.dir = c.dirOf(p, src)
	}
	c.packet(&g)
	return taken
}

// add makes the entry of a connection that begins, or is joined in the middle. A RST alone makes none.
func (t *tcpTable) add(k connKey, p *packet, g *segment, src, dst uint16) *tcpConn {
	if g.has(flagRST) && g.n == 0 {
		return nil
	}
	for len(t.conns) >= t.limit {
		t.evict()
	}
	t.socks++
	c := &tcpConn{t: t, key: k, sock: t.socks, first: p.time, phase: open}
	fromServer := g.has(flagSYN) && g.has(flagACK) || !g.has(flagSYN) && looksLikeServer(src, dst)
	c.tuple = event.Tuple{Local: p.src, Remote: p.dst, LocalPort: src, RemotePort: dst}
	if fromServer {
		c.tuple = event.Tuple{Local: p.dst, Remote: p.src, LocalPort: dst, RemotePort: src}
	}
	if t.conns == nil {
		t.conns = map[connKey]*tcpConn{}
	}
	t.conns[k] = c
	t.phases[c.phase].push(c)
	return c
}

// evict makes room: for what is over nobody waits, and what was silent for longest is the least loss.
func (t *tcpTable) evict() {
	for _, ph := range [...]phase{over, closing, opening, open} {
		if c := t.phases[ph].first(); c != nil {
			t.end(c, c.last, ending{flags: event.CloseOpen})
			t.remove(c)
			return
		}
	}
}

func (t *tcpTable) remove(c *tcpConn) {
	t.phases[c.phase].drop(c)
	if t.conns[c.key] == c {
		delete(t.conns, c.key)
	}
}

// move puts a connection into a phase, and at the end of its queue: it had a packet.
func (t *tcpTable) move(c *tcpConn, to phase) {
	t.phases[c.phase].drop(c)
	c.phase = to
	t.phases[to].push(c)
}

// tick ends what time has ended.
func (t *tcpTable) tick(now uint64) {
	for ph, timeout := range phaseTimeouts {
		for timeout > 0 {
			c := t.phases[ph].first()
			if c == nil || c.last+timeout > now {
				break
			}
			if c.phase == opening {
				t.end(c, c.last, ending{state: stateSynSent, err: errTimedOut})
			} else {
				t.end(c, c.last, ending{state: stateLastAck})
			}
			t.remove(c)
		}
	}
}

// finish tells what is known of connections that go on when the capture ends.
func (t *tcpTable) finish() {
	var left []*tcpConn
	for _, c := range t.conns {
		left = append(left, c)
	}
	slices.SortFunc(left, func(a, b *tcpConn) int { return cmp.Compare(a.sock, b.sock) })
	for _, c := range left {
		e := ending{flags: event.CloseOpen}
		if c.phase == closing {
			e = ending{state: stateLastAck}
		}
		t.end(c, c.last, e)
	}
}

// knownPorts are those from 1024 on that services of the protocols that sonde knows listen on by default.
var knownPorts = map[uint16]bool{
	1433: true, 1521: true, 1883: true, 2181: true, 2379: true, 3000: true, 3306: true, 4222: true, 4317: true, 4318: true,
	5000: true, 5060: true, 5432: true, 5672: true, 6379: true, 6443: true, 8000: true, 8080: true, 8443: true, 8883: true,
	8888: true, 9000: true, 9090: true, 9092: true, 9200: true, 10250: true, 11211: true, 27017: true, 50051: true,
	3389: true, 5353: true, 5355: true, 6380: true, 9042: true, 9093: true, 9094: true, 15672: true, 26379: true, 61616: true,
}

// Below wellKnown only services are found. From firstOfClients on systems choose ports for clients: Linux from 32768 on,
// most others from 49152 on (RFC 6335 6).
const (
	wellKnown      = 1024
	firstOfClients = 32768
)

// looksLikeServer guesses from ports alone whether the sender is the server. Parsers of protocols know better in the end.
func looksLikeServer(src, dst uint16) bool {
	return rank(src) < rank(dst)
}

// rank is the lower the more likely a service listens on the port.
func rank(port uint16) int {
	switch {
	case port < wellKnown:
		return 0
	case knownPorts[port]:
		return 1
	case port < firstOfClients:
		return 2
	}
	return 3
}

// queue is a list of connections in the order of their last packets.
type queue struct{ head, tail *tcpConn }

func (q *queue) first() *tcpConn { return q.head }

func (q *queue) push(c *tcpConn) {
	c.prev, c.next = q.tail, nil
	if q.tail != nil {
		q.tail.next = c
	} else {
		q.head = c
	}
	q.tail = c
}

func (q *queue) drop(c *tcpConn) {
	if c.prev != nil {
		c.prev.next = c.next
	} else {
		q.head = c.next
	}
	if c.next != nil {
		c.next.prev = c.prev
	} else {
		q.tail = c.prev
	}
	c.prev, c.next = nil, nil
}
