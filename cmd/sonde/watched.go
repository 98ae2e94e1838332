// SPDX-License-Identifier: Apache-2.0

package main

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"sonde/agent/aggregate"
	"sonde/agent/conn"
	"sonde/agent/store"
	"sonde/agent/view"
	"sonde/probes"
	"sonde/probes/hooks"
)

// watched is the state of the agent as viewers want it: the same that the metrics are made of, in a form to be read. The store
// calls it once a second while somebody looks, between two records, so it is quick.
func (s *selfSource) watched() store.Self {
	self := s.state()
	w := store.Self{
		Agent: view.Agent{Version: self.Build.Version, Uptime: self.Runtime.Uptime, Drops: counts(self.PacketDrops)},
		CPU:   self.Runtime.CPUUser + self.Runtime.CPUSystem, Resident: self.Runtime.ResidentBytes,
	}
	for _, r := range self.Rings {
		w.Records += r.Records
		w.Lost += r.Lost
	}
	for _, q := range self.Queues {
		w.Agent.Queues = append(w.Agent.Queues, view.Queue(q))
	}
	for _, x := range self.Exporters {
		w.Agent.Exporters = append(w.Agent.Exporters, view.Exporter{Type: x.Type, Exported: x.Exported, Failed: sum(x.Failed)})
	}
	if acked := self.Acked.Transmitted + self.Acked.Received; acked > 0 {
		w.Agent.Coverage = float64(self.Parsed.Transmitted+self.Parsed.Received) / float64(acked)
	}
	s.mu.Lock()
	k, viewers := s.k, s.viewers
	s.mu.Unlock()
	if viewers != nil {
		w.Agent.Viewers = viewers()
	}
	var st conn.Stats
	if k != nil {
		st = k.pipeline.Stats()
		w.Agent.Kernel, w.Agent.Hooks = k.features.Release, attached(k)
		w.Programs = s.meter.totals()
	}
	w.Agent.Losses = losses(&self, &st)
	w.Agent.Conns = append([]view.Count{
		{Name: "open", Count: self.Tracked}, {Name: "joined mid-stream", Count: self.Joined}, {Name: "end was missed", Count: st.Stale},
	}, prefixed("out of step ", self.Resyncs)...)
	w.Agent.Memory = append([]view.Count{{Name: "resident", Count: w.Resident}}, counts(self.MemoryBytes)...)
	return w
}

// losses are all counts of what did not arrive, zeros included: a list that is short because nothing was counted reads like
// one that is short because all is well.
func losses(self *aggregate.Self, st *conn.Stats) []view.Count {
	var all []view.Count
	for _, r := range self.Rings {
		all = append(all, view.Count{Name: "records, ring " + r.Name + " full", Count: r.Lost})
	}
	for _, r := range self.RequestsLost {
		all = append(all, view.Count{Name: "requests, " + r.Role.String() + " side", Count: r.Count})
	}
	all = append(all, prefixed("no room in ", self.MapFull)...)
	all = append(all, view.Count{Name: "records, not understood", Count: self.Undecodable},
		view.Count{Name: "holes in payload", Count: st.HolesGivenUp})
	for _, why := range []string{"full", "late", "expired"} { // the other reasons are no losses but doubts
		if n, ok := self.Unresolved[why]; ok {
			all = append(all, view.Count{Name: "causes, " + why, Count: n})
		}
	}
	for _, x := range self.Exporters {
		all = append(all, prefixed(x.Type+", ", x.Failed)...)
	}
	return all
}

// attached are the hooks that probes are attached to, and those that are missing.
func attached(k *capture) []view.Hook {
	var all []view.Hook
	for _, h := range k.plan.Hooks {
		if h.Probe == hooks.ThreadStart && k.golang == nil && k.noGo == nil {
			continue // causes are not asked for
		}
		place := string(h.Kind)
		if h.Target != "" {
			place += " " + h.Target
		}
		all = append(all, view.Hook{Probe: h.Probe, Hook: place, Why: h.Why})
	}
	for _, m := range k.plan.Missing {
		all = append(all, view.Hook{Probe: m.Probe, Hook: "missing", Why: m.Consequence})
	}
	return all
}

// counts are the greatest first.
func counts(m map[string]uint64) []view.Count {
	all := prefixed("", m)
	slices.SortStableFunc(all, func(a, b view.Count) int { return cmp.Compare(b.Count, a.Count) })
	return all
}

// prefixed are in the order of their names.
func prefixed(prefix string, m map[string]uint64) []view.Count {
	all := make([]view.Count, 0, len(m))
	for _, name := range slices.Sorted(maps.Keys(m)) {
		all = append(all, view.Count{Name: prefix + name, Count: m[name]})
	}
	return all
}

func sum(m map[string]uint64) (n uint64) {
	for _, v := range m {
		n += v
	}
	return n
}

// The kernel measures programs for a tenth of the time while somebody watches, which costs each run 5 ns on the mean.
const (
	meterEvery = time.Second
	meterFor   = 100 * time.Millisecond
	meterIdle  = 3 * time.Second // without a question, after which nothing is measured
)

// meter tells what the programs of the probes cost now. The kernel keeps no total that could be used: it counts only while it is
// told to measure, so the totals of a meter go on at the pace that was last measured. Safe for concurrent use; the zero value
// measures nothing until it is run.
type meter struct {
	mu       sync.Mutex
	asked    time.Time
	measured time.Time
	programs map[string]*program
}

type program struct{ runs, nanoseconds float64 }

// run measures while totals are asked for, until ctx is done. It returns an error when the kernel cannot or may not measure.
func (m *meter) run(ctx context.Context, set *probes.Set) error {
	tick := time.NewTicker(meterEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if !m.wanted() {
			continue
		}
		stats, took, err := set.Measure(ctx, meterFor)
		if err != nil {
			return err
		}
		m.add(stats, took, time.Now())
	}
}

func (m *meter) wanted() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Since(m.asked) < meterIdle
}

func (m *meter) add(stats []probes.ProgramStats, took time.Duration, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	since := meterEvery // the first time, or after a pause that nobody knows anything of
	if d := now.Sub(m.measured); d < meterIdle {
		since = d
	}
	m.measured = now
	if m.programs == nil {
		m.programs = map[string]*program{}
	}
	scale := since.Seconds() / max(took, time.Millisecond).Seconds()
	for _, s := range stats {
		p := m.programs[s.Name]
		if p == nil {
			p = &program{}
			m.programs[s.Name] = p
		}
		p.runs += float64(s.Runs) * scale
		p.nanoseconds += float64(s.RuntimeNS) * scale
	}
}

// totals are in the order of their names.
func (m *meter) totals() []store.ProgramTotal {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = time.Now()
	all := make([]store.ProgramTotal, 0, len(m.programs))
	for _, name := range slices.Sorted(maps.Keys(m.programs)) {
		p := m.programs[name]
		all = append(all, store.ProgramTotal{Name: name, Runs: uint64(p.runs), RunTime: time.Duration(p.nanoseconds)})
	}
	return all
}
