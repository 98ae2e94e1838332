// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"sonde/agent/filter"
	"sonde/agent/store"
	"sonde/agent/view"
	"sonde/exporters/socket"
	"sonde/tui"
	"sonde/tui/theme"
)

type topFlags struct {
	capture captureFlags
	filters observeFlags // for its filters alone

	read   string
	attach string
	local  bool

	page     string
	filter   string
	window   time.Duration
	interval time.Duration
	theme    string
	noMouse  bool
	exportTo string
	requests int

	speed  string
	start  string
	paused bool

	once onceFlags
}

func topCommand(e env) *cobra.Command {
	f := topFlags{}
	cmd := &cobra.Command{
		Use:   "top",
		Short: "Watch services, requests and flows on a screen that stays current",
		Long: `Watch services, requests and flows on a screen that stays current.

It shows what a running agent sees (sonde run), when one answers at ` + socket.DefaultPath + ` (` + socketVariable + `): for that
it is enough to be in the group ` + socket.DefaultGroup + `. Else it observes by itself, for which it needs the rights of sonde run; --local and
all flags that say how to capture have it do so in any case. --read plays a recording or a capture, and needs no rights.

Keys: 1 to 7 pages, Enter into a row, Esc back, / filter, s sort, p pause, t time window, e export, ? all keys, q quit.
Playing a file: p pause, [ ] back and on by 10 s, { } by a minute, < > slower and faster, 0 to the start.

--once prints one page and ends, for scripts and where there is no terminal: when it observes by itself after --duration, of an
agent as soon as that has been watched for so long, of a file at its end or at --start. Ctrl-C has it printed at once.`,
		Example: `  sonde top
  sonde top --page requests --outcome error
  sonde top --filter '--port 5432 --not --process pg_dump' --window 5m
  sonde top --read incident.sonde --start 14:05 --speed 10
  sonde top --once -o json --window 10s | jq -r '.services[] | [.name, .in.rate, .in.p99_ns] | @tsv'
  ssh host sudo tcpdump -i any -s 0 -U -w - tcp port 80 | sonde top --read -`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := f.check(cmd, e)
			if err != nil {
				return err
			}
			return t.run(cmd.Context())
		},
	}
	f.register(cmd, e)
	return cmd
}

func (f *topFlags) register(cmd *cobra.Command, e env) {
	f.capture.register(cmd, e)
	f.filters.registerFilters(cmd)
	fl := cmd.Flags()
	fl.StringVarP(&f.read, "read", "r", "", "play a recording or a capture (pcap, pcapng; also gzip, zstd); - is stdin")
	fl.StringVar(&f.attach, "attach", "", "show what the agent at this socket sees, and fail when none answers")
	fl.BoolVar(&f.local, "local", false, "observe from this process, also when an agent runs")
	fl.StringVar(&f.page, "page", string(view.PageServices), "page to begin with: "+strings.Join(pageNames(), ", "))
	fl.StringVar(&f.filter, "filter", "", "filter to begin with: a line as after / on the screen; filter flags are added to it")
	fl.DurationVar(&f.window, "window", view.DefaultWindow, "time that rates and quantiles are of: "+windowNames())
	fl.DurationVar(&f.interval, "interval", tui.DefaultInterval, "time between refreshes, 200ms at least")
	fl.StringVar(&f.theme, "theme", "auto", "colours: auto, dark, light, or a file")
	fl.BoolVar(&f.noMouse, "no-mouse", false, "leave the mouse to the terminal")
	fl.StringVar(&f.exportTo, "export-dir", ".", "directory for what is exported with e")
	fl.IntVar(&f.requests, "requests", store.Default().Requests, "requests to keep, the newest; not of an agent, which keeps its own")
	fl.StringVar(&f.speed, "speed", "1", "with --read: how fast to play, 0.1, 10, or max")
	fl.StringVar(&f.start, "start", "", "with --read: where to begin, 90s (from the first record), 14:05, RFC 3339 or Unix seconds")
	fl.BoolVar(&f.paused, "paused", false, "with --read: begin paused")
	f.once.register(fl)
	f.complete(cmd)
}

// complete says what the shell may offer behind a flag.
func (f *topFlags) complete(cmd *cobra.Command) {
	words := map[string][]string{
		"page": pageNames(), "window": strings.Split(windowNames(), ", "), "speed": {"0.1", "0.5", "1", "2", "10", "100", "max"},
		"output": {"text", "json", "csv"},
	}
	for name, accepted := range words {
		fixed := cobra.FixedCompletions(accepted, cobra.ShellCompDirectiveNoFileComp)
		_ = cmd.RegisterFlagCompletionFunc(name, fixed) // fails for a flag that does not exist, which a test would see
	}
	_ = cmd.RegisterFlagCompletionFunc("theme", cobra.FixedCompletions([]string{"auto", "dark", "light"}, cobra.ShellCompDirectiveDefault))
	_ = cmd.RegisterFlagCompletionFunc("sort", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return view.SortKeys(view.Page(f.page)), cobra.ShellCompDirectiveNoFileComp
	})
	for _, name := range []string{"filter", "start", "requests"} {
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.NoFileCompletions)
	}
	_ = cmd.MarkFlagDirname("export-dir")
}

// topPages are those that need nothing to be entered for.
var topPages = []view.Page{
	view.PageServices, view.PageRequests, view.PageFlows, view.PageMap, view.PageProcesses, view.PageDNS, view.PageAgent,
	view.PageRoutes, view.PageConns,
}

func pageNames() []string {
	var names []string
	for _, p := range topPages {
		names = append(names, string(p))
	}
	return names
}

