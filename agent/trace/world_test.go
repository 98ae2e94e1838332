// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/trace"
)

// style is how a simulated service does its work.
type style uint8

const (
	threads    style = iota // one for each request, from a pool
	loop                    // one thread for all requests
	fan                     // a thread for each call, started for it
	executor                // calls are made by a pool of threads, which serving threads start
	migrating               // work goes on in whatever thread is free
	loops                   // several threads, each for its connections: a call goes out where its connection belongs
	goroutines              // one for each connection; calls by itself, a write loop or a goroutine started for it
	goPool                  // calls are made by a pool of goroutines, which serving ones start
	styles
)

var styleNames = [styles]string{"threads", "loop", "fan", "executor", "migrating", "loops", "goroutines", "goroutine pool"}

// world is services that call each other, with the truth about who calls for whom.
type world struct {
	rng     *rand.Rand
	tracer  *trace.Tracer
	now     time.Duration
	procs   []*service
	active  []*work
	waiting []*query
	conns   uint64

	truth  map[model.SpanID]string // who a span is
	parent map[string]string       // of the requests that were finished
	real   map[string]string
	style  map[string]style
	trace  map[string]model.TraceID
}

// service is a process.
type service struct {
	pid     uint32
	style   style
	next    uint32
	idle    []model.Actor // pool that serves
	workers []model.Actor // pool that calls
	pool    []*socket     // idle connections to others
}

// socket is a connection of a pool, with an id for each end.
type socket struct {
	client, server uint64
	port           uint16
	seq            uint32
	to             *service // nil: a database
	writer         model.Actor
}

// work is a request that is being served.
type work struct {
	name   string
	at     *service
	on     *socket
	req    *model.Request
	actor  model.Actor
	helper model.Actor // started for it
	read   bool
	calls  int
	depth  int
	waits  bool
	caller *pending
}

// pending is a call that waits for its answer.
type pending struct {
	name   string
	by     *work
	on     *socket
	req    *model.Request
	worker *model.Actor
}

type query struct{ pending }

func newWorld(seed uint64, c trace.Config) *world {
	w := &world{
		rng: rand.New(rand.NewPCG(seed, 1)), tracer: trace.New(c), truth: map[model.SpanID]string{}, parent: map[string]string{},
		real: map[string]string{}, style: map[string]style{}, trace: map[string]model.TraceID{},
	}
	for i := range 2 * int(styles) {
		w.procs = append(w.procs, &service{pid: uint32(100 + i), style: style(i) % styles, next: 1})
	}
	return w
}

func (w *world) tick() { w.now += time.Duration(1+w.rng.IntN(20)) * time.Microsecond }

func (w *world) connect(to *service) *socket {
	w.conns += 2
	return &socket{client: w.conns, server: w.conns + 1, port: uint16(w.conns / 2), to: to, seq: w.rng.Uint32()}
}

func (k *socket) addrs() (client, server netip.AddrPort) {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 1}), k.port), netip.MustParseAddrPort("10.0.0.2:80")
}

func (p *service) thread() model.Actor {
	p.next++
	return model.Actor{PID: p.pid, TID: p.next, Started: time.Duration(p.next)}
}

func (p *service) goroutine(parent uint64, function byte) model.Actor {
	p.next++
	return model.Actor{PID: p.pid, TID: 1, Goroutine: uint64(p.next), ParentGoroutine: parent, StartPC: uint64(function)}
}

func (w *world) use(kind model.UseKind, conn uint64, a model.Actor) {
	w.tick()
	w.tracer.Use(&model.Use{Kind: kind, Conn: conn, Time: w.now, Actor: a})
}

// begin makes one end of a request known.
func (w *world) begin(name string, role model.Role, k *socket, at *service, truth string) *model.Request {
	w.tick()
	r := &model.Request{Role: role, Start: w.now, Conn: k.client}
	if role == model.RoleServer {
		r.Conn = k.server
	}
	r.Client.Addr, r.Server.Addr = k.addrs()
	switch {
	case role == model.RoleClient && k.port%4 == 1: // it calls an address that is no host's
		r.Server.Addr = netip.MustParseAddrPort("10.96.0.1:8080")
	case role == model.RoleServer && k.port%4 == 2: // the caller is behind another address
		r.Client.Addr = netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 9}), k.port)
	}
	r.Local().Process = &model.Process{PID: at.pid}
	r.Begun = w.tracer.Begin(&model.Started{
		Conn: r.Conn, Role: role, Client: r.Client.Addr, Server: r.Server.Addr, Process: r.Local().Process, Seq: k.seq, Start: r.Start,
	})
	w.real[name], w.style[name] = truth, at.style
	return r
}

