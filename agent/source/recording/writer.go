// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

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

// writer puts frames into blocks. After an error it writes nothing more.
type writer struct {
	out     io.Writer
	zstd    *zstd.Encoder
	block   []byte
	packed  []byte
	header  blockHeader
	written uint64
	err     error
}

func newWriter(out io.Writer, meta Meta) (*writer, error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	w := &writer{out: out, zstd: encoder, block: make([]byte, 0, blockBytes+maxFrame)}
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
	w.write(binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
	return w, w.err
}

func (w *writer) write(p []byte) {
	if w.err != nil {
		return
	}
	n, err := w.out.Write(p)
	w.written += uint64(n)
	w.err = err
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

// flush writes the block at hand.
func (w *writer) flush() {
	if len(w.block) == 0 || w.err != nil {
		w.block = w.block[:0]
		return
	}
	w.packed = w.zstd.EncodeAll(w.block, w.packed[:0])
	h := &w.header
	copy(h.Magic[:], blockMagic)
	h.Stored, h.Plain, h.Checksum = uint32(len(w.packed)), uint32(len(w.block)), crc32.Checksum(w.packed, castagnoli)
	b, err := binary.Append(make([]byte, 0, blockHeaderSize+len(w.packed)), binary.LittleEndian, h)
	if err != nil {
		w.err = err
		return
	}
	binary.LittleEndian.PutUint32(b[blockHeaderSize-4:], crc32.Checksum(b[:blockHeaderSize-4], castagnoli))
	w.write(append(b, w.packed...))
	w.block, w.header = w.block[:0], blockHeader{}
}

// end writes what is left and the mark of an orderly end.
func (w *writer) end() error {
	w.frame(frameEnd, 0, nil)
	w.flush()
	_ = w.zstd.Close() // has written everything already
	return w.err
}
