// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sonde/agent/conn"
	"sonde/agent/filter"
	"sonde/agent/model"
	"sonde/agent/source/recording"
	"sonde/agent/trace"
	"sonde/exporters/jsonl"
	"sonde/exporters/text"
)

// eventWriter is a format of events.
type eventWriter interface {
	Request(*model.Request)
	Flow(*model.Flow)
	Lost(*model.Loss)
	Flush()
	Err() error
}

type observeFlags struct {
	capture  captureFlags
	read     string
	write    string
	filters  filter.Arguments
	output   string
	last     int
	limit    int
	since    string
	follow   bool
	duration time.Duration
	noHint   bool
}

func observeCommand(e env) *cobra.Command {
	var f observeFlags
	cmd := &cobra.Command{
		Use:   "observe",
		Short: "Show requests and flows as they happen, one line each",
		Long: `Show requests and flows as they happen, one line each.

An exchange between two processes of this machine is seen twice, at its client and at its server; --role shows one side.
Values of one filter are alternatives, different filters must all match, and --not turns the next filter around.

--read shows what a file holds, in the same form, and needs no rights: a recording of sonde, or a capture file, which tells
no processes and whose role is "wire". A damaged or incomplete file is shown as far as it can be read, then sonde fails.`,
		Example: `  sonde observe --port 80 --http-status 5+
  sonde observe --process nginx --not --http-path '^/healthz'
  sonde observe -o json --type request | jq .attributes
  sonde observe --last 20 --duration 10s
  sonde observe --read incident.pcap.gz --outcome error
  tcpdump -i any -s 0 -U -w - tcp port 80 | sonde observe --read -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.read == "" {
				return f.run(cmd.Context(), e)
			}
			if err := checkRead(cmd); err != nil {
				return err
			}
			return f.runFile(cmd.Context(), e)
		},
	}
	f.capture.register(cmd, e)
	f.registerFilters(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.read, "read", "r", "", "read a recording or a capture (pcap, pcapng; also gzip, zstd) instead of this machine; - is stdin")
	fl.StringVarP(&f.write, "write", "w", "", "also record to this file, for --read")
	fl.StringVarP(&f.output, "output", "o", "compact", "format: compact, table or json (one object a line)")
	fl.IntVar(&f.last, "last", 0, "show only the last N events, when the observation ends")
	fl.IntVar(&f.limit, "limit", 0, "stop after N events")
	fl.StringVar(&f.since, "since", "", "only events that began after this: 5m (ago), 14:05, RFC 3339 or Unix seconds")
	fl.BoolVarP(&f.follow, "follow", "f", true, "show events as they happen; --follow=false shows them when the observation ends")
	fl.DurationVar(&f.duration, "duration", 0, "stop this long after readiness (default: until interrupted)")
	fl.BoolVar(&f.noHint, "quiet", false, "no notes on stderr")
	return cmd
}

// argument lets the filter package see each flag in the order of the command line, which --not depends on.
type argument struct {
	set  func(string) error
	kind string
}

func (a argument) String() string     { return "" }
func (a argument) Set(v string) error { return a.set(v) }
func (a argument) Type() string       { return a.kind }

func (f *observeFlags) registerFilters(cmd *cobra.Command) {
	for _, d := range filter.Flags() {
		name := d.Name
		cmd.Flags().Var(argument{func(v string) error { return f.filters.Set(name, v) }, "value"}, name,
			d.Usage+" ("+d.Accepts+")")
	}
	not := cmd.Flags().VarPF(argument{func(string) error { return f.filters.Not() }, "bool"}, "not", "",
		"turn the next filter around")
	not.NoOptDefVal = "true"
}

func (f *observeFlags) run(ctx context.Context, e env) error {
	sink, err := f.sink(e)
	if err != nil {
		return usageError{err}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sink.stop = cancel
	var k *capture
	ready := func() {
		f.announce(e, k)
		if f.duration > 0 {
			time.AfterFunc(f.duration, cancel) // from now on: until here nothing was observed
		}
	}
	options := captureOptions{scope: sink.filter.Kernel(), ready: ready, clock: &sink.clock}
	if options.tracer, err = f.tracer(e); err != nil {
		return err
	}
	close := func() error { return nil }
	if f.write != "" {
		if options.recorder, close, err = f.recording(cancel); err != nil {
			return err
		}
	}
	if k, err = f.capture.start(options, sink); err != nil {
		return errors.Join(err, close())
	}
	err = k.run(ctx)
	sink.finish()
	if cerr := close(); cerr != nil {
		return cerr
	}
	f.summarise(e, k.pipeline.Stats(), sink)
	return f.result(err, sink)
}

// tracer is made where the output has the identifiers of traces.
func (f *observeFlags) tracer(e env) (*trace.Tracer, error) {
	if !f.json() {
		return nil, nil
	}
	return newTracer(propagators(e), nil, nil)
}

func (f *observeFlags) json() bool {
	switch strings.ToLower(f.output) {
	case "json", "jsonl", "jsonpb":
		return true
	}
	return false
}

// recording begins the recording of --write. stop is called when it cannot go on.
func (f *observeFlags) recording(stop func()) (*recording.Recorder, func() error, error) {
	out, err := createRecording(f.write, false)
	if err != nil {
		return nil, nil, err
	}
	var r *recording.Recorder
	r, err = f.capture.recorder(out, func(uint64) {
		if r.Err() != nil {
			stop()
		}
	})
	if err != nil {
		return nil, nil, errors.Join(err, out.Close())
	}
	return r, func() error {
		if err := errors.Join(r.Close(), out.Close()); err != nil {
			return fmt.Errorf("write %s: %w; what was written before can be read", f.write, err)
		}
		return nil
	}, nil
}

// result is the error of the observation, or of the writing of what it gave.
func (f *observeFlags) result(err error, sink *observeSink) error {
	werr := sink.out.Err()
	if werr == nil {
		werr = sink.written
	}
	if werr != nil && !errors.Is(werr, syscall.EPIPE) {
		return fmt.Errorf("write output: %w", werr)
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// runFile shows what a file holds.
func (f *observeFlags) runFile(ctx context.Context, e env) error {
	sink, err := f.sink(e)
	if err != nil {
		return usageError{err}
	}
	in, err := openFile(f.read, &sink.clock)
	if err != nil {
		return err
	}
	if in.tracer, err = f.tracer(e); err == nil && in.capture != nil {
		err = f.checkCapture()
	}
	if err != nil {
		return errors.Join(err, in.file.Close())
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sink.stop = cancel
	if in.size > 0 { // else it may be somebody's live capture
		sink.progress = newProgress(e, f.noHint || e.terminal && sink.tail == nil) // two on one terminal garble each other
		sink.progressText = func() string { return fmt.Sprintf("reading %s: %s, %d events", f.read, in.progress(), sink.shown) }
	}
	sink.keep = sink.keep || in.size == 0 && e.terminal
	st, err := in.run(ctx, sink)
	sink.finish()
	if sink.progress != nil {
		sink.progress.done()
	}
	if !f.noHint {
		in.summarise(e)
	}
	f.summarise(e, st, sink)
	return f.result(err, sink)
}

// checkCapture refuses filters that no event of a capture file can match.
func (f *observeFlags) checkCapture() error {
	c, err := f.filters.Config()
	if err != nil {
		return usageError{err}
	}
	switch {
	case len(c.Allow.PIDs)+len(c.Allow.Processes) > 0:
		return usageError{errors.New("--pid and --process can match nothing here: a capture file does not tell processes")}
	case len(c.Allow.Roles) > 0 && !slices.Contains(c.Allow.Roles, "wire"):
		return usageError{errors.New(`--role can only be wire here: a capture file has neither end`)}
	}
	return nil
}

func (f *observeFlags) announce(e env, k *capture) {
	if f.noHint {
		return
	}
	fmt.Fprintf(e.stderr, "sonde: %s\n", readiness(k))
	if e.terminal {
		fmt.Fprintln(e.stderr, "sonde: try 'curl http://localhost/' in another terminal, or --help for filters; Ctrl-C ends.")
	}
}

// summarise says at the end what was seen and what was not, so that silence is never taken for completeness.
func (f *observeFlags) summarise(e env, st conn.Stats, s *observeSink) {
	if f.noHint {
		return
	}
	fmt.Fprintf(e.stderr, "sonde: shown %d events of %d requests and %d connections", s.shown, st.Requests, st.Opened)
	if s.lost > 0 {
		fmt.Fprintf(e.stderr, "; lost %d records, use a larger --ring-size or a narrower filter", s.lost)
	}
	fmt.Fprintln(e.stderr)
}

func (f *observeFlags) sink(e env) (*observeSink, error) {
	if f.limit < 0 || f.last < 0 || f.duration < 0 {
		return nil, errors.New("--limit, --last and --duration cannot be negative; 0 switches them off")
	}
	c, err := f.filters.Config()
	if err != nil {
		return nil, err
	}
	s := &observeSink{limit: f.limit}
	if s.filter, err = filter.Compile(c); err != nil {
		return nil, err
	}
	if f.since != "" {
		if s.since, err = filter.ParseTime(f.since, time.Now()); err != nil {
			return nil, err
		}
	}
	out := e.stdout
	if f.last > 0 || !f.follow {
		s.tail = &lastLines{out: e.stdout, limit: f.last}
		out = s.tail
		s.keep = true
	} else if f.read == "" {
		s.ahead = newAhead(e.stdout)
		out = s.ahead
	}
	s.out, err = f.writer(e, out, s.clock.now)
	return s, err
}

func (f *observeFlags) writer(e env, out io.Writer, clock func() model.Clock) (eventWriter, error) {
	c := text.Config{Colour: e.colour(), Width: e.width}
	if f.json() {
		return jsonl.NewWriter(out, clock), nil
	}
	switch strings.ToLower(f.output) {
	case "compact":
		return text.NewWriter(out, clock, c), nil
	case "table":
		c.Format = text.Table
		return text.NewWriter(out, clock, c), nil
	}
	return nil, fmt.Errorf("output format %q: want compact, table or json", f.output)
}

// observeSink filters and writes. It is called from the pipeline's goroutine alone.
type observeSink struct {
	filter *filter.Filter
	out    eventWriter
	tail   *lastLines
	keep   bool // every event is a write of its own: for --last, and where somebody waits for it
	clock  clock
	since  time.Time
	limit  int
	shown  int
	lost   uint64
	stop   func()

	ahead   *ahead // between out and stdout, nil when there is no ring to hold up
	written error  // of ahead

	progress     *progress // of the reading of a file, nil for live
	progressText func() string
}

func (s *observeSink) Request(r *model.Request) {
	if s.full() || !s.filter.Request(r) || s.tooOld(r.Start) {
		return
	}
	s.out.Request(r)
	s.count()
}

func (s *observeSink) Flow(f *model.Flow, _ model.FlowDelta) {
	if s.full() || !s.filter.Flow(f) || s.tooOld(f.Start) {
		return
	}
	s.out.Flow(f)
	s.count()
}

func (s *observeSink) Lost(l *model.Loss) {
	if l.What == "records" {
		s.lost += l.Count
	}
	if s.filter.Lost(l) {
		s.out.Lost(l)
	}
}

func (s *observeSink) tooOld(t time.Duration) bool {
	return !s.since.IsZero() && s.clock.now().Wall(t).Before(s.since)
}

func (s *observeSink) full() bool { return s.limit > 0 && s.shown >= s.limit }

func (s *observeSink) count() {
	s.shown++
	if s.keep {
		s.out.Flush()
	}
	if s.full() || s.out.Err() != nil {
		s.stop()
	}
}

// Tick implements pipeline.Ticker: what a batch brought is shown together. A file is read faster than anyone can look.
func (s *observeSink) Tick(time.Duration) {
	if s.progress != nil {
		s.progress.show(s.progressText)
	} else {
		s.out.Flush()
	}
	if s.out.Err() != nil || s.ahead != nil && s.ahead.failed.Load() != nil {
		s.stop()
	}
}

func (s *observeSink) finish() {
	s.out.Flush()
	if s.tail != nil {
		s.tail.flush()
	}
	if s.ahead != nil {
		s.written = s.ahead.close()
	}
}

// lastLines keeps the last lines that were written, all of them when limit is 0.
type lastLines struct {
	out   io.Writer
	limit int
	lines []string
}

func (l *lastLines) Write(p []byte) (int, error) {
	for _, line := range strings.SplitAfter(string(p), "\n") {
		if line == "" {
			continue
		}
		if l.limit > 0 && len(l.lines) == l.limit {
			l.lines = append(l.lines[:0], l.lines[1:]...)
		}
		l.lines = append(l.lines, line)
	}
	return len(p), nil
}

func (l *lastLines) flush() {
	for _, line := range l.lines {
		_, _ = io.WriteString(l.out, line) // the reader has gone: there is nobody to tell
	}
}
