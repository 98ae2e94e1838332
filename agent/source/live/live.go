// SPDX-License-Identifier: Apache-2.0

// Package live is the source that reads the running kernel: the ring of records, and at intervals the maps that count what
// makes no record of its own, written into the same stream as records so that a recording of it is complete.
//
// It attaches nothing (package probes does) and understands nothing. Called by cmd/sonde through agent/pipeline.
package live

import (
	"context"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/source"
	"sonde/probes"
	"sonde/probes/event"
)

// Config sets the source's rhythm.
type Config struct {
	Busy    time.Duration // between two looks at a ring that had something
	Idle    time.Duration // the longest wait while nothing comes
	Losses  time.Duration // between two reports of what was lost
	Flows   time.Duration // between two evictions of the flow maps, which cost a walk of all their buckets
	Listing time.Duration // between two listings of the machine's sockets; 0: only at the start
}

// Default returns the rhythm that sonde runs with: a wake-up costs more than a hundred records, so few of them.
func Default() Config {
	return Config{
		Busy: 10 * time.Millisecond, Idle: 250 * time.Millisecond, Losses: time.Second, Flows: 5 * time.Second,
		Listing: 15 * time.Second,
	}
}

// Source reads a loaded set of probes.
type Source struct {
	config Config
	set    *probes.Set
	ready  func()
	to     source.Receiver

	listing  bool // one is under way
	listings chan listing
}

// New makes a source of probes that are attached. ready is called once, when the sockets that existed before have been
// listed; it may be nil.
func New(c Config, set *probes.Set, ready func()) *Source {
	return &Source{config: c, set: set, ready: ready, listings: make(chan listing, 1)}
}

// Now returns the time since boot on the clock that the kernel's records carry.
func Now() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts) // cannot fail for a clock that exists
	return time.Duration(ts.Nano())
}

// Run delivers records until ctx is done, then what is still in the ring.
func (s *Source) Run(ctx context.Context, to source.Receiver) error {
	s.to = to
	s.startListing(ctx, true)
	wait := s.config.Busy
	losses, flows, listing := every(s.config.Losses), every(s.config.Flows), every(s.config.Listing)
	for ctx.Err() == nil {
		if s.set.Ring.Drain(Now(), to.Record) > 0 {
			wait = s.config.Busy
		} else {
			wait = min(2*wait, s.config.Idle)
		}
		now := Now()
		to.Tick(now)
		if err := s.takeListing(); err != nil {
			return err
		}
		if losses.due(now) && s.losses(now) {
			listing.hasten(now, afterLoss)
		}
		if flows.due(now) {
			s.flows(now)
		}
		if listing.due(now) {
			s.startListing(ctx, false)
		}
		if err := s.set.Ring.Wait(ctx, wait); err != nil && ctx.Err() == nil {
			return err
		}
	}
	s.set.Detach() // nothing is written to the ring any more: what is read now is all
	s.set.Ring.Drain(Now(), to.Record)
	s.losses(Now())
	s.flows(Now())
	if s.listing {
		<-s.listings
	}
	return nil
}

// listing is one look at the machine's sockets.
type listing struct {
	at      time.Duration // when it began
	sockets []event.Listed
	first   bool
	err     error
}

// startListing looks at the machine's sockets beside the reading of the ring, which would overflow meanwhile. The processes
// that hold them are looked up once, at the start: later the kernel tells who uses a socket.
func (s *Source) startListing(ctx context.Context, first bool) {
	if s.listing {
		return
	}
	s.listing = true
	go func() {
		l := listing{at: Now(), first: first}
		l.err = s.set.List(ctx, uint64(l.at), first, func(e *event.Listed) { l.sockets = append(l.sockets, *e) })
		s.listings <- l // has room for the one that is under way
	}()
}

// takeListing delivers a listing that is complete. The first makes the source ready.
func (s *Source) takeListing() error {
	select {
	case l := <-s.listings:
		s.listing = false
		for i := range l.sockets {
			s.to.Record(event.Bytes(&l.sockets[i]))
		}
		if l.err != nil {
			if l.first {
				return l.err
			}
			return nil // the next one may do better; nothing is taken for gone meanwhile
		}
		end := event.Listed{Hdr: event.Header{Time: uint64(l.at), Kind: uint8(event.KindListed)}}
		s.to.Record(event.Bytes(&end))
		if l.first && s.ready != nil {
			s.ready()
		}
	default:
	}
	return nil
}

// rhythm is something that is done at intervals.
type rhythm struct{ last, interval time.Duration }

func every(interval time.Duration) *rhythm { return &rhythm{Now(), interval} }

func (r *rhythm) due(now time.Duration) bool {
	if r.interval <= 0 || now-r.last < r.interval {
		return false
	}
	r.last = now
	return true
}

// afterLoss is the wait for a listing once ends of connections were lost: it tells which of them are gone.
const afterLoss = 2 * time.Second

// hasten makes the next time come within d.
func (r *rhythm) hasten(now, d time.Duration) {
	if r.interval > 0 {
		r.last = min(r.last, now-r.interval+d)
	}
}

// losses delivers what was lost and reports whether connects or ends of connections were among it.
func (s *Source) losses(now time.Duration) (lifecycle bool) {
	s.set.FlowDrops(uint64(now), func(d *event.FlowDrops) { s.to.Record(event.Bytes(d)) }) // soon: their connections may end
	l := s.set.Lost(uint64(now))
	if l == nil {
		return false
	}
	s.to.Record(event.Bytes(l))
	return l.Lifecycle > 0
}

func (s *Source) flows(now time.Duration) {
	s.set.Flows(uint64(now), func(f *event.Flow) { s.to.Record(event.Bytes(f)) })
	s.set.Drops(uint64(now), func(d *event.Drops) { s.to.Record(event.Bytes(d)) })
}
