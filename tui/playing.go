// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"errors"
	"slices"
	"time"

	"sonde/agent/view"
	"sonde/tui/render"
)

// pause is the state of a live view that stands still.
type pause struct {
	wanted bool
	busy   bool // the world is being frozen
	frozen uint64
	since  time.Time
}

// togglePause keeps the living world as it is, or stops the playing of a file.
func (m *model) togglePause() {
	if m.player != nil {
		paused := m.play == nil || !m.play.Paused
		m.control("pause", func(p view.Player) error { return p.Pause(paused) })
		return
	}
	m.pause.wanted = !m.pause.wanted
	switch {
	case m.pause.busy: // what is wanted then is decided when that is done
	case m.pause.wanted:
		m.freeze()
	case m.pause.frozen != 0:
		m.thaw(m.pause.frozen)
		m.pause = pause{}
	}
}

func (m *model) freeze() {
	m.pause.busy = true
	m.later(queueControl, func(ctx context.Context, w view.World) func(*model) {
		frozen, err := w.Freeze(ctx)
		return func(m *model) { m.frozen(frozen, err) }
	})
}

func (m *model) frozen(frozen uint64, err error) {
	m.pause.busy = false
	switch {
	case err != nil:
		m.pause = pause{}
		m.say(render.Bad, "cannot pause: %v", err)
	case !m.pause.wanted: // the user went on meanwhile
		m.thaw(frozen)
		m.pause = pause{}
	default:
		m.pause.frozen, m.pause.since = frozen, m.worldTime()
	}
}

// thaw lets the frozen world go. It goes by itself if nobody asks for it, so a failure is none.
func (m *model) thaw(frozen uint64) {
	m.later(queueControl, func(ctx context.Context, w view.World) func(*model) {
		_ = w.Thaw(ctx, frozen)
		return nil
	})
}

// worldTime is now, by the clock of the world.
func (m *model) worldTime() time.Time {
	if s := m.place().snap; s != nil {
		return s.Time
	}
	return m.now()
}

// control does something to the player and asks anew.
func (m *model) control(what string, do func(view.Player) error) {
	player := m.player
	m.later(queueControl, func(context.Context, view.World) func(*model) {
		err := do(player)
		return func(m *model) {
			m.poke++
			switch {
			case errors.Is(err, view.ErrCannotNow):
				m.seekAt = time.Time{}
				m.say(render.Warn, "cannot %s: this file can be read only once, from its start to its end", what)
			case err != nil:
				m.seekAt = time.Time{}
				m.say(render.Bad, "cannot %s: %v", what, err)
			}
		}
	})
}

// sameSeek is the time within which seek keys add up, for positions are told only once in a refresh.
const sameSeek = 2 * time.Second

func (m *model) seekBy(seconds int) {
	if m.play == nil {
		return
	}
	from := m.play.Position
	if m.now().Sub(m.seekAt) < sameSeek {
		from = m.seek
	}
	m.seekTo(from.Add(time.Duration(seconds) * time.Second))
}

func (m *model) toStart() {
	if m.play != nil {
		m.seekTo(m.play.Start)
	}
}

func (m *model) seekTo(to time.Time) {
	if to.Before(m.play.Start) {
		to = m.play.Start
	}
	if !m.play.End.IsZero() && to.After(m.play.End) {
		to = m.play.End
	}
	m.seek, m.seekAt = to, m.now()
	m.control("go there", func(p view.Player) error { return p.Seek(to) })
}

// speeds are those that keys lead to; 0 is as fast as possible.
var speeds = []float64{0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 0}

func (m *model) changeSpeed(by int) {
	if m.play == nil {
		return
	}
	at := slices.IndexFunc(speeds, func(s float64) bool { return s == 0 || m.play.Speed > 0 && s >= m.play.Speed })
	if m.play.Speed == 0 {
		at = len(speeds) - 1
	}
	if by > 0 && speeds[at] > m.play.Speed && m.play.Speed > 0 { // a speed between two of ours: the next one is the step
		by = 0
	}
	factor := speeds[max(min(at+by, len(speeds)-1), 0)]
	played := *m.play
	played.Speed = factor // so that keys add up until the next answer
	m.play = &played
	m.control("change the speed", func(p view.Player) error { return p.Speed(factor) })
}
