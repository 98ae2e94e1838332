// SPDX-License-Identifier: Apache-2.0

package pcap

import "encoding/binary"

// Ports of tunnels in UDP.
const (
	portVXLAN      = 4789
	portVXLANLinux = 8472 // of the Linux kernel before the number was assigned, still its default
	portVXLANGPE   = 4790 // VXLAN that says what it carries (draft-ietf-nvo3-vxlan-gpe)
	portGeneve     = 6081
	portGTP        = 2152 // GTP-U (3GPP TS 29.281)
	portTeredo     = 3544 // of the servers; RFC 4380
	portMPLS       = 6635 // RFC 7510
)

const (
	vxlanHeader = 8
	vxlanValid  = 0x08 // the identifier is set (RFC 7348 section 5)
	vxlanNext   = 0x04 // the protocol carried is named
)

// tunnelOf returns the port of the tunnel that a datagram may be of, 0 for none: one of its ports, or that of VXLAN because
// it is that without doubt. Operators move VXLAN to other ports.
func tunnelOf(src, dst uint16, b []byte) uint16 {
	switch dst {
	case portVXLAN, portVXLANLinux, portVXLANGPE, portGeneve, portGTP, portTeredo, portMPLS:
		return dst
	}
	switch {
	case src == portTeredo:
		return src
	case len(b) >= vxlanHeader+ethernetHeader+ipv4Header && b[0] == vxlanValid && b[1]|b[2]|b[3]|b[7] == 0 && holdsIPv4(b[vxlanHeader:]):
		return portVXLAN
	}
	return 0
}

// holdsIPv4 tells whether an Ethernet frame holds an IPv4 packet, by its checksum.
func holdsIPv4(b []byte) bool {
	kind, b := binary.BigEndian.Uint16(b[12:]), b[ethernetHeader:]
	if kind != etherIPv4 || b[0] != 0x45 {
		return false
	}
	sum := uint32(0)
	for i := 0; i < ipv4Header; i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return sum == 0xffff
}

// tunnel decodes what a datagram of a tunnel carries. Any other verdict than taken and fragmented means that it is
// no tunnel, or that it carries no IP.
func (d *decoder) tunnel(port uint16, b []byte, n int) verdict {
	if len(b) < 8 {
		return cutShort
	}
	switch port {
	case portGeneve: // RFC 8926 section 3.4
		options := int(b[0]&0x3f) * 4
		if b[0]>>6 != 0 || len(b) < 8+options {
			return notIP
		}
		return d.ether(binary.BigEndian.Uint16(b[2:]), b[8+options:], n-8-options)
	case portGTP:
		return d.gtp(b, n)
	case portTeredo:
		return d.teredo(b, n)
	case portMPLS:
		return d.mpls(b, n)
	}
	if b[0]&vxlanValid == 0 {
		return notIP
	}
	if port == portVXLANGPE && b[0]&vxlanNext != 0 {
		return d.next(b[3], b[vxlanHeader:], n-vxlanHeader)
	}
	return d.ethernet(b[vxlanHeader:], n-vxlanHeader)
}

// next decodes what VXLAN-GPE says that it carries.
func (d *decoder) next(protocol byte, b []byte, n int) verdict {
	switch protocol {
	case 1, 2: // IPv4 and IPv6
		return d.ip(b, n)
	case 3:
		return d.ethernet(b, n)
	case 5:
		return d.mpls(b, n)
	}
	return notIP
}

// Header of GTP-U (TS 29.281 section 5).
const (
	gtpHeader   = 8
	gtpVersion  = 0xf0 // bits of the version and the protocol type
	gtpUser     = 0x30 // version 1, GTP and not GTP'
	gtpOptions  = 0x07 // any of them means that optionSize more bytes are there
	gtpMore     = 0x04 // extension headers follow
	gtpPacket   = 0xff // a message that carries a packet
	optionSize  = 4
	extensionOf = 4 // what the lengths of extension headers count
)

func (d *decoder) gtp(b []byte, n int) verdict {
	if b[0]&gtpVersion != gtpUser || b[1] != gtpPacket || int(binary.BigEndian.Uint16(b[2:])) != n-gtpHeader {
		return notIP
	}
	flags := b[0]
	b, n = b[gtpHeader:], n-gtpHeader
	if flags&gtpOptions == 0 {
		return d.ip(b, n)
	}
	if len(b) < optionSize {
		return cutShort
	}
	more := b[optionSize-1]
	for b, n = b[optionSize:], n-optionSize; flags&gtpMore != 0 && more != 0; {
		if len(b) == 0 || b[0] == 0 || len(b) < int(b[0])*extensionOf {
			return cutShort
		}
		size := int(b[0]) * extensionOf
		more, b, n = b[size-1], b[size:], n-size
	}
	return d.ip(b, n)
}

// teredo decodes an IPv6 packet behind the indications that servers put in front (RFC 4380 section 5.1.1). Its length must be
// that of the datagram: everything may come from the port of a Teredo server.
func (d *decoder) teredo(b []byte, n int) verdict {
	if len(b) > 4 && b[0] == 0 && b[1] == 1 { // authentication: a client's name, a value, a nonce and a byte
		size := 4 + int(b[2]) + int(b[3]) + 9
		b, n = b[min(size, len(b)):], n-size
	}
	if len(b) > 8 && b[0] == 0 && b[1] == 0 { // origin
		b, n = b[8:], n-8
	}
	if len(b) < ipv6Header || b[0]>>4 != 6 || int(binary.BigEndian.Uint16(b[4:]))+ipv6Header != n {
		return notIP
	}
	return d.ip(b, n)
}

// inside returns the verdict on a packet within a packet. What carries no IP counts for the flow of the outer one.
func (d *decoder) inside(outer *packet, v verdict) verdict {
	if v == taken || v == fragmented {
		return v
	}
	d.packet = *outer
	d.flows.count(outer, 0, 0)
	return taken
}

// Flags of GRE (RFC 2784, RFC 2890, RFC 2637).
const (
	greChecksum = 0x8000
	greRouting  = 0x4000
	greKey      = 0x2000
	greSequence = 0x1000
	greAck      = 0x0080
	greVersion  = 0x0007
)

func (d *decoder) gre(b []byte, n int) verdict {
	outer := d.packet
	if len(b) < 4 {
		return cutShort
	}
	flags, kind := binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
	size := 4
	for _, f := range [...]uint16{greChecksum, greKey, greSequence} {
		if flags&f != 0 {
			size += 4
		}
	}
	if flags&greVersion == 1 && flags&greAck != 0 {
		size += 4
	}
	if flags&greRouting != 0 || flags&greVersion > 1 || len(b) < size {
		return d.inside(&outer, notIP)
	}
	return d.inside(&outer, d.carried(kind, flags, b[size:], n-size))
}

// Headers of ERSPAN (draft-foschiano-erspan): type I has none and no sequence number in GRE either.
const (
	erspan2Header = 8
	erspan3Header = 12
	erspan3Extra  = 8 // where the last bit of the header says so
)

func (d *decoder) carried(kind, flags uint16, b []byte, n int) verdict {
	size := 0
	switch {
	case kind == etherERSPAN2 && flags&greSequence != 0:
		size = erspan2Header
	case kind == etherERSPAN2:
	case kind == etherERSPAN3:
		if size = erspan3Header; len(b) >= size && b[size-1]&1 != 0 {
			size += erspan3Extra
		}
	default:
		return d.ether(kind, b, n)
	}
	if d.packet.depth++; d.packet.depth > maxDepth || len(b) < size {
		return cutShort
	}
	return d.ethernet(b[size:], n-size)
}
