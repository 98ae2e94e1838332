// SPDX-License-Identifier: Apache-2.0

// Package detect finds out which protocol a connection speaks, from its bytes and on any port, and then stands aside.
//
// A Conn is a parser like any other: until the protocol is known it keeps what passed, within limits, and asks each
// protocol about the first bytes of each turn; the first that claims them gets a parser, to which everything is played
// again. A parser that finds that the bytes are not its protocol's gives way to the next. Who else could not tell is
// nobody's: the connection stays a flow. Called by agent/conn for each connection, and by parsers (protocol.Env.Open) for
// what follows an upgrade. An Engine and its Conns are not safe for concurrent use.
package detect

import (
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// Limits of what is kept of a connection whose protocol is not known yet.
const (
	MaxProbe = 512     // bytes of a turn that protocols are asked about
	MaxKept  = 8 << 10 // bytes played again to the next candidate
	maxCalls = 128     // calls kept; further bytes are told together with the last ones, at their time
	MaxTurns = 6       // turns in a row that look like nothing known after which nothing is kept; the kernel copies no longer either
)

// Engine makes parsers. There is one for each tracker.
type Engine struct {
	specs []protocol.Spec
	env   *protocol.Env
	new   []func(protocol.Start) protocol.Parser
	free  []*Conn

	marks protocol.Marks // nil unless what passes is recorded
	doubt *Conn          // whose parser, which may be the wrong one, is being called; nil while a settled one is

	// Resyncs counts directions that were found out of step, by protocol.
	Resyncs map[model.Protocol]uint64
}

// New makes an engine for the protocols given. emit gets every finished request; what it points to is valid during the call.
// marks is nil unless what passes is recorded.
func New(specs []protocol.Spec, emit protocol.Emit, marks protocol.Marks) *Engine {
	e := &Engine{specs: specs, marks: marks, Resyncs: map[model.Protocol]uint64{}}
	env := &protocol.Env{Emit: emit, Open: e.open, Resync: func(p model.Protocol) { e.Resyncs[p]++ }}
	if marks != nil {
		env.Marks = marker{e}
	}
	e.env = env
	for _, s := range specs {
		e.new = append(e.new, s.Setup(env))
	}
	return e
}

// Wire says that what passes comes from a capture; see protocol.Env. To be called before any connection is made.
func (e *Engine) Wire() { e.env.Wire = true }

// Trace has parsers tell of requests that begin; see protocol.Env.Begin. To be called before any connection is made.
func (e *Engine) Trace(begin func(protocol.Begin) uint64) { e.env.Begin = begin }

// open implements protocol.Env.Open.
func (e *Engine) open(name string, s protocol.Start) protocol.Parser {
	if name == "" {
		c := e.Conn(model.TransportTCP, s.Joined)
		c.passed = s.Base
		return c
	}
	for i := range e.specs {
		if e.specs[i].Transport == model.TransportTCP && called(&e.specs[i], name) {
			return e.new[i](s)
		}
	}
	return nil
}

// called tells whether Env.Open knows a protocol by name.
func called(s *protocol.Spec, name string) bool {
	if s.Names == nil {
		return s.Protocol.String() == name
	}
	return slices.Contains(s.Names, name)
}

// Conn returns a parser for a connection, which will find out the protocol. joined says that bytes have passed before.
func (e *Engine) Conn(t model.Transport, joined bool) *Conn {
	c := &Conn{}
	if n := len(e.free); n > 0 {
		c, e.free = e.free[n-1], e.free[:n-1]
	}
	c.engine, c.transport, c.joined = e, t, joined
	return c
}

// call is something that a Conn was told before its protocol was known.
type call struct {
	dir  protocol.Dir
	kind callKind
	from int // of the bytes in Conn.kept
	n    uint64
	time time.Duration
}

type callKind uint8

const (
	callFeed callKind = iota
	callSkip
	callEOF
)

// Conn follows one connection. It implements protocol.Parser.
type Conn struct {
	engine    *Engine
	transport model.Transport
	joined    bool

	parser   protocol.Parser // nil while nothing claims the bytes
	spec     int             // of the parser, an index of engine.specs
	doubted  bool            // nobody was certain: who is certain of a later turn takes its place
	settled  bool            // the parser is the one: nothing is kept
	confirms bool            // it said so itself

	passed [2]uint64 // bytes of each direction, fed and skipped

	behind    bool   // a PROXY header has passed, or there is none
	header    []byte // what may become one
	headerDir protocol.Dir
	headerAt  time.Duration

	started bool
	dir     protocol.Dir // of the last call
	first   []byte       // of the turn, as far as protocols are asked about it
	asking  bool         // the turn is still too short to tell
	ended   bool         // no more of the turns that were kept will come
	refused uint64       // bit per spec whose parser said FitNo
	unknown int          // turns in a row that nothing claimed, or that a parser did not call its own

	marks []mark // what the parser said of the bytes so far, while it may be the wrong one

	calls  []call
	given  int // of calls, from which on the parser was told
	kept   []byte
	turnAt int // of calls, with which the turn began
}

// Protocol returns the protocol once it is known beyond doubt, else ProtocolUnknown.
func (c *Conn) Protocol() model.Protocol {
	if c.parser == nil || !c.confirms {
		return model.ProtocolUnknown
	}
	return c.engine.specs[c.spec].Protocol
}

// Feed implements protocol.Parser.
func (c *Conn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if !c.behind {
		p = c.proxied(d, p, t)
	}
	for len(p) > 0 {
		if !c.settled {
			c.turn(d)
			c.makeRoom()
		}
		if c.settled { // nearly always
			c.passed[d] += uint64(len(p))
			c.parser.Feed(d, p, t)
			if !c.confirms {
				c.confirm(d)
			}
			return
		}
		n := len(p)
		if c.transport == model.TransportTCP { // where it is cut must not matter
			n = min(n, MaxKept-len(c.kept))
		}
		c.look(d, p[:n], t)
		p = p[n:]
	}
}

// look takes bytes of a connection whose protocol is not known.
func (c *Conn) look(d protocol.Dir, p []byte, t time.Duration) {
	c.passed[d] += uint64(len(p))
	c.keep(call{dir: d, kind: callFeed, time: t}, p)
	switch {
	case c.parser != nil:
		of := c.parser
		before := c.doubt()
		c.parser.Feed(d, p, t)
		c.engine.doubt = before
		if c.check() == of {
			c.rival(p)
		}
	case c.asking:
		c.first = append(c.first, p[:min(len(p), MaxProbe-len(c.first))]...)
		if c.ask(false) == unclaimed {
			c.nothing()
		}
	default:
		c.pass()
	}
}

// Skip implements protocol.Parser.
func (c *Conn) Skip(d protocol.Dir, n uint64, t time.Duration) {
	if !c.behind {
		c.lookAtHeld()
	}
	if !c.settled {
		c.turn(d)
		c.makeRoom()
	}
	c.passed[d] += n
	if c.settled {
		c.parser.Skip(d, n, t)
		if !c.confirms {
			c.confirm(d)
		}
		return
	}
	c.keep(call{dir: d, kind: callSkip, n: n, time: t}, nil)
	if c.parser != nil {
		before := c.doubt()
		c.parser.Skip(d, n, t)
		c.engine.doubt = before
		c.check()
		return
	}
	c.endTurn()
	c.asking = false // what comes behind a gap is not the beginning of anything
	if c.parser == nil {
		c.pass()
	}
}

// pass lets bytes go by that belong to no known protocol.
func (c *Conn) pass() {
	if c.unknown > MaxTurns {
		c.forget()
	}
}

// EOF implements protocol.Parser.
func (c *Conn) EOF(d protocol.Dir, t time.Duration) {
	c.lookAtHeld()
	if c.parser != nil {
		before := c.doubt()
		c.parser.EOF(d, t)
		c.engine.doubt = before
	}
	if c.makeRoom(); !c.settled {
		c.keep(call{dir: d, kind: callEOF, time: t}, nil)
	}
}

// Close implements protocol.Parser.
func (c *Conn) Close(e protocol.Close) {
	c.lookAtHeld()
	c.endTurn()
	c.ended = true // for parsers that give way now
	if c.parser != nil {
		before := c.doubt()
		c.parser.Close(e)
		c.engine.doubt = before
		if c.settled || c.parser.Fit() == protocol.FitYes {
			c.hide(min(c.given, len(c.calls)))
			c.believe()
			return
		}
	}
	c.hide(len(c.calls))
}

// Pending implements protocol.Parser.
func (c *Conn) Pending() int {
	if c.parser == nil {
		return 0
	}
	return c.parser.Pending()
}

// Fit implements protocol.Parser. A connection of no known protocol is no reason to try another parser than this.
func (c *Conn) Fit() protocol.Fit { return protocol.FitYes }

// Release implements protocol.Parser.
func (c *Conn) Release() {
	c.drop()
	if len(c.engine.free) < 1024 {
		e := c.engine
		*c = Conn{first: c.first[:0], calls: c.calls[:0], kept: c.kept[:0], marks: c.marks[:0]}
		e.free = append(e.free, c)
	}
}

// Abandon is called when records of this connection were lost: what waits for an answer is reported as it stands, because
// which of the bytes to come answer it can no longer be told. A protocol that is known stays known.
func (c *Conn) Abandon(at time.Duration) {
	c.forget()
	c.joined, c.started, c.asking, c.refused, c.first = true, false, false, 0, c.first[:0]
	if c.parser == nil {
		return
	}
	c.parser.Close(protocol.Close{Time: at, Reason: "lost"})
	c.drop()
	if c.settled {
		c.parser = c.engine.new[c.spec](protocol.Start{Joined: true, Base: c.passed})
	}
}

func (c *Conn) drop() {
	if c.parser != nil {
		c.parser.Release()
		c.parser, c.marks = nil, c.marks[:0]
	}
}

// turn notices that the other side speaks.
func (c *Conn) turn(d protocol.Dir) {
	if c.started && c.dir == d && c.transport == model.TransportTCP {
		return
	}
	c.endTurn()
	c.started, c.dir = true, d
	c.first, c.asking, c.turnAt = c.first[:0], c.parser == nil || c.doubted, len(c.calls)
}

// endTurn asks about a turn that stayed too short to tell.
func (c *Conn) endTurn() {
	if c.parser != nil || !c.asking || len(c.first) == 0 {
		return
	}
	c.ended = true
	if c.ask(true) == unclaimed {
		c.nothing()
	}
	c.ended = false
}

// makeRoom sees to it that the next call can be kept, or gives the connection to the parser that has it.
func (c *Conn) makeRoom() {
	switch {
	case c.settled || !c.full():
	case c.parser != nil:
		c.settle()
	default:
		c.forgetBefore(c.turnAt)
		if !c.asking && c.full() {
			c.forget()
		}
	}
}

func (c *Conn) full() bool { return len(c.kept) >= MaxKept || len(c.calls) >= 2*maxCalls }

// keep notes a call for the case that another parser has to be tried.
func (c *Conn) keep(k call, p []byte) {
	k.from, k.n = len(c.kept), max(uint64(len(p)), k.n)
	c.kept = append(c.kept, p...)
	if n := len(c.calls); n >= maxCalls && n > c.turnAt && k.kind == callFeed && c.transport == model.TransportTCP {
		if last := &c.calls[n-1]; last.kind == callFeed && last.dir == k.dir {
			last.n += k.n
			return
		}
	}
	c.calls = append(c.calls, k)
}

// forget drops what was kept: what is to come is joined in the middle.
func (c *Conn) forget() { c.forgetBefore(len(c.calls)) }

// forgetBefore drops the first calls.
func (c *Conn) forgetBefore(n int) {
	if n == 0 {
		return
	}
	c.hide(n)
	c.joined = true
	from := len(c.kept)
	if n < len(c.calls) {
		from = c.calls[n].from
	}
	c.kept = append(c.kept[:0], c.kept[from:]...)
	c.calls = append(c.calls[:0], c.calls[n:]...)
	for i := range c.calls {
		c.calls[i].from -= from
	}
	c.turnAt = max(0, c.turnAt-n)
}

// verdict is what came of asking about a turn.
type verdict uint8

const (
	unclaimed verdict = iota
	undecided         // more of the turn will tell
	tried             // a parser was opened; it may have given way to others since
)

// ask looks for a protocol that claims the turn, and tries it. last says that no more of the turn will come.
func (c *Conn) ask(last bool) verdict {
	switch spec, guess := c.claim(); {
	case guess == protocol.GuessNo:
		return unclaimed
	case guess != protocol.GuessMaybe || last || len(c.first) >= MaxProbe:
		c.try(spec, guess)
		return tried
	}
	return undecided
}

// claim returns the first protocol that is certain of the turn, else the first that may be meant.
func (c *Conn) claim() (spec int, guess protocol.Guess) {
	for i := range c.engine.specs {
		s := &c.engine.specs[i]
		if s.Transport != c.transport || c.refused&(1<<i) != 0 {
			continue
		}
		switch g := s.Probe(c.first); {
		case g == protocol.GuessResponse && s.ClientFirst && c.turnAt == 0 && !c.joined:
		case g == protocol.GuessRequest || g == protocol.GuessResponse:
			return i, g
		case g == protocol.GuessMaybe && guess == protocol.GuessNo:
			spec, guess = i, g
		}
	}
	return spec, guess
}

// rival lets who is certain of a turn take the place of a parser that nobody was certain of and that proved nothing since.
func (c *Conn) rival(p []byte) {
	if !c.doubted || !c.asking || c.settled {
		return
	}
	c.first = append(c.first, p[:min(len(p), MaxProbe-len(c.first))]...)
	spec, guess := c.claim()
	switch {
	case guess == protocol.GuessNo, len(c.first) >= MaxProbe, spec == c.spec && guess != protocol.GuessMaybe:
		c.asking = false
	}
	if guess != protocol.GuessNo && guess != protocol.GuessMaybe && spec != c.spec {
		c.drop()
		c.try(spec, guess)
	}
}

// again asks about the turns that were kept, from the first on, after a parser gave way.
func (c *Conn) again() {
	for at := 0; at < len(c.calls); {
		end, gap := c.turnOf(at)
		if len(c.first) > 0 {
			switch c.ask(c.ended || gap || end < len(c.calls)) {
			case tried:
				return
			case undecided:
				c.asking = true
				return
			}
		}
		at = end
	}
	c.nothing()
}

// turnOf goes back to the turn that begins with a call. It returns the call behind the turn, and whether bytes are missing
// in it.
func (c *Conn) turnOf(at int) (end int, gap bool) {
	c.turnAt, c.first = at, c.first[:0]
	for end = at; end < len(c.calls); end++ {
		k := &c.calls[end]
		if k.kind == callEOF {
			continue
		}
		if k.dir != c.calls[at].dir || end > at && c.transport == model.TransportUDP {
			break
		}
		gap = gap || k.kind == callSkip
		if !gap {
			c.first = append(c.first, c.kept[k.from:k.from+min(int(k.n), MaxProbe-len(c.first))]...)
		}
	}
	return end, gap
}

// nothing is called when no protocol claims a turn.
func (c *Conn) nothing() {
	c.asking, c.refused = false, 0
	c.unknown++
	c.pass()
}

// hide tells a recording that the first n calls, which nobody claimed, are private. Zeros are claimed by nobody either.
func (c *Conn) hide(n int) {
	m := c.engine.env.Marks
	if m == nil || c.transport != model.TransportTCP {
		return
	}
	at := c.passed
	for _, k := range c.calls {
		at[k.dir] -= k.n
	}
	for _, k := range c.calls[:n] {
		if k.kind == callFeed {
			m.Hide(k.dir, at[k.dir], at[k.dir]+k.n, protocol.FillZero)
		}
		at[k.dir] += k.n
		m.Settle(k.dir, at[k.dir])
	}
}

// try opens a parser and plays to it what was kept: from this turn on to one that takes it for a request; else all of it,
// because the turn before, which nobody claimed, may have been the question.
func (c *Conn) try(spec int, guess protocol.Guess) {
	calls := c.calls
	if guess == protocol.GuessRequest {
		calls = calls[c.turnAt:]
	}
	c.given = len(c.calls) - len(calls)
	c.asking, c.spec, c.doubted = false, spec, guess == protocol.GuessMaybe
	start := protocol.Start{Joined: c.joined || len(calls) < len(c.calls), Base: c.passed}
	for _, k := range calls {
		start.Base[k.dir] -= k.n
	}
	c.parser = c.engine.new[spec](start)
	before := c.doubt()
	for _, k := range calls {
		switch k.kind {
		case callFeed:
			c.parser.Feed(k.dir, c.kept[k.from:k.from+int(k.n)], k.time)
		case callSkip:
			c.parser.Skip(k.dir, k.n, k.time)
		case callEOF:
			c.parser.EOF(k.dir, k.time)
		}
		if c.parser.Fit() == protocol.FitNo {
			break
		}
	}
	c.engine.doubt = before
	c.check()
}

// check asks the parser whether it was meant, and returns the one that has the connection then.
func (c *Conn) check() protocol.Parser {
	switch c.parser.Fit() {
	case protocol.FitYes:
		c.confirms, c.unknown = true, 0
		c.settle()
	case protocol.FitNo:
		c.drop()
		if c.settled { // what it was shown is not kept any more
			c.unsettle()
			return nil
		}
		c.refused |= 1 << c.spec
		c.again()
	}
	return c.parser
}

// settle gives the connection to the parser.
func (c *Conn) settle() {
	c.hide(min(c.given, len(c.calls)))
	c.believe()
	c.settled, c.unknown, c.kept, c.calls, c.first = true, 0, nil, nil, nil
}

// confirm asks a parser that has the connection because too much passed to keep it. One that never says yes does not have it
// for long.
func (c *Conn) confirm(d protocol.Dir) {
	if d != c.dir {
		c.dir = d
		c.unknown++
	}
	switch fit := c.parser.Fit(); {
	case fit == protocol.FitYes:
		c.confirms, c.unknown = true, 0
	case fit == protocol.FitNo, c.unknown > MaxTurns:
		c.drop()
		c.unsettle()
	}
}

// unsettle goes back to looking for the protocol, from the next turn on.
func (c *Conn) unsettle() {
	c.settled, c.joined, c.asking, c.refused, c.turnAt = false, true, false, 0, 0
}
