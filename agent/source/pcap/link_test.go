// SPDX-License-Identifier: Apache-2.0

package pcap_test

import (
	"encoding/binary"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"

	"sonde/agent/source/pcap"
)

// conversation is a request, its answer and the rest of a connection, as IP packets.
func conversation(v6 bool) []shot {
	k := newTalk()
	if v6 {
		k.client, k.server = "fd00::1", "fd00::2"
	}
	return k.open().send(client, "PA", getA).send(server, "PA", ok5).close().shots
}

var (
	macA = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	macB = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

func ethernet(kind layers.EthernetType) *layers.Ethernet {
	return &layers.Ethernet{SrcMAC: macA, DstMAC: macB, EthernetType: kind}
}

// etherType of an IP packet.
func etherType(ip []byte) layers.EthernetType {
	if ip[0]>>4 == 6 {
		return layers.EthernetTypeIPv6
	}
	return layers.EthernetTypeIPv4
}

func frameOf(ip []byte) []byte { return serialise(ethernet(etherType(ip)), gopacket.Payload(ip)) }

func gre(kind layers.EthernetType, inner []byte, change func(*layers.GRE)) []byte {
	g := &layers.GRE{Protocol: kind}
	if change != nil {
		change(g)
	}
	return serialise(ethernet(layers.EthernetTypeIPv4), network("192.0.2.1", "192.0.2.2", layers.IPProtocolGRE, 9), g, gopacket.Payload(inner))
}

func inUDP(port uint16, payload []byte) []byte {
	return frameOf(udpBytes("192.0.2.1", "192.0.2.2", 33333, port, payload))
}

func joined(parts ...[]byte) []byte { return slices.Concat(parts...) }

func u16(v uint16) []byte { return binary.BigEndian.AppendUint16(nil, v) }

// wrappings are the links and tunnels that a packet may come in. Everything with a layer in gopacket is made by it.
var wrappings = []struct {
	name string
	link layers.LinkType
	wrap func(ip []byte) []byte
}{
	{"Ethernet", layers.LinkTypeEthernet, frameOf},
	{"Ethernet with padding and a frame check sequence", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return joined(frameOf(ip), make([]byte, 10))
	}},
	{"Linux cooked", layers.LinkTypeLinuxSLL, func(ip []byte) []byte {
		return joined([]byte{0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0}, u16(uint16(etherType(ip))), ip)
	}},
	{"Linux cooked v2", pcap.LinkSLL2, func(ip []byte) []byte {
		return joined(u16(uint16(etherType(ip))), []byte{0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0}, ip)
	}},
	{"raw IP", layers.LinkTypeRaw, func(ip []byte) []byte { return ip }},
	{"BSD loopback, little-endian", layers.LinkTypeNull, func(ip []byte) []byte { return joined([]byte{2, 0, 0, 0}, ip) }},
	{"BSD loopback, big-endian", layers.LinkTypeNull, func(ip []byte) []byte { return joined([]byte{0, 0, 0, 30}, ip) }},
	{"OpenBSD loopback", pcap.LinkLoop, func(ip []byte) []byte { return joined([]byte{0, 0, 0, 2}, ip) }},
	{"PPP", layers.LinkTypePPP, func(ip []byte) []byte {
		return serialise(&layers.PPP{PPPType: pppType(ip), HasPPTPHeader: true}, gopacket.Payload(ip))
	}},
	{"Cisco HDLC", pcap.LinkCiscoHDLC, func(ip []byte) []byte { return joined([]byte{0x0f, 0}, u16(uint16(etherType(ip))), ip) }},
	{"VLAN", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 7, Type: etherType(ip)}, gopacket.Payload(ip))
	}},
	{"QinQ", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypeQinQ), &layers.Dot1Q{VLANIdentifier: 7, Type: layers.EthernetTypeDot1Q},
			&layers.Dot1Q{VLANIdentifier: 8, Type: etherType(ip)}, gopacket.Payload(ip))
	}},
	{"VLAN behind Linux cooked", layers.LinkTypeLinuxSLL, func(ip []byte) []byte {
		return joined([]byte{0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 0x81, 0, 0, 7}, u16(uint16(etherType(ip))), ip)
	}},
	{"802.3 with SNAP", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return joined(macB, macA, u16(uint16(len(ip)+8)), []byte{0xaa, 0xaa, 3, 0, 0, 0}, u16(uint16(etherType(ip))), ip)
	}},
	{"PPPoE", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypePPPoESession), &layers.PPPoE{Version: 1, Type: 1, SessionId: 9, Length: uint16(len(ip) + 2)},
			&layers.PPP{PPPType: pppType(ip)}, gopacket.Payload(ip))
	}},
	{"two MPLS labels", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypeMPLSUnicast), &layers.MPLS{Label: 3, TTL: 9}, &layers.MPLS{Label: 4, TTL: 9, StackBottom: true}, gopacket.Payload(ip))
	}},
	{"Ethernet in MPLS with a control word", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypeMPLSUnicast), &layers.MPLS{Label: 3, TTL: 9, StackBottom: true},
			gopacket.Payload(joined([]byte{0, 0, 0, 5}, frameOf(ip))))
	}},
	{"VXLAN", layers.LinkTypeEthernet, func(ip []byte) []byte { return inUDP(4789, vxlan(ip)) }},
	{"VXLAN at Linux's own port", layers.LinkTypeEthernet, func(ip []byte) []byte { return inUDP(8472, vxlan(ip)) }},
	{"Geneve with options", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return inUDP(6081, joined([]byte{1, 0, 0x65, 0x58, 0, 0, 9, 0, 1, 2, 3, 0}, frameOf(ip)))
	}},
	{"Geneve with bare IP", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return inUDP(6081, joined([]byte{0, 0}, u16(uint16(etherType(ip))), []byte{0, 0, 9, 0}, ip))
	}},
	{"GRE", layers.LinkTypeEthernet, func(ip []byte) []byte { return gre(etherType(ip), ip, nil) }},
	{"GRE with checksum, key and sequence number", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return gre(etherType(ip), ip, func(g *layers.GRE) {
			g.ChecksumPresent, g.KeyPresent, g.SeqPresent, g.Key, g.Seq = true, true, true, 4, 5
		})
	}},
	{"GRE with Ethernet", layers.LinkTypeEthernet, func(ip []byte) []byte { return gre(layers.EthernetTypeTransparentEthernetBridging, frameOf(ip), nil) }},
	{"PPTP", layers.LinkTypeEthernet, func(ip []byte) []byte {
		ppp := serialise(&layers.PPP{PPPType: pppType(ip), HasPPTPHeader: true}, gopacket.Payload(ip))
		return joined(serialise(ethernet(layers.EthernetTypeIPv4), network("192.0.2.1", "192.0.2.2", layers.IPProtocolGRE, 9),
			gopacket.Payload(joined([]byte{0x30, 0x81, 0x88, 0x0b}, u16(uint16(len(ppp))), []byte{0, 9, 0, 0, 0, 1, 0, 0, 0, 2}, ppp))))
	}},
	{"ERSPAN I", layers.LinkTypeEthernet, func(ip []byte) []byte { return gre(layers.EthernetTypeERSPAN, frameOf(ip), nil) }},
	{"ERSPAN II", layers.LinkTypeEthernet, func(ip []byte) []byte {
		span := serialise(&layers.ERSPANII{Version: 1, VLANIdentifier: 3, SessionID: 4}, gopacket.Payload(frameOf(ip)))
		return gre(layers.EthernetTypeERSPAN, span, func(g *layers.GRE) { g.SeqPresent, g.Seq = true, 5 })
	}},
	{"ERSPAN III", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return gre(0x22eb, joined([]byte{0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, frameOf(ip)), func(g *layers.GRE) { g.SeqPresent = true })
	}},
	{"ERSPAN III with a platform's own header", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return gre(0x22eb, joined([]byte{0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, make([]byte, 8), frameOf(ip)), func(g *layers.GRE) { g.SeqPresent = true })
	}},
	{"IP in IPv4", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypeIPv4), network("192.0.2.1", "192.0.2.2", within(ip), 9), gopacket.Payload(ip))
	}},
	{"IP in IPv6", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypeIPv6), network("fd01::1", "fd01::2", within(ip), 9), gopacket.Payload(ip))
	}},
	{"IPv6 with extension headers around", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypeIPv6), network("fd01::1", "fd01::2", layers.IPProtocolIPv6HopByHop, 9),
			gopacket.Payload(joined([]byte{60, 0, 1, 4, 0, 0, 0, 0, byte(within(ip)), 0, 1, 4, 0, 0, 0, 0}, ip)))
	}},
	{"authentication header", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypeIPv4), network("192.0.2.1", "192.0.2.2", layers.IPProtocolAH, 9),
			gopacket.Payload(joined([]byte{byte(within(ip)), 4, 0, 0}, make([]byte, 20), ip)))
	}},
	{"VXLAN-GPE with bare IP", layers.LinkTypeEthernet, func(ip []byte) []byte {
		next := byte(1)
		if ip[0]>>4 == 6 {
			next = 2
		}
		return inUDP(4790, joined([]byte{0x0c, 0, 0, next, 0, 0, 9, 0}, ip))
	}},
	{"VXLAN-GPE with Ethernet", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return inUDP(4790, joined([]byte{0x0c, 0, 0, 3, 0, 0, 9, 0}, frameOf(ip)))
	}},
	{"MPLS in UDP", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return inUDP(6635, serialise(&layers.MPLS{Label: 3, TTL: 9, StackBottom: true}, gopacket.Payload(ip)))
	}},
	{"GTP-U", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return inUDP(2152, serialise(&layers.GTPv1U{Version: 1, ProtocolType: 1, MessageType: 255, MessageLength: uint16(len(ip)), TEID: 9}, gopacket.Payload(ip)))
	}},
	{"GTP-U with a sequence number and extensions", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return inUDP(2152, joined([]byte{0x36, 0xff}, u16(uint16(len(ip)+16)), []byte{0, 0, 0, 9, 0, 7, 0, 0x85, 1, 0, 1, 0x40, 2, 0, 0, 0, 0, 0, 0, 0}, ip))
	}},
	{"VN-Tag", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return joined(macB, macA, []byte{0x89, 0x26, 0, 1, 0, 2}, u16(uint16(etherType(ip))), ip)
	}},
	{"E-Tag", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return joined(macB, macA, []byte{0x89, 0x3f, 0, 1, 0, 2, 0, 0}, u16(uint16(etherType(ip))), ip)
	}},
	{"VXLAN in GRE in VLAN", layers.LinkTypeEthernet, func(ip []byte) []byte {
		return serialise(ethernet(layers.EthernetTypeDot1Q), &layers.Dot1Q{VLANIdentifier: 7, Type: layers.EthernetTypeTransparentEthernetBridging},
			gopacket.Payload(gre(layers.EthernetTypeTransparentEthernetBridging, inUDP(4789, vxlan(ip)), nil)))
	}},
}

