// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"time"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/agent/source"
	"sonde/probes"
	"sonde/probes/event"
)

// goroutines has the kernel tell the goroutines of Go programs apart, while causes are asked for.
type goroutines struct{ watcher *probes.GoWatcher }

// identify has the program of each process that uses a socket looked at.
func (g goroutines) identify(next conn.Identify) conn.Identify {
	return func(pid uint32, started time.Duration, comm string, cgroupID uint64) *model.Process {
		g.watcher.Seen(pid, started)
		return next(pid, started, comm, cgroupID)
	}
}

// around takes from records who started a goroutine, where it works for many requests. It stands before the recorder, so that a
// recording needs no program to be read again.
func (g goroutines) around(s source.Source) source.Source {
	return poolSource{s, g.watcher.StartsPool, g.watcher.Judged}
}

// unjudged is around where programs cannot be looked at: any may be Go.
func unjudged(s source.Source) source.Source {
	return poolSource{s, func(uint32, uint64) bool { return false }, func(uint32) bool { return false }}
}

// scanPatience is how long the start waits for programs that run already to be looked at: milliseconds for each executable in
// Go, a tenth of a second for a large one. The rest is looked at while records come.
const scanPatience = 500 * time.Millisecond

// run looks at programs until ctx is done. stop waits for it. It returns when those that were there are known, so that what they
// do from the first record on is taken for what it is.
func (g goroutines) run(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- g.watcher.Run(ctx) }()
	select {
	case <-g.watcher.Scanned():
	case <-time.After(scanPatience):
	case <-ctx.Done():
	}
	return func() error {
		cancel()
		return errors.Join(<-ended, g.watcher.Close())
	}
}

type poolSource struct {
	source.Source
	startsPool func(pid uint32, startPC uint64) bool
	judged     func(pid uint32) bool
}

// Run implements source.Source.
func (s poolSource) Run(ctx context.Context, to source.Receiver) error {
	return s.Source.Run(ctx, &poolReceiver{Receiver: to, startsPool: s.startsPool, judged: s.judged})
}

// poolReceiver changes copies: the kernel's ring is not to be written to.
type poolReceiver struct {
	source.Receiver
	startsPool func(pid uint32, startPC uint64) bool
	judged     func(pid uint32) bool
	use        event.Use
}

// Record implements source.Receiver.
func (r *poolReceiver) Record(rec source.Record) {
	if u := event.As[event.Use](rec); rec.Kind() == event.KindUse && u != nil {
		switch pid := uint32(u.PidTgid >> 32); {
		case u.Goid == 0 && pid != 0 && !r.judged(pid): // it may be Go, where threads mean nothing
			rec = r.changed(u)
			r.use.Hdr.Flags |= event.UseUnjudged
		case r.sends(u) && u.ParentGoid != 0 && r.startsPool(pid, u.StartPc):
			rec = r.changed(u)
			r.use.ParentGoid = 0
		}
	}
	r.Receiver.Record(rec)
}

func (r *poolReceiver) sends(u *event.Use) bool {
	return model.UseKind(u.Use) != model.UseRead && model.UseKind(u.Use) != model.UseServe
}

// changed returns r.use as a record, a copy of u.
func (r *poolReceiver) changed(u *event.Use) source.Record {
	r.use = *u
	return event.Bytes(&r.use)
}
