// SPDX-License-Identifier: Apache-2.0

package probes

import (
	"fmt"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"

	"sonde/probes/event"
)

// flowBatch is the number of flows that one system call takes out of a map.
const flowBatch = 512

// Counter returns the sum over the CPUs of one of the kernel side's counters.
func (s *Set) Counter(index uint32) uint64 {
	var perCPU []uint64
	if err := s.maps["counters"].Lookup(index, &perCPU); err != nil {
		return 0
	}
	sum := uint64(0)
	for _, n := range perCPU {
		sum += n
	}
	return sum
}

// Lost returns what the kernel side could not pass on since the last call, nil when that is nothing.
func (s *Set) Lost(now uint64) *event.Lost {
	var total event.Lost
	for _, k := range event.KernelKinds {
		n := s.Counter(event.CounterLost + uint32(k))
		total.Records += n
		if k != event.KindSegment && k != event.KindDatagram {
			total.Lifecycle += n
		}
	}
	total.RequestsSent = s.Counter(event.CounterLostRequestsSent)
	total.RequestsReceived = s.Counter(event.CounterLostRequestsReceived)
	was := s.lost
	if total == was {
		return nil
	}
	s.lost = total
	return &event.Lost{
		Hdr:       event.Header{Time: now, Kind: uint8(event.KindLost)},
		Records:   total.Records - was.Records,
		Lifecycle: total.Lifecycle - was.Lifecycle, RequestsSent: total.RequestsSent - was.RequestsSent,
		RequestsReceived: total.RequestsReceived - was.RequestsReceived,
	}
}

// Flows takes the counters of all flows out of the kernel's maps: what f is given is new since the last call.
func (s *Set) Flows(now uint64, f func(*event.Flow)) {
	for _, name := range []string{"sock_flows", "flows"} {
		if m := s.maps[name]; m != nil {
			s.evict(m, now, f)
		}
	}
}

func (s *Set) evict(m *ebpf.Map, now uint64, f func(*event.Flow)) {
	if s.flowKeys == nil {
		s.flowKeys, s.flowValues = make([]event.FlowKey, flowBatch), make([]event.FlowValue, flowBatch)
	}
	keys, values := s.flowKeys, s.flowValues
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookupAndDelete(&cursor, keys, values, nil)
		for i := range n {
			e := event.Flow{Hdr: event.Header{Time: now, Kind: uint8(event.KindFlow)}, Key: keys[i], Value: values[i]}
			f(&e)
		}
		if err != nil { // ErrKeyNotExist at the end; anything else leaves the rest for the next call
			return
		}
	}
}

// Drops tells of packets dropped by the kernel since the last call, by reason and protocol.
func (s *Set) Drops(now uint64, f func(*event.Drops)) {
	m := s.maps["drops"]
	if m == nil {
		return
	}
	var key uint64
	var perCPU []uint64
	for it := m.Iterate(); it.Next(&key, &perCPU); {
		sum := uint64(0)
		for _, n := range perCPU {
			sum += n
		}
		if sum == s.drops[key] {
			continue
		}
		e := event.Drops{
			Hdr:     event.Header{Time: now, Kind: uint8(event.KindDrops)},
			Packets: sum - s.drops[key], Reason: uint32(key >> 16), Protocol: uint32(key & 0xffff),
		}
		s.drops[key] = sum
		event.SetDropName(&e, s.dropName(e.Reason))
		f(&e)
	}
}

// FlowDrops tells of packets that the kernel dropped since the last call, by the flow that they belonged to. It knows those of
// the flows that dropped last, TCP and UDP alone; Drops has all.
func (s *Set) FlowDrops(now uint64, f func(*event.FlowDrops)) {
	m := s.maps["flow_drops"]
	if m == nil {
		return
	}
	keys, values := make([]event.FlowKey, flowBatch), make([]uint64, flowBatch)
	var cursor ebpf.MapBatchCursor
	for {
		n, err := m.BatchLookupAndDelete(&cursor, keys, values, nil)
		for i := range n {
			e := event.FlowDrops{
				Hdr: event.Header{Time: now, Kind: uint8(event.KindFlowDrops)}, Key: keys[i], Packets: values[i],
			}
			f(&e)
		}
		if err != nil {
			return
		}
	}
}

func (s *Set) dropName(reason uint32) string {
	if n := s.names[reason]; n != "" {
		return n
	}
	return fmt.Sprintf("reason_%d", reason)
}

// dropReasons reads the names of enum skb_drop_reason from the running kernel: their numbers differ between kernels.
func dropReasons() map[uint32]string {
	names := map[uint32]string{}
	spec, err := btf.LoadKernelSpec()
	if err != nil {
		return names
	}
	var e *btf.Enum
	if err := spec.TypeByName("skb_drop_reason", &e); err != nil {
		return map[uint32]string{0: "unknown"} // before 5.17 the kernel does not say
	}
	for _, v := range e.Values {
		names[uint32(v.Value)] = dropReasonName(v.Name)
	}
	return names
}

// dropReasonName turns SKB_DROP_REASON_TCP_RESET into "tcp_reset".
func dropReasonName(enum string) string {
	return strings.ToLower(strings.TrimPrefix(strings.TrimPrefix(enum, "SKB_"), "DROP_REASON_"))
}
