// SPDX-License-Identifier: Apache-2.0

// Package conn turns the kernel's records into connections, and the bytes of connections into requests and flows.
//
// It keeps one entry for each open socket, puts each direction in order (agent/stream), hands the bytes to the protocol's
// parser (agent/protocol) and completes what comes out with addresses, processes and the kernel's own counters. It is a
// pure function of the records and ticks that it is given: no clock, no file, no kernel. Called by agent/pipeline on one
// goroutine; not safe for concurrent use.
package conn

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/all"
	"sonde/agent/protocol/detect"
	"sonde/probes/event"
)

// Config bounds the tracker.
type Config struct {
	// MaxConns is the number of open connections that are followed. More are counted, not followed.
	MaxConns int
	// HoleTimeout is how long bytes wait for those before them on the network.
	HoleTimeout time.Duration
	// FlowInterval is the time between two reports of a flow that goes on.
	FlowInterval time.Duration
	// Evidence is what a connection must have shown before its flow is reported. The kernel's reports of opened and ended
	// connections know neither cgroup nor interface, so where the scope asks for these, something else must vouch.
	Evidence Evidence
	// Wire says that the records come from a capture, which has seen packets and no socket: every role is "wire".
	Wire bool
	// DatagramIdle is how long a query in a datagram waits for its answer, and how long a conversation of datagrams is
	// remembered.
	DatagramIdle time.Duration
	// Recorder is told which payload may be written to a recording; nil when nothing is recorded.
	Recorder Recorder `json:"-"`
	// Self is the PID of the agent, whose connections are not reported. The kernel side leaves their bytes alone as soon as
	// it can (probes.Set.Ignore); this covers those opened before.
	Self uint32
}

// Capture returns the configuration for capture files. There a hole that nobody acknowledged is one that the receiver waits
// at too, and TCP sends its bytes again after seconds at times; what is acknowledged and missing the source tells.
func Capture() Config {
	c := Default()
	c.Wire, c.HoleTimeout = true, time.Minute
	return c
}

// Evidence is what is known of a connection besides that it exists.
type Evidence uint8

// From none to payload, each includes those before it.
const (
	EvidenceNone    Evidence = iota
	EvidenceUse              // a process in scope used it
	EvidencePayload          // payload in scope passed
)

// Default returns the configuration that sonde runs with.
func Default() Config {
	return Config{MaxConns: 200_000, HoleTimeout: time.Second, FlowInterval: 10 * time.Second, DatagramIdle: 10 * time.Second}
}

// Output takes what the tracker finds. Pointers are valid during the call.
type Output interface {
	Request(r *model.Request)
	Flow(f *model.Flow, d model.FlowDelta)
	Lost(l *model.Loss)
	Drops(name string, packets uint64)
}

// Tracer is told of causes before their effects. agent/trace has one.
type Tracer interface {
	// Begin tells that the head of a request was read, and returns what its Request.Begun will say. s is valid during the call.
	Begin(s *model.Started) uint64
	// Use tells that a thread or goroutine used a connection. u is valid during the call.
	Use(u *model.Use)
	// Ended tells that no request of a connection will follow.
	Ended(conn uint64)
}

// Identify says who an actor is, from what the kernel knew of it when it used the socket. It never returns nil.
type Identify func(pid uint32, started time.Duration, comm string, cgroupID uint64) *model.Process

// Stats counts what the tracker did and could not do. Bytes are payload of TCP connections that carry a known protocol.
type Stats struct {
	Open           int    // connections followed now
	Opened         uint64 // connections that entered the table
	JoinedMid      uint64 // of them: older than the agent, or their beginning was lost
	Refused        uint64 // not followed because the table was full
	Undecodable    uint64 // records that made no sense
	Requests       uint64
	HolesGivenUp   uint64
	BytesSeen      [2]uint64                 // fed to or skipped by parsers, by protocol.Dir
	BytesAcked     [2]uint64                 // what the kernel says of the same connections when they end
	BytesAccounted [2]uint64                 // BytesSeen of connections that have ended
	Stale          uint64                    // connections whose end was missed and found out later
	Resyncs        map[model.Protocol]uint64 // times the parsers were out of step; not changed once published
	OpenBy         map[Holder]uint64         // open connections, counted anew every few seconds; not changed once published
}

// Holder is who holds a connection, and at which end.
type Holder struct {
	Service string
	Role    model.Role
}

