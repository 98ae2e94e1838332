// SPDX-License-Identifier: Apache-2.0

package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/gdamore/tcell/v2"
	"github.com/rivo/tview"

	"sonde/agent/view"
	"sonde/tui/page"
	"sonde/tui/render"
	"sonde/tui/theme"
)

// farewell is how long Run waits for the world to let go of what it was asked, and for the terminal to be restored.
const farewell = time.Second

// errQuit is the cause of an end that the user wanted.
var errQuit = errors.New("quit")

// Run shows the world until the user leaves (nil), ctx is done (nil), or the terminal is gone (an error that says so). It takes
// over the terminal and SIGHUP, and gives both back in any case. World must not hold calls much longer than their context.
func Run(ctx context.Context, c Config) error { return run(ctx, c, page.All()) }

// begin checks c, fills in what it leaves out, and makes the model that it begins with.
func begin(c Config, pages []*page.Page) (Config, *model, error) {
	if err := c.Validate(); err != nil {
		return c, nil, err
	}
	c = c.withDefaults()
	m, err := newModel(c, pages, time.Now)
	return c, m, err
}

func run(ctx context.Context, c Config, pages []*page.Page) error {
	c, m, err := begin(c, pages)
	if err != nil {
		return err
	}
	if _, err := theme.For(c.Theme, theme.Terminal{}); err != nil { // before the terminal is taken
		return fmt.Errorf("viewer: %w", err)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	screen, err := openTerminal(c.Screen, end)
	if err != nil {
		return err
	}
	v := &viewer{model: m, screen: screen, end: end, app: tview.NewApplication(), box: tview.NewBox(), world: c.World}
	if v.styles, err = look(c, screen.Colors()); err != nil {
		screen.Fini()
		return fmt.Errorf("viewer: %w", err)
	}
	v.asker = newAsker(c.World, c.Interval, v.post)
	return v.run(ctx, c)
}

// look is the theme for a terminal.
func look(c Config, colors int) (*[render.StyleCount]tcell.Style, error) {
	t, err := theme.For(c.Theme, theme.Terminal{
		Colors: colors, NoColor: c.NoColor || os.Getenv("NO_COLOR") != "", ColorFGBG: os.Getenv("COLORFGBG"),
	})
	if err != nil {
		return nil, err
	}
	return stylesOf(t), nil
}

// viewer joins the model with the terminal and the world. All but post and work is for the event loop.
type viewer struct {
	model  *model
	world  view.World
	asker  *asker
	app    *tview.Application
	box    *tview.Box // what a tview.Primitive needs and we do not look at
	screen *tty
	styles *[render.StyleCount]tcell.Style
	end    context.CancelCauseFunc
	queues [queueCount]chan job
	wished wish
}

// run owns all goroutines: the event loop of tview, the asker, and one for each queue of jobs.
func (v *viewer) run(ctx context.Context, c Config) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)

	v.app.SetScreen(v.screen).EnablePaste(true)
	if !c.NoMouse { // tview would ask for every motion as well
		v.screen.EnableMouse(tcell.MouseButtonEvents)
	}
	v.app.SetInputCapture(v.key).SetRoot(v, true)

	var workers sync.WaitGroup
	for q := range v.queues {
		v.queues[q] = make(chan job, 16)
		workers.Go(func() { v.work(ctx, v.queues[q]) })
	}
	workers.Go(func() { v.asker.run(ctx) })
	workers.Go(func() { v.clock(ctx) })
	v.changed()

	closed := make(chan error, 1)
	go func() { closed <- v.loop() }()
	for {
		select {
		case err := <-closed: // the loop ended by itself, in a panic
			v.end(err)
			return errors.Join(err, ctx.Err())
		case <-hangup:
			v.end(fmt.Errorf("%w: hangup", errTerminalGone))
		case <-ctx.Done():
			return v.leave(ctx, &workers, closed)
		}
	}
}

