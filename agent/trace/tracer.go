// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"time"

	"sonde/agent/model"
)

// Extractor reads trace context from the fields of a request or message. agent/trace/propagation has one.
type Extractor interface {
	Extract(fields []model.Field) (model.SpanContext, bool)
}

// Sampler decides at the head which spans are exported. agent/trace/sampling has the samplers of OpenTelemetry.
type Sampler interface {
	// Sample is asked once for each span. parent is the context that the trace came to this node with, nil for a trace that
	// began here; so all spans of a trace have one answer. Both are valid during the call.
	Sample(span, parent *model.SpanContext) bool
	// Denies tells whether it is parent that says not to sample. parent may be nil.
	Denies(parent *model.SpanContext) bool
}

// Config bounds a Tracer and says how it judges.
type Config struct {
	MaxRequests  int // open ones, and ended ones that are remembered
	MaxEnded     int // of them ended
	MaxConns     int // with open requests or uses
	MaxActors    int // threads and goroutines
	MaxProcesses int

	Keep   time.Duration // how long an ended request is remembered: what it caused may be known later
	MaxAge time.Duration // after which an open request is given up
	Idle   time.Duration // after which an actor that used nothing is forgotten

	// Proof is the number of times that threads, or a function that goroutines run, must have behaved before they are
	// evidence while several requests are served at a time. See family.
	Proof int

	Extractor Extractor // nil: no header counts
	Sampler   Sampler   // nil: every span is sampled

	// PoolStart tells whether a function, by its address in a process, is known to work for many requests (the write loop of
	// a connection). nil: nothing is known.
	PoolStart func(pid uint32, startPC uint64) bool
	// Silenced tells whether a process exports its own spans; nil: none does. It is asked once for each span.
	Silenced func(p *model.Process) bool
}

// Default returns the bounds that sonde runs with. Reached all at once they hold 45 MB, most of it for the open requests and
// the connections.
func Default() Config {
	return Config{
		MaxRequests: 32768, MaxEnded: 8192, MaxConns: 65536, MaxActors: 16384, MaxProcesses: 4096,
		Keep: 2 * time.Second, MaxAge: time.Hour, Idle: 5 * time.Minute, Proof: 8,
	}
}

// Stats counts what a Tracer found, and what it had no room for.
type Stats struct {
	Begun      uint64
	Finished   uint64
	ByEvidence [model.EvidenceCount]uint64 // of finished requests; EvidenceNone: roots
	Ambiguous  uint64                      // requests without a parent because several could be
	Unproven   uint64                      // because threads or functions have not shown yet that they stay with a request
	Shared     uint64                      // because they were seen to work for several
	Late       uint64                      // causes that became known when the trace was already told
	Expired    uint64                      // open requests given up for their age
	Full       uint64                      // requests, connections, actors or processes that found no room
	Open       int
	Actors     int
}

type spanKey struct {
	trace model.TraceID
	span  model.SpanID
}

type traceKey struct {
	pid   uint32
	trace model.TraceID
}

// Tracer gives requests their place in traces. Use New.
type Tracer struct {
	config Config
	stats  Stats
	now    time.Duration // of the last call that told a time

	requests []*request
	free     []*request
	open     list
	done     list
	ended    int                    // in done
	ends     [2]map[endKey]*request // client and server requests whose other end was not seen
	traces   map[traceKey]list
	adopters map[spanKey]*request
	late     request // for those that are not kept

	conns     map[uint64]*connection
	spareConn []*connection
	actors    map[actorKey]*actor
	byUse     actorList
	spare     []*actor
	processes map[uint32]*process

	span, parent model.SpanContext // for Sampler
}

// New makes a tracer.
func New(c Config) *Tracer {
	return &Tracer{
		config: c, ends: [2]map[endKey]*request{{}, {}}, traces: map[traceKey]list{}, adopters: map[spanKey]*request{},
		conns: map[uint64]*connection{}, actors: map[actorKey]*actor{}, processes: map[uint32]*process{},
	}
}

// Stats returns the counts so far.
func (t *Tracer) Stats() Stats {
	s := t.stats
	s.Actors = len(t.actors)
	return s
}

// endOf is the index in Tracer.ends of requests seen at the end of role.
func endOf(role model.Role) int {
	if role == model.RoleServer {
		return 1
	}
	return 0
}

