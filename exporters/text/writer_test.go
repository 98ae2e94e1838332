// SPDX-License-Identifier: Apache-2.0

package text

import (
	"bytes"
	"errors"
	"os"
	"syscall"
	"testing"

	"sonde/agent/model"
)

func TestWriterAllocatesNothingForAnEvent(t *testing.T) {
	for _, g := range goldens {
		var out bytes.Buffer
		out.Grow(16 << 20)
		w := NewWriter(&out, fixedClock, g.config)
		if n := testing.AllocsPerRun(1000, func() {
			for i := range requests {
				w.Request(&requests[i])
			}
			w.Flow(&flows[0])
			w.Lost(&losses[0])
		}); n != 0 {
			t.Errorf("%s: %v allocations", g.file, n)
		}
	}
}

func TestWriterHoldsLinesUntilFlushOrAFullBuffer(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, fixedClock, Config{})
	w.Request(&requests[0])
	if out.Len() != 0 {
		t.Errorf("written before Flush: %q", out.String())
	}
	for range bufferBytes / 80 {
		w.Request(&requests[0])
	}
	if out.Len() == 0 || !bytes.HasSuffix(out.Bytes(), []byte("\n")) {
		t.Errorf("%d bytes written by a full buffer, want whole lines", out.Len())
	}
}

func TestWriterStopsWhenTheReaderLeaves(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer write.Close()
	read.Close()
	calls := 0
	w := NewWriter(write, func() model.Clock { calls++; return testClock }, Config{Format: Table})
	w.Lost(&losses[0])
	w.Flush()
	if !errors.Is(w.Err(), syscall.EPIPE) {
		t.Fatalf("got %v, want EPIPE", w.Err())
	}
	w.Request(&requests[0])
	w.Flow(&flows[0])
	w.Lost(&losses[0])
	w.Flush()
	if calls != 1 {
		t.Errorf("%d events formatted, want none after the failure", calls-1)
	}
}

func BenchmarkCompactRequest(b *testing.B) {
	w := NewWriter(discard{}, fixedClock, Config{})
	b.ReportAllocs()
	for b.Loop() {
		w.Request(&requests[0])
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
