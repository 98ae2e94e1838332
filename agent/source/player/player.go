// SPDX-License-Identifier: Apache-2.0

// Package player plays a file in time: paused, slower or faster than it was recorded, from any position.
//
// It stands between a source and its receiver and lets ticks through when their moment has come. It does not know what
// passes, nor what is made of it: going back means that its owner makes everything anew and reads the file from the beginning.
// So what there is at a position does not depend on how it was reached. Called by cmd/sonde.
package player

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"sonde/agent/source"
)

// ErrOnce says that a source cannot be read again: what has passed is gone.
var ErrOnce = errors.New("this can be read once only, there is no way back")

// Pass reads a file from its beginning until it ends or ctx is done: it makes anew what the records go to, and runs the source
// that it opens through around. Its error is of the file; what came before it has been delivered.
type Pass func(ctx context.Context, around func(source.Source) source.Source) error

// Config is what to play, and how to begin.
type Config struct {
	// Pass is called from Run's goroutine, again for each way back.
	Pass Pass
	// Scan delivers the whole file to a receiver that looks at ticks alone, on a goroutine of its own, so that the end is known
	// before it is reached. nil: it is not possible, or not worth it.
	Scan func(ctx context.Context, to source.Receiver) error
	// Moment is told where the playing is between two ticks of the source, so that time goes on while nothing happens. Two ways
	// to a position come by different moments, so it is for what is shown, not for what decides. It is called from the goroutine
	// of the receiver, or, with Once, while the source waits for more: then the next tick may be before it. May be nil.
	Moment func(now time.Duration)
	// Once says that the source cannot be read again: a pipe. While it has nothing to read, time goes on all the same.
	Once bool

	Paused bool
	Speed  float64 // 0: as fast as possible
	// From says where to begin, once it is known where the file does. nil: there.
	From func(start time.Duration) time.Duration
}

// Default plays as fast as things happened.
func Default() Config { return Config{Speed: 1} }

// Validate reports what makes no sense.
func (c Config) Validate() error {
	if c.Pass == nil {
		return errors.New("player: nothing to play")
	}
	return validSpeed(c.Speed)
}

// MaxSpeed is the fastest speed but for 0.
const MaxSpeed = 100_000

func validSpeed(factor float64) error {
	if math.IsNaN(factor) || factor < 0 || factor > MaxSpeed || factor > 0 && factor < 1.0/MaxSpeed {
		return fmt.Errorf("speed %v: want a factor up to %d, or 0 for as fast as possible", factor, MaxSpeed)
	}
	return nil
}

// Status is where the playing is. Times are those of the source.
type Status struct {
	Paused   bool
	Ended    bool // there is no more; a seek back plays again
	Seeking  bool
	Speed    float64
	Start    time.Duration // of the first tick
	Position time.Duration
	End      time.Duration // of the last tick, 0 while it is not known
	Err      error         // why it ended early
}

// Player plays. Its methods are safe for concurrent use, and take effect at once.
type Player struct {
	config Config

	mu     sync.Mutex
	asked  chan struct{} // closed, and another put in its place, when somebody asks for something
	pass   *pass         // under way, nil when there is none
	again  bool          // another pass is wanted
	state  Status        // Position: the latest that the receiver was told
	known  bool          // Start is
	begun  bool          // the pass has come to its first tick
	target time.Duration // while Seeking
	from   bool          // the target is what config.From will say

	clock   time.Duration // the position at the time since
	since   time.Time
	waiting bool          // for the moment of next
	next    time.Duration // tick
}

// pass is one reading of the file.
type pass struct {
	cancel context.CancelFunc
	cut    atomic.Bool   // nothing of it is wanted any more
	events atomic.Uint64 // grows with each record and tick; odd while a tick is dealt with
}

// New makes a player of a valid configuration.
func New(c Config) *Player {
	p := &Player{config: c, asked: make(chan struct{})}
	p.state.Paused, p.state.Speed = c.Paused, c.Speed
	p.from = c.From != nil
	p.state.Seeking = p.from
	return p
}