// Tracker follows connections.
type Tracker struct {
	config   Config
	out      Output
	identify Identify
	engine   *detect.Engine
	current  *Conn                // whose bytes are being parsed
	talking  *talk                // the same of datagrams, nil otherwise
	tracer   Tracer               // nil when nobody traces
	started  model.Started        // for tracer
	used     model.Use            // the same
	untold   map[uint64]event.Use // of sockets that are not known yet

	conns   map[uint64]*Conn         // by address of the kernel's socket
	cookies map[uint64]*Conn         // by socket cookie, once a segment told it
	pairs   map[pair]*Conn           // by address pair, to find the other end on this machine
	listed  map[uint64]*event.Listed // sockets older than the agent, by cookie, until their first segment
	flows   map[event.FlowKey]*packetFlow
	actors  map[uint64]*model.Process // of UDP sockets, by address of the kernel's socket
	bound   map[binding]event.Listed  // UDP sockets older than the agent, until they are seen
	talks   map[talkKey]*talk         // conversations of datagrams
	waiting []event.Record            // datagrams of sockets of which the kernel has not told yet who uses them
	early   map[pair]event.Record     // data older than its socket
	nextID  uint64

	flowEnds   map[pair][]*packetFlow // of flows, made when drops come
	flowEndsAt time.Duration

	free   []*Conn
	picked []*Conn // of inOrder

	interfaceName func(index uint32) string
	lastSweep     time.Duration
	lastCensus    time.Duration
	stale         bool // ends of connections were lost: the next listing removes what is gone
	stats         Stats
}

// pair is a connection as one end sees it.
type pair struct{ local, remote netip.AddrPort }

// New makes a tracker. identify is asked once per actor and connection, interfaceName once per flow.
func New(c Config, identify Identify, interfaceName func(uint32) string, out Output) *Tracker {
	t := &Tracker{
		config: c, out: out, identify: identify, interfaceName: interfaceName,
		conns: map[uint64]*Conn{}, cookies: map[uint64]*Conn{}, pairs: map[pair]*Conn{}, listed: map[uint64]*event.Listed{},
		flows: map[event.FlowKey]*packetFlow{}, actors: map[uint64]*model.Process{}, early: map[pair]event.Record{},
		talks: map[talkKey]*talk{}, bound: map[binding]event.Listed{}, untold: map[uint64]event.Use{},
	}
	t.engine = detect.New(all.Specs(), t.emit, t.marks())
	if t.config.Wire {
		t.engine.Wire()
	}
	return t
}

// Trace has a tracer told of causes. To be called before the first record.
func (t *Tracker) Trace(to Tracer) {
	t.tracer = to
	t.engine.Trace(t.begin)
}

// Stats returns the counts so far.
func (t *Tracker) Stats() Stats {
	s := t.stats
	s.Open, s.Resyncs = len(t.conns), maps.Clone(t.engine.Resyncs)
	return s
}

// Record takes one record. Its memory is not kept.
func (t *Tracker) Record(r event.Record) {
	ok := false
	switch r.Kind() {
	case event.KindSegment:
		ok = t.segment(r)
	case event.KindDatagram:
		ok = t.datagram(r)
	case event.KindConnect:
		ok = t.connect(event.As[event.Actor](r))
	case event.KindEstablished:
		ok = t.established(event.As[event.Established](r))
	case event.KindActor:
		ok = t.actor(event.As[event.Actor](r))
	case event.KindClose:
		ok = t.closed(event.As[event.Close](r))
	case event.KindListed:
		ok = t.list(event.As[event.Listed](r))
	case event.KindFlow:
		ok = t.flow(event.As[event.Flow](r))
	case event.KindLost:
		ok = t.lost(event.As[event.Lost](r))
	case event.KindDrops:
		ok = t.drops(event.As[event.Drops](r))
	case event.KindFlowDrops:
		ok = t.flowDrops(event.As[event.FlowDrops](r))
	case event.KindUse:
		ok = t.use(event.As[event.Use](r))
	}
	if !ok {
		t.stats.Undecodable++
	}
}

func (t *Tracker) segment(r event.Record) bool {
	s := event.As[event.Segment](r)
	if s == nil {
		return false
	}
	head, tail, ok := event.Payload(r, s)
	if !ok || s.Dir > event.DirReceived {
		return false
	}
	if s.Hdr.Flags&event.SegmentListener != 0 {
		t.keepEarly(r, s)
		return true
	}
	c := t.conns[s.Hdr.Sock]
	if c == nil || !c.is(s) {
		if c = t.unannounced(c, s); c == nil {
			return true
		}
	}
	c.segment(s, head, tail)
	return true
}

