// SPDX-License-Identifier: Apache-2.0

package recording

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"

	"sonde/agent/model"
	"sonde/agent/source"
	"sonde/probes/event"
)

// Source reads a recording.
type Source struct {
	in     *bufio.Reader
	zstd   *zstd.Decoder
	offset int64 // of the block at hand
	packed []byte
	block  []byte

	clock      func(model.Clock)
	processes  map[processKey]*model.Process
	interfaces map[uint32]string
	meta       Meta
	ended      bool
}

// Is tells whether a file that begins with p is a recording. It needs 8 bytes.
func Is(p []byte) bool { return len(p) >= len(fileMagic) && string(p[:len(fileMagic)]) == fileMagic }

// Open reads the beginning of a recording. clock is told the offset between time since boot and wall time each time it
// changes; it may be nil.
func Open(in io.Reader, clock func(model.Clock)) (*Source, error) {
	s := &Source{
		in: bufio.NewReaderSize(in, 1<<16), clock: clock, processes: map[processKey]*model.Process{}, interfaces: map[uint32]string{},
	}
	fixed := make([]byte, 16)
	if _, err := io.ReadFull(s.in, fixed); err != nil || !Is(fixed) {
		return nil, errors.New("this is no recording of sonde")
	}
	if v := fixed[8]; v > Version {
		return nil, fmt.Errorf("the recording has format version %d, this sonde reads up to %d: read it with a newer one", v, Version)
	}
	n := binary.LittleEndian.Uint32(fixed[12:])
	if n > maxMeta {
		return nil, errors.New("the beginning of the recording is damaged")
	}
	rest := make([]byte, n+4)
	if _, err := io.ReadFull(s.in, rest); err != nil {
		return nil, fmt.Errorf("read the beginning of the recording: %w", err)
	}
	whole := append(fixed, rest[:n]...)
	if crc32.Checksum(whole, castagnoli) != binary.LittleEndian.Uint32(rest[n:]) || json.Unmarshal(rest[:n], &s.meta) != nil {
		return nil, errors.New("the beginning of the recording is damaged")
	}
	s.offset = int64(len(whole) + 4)
	var err error
	s.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxBlockBytes))
	return s, err
}

// Meta returns what the recording says of itself.
func (s *Source) Meta() Meta { return s.meta }

// Identify answers as the recorded observation was answered. It implements conn.Identify.
func (s *Source) Identify(pid uint32, started time.Duration, comm string, _ uint64) *model.Process {
	if p := s.processes[processKey{pid, started}]; p != nil {
		return p
	}
	return &model.Process{PID: pid, Name: comm, ServiceName: comm} // only in a damaged recording
}

// InterfaceName answers as the recorded observation was answered.
func (s *Source) InterfaceName(index uint32) string { return s.interfaces[index] }

// Run implements source.Source. It delivers everything up to the end or up to the first damage, which it reports.
func (s *Source) Run(ctx context.Context, to source.Receiver) error {
	defer s.zstd.Close()
	for ctx.Err() == nil {
		err := s.next()
		switch {
		case errors.Is(err, io.EOF) && s.ended:
			return nil
		case errors.Is(err, io.EOF):
			return ErrCutOff
		case err != nil:
			return fmt.Errorf("the recording is damaged at byte %d, what came before has been read: %w", s.offset, err)
		}
		if err := s.deliver(to); err != nil {
			return fmt.Errorf("the recording is damaged in the block at byte %d: %w", s.offset, err)
		}
		s.offset += int64(blockHeaderSize + len(s.packed))
	}
	return ctx.Err()
}

// next reads and checks a block. io.EOF says that the file ends where a block would begin, or in the middle of one.
func (s *Source) next() error {
	fixed := make([]byte, blockHeaderSize)
	if _, err := io.ReadFull(s.in, fixed); err != nil {
		return eof(err)
	}
	var h blockHeader
	if _, err := binary.Decode(fixed, binary.LittleEndian, &h); err != nil {
		return err
	}
	switch {
	case string(h.Magic[:]) != blockMagic, crc32.Checksum(fixed[:blockHeaderSize-4], castagnoli) != h.Header:
		return errors.New("no block begins here")
	case h.Stored > maxBlockBytes || h.Plain > maxBlockBytes:
		return fmt.Errorf("a block of %d bytes is longer than any", max(h.Stored, h.Plain))
	}
	if cap(s.packed) < int(h.Stored) {
		s.packed = make([]byte, h.Stored)
	}
	s.packed = s.packed[:h.Stored]
	if _, err := io.ReadFull(s.in, s.packed); err != nil {
		return eof(err)
	}
	if crc32.Checksum(s.packed, castagnoli) != h.Checksum {
		return errors.New("the checksum is another")
	}
	block, err := s.zstd.DecodeAll(s.packed, s.block[:0])
	if err != nil {
		return err
	}
	s.block = block
	if len(block) != int(h.Plain) {
		return errors.New("the length is another")
	}
	return nil
}

func eof(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return io.EOF
	}
	return err
}

// deliver hands on the frames of the block at hand.
func (s *Source) deliver(to source.Receiver) error {
	for p := s.block; len(p) > 0; {
		if len(p) < 8 {
			return errors.New("a frame is cut")
		}
		n := int(binary.LittleEndian.Uint32(p))
		kind := frameKind(p[4])
		if n < 0 || n > len(p)-8 {
			return errors.New("a frame is longer than its block")
		}
		body := p[8 : 8+n : 8+n]
		p = p[min(8+(n+7)&^7, len(p)):]
		if err := s.frame(kind, body, to); err != nil {
			return err
		}
	}
	return nil
}

// frame hands on one frame. Kinds that a newer sonde may have added within this version are passed over.
func (s *Source) frame(kind frameKind, body []byte, to source.Receiver) error {
	switch kind {
	case frameRecord:
		to.Record(event.Record(body))
	case frameTick:
		if len(body) != 8 {
			return errors.New("a tick has no time")
		}
		to.Tick(time.Duration(binary.LittleEndian.Uint64(body)))
	case frameClock:
		if len(body) != 8 {
			return errors.New("a clock has no time")
		}
		if s.clock != nil {
			s.clock(model.Clock{Boot: time.Unix(0, int64(binary.LittleEndian.Uint64(body)))})
		}
	case frameProcess:
		return s.process(body)
	case frameInterface:
		if len(body) < 4 {
			return errors.New("an interface has no index")
		}
		s.interfaces[binary.LittleEndian.Uint32(body)] = string(body[4:])
	case frameEnd:
		s.ended = true
	}
	return nil
}

func (s *Source) process(body []byte) error {
	if len(body) < 12 {
		return errors.New("a process has no PID")
	}
	p := &model.Process{}
	if err := json.Unmarshal(body[12:], p); err != nil {
		return fmt.Errorf("a process is not JSON: %w", err)
	}
	k := processKey{binary.LittleEndian.Uint32(body), time.Duration(binary.LittleEndian.Uint64(body[4:]))}
	s.processes[k] = p
	return nil
}
