// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"sonde/agent/filter"
	"sonde/agent/store"
	"sonde/agent/view"
	"sonde/exporters/socket"
	"sonde/probes/kernel"
)

// world is what top looks at, and what has to run meanwhile.
type world interface {
	view.World
	// watch runs look while the world lives, and takes everything away before it returns. The context of look ends when the
	// world does; then the error is the world's.
	watch(ctx context.Context, look func(context.Context) error) error
	// settle waits until there is what one page has to show.
	settle(ctx context.Context, o onceFlags, q view.Query) error
}

// open finds the world that the command line asks for, or the best that there is.
func (t *top) open(ctx context.Context) (world, error) {
	switch {
	case t.read != "":
		return t.openPlayed()
	case t.attach != "":
		return attach(ctx, t.attach)
	case t.agent == "":
		return t.openLive("")
	}
	agent, noAgent := t.find(ctx)
	if noAgent == nil {
		return agent, nil
	}
	why := "" // what the user may have expected, and does not get
	if !errors.Is(noAgent, socket.ErrNoAgent) {
		why = "observed from this process: " + noAgent.Error()
	}
	w, err := t.openLive(why)
	var rights *kernel.NeedRights
	if errors.As(err, &rights) {
		return nil, noWay(t.agent, noAgent, rights)
	}
	return w, err
}

// agentPatience is how long an agent that nobody asked for by name may take to answer before it is done without.
const agentPatience = 3 * time.Second

// find attaches to the agent that is there, if one is.
func (t *top) find(ctx context.Context) (*attachedWorld, error) {
	limited, cancel := context.WithTimeout(ctx, agentPatience)
	defer cancel()
	agent, err := attach(limited, t.agent)
	if err != nil && limited.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("the agent at %s does not answer", t.agent)
	}
	return agent, err
}

// noWay says both ways out to who can neither ask an agent nor observe.
func noWay(path string, noAgent, rights error) error {
	if errors.Is(noAgent, fs.ErrPermission) {
		return noAgent // says both already
	}
	if errors.Is(noAgent, socket.ErrNoAgent) {
		return fmt.Errorf("no agent serves %s, and %w; or start sonde run as root: members of the group %s may then use sonde top",
			path, rights, socket.DefaultGroup)
	}
	return fmt.Errorf("%w; and to observe from here, %w", noAgent, rights)
}

// attachedWorld is that of an agent at the other end of a socket.
type attachedWorld struct{ *socket.Client }

func attach(ctx context.Context, path string) (*attachedWorld, error) {
	c, err := socket.Dial(ctx, path)
	if err != nil {
		return nil, err
	}
	return &attachedWorld{c}, nil
}

func (w *attachedWorld) watch(ctx context.Context, look func(context.Context) error) error {
	return errors.Join(look(ctx), w.Close())
}

// Snapshot implements view.World. To itself an agent that keeps a history is a live one.
func (w *attachedWorld) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) {
	s, err := w.Client.Snapshot(ctx, q)
	if err == nil {
		s.Mode = store.OnDemand().Mode
	}
	return s, err
}

// settle asks once, so that an agent that nobody looked at begins to keep what it sees, and waits for what is missing.
func (w *attachedWorld) settle(ctx context.Context, o onceFlags, q view.Query) error {
	q.Filter = "" // what it leaves out is observed all the same
	s, err := w.Snapshot(ctx, q)
	if err != nil {
		return err
	}
	return wait(ctx, min(o.duration, q.Window)-s.Covered)
}

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// liveWorld is that of the kernel, observed from this process.
type liveWorld struct {
	*store.Store
	k     *capture
	self  *selfSource
	ready chan struct{} // closed when nothing is missed from now on
	start *progress

	mu    sync.Mutex
	notes []string
}

// freshFlows is how old what is shown of a connection may be. The daemon's metrics do with reports that are further apart.
const freshFlows = 2 * time.Second

func (t *top) openLive(why string) (world, error) {
	w := &liveWorld{self: newSelfSource(), ready: make(chan struct{}), start: newProgress(t.env, false)}
	if why != "" {
		w.note(why)
	}
	tracer, err := newTracer(propagators(t.env), nil, nil)
	if err != nil {
		return nil, err
	}
	now := &clock{}
	c := t.storeConfig("live", "")
	c.Host, _ = os.Hostname() // without a name the screen shows none
	w.Store = store.New(c, now.now, words{}, w.self.watched)
	w.progress("loading and attaching probes")
	w.k, err = t.capture.start(captureOptions{
		scope: filter.Scope{Requests: true, Flows: true}, ready: func() { close(w.ready) }, clock: now, tracer: tracer,
		flows: freshFlows,
	}, seen{w.self}, w.Store)
	if err != nil {
		w.start.done()
		return nil, err
	}
	w.self.attach(w.k, nil, tracer, nil)
	return w, nil
}

func (w *liveWorld) progress(text string) {
	w.start.last = time.Time{} // a step that is new is told at once
	w.start.show(func() string { return text })
}

func (w *liveWorld) note(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.notes = append(w.notes, text)
}

// watch implements world.
func (w *liveWorld) watch(ctx context.Context, look func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	captured := make(chan error, 1)
	go func() {
		captured <- w.k.observe(ctx, cancel)
	}()
	var beside sync.WaitGroup
	beside.Go(func() { _ = w.k.resolver.Run(ctx) }) // ends with ctx and has no other error
	beside.Go(func() {
		if err := w.self.meter.run(ctx, w.k.set); err != nil {
			w.note("the cost of programs is not measured: " + err.Error())
		}
	})
	w.progress("listing the sockets that exist")
	var err error
	select {
	case <-w.ready:
		w.start.done()
		err = look(ctx)
	case <-ctx.Done():
		w.start.done()
	}
	cancel()
	w.progress("detaching probes")
	cerr := <-captured
	beside.Wait()
	cerr = errors.Join(cerr, w.k.set.Close())
	w.start.done()
	return errors.Join(unlessCanceled(err), unlessCanceled(cerr))
}

// unlessCanceled drops what only says that something was told to end.
func unlessCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// settle implements world.
func (w *liveWorld) settle(ctx context.Context, o onceFlags, _ view.Query) error {
	return wait(ctx, o.duration)
}

// Snapshot implements view.World. What this process cannot see is said on each page.
func (w *liveWorld) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) {
	s, err := w.Store.Snapshot(ctx, q)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	s.Notes = append(s.Notes, w.notes...)
	w.mu.Unlock()
	if w.k.noGo != nil {
		s.Notes = append(s.Notes, "threads and goroutines are not followed: "+w.k.noGo.Error())
	}
	_, failed := w.k.set.Interfaces()
	for _, err := range failed {
		s.Notes = append(s.Notes, "packets are not counted on "+err.Error())
	}
	return s, nil
}
