// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"sonde/agent/filter"
	"sonde/agent/model"
	"sonde/exporters/jsonl"
	"sonde/exporters/text"
)

// sink joins what the flags ask for.
func (f *observeFlags) sink(e env) (*observeSink, error) {
	if f.limit < 0 || f.last < 0 || f.duration < 0 {
		return nil, errors.New("--limit, --last and --duration cannot be negative; 0 switches them off")
	}
	c, err := f.filters.Config()
	if err != nil {
		return nil, err
	}
	if err := f.groups.check(f, &c); err != nil {
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
	return s, f.connect(e, s, out)
}

// connect decides what is written to out.
func (f *observeFlags) connect(e env, s *observeSink, out io.Writer) error {
	colours, err := f.colours(e)
	if err != nil {
		return err
	}
	c := text.Config{Colour: colours, Width: e.width, Align: e.terminal}
	switch strings.ToLower(f.output) {
	case "json", "jsonl", "jsonpb":
		s.out = jsonl.NewWriter(out, s.clock.now)
	case "table":
		c.Format = text.Table
		s.out = text.NewWriter(out, s.clock.now, c)
	case "compact":
		s.out = text.NewWriter(out, s.clock.now, c)
	default:
		return fmt.Errorf("output format %q: want compact, table or json", f.output)
	}
	if len(f.groups.by) == 0 {
		return nil
	}
	s.groups, err = f.groups.start(s, out, f.json())
	if err != nil {
		return err
	}
	s.groups.look.Colour, s.groups.look.Width = colours, e.width
	s.out = s.groups
	return nil
}

func (f *observeFlags) json() bool {
	switch strings.ToLower(f.output) {
	case "json", "jsonl", "jsonpb":
		return true
	}
	return false
}

// colours says whether to colour the output.
func (f *observeFlags) colours(e env) (bool, error) {
	switch f.colour {
	case "auto":
		return e.colour(), nil
	case "always":
		return true, nil
	case "never":
		return false, nil
	}
	return false, fmt.Errorf("--color %q: want auto, always or never", f.colour)
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
	tally  tally
	stop   func()
	groups *grouped // in place of out's lines, nil without --group-by

	ahead   *ahead // between out and stdout, nil when there is no ring to hold up
	written error  // of ahead

	progress     *progress // of the reading of a file, nil for live
	progressText func() string
}

// Request implements pipeline.Sink.
func (s *observeSink) Request(r *model.Request) {
	if s.full() {
		return
	}
	if !s.filter.Request(r) || s.tooOld(r.Start) {
		s.tally.filtered++
		return
	}
	s.tally.request(r)
	if s.groups != nil {
		s.groups.summary.Request(r)
	} else {
		s.out.Request(r)
	}
	s.count()
}

// Flow implements pipeline.Sink.
func (s *observeSink) Flow(f *model.Flow, d model.FlowDelta) {
	if s.full() {
		return
	}
	if !s.filter.Flow(f) || s.tooOld(f.Start) {
		s.tally.filtered++
		return
	}
	s.tally.flows++
	if s.groups != nil {
		s.groups.summary.Flow(f, d)
	} else {
		s.out.Flow(f)
	}
	s.count()
}

// Lost implements pipeline.Sink.
func (s *observeSink) Lost(l *model.Loss) {
	if l.What == "records" {
		s.tally.lost += l.Count
	}
	if s.filter.Lost(l) {
		s.out.Lost(l)
	}
}

func (s *observeSink) tooOld(t time.Duration) bool {
	return !s.since.IsZero() && s.clock.now().Wall(t).Before(s.since)
}

func (s *observeSink) full() bool { return s.limit > 0 && s.tally.shown >= s.limit }

func (s *observeSink) count() {
	s.tally.shown++
	if s.keep {
		s.out.Flush()
	}
	if s.full() || s.out.Err() != nil {
		s.stop()
	}
}

// Tick implements pipeline.Ticker: what a batch brought is shown together. A file is read faster than anyone can look.
func (s *observeSink) Tick(now time.Duration) {
	s.tally.tick(now)
	if s.groups != nil {
		s.groups.tick(now)
	}
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
	if s.groups != nil {
		s.groups.ending = true
		s.groups.write()
	}
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
