// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sonde/agent/model"
)

// SelfSource tells how the agent itself is doing. Self is called at every snapshot, from the goroutine that takes it, and
// must be quick: it reads counters that others keep.
type SelfSource interface{ Self() Self }

// Self is the state of the agent. Counts are totals since its start and never fall; zero counts are shown, so that a
// rule on them works before the first loss. Entries with equal names are added up.
type Self struct {
	Rings        []Ring
	Programs     []Program
	Queues       []Queue
	Exporters    []Exporter
	Open         []OpenConnections
	SelfExport   []SignalCount     // processes that export telemetry of their own
	RequestsLost []RoleCount       // lost in the kernel, as far as the turn numbers tell
	MapFull      map[string]uint64 // by map name
	PacketDrops  map[string]uint64 // by the kernel's drop reason
	Resyncs      map[string]uint64 // by protocol name
	MemoryBytes  map[string]uint64 // by part of the agent
	Unresolved   map[string]uint64 // requests whose cause was not told, by why; nil where nothing traces

	Undecodable uint64 // records
	Parsed      Bytes  // payload that reached the streams, held against
	Acked       Bytes  // what the kernel says about the same connections
	Tracked     uint64 // connections in the table now
	Joined      uint64 // connections joined mid-stream

	Runtime Runtime
	Build   Build
}

// Runtime is what the agent's own process takes.
type Runtime struct {
	CPUUser, CPUSystem time.Duration
	Uptime             time.Duration
	ResidentBytes      uint64
	StackBytes         uint64 // of the Go runtime, of which
	OtherBytes         uint64 // this is the rest
	AllocatedBytes     uint64
	Goroutines         uint64
}

func (r *Runtime) add(f *families) {
	f.add(model.MetricProcessCPU, r.CPUUser.Seconds(), named(model.AttrCPUMode, "user"))
	f.add(model.MetricProcessCPU, r.CPUSystem.Seconds(), named(model.AttrCPUMode, "system"))
	f.add(model.MetricProcessMemory, float64(r.ResidentBytes))
	f.add(model.MetricProcessUptime, r.Uptime.Seconds())
	f.add(model.MetricGoMemory, float64(r.StackBytes), named(model.AttrGoMemoryType, "stack"))
	f.add(model.MetricGoMemory, float64(r.OtherBytes), named(model.AttrGoMemoryType, "other"))
	f.add(model.MetricGoAllocated, float64(r.AllocatedBytes))
	f.add(model.MetricGoroutines, float64(r.Goroutines))
}

// Ring is a ring buffer: what was read from it, and what found no room in it.
type Ring struct {
	Name                 string
	Lost, Records, Bytes uint64
}

// Program is an eBPF program. The kernel keeps its times only while statistics are switched on.
type Program struct {
	Name    string
	Runs    uint64
	RunTime time.Duration
}

// Queue is a queue between two stages of the pipeline.
type Queue struct {
	Name                     string
	Depth, Capacity, Dropped uint64
}

// Exporter is a way out of the agent. Types and error types are those of OpenTelemetry's conventions for SDKs.
type Exporter struct {
	Type     string // "otlp_grpc_span_exporter", "otlp_http_metric_exporter"
	Exported uint64 // spans, or data points of a metric exporter, that the receiver took
	Failed   map[string]uint64
}

// OpenConnections counts the TCP connections of one service that are open now.
type OpenConnections struct {
	Service string
	Role    model.Role
	Count   uint64
}

// RoleCount is a count for one side of connections.
type RoleCount struct {
	Role  model.Role
	Count uint64
}

// SignalCount counts processes that export a signal: "traces", "metrics".
type SignalCount struct {
	Signal    string
	Processes uint64
}

// Bytes are counted from the observed sockets' point of view.
type Bytes struct{ Transmitted, Received uint64 }

// Build identifies the running binary.
type Build struct{ Version, Revision, GoVersion string }

// add appends the families of s.
func (s *Self) add(f *families) {
	s.addKernel(f)
	for _, o := range s.Open {
		f.add(model.MetricTCPOpen, float64(o.Count), named(model.AttrService, o.Service), named(model.AttrRole, o.Role.String()))
	}
	for _, r := range s.RequestsLost {
		f.add(model.MetricRequestsLost, float64(r.Count), named(model.AttrRole, r.Role.String()))
	}
	for _, q := range s.Queues {
		f.add(model.MetricQueueDepth, float64(q.Depth), named(model.AttrQueue, q.Name))
		f.add(model.MetricQueueCapacity, float64(q.Capacity), named(model.AttrQueue, q.Name))
		f.add(model.MetricQueueDropped, float64(q.Dropped), named(model.AttrQueue, q.Name))
	}
	s.addExporters(f)
	for _, e := range s.SelfExport {
		f.add(model.MetricSelfExport, float64(e.Processes), named(model.AttrSignal, e.Signal))
	}
	f.addCounts(model.MetricResyncs, model.AttrProtocol, s.Resyncs)
	f.addCounts(model.MetricMemory, model.AttrSubsystem, s.MemoryBytes)
	f.addCounts(model.MetricTraceUnresolved, model.AttrReason, s.Unresolved)
	f.addBytes(model.MetricConnParsed, s.Parsed)
	f.addBytes(model.MetricConnAcked, s.Acked)
	f.add(model.MetricConnTracked, float64(s.Tracked))
	f.add(model.MetricConnJoined, float64(s.Joined))
	s.Runtime.add(f)
	f.add(model.MetricBuildInfo, 1, named(model.AttrBuildVersion, s.Build.Version),
		named(model.AttrBuildRevision, s.Build.Revision), named(model.AttrGoVersion, s.Build.GoVersion))
}

// addExporters numbers exporters of one type in their order.
func (s *Self) addExporters(f *families) {
	numbers := map[string]int{}
	for _, e := range s.Exporters {
		metric := model.MetricSpansExported
		if strings.HasSuffix(e.Type, "_metric_exporter") {
			metric = model.MetricPointsExported
		}
		kind, name := named(model.AttrComponentType, e.Type), named(model.AttrComponentName, e.Type+"/"+strconv.Itoa(numbers[e.Type]))
		numbers[e.Type]++
		f.add(metric, float64(e.Exported), kind, name)
		for _, reason := range slices.Sorted(maps.Keys(e.Failed)) {
			f.add(metric, float64(e.Failed[reason]), kind, name, named(model.AttrErrorType, reason))
		}
	}
}

func (s *Self) addKernel(f *families) {
	for _, r := range s.Rings {
		f.add(model.MetricRingLost, float64(r.Lost), named(model.AttrRing, r.Name))
		f.add(model.MetricRingRecords, float64(r.Records), named(model.AttrRing, r.Name))
		f.add(model.MetricRingIO, float64(r.Bytes), named(model.AttrRing, r.Name))
	}
	for _, p := range s.Programs {
		f.add(model.MetricProgramRuns, float64(p.Runs), named(model.AttrProgram, p.Name))
		f.add(model.MetricProgramRunTime, p.RunTime.Seconds(), named(model.AttrProgram, p.Name))
	}
	f.addCounts(model.MetricMapFull, model.AttrMap, s.MapFull)
	f.addCounts(model.MetricPacketDrops, model.AttrReason, s.PacketDrops)
	f.add(model.MetricUndecodable, float64(s.Undecodable))
}