func (w *world) finish(name string, r *model.Request) {
	w.tick()
	r.End = w.now
	w.tracer.Finish(r)
	if other := w.truth[r.Span.SpanID]; other != "" {
		panic(name + " has the identifier of " + other)
	}
	w.truth[r.Span.SpanID] = name
	w.parent[name] = r.Span.Parent.String()
	w.trace[name] = r.Span.TraceID
}

// arrive lets a request come to a service.
func (w *world) arrive(at *service, k *socket, caller *pending, depth int) {
	name, truth := fmt.Sprintf("s%d", len(w.real)), ""
	if caller != nil {
		truth = caller.name
	}
	x := &work{name: name, at: at, on: k, calls: w.rng.IntN(4), depth: depth, caller: caller}
	x.req = w.begin(name, model.RoleServer, k, at, truth)
	w.active = append(w.active, x)
}

// accept has an actor read the request, if there is one free.
func (w *world) accept(x *work) {
	p := x.at
	switch p.style {
	case goroutines, goPool:
		x.actor = model.Actor{PID: p.pid, TID: 1, Goroutine: 1<<32 | x.on.server, ParentGoroutine: 1, StartPC: 1}
	case loop:
		x.actor = model.Actor{PID: p.pid, TID: 1}
	case migrating:
		x.actor = model.Actor{PID: p.pid, TID: 1 + w.rng.Uint32N(4)}
	case loops:
		x.actor = model.Actor{PID: p.pid, TID: 1 + uint32(x.on.server/2%8)}
	default:
		if n := len(p.idle); n > 0 {
			x.actor, p.idle = p.idle[n-1], p.idle[:n-1]
		} else if p.next < 250 {
			x.actor = p.thread()
		} else {
			return
		}
	}
	x.read = true
	w.use(model.UseRead, x.on.server, x.actor)
}

// call has a request call another service, or a database.
func (w *world) call(x *work) {
	p := x.at
	x.calls--
	var k *socket
	if n := len(p.pool); n > 0 && w.rng.IntN(4) > 0 {
		i := w.rng.IntN(n)
		k, p.pool = p.pool[i], append(p.pool[:i:i], p.pool[i+1:]...)
	} else {
		var to *service
		if w.rng.IntN(3) > 0 {
			to = w.procs[w.rng.IntN(len(w.procs))]
		}
		k = w.connect(to)
		k.writer = p.goroutine(uint64(p.next), 'w')
	}
	if k.to != nil && x.depth >= 4 {
		p.pool = append(p.pool, k)
		return
	}
	k.seq += 100
	c := pending{name: fmt.Sprintf("c%d", len(w.real)), by: x, on: k}
	w.send(x, &c)
	x.waits = true
	if k.to == nil {
		w.tick()
		c.req = &model.Request{Role: model.RoleClient, Start: w.now, Conn: k.client}
		c.req.Client.Addr, c.req.Server.Addr = k.addrs()
		c.req.Client.Process = &model.Process{PID: p.pid}
		w.real[c.name], w.style[c.name] = x.name, p.style
		w.waiting = append(w.waiting, &query{c})
		return
	}
	c.req = w.begin(c.name, model.RoleClient, k, p, x.name)
	w.arrive(k.to, k, &c, x.depth+1)
}

// send tells who sends a call.
func (w *world) send(x *work, c *pending) {
	p, by := x.at, x.actor
	switch p.style {
	case migrating:
		by = model.Actor{PID: p.pid, TID: 1 + w.rng.Uint32N(4)}
	case loops:
		by = model.Actor{PID: p.pid, TID: 1 + uint32(c.on.client/2%8)}
	case fan:
		by = p.thread()
		by.Started, by.Creator = w.now, x.actor.TID
	case goroutines:
		switch n := w.rng.IntN(3); {
		case n == 0 && c.on.to != nil: // drivers of databases write in the goroutine that asks
			w.use(model.UseCall, c.on.client, by)
			by = c.on.writer
		case n == 1 && x.helper.PID != 0 && w.rng.IntN(2) == 0:
			by = x.helper
		case n == 1:
			by = p.goroutine(x.actor.Goroutine, 'f')
			x.helper = by
		}
	case executor, goPool:
		if n := len(p.workers); n > 0 {
			i := w.rng.IntN(n)
			by, p.workers = p.workers[i], append(p.workers[:i:i], p.workers[i+1:]...)
		} else if p.style == executor {
			by = p.thread()
			by.Started, by.Creator = w.now, x.actor.TID
		} else {
			by = p.goroutine(x.actor.Goroutine, 'p')
		}
		c.worker = &by
	}
	w.use(model.UseSend, c.on.client, by)
}

