// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/route"
	"sonde/agent/source"
	"sonde/agent/source/pcap"
	"sonde/agent/source/recording"
	"sonde/agent/trace"
)

// readFile is a file that takes the kernel's place: --read.
type readFile struct {
	path          string
	source        source.Source
	config        conn.Config
	identify      conn.Identify
	interfaceName func(uint32) string
	tracer        *trace.Tracer // nil when nobody asks for traces
	what          string        // "recording", "capture"

	file    io.Closer
	size    int64        // 0 when not known
	done    atomic.Int64 // bytes of the file that have been read
	capture *pcap.Source // nil for a recording
	began   time.Time
}

// liveOnly are flags that say how the kernel is asked. They make no sense for a file.
var liveOnly = []string{"hooks", "tc", "ring-size", "cgroup", "interface", "duration", "write", "causes"}

// checkRead refuses flags that --read leaves without an effect.
func checkRead(cmd *cobra.Command) error {
	for _, name := range liveOnly {
		if flag := cmd.Flags().Lookup(name); flag != nil && flag.Changed {
			return usageError{fmt.Errorf("--%s is about live observation, a file read with --read is what it is", name)}
		}
	}
	return nil
}

// openFile opens what --read names: a recording or a capture, as it is or compressed by gzip or zstd; "-" is stdin. c is told
// the wall time of a recording; that of a capture is the zero clock's.
func openFile(path string, c *clock) (*readFile, error) {
	r := &readFile{path: path, config: conn.Default()}
	in := os.Stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		in = f
		if st, err := f.Stat(); err == nil && st.Mode().IsRegular() {
			r.size = st.Size()
		}
	}
	r.file = in
	plain, err := decompressed(bufio.NewReaderSize(counted{in, &r.done}, 1<<16))
	if err == nil {
		err = r.open(plain, c)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read %s: %w", path, err), in.Close())
	}
	return r, nil
}

// open finds out by the first bytes what is to be read.
func (r *readFile) open(in *bufio.Reader, c *clock) error {
	first, err := in.Peek(8)
	if err != nil && len(first) == 0 {
		if errors.Is(err, io.EOF) {
			return errors.New("the file is empty")
		}
		return err
	}
	if recording.Is(first) {
		return r.openRecording(in, c)
	}
	if !pcap.Recognise(first) {
		return errors.New("this is no recording of sonde and no capture (pcap, pcapng)")
	}
	r.capture = pcap.New(pcap.Default(), in)
	r.what, r.source, r.config = "capture", r.capture, conn.Capture()
	r.identify = func(pid uint32, _ time.Duration, comm string, _ uint64) *model.Process { // a capture knows no process
		return &model.Process{PID: pid, Name: comm, ServiceName: comm}
	}
	r.interfaceName = func(uint32) string { return "" }
	return nil
}

func (r *readFile) openRecording(in io.Reader, c *clock) error {
	s, err := recording.Open(in, c.set)
	if err != nil {
		return err
	}
	if config := s.Meta().Config; len(config) > 0 {
		if err := json.Unmarshal(config, &r.config); err != nil {
			return fmt.Errorf("configuration in the recording: %w", err)
		}
	}
	r.what, r.source, r.identify, r.interfaceName = "recording", s, s.Identify, s.InterfaceName
	return nil
}

// run plays the file to the sinks.
func (r *readFile) run(ctx context.Context, sinks ...pipeline.Sink) (conn.Stats, error) {
	r.began = time.Now()
	p := pipeline.New(r.config, r.identify, r.interfaceName, sinks...)
	p.Annotate(route.New(route.Default()))
	if r.tracer != nil {
		p.Trace(r.tracer)
	}
	err := p.Run(ctx, r.source)
	if cerr := r.file.Close(); err == nil {
		err = cerr
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("read %s: %w", r.path, err)
	}
	return p.Stats(), err
}

// progress tells how far the reading has come.
func (r *readFile) progress() string {
	text := fmt.Sprintf("%d %%", 100*r.done.Load()/max(r.size, 1))
	if r.capture != nil {
		n := r.capture.Packets()
		text += fmt.Sprintf(", %d packets, %.0f/s", n, float64(n)/max(time.Since(r.began).Seconds(), 1e-3))
	}
	return text
}

// summarise says what a capture held besides events.
func (r *readFile) summarise(e env) {
	if r.capture == nil {
		return
	}
	s := r.capture.Stats()
	fmt.Fprintf(e.stderr, "sonde: %d packets, %d bytes, %.3f s", s.Packets, s.Bytes, (s.Last - s.First).Seconds())
	for _, n := range []struct {
		count uint64
		what  string
	}{
		{s.Dropped, "missed by the capturing program"},
		{s.Cut, "captured in part"},
		{s.NotIP, "not IP"},
		{s.Short, "with cut or damaged headers"},
		{s.Fragments, "fragments without the rest"},
		{s.Strays, "of no connection"},
	} {
		if n.count > 0 {
			fmt.Fprintf(e.stderr, "; %d %s", n.count, n.what)
		}
	}
	for _, link := range slices.Sorted(maps.Keys(s.Unknown)) {
		fmt.Fprintf(e.stderr, "; %d of link type %d, which sonde does not know", s.Unknown[link], link)
	}
	fmt.Fprintln(e.stderr)
}

// counted counts what is read through it.
type counted struct {
	in io.Reader
	n  *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.in.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// decompressed undoes gzip (RFC 1952) or zstd (RFC 8878), which are told by their first bytes.
func decompressed(in *bufio.Reader) (*bufio.Reader, error) {
	first, _ := in.Peek(4) // a shorter file is none of these
	switch {
	case len(first) >= 2 && string(first[:2]) == "\x1f\x8b":
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, err
		}
		return bufio.NewReaderSize(z, 1<<16), nil
	case string(first) == "\x28\xb5\x2f\xfd":
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(1<<30))
		if err != nil {
			return nil, err
		}
		return bufio.NewReaderSize(z, 1<<16), nil
	}
	return in, nil
}
