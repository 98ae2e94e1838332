// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"net"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"sonde/testbed/e2e/harness"
)

// sumFlows adds up the reports of the flows that match: a flow that lasts is reported in pieces.
func sumFlows(events []harness.Event, match func(*harness.Event) bool) (packets, bytes harness.BothWays) {
	for i := range events {
		e := &events[i]
		if e.Type != "flow" || !match(e) {
			continue
		}
		packets.Sent += e.Packets.Sent
		packets.Received += e.Packets.Received
		bytes.Sent += e.Bytes.Sent
		bytes.Received += e.Bytes.Received
	}
	return packets, bytes
}

// expectFlow compares the sum of the matching flows with n packets of size IP bytes each way.
func expectFlow(t *testing.T, what string, events []harness.Event, n, size uint64, match func(*harness.Event) bool) {
	t.Helper()
	packets, bytes := sumFlows(events, match)
	want, wantBytes := harness.BothWays{Sent: n, Received: n}, harness.BothWays{Sent: n * size, Received: n * size}
	if packets != want || bytes != wantBytes {
		t.Errorf("%s: packets %v bytes %v, want %v and %v", what, packets, bytes, want, wantBytes)
		for i := range events {
			t.Log(&events[i])
		}
	}
}

// eachMoment runs a test with an interface that is there before the agent and with one that appears later.
func eachMoment(t *testing.T, number int, test func(t *testing.T, w wire, ob *observation)) {
	l := newLab(t)
	t.Run("interface older than the agent", func(t *testing.T) {
		w := newWire(t, number)
		test(t, w, l.observe(t))
	})
	t.Run("interface that appears later", func(t *testing.T) {
		ob := l.observe(t)
		w := newWire(t, number+1)
		time.Sleep(time.Second) // for the agent to notice it
		test(t, w, ob)
	})
}

func TestUDPFlowsCountEveryPacket(t *testing.T) {
	eachMoment(t, 21, func(t *testing.T, w wire, ob *observation) {
		for version, there := range map[int]string{4: w.there, 6: w.far6} {
			exchangeDatagrams(t, w, there, 8053+version, 23)
		}
		time.Sleep(300 * time.Millisecond)
		events := ob.end()
		for version, headers := range map[int]uint64{4: 28, 6: 48} {
			port := 8053 + version
			expectFlow(t, fmt.Sprintf("IPv%d on the interface", version), events, 23, 100+headers, func(e *harness.Event) bool {
				return e.Transport == "udp" && e.View == "interface" && e.Interface == w.near && e.Server.Port == port
			})
			expectFlow(t, fmt.Sprintf("IPv%d at the socket", version), events, 23, 100+headers, func(e *harness.Event) bool {
				return e.Transport == "udp" && e.View == "socket" && e.Role == "client" && e.Server.Port == port
			})
		}
	})
}

// exchangeDatagrams sends n datagrams of 100 bytes, each answered by one of 100 bytes from the far namespace.
func exchangeDatagrams(t *testing.T, w wire, there string, port, n int) {
	t.Helper()
	var echo net.PacketConn
	w.within(t, func() (err error) {
		echo, err = net.ListenPacket("udp", net.JoinHostPort(there, strconv.Itoa(port)))
		return err
	})
	defer echo.Close()
	go func() {
		buf := make([]byte, 2000)
		for {
			k, from, err := echo.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = echo.WriteTo(buf[:k], from)
		}
	}()
	c, err := net.Dial("udp", net.JoinHostPort(there, strconv.Itoa(port)))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	buf := make([]byte, 100)
	for range n {
		if _, err := c.Write(buf); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(buf); err != nil {
			t.Fatal(err)
		}
	}
}

func TestICMPFlowsCountEveryPacket(t *testing.T) {
	eachMoment(t, 31, func(t *testing.T, w wire, ob *observation) {
		for _, there := range []string{w.there, w.far6} {
			if out, err := exec.Command("ping", "-c", "7", "-i", "0.05", "-s", "56", there).CombinedOutput(); err != nil {
				t.Fatalf("ping: %v\n%s", err, out)
			}
		}
		time.Sleep(300 * time.Millisecond)
		events := ob.end()
		expectFlow(t, "IPv4", events, 7, 84, func(e *harness.Event) bool {
			return e.Transport == "icmp" && e.View == "interface" && e.Interface == w.near && e.Server.Address == w.there
		})
		// Neighbour discovery is ICMPv6 too, so the count is at least that of the echoes.
		packets, _ := sumFlows(events, func(e *harness.Event) bool {
			return e.Transport == "ipv6-icmp" && e.View == "interface" && e.Interface == w.near && e.Server.Address == w.far6
		})
		if packets.Sent < 7 || packets.Received < 7 || packets.Sent > 10 || packets.Received > 10 {
			t.Errorf("IPv6: packets %v, want 7 echoes each way and a little neighbour discovery", packets)
		}
	})
}

func TestTCPFlowOnAnInterfaceCountsEveryPacket(t *testing.T) {
	l := newLab(t)
	w := newWire(t, 41)
	ob := l.observe(t)
	var ln net.Listener
	w.within(t, func() (err error) { ln, err = net.Listen("tcp", net.JoinHostPort(w.there, "8096")); return err })
	defer ln.Close()
	openExchangeClose(t, ln, false)
	sent, received := interfacePackets(t, w)
	time.Sleep(300 * time.Millisecond)
	events := ob.end()
	packets, bytes := sumFlows(events, func(e *harness.Event) bool {
		return e.Transport == "tcp" && e.View == "interface" && e.Interface == w.near && e.Server.Port == 8096
	})
	t.Logf("packets %v bytes %v; the interface carried %d out, %d in", packets, bytes, sent, received)
	if packets.Sent < 4 || packets.Received < 3 || bytes.Sent < 1000 || bytes.Received < 3000 || int(packets.Sent) > sent || int(packets.Received) > received {
		t.Errorf("packets %v bytes %v for 1000 bytes there and 3000 back", packets, bytes)
	}
}

// interfacePackets is the interface's own count, which holds ARP as well.
func interfacePackets(t *testing.T, w wire) (sent, received int) {
	t.Helper()
	read := func(name string) int {
		out, err := exec.Command("cat", "/sys/class/net/"+w.near+"/statistics/"+name).Output()
		if err != nil {
			t.Fatal(err)
		}
		var n int
		_, _ = fmt.Sscan(string(out), &n)
		return n
	}
	return read("tx_packets"), read("rx_packets")
}
