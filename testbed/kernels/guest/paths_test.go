// SPDX-License-Identifier: Apache-2.0

//go:build vm

package guest

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"sonde/probes/hooks"
	"sonde/testbed/e2e/harness"
)

// requestsByPath is how many requests go over the bridge, the tunnel and through NAT.
const requestsByPath = 10

// overBridge goes from one network namespace to another one over a bridge.
func (s *sent) overBridge() error {
	s.both("bridge", requestsByPath, "ok http GET /by-bridge 200 10.77.2.3:8080")
	return s.getFrom("by-bridge", s.left, "10.77.2.3:8080", requestsByPath)
}

// overTunnel goes over VXLAN.
func (s *sent) overTunnel() error {
	s.both("vxlan", requestsByPath, "ok http GET /by-vxlan 200 10.77.3.2:8080")
	return s.getFrom("by-vxlan", s.root, "10.77.3.2:8080", requestsByPath)
}

// throughTranslation calls a service whose address nobody has.
func (s *sent) throughTranslation() error {
	s.both("dnat", 0, "")
	delete(s.want["dnat"], "client ")
	delete(s.want["dnat"], "server ")
	s.want["dnat"]["client ok http GET /by-dnat 200 "+virtual+":80"] = requestsByPath
	s.want["dnat"]["server ok http GET /by-dnat 200 10.77.1.2:8080"] = requestsByPath
	return s.getFrom("by-dnat", s.left, virtual+":80", requestsByPath)
}

// throughService calls a server that calls another one: a Go program, whose goroutines tell which request was the reason.
func (s *sent) throughService() error {
	s.both("causes", requestsByPath, "ok http GET /by-causes 200 10.77.1.2:8080")
	s.both("causes", requestsByPath, "ok http GET /by-causes/inner 200 10.77.1.1:8080")
	return s.getFrom("by-causes", s.root, "10.77.1.2:8080", requestsByPath)
}

// caused holds that each call of the service has the request as its parent that it was made for.
func (s *seen) caused(t *testing.T) {
	t.Helper()
	served := map[string]bool{}
	for i := range s.events {
		if e := &s.events[i]; e.Type == "request" && e.Role == "server" && e.Attributes.Path == "/by-causes" {
			served[e.SpanID] = true
		}
	}
	parents := map[string]int{}
	for i := range s.events {
		e := &s.events[i]
		if e.Type != "request" || e.Role != "client" || e.Attributes.Path != "/by-causes/inner" {
			continue
		}
		if parents[e.ParentID]++; !served[e.ParentID] || parents[e.ParentID] > 1 {
			t.Errorf("the parent %q (%s) is no request of its own: %v", e.ParentID, e.Evidence, e)
		}
	}
}

// judgeColumn looks at what is particular to a path.
func (s *seen) judgeColumn(t *testing.T, column string) {
	switch column {
	case "bridge":
		s.crossed(t, "10.77.2.3", "left0", "right0")
	case "vxlan":
		s.crossed(t, "10.77.3.2", "vx0")
		if got := s.interfacePackets("udp", "near", 4789); (got > 0) != (s.tc != hooks.TCOff) {
			t.Errorf("%d packets of the tunnel at near", got)
		}
	case "causes":
		s.caused(t)
	case "dnat":
		s.joined(t)
		s.crossed(t, virtual, "left0")
		s.crossed(t, "10.77.1.2", "near")
	}
}

// whole returns the last report of each flow that matches: what a report counts is all of the flow so far.
func whole(events []harness.Event, match func(*harness.Event) bool) []*harness.Event {
	last := map[string]*harness.Event{}
	for i := range events {
		if e := &events[i]; e.Type == "flow" && match(e) {
			last[fmt.Sprint(e.Transport, e.View, e.Interface, e.Role, e.Client.Address, e.Client.Port, e.Server.Address, e.Server.Port, e.Start)] = e
		}
	}
	return slices.Collect(maps.Values(last))
}

// crossed holds that flows to a server were counted at the interfaces, and nowhere where packets at interfaces are not counted.
func (s *seen) crossed(t *testing.T, server string, interfaces ...string) {
	t.Helper()
	packets := map[string]uint64{}
	for _, e := range whole(s.events, func(e *harness.Event) bool {
		return e.View == "interface" && e.Transport == "tcp" && e.Server.Address == server
	}) {
		packets[e.Interface] += e.Packets.Sent
	}
	for _, name := range interfaces {
		if (packets[name] >= requestsByPath) != (s.tc != hooks.TCOff) {
			t.Errorf("%d packets to %s at %s: %v", packets[name], server, name, packets)
		}
	}
}

func (s *seen) interfacePackets(transport, device string, port int) (n uint64) {
	for _, e := range whole(s.events, func(e *harness.Event) bool {
		return e.View == "interface" && e.Transport == transport && e.Interface == device && (e.Server.Port == port || e.Client.Port == port)
	}) {
		n += e.Packets.Sent + e.Packets.Received
	}
	return n
}

// joined holds that each request at the server has the client's as its parent, though they disagree about the address.
func (s *seen) joined(t *testing.T) {
	t.Helper()
	clients := map[string]bool{}
	for i := range s.events {
		if e := &s.events[i]; e.Type == "request" && e.Role == "client" && e.Server.Address == virtual {
			clients[e.SpanID] = true
		}
	}
	for i := range s.events {
		e := &s.events[i]
		if e.Type == "request" && e.Role == "server" && e.Attributes.Path == "/by-dnat" && !clients[e.ParentID] {
			t.Errorf("the parent %q (%s) is no request to %s: %v", e.ParentID, e.Evidence, virtual, e)
		}
	}
}

// judgeFlows holds datagrams, whose number is known exactly, against what sockets and interfaces count.
func (s *seen) judgeFlows(t *testing.T) {
	for address, headers := range map[string]uint64{"10.77.1.2": 28, "fd77:1::2": 48} {
		for _, view := range []string{"socket", "interface"} {
			var packets, bytes harness.BothWays
			for _, e := range whole(s.events, func(e *harness.Event) bool {
				return e.Transport == "udp" && e.View == view && e.Server.Address == address && e.Server.Port == portEcho &&
					(view == "socket" && e.Role == "client" || view == "interface" && e.Interface == "near")
			}) {
				packets.Sent += e.Packets.Sent
				packets.Received += e.Packets.Received
				bytes.Sent += e.Bytes.Sent
				bytes.Received += e.Bytes.Received
			}
			n := uint64(datagrams)
			if view == "interface" && s.tc == hooks.TCOff {
				n = 0
			}
			size := n * (datagramBytes + headers)
			if want := (harness.BothWays{Sent: n, Received: n}); packets != want || bytes != (harness.BothWays{Sent: size, Received: size}) {
				t.Errorf("%s by %s: packets %v bytes %v, want %v and %d bytes each way", address, view, packets, bytes, want, size)
			}
		}
	}
}