// leave ends everything in order: those who hand results to the event loop first, as they would wait for it, then the loop.
func (v *viewer) leave(ctx context.Context, workers *sync.WaitGroup, closed <-chan error) error {
	within(farewell, workers.Wait)
	go v.app.Stop()
	select {
	case err := <-closed:
		if err != nil {
			return err
		}
	case <-time.After(2 * farewell): // a terminal that neither takes nor refuses what is written
		return errTerminalGone
	}
	v.thaw()
	if cause := context.Cause(ctx); errors.Is(cause, errTerminalGone) || errors.Is(cause, errBroken) {
		return fmt.Errorf("viewer: %w", cause)
	}
	return nil
}

// within calls f and returns when it did, or when the time is over.
func within(d time.Duration, f func()) {
	done := make(chan struct{})
	go func() {
		f()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(d):
	}
}

// thaw lets a frozen world go, as far as that is quick.
func (v *viewer) thaw() {
	if v.model.pause.frozen == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), farewell/2)
	defer cancel()
	within(farewell/2, func() { _ = v.world.Thaw(ctx, v.model.pause.frozen) })
}

// errBroken is the cause of an end by a mistake of ours.
var errBroken = errors.New("mistake in sonde")

// loop runs tview and makes an error of a panic; tview has restored the terminal by then.
func (v *viewer) loop() (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("viewer: %w: %v %s", errBroken, p, origin(debug.Stack()))
		}
	}()
	return v.app.Run()
}

// post has f change the model in the event loop, and the screen drawn once. It waits until that is done.
func (v *viewer) post(f func(*model)) {
	v.app.QueueUpdateDraw(func() {
		f(v.model)
		v.changed()
	})
}

// work does jobs until ctx is done.
func (v *viewer) work(ctx context.Context, jobs <-chan job) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-jobs:
			if then := v.do(ctx, j); then != nil && ctx.Err() == nil {
				v.post(then)
			}
		}
	}
}

// do does one job; a panic in it becomes a line on the screen.
func (v *viewer) do(ctx context.Context, j job) (then func(*model)) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			where := origin(debug.Stack())
			then = func(m *model) { m.say(render.Bad, "%v: %v %s", errBroken, p, where) }
		}
	}()
	return j.do(ctx, v.world)
}

// clock makes status lines go away.
func (v *viewer) clock(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			v.app.QueueUpdate(func() {
				if v.model.tick() {
					v.app.ForceDraw()
				}
			})
		}
	}
}

// changed does what the model wishes after an event.
func (v *viewer) changed() {
	m := v.model
	for _, j := range m.todo {
		select {
		case v.queues[j.queue] <- j:
		default:
			m.say(render.Warn, "the agent is busy: try again")
		}
	}
	m.todo = nil
	v.wish()
	if m.redraw {
		m.redraw = false
		v.screen.Sync()
	}
	if m.suspend {
		m.suspend = false
		v.suspend()
	}
	if m.quit {
		v.end(errQuit)
	}
}

// wish asks what the model wants to know now, where that has changed.
func (v *viewer) wish() {
	if w := (wish{v.model.query(), v.model.poke}); w != v.wished {
		v.wished = w
		v.asker.ask(w)
	}
}

// notStopped is how long a stop may take. A process without a shell that could start it again is not stopped by the kernel.
const notStopped = 200 * time.Millisecond

// suspend gives the terminal back to the shell until it sends SIGCONT.
func (v *viewer) suspend() {
	v.app.Suspend(func() {
		resumed := make(chan os.Signal, 1)
		signal.Notify(resumed, syscall.SIGCONT)
		defer signal.Stop(resumed)
		if syscall.Kill(0, syscall.SIGTSTP) != nil {
			return
		}
		select {
		case <-resumed:
		case <-time.After(notStopped):
		}
	})
}

// key is where tview hands us keys.
func (v *viewer) key(ev *tcell.EventKey) *tcell.EventKey {
	v.model.key(ev)
	v.changed()
	return nil // nothing of tview's wants any
}