// unannounced makes the entry of a socket whose beginning was not seen; old is another connection at the same address,
// whose end was lost.
func (t *Tracker) unannounced(old *Conn, s *event.Segment) *Conn {
	at := event.Time(&s.Hdr)
	if old != nil {
		t.stats.Stale++
		t.finish(old, at, ending{state: model.FlowClosed, reason: "connection_closed"})
	}
	c := t.open(s.Hdr.Sock, &s.Tuple, at)
	if c == nil {
		return nil
	}
	c.setCookie(s.Cookie)
	c.midStream = true
	t.stats.JoinedMid++
	if l := t.listed[s.Cookie]; l != nil {
		delete(t.listed, s.Cookie)
		t.join(c, l)
	}
	t.tellUse(s.Hdr.Sock, at)
	return c
}

// join adds to a connection what the listing at the start knew of its socket.
func (t *Tracker) join(c *Conn, l *event.Listed) {
	if l.Actor.PidTgid != 0 {
		t.setActor(c, &l.Actor)
	}
	c.listedAcked, c.listedReceived = l.BytesAcked, l.BytesReceived
}

// open adds a connection to the table, or returns nil and counts when it is full.
func (t *Tracker) open(sock uint64, tuple *event.Tuple, at time.Duration) *Conn {
	if len(t.conns) >= t.config.MaxConns {
		t.stats.Refused++
		return nil
	}
	c := t.fresh()
	t.nextID++
	t.stats.Opened++
	*c = Conn{t: t, id: t.nextID, sock: sock, opened: at, lastReport: at}
	c.setTuple(tuple)
	t.conns[sock] = c
	t.pairs[pair{c.local, c.remote}] = c
	return c
}

func (t *Tracker) fresh() *Conn {
	if n := len(t.free); n > 0 {
		c := t.free[n-1]
		t.free = t.free[:n-1]
		return c
	}
	return &Conn{}
}

func (t *Tracker) connect(e *event.Actor) bool {
	if e == nil {
		return false
	}
	at := event.Time(&e.Hdr)
	if old := t.conns[e.Hdr.Sock]; old != nil {
		t.stats.Stale++
		t.finish(old, at, ending{state: model.FlowClosed, reason: "connection_closed"})
	}
	if c := t.open(e.Hdr.Sock, &e.Tuple, at); c != nil {
		c.role = model.RoleClient
		if !t.config.Wire {
			t.setActor(c, &e.Actor)
		}
	}
	return true
}

func (t *Tracker) established(e *event.Established) bool {
	if e == nil {
		return false
	}
	at := event.Time(&e.Hdr)
	c := t.conns[e.Hdr.Sock]
	if c != nil && (c.established || e.Passive != 0) {
		t.stats.Stale++
		t.finish(c, at, ending{state: model.FlowClosed, reason: "connection_closed"})
		c = nil
	}
	if c == nil {
		if c = t.open(e.Hdr.Sock, &e.Tuple, at); c == nil {
			return true
		}
	}
	c.established = true
	t.repair(c, &e.Tuple)
	c.role = model.RoleClient
	if e.Passive != 0 {
		c.role = model.RoleServer
		t.takeEarly(c)
	}
	return true
}

// maxEarly bounds the records that wait for the socket that is being made from them.
const maxEarly = 256

// keepEarly keeps data that came with the packet that completes a handshake, before its socket exists.
func (t *Tracker) keepEarly(r event.Record, s *event.Segment) {
	if len(t.early) >= maxEarly {
		clear(t.early)
	}
	t.early[pair{event.LocalAddr(&s.Tuple), event.RemoteAddr(&s.Tuple)}] = event.Clone(r)
}

// takeEarly gives a new socket the data that it was made with.
func (t *Tracker) takeEarly(c *Conn) {
	p := pair{c.local, c.remote}
	r, ok := t.early[p]
	if !ok {
		return
	}
	delete(t.early, p)
	s := event.As[event.Segment](r)
	if head, tail, ok := event.Payload(r, s); ok {
		c.segment(s, head, tail)
	}
}

// repair sets the addresses that connect() did not know yet.
func (t *Tracker) repair(c *Conn, tuple *event.Tuple) {
	t.forget(c)
	c.setTuple(tuple)
	t.pairs[pair{c.local, c.remote}] = c
}

func (t *Tracker) forget(c *Conn) {
	if p := (pair{c.local, c.remote}); t.pairs[p] == c {
		delete(t.pairs, p)
	}
}

