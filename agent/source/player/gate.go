// SPDX-License-Identifier: Apache-2.0

package player

import (
	"context"
	"time"

	"sonde/agent/source"
)

// momentInterval is the longest time between two moments while a tick is waited for.
const momentInterval = 100 * time.Millisecond

// maxLag is how far the playing may fall behind before the clock is set back: a machine that is too slow for a speed plays at
// its own, instead of owing more and more.
const maxLag = 250 * time.Millisecond

// gated is a source whose ticks come when their moment has come.
type gated struct {
	source.Source
	player *Player
	pass   *pass
}

// Run implements source.Source.
func (g gated) Run(ctx context.Context, to source.Receiver) error {
	if g.player.config.Once {
		ctx, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			g.player.goOn(ctx, g.pass)
			close(ended)
		}()
		defer func() { cancel(); <-ended }()
	}
	return g.Source.Run(ctx, &gate{to, g.player, g.pass, ctx})
}

// gate is what the source delivers to. Records pass at once: those of a recording stand before the tick that waits, and are
// older than that by a quarter of a second at most.
type gate struct {
	to     source.Receiver
	player *Player
	pass   *pass
	ctx    context.Context
}

// Record implements source.Receiver.
func (g *gate) Record(r source.Record) {
	if g.pass.cut.Load() {
		return
	}
	g.pass.events.Add(2)
	g.to.Record(r)
}

// Tick implements source.Receiver.
func (g *gate) Tick(now time.Duration) {
	g.pass.events.Add(1)
	defer g.pass.events.Add(1)
	if now > 0 && !g.player.await(g.ctx, now) { // 0: of a file without anything in it
		return
	}
	g.to.Tick(now)
}

// await returns when the moment of next has come, or false when it never will.
func (p *Player) await(ctx context.Context, next time.Duration) bool {
	told := time.Duration(-1)
	for {
		p.mu.Lock()
		if ctx.Err() != nil { // a seek ends the pass under this lock
			p.mu.Unlock()
			return false
		}
		wait := p.step(next, time.Now())
		now, asked := p.state.Position, p.asked
		p.mu.Unlock()
		if wait == 0 {
			return true
		}
		if now != told && p.config.Moment != nil {
			p.config.Moment(now)
			told = now
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-asked:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// step says how long to wait before looking again, 0 when next may pass.
func (p *Player) step(next time.Duration, now time.Time) (wait time.Duration) {
	p.waiting, p.next = true, next
	if !p.begun {
		p.begin(next, now)
	}
	if p.state.Seeking {
		if next <= p.target {
			return p.letPass(next)
		}
		p.state.Seeking = false
		p.state.Position = max(p.state.Position, p.target)
		p.set(p.state.Position, now)
	}
	switch {
	case p.state.Paused:
		return time.Hour
	case p.state.Speed == 0:
		return p.letPass(next)
	}
	at := p.at(now)
	if at < next {
		p.state.Position = max(p.state.Position, at)
		return max(1, min(p.lasts(next-at), momentInterval))
	}
	if !p.config.Once && p.lasts(at-next) > maxLag {
		p.set(next, now)
	}
	return p.letPass(next)
}

// begin notes the first tick of a pass.
func (p *Player) begin(first time.Duration, now time.Time) {
	p.begun = true
	if !p.known {
		p.known, p.state.Start = true, first
	}
	p.state.Position = first
	p.set(first, now)
	if p.from {
		p.target, p.from = p.config.From(first), false
	}
}

// letPass notes that the receiver is told of next.
func (p *Player) letPass(next time.Duration) time.Duration {
	p.waiting = false
	p.state.Position = max(p.state.Position, next)
	return 0
}

// lasts is how long a span of the source takes to play.
func (p *Player) lasts(span time.Duration) time.Duration {
	return time.Duration(min(float64(span)/p.state.Speed, float64(time.Hour)))
}

// goOn lets time go on while a pipe has nothing to be read: what is captured at this moment is not to fall behind by the time
// that nothing happened, and windows are to slide.
func (p *Player) goOn(ctx context.Context, of *pass) {
	look := time.NewTicker(momentInterval)
	defer look.Stop()
	seen, silent := uint64(0), false
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
		n := of.events.Load()
		if n == seen && n%2 == 0 {
			if silent {
				p.silence()
			}
			silent = true
			continue
		}
		seen, silent = n, false
	}
}

// silence moves the position to where the clock is.
func (p *Player) silence() {
	p.mu.Lock()
	runs := p.begun && !p.state.Paused && !p.state.Seeking && p.state.Speed > 0
	if runs {
		p.state.Position = max(p.state.Position, p.at(time.Now()))
	}
	now := p.state.Position
	p.mu.Unlock()
	if runs && p.config.Moment != nil {
		p.config.Moment(now)
	}
}
