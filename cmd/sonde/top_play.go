// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"sonde/agent/filter"
	"sonde/agent/model"
	"sonde/agent/source"
	"sonde/agent/source/player"
	"sonde/agent/store"
	"sonde/agent/view"
)

// position is where to begin in a file: a time behind its start, or a wall time.
type position struct {
	text   string // "" for the start
	offset time.Duration
	wall   bool
}

func parsePosition(s string) (position, error) {
	p := position{text: s}
	if s == "" {
		return p, nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		p.offset = d
		return p, nil
	}
	p.wall = true
	_, err := filter.ParseTime(s, time.Now())
	return p, err
}

// after is the position in a file that starts at start. A time of day is the first such after it.
func (p position) after(start time.Time) time.Time {
	if !p.wall {
		return start.Add(p.offset)
	}
	t, err := filter.ParseTime(p.text, start)
	if err != nil { // it was understood before
		return start
	}
	if ofDay := len(p.text) <= len("15:04:05") && strings.Contains(p.text, ":"); ofDay && t.Before(start.Truncate(time.Second)) {
		t = t.AddDate(0, 0, 1)
	}
	return t
}

// checkPlaying reads what is said of how to play.
func (t *top) checkPlaying(*cobra.Command) error {
	var err error
	if t.begin, err = parsePosition(t.start); err != nil {
		return fmt.Errorf("--start: %w", err)
	}
	if t.speed == "max" {
		return nil
	}
	t.factor, err = strconv.ParseFloat(strings.TrimSuffix(t.speed, "x"), 64)
	if err != nil || t.factor <= 0 {
		return fmt.Errorf("--speed %q: want a factor like 0.1 or 10, or max", t.speed)
	}
	c := player.Config{Pass: func(context.Context, func(source.Source) source.Source) error { return nil }, Speed: t.factor}
	if err := c.Validate(); err != nil {
		return fmt.Errorf("--speed: %w", err)
	}
	return nil
}

// playedWorld is that of a file at some moment. It implements view.Player.
type playedWorld struct {
	*store.Store
	top      *top
	player   *player.Player
	clock    clock // of the pass, and when it ended of where it ended
	timeline timeline
	pipe     bool // the file cannot be read again

	mu      sync.Mutex
	in      *readFile // of the pass
	unread  *readFile // opened and not begun: the first pass takes it
	summary string    // of a capture that was read to its end
}

func (t *top) openPlayed() (world, error) {
	w := &playedWorld{top: t}
	var err error
	if w.unread, err = openFile(t.read, &w.clock); err != nil {
		return nil, err
	}
	w.in, w.pipe = w.unread, w.unread.size == 0
	name := t.read
	if name == "-" {
		name = "stdin"
	}
	w.Store = store.New(t.storeConfig(w.in.what, name), w.clock.now, words{}, nil)
	c := player.Config{Pass: w.pass, Moment: w.Tick, Once: w.pipe, Paused: t.paused, Speed: t.factor}
	if !w.pipe {
		c.Scan = w.scan
	}
	if t.begin.text != "" {
		c.From = func(start time.Duration) time.Duration { return w.boot(t.begin.after(w.wall(start))) }
	}
	if t.once.wanted { // the page of the end, or of --start
		c.Paused, c.Speed = t.begin.text != "", 0
	}
	w.player = player.New(c)
	return w, nil
}

// pass implements player.Pass.
func (w *playedWorld) pass(ctx context.Context, around func(source.Source) source.Source) error {
	in, err := w.next()
	if err != nil {
		return err
	}
	if in.tracer, err = newTracer(propagators(w.top.env), nil, nil); err != nil {
		return errors.Join(err, in.file.Close())
	}
	w.Reset()
	in.source = around(in.source)
	_, err = in.run(ctx, w.Store)
	if ctx.Err() == nil {
		w.summarise(in)
	}
	return err
}

// next opens the file for another pass.
func (w *playedWorld) next() (*readFile, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in := w.unread
	w.unread, w.summary = nil, ""
	if in == nil {
		var err error
		if in, err = openFile(w.top.read, &w.clock); err != nil {
			return nil, err
		}
	}
	w.in = in
	return in, nil
}

// summarise keeps what a capture held besides events.
func (w *playedWorld) summarise(in *readFile) {
	var text bytes.Buffer
	in.summarise(env{stderr: &text})
	w.mu.Lock()
	defer w.mu.Unlock()
	w.summary = strings.TrimPrefix(strings.TrimSpace(text.String()), "sonde: ")
}

// scan delivers the file beside the playing, and learns the clocks in it.
func (w *playedWorld) scan(ctx context.Context, to source.Receiver) error {
	var c clock
	in, err := openFile(w.top.read, &c)
	if err != nil {
		return err
	}
	err = in.source.Run(ctx, clockReader{to, &c, &w.timeline})
	return errors.Join(err, in.file.Close())
}

// clockReader notes the clock of each tick.
type clockReader struct {
	source.Receiver
	clock    *clock
	timeline *timeline
}

