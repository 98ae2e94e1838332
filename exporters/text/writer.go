// SPDX-License-Identifier: Apache-2.0

package text

import (
	"io"
	"time"

	"sonde/agent/model"
	"sonde/agent/units"
)

// bufferBytes is what is collected before a write: many lines per system call, few enough to wait for.
const bufferBytes = 32 << 10

// Writer formats events and writes them in batches. It is not safe for concurrent use: the pipeline calls a sink from
// one goroutine.
//
// After the first failed write nothing more is formatted or written, and Err tells why.
type Writer struct {
	out      io.Writer
	clock    func() model.Clock
	config   Config
	location *time.Location
	layout   layout // of the table
	headed   bool   // the table's header is written
	widths   [len(alignable)]int
	now      model.Clock
	buf      []byte
	err      error
}

// NewWriter returns a Writer to out, which it neither owns nor closes. clock is asked once for each event, because the
// offset between the kernel's time and wall time is measured again while sonde runs. config must be valid.
func NewWriter(out io.Writer, clock func() model.Clock, config Config) *Writer {
	return &Writer{
		out: out, clock: clock, config: config, location: config.location(), layout: layoutFor(config.Width),
		buf: make([]byte, 0, bufferBytes+4096),
	}
}

// Request writes one request. r is not kept.
func (w *Writer) Request(r *model.Request) {
	if !w.beginLine() {
		return
	}
	if w.config.Format == Compact {
		w.endLine(w.appendCompactRequest(w.buf, r))
		return
	}
	row := requestRow(r)
	w.endLine(w.appendTable(w.buf, &row, requestColour(r)))
}

// Flow writes one flow. f is not kept.
func (w *Writer) Flow(f *model.Flow) {
	if !w.beginLine() {
		return
	}
	if w.config.Format == Compact {
		w.endLine(w.appendCompactFlow(w.buf, f))
		return
	}
	row := flowRow(f)
	w.endLine(w.appendTable(w.buf, &row, flowColour(f.State)))
}

// Lost writes one count of lost things, in a way that stands out. l is not kept.
func (w *Writer) Lost(l *model.Loss) {
	if !w.beginLine() {
		return
	}
	if w.config.Format == Compact {
		w.endLine(w.appendCompactLoss(w.buf, l))
		return
	}
	w.endLine(w.appendTableLoss(w.buf, l))
}

// beginLine reports whether a line is still wanted.
func (w *Writer) beginLine() bool {
	if w.err != nil {
		return false
	}
	if w.config.Format == Table && !w.headed {
		w.buf = w.appendHeader(w.buf)
		w.headed = true
	}
	w.now = w.clock()
	return true
}

func (w *Writer) endLine(b []byte) {
	w.buf = append(b, '\n')
	if len(w.buf) >= bufferBytes {
		w.Flush()
	}
}

func (w *Writer) appendTime(b []byte, t time.Duration) []byte {
	return units.AppendClock(b, w.now.Wall(t).In(w.location))
}

// Flush writes what is buffered. Call it whenever events pause, so that nobody waits for a line that is there.
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
