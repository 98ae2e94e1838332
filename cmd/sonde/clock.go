// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"sync/atomic"
	"time"

	"sonde/agent/model"
	"sonde/agent/source"
	"sonde/agent/source/live"
)

// clockInterval is the time between two measurements of wall time: it is stepped, time since boot is not.
const clockInterval = 10 * time.Second

// clock maps the kernel's clock to wall time. It changes between records only, so that a recording can hold it. It is for
// the pipeline's goroutine, but for now, which is safe for concurrent use.
type clock struct {
	measured time.Time
	clock    atomic.Pointer[model.Clock] // nil before the first measurement
	changed  func(model.Clock)           // called with each new measurement; may be nil
}

func (c *clock) now() model.Clock {
	if p := c.clock.Load(); p != nil {
		return *p
	}
	return model.Clock{}
}

// set takes a measurement that was made elsewhere.
func (c *clock) set(now model.Clock) { c.clock.Store(&now) }

func (c *clock) measure() {
	t := time.Now()
	if t.Sub(c.measured) < clockInterval {
		return
	}
	c.measured = t
	now := model.Clock{Boot: time.Unix(0, time.Now().Add(-live.Now()).UnixNano())}
	c.set(now)
	if c.changed != nil {
		c.changed(now)
	}
}

// clocked is a source that keeps a clock up to date.
type clocked struct {
	source.Source
	clock *clock
}

// Run implements source.Source.
func (c clocked) Run(ctx context.Context, to source.Receiver) error {
	c.clock.measure()
	return c.Source.Run(ctx, clockedReceiver{to, c.clock})
}

type clockedReceiver struct {
	source.Receiver
	clock *clock
}

// Tick implements source.Receiver.
func (r clockedReceiver) Tick(now time.Duration) {
	r.clock.measure()
	r.Receiver.Tick(now)
}