// Begin tells that the head of a request was read. It returns what model.Request.Begun must say when the request is finished,
// 0 when there was no room. s is not kept.
func (t *Tracer) Begin(s *model.Started) uint64 {
	t.now = max(t.now, s.Start)
	c := t.connection(s.Conn)
	if c == nil {
		return 0
	}
	r := t.take()
	if r == nil {
		return 0
	}
	t.stats.Begun++
	t.stats.Open++
	c.name(s)
	r.role, r.stream, r.start, r.netns = s.Role, s.Stream, s.Start, s.NetNS
	r.client, r.server, r.port, r.ends = s.Client.Addr(), s.Server.Addr(), s.Server.Port(), keyOfEnd(s)
	r.tuple, r.pushed = c.tuple, s.Pushed
	wire := wireOf(c.tuple, s.Seq, s.Stream)
	if s.Pushed { // the directions count for themselves
		wire = mix(wire, mixA)
	}
	r.hash = hashOf(wire, s.Start, s.Role)
	r.id = spanID(r.hash)
	if s.Process != nil {
		r.pid = s.Process.PID
	}
	t.open.push(r, inOrder)
	r.conn = c
	c.open.push(r, onConn)
	t.extract(r, s.Fields)
	switch {
	case s.Role != model.RoleServer && s.Role != model.RoleClient:
		t.passWire(r)
	case s.Pushed || s.Late:
		t.beginAside(r, c)
	case s.Role == model.RoleServer:
		t.beginServer(r, c)
	default:
		t.beginClient(r, c)
	}
	return r.token()
}

// extract takes the context that a request carries.
func (t *Tracer) extract(r *request, fields []model.Field) {
	if len(fields) > 0 && t.config.Extractor != nil {
		r.context, r.carries = t.config.Extractor.Extract(fields)
		r.carries = r.carries && r.context.Valid()
	}
}

func (t *Tracer) beginServer(r *request, c *connection) {
	if r.carries && r.pid != 0 {
		t.indexTrace(r)
	}
	t.meet(r)
	if r.pid != 0 {
		t.unread(r)
	}
	switch reader := c.reader.get(); {
	case reader == nil:
	case c.readAt >= r.start: // the head came in pieces, of which the first was read
		t.serve(r, reader, c.readAt)
	case r.stream != 0 || r.links[onConn].prev != nil: // readers that go on are not told of again
		t.serve(r, reader, r.start)
	}
}

func (t *Tracer) beginClient(r *request, c *connection) {
	sender, known := c.sender(r.stream, r.start)
	if r.pid == 0 && sender != nil {
		r.pid = sender.key.pid
	}
	if r.carries {
		t.passOut(r)
	}
	t.meet(r)
	if known {
		t.decide(r, sender)
	}
}

// beginAside takes a request that nothing is a consequence of. It is told of for its other end, and for its sender where that
// is the client.
func (t *Tracer) beginAside(r *request, c *connection) {
	r.decided = true
	if r.role == model.RoleServer || r.pushed {
		t.meet(r)
		return
	}
	sender, _ := c.writer(r.start)
	if r.pid == 0 && sender != nil {
		r.pid = sender.key.pid
	}
	if r.carries {
		t.passOut(r)
	}
	t.meet(r)
	t.decide(r, sender)
}

// maxChain bounds the requests that wait for each other's trace.
const maxChain = 64

// link makes parent the parent of r, unless that would close a circle.
func (t *Tracer) link(r, parent *request, e model.Evidence) bool {
	if r.sealed {
		t.stats.Late++
		return false
	}
	n := 0
	for a := parent; a != nil && !a.sealed; a = a.parent.get() {
		if n++; a == r || n > maxChain {
			return false
		}
	}
	r.parent, r.parentID, r.evidence, r.remote = parent.ref(), parent.id, e, false
	return true
}

// Ended tells that a connection has ended and that no request of it will be finished any more.
func (t *Tracer) Ended(conn uint64) {
	c := t.conns[conn]
	if c == nil {
		return
	}
	for c.open.first != nil {
		t.close(c.open.first, t.now)
	}
	t.release(c)
}

// close ends a request that is open.
func (t *Tracer) close(r *request, at time.Duration) {
	r.finished, r.end = true, max(at, r.start)
	t.wasRead(r)
	if r.live {
		t.leave(r, r.end)
	}
	r.conn.open.remove(r, onConn)
	r.conn = nil
	t.open.remove(r, inOrder)
	t.stats.Open--
	t.remember(r)
}

// remember keeps a request that has ended.
func (t *Tracer) remember(r *request) {
	t.done.push(r, inOrder)
	if t.ended++; t.ended > t.config.MaxEnded {
		t.forgetEnded(t.done.first)
	}
}

func (t *Tracer) forgetEnded(r *request) {
	t.ended--
	t.drop(r, &t.done)
}

// Tick forgets what is too old to matter. now is time since boot.
func (t *Tracer) Tick(now time.Duration) {
	t.now = max(t.now, now)
	for r := t.done.first; r != nil && t.now-r.end > t.config.Keep; r = t.done.first {
		t.forgetEnded(r)
	}
	for r := t.open.first; r != nil && t.now-r.start > t.config.MaxAge; r = t.open.first {
		t.stats.Expired++
		t.stats.Open--
		r.end = t.now
		t.drop(r, &t.open)
	}
	for a := t.byUse.first; a != nil && t.now-a.last > t.config.Idle; a = t.byUse.first {
		t.forget(a)
	}
}