func windowNames() string {
	var names []string
	for _, w := range view.Windows {
		names = append(names, windowName(w))
	}
	return strings.Join(names, ", ")
}

// windowName writes 5m, not 5m0s.
func windowName(w time.Duration) string {
	if w >= time.Minute {
		return strings.TrimSuffix(w.String(), "0s")
	}
	return w.String()
}

// top is a command line that makes sense.
type top struct {
	*topFlags
	env    env
	query  view.Query
	begin  position // of a file
	factor float64  // speed of a file
	agent  string   // socket to try, "" to observe from this process whatever runs
}

func (f *topFlags) check(cmd *cobra.Command, e env) (*top, error) {
	t := &top{topFlags: f, env: e, query: view.Query{Page: view.Page(f.page), Window: f.window}}
	for _, err := range []error{f.checkView(), t.checkFilter(), f.checkSources(cmd), t.checkPlaying(cmd), f.once.check(cmd, &t.query)} {
		if err != nil {
			return nil, usageError{err}
		}
	}
	if t.agent = socketConfig(e).Path; t.agent == socketOff || f.local || len(changed(cmd, captureOnly)) > 0 {
		t.agent = ""
	}
	if !f.once.wanted {
		return t, checkTerminal(e)
	}
	return t, nil
}

func (f *topFlags) checkView() error {
	switch {
	case !slices.Contains(topPages, view.Page(f.page)):
		return fmt.Errorf("--page %q: want one of %s", f.page, strings.Join(pageNames(), ", "))
	case !slices.Contains(view.Windows, f.window):
		return fmt.Errorf("--window %v: want one of %s", f.window, windowNames())
	case f.interval < 200*time.Millisecond:
		return fmt.Errorf("--interval %v: want 200ms at least, the screen cannot be read faster", f.interval)
	case f.requests < 1 || f.requests > 10_000_000:
		return fmt.Errorf("--requests %d: want 1 to 10000000", f.requests)
	}
	if _, err := theme.For(f.theme, theme.Terminal{}); err != nil {
		return fmt.Errorf("--theme: %w", err)
	}
	if st, err := os.Stat(f.exportTo); err != nil || !st.IsDir() {
		return fmt.Errorf("--export-dir %q: there is no such directory", f.exportTo)
	}
	return nil
}

// checkFilter joins the line and the flags, which say the same in two ways.
func (t *top) checkFilter() error {
	if _, err := filter.ParseLine(t.filter); err != nil {
		return fmt.Errorf("--filter: %w", err)
	}
	c, err := t.filters.filters.Config()
	if err != nil {
		return err
	}
	t.query.Filter = strings.TrimSpace(t.filter + " " + filter.FormatLine(c))
	_, err = filter.ParseLine(t.query.Filter)
	return err
}

// captureOnly are the flags that say how to capture, which is done in this process alone.
var captureOnly = []string{"hooks", "tc", "ring-size", "cgroup", "interface", "causes"}

// playOnly are the flags that say how to play a file.
var playOnly = []string{"speed", "start", "paused"}

// changed are those of the flags that were given.
func changed(cmd *cobra.Command, names []string) (given []string) {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f != nil && f.Changed {
			given = append(given, "--"+name)
		}
	}
	return given
}

// checkSources refuses flags that exclude each other.
func (f *topFlags) checkSources(cmd *cobra.Command) error {
	from := changed(cmd, []string{"read", "attach", "local"})
	if len(from) > 1 {
		return fmt.Errorf("%s exclude each other: one page shows one source", strings.Join(from, " and "))
	}
	capture, play := changed(cmd, captureOnly), changed(cmd, playOnly)
	switch {
	case f.read != "":
		return checkRead(cmd)
	case f.attach != "" && len(capture) > 0:
		return fmt.Errorf("%s: the agent at --attach captures as it was told when it was started", strings.Join(capture, " "))
	case len(play) > 0:
		return fmt.Errorf("%s: only what --read reads can be played", strings.Join(play, " "))
	}
	return nil
}

// checkTerminal says what to do where there is no screen.
func checkTerminal(e env) error {
	switch kind := e.getenv("TERM"); {
	case !e.terminal:
		return usageError{errors.New("top needs a terminal to draw on: to print one page use --once")}
	case kind == "" || kind == "dumb":
		return usageError{fmt.Errorf("top needs a terminal that can place text, and TERM is %q: to print one page use --once", kind)}
	}
	return nil
}

// run shows the world that there is until the user leaves.
func (t *top) run(ctx context.Context) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGHUP) // the terminal is gone, what is attached is not to stay
	defer stop()
	w, err := t.open(ctx)
	if err != nil {
		return err
	}
	return w.watch(ctx, func(ctx context.Context) error {
		if t.once.wanted {
			return t.print(ctx, w)
		}
		return t.show(ctx, w)
	})
}

// show draws on the terminal.
func (t *top) show(ctx context.Context, w world) error {
	err := tui.Run(ctx, t.screen(w))
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// screen is how the viewer begins.
func (t *top) screen(w view.World) tui.Config {
	return tui.Config{
		World: w, Page: t.query.Page, Filter: t.query.Filter, Sort: t.query.Sort, Reverse: t.query.Reverse, Window: t.window, Interval: t.interval, Theme: t.theme,
		NoColor: t.env.getenv("NO_COLOR") != "", NoMouse: t.noMouse, ExportTo: t.exportTo,
	}
}

// storeConfig is that of a world in this process.
func (t *top) storeConfig(mode, source string) store.Config {
	c := store.Default()
	c.Mode, c.Source = mode, source
	// Room for the texts of each: what is set is to be had.
	c.RequestBytes = max(c.RequestBytes, t.requests*(c.RequestBytes/c.Requests))
	c.Requests = t.requests
	return c
}
