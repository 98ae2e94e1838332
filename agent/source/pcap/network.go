// SPDX-License-Identifier: Apache-2.0

package pcap

import "encoding/binary"

// IP protocol numbers.
const (
	protoHopByHop = 0
	protoICMP     = 1
	protoIPv4     = 4
	protoTCP      = 6
	protoUDP      = 17
	protoIPv6     = 41
	protoRouting  = 43
	protoFragment = 44
	protoGRE      = 47
	protoAH       = 51
	protoICMPv6   = 58
	protoNone     = 59
	protoOptions  = 60
	protoMobility = 135
	protoMPLS     = 137
)

const (
	ipv4Header = 20
	ipv6Header = 40
)

// ip decodes an IP packet of either version. b are the captured bytes of n on the wire; what an Ethernet frame is padded
// with is cut off by the length that IP gives.
func (d *decoder) ip(b []byte, n int) verdict {
	if d.packet.depth++; d.packet.depth > maxDepth || len(b) == 0 {
		return cutShort
	}
	switch b[0] >> 4 {
	case 4:
		return d.ipv4(b, n)
	case 6:
		return d.ipv6(b, n)
	}
	return notIP
}

func (d *decoder) ipv4(b []byte, n int) verdict {
	if len(b) < ipv4Header {
		return cutShort
	}
	header, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if total == 0 { // left to the network card, which cuts large segments
		total = n
	}
	if header < ipv4Header || total < header || len(b) < header {
		return cutShort
	}
	b = b[:min(len(b), total)]
	p := &d.packet
	mapped(&p.src, b[12:16])
	mapped(&p.dst, b[16:20])
	p.proto = b[9]
	p.bytes = uint64(total)
	if place := binary.BigEndian.Uint16(b[6:]); place&0x3fff != 0 { // more fragments, or not the first
		id := uint32(binary.BigEndian.Uint16(b[4:]))
		return d.fragment(id, int(place&0x1fff)*8, place&0x2000 != 0, b[header:], total-header)
	}
	return d.transport(p.proto, b[header:], total-header)
}

// mapped sets an IPv4 address.
func mapped(to *[16]byte, ip []byte) {
	*to = [16]byte{10: 0xff, 11: 0xff, 12: ip[0], 13: ip[1], 14: ip[2], 15: ip[3]}
}

func (d *decoder) ipv6(b []byte, n int) verdict {
	if len(b) < ipv6Header {
		return cutShort
	}
	total := int(binary.BigEndian.Uint16(b[4:])) + ipv6Header
	if total == ipv6Header { // a jumbogram (RFC 2675), or left to the network card
		total = max(n, ipv6Header)
	}
	b = b[:min(len(b), total)]
	p := &d.packet
	copy(p.src[:], b[8:24])
	copy(p.dst[:], b[24:40])
	p.bytes = uint64(total)
	next := b[6]
	b, n = b[ipv6Header:], total-ipv6Header
	for range maxDepth { // extension headers (RFC 8200 section 4)
		size := 0
		switch next {
		case protoHopByHop, protoRouting, protoOptions, protoMobility:
			if len(b) < 8 {
				return cutShort
			}
			size = (int(b[1]) + 1) * 8
		case protoFragment:
			if len(b) < 8 {
				return cutShort
			}
			p.proto = b[0]
			place := binary.BigEndian.Uint16(b[2:])
			if place&0xfff9 == 0 { // atomic (RFC 6946)
				size = 8
				break
			}
			return d.fragment(binary.BigEndian.Uint32(b[4:]), int(place&0xfff8), place&1 != 0, b[8:], n-8)
		default:
			p.proto = next
			return d.transport(next, b, n)
		}
		if size > len(b) {
			return cutShort
		}
		next, b, n = b[0], b[size:], n-size
	}
	return cutShort
}

// transport decodes what IP carries.
func (d *decoder) transport(proto uint8, b []byte, n int) verdict {
	switch proto {
	case protoTCP:
		return d.tcp.packet(&d.packet, b, n)
	case protoUDP:
		return d.udp(b, n)
	case protoICMP, protoICMPv6:
		return d.icmp(b)
	case protoIPv4, protoIPv6:
		outer := d.packet
		return d.inside(&outer, d.ip(b, n))
	case protoGRE:
		return d.gre(b, n)
	case protoMPLS:
		outer := d.packet
		return d.inside(&outer, d.mpls(b, n))
	case protoAH: // RFC 4302: authenticated, not encrypted
		if len(b) < 8 || len(b) < (int(b[1])+2)*4 {
			return cutShort
		}
		if d.packet.depth++; d.packet.depth > maxDepth {
			return cutShort
		}
		size := (int(b[1]) + 2) * 4
		d.packet.proto = b[0]
		return d.transport(b[0], b[size:], n-size)
	}
	d.flows.count(&d.packet, 0, 0)
	return taken
}

func (d *decoder) icmp(b []byte) verdict {
	id := uint16(0)
	if len(b) >= 6 && isEcho(d.packet.proto, b[0]) {
		id = binary.BigEndian.Uint16(b[4:])
	}
	d.flows.count(&d.packet, 0, id)
	return taken
}

// isEcho tells the messages that have an identifier: echo and timestamp (RFC 792), echo (RFC 4443).
func isEcho(proto, kind uint8) bool {
	if proto == protoICMP {
		return kind == 0 || kind == 8 || kind == 13 || kind == 14
	}
	return kind == 128 || kind == 129
}

const udpHeader = 8

func (d *decoder) udp(b []byte, n int) verdict {
	if len(b) < udpHeader {
		return cutShort
	}
	src, dst := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	if size := int(binary.BigEndian.Uint16(b[4:])); size >= udpHeader && size < n { // 0 is a jumbogram
		n = size
	}
	b = b[udpHeader:min(len(b), max(n, udpHeader))]
	if port := tunnelOf(src, dst, b); port != 0 {
		outer := d.packet
		if v := d.tunnel(port, b, n-udpHeader); v == taken || v == fragmented {
			return v
		}
		d.packet = outer
	}
	d.flows.datagram(&d.packet, src, dst, b, n-udpHeader)
	return taken
}
