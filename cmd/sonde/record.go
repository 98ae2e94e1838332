// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"sonde/agent/filter"
	"sonde/agent/model"
	"sonde/agent/source/recording"
)

type recordFlags struct {
	capture  captureFlags
	filters  filter.Arguments
	file     string
	duration time.Duration
	maxSize  string
	force    bool
	quiet    bool
}

func recordCommand(e env) *cobra.Command {
	var f recordFlags
	cmd := &cobra.Command{
		Use:   "record -w FILE",
		Short: "Record what the kernel tells, to be read again with --read",
		Long: `Record what the kernel tells, to be read again with --read.

The file holds the raw records of connections, flows and the beginning of messages, compressed, and gives with --read the
same output as was or would have been shown live. Bodies, values and credentials are overwritten before they are written.
It can be read up to the point where a disk was full or a power failure struck. Ctrl-C ends it in order.`,
		Example: `  sonde record -w incident.sonde --duration 1m
  sonde record -w web.sonde --port 80 --max-size 200M
  sonde observe --read incident.sonde --outcome error`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), e) },
	}
	f.capture.register(cmd, e)
	fl := cmd.Flags()
	fl.StringVarP(&f.file, "write", "w", "", "file to write (required)")
	fl.DurationVar(&f.duration, "duration", 0, "stop this long after readiness (default: until interrupted)")
	fl.StringVar(&f.maxSize, "max-size", "", "stop when the file has this size: bytes, or with k, M or G")
	fl.BoolVar(&f.force, "force", false, "overwrite the file if it exists")
	fl.BoolVar(&f.quiet, "quiet", false, "no notes on stderr")
	only := map[string]string{"port": "only connections with this port at either end", "pid": "only sockets of this process"}
	for _, d := range filter.Flags() {
		if usage := only[d.Name]; usage != "" { // what the kernel can leave out: the other filters are for --read
			name := d.Name
			fl.Var(argument{func(v string) error { return f.filters.Set(name, v) }, "value"}, name, usage+" ("+d.Accepts+")")
		}
	}
	return cmd
}

func (f *recordFlags) run(ctx context.Context, e env) error {
	if f.file == "" {
		return usageError{errors.New("record needs a file: -w FILE")}
	}
	limit, err := parseSize(f.maxSize)
	if err != nil {
		return usageError{fmt.Errorf("--max-size %w", err)}
	}
	if f.duration < 0 {
		return usageError{errors.New("--duration cannot be negative")}
	}
	c, err := f.filters.Config()
	if err != nil {
		return usageError{err}
	}
	scope, err := filter.Compile(c)
	if err != nil {
		return usageError{err}
	}
	out, err := createRecording(f.file, f.force)
	if err != nil {
		return err
	}
	err = f.record(ctx, e, out, scope.Kernel(), limit)
	if cerr := out.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("write %s: %w", f.file, cerr)
	}
	return err
}

// createRecording refuses to overwrite: a recording may be the only one of an incident. Others must not read it.
func createRecording(path string, force bool) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	out, err := os.OpenFile(path, flags, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil, fmt.Errorf("%s exists: choose another name or remove it; record overwrites it with --force", path)
	}
	return out, err
}

func (f *recordFlags) record(ctx context.Context, e env, out io.Writer, scope filter.Scope, limit uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sink := &recordSink{progress: newProgress(e, f.quiet)}
	var rec *recording.Recorder
	var k *capture
	rec, err := f.capture.recorder(out, func(written uint64) {
		sink.show(rec.Stats())
		if rec.Err() != nil || limit > 0 && written >= limit {
			cancel()
		}
	})
	if err != nil {
		return fmt.Errorf("write %s: %w", f.file, err)
	}
	ready := func() {
		if !f.quiet {
			fmt.Fprintf(e.stderr, "sonde: %s; recording to %s, Ctrl-C ends\n", readiness(k), f.file)
		}
		if f.duration > 0 {
			time.AfterFunc(f.duration, cancel)
		}
	}
	k, err = f.capture.start(captureOptions{scope: scope, ready: ready, recorder: rec, clock: &clock{}}, sink)
	if err != nil {
		_ = os.Remove(f.file) // nothing was recorded, and the next attempt shall not be told that it exists
		return err
	}
	err = k.run(ctx)
	if cerr := rec.Close(); cerr != nil {
		return fmt.Errorf("write %s: %w; what was written before can be read", f.file, cerr)
	}
	sink.progress.done()
	if !f.quiet {
		fmt.Fprintf(e.stderr, "sonde: recorded %s\n", sink.text(rec.Stats()))
	}
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// recorder begins a recording of what the flags capture.
func (c *captureFlags) recorder(out io.Writer, written func(uint64)) (*recording.Recorder, error) {
	config, err := json.Marshal(c.tracker())
	if err != nil {
		return nil, err
	}
	var uts unix.Utsname
	_ = unix.Uname(&uts) // cannot fail; without it the recording does not name the kernel
	meta := recording.Meta{
		Version: version, Kernel: unix.ByteSliceToString(uts.Release[:]), Arch: runtime.GOARCH,
		Started: time.Now().UTC().Format(time.RFC3339), Config: config,
	}
	return recording.New(out, meta, written)
}

// recordSink counts what the pipeline finds: it runs because parsers say what may be written.
type recordSink struct {
	requests, flows, lost uint64
	progress              *progress
}

func (s *recordSink) Request(*model.Request)                { s.requests++ }
func (s *recordSink) Flow(_ *model.Flow, _ model.FlowDelta) { s.flows++ }

func (s *recordSink) Lost(l *model.Loss) {
	if l.What == "records" {
		s.lost += l.Count
	}
}

func (s *recordSink) show(st recording.Stats) {
	s.progress.show(func() string { return "recording: " + s.text(st) })
}

func (s *recordSink) text(st recording.Stats) string {
	text := fmt.Sprintf("%d records of %d requests in %s", st.Records, s.requests, sizeText(st.Bytes))
	if st.CutOff > 0 {
		text += fmt.Sprintf(", %s of payload left out because no parser knew what of it is private", sizeText(st.CutOff))
	}
	if s.lost > 0 {
		text += fmt.Sprintf("; lost %d records, use a larger --ring-size or a narrower filter", s.lost)
	}
	return text
}

// sizeText writes bytes in decimal units.
func sizeText(n uint64) string {
	switch {
	case n < 1000:
		return fmt.Sprintf("%d B", n)
	case n < 1_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	case n < 1_000_000_000:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.1f GB", float64(n)/1e9)
}

// parseSize reads "200M". "" is 0, no limit.
func parseSize(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	units := map[string]uint64{"": 1, "B": 1, "K": 1e3, "KB": 1e3, "M": 1e6, "MB": 1e6, "G": 1e9, "GB": 1e9}
	digits := strings.TrimRight(s, "kKmMgGbB")
	unit, ok := units[strings.ToUpper(s[len(digits):])]
	var n uint64
	if _, err := fmt.Sscanf(digits+" ", "%d ", &n); !ok || err != nil || n == 0 || n > 1<<40 || fmt.Sprint(n) != digits {
		return 0, fmt.Errorf("%q: want a number of bytes, or one with k, M or G (200M)", s)
	}
	return n * unit, nil
}
