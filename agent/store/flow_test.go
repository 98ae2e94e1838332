// SPDX-License-Identifier: Apache-2.0

package store

import (
	"fmt"
	"math"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/view"
)

// connection is reported as the tracker does: totals that grow, and what was added.
type connection struct {
	sc     *script
	flow   model.Flow
	before model.Flow
}

func (sc *script) connect(conn uint64, role model.Role) *connection {
	return &connection{sc: sc, flow: model.Flow{
		Transport: "tcp", Role: role, Conn: conn, Start: sc.now, End: sc.now, Protocol: model.ProtocolHTTP, Encryption: "none",
		Client: model.Endpoint{Addr: curlAddr, Process: curl}, Server: model.Endpoint{Addr: shopAddr, Process: shop},
	}}
}

// report tells of bytes from client to server and back since the last report.
func (c *connection) report(sent, received uint64) {
	c.flow.BytesSent += sent
	c.flow.BytesReceived += received
	c.flow.PacketsSent++
	c.flow.PacketsReceived++
	c.tell(false)
}

func (c *connection) end(state model.FlowState) {
	c.flow.State = state
	c.tell(true)
}

func (c *connection) tell(final bool) {
	c.flow.End = c.sc.now
	d := model.FlowDelta{
		BytesTransmitted: c.flow.BytesSent - c.before.BytesSent, BytesReceived: c.flow.BytesReceived - c.before.BytesReceived, Final: final,
	}
	if c.flow.Role == model.RoleServer {
		d.BytesTransmitted, d.BytesReceived = d.BytesReceived, d.BytesTransmitted
	}
	c.before = c.flow
	c.sc.s.Flow(&c.flow, d)
}

func TestBothReportsOfAConnectionAreOneFlow(t *testing.T) {
	sc := newScript(t, Default())
	client, server := sc.connect(1, model.RoleClient), sc.connect(2, model.RoleServer)
	client.flow.Server.Process, server.flow.Client.Process = nil, nil // the ends do not know each other
	client.flow.TCP, server.flow.TCP = model.TCPFacts{SRTT: time.Millisecond, Retransmits: 1}, model.TCPFacts{SRTT: time.Hour, Retransmits: 2}
	for range 10 {
		sc.wait(time.Second)
		client.report(1000, 5000)
		server.report(1000, 5000)
	}
	got := sc.ask(view.Query{Page: view.PageFlows})
	if got.Rows != 1 {
		t.Fatalf("%d rows: %+v", got.Rows, got.Flows)
	}
	row := got.Flows[0]
	if row.Client != "curl" || row.Server != "shop" || row.Port != 80 || row.Open != 1 || row.Opened != 1 || row.Sent != 10_000 ||
		row.Received != 50_000 || row.Packets != 20 || row.SRTT != time.Millisecond || row.Retrans != 3 || row.Protocol != "http" ||
		row.Encryption != "none" || row.View != "socket" || math.Round(row.SentPerS) != 1000 || math.Round(row.ReceivedPerS) != 5000 {
		t.Errorf("%+v", row)
	}
	conns := sc.ask(view.Query{Page: view.PageConns, Within: view.Scope{Client: "curl"}})
	if conns.Rows != 1 || conns.Conns[0].ID != 1 || conns.Conns[0].Server != "127.0.0.1" && conns.Conns[0].Server != "shop" {
		t.Errorf("connections %+v", conns.Conns)
	}
}

func TestBytesOfBothEndsAreNotDoubled(t *testing.T) {
	sc := newScript(t, Default())
	client, server := sc.connect(1, model.RoleClient), sc.connect(2, model.RoleServer)
	for range 60 {
		sc.wait(time.Second)
		client.report(1000, 500)
		server.report(1000, 500)
	}
	o := sc.ask(view.Query{Page: view.PageFlows}).Overview
	if math.Round(o.BytesPerS) != 1500 || o.Flows != 1 {
		t.Errorf("%v bytes/s over %d connections", o.BytesPerS, o.Flows)
	}
	process := sc.ask(view.Query{Page: view.PageProcesses, Sort: "name"}).Processes
	if len(process) != 2 || process[0].Name != "curl" || math.Round(process[0].TransmitPerS) != 1000 || math.Round(process[1].TransmitPerS) != 500 ||
		process[0].Conns != 1 {
		t.Errorf("processes %+v", process)
	}
	process = sc.ask(view.Query{Page: view.PageProcesses, Filter: "--port 80 --role server"}).Processes
	if len(process) != 1 || process[0].Name != "shop" || math.Round(process[0].TransmitPerS) != 500 {
		t.Errorf("filtered processes %+v", process)
	}
	if process = sc.ask(view.Query{Page: view.PageProcesses, Filter: "--http-status 200"}).Processes; len(process) != 0 {
		t.Errorf("processes by what connections do not have: %+v", process)
	}
	client.end(model.FlowClosed)
	server.end(model.FlowClosed)
	if o := sc.ask(view.Query{Page: view.PageFlows}).Overview; o.Flows != 0 {
		t.Errorf("%d connections after their end", o.Flows)
	}
}

