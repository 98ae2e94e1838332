// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"time"

	"sonde/agent/model"
)

// actorKey names a thread, or a goroutine where there are any: there threads mean nothing.
type actorKey struct {
	pid, tid  uint32
	goroutine uint64
}

// actor is a thread or goroutine that used a socket.
type actor struct {
	key    actorKey
	gen    uint32
	proc   *process
	parent actorKey // that started it; zero when not known
	start  time.Duration
	pc     uint64

	first, last time.Duration // uses
	reads       uint64        // connection that it read last
	live        list          // requests that it serves
	recent      [4]stint
	stints      int
	blind       time.Duration // before this, not all that it served is remembered

	served   bool
	worked   bool // for the request of the actor that started it
	workedAs model.SpanID
	again    bool // and more than once

	prev, next *actor // by last use
}

// stint is the time that an actor served a request that has ended.
type stint struct {
	of        ref
	vague     bool
	alone     bool // no other was served in the process meanwhile
	from, end time.Duration
}

// actorRef is an actor that may have been forgotten since.
type actorRef struct {
	a   *actor
	gen uint32
}

func (a *actor) ref() actorRef {
	if a == nil {
		return actorRef{}
	}
	return actorRef{a, a.gen}
}

func (f actorRef) get() *actor {
	if f.a == nil || f.a.gen != f.gen {
		return nil
	}
	return f.a
}

// process is what the actors of a process have in common.
type process struct {
	pid        uint32
	actors     int
	goroutines bool
	unjudged   bool // it may have goroutines; until that is known its threads prove nothing

	unread  int // open requests that nobody was seen to read
	serving int // actors that have served

	live  int           // requests that are being served
	alone time.Duration // since when not more than one has been

	answers   family // threads, as those that answer what they read
	started   family // threads, as those that work for whoever started them
	functions map[uint64]*family
}

// family is a set of actors that behave alike, and whether they are evidence.
//
// Where a process serves one request at a time, the actor that is at it works for it. Where there are several, threads are
// evidence only if they stay with a request, which asynchronous runtimes do not see to: a thread that read a request answers
// it, or the process moves work between threads. In the same way an actor that was started by one that was serving may be the
// first of a pool, and work for another request next: then it is used after its request, or for another one. Either shows
// soon, so a family is evidence once it has behaved Config.Proof times and never otherwise. The first that an actor sends which
// was started meanwhile is for whoever started it in a pool as well: for what follows it takes more proof, of members whose
// request has ended.
type family struct {
	good   int
	again  int // members that sent several times for a request that has ended since
	broken bool

	sends, strays int // calls of threads while they served, and signs that those may be for requests of others; see stray
}

// isAlone tells whether a live request has been the only one since its beginning.
func (p *process) isAlone(r *request) bool { return p.live == 1 && p.alone <= r.from }

// maxFunctions bounds the functions of a process that are told apart.
const maxFunctions = 256

// function returns the family of goroutines that run a function, nil when there are too many.
func (p *process) function(pc uint64) *family {
	if f := p.functions[pc]; f != nil {
		return f
	}
	if len(p.functions) >= maxFunctions {
		return nil
	}
	if p.functions == nil {
		p.functions = map[uint64]*family{}
	}
	f := &family{}
	p.functions[pc] = f
	return f
}

// family returns what an actor belongs to that was started by a serving one. It is nil for goroutines whose function found no
// room.
func (a *actor) family() *family {
	if a.key.goroutine == 0 {
		return &a.proc.started
	}
	return a.proc.function(a.pc)
}

// actorList is in order of last use.
type actorList struct{ first, last *actor }

func (l *actorList) push(a *actor) {
	a.prev, a.next = l.last, nil
	if l.last != nil {
		l.last.next = a
	} else {
		l.first = a
	}
	l.last = a
}

func (l *actorList) remove(a *actor) {
	if a.prev != nil {
		a.prev.next = a.next
	} else {
		l.first = a.next
	}
	if a.next != nil {
		a.next.prev = a.prev
	} else {
		l.last = a.prev
	}
	a.prev, a.next = nil, nil
}

func keyOf(u *model.Actor) actorKey {
	if u.Goroutine != 0 {
		return actorKey{pid: u.PID, goroutine: u.Goroutine}
	}
	return actorKey{pid: u.PID, tid: u.TID}
}

