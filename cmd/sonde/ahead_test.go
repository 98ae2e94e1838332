// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

func TestAheadWritesEverythingInOrder(t *testing.T) {
	var out, want bytes.Buffer
	a := newAhead(&out)
	for i := range 5000 {
		line := fmt.Appendf(nil, "line %d\n", i)
		want.Write(line)
		if n, err := a.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
		clear(line) // the memory is the caller's again
	}
	if err := a.close(); err != nil || !bytes.Equal(out.Bytes(), want.Bytes()) {
		t.Errorf("%d bytes written, want %d, error %v", out.Len(), want.Len(), err)
	}
}

func TestAheadTellsTheFirstError(t *testing.T) {
	gone := errors.New("reader has gone")
	a := newAhead(refusing{gone})
	for range 1000 { // more than wait: it must not block once it has failed
		_, _ = a.Write([]byte("x"))
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, gone) {
		t.Errorf("Write: %v", err)
	}
	if err := a.close(); !errors.Is(err, gone) {
		t.Errorf("close: %v", err)
	}
}

type refusing struct{ err error }

func (r refusing) Write([]byte) (int, error) { return 0, r.err }