func vxlan(ip []byte) []byte { return joined([]byte{8, 0, 0, 0, 0, 0, 9, 0}, frameOf(ip)) }

func pppType(ip []byte) layers.PPPType {
	if ip[0]>>4 == 6 {
		return layers.PPPTypeIPv6
	}
	return layers.PPPTypeIPv4
}

func within(ip []byte) layers.IPProtocol {
	if ip[0]>>4 == 6 {
		return layers.IPProtocolIPv6
	}
	return layers.IPProtocolIPv4
}

func TestEveryLinkAndTunnelGivesTheSameRecords(t *testing.T) {
	for _, w := range wrappings {
		for _, v6 := range []bool{false, true} {
			plain := conversation(v6)
			want := mustRead(t, file(layers.LinkTypeRaw, plain))
			shots := slices.Clone(plain)
			for i := range shots {
				shots[i].data = w.wrap(shots[i].data)
			}
			if got := mustRead(t, file(w.link, shots)); got != want {
				t.Errorf("%s, IPv6 %v: got\n%s\nwant\n%s", w.name, v6, got, want)
			}
		}
	}
}

// TestVXLANAtAnyPort: an inner IPv4 header with a right checksum is proof enough.
func TestVXLANAtAnyPort(t *testing.T) {
	shots := conversation(false)
	want := mustRead(t, file(layers.LinkTypeRaw, shots))
	for i := range shots {
		shots[i].data = inUDP(58678, vxlan(shots[i].data))
	}
	if got := mustRead(t, file(layers.LinkTypeEthernet, shots)); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestTeredo: it carries IPv6 alone, behind what servers put in front of it.
func TestTeredo(t *testing.T) {
	authentication := []byte{0, 1, 2, 1, 'i', 'd', 'v', 1, 2, 3, 4, 5, 6, 7, 8, 0}
	origin := []byte{0, 0, 0xf0, 1, 2, 3, 4, 5}
	for _, front := range [][]byte{nil, origin, authentication, joined(authentication, origin)} {
		for _, ports := range [][2]uint16{{40000, 3544}, {3544, 40000}} {
			shots := conversation(true)
			want := mustRead(t, file(layers.LinkTypeRaw, shots))
			for i := range shots {
				shots[i].data = udpBytes("192.0.2.1", "192.0.2.2", ports[0], ports[1], joined(front, shots[i].data))
			}
			if got := mustRead(t, file(layers.LinkTypeRaw, shots)); got != want {
				t.Errorf("%v behind % x: got\n%s\nwant\n%s", ports, front, got, want)
			}
		}
	}
	for _, no := range []string{"", "\x60", strings.Repeat("\x60", 60), "\x00\x01\xff\xff", "\x00\x00\x00\x00\x00\x00\x00\x00\x00"} {
		if got := mustRead(t, file(layers.LinkTypeRaw, []shot{{data: udpBytes("10.0.0.1", "10.0.0.2", 3544, 9, []byte(no))}})); !strings.Contains(got, "10.0.0.1") {
			t.Errorf("% x is no flow of its own: %s", no, got)
		}
	}
}

func TestWhatIsNoTunnelIsAFlowOfItsOwn(t *testing.T) {
	echo := serialise(network("10.0.0.1", "10.0.0.2", layers.IPProtocolICMPv4, 3),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(8, 0), Id: 77, Seq: 1}, gopacket.Payload("abcdefgh"))
	reply := serialise(network("10.0.0.2", "10.0.0.1", layers.IPProtocolICMPv4, 3),
		&layers.ICMPv4{TypeCode: layers.CreateICMPv4TypeCode(0, 0), Id: 77, Seq: 1}, gopacket.Payload("abcdefgh"))
	arp := serialise(ethernet(layers.EthernetTypeARP), gopacket.Payload(make([]byte, 28)))
	shots := []shot{
		{at: 0, data: frameOf(udpBytes("10.0.0.1", "10.0.0.2", 5000, 4789, []byte("no VXLAN at all, whatever the port")))},
		{at: 1e6, data: inUDP(4789, joined([]byte{8, 0, 0, 0, 0, 0, 9, 0}, arp))},
		{at: 2e6, data: frameOf(udpBytes("10.0.0.1", "10.0.0.2", 40000, 53, []byte("question")))},
		{at: 3e6, data: frameOf(udpBytes("10.0.0.2", "10.0.0.1", 53, 40000, []byte("answer")))},
		{at: 4e6, data: frameOf(udpBytes("10.0.0.9", "10.0.0.8", 53, 40001, []byte("answer of which the question was not captured")))},
		{at: 5e6, data: frameOf(echo)},
		{at: 6e6, data: frameOf(reply)},
		{at: 7e6, data: arp},
		{at: 8e6, data: gre(0x1234, []byte("no IP"), nil)},
		{at: 9e6, data: frameOf(serialise(network("10.0.0.1", "10.0.0.2", layers.IPProtocolSCTP, 3), gopacket.Payload("x")))},
		{at: 10e6, data: frameOf(udpBytes("10.0.0.1", "10.0.0.2", 1, 2, nil))[:30]},
		{at: 6 * 1e9, data: frameOf(udpBytes("10.0.0.2", "10.0.0.1", 53, 40000, []byte("another answer")))},
	}
	text, stats, err := read(t, file(layers.LinkTypeEthernet, shots))
	if err != nil || stats.Packets != 12 || stats.NotIP != 1 || stats.Short != 1 {
		t.Errorf("%+v %v", stats, err)
	}
	golden(t, "no tunnel", text)
}

func TestUnknownLinksAreCounted(t *testing.T) {
	_, stats, err := read(t, file(147, conversation(false)))
	if err != nil || stats.Unknown[147] != 8 || stats.Packets != 8 {
		t.Errorf("%+v %v", stats, err)
	}
}
