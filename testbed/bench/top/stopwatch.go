// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync"
	"time"

	"github.com/gdamore/tcell/v2"

	"sonde/agent/view"
)

// stopwatch takes the time of refreshes: from a question to its answer, and from there until the screen is drawn.
type stopwatch struct {
	mu                sync.Mutex
	asked, answered   time.Time // of the last answer, until it is drawn
	asks, draws, both []time.Duration
}

func (s *stopwatch) answer(asked time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked, s.answered = asked, time.Now()
}

func (s *stopwatch) drawn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answered.IsZero() { // nothing new was drawn
		return
	}
	now := time.Now()
	s.asks = append(s.asks, s.answered.Sub(s.asked))
	s.draws = append(s.draws, now.Sub(s.answered))
	s.both = append(s.both, now.Sub(s.asked))
	s.answered = time.Time{}
}

// timedWorld is a world whose answers are timed.
type timedWorld struct {
	view.World
	watch *stopwatch
}

func (w timedWorld) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) {
	asked := time.Now()
	s, err := w.World.Snapshot(ctx, q)
	if err == nil {
		w.watch.answer(asked)
	}
	return s, err
}

// timedScreen is a screen of 200 by 60 that tells when it was drawn.
type timedScreen struct {
	tcell.SimulationScreen
	watch *stopwatch
}

func (s timedScreen) Init() error {
	if err := s.SimulationScreen.Init(); err != nil {
		return err
	}
	s.SetSize(200, 60)
	return nil
}

func (s timedScreen) Show() {
	s.SimulationScreen.Show()
	s.watch.drawn()
}
