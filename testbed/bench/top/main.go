// SPDX-License-Identifier: Apache-2.0

// Command top measures what the viewer costs beside the agent that feeds it: 20,000 requests a second on 10,000 open connections
// go into a store, as a pipeline would put them there, and the viewer of `sonde top` shows page after page of it on a screen of
// 200 by 60 that is no terminal.
//
// Printed are, for each page, the processor time of the refreshes, as a share of one core beyond what the feeding alone takes,
// and how long a refresh takes from the question until the screen is drawn. It ends with an error where a refresh is above
// its budget: 5 % of a core, and 50 ms for half of them. It needs no root. Who calls it: make bench-top.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/gdamore/tcell/v2"
	"golang.org/x/sys/unix"

	"sonde/agent/model"
	"sonde/agent/store"
	"sonde/agent/view"
	"sonde/tui"
)

// The budget of a refresh.
const (
	mostShare = 0.05
	mostTime  = 50 * time.Millisecond
)

func main() {
	rate := flag.Int("rate", 20_000, "requests a second")
	conns := flag.Int("conns", 10_000, "open connections")
	duration := flag.Duration("for", 5*time.Second, "time of each measurement")
	flag.Parse()
	if err := run(*rate, *conns, *duration); err != nil {
		fmt.Fprintln(os.Stderr, "top:", err)
		os.Exit(1)
	}
}

// shown is what is measured.
var shown = []struct {
	name, filter string
	page         view.Page
	window       time.Duration
}{
	{"services", "", view.PageServices, time.Minute},
	{"services, 15 min", "", view.PageServices, 15 * time.Minute},
	{"services, filtered", "--http-status 5+", view.PageServices, time.Minute},
	{"routes", "", view.PageRoutes, time.Minute},
	{"requests", "", view.PageRequests, time.Minute},
	{"requests, filtered", "orders --min-duration 5ms", view.PageRequests, time.Minute},
	{"flows", "", view.PageFlows, time.Minute},
	{"connections", "", view.PageConns, time.Minute},
	{"map", "", view.PageMap, time.Minute},
	{"processes", "", view.PageProcesses, time.Minute},
}

func run(rate, conns int, duration time.Duration) error {
	boot := time.Now().Add(-time.Hour)
	s := store.New(store.Default(), func() model.Clock { return model.Clock{Boot: boot} }, words{}, nil)
	f := newFeed(s, boot, rate, conns)
	ctx, stop := context.WithCancel(context.Background())
	fed := make(chan struct{})
	go func() { f.run(ctx); close(fed) }()
	defer func() { stop(); <-fed }()
	time.Sleep(duration) // until the rings are full, and all that grows has grown
	runtime.GC()
	began, used := time.Now(), cpu()
	time.Sleep(duration)
	feeding := share(began, used)
	fmt.Printf("%d requests/s on %d connections; feeding alone takes %.1f %% of a core\n", rate, conns, 100*feeding)
	fmt.Printf("%-22s %12s %14s %14s %14s %10s\n", "", "% of a core", "ask, median", "draw, median", "both, worst", "refreshes")
	var over []error
	for _, p := range shown {
		m, err := watch(s, tui.Config{Page: p.page, Filter: p.filter, Window: p.window, Interval: time.Second}, duration)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		beyond := max(m.share-feeding, 0)
		fmt.Printf("%-22s %12.1f %14s %14s %14s %10d\n", p.name, 100*beyond, round(median(m.asks)), round(median(m.draws)), round(slices.Max(m.both)), len(m.both))
		if beyond > mostShare || median(m.both) > mostTime {
			over = append(over, fmt.Errorf("%s: above the budget of %.0f %% of a core and %v", p.name, 100*mostShare, mostTime))
		}
	}
	if behind := f.behind.Load(); behind > 0 {
		over = append(over, fmt.Errorf("the feed was late by up to %v: this machine is too busy to measure", time.Duration(behind)))
	}
	return errors.Join(over...)
}

func round(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

func median(d []time.Duration) time.Duration {
	d = slices.Clone(d)
	slices.Sort(d)
	return d[len(d)/2]
}

// cpu is the processor time of this process.
func cpu() time.Duration {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func share(began time.Time, used time.Duration) float64 {
	return (cpu() - used).Seconds() / time.Since(began).Seconds()
}

// measured is what was seen of one page.
type measured struct {
	share             float64 // of a core, of the whole process
	asks, draws, both []time.Duration
}

// watch shows a page for a while.
func watch(s *store.Store, c tui.Config, duration time.Duration) (*measured, error) {
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	st := &stopwatch{}
	c.World, c.NoMouse = timedWorld{s, st}, true
	c.Screen = timedScreen{tcell.NewSimulationScreen("UTF-8"), st}
	began, used := time.Now(), cpu()
	if err := tui.Run(ctx, c); err != nil && ctx.Err() == nil {
		return nil, err
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	if len(st.both) == 0 {
		return nil, errors.New("nothing was drawn")
	}
	return &measured{share(began, used), st.asks, st.draws, st.both}, nil
}