// TestRateStandsStillBetweenReports: connections are reported every ten seconds, and the screen is drawn every second.
func TestRateStandsStillBetweenReports(t *testing.T) {
	sc := newScript(t, Default())
	c := sc.connect(1, model.RoleClient)
	for i := range 1000 {
		sc.wait(time.Second)
		if i%10 == 9 {
			c.report(10_000, 0)
		}
		for _, window := range view.Windows {
			if time.Duration(i) < window/time.Second+10 {
				continue
			}
			row := sc.ask(view.Query{Page: view.PageFlows, Window: window}).Flows[0]
			if math.Abs(row.SentPerS-1000) > 20 {
				t.Fatalf("second %d, %v: %v bytes/s, want 1000", i, window, row.SentPerS)
			}
		}
	}
	sc.wait(30 * time.Second) // silence is not reported
	if row := sc.ask(view.Query{Page: view.PageFlows, Window: 10 * time.Second}).Flows[0]; row.SentPerS != 0 || row.Open != 1 {
		t.Errorf("%+v", row)
	}
	if n := cap(sc.s.flows.reports[0].points); n > 128 {
		t.Errorf("%d points are kept", n)
	}
}

// TestBurstLeavesTheWindow: of a long life few points are kept, and those must tell when the bytes passed.
func TestBurstLeavesTheWindow(t *testing.T) {
	sc := newScript(t, Default())
	c := sc.connect(1, model.RoleClient)
	for i := range 180 {
		sc.wait(10 * time.Second)
		if c.report(10, 0); i == 100 {
			c.report(3_000_000, 0)
		}
		for _, window := range []time.Duration{5 * time.Minute, 15 * time.Minute} {
			since := time.Duration(i-100) * 10 * time.Second
			rate := sc.ask(view.Query{Page: view.PageFlows, Window: window}).Flows[0].SentPerS
			burst := 3_000_000 / window.Seconds()
			if within := since >= 0 && since < window-time.Minute; within && rate < burst*0.99 {
				t.Fatalf("%v after the burst, %v: %v bytes/s, want %v", since, window, rate, burst)
			}
			if gone := since > window+time.Minute; gone && rate > 10 {
				t.Fatalf("%v after the burst, %v: %v bytes/s", since, window, rate)
			}
		}
	}
}

func TestEndsOfConnectionsAreCountedInTheWindow(t *testing.T) {
	sc := newScript(t, Default())
	for i, state := range []model.FlowState{model.FlowClosed, model.FlowRefused, model.FlowTimedOut, model.FlowReset, model.FlowFailed} {
		c := sc.connect(uint64(i+1), model.RoleClient)
		c.end(state)
	}
	joined := sc.connect(9, model.RoleClient)
	joined.flow.JoinedMid = true
	joined.report(1, 1)
	row := sc.ask(view.Query{Page: view.PageFlows}).Flows[0]
	if row.Opened != 5 || row.Failed != 4 || row.Open != 1 {
		t.Errorf("%+v", row)
	}
	sc.wait(2 * time.Minute)
	if row := sc.ask(view.Query{Page: view.PageFlows}).Flows[0]; row.Opened != 0 || row.Failed != 0 || row.Open != 1 {
		t.Errorf("two minutes later: %+v", row)
	}
	sc.wait(15 * time.Minute)
	if got := sc.ask(view.Query{Page: view.PageConns}); got.Rows != 1 || len(sc.s.flows.index) != 1 {
		t.Errorf("after all windows: %d rows of %d", got.Rows, len(sc.s.flows.index))
	}
}