func (t *Tracker) actor(e *event.Actor) bool {
	if e == nil {
		return false
	}
	if c := t.conns[e.Hdr.Sock]; c != nil {
		t.setActor(c, &e.Actor)
		return true
	}
	delete(t.bound, binding{event.LocalAddr(&e.Tuple), e.Tuple.Netns})
	t.udpActor(e)
	return true
}

func (t *Tracker) setActor(c *Conn, who *event.Who) {
	c.evidence = max(c.evidence, EvidenceUse)
	c.self = t.config.Self != 0 && uint32(who.PidTgid>>32) == t.config.Self
	c.process = t.identify(uint32(who.PidTgid>>32), time.Duration(who.Start), event.Comm(who), who.CgroupId)
	c.tid = uint32(who.PidTgid)
}

func (t *Tracker) closed(e *event.Close) bool {
	if e == nil {
		return false
	}
	at := event.Time(&e.Hdr)
	c := t.conns[e.Hdr.Sock]
	if c == nil { // no payload since the agent started, or the table was full
		if c = t.open(e.Hdr.Sock, &e.Tuple, at); c == nil {
			return true
		}
		c.midStream = true
	}
	if e.SegsIn > 0 && e.Tuple.LocalPort != 0 {
		t.repair(c, &e.Tuple)
	}
	t.finish(c, at, endingOf(e))
	return true
}

// finish removes a connection from the table and reports what was open on it, and the flow.
func (t *Tracker) finish(c *Conn, at time.Duration, end ending) {
	t.current = c
	c.finish(at, end)
	if t.tracer != nil {
		t.tracer.Ended(c.id)
	}
	t.forget(c)
	if t.conns[c.sock] == c {
		delete(t.conns, c.sock)
	}
	if t.cookies[c.cookie] == c {
		delete(t.cookies, c.cookie)
	}
	if c.peer != nil && c.peer.peer == c {
		c.peer.peer, c.peer.peerProcess = nil, c.process
	}
	if len(t.free) < 4096 {
		t.free = append(t.free, c)
	}
}

// sweepInterval is the longest time between two looks at what time asks for.
const sweepInterval = time.Second

// Tick does what time asks for: gives up holes and reports flows that go on. now is time since boot.
func (t *Tracker) Tick(now time.Duration) {
	t.resumeAll(now - actorPatience)
	if now-t.lastSweep < min(t.config.HoleTimeout, sweepInterval) {
		return
	}
	t.lastSweep = now
	for _, c := range t.inOrder(func(c *Conn) bool { return c.due(now) }) {
		for d := range c.dirs {
			if c.holeDue(d, now) {
				c.giveUp(protocol.Dir(d))
			}
		}
		if now-c.lastReport >= t.config.FlowInterval {
			c.report(now)
		}
	}
	t.sweepFlows(now)
	t.sweepTalks(now)
	if now-t.lastCensus >= censusInterval {
		t.lastCensus = now
		t.census()
	}
}

// censusInterval is the time between two counts of open connections by service.
const censusInterval = 5 * time.Second

func (t *Tracker) census() {
	open := map[Holder]uint64{}
	for _, c := range t.conns {
		h := Holder{Role: c.role}
		if c.process != nil {
			h.Service = c.process.ServiceName
		}
		open[h]++
	}
	t.stats.OpenBy = open
}

// due tells whether time asks for something on this connection.
func (c *Conn) due(now time.Duration) bool {
	return now-c.lastReport >= c.t.config.FlowInterval || c.holeDue(0, now) || c.holeDue(1, now)
}

func (c *Conn) holeDue(d int, now time.Duration) bool {
	since, waits := c.dirs[d].stream.Waiting()
	return waits && now-since > c.t.config.HoleTimeout
}

// inOrder returns the connections that want what is asked, oldest first: a map has another order each time, and the same
// records must give the same output. The result is valid until the next call.
func (t *Tracker) inOrder(wanted func(*Conn) bool) []*Conn {
	t.picked = t.picked[:0]
	for _, c := range t.conns {
		if wanted(c) {
			t.picked = append(t.picked, c)
		}
	}
	slices.SortFunc(t.picked, func(a, b *Conn) int { return cmp.Compare(a.id, b.id) })
	return t.picked
}

// Stop reports everything that is still open as cut off by the end of the observation.
func (t *Tracker) Stop(now time.Duration) {
	reason := "agent_stopped"
	if t.config.Wire {
		reason = "capture_ended"
	}
	for _, c := range t.inOrder(func(*Conn) bool { return true }) {
		t.finish(c, now, ending{state: model.FlowActive, reason: reason})
	}
	t.resumeAll(now)
	t.endTalks(func(*talk) bool { return true }, now, reason)
}
