// SPDX-License-Identifier: Apache-2.0

package player

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sonde/agent/source"
)

// step is something that a source does.
type step struct {
	tick   time.Duration // 0: a record
	record string
	sleep  time.Duration // before it: a source that waits for others
}

func tick(at time.Duration) step          { return step{tick: at} }
func record(text string) step             { return step{record: text} }
func (s step) after(d time.Duration) step { s.sleep = d; return s }

// script is a source that does what it says, and ends with err.
type script struct {
	steps []step
	err   error
}

func (s script) Run(ctx context.Context, to source.Receiver) error {
	for _, step := range s.steps {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(step.sleep)
		if step.tick > 0 {
			to.Tick(step.tick)
		} else {
			to.Record(source.Record(step.record))
		}
	}
	return s.err
}

// seconds is a script with a record and a tick for each second from first to last.
func seconds(first, last int) script {
	var s script
	for i := first; i <= last; i++ {
		s.steps = append(s.steps, record(fmt.Sprint("r", i)), tick(time.Duration(i)*time.Second))
	}
	return s
}

// stage is what a script is played to: it writes down what comes, and when.
type stage struct {
	mu      sync.Mutex
	began   time.Time
	lines   []string // of this pass
	moments []time.Duration
	passes  int
	busy    atomic.Int64 // ns that a tick takes
}

func (s *stage) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

func (s *stage) Record(r source.Record) { s.note("%s", r) }

func (s *stage) Tick(now time.Duration) {
	time.Sleep(time.Duration(s.busy.Load()))
	s.note("%v at %v", now, time.Since(s.began))
}

func (s *stage) moment(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.moments = append(s.moments, now)
}

// heard returns the moments so far.
func (s *stage) heard() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.moments)
}

func (s *stage) lastMoment() time.Duration {
	all := s.heard()
	return all[len(all)-1]
}

// told is what came in this pass, without the times.
func (s *stage) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, l := range s.lines {
		what, _, _ := strings.Cut(l, " at ")
		b.WriteString(what + " ")
	}
	return strings.TrimSpace(b.String())
}

// timed is what came in this pass, with the times.
func (s *stage) timed() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.lines, ", ")
}

// play runs a player of a script for as long as the test does.
func play(t *testing.T, sc script, change func(*Config)) (*Player, *stage) {
	t.Helper()
	s := &stage{began: time.Now()}
	c := Default()
	c.Moment = s.moment
	c.Pass = func(ctx context.Context, around func(source.Source) source.Source) error {
		s.mu.Lock()
		s.lines, s.passes = nil, s.passes+1
		s.mu.Unlock()
		return around(sc).Run(ctx, s)
	}
	c.Scan = sc.Run
	if change != nil {
		change(&c)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	p := New(c)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("Run ends with %v", err)
		}
	})
	return p, s
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// at waits, and lets everything happen that is due.
func at(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestPlaysAsFastAsThingsHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(100, 103), nil)
		at(time.Minute)
		want(t, "played", s.timed(), "r100, 1m40s at 0s, r101, 1m41s at 1s, r102, 1m42s at 2s, r103, 1m43s at 3s")
		if got := p.Status(); !got.Ended || got.Err != nil || got.Start != 100*time.Second || got.End != 103*time.Second || got.Position != got.End {
			t.Errorf("status %+v", got)
		}
	})
}

func TestSpeedDividesTheTimeItTakes(t *testing.T) {
	for _, c := range []struct {
		speed float64
		took  time.Duration
	}{{1, time.Minute}, {2, 30 * time.Second}, {60, time.Second}, {0.5, 2 * time.Minute}, {0, 0}} {
		synctest.Test(t, func(t *testing.T) {
			_, s := play(t, seconds(1, 61), func(c2 *Config) { c2.Speed = c.speed })
			at(time.Hour)
			if want := fmt.Sprintf("1m1s at %v", c.took); s.lines[len(s.lines)-1] != want {
				t.Errorf("speed %v: %s, want %s", c.speed, s.lines[len(s.lines)-1], want)
			}
		})
	}
}

func TestSpeedChangesFromWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(1, 11), nil)
		at(2500 * time.Millisecond)
		if err := p.Speed(5); err != nil {
			t.Fatal(err)
		}
		at(100 * time.Millisecond)
		if got := p.Status().Position; got != 4*time.Second {
			t.Errorf("at %v, want 4s", got)
		}
		if err := p.Speed(0.1); err != nil {
			t.Fatal(err)
		}
		at(5 * time.Second)
		if got := p.Status().Position; got != 4500*time.Millisecond {
			t.Errorf("at %v, want 4.5s", got)
		}
		if err := p.Speed(0); err != nil {
			t.Fatal(err)
		}
		at(0)
		if !p.Status().Ended || !strings.HasSuffix(s.timed(), "11s at 7.6s") {
			t.Errorf("played %s", s.timed())
		}
	})
}

func TestPauseHoldsThePosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(1, 10), nil)
		at(2300 * time.Millisecond)
		p.Pause(true)
		at(time.Hour)
		if got := p.Status(); got.Position != 3300*time.Millisecond || !got.Paused || got.Ended {
			t.Errorf("status %+v", got)
		}
		if got := s.lastMoment(); got != 3300*time.Millisecond {
			t.Errorf("the last moment told is %v: a page would show another time than the position", got)
		}
		want(t, "played before", s.told(), "r1 1s r2 2s r3 3s r4")
		p.Pause(false)
		at(700 * time.Millisecond)
		want(t, "played after", s.told(), "r1 1s r2 2s r3 3s r4 4s r5")
	})
}

func TestPausedFromTheBeginningShowsTheBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(5, 10), func(c *Config) { c.Paused, c.Speed = true, 0 })
		at(time.Minute)
		if got := p.Status(); got.Position != 5*time.Second || got.End != 10*time.Second {
			t.Errorf("status %+v", got)
		}
		want(t, "played", s.told(), "r5")
	})
}

func TestTimeGoesOnWhileNothingHappens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := play(t, script{steps: []step{tick(time.Second), tick(time.Hour)}}, func(c *Config) { c.Speed = 10 })
		at(time.Minute)
		last := time.Duration(0)
		for _, m := range s.heard() {
			if m <= last && last > 0 || m-last > time.Second && last > 0 {
				t.Fatalf("moments jump from %v to %v", last, m)
			}
			last = m
		}
		if len(s.heard()) < 599 || last < 600*time.Second {
			t.Errorf("%d moments, the last %v", len(s.heard()), last)
		}
		want(t, "played", s.told(), "1s")
	})
}

func TestSeekForwardIsUnpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(1, 1000), nil)
		at(0)
		if err := p.Seek(900*time.Second + 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		at(0)
		if got := p.Status(); got.Position != 900300*time.Millisecond || got.Seeking || s.passes != 1 {
			t.Errorf("status %+v in pass %d", got, s.passes)
		}
		at(700 * time.Millisecond)
		if !strings.HasSuffix(s.timed(), "15m0s at 0s, r901, 15m1s at 700ms, r902") {
			t.Errorf("played %s", s.timed()[len(s.timed())-80:])
		}
	})
}

// What there is at a position does not depend on how it was reached.
func TestSeekBackTellsTheSameAsPlayingFromTheStart(t *testing.T) {
	const to = 20*time.Second + 100*time.Millisecond
	reached := func(how func(p *Player)) (told string, moment time.Duration) {
		synctest.Test(t, func(t *testing.T) {
			p, s := play(t, seconds(1, 100), nil)
			how(p)
			at(0)
			if got := p.Status(); got.Position != to || got.Seeking || !got.Paused {
				t.Errorf("status %+v", got)
			}
			told, moment = s.told(), s.lastMoment()
		})
		return told, moment
	}
	seek := func(p *Player, to time.Duration) {
		if err := p.Seek(to); err != nil {
			t.Error(err)
		}
	}
	played, moment := reached(func(p *Player) { at(to - time.Second); p.Pause(true) })
	if moment != to {
		t.Errorf("the last moment is %v", moment)
	}
	for name, how := range map[string]func(p *Player){
		"back":                      func(p *Player) { at(time.Minute); p.Pause(true); seek(p, to) },
		"back from the end":         func(p *Player) { at(time.Hour); p.Pause(true); seek(p, to) },
		"forward":                   func(p *Player) { p.Pause(true); at(time.Second); seek(p, to) },
		"forward, and back":         func(p *Player) { p.Pause(true); seek(p, time.Minute); at(0); seek(p, to) },
		"before anything was read":  func(p *Player) { p.Pause(true); seek(p, to) },
		"back and forward":          func(p *Player) { at(time.Minute); p.Pause(true); seek(p, 0); at(0); seek(p, to) },
		"back, a moment before":     func(p *Player) { at(to - time.Second + 1); p.Pause(true); seek(p, to) },
		"back, and back at once":    func(p *Player) { at(time.Minute); p.Pause(true); seek(p, 2*to); seek(p, 3*time.Second); seek(p, to) },
		"back to a tick and onward": func(p *Player) { at(time.Minute); p.Pause(true); seek(p, 20*time.Second); at(0); seek(p, to) },
	} {
		told, m := reached(how)
		want(t, name, told, played)
		if m != to {
			t.Errorf("%s: the last moment is %v", name, m)
		}
	}
}