// actor returns the state of whoever is told of, nil when it is not known or there is no room.
func (t *Tracer) actor(u *model.Actor, at time.Duration) *actor {
	k := keyOf(u)
	if k.tid == 0 && k.goroutine == 0 {
		return nil
	}
	if a := t.actors[k]; a != nil {
		if a.start == u.Started || k.goroutine != 0 {
			a.proc.unjudged = u.Unjudged
			if a.last = max(a.last, at); k.goroutine != 0 && u.ParentGoroutine == 0 {
				a.parent = actorKey{} // the source knows better what it works for
			}
			t.byUse.remove(a)
			t.byUse.push(a)
			return a
		}
		t.forget(a) // the number was used again
	}
	if len(t.actors) >= t.config.MaxActors {
		t.stats.Full++
		t.forget(t.byUse.first)
	}
	p := t.process(k.pid)
	if p == nil {
		return nil
	}
	var a *actor
	if n := len(t.spare); n > 0 {
		a, t.spare = t.spare[n-1], t.spare[:n-1]
	} else {
		a = &actor{}
	}
	p.unjudged = u.Unjudged
	*a = actor{key: k, gen: a.gen, proc: p, start: u.Started, pc: u.StartPC, first: at, last: at}
	switch {
	case k.goroutine != 0:
		p.goroutines = true
		if u.ParentGoroutine != 0 {
			a.parent = actorKey{pid: k.pid, goroutine: u.ParentGoroutine}
		}
	case u.Creator != 0:
		a.parent = actorKey{pid: k.pid, tid: u.Creator}
	}
	p.actors++
	t.actors[k] = a
	t.byUse.push(a)
	return a
}

func (t *Tracer) process(pid uint32) *process {
	if p := t.processes[pid]; p != nil {
		return p
	}
	if len(t.processes) >= t.config.MaxProcesses {
		t.stats.Full++
		return nil
	}
	p := &process{pid: pid}
	t.processes[pid] = p
	return p
}

// forgetProcess drops a process of which nothing is known any more.
func (t *Tracer) forgetProcess(p *process) {
	if p.actors == 0 && p.unread == 0 {
		delete(t.processes, p.pid)
	}
}

// unread counts a request against its process until somebody is seen to read it.
func (t *Tracer) unread(r *request) {
	if p := t.process(r.pid); p != nil {
		r.reads = p
		p.unread++
	}
}

func (t *Tracer) wasRead(r *request) {
	if p := r.reads; p != nil {
		r.reads = nil
		p.unread--
		t.forgetProcess(p)
	}
}

// forget drops an actor; what it serves has none from here on.
func (t *Tracer) forget(a *actor) {
	for a.live.first != nil {
		t.leave(a.live.first, t.now)
	}
	t.byUse.remove(a)
	delete(t.actors, a.key)
	a.proc.actors--
	t.forgetProcess(a.proc)
	if *a = (actor{gen: a.gen + 1}); len(t.spare) < maxSpare {
		t.spare = append(t.spare, a)
	}
}

// serve says that an actor works on a request from some time on.
func (t *Tracer) serve(r *request, a *actor, from time.Duration) {
	if r.live {
		t.leave(r, from)
	}
	t.wasRead(r)
	r.live, r.actor, r.proc, r.from = true, a, a.proc, from
	a.live.push(r, onActor)
	if r.pid == 0 {
		r.pid = a.key.pid
	}
	if r.carries && !r.indexed && r.pid != 0 {
		t.indexTrace(r)
	}
	p := a.proc
	if !a.served {
		a.served = true
		p.serving++
	}
	if p.live++; p.live == 1 {
		p.alone = from
	}
	if a.key.goroutine == 0 && p.serving > 1 && a.live.first != r {
		p.answers.strays++
	}
}

// leave says that the actor of a live request does not work on it any more.
func (t *Tracer) leave(r *request, at time.Duration) {
	a, p := r.actor, r.proc
	r.live, r.actor, r.proc = false, nil, nil
	a.live.remove(r, onActor)
	for _, h := range r.helpers {
		if h := h.get(); h != nil && h.family() != nil {
			h.family().again++
		}
	}
	r.helpers = [2]actorRef{}
	s := &a.recent[a.stints%len(a.recent)]
	if a.stints >= len(a.recent) {
		a.blind = max(a.blind, s.end)
	}
	*s = stint{r.ref(), r.vague, p.isAlone(r), r.from, at}
	a.stints++
	if p.live--; p.live == 1 {
		p.alone = max(p.alone, at)
	}
}