// Tick implements source.Receiver.
func (r clockReader) Tick(now time.Duration) {
	r.timeline.add(now, r.clock.now())
	r.Receiver.Tick(now)
}

// timeline is which clock holds when in a file: wall time is stepped, time since boot is not. Safe for concurrent use.
type timeline struct {
	mu    sync.Mutex
	parts []part
}

// part is a stretch of time with one clock.
type part struct {
	from  time.Duration
	clock model.Clock
}

// A clock that was adjusted is the same: only steps are noted, and few in any file.
const (
	clockStep = 10 * time.Millisecond
	maxParts  = 1024
)

func (l *timeline) add(now time.Duration, c model.Clock) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.parts); n > 0 {
		if d := c.Boot.Sub(l.parts[n-1].clock.Boot); n == maxParts || d.Abs() < clockStep {
			return
		}
	}
	l.parts = append(l.parts, part{now, c})
}

// wall is the wall time of t; c is the clock where nothing else is known.
func (l *timeline) wall(t time.Duration, c model.Clock) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range slices.Backward(l.parts) {
		if t >= p.from {
			return p.clock.Wall(t)
		}
	}
	return c.Wall(t)
}

// boot is the time since boot of a wall time: the latest, where the clock was set back and there are two.
func (l *timeline) boot(t time.Time, c model.Clock) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range slices.Backward(l.parts) {
		if !t.Before(p.clock.Wall(p.from)) {
			return t.Sub(p.clock.Wall(0))
		}
	}
	return t.Sub(c.Wall(0))
}

func (w *playedWorld) wall(t time.Duration) time.Time { return w.timeline.wall(t, w.clock.now()) }
func (w *playedWorld) boot(t time.Time) time.Duration { return w.timeline.boot(t, w.clock.now()) }

// watch implements world.
func (w *playedWorld) watch(ctx context.Context, look func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	played := make(chan struct{})
	go func() {
		defer close(played)
		_ = w.player.Run(ctx) // ends with ctx and has no other error
	}()
	err := look(ctx)
	cancel()
	if !w.pipe { // else who writes to it may be silent for hours
		<-played
	}
	return unlessCanceled(err)
}

// settle implements world.
func (w *playedWorld) settle(ctx context.Context, _ onceFlags, _ view.Query) error {
	progress := newProgress(w.top.env, w.pipe)
	defer progress.done()
	for {
		s := w.player.Status()
		if s.Ended || w.top.begin.text != "" && !s.Seeking {
			return nil
		}
		w.mu.Lock()
		in := w.in
		w.mu.Unlock()
		progress.show(func() string { return fmt.Sprintf("reading %s: %s", w.top.read, in.progress()) })
		if err := wait(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
}

// seekPatience is how long a question waits for a seek, so that a short one shows nothing of the way.
const seekPatience = 400 * time.Millisecond

// Snapshot implements view.World.
func (w *playedWorld) Snapshot(ctx context.Context, q view.Query) (*view.Snapshot, error) {
	before := w.settled(ctx, seekPatience)
	s, err := w.Store.Snapshot(ctx, q)
	if err != nil {
		return nil, err
	}
	after := w.player.Status()
	s.Playback = w.playback(after)
	s.Playback.Seeking = before.Seeking || after.Seeking
	if s.Time.Before(s.Playback.Start) { // the store has heard of nothing yet
		s.Time = s.Playback.Position
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.summary != "" && after.Ended {
		s.Notes = append(s.Notes, w.summary)
	}
	return s, nil
}

// settled is the state of the player, when a seek is over or patience is.
func (w *playedWorld) settled(ctx context.Context, patience time.Duration) player.Status {
	for end := time.Now().Add(patience); ; {
		s := w.player.Status()
		if !s.Seeking || time.Now().After(end) || wait(ctx, 2*time.Millisecond) != nil {
			return s
		}
	}
}

func (w *playedWorld) playback(s player.Status) *view.Playback {
	p := &view.Playback{Paused: s.Paused, Ended: s.Ended, Seeking: s.Seeking, Speed: s.Speed}
	if s.Position > 0 {
		p.Start, p.Position = w.wall(s.Start), w.wall(s.Position)
	}
	if s.End > 0 {
		p.End = w.wall(s.End)
	}
	if s.Err != nil {
		p.Error = strings.TrimPrefix(s.Err.Error(), "read "+w.top.read+": ")
	}
	return p
}

// Pause implements view.Player.
func (w *playedWorld) Pause(paused bool) error {
	w.player.Pause(paused)
	return nil
}

// Speed implements view.Player.
func (w *playedWorld) Speed(factor float64) error { return w.player.Speed(factor) }

// Seek implements view.Player.
func (w *playedWorld) Seek(to time.Time) error {
	if w.player.Status().Start == 0 { // nor is its clock known
		return fmt.Errorf("%w: the file has not begun", view.ErrCannotNow)
	}
	err := w.player.Seek(w.boot(to))
	if errors.Is(err, player.ErrOnce) {
		return fmt.Errorf("%w: %w", view.ErrCannotNow, err)
	}
	return err
}
