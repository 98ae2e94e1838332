// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"sonde/agent/filter"
	"sonde/agent/model"
	"sonde/exporters/summary"
	"sonde/exporters/text"
)

// groupFlags are the flags of summaries.
type groupFlags struct {
	by       []string
	sort     string
	top      int
	interval time.Duration
}

func (g *groupFlags) register(cmd *cobra.Command) {
	var names []string
	for _, k := range summary.Keys() {
		names = append(names, k.Name)
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&g.by, "group-by", nil, "show a table of counts and durations, by keys with commas between them: "+strings.Join(names, ", "))
	fl.StringVar(&g.sort, "sort", summary.Default().Sort, "what groups are sorted by: "+strings.Join(summary.SortKeys(), ", "))
	fl.IntVar(&g.top, "top", 0, "show the first N groups, the others added up (default all)")
	fl.DurationVar(&g.interval, "interval", 0, "show groups this often, each time of what came since (default: once, at the end)")
}

// check refuses flags that make no sense together, and narrows the filter to what is counted.
func (g *groupFlags) check(f *observeFlags, c *filter.Config) error {
	switch {
	case len(g.by) == 0 && (g.top != 0 || g.interval != 0 || g.sort != summary.Default().Sort):
		return errors.New("--sort, --top and --interval are about groups: add --group-by, as in --group-by service")
	case len(g.by) == 0:
		return nil
	case f.last > 0 || !f.follow:
		return errors.New("--last and --follow=false are about single events, --group-by shows none")
	case g.interval < 0 || g.interval > 0 && g.interval < 100*time.Millisecond:
		return fmt.Errorf("--interval %v: want at least 100ms, or 0 for one table at the end", g.interval)
	}
	if len(c.Allow.Types)+len(c.Deny.Types) == 0 {
		c.Allow.Types = []string{"request"}
	}
	return nil
}

// start makes what counts for a sink.
func (g *groupFlags) start(s *observeSink, out io.Writer, json bool) (*grouped, error) {
	c := summary.Default()
	c.By, c.Sort, c.Top, c.Status = g.by, g.sort, g.top, text.AppendStatus
	scope := s.filter.Kernel()
	c.Flows = scope.Flows && !scope.Requests
	if err := c.Validate(); err != nil {
		return nil, err
	}
	return &grouped{
		summary: summary.New(c), out: out, json: json, clock: s.clock.now, interval: g.interval, look: summary.Look{Title: g.interval > 0},
	}, nil
}

// grouped counts in place of showing single events. As a writer of events it writes none.
type grouped struct {
	summary  *summary.Summary
	out      io.Writer
	json     bool
	look     summary.Look
	clock    func() model.Clock
	interval time.Duration // 0: once, at the end
	next     time.Duration // when to write again, since boot
	written  bool          // at least once
	ending   bool          // the last part of an interval is not worth an empty table
	err      error
}

// tick writes when it is time. It goes by the time of what is observed, so a file gives the same tables each time.
func (g *grouped) tick(now time.Duration) {
	g.summary.Tick(now)
	switch {
	case g.interval == 0:
	case g.next == 0:
		g.next = now + g.interval
	case now >= g.next:
		g.write()
		g.next = max(g.next+g.interval, now)
	}
}

// write shows what was counted since the last time.
func (g *grouped) write() {
	report := g.summary.Report()
	if g.err != nil || g.ending && g.written && report.Total.Count == 0 {
		return
	}
	g.written = true
	if g.json {
		g.err = report.WriteJSON(g.out, g.clock())
	} else {
		g.err = report.WriteTable(g.out, g.clock(), g.look)
	}
	if g.interval > 0 {
		g.summary.Reset()
	}
}

func (g *grouped) Request(*model.Request) {}
func (g *grouped) Flow(*model.Flow)       {}
func (g *grouped) Lost(*model.Loss)       {}
func (g *grouped) Flush()                 {}
func (g *grouped) Err() error             { return g.err }
