// SPDX-License-Identifier: Apache-2.0

package pcap

import "encoding/binary"

// Link types, as pcap files name them.
const (
	linkNull     = 0 // BSD loopback: a family in the byte order of the machine
	linkEthernet = 1
	linkPPP      = 9
	linkRaw12    = 12 // raw IP as some BSDs number it
	linkRaw14    = 14
	linkPPPHDLC  = 50
	linkRaw      = 101
	linkCiscoHDL = 104
	linkLoop     = 108 // OpenBSD loopback: a family in network order
	linkSLL      = 113 // Linux cooked
	linkIPv4     = 228
	linkIPv6     = 229
	linkSLL2     = 276
)

// EtherTypes.
const (
	etherIPv4     = 0x0800
	etherVLAN     = 0x8100
	etherBridge   = 0x6558 // transparent Ethernet bridging
	etherIPv6     = 0x86dd
	etherPPP      = 0x880b
	etherMPLS     = 0x8847
	etherMPLSMany = 0x8848
	etherPPPoE    = 0x8864
	etherQinQ     = 0x88a8
	etherVNTag    = 0x8926 // of Cisco's fabric extenders
	etherETag     = 0x893f // IEEE 802.1BR
	etherERSPAN2  = 0x88be // types I and II
	etherQinQOld1 = 0x9100
	etherQinQOld2 = 0x9200
	etherERSPAN3  = 0x22eb
	etherLeast    = 0x0600 // smaller values are lengths (IEEE 802.3)
)

// maxDepth is how many headers may be nested in one packet. More is no network, but somebody who wants to be busy.
const maxDepth = 32

// verdict is what became of a packet.
type verdict uint8

const (
	taken      verdict = iota // its flow was counted
	notIP                     // ARP, spanning tree and the like
	cutShort                  // captured or made without its headers
	unknown                   // of a link that is not understood
	fragmented                // waits for the rest of its datagram
)

// decoder undoes links, tunnels and fragments. What is left is given to the tables of connections and flows.
type decoder struct {
	fragments fragments
	tcp       tcpTable
	flows     flowTable
	packet    packet
}

// packet is what is known of an IP packet when its transport is reached.
type packet struct {
	time     uint64
	src, dst [16]byte // IPv4 as ::ffff:a.b.c.d
	proto    uint8
	depth    uint8
	packets  uint64 // fragments that it came in, else 1
	bytes    uint64 // from the network header on, of all fragments
}

// frame decodes one packet of the file.
func (d *decoder) frame(f *frame) verdict {
	d.packet = packet{time: f.time, packets: 1}
	b, n := f.data, f.wire
	switch f.link {
	case linkEthernet:
		return d.ethernet(b, n)
	case linkRaw, linkRaw12, linkRaw14, linkIPv4, linkIPv6:
		return d.ip(b, n)
	case linkNull, linkLoop:
		if len(b) < 4 {
			return cutShort
		}
		return d.ip(b[4:], n-4) // the families' numbers differ between systems; the version of IP does not
	case linkSLL:
		if len(b) < 16 {
			return cutShort
		}
		return d.ether(binary.BigEndian.Uint16(b[14:]), b[16:], n-16)
	case linkSLL2:
		if len(b) < 20 {
			return cutShort
		}
		return d.ether(binary.BigEndian.Uint16(b), b[20:], n-20)
	case linkPPP, linkPPPHDLC:
		return d.ppp(b, n)
	case linkCiscoHDL:
		if len(b) < 4 {
			return cutShort
		}
		return d.ether(binary.BigEndian.Uint16(b[2:]), b[4:], n-4)
	}
	return unknown
}

const ethernetHeader = 14

func (d *decoder) ethernet(b []byte, n int) verdict {
	if len(b) < ethernetHeader {
		return cutShort
	}
	return d.ether(binary.BigEndian.Uint16(b[12:]), b[ethernetHeader:], n-ethernetHeader)
}

// ether decodes what an EtherType announces. b are the captured bytes of n on the wire.
func (d *decoder) ether(kind uint16, b []byte, n int) verdict {
	for {
		if d.packet.depth++; d.packet.depth > maxDepth {
			return cutShort
		}
		switch kind {
		case etherIPv4, etherIPv6:
			return d.ip(b, n)
		case etherVLAN, etherQinQ, etherQinQOld1, etherQinQOld2, etherVNTag, etherETag:
			size := tagSize(kind)
			if len(b) < size {
				return cutShort
			}
			kind, b, n = binary.BigEndian.Uint16(b[size-2:]), b[size:], n-size
			continue
		case etherMPLS, etherMPLSMany:
			return d.mpls(b, n)
		case etherPPPoE:
			if len(b) < 6 {
				return cutShort
			}
			return d.ppp(b[6:], n-6)
		case etherPPP:
			return d.ppp(b, n)
		case etherBridge:
			return d.ethernet(b, n)
		}
		if kind >= etherLeast || len(b) < 8 || b[0] != 0xaa || b[1] != 0xaa {
			return notIP
		}
		kind, b, n = binary.BigEndian.Uint16(b[6:]), b[8:], n-8 // SNAP (RFC 1042)
	}
}

// tagSize returns the size of a tag with the EtherType behind it.
func tagSize(kind uint16) int {
	switch kind {
	case etherVNTag:
		return 6
	case etherETag:
		return 8
	}
	return 4
}

// Protocols of PPP (RFC 1661), the second pair with the leading zero left out.
const (
	pppIPv4 = 0x0021
	pppIPv6 = 0x0057
)

func (d *decoder) ppp(b []byte, n int) verdict {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 { // address and control of HDLC framing
		b, n = b[2:], n-2
	}
	if len(b) < 2 {
		return cutShort
	}
	if b[0] == pppIPv4 || b[0] == pppIPv6 {
		return d.ip(b[1:], n-1)
	}
	switch binary.BigEndian.Uint16(b) {
	case pppIPv4, pppIPv6:
		return d.ip(b[2:], n-2)
	}
	return notIP
}

// mpls passes over the labels. What comes behind them is not announced: IP, or Ethernet behind a control word (RFC 4385).
func (d *decoder) mpls(b []byte, n int) verdict {
	for last := false; !last; b, n = b[4:], n-4 {
		if len(b) < 4 {
			return cutShort
		}
		last = b[2]&1 != 0
	}
	if len(b) == 0 {
		return cutShort
	}
	switch b[0] >> 4 {
	case 4, 6:
		return d.ip(b, n)
	case 0:
		if len(b) < 4 {
			return cutShort
		}
		return d.ethernet(b[4:], n-4)
	}
	return d.ethernet(b, n)
}
