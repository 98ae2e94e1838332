// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

const (
	windowBytes = 1 << 20
	maxBlock    = 16 << 20 // of a packet with its header; what claims to be longer is damage
	maxUnpacked = 64 << 20 // memory that a zstd frame may ask for, which is eight times what `zstd -19` writes
)

// window reads a stream through a buffer in which it is looked at in place.
type window struct {
	from       io.Reader
	buf        []byte
	begin, end int
	offset     int64 // of buf[begin] in the stream
	err        error // that ended the stream; io.EOF in order
}

func newWindow(from io.Reader) *window { return &window{from: from, buf: make([]byte, windowBytes)} }

// peek returns the next n bytes, n <= maxBlock, without passing over them; what is left and false when there are not as
// many. Valid until the next call.
func (w *window) peek(n int) ([]byte, bool) {
	for w.end-w.begin < n && w.err == nil {
		w.fill(n)
	}
	if w.end-w.begin < n {
		return w.buf[w.begin:w.end], false
	}
	return w.buf[w.begin : w.begin+n], true
}

// pass goes over n bytes of what was peeked at.
func (w *window) pass(n int) {
	w.begin += n
	w.offset += int64(n)
}

// skip goes over n bytes of which nothing is wanted.
func (w *window) skip(n int) bool {
	for n > 0 {
		b, ok := w.peek(min(n, windowBytes))
		w.pass(len(b))
		if n -= len(b); !ok {
			return false
		}
	}
	return true
}

// emptyReads is how often in a row a reader may return nothing without an error.
const emptyReads = 100

func (w *window) fill(n int) {
	if w.begin+n > len(w.buf) {
		to := w.buf
		if n > len(to) {
			to = make([]byte, max(n, min(2*len(to), maxBlock)))
		}
		w.end = copy(to, w.buf[w.begin:w.end])
		w.buf, w.begin = to, 0
	}
	for range emptyReads {
		n, err := w.from.Read(w.buf[w.end:])
		w.end += n
		w.err = err
		if n > 0 || err != nil {
			return
		}
	}
	w.err = io.ErrNoProgress
}

var (
	magicGzip = []byte{0x1f, 0x8b}
	magicZstd = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// unpack returns a window on the capture itself, whatever it is packed with, and what closes it.
func unpack(from io.Reader) (*window, func(), error) {
	w := newWindow(from)
	first, _ := w.peek(4)
	switch {
	case bytes.HasPrefix(first, magicGzip):
		z, err := gzip.NewReader(rest{w})
		if err != nil {
			return nil, nil, fmt.Errorf("unpack gzip: %w", err)
		}
		return newWindow(z), func() { _ = z.Close() }, nil
	case bytes.HasPrefix(first, magicZstd):
		z, err := zstd.NewReader(rest{w}, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxUnpacked),
			zstd.WithDecoderMaxWindow(maxUnpacked))
		if err != nil {
			return nil, nil, fmt.Errorf("unpack zstd: %w", err)
		}
		return newWindow(z), z.Close, nil
	}
	return w, func() {}, nil
}

// rest reads what a window has not passed over.
type rest struct{ w *window }

func (r rest) Read(p []byte) (int, error) {
	if r.w.begin == r.w.end {
		if r.w.err != nil {
			return 0, r.w.err
		}
		r.w.begin, r.w.end = 0, 0
		r.w.fill(1)
	}
	n := copy(p, r.w.buf[r.w.begin:r.w.end])
	r.w.pass(n)
	if n == 0 {
		return 0, r.w.err
	}
	return n, nil
}

// ended explains why there are fewer bytes than were wanted.
func (w *window) ended() error {
	if w.err == nil || errors.Is(w.err, io.EOF) || errors.Is(w.err, io.ErrUnexpectedEOF) {
		return errCut
	}
	return w.err
}

var errCut = errors.New("the file ends in the middle: it was cut off, or is still being written")
