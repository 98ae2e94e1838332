// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/source/live"
	"sonde/agent/store"
	"sonde/agent/trace"
	"sonde/agent/view"
	"sonde/exporters/socket"
)

// socketVariable names the socket for viewers, for sonde run and for those that attach.
const socketVariable = "SONDE_SOCKET"

const (
	socketOff       = "off"
	historyOnDemand = "on-demand"
	historyAlways   = "always"
)

// socketFlags say how sonde run is watched.
type socketFlags struct {
	config   socket.Config
	history  string
	explicit bool // somebody asked for this path, so without it there is no running
}

func (f *socketFlags) register(cmd *cobra.Command, e env) {
	f.config = socketConfig(e)
	flags := cmd.Flags()
	flags.StringVar(&f.config.Path, "socket", f.config.Path, "path of the socket that sonde top attaches to, or off ("+socketVariable+")")
	flags.StringVar(&f.history, "history", historyOnDemand, "what is kept for viewers: on-demand (nothing until one looks; traces as far as headers carry them), "+
		"always (also what was before it came, and whole traces; for each end of a request about 5 us, 20 MB in all, and what --causes costs)")
}

// socketConfig is the socket that the environment names.
func socketConfig(e env) socket.Config {
	c := socket.Default()
	if path := e.getenv(socketVariable); path != "" {
		c.Path = path
	}
	return c
}

func (f *socketFlags) parse(e env, flags interface{ Changed(string) bool }) error {
	f.explicit = flags.Changed("socket") || e.getenv(socketVariable) != ""
	switch f.history {
	case historyOnDemand, historyAlways:
	default:
		return usageError{fmt.Errorf("--history %q: want %s or %s", f.history, historyOnDemand, historyAlways)}
	}
	switch {
	case f.config.Path != socketOff:
		if err := f.config.Validate(); err != nil {
			return usageError{err}
		}
	case f.history == historyAlways:
		return usageError{errors.New("--history always keeps what viewers ask for, and with --socket off none can")}
	}
	return nil
}

// always tells whether everything that a viewer could want is kept from the start.
func (f *socketFlags) always() bool { return f.history == historyAlways && f.config.Path != socketOff }

// audience is what viewers in other processes look at, and the way to it. A nil one has no viewers.
type audience struct {
	flags   *socketFlags
	store   *store.Store
	server  *socket.Server
	ln      *socket.Listener // nil until listen, and where there is no socket
	log     *slog.Logger
	running sync.WaitGroup
	asked   atomic.Int64 // wall time of the last question in nanoseconds since 1970
}

// open makes what viewers will look at, nil when there are to be none.
func (f *socketFlags) open(now func() model.Clock, w words, self *selfSource, log *slog.Logger) *audience {
	if f.config.Path == socketOff {
		return nil
	}
	c := store.OnDemand()
	c.Host, _ = os.Hostname() // "" where it has none
	if f.always() {
		c.Mode = store.Default().Mode // such a store needs nobody to watch
	}
	a := &audience{flags: f, store: store.New(c, now, w, self.watched), log: log}
	a.server = socket.New(f.config, demand{a.store, &a.asked}, version, log)
	self.watchedBy(a.server.Viewers)
	return a
}

// listen makes the socket. One that nobody asked for and that cannot be made is a warning.
func (a *audience) listen(ctx context.Context) error {
	if a == nil {
		return nil
	}
	ln, err := socket.Listen(ctx, a.flags.config)
	switch {
	case err == nil:
		a.ln = ln
		a.announce()
	case a.flags.explicit:
		return fmt.Errorf("socket for viewers: %w", err)
	default:
		a.log.Warn("sonde top cannot attach; --socket gives another path, or off", "error", err)
	}
	return nil
}

// trace gives requests the places in traces that their headers tell, while somebody watches. It is for where nobody else traces.
func (a *audience) trace(t *trace.Tracer) *glance {
	return &glance{Tracer: t, watched: func() bool { return time.Since(time.Unix(0, a.asked.Load())) < glanceFor }}
}

// sinks are what the pipeline feeds.
func (a *audience) sinks() []pipeline.Sink {
	if a == nil {
		return nil
	}
	return []pipeline.Sink{a.store}
}

// run serves viewers until ctx is done. stop waits for that.
func (a *audience) run(ctx context.Context) (stop func()) {
	if a == nil || a.ln == nil {
		return func() {}
	}
	a.running.Go(func() {
		if err := a.server.Serve(ctx, a.ln); err != nil {
			a.log.Error("sonde top can no longer attach", "error", err)
		}
	})
	return a.running.Wait
}

func (a *audience) announce() {
	group, err := a.ln.Group()
	to := []any{"socket", a.ln.Path(), "for", "root and group " + group}
	if err != nil {
		to[3] = "root"
	}
	var unknown user.UnknownGroupError
	switch {
	case errors.As(err, &unknown):
		to = append(to, "hint", socket.GroupHint(string(unknown)))
	case err != nil:
		to = append(to, "group", err)
	}
	a.log.Info("viewers may attach", to...)
}

// demand is a store whose every question says that somebody watches.
type demand struct {
	*store.Store
	asked *atomic.Int64
}

// watch has a store that begins to keep things know what time it is: the answer to the first question is of now, too.
func (d demand) watch() *store.Store {
	before := d.asked.Swap(time.Now().UnixNano())
	d.Watch()
	if time.Since(time.Unix(0, before)) >= glanceFor {
		d.Tick(live.Now())
	}
	return d.Store
}

// Snapshot implements view.World.
func (d demand) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) {
	return d.watch().Snapshot(ctx, q)
}

// Freeze implements view.World.
func (d demand) Freeze(ctx context.Context) (uint64, error) { return d.watch().Freeze(ctx) }

// Values implements view.World.
func (d demand) Values(ctx context.Context, flag string) ([]string, error) {
	return d.watch().Values(ctx, flag)
}

// glanceFor is how long after the last question headers are read for traces: as long as a store on demand keeps requests.
const glanceFor = 10 * time.Minute

// glance is a tracer that works while it is watched. It is for the pipeline's goroutine.
type glance struct {
	*trace.Tracer
	watched func() bool
	on      bool
}

// Begin implements pipeline.Tracer. A request without a token began when nobody watched.
func (g *glance) Begin(s *model.Started) uint64 {
	if !g.on {
		return 0
	}
	return g.Tracer.Begin(s)
}

// Use implements pipeline.Tracer.
func (g *glance) Use(u *model.Use) {
	if g.on {
		g.Tracer.Use(u)
	}
}

// Finish implements pipeline.Tracer.
func (g *glance) Finish(r *model.Request) {
	if g.on || r.Begun != 0 {
		g.Tracer.Finish(r)
	}
}

// Tick implements pipeline.Tracer.
func (g *glance) Tick(now time.Duration) {
	g.on = g.watched()
	g.Tracer.Tick(now)
}