// slow is a script whose reading takes time, so that something can be asked for in the middle.
func slow(sc script, each time.Duration) script {
	var out script
	for _, s := range sc.steps {
		out.steps = append(out.steps, s.after(each))
	}
	return out
}

func TestSeekDuringASeekCountsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, slow(seconds(1, 1000), time.Millisecond), nil)
		at(10 * time.Millisecond)
		_ = p.Seek(900 * time.Second) // takes 1.8 s
		at(time.Second)
		if got := p.Status(); !got.Seeking || got.Position < 400*time.Second || got.Position > 600*time.Second {
			t.Errorf("on the way: %+v", got)
		}
		_ = p.Seek(10 * time.Second)
		if got := p.Status(); !got.Seeking || got.Position != time.Second {
			t.Errorf("at once: %+v", got)
		}
		at(5 * time.Millisecond)
		if got := p.Status(); !got.Seeking || got.Position > 10*time.Second || s.passes != 2 {
			t.Errorf("on the way back: %+v in pass %d", got, s.passes)
		}
		at(50 * time.Millisecond)
		if got := p.Status(); got.Seeking || got.Position < 10*time.Second || got.Position > 11*time.Second {
			t.Errorf("arrived: %+v", got)
		}
		_ = p.Seek(500 * time.Second)
		at(500 * time.Millisecond)
		_ = p.Seek(400 * time.Second) // nearer, but still ahead
		at(time.Second)
		if got := p.Status(); got.Seeking || got.Position < 400*time.Second || got.Position > 401*time.Second || s.passes != 2 {
			t.Errorf("arrived at the nearer: %+v in pass %d", got, s.passes)
		}
	})
}

func TestPauseDuringASeekHoldsAtTheTarget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := play(t, slow(seconds(1, 100), time.Millisecond), nil)
		at(0)
		_ = p.Seek(50 * time.Second)
		p.Pause(true)
		at(time.Hour)
		if got := p.Status(); got.Position != 50*time.Second || got.Seeking {
			t.Errorf("status %+v", got)
		}
	})
}

func TestSeekIsKeptWithinTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(10, 20), nil)
		at(3 * time.Second)
		_ = p.Seek(time.Second)
		p.Pause(true)
		at(0)
		if got := p.Status(); got.Position != 10*time.Second || got.Seeking || s.passes != 2 {
			t.Errorf("before the start: %+v", got)
		}
		_ = p.Seek(math.MaxInt64)
		at(0)
		if got := p.Status(); got.Position != 20*time.Second || got.Seeking || !got.Ended {
			t.Errorf("behind the end: %+v", got)
		}
		_ = p.Seek(30 * time.Second)
		at(0)
		if got := p.Status(); got.Position != 20*time.Second || got.Seeking || !got.Ended || s.passes != 2 {
			t.Errorf("behind the end, at the end: %+v", got)
		}
	})
}

func TestBeginsWhereItIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(10, 100), func(c *Config) {
			c.From = func(start time.Duration) time.Duration { return start + 30*time.Second }
		})
		at(0)
		if got := p.Status(); got.Position != 40*time.Second || got.Seeking {
			t.Errorf("status %+v", got)
		}
		at(time.Second)
		if !strings.Contains(s.timed(), "40s at 0s, r41, 41s at 1s") {
			t.Errorf("played %s", s.timed())
		}
	})
}

func TestDamageEndsThePlayingWhereItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("the file is broken")
		sc := seconds(1, 3)
		sc.err = broken
		p, s := play(t, sc, nil)
		at(time.Second)
		if got := p.Status(); got.Ended || got.Err != nil {
			t.Errorf("before: %+v", got)
		}
		at(time.Minute)
		if got := p.Status(); !got.Ended || !errors.Is(got.Err, broken) || got.Position != 3*time.Second || got.End != 3*time.Second {
			t.Errorf("after: %+v", got)
		}
		_ = p.Seek(2 * time.Second)
		at(0)
		if got := p.Status(); got.Ended || got.Err != nil || got.Position != 2*time.Second || s.passes != 2 {
			t.Errorf("back: %+v", got)
		}
	})
}

func TestNothingInTheFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _ := play(t, script{}, nil)
		at(time.Second)
		if got := p.Status(); !got.Ended || got.Position != 0 || got.Seeking {
			t.Errorf("status %+v", got)
		}
		if err := p.Seek(0); err != nil {
			t.Error(err)
		}
	})
}

func TestThereIsNoWayBackInAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(1, 100), func(c *Config) { c.Once, c.Scan = true, nil })
		at(0)
		if err := p.Seek(0); err != nil {
			t.Errorf("to the beginning, at the beginning: %v", err)
		}
		at(10 * time.Second)
		if err := p.Seek(5 * time.Second); !errors.Is(err, ErrOnce) {
			t.Errorf("back: %v", err)
		}
		if err := p.Seek(50 * time.Second); err != nil {
			t.Errorf("forward: %v", err)
		}
		at(0)
		if got := p.Status(); got.Position != 50*time.Second || got.Seeking || s.passes != 1 || got.End != 0 {
			t.Errorf("status %+v", got)
		}
	})
}

// A capture that is made at this moment is shown as it comes, however long it was silent.
func TestTimeGoesOnInASilentPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := script{steps: []step{tick(time.Second), tick(31 * time.Second).after(30 * time.Second), record("late"), tick(32 * time.Second).after(time.Second)}}
		p, s := play(t, sc, func(c *Config) { c.Once, c.Scan = true, nil })
		at(20 * time.Second)
		if got := p.Status().Position; got < 20*time.Second || got > 21*time.Second {
			t.Errorf("silent for 20 s, and at %v", got)
		}
		if n := len(s.heard()); n < 190 {
			t.Errorf("%d moments", n)
		}
		at(20 * time.Second)
		want(t, "played", s.timed(), "1s at 0s, 31s at 30s, late, 32s at 31s")
	})
}

func TestATooSlowMachineOwesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(1, 1000), func(c *Config) { c.Speed = 10 })
		s.busy.Store(int64(time.Second)) // ten times what there is
		at(100*time.Second + 500*time.Millisecond)
		s.busy.Store(0)
		before := p.Status().Position
		at(10 * time.Second)
		if got := p.Status().Position - before; got > 110*time.Second {
			t.Errorf("in 10 s at speed 10 it went %v", got)
		}
	})
}

func TestASlowReceiverIsNoSilentPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, seconds(1, 10), func(c *Config) { c.Once, c.Scan = true, nil })
		s.busy.Store(int64(10 * time.Second))
		at(5 * time.Second)
		if got := p.Status().Position; got != time.Second {
			t.Errorf("at %v, while the first tick is dealt with", got)
		}
	})
}

func TestOldReceiverGetsNothingAfterASeekBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, s := play(t, slow(seconds(1, 100), 10*time.Millisecond), func(c *Config) { c.Speed = 0 })
		at(505 * time.Millisecond)
		p.Pause(true)
		_ = p.Seek(time.Second)
		at(time.Minute)
		want(t, "told", s.told(), "r1 1s r2")
	})
}

func TestWrongSpeedsAreRefused(t *testing.T) {
	for _, speed := range []float64{-1, math.NaN(), math.Inf(1), 1e6, 1e-9} {
		c := Config{Pass: func(context.Context, func(source.Source) source.Source) error { return nil }, Speed: speed}
		if c.Validate() == nil || New(c).Speed(speed) == nil {
			t.Errorf("speed %v is taken", speed)
		}
	}
	if Default().Validate() == nil {
		t.Error("a player of nothing is taken")
	}
}

// Control from many goroutines while it plays: for the race detector, and for deadlocks.
func TestControlFromAllSides(t *testing.T) {
	p, s := play(t, seconds(1, 200), func(c *Config) { c.Speed = 5000 })
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			for j := range 200 {
				switch (i + j) % 4 {
				case 0:
					_ = p.Seek(time.Duration((i*71+j*37)%220) * time.Second)
				case 1:
					p.Pause(j%2 == 0)
				case 2:
					_ = p.Speed(float64(j % 3 * 1000))
				}
				p.Status()
			}
		})
	}
	all.Wait()
	p.Pause(true)
	_ = p.Seek(100 * time.Second)
	for range 1000 {
		if st := p.Status(); !st.Seeking && st.Position == 100*time.Second {
			break
		}
		time.Sleep(time.Millisecond)
	}
	var lines []string
	for i := 1; i <= 100; i++ {
		lines = append(lines, fmt.Sprint("r", i), fmt.Sprint(time.Duration(i)*time.Second))
	}
	if got := strings.Fields(s.told()); !slices.Equal(got, append(lines, "r101")) {
		t.Errorf("at 100 s there is %v", got)
	}
}
