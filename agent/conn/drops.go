// SPDX-License-Identifier: Apache-2.0

package conn

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"sonde/agent/model"
	"sonde/probes/event"
)

func (t *Tracker) drops(e *event.Drops) bool {
	if e == nil {
		return false
	}
	t.out.Drops(event.DropName(e), e.Packets)
	return true
}

// flowDrops adds packets that were dropped to the flows that they belonged to: to both ends of a connection, where both are on
// this machine. Those of a flow that is not known, or no longer, are counted by their reason alone.
func (t *Tracker) flowDrops(e *event.FlowDrops) bool {
	if e == nil {
		return false
	}
	from := localAddr(&e.Key)
	to := netip.AddrPortFrom(netip.AddrFrom16(e.Key.Remote).Unmap(), e.Key.RemotePort)
	if e.Key.Proto == protoTCP {
		sender, receiver := t.pairs[pair{from, to}], t.pairs[pair{to, from}]
		for _, c := range [...]*Conn{sender, receiver} {
			if c != nil {
				c.drops += e.Packets
			}
		}
		if sender != nil || receiver != nil {
			return true
		}
	}
	for _, p := range [...]pair{{from, to}, {to, from}} {
		for _, f := range t.flowsBetween(p, event.Time(&e.Hdr)) {
			if f.proto == e.Key.Proto {
				f.total.Drops += e.Packets
				t.out.Flow(&f.total, model.FlowDelta{}) // none of its packets may pass any more
			}
		}
	}
	return true
}

// flowsBetween returns the flows counted by packets that have these ends, as a socket or an interface sees them. The index is
// made when it is needed, once in a while: drops are rare, flows are not.
func (t *Tracker) flowsBetween(p pair, now time.Duration) []*packetFlow {
	if t.flowEnds == nil || now != t.flowEndsAt {
		t.flowEnds, t.flowEndsAt = map[pair][]*packetFlow{}, now
		for k, f := range t.flows {
			ends := pair{localAddr(&k), netip.AddrPortFrom(netip.AddrFrom16(k.Remote).Unmap(), k.RemotePort)}
			t.flowEnds[ends] = append(t.flowEnds[ends], f)
		}
	}
	found := t.flowEnds[p]
	slices.SortFunc(found, func(a, b *packetFlow) int { return cmp.Compare(a.total.Conn, b.total.Conn) }) // see inOrder
	return found
}
