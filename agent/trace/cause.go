// SPDX-License-Identifier: Apache-2.0

package trace

import (
	"time"

	"sonde/agent/model"
)

// decide finds the cause of a client's request that an actor sent, nil when the sender is not known.
func (t *Tracer) decide(r *request, a *actor) {
	r.decided = true
	if r.sealed {
		t.stats.Late++
		return
	}
	if a == nil {
		return
	}
	cause, e := t.cause(a, r.start)
	switch {
	case cause == nil || r.parent.get() != nil:
	case !r.carries:
		t.link(r, cause, e)
	case r.passed && cause.carries && cause.context.SpanID == r.context.SpanID:
		t.link(r, cause, model.EvidenceHeader)
	case !r.passed && t.knownTrace(cause) == r.context.TraceID:
		t.link(r, cause, e)
	}
}

// cause returns the request that an actor worked on at a time, nil when there is none or several may be.
func (t *Tracer) cause(a *actor, at time.Duration) (*request, model.Evidence) {
	switch p := a.proc; {
	case a.key.goroutine != 0:
	case p.goroutines:
		return nil, 0
	case p.unjudged:
		t.stats.Unproven++
		return nil, 0
	}
	s, n := a.serving(at)
	if n == 0 {
		a.stray()
		return t.ancestor(a, at)
	}
	r := s.of.get()
	switch {
	case n > 1 || s.vague:
		t.stats.Ambiguous++
	case r == nil:
	case a.key.goroutine != 0:
		return r, model.EvidenceGoroutine
	case a.proc.loop(): // what it has read may not have been told
		t.stats.Ambiguous++
	default:
		a.proc.answers.sends++
		if t.proven(&s, &a.proc.answers, a.proc.serving == 1) {
			return r, model.EvidenceThread
		}
	}
	return nil, 0
}

// loop tells whether a single thread serves all requests, and some that came are not known to be read: their records may be
// lost, and then it serves several.
func (p *process) loop() bool { return p.serving == 1 && p.unread > 0 }

// stray counts what a serving thread sends while it serves nothing. With several requests that are served by one of several
// threads, that is how event loops look to which a call goes because its connection belongs to them, whoever makes it; then
// what they send while they serve one request may be for another as well. A single loop that sends while nothing is served
// works for requests that it has answered, or for itself, and may do so while it serves one. Threads that stay with their
// requests do so when they have something left to do after their answer.
func (a *actor) stray() {
	if a.served && a.key.goroutine == 0 && (a.proc.live > 0 || a.proc.serving == 1) {
		a.proc.answers.strays++
	}
}

// fewStrays is the share of such signs, one for so many calls, beyond which threads are no evidence.
const fewStrays = 16

// ancestor returns the request that an actor was started for.
func (t *Tracer) ancestor(a *actor, at time.Duration) (*request, model.Evidence) {
	parent := t.actors[a.parent]
	if parent == nil || a.parent == (actorKey{}) || a.served {
		return nil, 0
	}
	e, begun := model.EvidenceParentThread, a.start
	if a.key.goroutine != 0 {
		if t.config.PoolStart != nil && t.config.PoolStart(a.key.pid, a.pc) {
			return nil, 0
		}
		e, begun = model.EvidenceParentGoroutine, at
	}
	f := a.family()
	if f == nil {
		return nil, 0
	}
	s, n := parent.serving(begun)
	r := s.of.get()
	switch {
	case n > 1 || s.vague:
		t.stats.Ambiguous++
	case n == 1 && a.key.goroutine != 0 && a.first < s.from, // it is older than what would have started it
		n == 1 && s.end != 0 && s.end <= at,                    // it goes on after that
		n == 1 && a.worked && (r == nil || a.workedAs != r.id), // it has worked for another
		n == 0 && a.worked:
		f.broken = true
		t.stats.Shared++
	case n == 1 && r != nil:
		if a.worked {
			r.help(a)
		} else {
			a.worked, a.workedAs = true, r.id
			f.good++
		}
		switch {
		case !t.proven(&s, f, false):
		case a.again && !s.alone && f.again < moreProof*t.config.Proof:
			t.stats.Unproven++
		default:
			return r, e
		}
	}
	return nil, 0
}

// moreProof is how many times as much proof it takes for what an actor sends after its first.
const moreProof = 4

// help notes that an actor sends for r again.
func (r *request) help(a *actor) {
	if a.again {
		return
	}
	a.again = true
	for i := range r.helpers {
		if r.live && r.helpers[i].a == nil {
			r.helpers[i] = a.ref()
			return
		}
	}
}

// proven tells whether members of a family are evidence for a request. loop says that a single thread serves all of a process.
func (t *Tracer) proven(s *stint, f *family, loop bool) bool {
	strays := f.strays*fewStrays > f.sends
	switch {
	case s.alone && !(strays && loop):
		return true
	case f.broken || strays:
		t.stats.Shared++
	case f.good >= t.config.Proof:
		return true
	default:
		t.stats.Unproven++
	}
	return false
}

// judge learns from a request that was answered at a time whether threads stay with their requests.
func (t *Tracer) judge(r *request, answered time.Duration) {
	if !r.live || r.actor.key.goroutine != 0 || answered == 0 || r.conn == nil {
		return
	}
	switch a, known := r.conn.writer(answered); {
	case a == nil || !known:
	case a != r.actor:
		r.proc.answers.broken = true
	case r.proc.live > 1:
		r.proc.answers.good++
	}
}