// Run plays until ctx is done: at the end of the file it waits for a seek. It returns when the reading has ended; a source that
// waits for others holds it up.
func (p *Player) Run(ctx context.Context) error {
	var scan sync.WaitGroup
	if p.config.Scan != nil {
		scan.Go(func() { p.scan(ctx) })
	}
	for p.wanted(ctx) {
		p.play(ctx)
	}
	scan.Wait()
	return ctx.Err()
}

// wanted waits until a pass is to begin. The first is.
func (p *Player) wanted(ctx context.Context) bool {
	for ctx.Err() == nil {
		p.mu.Lock()
		wanted, asked := p.again || !p.state.Ended, p.asked
		p.mu.Unlock()
		if wanted {
			return true
		}
		select {
		case <-asked:
		case <-ctx.Done():
		}
	}
	return false
}

func (p *Player) play(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	one := &pass{cancel: cancel}
	p.mu.Lock()
	p.pass, p.again, p.begun = one, false, false // from here on a seek cuts this pass
	p.state.Ended, p.state.Err = false, nil
	p.mu.Unlock()
	err := p.config.Pass(ctx, func(s source.Source) source.Source { return gated{s, p, one} })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pass, p.waiting = nil, false
	if p.again || ctx.Err() != nil {
		return
	}
	p.state.Ended, p.state.Seeking, p.state.Err = true, false, err
	p.state.End = p.state.Position
}

// scan learns the first and the last tick of the file.
func (p *Player) scan(ctx context.Context) {
	ticks := &scanned{}
	_ = p.config.Scan(ctx, ticks) // a pass tells of damage when it comes to it
	if ctx.Err() != nil || !ticks.any {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known {
		p.known, p.state.Start, p.state.Position = true, ticks.first, ticks.first
	}
	p.state.End = ticks.last
}

// scanned is a receiver that looks at the clock alone.
type scanned struct {
	any         bool
	first, last time.Duration
}

func (s *scanned) Record(source.Record) {}

func (s *scanned) Tick(now time.Duration) {
	if now <= 0 {
		return
	}
	if !s.any {
		s.any, s.first = true, now
	}
	s.last = max(s.last, now)
}

// Pause holds the position, or goes on from it. A seek goes on to its target in any case.
func (p *Player) Pause(paused bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	p.state.Paused = paused
	p.wake()
}

// Speed sets how much time of the source passes in a moment; 0 is as much as possible.
func (p *Player) Speed(factor float64) error {
	if err := validSpeed(factor); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	p.state.Speed = factor
	p.wake()
	return nil
}

// Seek goes to a position as fast as possible: forward from where it is, back from the beginning. A position before the first
// tick is that of the first tick, one after the last is the end. It fails with ErrOnce when there is no way back.
func (p *Player) Seek(to time.Duration) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.settle()
	if p.known {
		to = max(to, p.state.Start)
	}
	switch back := to < p.state.Position; {
	case back && p.config.Once:
		return ErrOnce
	case back:
		p.again = true
		if p.pass != nil {
			p.pass.cut.Store(true)
			p.pass.cancel()
		}
		p.state.Position = p.state.Start
	case p.state.Ended && !p.again:
		return nil
	}
	p.target, p.from, p.state.Seeking = to, false, true
	p.wake()
	return nil
}

// Status tells where the playing is.
func (p *Player) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	s.Position = p.position(time.Now())
	return s
}

// position is where the clock stands, which runs while a tick is waited for.
func (p *Player) position(now time.Time) time.Duration {
	if !p.waiting || p.state.Paused || p.state.Seeking {
		return p.state.Position
	}
	return max(p.state.Position, min(p.at(now), p.next-1))
}

// at is where the clock would be if nothing held it up.
func (p *Player) at(now time.Time) time.Duration {
	passed := float64(now.Sub(p.since)) * p.state.Speed
	if passed >= math.MaxInt64-float64(p.clock) {
		return math.MaxInt64
	}
	return p.clock + time.Duration(passed)
}

// settle makes the clock go on from where it is, whatever is changed next.
func (p *Player) settle() {
	now := time.Now()
	p.state.Position = p.position(now)
	p.set(p.state.Position, now)
}

func (p *Player) set(position time.Duration, now time.Time) { p.clock, p.since = position, now }

func (p *Player) wake() {
	close(p.asked)
	p.asked = make(chan struct{})
}
