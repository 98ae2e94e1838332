// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"net/netip"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/trace"
)

// end is one end's view of the first byte of a request.
type end struct {
	role           model.Role
	client, server string
	netns          uint32
	seq, stream    uint32
	at             time.Duration
	pushed         bool
}

const (
	own     = "10.1.0.7:40000"
	pod     = "10.1.0.8:8080"
	virtual = "10.96.0.1:80" // no host has it
	gate    = "192.0.2.1"    // address of the node
)

// client and server are what both ends of a connection see where nothing is rewritten.
func client(change func(*end)) end { return changed(model.RoleClient, change) }
func server(change func(*end)) end { return changed(model.RoleServer, change) }

func changed(role model.Role, change func(*end)) end {
	e := end{role: role, client: own, server: pod, netns: 1 + uint32(role), seq: 4_000_000_000, stream: 1, at: time.Second}
	if change != nil {
		change(&e)
	}
	return e
}

func calls(addr string) func(*end)     { return func(e *end) { e.server = addr } }
func comesFrom(addr string) func(*end) { return func(e *end) { e.client = addr } }
func after(d time.Duration) func(*end) { return func(e *end) { e.at += d } }
func both(all ...func(*end)) func(*end) {
	return func(e *end) {
		for _, f := range all {
			f(e)
		}
	}
}

// TestEndsOfTranslatedConnectionsMeet: the last end of each row has the parent that the row says, by its place, -1 for none.
func TestEndsOfTranslatedConnectionsMeet(t *testing.T) {
	loop := both(comesFrom("127.0.0.1:40000"), func(e *end) { e.netns = 5 })
	for _, row := range []struct {
		name   string
		ends   []end
		parent int
	}{
		{"nothing is rewritten", []end{client(nil), server(nil)}, 0},
		{"the client calls an address that is no host's", []end{client(calls(virtual)), server(nil)}, 0},
		{"the client's address is rewritten", []end{client(nil), server(comesFrom(gate + ":40000"))}, 0},
		{"the client's port as well", []end{client(nil), server(comesFrom(gate + ":1025"))}, -1},
		{"both addresses are", []end{client(calls(virtual)), server(comesFrom(gate + ":40000"))}, -1},
		{"another port of the server alone", []end{client(calls("10.1.0.8:80")), server(nil)}, 0},
		{"the server's address is that of another port", []end{client(calls("10.1.0.8:80")), server(comesFrom(gate + ":40000"))}, -1},
		{"within a namespace", []end{client(both(loop, calls(virtual))), server(loop)}, 0},
		{"loopback addresses of two namespaces", []end{client(both(loop, calls(virtual))), server(comesFrom("127.0.0.1:40000"))}, -1},
		{"another byte", []end{client(both(calls(virtual), func(e *end) { e.seq-- })), server(nil)}, -1},
		{"another stream", []end{client(both(calls(virtual), func(e *end) { e.stream = 3 })), server(nil)}, -1},
		{"another port of the client", []end{client(both(calls(virtual), comesFrom("10.1.0.7:40001"))), server(nil)}, -1},
		{"the other direction", []end{client(both(calls(virtual), func(e *end) { e.pushed = true })), server(nil)}, -1},
		{"long after", []end{client(calls(virtual)), server(after(101 * time.Millisecond))}, -1},
		{"long before", []end{client(both(calls(virtual), after(101*time.Millisecond))), server(nil)}, -1},
		{"soon after", []end{client(calls(virtual)), server(after(99 * time.Millisecond))}, 0},
		{"two clients may be the other end", []end{client(calls(virtual)), client(calls("10.96.0.2:80")), server(nil)}, -1},
		{"of two clients one has the addresses", []end{client(calls(virtual)), client(nil), server(nil)}, 1},
		{"two servers may be", []end{
			server(comesFrom("10.7.0.1:40000")), client(calls("10.9.0.1:80")), server(nil),
		}, -1},
	} {
		t.Run(row.name, func(t *testing.T) {
			tr := trace.New(trace.Default())
			var last *model.Request
			spans := map[model.SpanID]int{}
			for i, e := range row.ends {
				r := &model.Request{Role: e.role, Conn: uint64(i + 1), Start: e.at, End: e.at}
				r.Client.Addr, r.Server.Addr = netip.MustParseAddrPort(e.client), netip.MustParseAddrPort(e.server)
				r.Begun = tr.Begin(&model.Started{
					Conn: r.Conn, Role: r.Role, Client: r.Client.Addr, Server: r.Server.Addr, NetNS: e.netns, Seq: e.seq,
					Stream: e.stream, Pushed: e.pushed, Start: e.at,
				})
				spans[tr.SpanOf(r.Begun)], last = i, r
			}
			tr.Finish(last)
			got := -1
			if !last.Span.Parent.IsZero() {
				got = spans[last.Span.Parent]
			}
			if got != row.parent || got >= 0 && last.Span.Evidence != model.EvidenceConnection {
				t.Errorf("parent %d by %q, want %d", got, last.Span.Evidence, row.parent)
			}
		})
	}
}
