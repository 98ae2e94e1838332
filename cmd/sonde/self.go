// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"sonde/agent/aggregate"
	"sonde/agent/model"
	"sonde/agent/trace"
	"sonde/agent/trace/selfexport"
	"sonde/exporters/batch"
	"sonde/probes/event"
)

// selfSource tells how the agent itself is doing. Safe for concurrent use.
type selfSource struct {
	mu  sync.Mutex
	k   *capture // nil until the probes are attached
	out *outputs

	tracer    *trace.Tracer // nil when nobody traces; for the pipeline's goroutine
	traced    trace.Stats   // of the last tick
	exporting *selfexport.Detector
	lost      map[model.Role]uint64
	drops     map[string]uint64

	meter   meter
	viewers func() int // that are attached now, nil where none can
}

func newSelfSource() *selfSource {
	return &selfSource{lost: map[model.Role]uint64{}, drops: map[string]uint64{}}
}

// seen is selfSource as a sink: it counts what only sinks are told.
type seen struct{ *selfSource }

// Request implements pipeline.Sink.
func (s seen) Request(*model.Request) {}

// Flow implements pipeline.Sink.
func (s seen) Flow(*model.Flow, model.FlowDelta) {}

// Lost implements pipeline.Sink.
func (s seen) Lost(l *model.Loss) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.What == "requests" {
		s.lost[l.Role] += l.Count
	}
}

// Drops implements pipeline.Dropper.
func (s seen) Drops(reason string, packets uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.drops[reason] += packets
}

// Tick implements pipeline.Ticker: it takes the counts that only the pipeline's goroutine may read.
func (s seen) Tick(time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tracer != nil {
		s.traced = s.tracer.Stats()
	}
}

// attach says what there is to tell of. All but k may be nil: what does not exist is not told.
func (s *selfSource) attach(k *capture, out *outputs, tracer *trace.Tracer, exporting *selfexport.Detector) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.k, s.out, s.tracer, s.exporting = k, out, tracer, exporting
}

// watchedBy says who knows how many viewers there are.
func (s *selfSource) watchedBy(viewers func() int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.viewers = viewers
}

// Self implements aggregate.SelfSource.
func (s *selfSource) Self() aggregate.Self {
	self := s.state()
	s.mu.Lock()
	k := s.k
	s.mu.Unlock()
	if k != nil {
		programs, _ := k.set.Programs() // what cannot be read is missing from the metric, not wrong in it
		for _, p := range programs {
			self.Programs = append(self.Programs, aggregate.Program{Name: p.Name, Runs: p.Runs, RunTime: time.Duration(p.RuntimeNS)})
		}
	}
	return self
}

// state is all but the programs, which take a call of the kernel each.
func (s *selfSource) state() aggregate.Self {
	s.mu.Lock()
	defer s.mu.Unlock()
	self := aggregate.Self{
		PacketDrops: map[string]uint64{}, MapFull: map[string]uint64{}, MemoryBytes: map[string]uint64{},
		Build: aggregate.Build{Version: version, Revision: revision(), GoVersion: runtime.Version()},
	}
	for reason, n := range s.drops {
		self.PacketDrops[reason] = n
	}
	self.RequestsLost = []aggregate.RoleCount{
		{Role: model.RoleClient, Count: s.lost[model.RoleClient]}, {Role: model.RoleServer, Count: s.lost[model.RoleServer]},
	}
	if s.k != nil {
		s.kernel(&self)
		s.pipeline(&self)
		s.causes(&self)
	}
	s.process(&self)
	if s.out != nil {
		s.exporters(&self)
	}
	if s.exporting != nil {
		own := s.exporting.Counts()
		self.SelfExport = []aggregate.SignalCount{
			{Signal: "traces", Processes: uint64(own.Traces)}, {Signal: "metrics", Processes: uint64(own.Metrics)},
		}
	}
	return self
}

