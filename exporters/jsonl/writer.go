// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"io"

	"sonde/agent/model"
)

// bufferBytes is what is collected before a write: many lines per system call, few enough to wait for.
const bufferBytes = 32 << 10

// Writer encodes events and writes them in batches. It is not safe for concurrent use: the pipeline calls a sink from
// one goroutine.
//
// After the first failed write nothing more is encoded or written, and Err tells why.
type Writer struct {
	out   io.Writer
	clock func() model.Clock
	buf   []byte
	err   error
}

// NewWriter returns a Writer to out, which it neither owns nor closes. clock is asked once for each event, because the
// offset between the kernel's time and wall time is measured again while sonde runs.
func NewWriter(out io.Writer, clock func() model.Clock) *Writer {
	return &Writer{out: out, clock: clock, buf: make([]byte, 0, bufferBytes+4096)}
}

// Request writes one request. r is not kept.
func (w *Writer) Request(r *model.Request) {
	if w.err == nil {
		w.endLine(AppendRequest(w.buf, r, w.clock()))
	}
}

// Flow writes one flow. f is not kept.
func (w *Writer) Flow(f *model.Flow) {
	if w.err == nil {
		w.endLine(AppendFlow(w.buf, f, w.clock()))
	}
}

// Lost writes one count of lost things. l is not kept.
func (w *Writer) Lost(l *model.Loss) {
	if w.err == nil {
		w.endLine(AppendLoss(w.buf, l, w.clock()))
	}
}

func (w *Writer) endLine(b []byte) {
	w.buf = append(b, '\n')
	if len(w.buf) >= bufferBytes {
		w.Flush()
	}
}

// Flush writes what is buffered. Call it whenever events pause, so that a reader of a pipe is not kept waiting.
func (w *Writer) Flush() {
	if len(w.buf) == 0 || w.err != nil {
		return
	}
	_, w.err = w.out.Write(w.buf)
	w.buf = w.buf[:0]
}

// Err returns the first write error, nil before one. EPIPE means that the reader has left: a reason to stop, not to
// complain.
func (w *Writer) Err() error { return w.err }