func TestEndedConnectionsMakeRoomFirst(t *testing.T) {
	c := Default()
	c.Flows = 10
	sc := newScript(t, c)
	for i := range 8 {
		sc.connect(uint64(i+1), model.RoleClient).report(1, 1)
	}
	for i := range 5 {
		sc.connect(uint64(i+101), model.RoleClient).end(model.FlowClosed)
	}
	got := sc.ask(view.Query{Page: view.PageConns})
	open := 0
	for _, row := range got.Conns {
		if row.State == "active" {
			open++
		}
	}
	if got.Rows != 10 || open != 8 || len(got.Notes) != 1 {
		t.Errorf("%d rows, %d of them open, notes %q", got.Rows, open, got.Notes)
	}
	for i := range 20 {
		sc.connect(uint64(i+201), model.RoleClient).report(1, 1)
	}
	got = sc.ask(view.Query{Page: view.PageConns, Sort: "started"})
	if got.Rows != 10 || got.Overview.Flows != 10 {
		t.Errorf("%d rows, %d open", got.Rows, got.Overview.Flows)
	}
	for _, row := range got.Conns {
		if row.ID < 211 {
			t.Errorf("connection %d is kept, want the newest", row.ID)
		}
	}
}

// TestConnectionFromBeforeTheStoreHasNoBurst: the first report holds all bytes of its life.
func TestConnectionFromBeforeTheStoreHasNoBurst(t *testing.T) {
	sc := newScript(t, Default())
	f := sc.connect(1, model.RoleServer).flow
	f.Start, f.End, f.BytesSent, f.BytesReceived = sc.now-time.Hour, sc.now, 5_000_000, 1_000_000
	sc.s.Flow(&f, model.FlowDelta{BytesTransmitted: 1000, BytesReceived: 5000})
	sc.wait(time.Second)
	row := sc.ask(view.Query{Page: view.PageFlows, Window: 10 * time.Second}).Flows[0]
	if row.SentPerS > 5000 || row.ReceivedPerS > 1000 || row.SentPerS == 0 || row.Sent != 5_000_000 {
		t.Errorf("%+v", row)
	}
}

func TestViewsOfThePacketsAreNeverAddedUp(t *testing.T) {
	sc := newScript(t, Default())
	sc.connect(1, model.RoleClient).report(1000, 1000)
	for i, name := range []string{"eth0", "lo"} {
		c := sc.connect(uint64(i+2), model.RoleUnknown)
		c.flow.View, c.flow.Interface, c.flow.Client.Process, c.flow.Server.Process = model.ViewInterface, name, nil, nil
		c.report(1100, 1100)
	}
	got := sc.ask(view.Query{Page: view.PageFlows, Sort: "client"})
	if got.Rows != 3 || got.Overview.Flows != 1 {
		t.Errorf("%d rows, %d connections: %+v", got.Rows, got.Overview.Flows, got.Flows)
	}
	if got.Overview.BytesPerS != 2000 { // over the first second
		t.Errorf("%v bytes/s", got.Overview.BytesPerS)
	}
}

func TestFlowsAreFilteredAndNarrowed(t *testing.T) {
	sc := newScript(t, Default())
	for i := range 4 {
		c := sc.connect(uint64(i+1), model.RoleClient)
		c.flow.Client.Addr = addr(fmt.Sprintf("127.0.0.1:%d", 40_000+i))
		if i == 3 {
			c.flow.Server = model.Endpoint{Addr: addr("93.184.216.34:443")}
			c.flow.Protocol = model.ProtocolTLS
		}
		c.report(1, 1)
	}
	r := sc.get(model.RoleClient, "/a", time.Millisecond)
	r.Conn = 2
	sc.s.Request(r)
	for _, tt := range []struct {
		q    view.Query
		rows int
	}{
		{view.Query{Page: view.PageFlows}, 2},
		{view.Query{Page: view.PageFlows, Filter: "--port 443"}, 1},
		{view.Query{Page: view.PageConns, Filter: "--not --port 443"}, 3},
		{view.Query{Page: view.PageConns, Filter: "--http-status 200"}, 0},
		{view.Query{Page: view.PageConns, Within: view.Scope{Client: "curl", Server: "93.184.216.34"}}, 1},
		{view.Query{Page: view.PageConns, Within: view.Scope{Client: "curl", Server: "93.184.216.34:443"}}, 1},
		{view.Query{Page: view.PageConns, Within: view.Scope{Service: "shop"}}, 3},
		{view.Query{Page: view.PageConns, Within: view.Scope{Conn: 2}}, 1},
		{view.Query{Page: view.PageConns, Within: view.Scope{PID: shop.PID}}, 0},
		{view.Query{Page: view.PageConns, Within: view.Scope{Protocol: "tls"}}, 1},
	} {
		if got := sc.ask(tt.q); got.Rows != tt.rows {
			t.Errorf("%+v: %d rows, want %d", tt.q, got.Rows, tt.rows)
		}
	}
	if row := sc.ask(view.Query{Page: view.PageConns, Within: view.Scope{Conn: 2}}).Conns[0]; row.Requests != 1 {
		t.Errorf("%+v", row)
	}
}
