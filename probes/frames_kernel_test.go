// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package probes

import (
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/cilium/ebpf"

	"sonde/probes/event"
)

// programs loads an object without attaching it. TCP at the loopback interface, which trial runs pretend to, is counted.
func programs(t *testing.T, read func() (*ebpf.CollectionSpec, error)) *ebpf.Collection {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("not root: nothing can be loaded")
	}
	spec, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if v := spec.Variables["loopback_ifindex"]; v != nil {
		if err := v.Set(uint32(1 << 30)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := ebpf.NewCollection(spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func ethernet(protocol uint16, packet []byte) []byte {
	return append(binary.BigEndian.AppendUint16(make([]byte, 12), protocol), packet...)
}

// v4 is an IPv4 packet from 10.0.0.1 to 10.0.0.2; fragment is the field of flags and offset.
func v4(protocol byte, fragment uint16, payload []byte) []byte {
	p := append([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, payload...)
	binary.BigEndian.PutUint16(p[2:], uint16(len(p)))
	binary.BigEndian.PutUint16(p[6:], fragment)
	return ethernet(0x0800, p)
}

func v6(protocol byte, payload []byte) []byte {
	p := make([]byte, 40, 40+len(payload))
	p[0], p[6], p[7], p[23], p[39] = 0x60, protocol, 64, 1, 2
	binary.BigEndian.PutUint16(p[4:], uint16(len(payload)))
	return ethernet(0x86dd, append(p, payload...))
}

// tcp and udp go from port 4660 to port 80.
func tcp(flags byte, payload int) []byte {
	return append([]byte{0x12, 0x34, 0, 80, 0, 0, 0, 9, 0, 0, 0, 0, 0x50, flags, 1, 0, 0, 0, 0, 0}, make([]byte, payload)...)
}

func udp(payload int) []byte {
	return append([]byte{0x12, 0x34, 0, 80, 0, 0, 0, 0}, make([]byte, payload)...)
}

func TestPacketsAreCountedAsWhatTheyAre(t *testing.T) {
	for name, c := range map[string]struct {
		frame   []byte
		proto   uint8
		ports   [2]uint16 // source, destination
		bytes   uint64
		flags   uint8
		nothing bool
	}{
		"TCP over IPv4":     {frame: v4(6, 0, tcp(0x18, 100)), proto: 6, ports: [2]uint16{0x1234, 80}, bytes: 140, flags: 0x18},
		"UDP over IPv4":     {frame: v4(17, 0, udp(30)), proto: 17, ports: [2]uint16{0x1234, 80}, bytes: 58},
		"ICMP echo":         {frame: v4(1, 0, []byte{8, 0, 0, 0, 0, 77, 0, 1}), proto: 1, ports: [2]uint16{0, 77}, bytes: 28},
		"TCP over IPv6":     {frame: v6(6, tcp(2, 0)), proto: 6, ports: [2]uint16{0x1234, 80}, bytes: 60, flags: 2},
		"UDP over IPv6":     {frame: v6(17, udp(12)), proto: 17, ports: [2]uint16{0x1234, 80}, bytes: 60},
		"a first fragment":  {frame: v4(17, 0x2000, udp(100)), proto: 17, ports: [2]uint16{0x1234, 80}, bytes: 128},
		"a later fragment":  {frame: v4(17, 100, udp(100)), proto: 17, bytes: 128},
		"SCTP has no ports": {frame: v4(132, 0, udp(40)), proto: 132, bytes: 68},
		"ARP":               {frame: ethernet(0x0806, make([]byte, 28)), nothing: true},
	} {
		t.Run(name, func(t *testing.T) {
			coll := programs(t, loadPacket)
			for dir, program := range []string{"packet_egress", "packet_ingress"} {
				if got, err := coll.Programs[program].Run(&ebpf.RunOptions{Data: c.frame}); err != nil || got != 0xffffffff {
					t.Fatalf("%s: %#x, %v", program, got, err)
				}
				var key event.FlowKey
				var v event.FlowValue
				found := coll.Maps["flows"].Iterate().Next(&key, &v)
				if found == c.nothing {
					t.Fatalf("%s: counted %v", program, found)
				}
				if !found {
					continue
				}
				if err := coll.Maps["flows"].Delete(key); err != nil {
					t.Fatal(err)
				}
				ports := [2]uint16{key.LocalPort, key.RemotePort}
				if dir == 1 && c.proto != 1 { // seen from the destination
					ports[0], ports[1] = ports[1], ports[0]
				}
				if key.Proto != c.proto || ports != c.ports || v.Packets[dir] != 1 || v.Bytes[dir] != c.bytes || v.TcpFlags != c.flags {
					t.Errorf("%s: protocol %d, ports %v, packets %v, bytes %v, flags %#x", program, key.Proto, ports, v.Packets, v.Bytes, v.TcpFlags)
				}
			}
		})
	}
}

// Whatever comes, the answer is "go on".
func TestProgramsLetEverythingPass(t *testing.T) {
	packet, payload := programs(t, loadPacket), programs(t, loadPayload)
	want := map[*ebpf.Program]uint32{
		packet.Programs["packet_egress"]: 0xffffffff, packet.Programs["packet_ingress"]: 0xffffffff,
		payload.Programs["payload_egress"]: 1, payload.Programs["payload_ingress"]: 1,
	}
	r := rand.New(rand.NewPCG(5, 6))
	ran := 0
	try := func(frame []byte) {
		for p, answer := range want {
			got, err := p.Run(&ebpf.RunOptions{Data: frame})
			if err != nil { // the kernel refuses to run what is no frame
				continue
			}
			if ran++; got != answer {
				t.Fatalf("%s answers %#x to %x", p, got, frame)
			}
		}
	}
	whole := [][]byte{v4(6, 0, tcp(0x18, 60)), v4(17, 0, udp(60)), v6(6, tcp(0x18, 40)), v6(17, udp(40)), v4(1, 0, udp(40))}
	for n := range 101 {
		for _, frame := range whole {
			try(frame[:min(n, len(frame))])
			broken := append([]byte(nil), frame...)
			broken[14+r.IntN(len(broken)-14)] = byte(r.Uint32())
			try(broken)
		}
		garbage := make([]byte, n)
		for i := range garbage {
			garbage[i] = byte(r.Uint32())
		}
		try(garbage)
	}
	if ran < 2000 {
		t.Errorf("only %d runs", ran)
	}
}
