// SPDX-License-Identifier: Apache-2.0

package mongodb

import (
	"bytes"
	"encoding/binary"
	"io"

	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// Identifiers of compressors.
const (
	compressorNone   = 0
	compressorSnappy = 1
	compressorZlib   = 2
	compressorZstd   = 3
)

// MaxInflated is the number of bytes of a compressed message that are looked at.
const MaxInflated = MaxHead

// maxWindow bounds the memory that a zstd frame may ask for, of which there is one at a time. The level that drivers use (6)
// has a window of 2 MB.
const maxWindow = 4 << 20

// inflater decompresses the beginning of messages. It holds what is used again; the parsers of an engine share it.
type inflater struct {
	out    []byte
	source bytes.Reader
	zlib   io.ReadCloser
	zstd   *zstd.Decoder
}

// inflate returns the beginning of what p was compressed from, as much as p and the limit allow; nothing when that cannot be
// told. It is valid until the next call.
func (in *inflater) inflate(compressor byte, p []byte) []byte {
	if in.out == nil {
		in.out = make([]byte, MaxInflated)
	}
	in.source.Reset(p)
	n := 0
	switch compressor {
	case compressorNone:
		n = copy(in.out, p)
	case compressorSnappy:
		n = unsnappy(in.out, p)
	case compressorZlib:
		n = in.unzlib()
	case compressorZstd:
		n = in.unzstd()
	}
	return in.out[:n]
}

func (in *inflater) unzlib() int {
	if in.zlib == nil {
		r, err := zlib.NewReader(&in.source)
		if err != nil {
			return 0
		}
		in.zlib = r
	} else if in.zlib.(zlib.Resetter).Reset(&in.source, nil) != nil {
		return 0
	}
	n, _ := io.ReadFull(in.zlib, in.out) // a message that was cut ends in an error: what came before is right
	return n
}

func (in *inflater) unzstd() int {
	if in.zstd == nil {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
		if err != nil {
			return 0
		}
		in.zstd = d
	}
	if in.zstd.Reset(&in.source) != nil {
		return 0
	}
	n, _ := io.ReadFull(in.zstd, in.out)
	return n
}

// unsnappy decompresses the beginning of a block (format_description.txt of google/snappy) into out and returns how many
// bytes it has. A block that is cut or damaged ends there. The block format is read here because it has to be read in part.
func unsnappy(out, p []byte) int {
	_, n := binary.Uvarint(p)
	if n <= 0 {
		return 0
	}
	p = p[n:]
	at := 0
	for len(p) > 0 && at < len(out) {
		tag := p[0]
		size, offset, used := int(tag>>2)+1, 0, 1
		switch tag & 3 {
		case 0:
			if size > 60 {
				extra := size - 60
				if len(p) < 1+extra {
					return at
				}
				size, used = littleEndian(p[1:1+extra])+1, 1+extra
			}
			copied := copy(out[at:], p[used:min(len(p), used+size)])
			at += copied
			if copied < size {
				return at
			}
			p = p[used+size:]
			continue
		case 1:
			if len(p) < 2 {
				return at
			}
			size, offset, used = int(tag>>2&7)+4, int(tag>>5)<<8|int(p[1]), 2
		default:
			used = 3 + 2*int(tag&1)
			if len(p) < used {
				return at
			}
			offset = littleEndian(p[1:used])
		}
		if offset <= 0 || offset > at {
			return at
		}
		for end := min(at+size, len(out)); at < end; at++ { // it may overlap itself
			out[at] = out[at-offset]
		}
		p = p[used:]
	}
	return at
}

func littleEndian(p []byte) int {
	n := 0
	for i, b := range p {
		n |= int(b) << (8 * i)
	}
	return n
}
