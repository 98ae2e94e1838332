// SPDX-License-Identifier: Apache-2.0

package pcap

import (
	"sonde/probes/event"
)

const (
	flowInterval = 5e9  // ns between two reports of a flow
	flowIdle     = 60e9 // ns after which it is forgotten
	maxFlows     = 100_000
	maxHead      = 65535 // bytes that one record can hold
)

// flowKey is a flow with its lower end first, so that both directions have the same.
type flowKey struct {
	low, high         [16]byte
	lowPort, highPort uint16
	proto             uint8
}

// flow is UDP, ICMP or anything else that is not TCP between two ends.
type flow struct {
	key    flowKey
	record event.Flow // what was counted since the last report
}

// flowTable counts packets of flows and hands on the payload of datagrams.
type flowTable struct {
	out    *output
	flows  map[flowKey]*flow
	order  []*flow // as they began
	report uint64  // when the next is due
}

// count adds a packet. port is that of the source; of ICMP only id is known.
func (t *flowTable) count(p *packet, src, dst uint16) (f *flow, dir uint8) {
	k := flowKey{p.src, p.dst, src, dst, p.proto}
	if p.proto == protoICMP || p.proto == protoICMPv6 { // the identifier is the same in both directions
		k.lowPort, k.highPort = 0, dst
	}
	swapped := before(&k.high, &k.low, k.highPort, k.lowPort)
	if swapped {
		k.low, k.high = k.high, k.low
		if p.proto == protoUDP {
			k.lowPort, k.highPort = k.highPort, k.lowPort
		}
	}
	f = t.flows[k]
	if f == nil {
		f = t.add(k, p, src, dst)
	}
	v := &f.record.Value
	if f.record.Key.Local != p.src || p.proto == protoUDP && f.record.Key.LocalPort != src {
		dir = event.DirReceived
	}
	if v.First == 0 {
		v.First = p.time
	}
	v.Last = max(v.Last, p.time)
	v.Packets[dir] += p.packets
	v.Bytes[dir] += p.bytes
	return f, dir
}

// before tells whether the end a comes before the end b.
func before(a, b *[16]byte, aPort, bPort uint16) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return aPort < bPort
}

func (t *flowTable) add(k flowKey, p *packet, src, dst uint16) *flow {
	if t.flows == nil {
		t.flows = map[flowKey]*flow{}
	}
	if len(t.flows) >= maxFlows {
		t.tell(p.time, 0)
	}
	f := &flow{key: k}
	e := &f.record
	e.Hdr.Kind = uint8(event.KindFlow)
	e.Key.Proto = p.proto
	if p.proto == protoUDP && src < wellKnown && dst >= wellKnown {
		e.Key.Local, e.Key.Remote, e.Key.LocalPort, e.Key.RemotePort = p.dst, p.src, dst, src
	} else {
		e.Key.Local, e.Key.Remote, e.Key.LocalPort, e.Key.RemotePort = p.src, p.dst, src, dst
	}
	t.flows[k] = f
	t.order = append(t.order, f)
	return f
}

// datagram counts a datagram and hands on its payload: b are the captured bytes of n.
func (t *flowTable) datagram(p *packet, src, dst uint16, b []byte, n int) {
	f, dir := t.count(p, src, dst)
	if n <= 0 {
		return
	}
	k := &f.record.Key
	e := event.Datagram{
		Hdr:   event.Header{Time: p.time},
		Tuple: event.Tuple{Local: k.Local, Remote: k.Remote, LocalPort: k.LocalPort, RemotePort: k.RemotePort},
		Len:   uint32(n), Dir: dir,
	}
	t.out.to.Record(t.out.scratch.Datagram(&e, b[:min(len(b), n, maxHead)]))
}

// tick reports what was counted when that is due.
func (t *flowTable) tick(now uint64) {
	if now >= t.report {
		t.report = now + flowInterval
		t.tell(now, flowIdle)
	}
}

// tell reports what was counted, in the order in which flows began, and forgets those that have been idle for so long.
func (t *flowTable) tell(now, idle uint64) {
	kept := t.order[:0]
	for _, f := range t.order {
		v := &f.record.Value
		if v.First != 0 {
			f.record.Hdr.Time = v.Last
			t.out.to.Record(event.Bytes(&f.record))
			*v = event.FlowValue{Last: v.Last}
		}
		if v.Last+idle <= now {
			delete(t.flows, f.key)
			continue
		}
		kept = append(kept, f)
	}
	clear(t.order[len(kept):])
	t.order = kept
}