// answered ends a call.
func (w *world) answered(c *pending) {
	w.finish(c.name, c.req)
	p := c.by.at
	if c.worker != nil {
		p.workers = append(p.workers, *c.worker)
	}
	p.pool = append(p.pool, c.on)
	c.by.waits = false
}

// answer ends a request.
func (w *world) answer(i int) {
	x := w.active[i]
	w.active = append(w.active[:i], w.active[i+1:]...)
	by := x.actor
	if x.at.style == migrating {
		by = model.Actor{PID: x.at.pid, TID: 1 + w.rng.Uint32N(4)}
	}
	w.use(model.UseSend, x.on.server, by)
	w.tick()
	x.req.ResponseStart = w.now
	w.finish(x.name, x.req)
	if x.at.style <= executor && x.at.style != loop {
		x.at.idle = append(x.at.idle, x.actor)
	}
	if x.caller != nil {
		w.answered(x.caller)
	} else {
		w.tracer.Ended(x.on.server)
	}
}

// step lets something happen; requests from outside come while there are fewer than concurrent.
func (w *world) step(concurrent int, more bool) bool {
	if more && len(w.active) < concurrent && w.rng.IntN(3) == 0 {
		w.arrive(w.procs[w.rng.IntN(len(w.procs))], w.connect(nil), nil, 0)
		return true
	}
	if n := len(w.waiting); n > 0 && w.rng.IntN(3) == 0 {
		i := w.rng.IntN(n)
		q := w.waiting[i]
		w.waiting = append(w.waiting[:i], w.waiting[i+1:]...)
		w.answered(&q.pending)
		return true
	}
	if len(w.active) == 0 {
		return more || len(w.waiting) > 0
	}
	i := w.rng.IntN(len(w.active))
	switch x := w.active[i]; {
	case !x.read:
		w.accept(x)
	case x.waits:
	case x.calls > 0:
		w.call(x)
	default:
		w.answer(i)
	}
	return true
}

// tally holds what was found against the truth.
func (w *world) tally(t *testing.T, edges, found *[styles]int) {
	who := map[string]string{}
	for id, name := range w.truth {
		who[id.String()] = name
	}
	for name, truth := range w.real {
		span, done := w.parent[name]
		if !done {
			t.Fatalf("%s was not finished", name)
		}
		s := w.style[name]
		if name[0] == 'c' {
			edges[s]++
		}
		if span == (model.SpanID{}).String() {
			if name[0] == 's' && truth != "" {
				t.Errorf("%s has no parent, want %s: both ends were seen", name, truth)
			}
			continue
		}
		if got := who[span]; got != truth {
			t.Errorf("%s of a service with %s has parent %q, want %q", name, styleNames[s], got, truth)
			continue
		}
		if w.trace[name] != w.trace[truth] {
			t.Errorf("%s is in another trace than its parent %s", name, truth)
		}
		if name[0] == 'c' {
			found[s]++
		}
	}
}

func TestNoParentIsWrong(t *testing.T) {
	var edges, found [styles]int
	for seed := range uint64(200) {
		steps, concurrent := 4000, 200
		switch {
		case seed%50 == 0:
			steps, concurrent = 40_000, 1+int(seed)
		case seed%4 == 0:
			concurrent = 1 + int(seed)/2
		}
		w := newWorld(seed, trace.Default())
		for n := 0; w.step(concurrent, n < steps); n++ {
		}
		w.tally(t, &edges, &found)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if share := float64(found[threads]) / float64(edges[threads]); share < 0.6 {
		t.Errorf("%.2f of the calls of threads have a parent", share)
	}
	for s := range styles {
		t.Logf("%-15s %6d calls, %5.1f %% with a parent", styleNames[s], edges[s], 100*float64(found[s])/float64(edges[s]))
	}
}