func (s *selfSource) exporters(self *aggregate.Self) {
	for _, n := range s.out.named {
		st := n.stats()
		x := aggregate.Exporter{Type: n.kind, Exported: st.Exported, Failed: map[string]uint64{}}
		for reason, dropped := range st.Dropped {
			x.Failed[batch.Reason(reason).String()] = dropped
		}
		self.Exporters = append(self.Exporters, x)
		q := aggregate.Queue{Name: "spans_" + n.name, Depth: uint64(st.Queued), Capacity: uint64(st.Capacity)}
		for _, dropped := range st.Dropped {
			q.Dropped += dropped
		}
		self.Queues = append(self.Queues, q)
		self.MemoryBytes[q.Name] = uint64(st.QueuedBytes)
	}
	if m := s.out.metrics; m != nil {
		st := m.Stats()
		self.Exporters = append(self.Exporters, aggregate.Exporter{Type: m.Type(), Exported: st.Points, Failed: st.Dropped()})
	}
	if t := s.out.tail.Counts(); t.Traces > 0 || t.Bytes > 0 {
		self.MemoryBytes["spans_tail"] = uint64(t.Bytes)
	}
}

func (s *selfSource) causes(self *aggregate.Self) {
	if s.tracer == nil {
		return
	}
	self.Unresolved = map[string]uint64{
		"ambiguous": s.traced.Ambiguous, "unproven": s.traced.Unproven, "shared": s.traced.Shared,
		"late": s.traced.Late, "full": s.traced.Full, "expired": s.traced.Expired,
	}
}

func (s *selfSource) kernel(self *aggregate.Self) {
	set := s.k.set
	read := set.Ring.Stats()
	lost := uint64(0)
	for _, kind := range event.KernelKinds {
		lost += set.Counter(event.CounterLost + uint32(kind))
	}
	self.Rings = []aggregate.Ring{{Name: "events", Lost: lost, Records: read.Records, Bytes: read.Bytes}}
	self.Queues = []aggregate.Queue{{Name: "events", Depth: set.Ring.Pending(), Capacity: uint64(read.Size), Dropped: lost}}
	self.MapFull["socks"] = set.Counter(event.CounterStorageFull)
	self.MapFull["flows"] = set.Counter(event.CounterFlowsFull)
	self.MemoryBytes["ring"] = uint64(read.Size)
}

func (s *selfSource) pipeline(self *aggregate.Self) {
	st := s.k.pipeline.Stats()
	self.Undecodable = st.Undecodable
	self.Tracked, self.Joined = uint64(st.Open), st.JoinedMid
	self.MapFull["conns"] = st.Refused
	self.Resyncs = map[string]uint64{}
	for p, n := range st.Resyncs {
		self.Resyncs[p.String()] = n
	}
	for h, n := range st.OpenBy {
		self.Open = append(self.Open, aggregate.OpenConnections{Service: h.Service, Role: h.Role, Count: n})
	}
	self.Parsed = aggregate.Bytes{Transmitted: st.BytesAccounted[0], Received: st.BytesAccounted[1]}
	self.Acked = aggregate.Bytes{Transmitted: st.BytesAcked[0], Received: st.BytesAcked[1]}
}

// process tells what the agent's own process takes.
func (s *selfSource) process(self *aggregate.Self) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	self.MemoryBytes["heap"] = m.HeapInuse
	self.Runtime = aggregate.Runtime{
		StackBytes: m.StackInuse, OtherBytes: m.Sys - m.HeapReleased - m.StackInuse, AllocatedBytes: m.TotalAlloc,
		Goroutines: uint64(runtime.NumGoroutine()), ResidentBytes: resident(), Uptime: time.Since(began),
	}
	var used unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &used) == nil {
		self.Runtime.CPUUser, self.Runtime.CPUSystem = time.Duration(used.Utime.Nano()), time.Duration(used.Stime.Nano())
	}
}

var began = time.Now()

// resident is the physical memory of the agent in bytes, 0 where it is not known.
func resident() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseUint(fields[1], 10, 64) // 0 on error
	return pages * uint64(os.Getpagesize())
}
