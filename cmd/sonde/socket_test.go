// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
	"sonde/exporters/socket"
)

// socketPath is a place for a socket, which has little room for the names of tests.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sonde")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// attend serves an audience until the test ends.
func attend(t *testing.T, f *socketFlags) *audience {
	t.Helper()
	f.config.Path, f.explicit = socketPath(t), true
	log := slog.New(slog.DiscardHandler)
	a := f.open(func() model.Clock { return model.Clock{Boot: time.Now().Add(-time.Hour)} }, words{}, newSelfSource(), log)
	if err := a.listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stop := a.run(ctx)
	t.Cleanup(func() { cancel(); stop() })
	return a
}

func viewer(t *testing.T, a *audience) *socket.Client {
	t.Helper()
	c, err := socket.Dial(t.Context(), a.flags.config.Path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// feed tells what happened in a second, an hour after the start of the machine.
func feed(a *audience, requests int) {
	const now = time.Hour
	for _, s := range a.sinks() {
		for i := range requests {
			s.Request(&model.Request{
				Protocol: model.ProtocolHTTP, Role: model.RoleServer, Outcome: model.OutcomeOK, Start: now + time.Duration(i), End: now + time.Millisecond,
				Server: model.Endpoint{Process: &model.Process{PID: 7, Name: "shop", ServiceName: "shop"}},
				HTTP:   &model.HTTP{Method: "GET", Path: "/", Status: 200},
			})
		}
		s.(interface{ Tick(time.Duration) }).Tick(now + time.Second)
	}
}

func TestHistoryIsKeptAlwaysOrOnDemand(t *testing.T) {
	for _, c := range []struct {
		history       string
		before, after uint64 // requests that a viewer sees: of those before it came, of all when it asks again
	}{
		{historyOnDemand, 0, 3},
		{historyAlways, 5, 8},
	} {
		t.Run(c.history, func(t *testing.T) {
			f := socketFlags{config: socket.Default(), history: c.history}
			a := attend(t, &f)
			feed(a, 5)
			watching := viewer(t, a)
			for i, want := range []uint64{c.before, c.after} {
				s, err := watching.Snapshot(t.Context(), view.Query{Page: view.PageServices})
				if err != nil {
					t.Fatal(err)
				}
				if s.Overview.Total != want {
					t.Errorf("question %d: %d requests seen, want %d", i+1, s.Overview.Total, want)
				}
				feed(a, 3)
			}
		})
	}
}

func TestGlanceTracesWhileSomebodyWatches(t *testing.T) {
	f := socketFlags{config: socket.Default(), history: historyOnDemand}
	a := attend(t, &f)
	run := runFlags{socket: f}
	g, err := run.glance(env{getenv: func(string) string { return "" }}, a)
	if err != nil {
		t.Fatal(err)
	}
	trace := func() bool {
		g.Tick(time.Hour)
		r := model.Request{Start: time.Hour, End: time.Hour + 1, Begun: g.Begin(&model.Started{Conn: 1, Start: time.Hour})}
		g.Finish(&r)
		g.Ended(1)
		return r.Span.SpanID != model.SpanID{}
	}
	if trace() {
		t.Error("nobody watches, and a request has a place in a trace")
	}
	if _, err := viewer(t, a).Snapshot(t.Context(), view.Query{Page: view.PageServices}); err != nil {
		t.Fatal(err)
	}
	if !trace() {
		t.Error("somebody watches, and a request has no place in a trace")
	}
}

func TestASocketThatCannotBeMadeEndsTheRunWhereSomebodyAskedForIt(t *testing.T) {
	var log strings.Builder
	for _, explicit := range []bool{true, false} {
		log.Reset()
		f := socketFlags{config: socket.Default(), history: historyOnDemand, explicit: explicit}
		f.config.Path = "/proc/sonde/s" // nobody can make a directory there
		a := f.open(func() model.Clock { return model.Clock{} }, words{}, newSelfSource(), slog.New(slog.NewTextHandler(&log, nil)))
		err := a.listen(t.Context())
		if (err != nil) != explicit {
			t.Errorf("explicit %v: %v", explicit, err)
		}
		if !explicit && !strings.Contains(log.String(), "sonde top cannot attach") {
			t.Errorf("log %q", log.String())
		}
		a.run(t.Context())() // there is nothing to stop
	}
}

func TestWithoutASocketNothingIsKept(t *testing.T) {
	f := socketFlags{config: socket.Config{Path: socketOff}, history: historyAlways}
	a := f.open(nil, words{}, newSelfSource(), nil)
	if a != nil || f.always() || len(a.sinks()) > 0 || a.listen(t.Context()) != nil {
		t.Errorf("%+v", a)
	}
	a.run(t.Context())()
}
