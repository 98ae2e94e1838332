// SPDX-License-Identifier: Apache-2.0

package filter

import (
	"strings"

	"sonde/agent/model"
)

const (
	transportTCP uint8 = 1 << iota
	transportUDP
	transportICMPv4
	transportICMPv6
)

// transportWords are the transports that --protocol takes. Hubble's "icmp" is both versions; "ipv6-icmp" is the name in
// /etc/protocols and in the model.
var transportWords = []struct {
	word string
	bits uint8
}{
	{"tcp", transportTCP},
	{"udp", transportUDP},
	{"icmp", transportICMPv4 | transportICMPv6},
	{"icmpv4", transportICMPv4},
	{"icmpv6", transportICMPv6},
	{"ipv6-icmp", transportICMPv6},
}

// applications are the protocols of the model, as long as they have names: a new one is accepted without a change here.
func applications() []model.Protocol {
	var out []model.Protocol
	for p := model.ProtocolUnknown + 1; p < 64 && p.String() != ""; p++ {
		out = append(out, p)
	}
	return out
}

func protocolNames() string {
	var names []string
	for _, p := range applications() {
		names = append(names, p.String())
	}
	for _, t := range transportWords {
		names = append(names, t.word)
	}
	return strings.Join(names, ", ")
}

func protocolBits(word string) (application uint64, transport uint8) {
	for _, p := range applications() {
		if word == p.String() {
			return 1 << p, 0
		}
	}
	for _, t := range transportWords {
		if word == t.word {
			return 0, t.bits
		}
	}
	return 0, 0
}

// transportOf names the transport of a flow.
func transportOf(f *model.Flow) uint8 {
	switch f.Transport {
	case "tcp":
		return transportTCP
	case "udp":
		return transportUDP
	case "icmp":
		return transportICMPv4
	case "ipv6-icmp":
		return transportICMPv6
	}
	return 0
}

// carrier is the transport of a request.
func carrier(t model.Transport) uint8 {
	if t == model.TransportUDP {
		return transportUDP
	}
	return transportTCP
}
