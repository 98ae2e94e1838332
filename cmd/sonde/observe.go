// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sonde/agent/conn"
	"sonde/agent/filter"
	"sonde/agent/model"
	"sonde/agent/source/recording"
	"sonde/agent/trace"
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
	colour   string
	last     int
	limit    int
	since    string
	follow   bool
	duration time.Duration
	noHint   bool
	stats    bool
	exitCode bool
	groups   groupFlags
}

func observeCommand(e env) *cobra.Command {
	var f observeFlags
	cmd := &cobra.Command{
		Use:   "observe",
		Short: "Show requests and flows as they happen, one line each",
		Long: `Show requests and flows as they happen, one line each.

An exchange between two processes of this machine is seen twice, at its client and at its server; --role shows one side.
Values of one filter are alternatives, different filters must all match, and --not turns the next filter around. Texts are
looked for in names, addresses, paths, queries and statuses, and all that are given must be there.

--group-by counts the requests that the filters leave by what they have in common, and shows a table when the observation ends,
or every --interval; with -o json, an object for each group. With --type flow it counts connections. Incomplete requests are
counted and have no duration.

--read shows what a file holds, in the same form, and needs no rights: a recording of sonde, or a capture file, which tells
no processes and whose role is "wire". A damaged or incomplete file is shown as far as it can be read, then sonde fails.

Exit status: 0 done, 1 failure, 2 wrong command line, and with --exit-code 3 when no event was shown.`,
		Example: `  sonde observe --port 80 --http-status 5+
  sonde observe --process nginx --not --http-path '^/healthz'
  sonde observe -o json --type request | jq .attributes
  sonde observe --last 20 --duration 10s
  sonde observe --text checkout --min-duration 500ms
  sonde observe --group-by service,route --role server --duration 30s
  sonde observe --group-by client,server --type flow --interval 5s
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
	fl.StringVar(&f.colour, "color", "auto", "colours: auto (on a terminal, unless NO_COLOR is set), always or never")
	fl.IntVar(&f.last, "last", 0, "show only the last N events, when the observation ends")
	fl.IntVar(&f.limit, "limit", 0, "stop after N events")
	fl.StringVar(&f.since, "since", "", "only events that began after this: 5m (ago), 14:05, RFC 3339 or Unix seconds")
	fl.BoolVarP(&f.follow, "follow", "f", true, "show events as they happen; --follow=false shows them when the observation ends")
	fl.DurationVar(&f.duration, "duration", 0, "stop this long after readiness (default: until interrupted)")
	fl.BoolVar(&f.noHint, "quiet", false, "no notes on stderr")
	fl.BoolVar(&f.stats, "stats", false, "at the end, a line on stderr: events shown, filtered and lost, outcomes, rate, CPU time of sonde")
	fl.BoolVar(&f.exitCode, "exit-code", false, "exit with 3 when no event was shown, for scripts")
	f.groups.register(cmd)
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

// GetSlice tells shells that the flag may be given again.
func (a argument) GetSlice() []string { return nil }

func (f *observeFlags) registerFilters(cmd *cobra.Command) {
	for _, d := range filter.Flags() {
		name := d.Name
		cmd.Flags().Var(argument{func(v string) error { return f.filters.Set(name, v) }, "value"}, name,
			d.Usage+": "+d.Accepts)
	}
	setNot := func(string) error {
		f.filters.Not()
		return nil
	}
	not := cmd.Flags().VarPF(argument{setNot, "bool"}, "not", "",
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
	if options.tracer, err = f.tracer(e, sink); err != nil {
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

// tracer is made where the identifiers of traces are shown or asked for.
func (f *observeFlags) tracer(e env, s *observeSink) (*trace.Tracer, error) {
	if (!f.json() || s.groups != nil) && !s.filter.Traces() {
		return nil, nil
	}
	return newTracer(propagators(e), nil, nil)
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
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if f.exitCode && sink.tally.shown == 0 {
		return errNothingShown
	}
	return nil
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
	if in.tracer, err = f.tracer(e, sink); err == nil && in.capture != nil {
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
		sink.progressText = func() string {
			return fmt.Sprintf("reading %s: %s, %d events", f.read, in.progress(), sink.tally.shown)
		}
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
	t := &c.Allow
	processes := len(t.PIDs) + len(t.Processes) + len(t.FromProcesses) + len(t.ToProcesses) + len(t.Services) + len(t.FromServices) +
		len(t.ToServices) + len(t.Containers)
	switch {
	case processes > 0:
		return usageError{errors.New("filters by process, service or container can match nothing here: a capture file does not tell processes")}
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
	if f.stats {
		defer fmt.Fprintf(e.stderr, "sonde: stats %s\n", &s.tally)
	}
	if f.noHint {
		return
	}
	verb := "shown"
	if s.groups != nil {
		verb = "counted"
	}
	fmt.Fprintf(e.stderr, "sonde: %s %d events of %d requests and %d connections", verb, s.tally.shown, st.Requests, st.Opened)
	if s.tally.lost > 0 {
		fmt.Fprintf(e.stderr, "; lost %d records, use a larger --ring-size or a narrower filter", s.tally.lost)
	}
	fmt.Fprintln(e.stderr)
	if s.groups != nil && s.groups.summary.BothEnds() {
		fmt.Fprintln(e.stderr, "sonde: exchanges between two processes of this machine are counted at both ends; "+
			"--role server leaves one, --group-by role,... tells them apart")
	}
}
