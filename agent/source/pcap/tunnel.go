// SPDX-License-Identifier: Apache-2.0

package pcap

import "encoding/binary"

// Ports of tunnels in UDP.
const (
	portVXLAN      = 4789
	portVXLANLinux = 8472 // of the Linux kernel before the number was assigned, still its default
	portGeneve     = 6081
)

const (
	vxlanHeader = 8
	vxlanValid  = 0x08 // the identifier is set (RFC 7348 section 5)
)

// isTunnel tells whether a datagram may be of a tunnel: by its port, or because it is VXLAN without doubt. Operators move
// VXLAN to other ports.
func isTunnel(port uint16, b []byte) bool {
	switch port {
	case portVXLAN, portVXLANLinux, portGeneve:
		return true
	}
	return len(b) >= vxlanHeader+ethernetHeader+ipv4Header && b[0] == vxlanValid && b[1]|b[2]|b[3]|b[7] == 0 &&
		holdsIPv4(b[vxlanHeader:])
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

// tunnel decodes what a datagram to a tunnel's port carries. Any other verdict than taken and fragmented means that it is
// no tunnel, or that it carries no IP.
func (d *decoder) tunnel(port uint16, b []byte, n int) verdict {
	if len(b) < 8 {
		return cutShort
	}
	if port == portGeneve { // RFC 8926 section 3.4
		options := int(b[0]&0x3f) * 4
		if b[0]>>6 != 0 || len(b) < 8+options {
			return notIP
		}
		return d.ether(binary.BigEndian.Uint16(b[2:]), b[8+options:], n-8-options)
	}
	if b[0]&vxlanValid == 0 {
		return notIP
	}
	return d.ethernet(b[vxlanHeader:], n-vxlanHeader)
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
