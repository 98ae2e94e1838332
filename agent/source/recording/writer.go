// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// blockHeader stands before the compressed frames of a block, little-endian.
type blockHeader struct {
	Magic    [4]byte
	Stored   uint32 // bytes that follow
	Plain    uint32 // bytes they are when decompressed
	Frames   uint32
	First    int64 // time since boot of the first and of the last record or tick in it; 0 when it has none
	Last     int64
	Checksum uint32 // CRC-32C of what follows
	Header   uint32 // CRC-32C of the fields before this one
}

const blockHeaderSize = 40

// writer puts frames into blocks. A goroutine of its own compresses and writes them, because the one that gives the frames
// also empties the kernel's ring. After an error it writes nothing more.
type writer struct {
	block  []byte
	header blockHeader

	full    chan block // to be compressed; bounded, so that a slow disk holds up the reading of the ring, where losses are counted
	empty   chan []byte
	done    chan struct{}
	written atomic.Uint64
	failed  atomic.Pointer[error]
}

// block is what goes to the goroutine that writes.
type block struct {
	header blockHeader
	plain  []byte
}

// maxBlocks is the number of blocks that wait for the disk.
const maxBlocks = 16

func newWriter(out io.Writer, meta Meta) (*writer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	w := &writer{full: make(chan block, maxBlocks), empty: make(chan []byte, maxBlocks), done: make(chan struct{})}
	w.block = w.buffer()
	text, err := json.Marshal(meta)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	if len(text) > maxMeta {
		return nil, errors.New("recording: the description is longer than 64 KiB")
	}
	b := append([]byte(fileMagic), byte(Version), 0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	w.write(out, binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
	if err := w.err(); err != nil {
		return nil, err
	}
	go w.run(out, encoder)
	return w, nil
}

func (w *writer) err() error {
	if p := w.failed.Load(); p != nil {
		return *p
	}
	return nil
}

func (w *writer) write(out io.Writer, p []byte) {
	if w.failed.Load() != nil {
		return
	}
	n, err := out.Write(p)
	w.written.Add(uint64(n))
	if err != nil {
		w.failed.Store(&err)
	}
}

func (w *writer) buffer() []byte {
	select {
	case b := <-w.empty:
		return b[:0]
	default:
		return make([]byte, 0, blockBytes+blockBytes/8)
	}
}

// frame adds a frame: its size, kind and body, padded so that each body begins at a multiple of eight and can be read in
// place. at is its time, 0 when it has none.
func (w *writer) frame(kind frameKind, at int64, body []byte) {
	w.block = binary.LittleEndian.AppendUint32(w.block, uint32(len(body)))
	w.block = append(w.block, byte(kind), 0, 0, 0)
	w.block = append(w.block, body...)
	for len(w.block)%8 != 0 {
		w.block = append(w.block, 0)
	}
	w.header.Frames++
	if at != 0 {
		if w.header.First == 0 {
			w.header.First = at
		}
		w.header.Last = at
	}
	if len(w.block) >= blockBytes {
		w.flush()
	}
}

// flush hands over the block at hand.
func (w *writer) flush() {
	if len(w.block) == 0 || w.failed.Load() != nil {
		w.block, w.header = w.block[:0], blockHeader{}
		return
	}
	w.full <- block{w.header, w.block} // the goroutine takes from it until end
	w.block, w.header = w.buffer(), blockHeader{}
}

// run compresses and writes blocks until there are no more.
func (w *writer) run(out io.Writer, encoder *zstd.Encoder) {
	defer close(w.done)
	var packed, b []byte
	for next := range w.full {
		packed = encoder.EncodeAll(next.plain, packed[:0])
		h := &next.header
		copy(h.Magic[:], blockMagic)
		h.Stored, h.Plain, h.Checksum = uint32(len(packed)), uint32(len(next.plain)), crc32.Checksum(packed, castagnoli)
		var err error
		if b, err = binary.Append(b[:0], binary.LittleEndian, h); err != nil { // not for a struct of fixed size
			w.failed.Store(&err)
			continue
		}
		binary.LittleEndian.PutUint32(b[blockHeaderSize-4:], crc32.Checksum(b[:blockHeaderSize-4], castagnoli))
		b = append(b, packed...)
		w.write(out, b)
		select {
		case w.empty <- next.plain:
		default:
		}
	}
	_ = encoder.Close() // has written everything already
}

// end writes what is left and the mark of an orderly end.
func (w *writer) end() error {
	w.frame(frameEnd, 0, nil)
	w.flush()
	close(w.full)
	<-w.done
	return w.err()
}
