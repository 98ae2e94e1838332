// SPDX-License-Identifier: Apache-2.0

package pcap

// Held is what a source remembers, for tests of its bounds.
type Held struct{ Conns, WaitingBytes, Flows, Datagrams, FragmentBytes, Spans int }

// Held returns it.
func (s *Source) Held() Held {
	h := Held{
		Conns: len(s.decoder.tcp.conns), WaitingBytes: s.decoder.tcp.waiting, Flows: len(s.decoder.flows.flows),
		Datagrams: len(s.decoder.fragments.waiting), FragmentBytes: s.decoder.fragments.bytes,
	}
	for _, c := range s.decoder.tcp.conns {
		h.Spans = max(h.Spans, len(c.sides[0].spans), len(c.sides[1].spans))
	}
	return h
}

// What a source may remember at most.
const (
	MaxWaiting    = maxWaiting
	MaxSpans      = maxSpans
	MaxFlows      = maxFlows
	MaxDatagrams  = maxDatagrams
	MaxFragBytes  = maxFragmentBytes
	LinkSLL2      = linkSLL2
	LinkLoop      = linkLoop
	LinkCiscoHDLC = linkCiscoHDL
)
