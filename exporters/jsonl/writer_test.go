// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"

	"sonde/agent/model"
)

func fixedClock() model.Clock { return testClock }

func TestWriterGivesOneLineForEachEvent(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, fixedClock)
	r, f, l := okRequest(), okFlow(), lossCases[0].loss
	w.Request(&r)
	w.Flow(&f)
	w.Lost(&l)
	if out.Len() != 0 {
		t.Errorf("written before Flush: %q", out.String())
	}
	w.Flush()
	want := string(AppendRequest(nil, &r, testClock)) + "\n" + string(AppendFlow(nil, &f, testClock)) + "\n" +
		string(AppendLoss(nil, &l, testClock)) + "\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	w.Flush()
	if out.String() != want {
		t.Error("a second Flush wrote again")
	}
}

func TestWriterWritesWholeLinesWhenItsBufferFills(t *testing.T) {
	var out bytes.Buffer
	w := NewWriter(&out, fixedClock)
	r := okRequest()
	r.HTTP.Path = "/" + strings.Repeat("x", 3*bufferBytes)
	w.Request(&r)
	if out.Len() < 3*bufferBytes || !bytes.HasSuffix(out.Bytes(), []byte("}\n")) {
		t.Errorf("%d bytes written, want a whole line without Flush", out.Len())
	}
}

func TestWriterAllocatesNothingForAnEvent(t *testing.T) {
	var out bytes.Buffer
	out.Grow(8 << 20)
	w := NewWriter(&out, fixedClock)
	r, f := okRequest(), okFlow()
	if n := testing.AllocsPerRun(1000, func() { w.Request(&r); w.Flow(&f) }); n != 0 {
		t.Errorf("%v allocations for a request and a flow", n)
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
	w := NewWriter(write, func() model.Clock { calls++; return testClock })
	l := lossCases[0].loss
	w.Lost(&l)
	if w.Err() != nil {
		t.Fatalf("error before any write: %v", w.Err())
	}
	w.Flush()
	if !errors.Is(w.Err(), syscall.EPIPE) {
		t.Fatalf("got %v, want EPIPE", w.Err())
	}
	w.Lost(&l)
	w.Flush()
	if calls != 1 {
		t.Errorf("%d events encoded, want none after the failure", calls-1)
	}
}
