// SPDX-License-Identifier: Apache-2.0

package store

import (
	"time"

	"sonde/agent/view"
)

// sample is the state of the agent at a moment. It never changes.
type sample struct {
	Self
	at      time.Duration
	runTime time.Duration // of all programs
}

// samples are kept by second and by ten seconds, as far back as windows reach.
type samples struct{ fine, coarse []*sample }

// sample asks how the agent is, outside the lock: it may read files.
func (s *Store) sample(now time.Duration) {
	if s.self == nil {
		return
	}
	next := &sample{Self: s.self(), at: now}
	for i := range next.Programs {
		next.runTime += next.Programs[i].RunTime
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.samples.add(next)
}

func (all *samples) add(next *sample) {
	all.fine = append(keepSamples(all.fine, next.at-keepFine*time.Second), next)
	if n := len(all.coarse); n == 0 || next.at-all.coarse[n-1].at >= coarseSeconds*time.Second {
		all.coarse = append(keepSamples(all.coarse, next.at-keepCoarse*time.Second), next)
	}
}

// keepSamples drops all that is older than from but the newest of these.
func keepSamples(all []*sample, from time.Duration) []*sample {
	n := 0
	for n+1 < len(all) && all[n+1].at <= from {
		all[n] = nil
		n++
	}
	return all[n:]
}

func (all *samples) view() samples {
	return samples{append([]*sample(nil), all.fine...), append([]*sample(nil), all.coarse...)}
}

// last returns the newest sample, nil without any.
func (all *samples) last() *sample {
	if len(all.fine) == 0 {
		return nil
	}
	return all.fine[len(all.fine)-1]
}

// first returns the sample that the window begins with.
func (all *samples) first(s *span) *sample {
	from := all.fine
	if s.window > time.Minute {
		from = all.coarse
	}
	if len(from) == 0 {
		return nil
	}
	first := from[0]
	for _, one := range from[1:] {
		if one.at <= s.now-s.window {
			first = one
		}
	}
	return first
}

// spent is what the agent took within a window.
type spent struct {
	over          time.Duration // 0: nothing is known
	cpu, probeCPU float64       // cores
	runTime       time.Duration // of the probes
	events        float64       // a second
	lost          uint64
	first, last   *sample
}

func (w *world) spent(s *span) spent {
	first, last := w.samples.first(s), w.samples.last()
	if first == nil || last.at <= first.at {
		return spent{last: last}
	}
	over := last.at - first.at
	return spent{
		over: over, first: first, last: last,
		cpu:      float64(max(0, last.CPU-first.CPU)) / float64(over),
		runTime:  max(0, last.runTime-first.runTime),
		probeCPU: float64(max(0, last.runTime-first.runTime)) / float64(over),
		events:   float64(last.Records-min(last.Records, first.Records)) / over.Seconds(),
		lost:     last.Lost - min(last.Lost, first.Lost),
	}
}

// programs says what each program cost. One that was loaded meanwhile has its whole cost.
func (p *spent) programs() []view.Program {
	if p.last == nil {
		return nil
	}
	before := map[string]ProgramTotal{}
	if p.first != nil {
		for _, one := range p.first.Programs {
			before[one.Name] = one
		}
	}
	all := make([]view.Program, 0, len(p.last.Programs))
	for _, now := range p.last.Programs {
		one := view.Program{Name: now.Name}
		was := before[now.Name]
		if p.over > 0 && now.Runs > was.Runs {
			runs, took := float64(now.Runs-was.Runs), float64(max(0, now.RunTime-was.RunTime))
			one.RunsPerS, one.NSPerRun, one.CPU = runs/p.over.Seconds(), took/runs, took/float64(p.over)
		}
		all = append(all, one)
	}
	return all
}

// agentPage shows sonde itself.
func (b *builder) agentPage() {
	p := &b.spent
	a := view.Agent{}
	if p.last != nil {
		a = p.last.Agent
	}
	a.Programs = p.programs()
	a.CPU, a.ProbeCPU, a.Events = p.cpu, p.probeCPU, p.events
	a.Losses = append([]view.Count(nil), a.Losses...)
	for _, l := range b.w.losses {
		a.Losses = raise(a.Losses, l.name(), l.count)
	}
	a.Drops = append([]view.Count(nil), a.Drops...)
	for _, d := range b.w.drops {
		a.Drops = raise(a.Drops, d.Name, d.Count)
	}
	b.out.Agent = &a
	b.out.Rows = 1
}

func (l *loss) name() string {
	name := l.where + " " + l.what
	if l.role != 0 {
		name += " " + l.role.String()
	}
	return name
}

// raise adds a count to a list that may have it: the agent and its sinks count the same losses, and who came later knows less.
func raise(all []view.Count, name string, n uint64) []view.Count {
	for i := range all {
		if all[i].Name == name {
			all[i].Count = max(all[i].Count, n)
			return all
		}
	}
	return append(all, view.Count{Name: name, Count: n})
}