// serving returns what an actor worked on at a time, and how many requests that are: 2 stands for any more, or for not known.
func (a *actor) serving(at time.Duration) (found stint, n int) {
	if at < a.blind {
		return stint{}, 2
	}
	for r := a.live.last; r != nil; r = r.links[onActor].prev {
		if r.from > at {
			continue
		}
		if n++; n > 1 {
			return stint{}, n
		}
		found = stint{of: r.ref(), vague: r.vague, alone: a.proc.isAlone(r), from: r.from}
	}
	for i := range min(a.stints, len(a.recent)) {
		s := &a.recent[i]
		if s.from > at || s.end <= at {
			continue
		}
		if n++; n > 1 {
			return stint{}, n
		}
		found = *s
	}
	return found, n
}

// Use takes the news that a thread or goroutine used a socket. u is not kept.
func (t *Tracer) Use(u *model.Use) {
	t.now = max(t.now, u.Time)
	if u.Kind == model.UseServe {
		t.useServe(u)
		return
	}
	c := t.connection(u.Conn)
	if c == nil {
		return
	}
	a := t.actor(&u.Actor, u.Time)
	switch u.Kind {
	case model.UseRead:
		if a != nil {
			t.useRead(c, a, u.Time)
		}
	case model.UseSend:
		c.sent(a, u.Time, false)
	case model.UseSent:
		t.useSent(c, a, u.Time)
	case model.UseCall:
		if a != nil && !t.calledLate(c, a, u.Stream) {
			c.call(a, u.Stream)
		}
	}
}

// calledLate says who is behind a stream that has begun already. It was written by another goroutine, which is nobody's cause.
func (t *Tracer) calledLate(c *connection, a *actor, stream uint32) bool {
	if stream == 0 { // it may be the next request on the socket
		return false
	}
	for r := c.open.last; r != nil; r = r.links[onConn].prev {
		if r.role == model.RoleClient && r.stream == stream {
			t.decide(r, a)
			return true
		}
	}
	return false
}

// useRead gives the requests that nobody worked on yet to their reader.
func (t *Tracer) useRead(c *connection, a *actor, at time.Duration) {
	before := c.reader.get()
	var newest *request
	for r := c.open.first; r != nil; r = r.links[onConn].next {
		switch {
		case r.role != model.RoleServer:
		case r.live:
			newest = r
			c.crowded = c.crowded || r.stream != 0 && before != nil && before != a
		case r.proc == nil && !r.decided:
			r.decided, newest = true, nil
			r.vague = r.stream != 0 && c.crowded
			t.serve(r, a, at)
		}
	}
	c.reader, c.readAt, a.reads = a.ref(), at, c.id
	// Who reads on has it from here. But what a goroutine reads for the one that started it is for that one: net/http reads
	// one byte ahead while the last request is being served.
	if newest != nil && newest.stream == 0 && newest.actor != a && a.parent != newest.actor.key {
		t.serve(newest, a, at)
	}
}

// useServe gives a stream to the goroutine that its reader started for it.
func (t *Tracer) useServe(u *model.Use) {
	a := t.actor(&u.Actor, u.Time)
	c := t.conns[u.Conn]
	if reader := t.actors[actorKey{pid: u.Actor.PID, goroutine: u.Actor.ParentGoroutine}]; u.Conn == 0 && reader != nil {
		c = t.conns[reader.reads]
	}
	if a == nil || c == nil {
		return
	}
	for r := c.open.last; r != nil; r = r.links[onConn].prev {
		if r.role == model.RoleServer && r.stream == u.Stream {
			r.decided, r.vague = true, false
			t.serve(r, a, u.Time)
			return
		}
	}
}

// useSent names the sender of a request that has begun. Several at a time may be of several senders.
func (t *Tracer) useSent(c *connection, a *actor, at time.Duration) {
	c.sent(a, at, true)
	var waits *request
	for r := c.open.first; r != nil; r = r.links[onConn].next {
		if r.role != model.RoleClient || r.decided || r.start > at {
			continue
		}
		if waits != nil {
			waits.decided, r.decided = true, true
		}
		waits = r
	}
	if waits != nil && !waits.decided {
		t.decide(waits, a)
	}
}
