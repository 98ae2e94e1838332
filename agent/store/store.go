// SPDX-License-Identifier: Apache-2.0

// Package store keeps the recent past in bounded memory and answers the questions of viewers about it.
package store

import (
	"context"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// Store implements pipeline.Sink, Dropper and Ticker on one side, view.World on the other. Safe for concurrent use.
type Store struct{}

// New makes a store. clock gives wall time for times since boot, self the state of the agent once a second (nil: none).
func New(c Config, clock func() model.Clock, words Words, self func() Self) *Store { return &Store{} }

// Watch says that somebody will look: until idle passes without a query, the store keeps what it is told. A store that was made
// with Default is always watched.
func (s *Store) Watch() {}

// Reset forgets everything but frozen worlds: the source begins again.
func (s *Store) Reset() {}

// Request implements pipeline.Sink.
func (s *Store) Request(r *model.Request) {}

// Flow implements pipeline.Sink.
func (s *Store) Flow(f *model.Flow, d model.FlowDelta) {}

// Lost implements pipeline.Sink.
func (s *Store) Lost(l *model.Loss) {}

// Drops implements pipeline.Dropper.
func (s *Store) Drops(reason string, packets uint64) {}

// Tick implements pipeline.Ticker.
func (s *Store) Tick(now time.Duration) {}

// Snapshot implements view.World.
func (s *Store) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) { return nil, nil }

// Freeze implements view.World.
func (s *Store) Freeze(ctx context.Context) (uint64, error) { return 0, nil }

// Thaw implements view.World.
func (s *Store) Thaw(ctx context.Context, frozen uint64) error { return nil }

// Values implements view.World.
func (s *Store) Values(ctx context.Context, flag string) ([]string, error) { return nil, nil }
