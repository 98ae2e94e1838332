// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"sync/atomic"
)

// Limits of what waits for a slow reader of stdout. Beyond them the pipeline waits, and with it the reading of the ring, where
// what is lost is counted.
const (
	aheadWrites = 256
	aheadBytes  = 64 << 10 // of a write that is given back for the next
)

// ahead writes on a goroutine of its own: a terminal or a pipe that is slow for a moment must not hold up the reading of the
// kernel's ring. For one writing goroutine.
type ahead struct {
	out    io.Writer
	full   chan []byte
	empty  chan []byte
	done   chan struct{}
	failed atomic.Pointer[error]
}

func newAhead(out io.Writer) *ahead {
	a := &ahead{out: out, full: make(chan []byte, aheadWrites), empty: make(chan []byte, aheadWrites), done: make(chan struct{})}
	go a.run()
	return a
}

// Write implements io.Writer. An error is that of an earlier write.
func (a *ahead) Write(p []byte) (int, error) {
	if err := a.failed.Load(); err != nil {
		return 0, *err
	}
	var b []byte
	select {
	case b = <-a.empty:
	default:
	}
	a.full <- append(b[:0], p...)
	return len(p), nil
}

// close waits until everything is written and returns the first error.
func (a *ahead) close() error {
	close(a.full)
	<-a.done
	if err := a.failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (a *ahead) run() {
	defer close(a.done)
	for b := range a.full {
		if a.failed.Load() != nil {
			continue
		}
		if _, err := a.out.Write(b); err != nil {
			a.failed.Store(&err)
		}
		if cap(b) <= 2*aheadBytes {
			select {
			case a.empty <- b:
			default:
			}
		}
	}
}
