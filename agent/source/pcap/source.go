// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"sync/atomic"
	"time"

	"sonde/agent/source"
)

// Config bounds what is remembered of a capture.
type Config struct {
	// MaxConns is the number of connections that are followed at once. Beyond it the one that was silent for longest is
	// told as it stands, without an end.
	MaxConns int
}

// Default returns the configuration that sonde runs with.
func Default() Config { return Config{MaxConns: 200_000} }

// Stats counts what the file held. Packets = Undecodable + NotIP + Short + those that count for a flow.
type Stats struct {
	Packets     uint64
	Bytes       uint64            // on the wire, with link headers
	First, Last time.Duration     // times of packets since the Unix epoch, the earliest and the latest
	Cut         uint64            // packets of which the capture has only the beginning
	NotIP       uint64            // ARP and the like
	Short       uint64            // without room for their headers, or headers that make no sense
	Fragments   uint64            // of datagrams that were never whole
	Strays      uint64            // TCP packets that belong to no connection
	Dropped     uint64            // packets that the capturing program says it missed (pcapng)
	Unknown     map[uint32]uint64 // packets of link types that are not understood
}

// Source reads one capture file.
type Source struct {
	config  Config
	file    io.Reader
	out     output
	decoder decoder
	stats   Stats
	packets atomic.Uint64
	now     uint64 // latest time of a packet
	ticked  uint64
}

// New makes a source of a capture, which is read from wherever it comes; it need not be seekable. The caller closes it.
func New(c Config, from io.Reader) *Source {
	s := &Source{config: c, file: from, stats: Stats{Unknown: map[uint32]uint64{}}}
	s.decoder.tcp = tcpTable{out: &s.out, limit: max(1, c.MaxConns)}
	s.decoder.flows.out = &s.out
	return s
}

// Recognise tells whether a file that begins so may be a capture, packed or not. Four bytes are enough.
func Recognise(first []byte) bool {
	w := newWindow(nil)
	w.buf, w.end, w.err = first, len(first), io.EOF
	if len(first) < 4 {
		return false
	}
	if string(first[:2]) == string(magicGzip) || string(first[:4]) == string(magicZstd) {
		return true
	}
	_, err := openFormat(w)
	return !errors.Is(err, errForeign)
}

// Packets returns how many packets were read. It may be called while Run runs, from any goroutine.
func (s *Source) Packets() uint64 { return s.packets.Load() }

// Stats returns what was counted. Call it when Run has returned.
func (s *Source) Stats() Stats {
	c := s.stats
	c.Unknown = maps.Clone(c.Unknown)
	c.Fragments, c.Strays = s.decoder.fragments.lost, s.decoder.tcp.strays
	return c
}

// Run delivers the whole file, or as much of it as can be read: then the error says where and why it ends. Times are those
// of the packets, as durations since the Unix epoch, and so are those of ticks.
func (s *Source) Run(ctx context.Context, to source.Receiver) error {
	s.out.to = to
	w, done, err := unpack(s.file)
	if err != nil {
		return err
	}
	defer done()
	file, err := openFormat(w)
	if err != nil {
		return err
	}
	err = s.read(ctx, file)
	s.stats.Dropped = file.dropped()
	s.decoder.tcp.finish()
	s.decoder.flows.tell(s.now, 0)
	to.Tick(time.Duration(s.now))
	if err != nil && ctx.Err() == nil {
		return fmt.Errorf("packet %d, at byte %d: %w", s.stats.Packets+1, w.offset, err)
	}
	return err
}

// breath is the number of packets between two looks at whether to stop.
const breath = 256

func (s *Source) read(ctx context.Context, file format) error {
	var f frame
	for {
		if s.stats.Packets%breath == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			s.packets.Store(s.stats.Packets)
		}
		if err := file.next(&f); err != nil {
			s.packets.Store(s.stats.Packets)
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		s.frame(&f)
	}
}

// tickInterval is the time in the capture between two ticks, in ns.
const tickInterval = 100e6

// maxTime is the largest time that a duration can hold.
const maxTime = 1<<63 - 1

func (s *Source) frame(f *frame) {
	f.time = max(1, min(f.time, maxTime)) // 0 stands for a time that was not seen
	st := &s.stats
	st.Packets++
	st.Bytes += uint64(f.wire)
	if len(f.data) < f.wire {
		st.Cut++
	}
	if t := time.Duration(f.time); st.First == 0 || t < st.First {
		st.First = t
	}
	st.Last = max(st.Last, time.Duration(f.time))
	s.advance(f.time)
	switch s.decoder.frame(f) {
	case notIP:
		st.NotIP++
	case cutShort:
		st.Short++
	case unknown:
		if len(st.Unknown) < 16 || st.Unknown[f.link] > 0 {
			st.Unknown[f.link]++
		}
	}
}

// advance does what time asks for before a packet of that time is looked at.
func (s *Source) advance(now uint64) {
	s.now = max(s.now, now)
	s.decoder.tcp.releaseOld(s.now)
	if s.now < s.ticked+tickInterval && s.ticked != 0 {
		return
	}
	s.ticked = s.now
	s.decoder.tcp.tick(s.now)
	s.decoder.flows.tick(s.now)
	s.out.to.Tick(time.Duration(s.now))
}
