// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"
)

const (
	headerBytes  = 128
	directionIn  = 0
	directionOut = 1
	recordEnd    = 2
	recordActor  = 3
	pollEvery    = 10 * time.Millisecond
)

// record is a view into the ring's sample; payload is valid until the next read.
type record struct {
	sock, actor, offset, bytesIn, bytesOut uint64
	originalLen, capturedLen, turn         uint32
	kind, direction, localPort, remotePort uint16
	payload                                []byte
}

// decode reads bpf/record.h.
func decode(b []byte) (record, bool) {
	if len(b) < headerBytes {
		return record{}, false
	}
	le := binary.LittleEndian
	r := record{
		sock: le.Uint64(b[8:]), actor: le.Uint64(b[16:]), offset: le.Uint64(b[24:]),
		bytesIn: le.Uint64(b[32:]), bytesOut: le.Uint64(b[40:]),
		originalLen: le.Uint32(b[48:]), capturedLen: le.Uint32(b[52:]), turn: le.Uint32(b[56:]),
		kind: le.Uint16(b[60:]), direction: le.Uint16(b[62:]),
		localPort: le.Uint16(b[64:]), remotePort: le.Uint16(b[66:]),
	}
	if int(r.capturedLen) > len(b)-headerBytes {
		return record{}, false
	}
	r.payload = b[headerBytes : headerBytes+int(r.capturedLen)]
	return r, true
}

// consumer reads the rings in its own goroutine and hands each record to see, until stop.
type consumer struct {
	rings []*ringbuf.Reader
	quit  chan struct{}
	done  chan error
	see   func(record)
}

func startConsumer(coll *ebpf.Collection, see func(record)) (*consumer, error) {
	c := &consumer{quit: make(chan struct{}), done: make(chan error, 1), see: see}
	for _, name := range []string{"records", "records_odd"} {
		m := coll.Maps[name]
		if m == nil {
			continue
		}
		ring, err := ringbuf.NewReader(m)
		if err != nil {
			return nil, fmt.Errorf("open ring: %w", err)
		}
		c.rings = append(c.rings, ring)
	}
	go func() { c.done <- c.run() }()
	return c, nil
}

// run waits at the first ring only; the others are read when its timer or its wake-up comes.
func (c *consumer) run() error {
	var sample ringbuf.Record
	for last := false; ; {
		deadline := time.Now().Add(pollEvery)
		for _, ring := range c.rings {
			ring.SetDeadline(deadline)
			if err := c.drain(ring, &sample); err != nil {
				return err
			}
		}
		if last {
			return nil
		}
		select {
		case <-c.quit:
			last = true
		default:
		}
	}
}

// drain reads until the deadline passed and the ring is empty.
func (c *consumer) drain(ring *ringbuf.Reader, sample *ringbuf.Record) error {
	for {
		err := ring.ReadInto(sample)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read ring: %w", err)
		}
		if r, ok := decode(sample.RawSample); ok {
			c.see(r)
		}
	}
}

// stop returns after everything that was in the rings has been seen.
func (c *consumer) stop() error {
	if c == nil {
		return nil
	}
	close(c.quit)
	errs := []error{<-c.done}
	for _, ring := range c.rings {
		errs = append(errs, ring.Close())
	}
	return errors.Join(errs...)
}
