// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"sonde/agent/view"
	"sonde/tui"
)

// onceFlags say how one page is printed.
type onceFlags struct {
	wanted   bool
	output   string
	duration time.Duration
	sort     string
	reverse  bool
	limit    int
}

func (o *onceFlags) register(fl *pflag.FlagSet) {
	fl.BoolVar(&o.wanted, "once", false, "print one page and end")
	fl.StringVarP(&o.output, "output", "o", "text", "with --once: text, json (an object on one line) or csv")
	fl.DurationVar(&o.duration, "duration", 5*time.Second, "with --once: how long to observe before the page is printed")
	fl.StringVar(&o.sort, "sort", "", "with --once: what the rows are sorted by, as rate, p99, errors, bytes (default: as on the screen)")
	fl.BoolVar(&o.reverse, "reverse", false, "with --once: sort the other way round")
	fl.IntVar(&o.limit, "limit", view.DefaultLimit, "with --once: rows to print")
}

// onceOnly are the flags that have a meaning with --once alone.
var onceOnly = []string{"output", "duration", "sort", "reverse", "limit"}

func (o *onceFlags) check(cmd *cobra.Command, q *view.Query) error {
	if given := changed(cmd, onceOnly); !o.wanted && len(given) > 0 {
		return fmt.Errorf("%s: only for --once, on the screen there are keys for it", strings.Join(given, " "))
	}
	keys := view.SortKeys(q.Page)
	switch {
	case !slices.Contains([]string{"text", "json", "csv"}, o.output):
		return fmt.Errorf("output format %q: want text, json or csv", o.output)
	case o.duration < 0:
		return errors.New("--duration cannot be negative")
	case o.limit < 1 || o.limit > view.MaxLimit:
		return fmt.Errorf("--limit %d: want 1 to %d", o.limit, view.MaxLimit)
	case o.sort != "" && !slices.Contains(keys, o.sort):
		return fmt.Errorf("--sort %q: the page %s can be sorted by %s", o.sort, q.Page, strings.Join(keys, ", "))
	}
	if o.wanted {
		q.Sort, q.Reverse, q.Limit = o.sort, o.reverse, o.limit
	}
	return nil
}

// print writes one page. What there is of a damaged file is printed, then sonde fails; so is what there is when somebody does
// not want to wait any longer.
func (t *top) print(ctx context.Context, w world) error {
	if err := w.settle(ctx, t.once, t.query); err != nil {
		if !errors.Is(err, context.Canceled) {
			return err
		}
		ctx = context.WithoutCancel(ctx)
	}
	s, err := w.Snapshot(ctx, t.query)
	if err != nil {
		return err
	}
	if err := t.write(ctx, s); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	if s.Playback != nil && s.Playback.Error != "" {
		return fmt.Errorf("read %s: %s", t.read, s.Playback.Error)
	}
	return nil
}

func (t *top) write(ctx context.Context, s *view.Snapshot) error {
	switch t.once.output {
	case "json":
		return json.NewEncoder(t.env.stdout).Encode(s)
	case "csv":
		return tui.WriteCSV(t.env.stdout, s)
	}
	width := t.env.width
	if width == 0 {
		width = onceWidth
	}
	c := t.screen(answered{s})
	c.NoColor = !t.env.colour()
	return tui.Once(ctx, c, t.env.stdout, width, 0)
}

// onceWidth is that of a page that is written to no terminal: room for all columns.
const onceWidth = 160

// answered is a world that has one answer to every question.
type answered struct{ snapshot *view.Snapshot }

// Snapshot implements view.World.
func (a answered) Snapshot(context.Context, view.Query) (*view.Snapshot, error) {
	return a.snapshot, nil
}

// Freeze implements view.World.
func (a answered) Freeze(context.Context) (uint64, error) { return 0, view.ErrCannotNow }

// Thaw implements view.World.
func (a answered) Thaw(context.Context, uint64) error { return view.ErrCannotNow }

// Values implements view.World.
func (a answered) Values(context.Context, string) ([]string, error) { return nil, nil }
