// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/store"
	"sonde/agent/view"
	"sonde/probes"
)

func TestWordsSayWhatLinesAndSpansSay(t *testing.T) {
	get := &model.Request{
		Protocol: model.ProtocolHTTP, Role: model.RoleServer, Outcome: model.OutcomeOK,
		Client: model.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.1:4000")},
		Server: model.Endpoint{Addr: netip.MustParseAddrPort("10.0.0.2:80")},
		HTTP: &model.HTTP{
			Method: "GET", Path: "/orders/17", Route: "/orders/{id}", Query: "token=secret", Host: "shop", Status: 503, Version: "1.1",
			Scheme: "http", UserAgent: "evil\x1b[2J",
		},
	}
	strange := &model.Request{Protocol: model.ProtocolHTTP, HTTP: &model.HTTP{Method: "GET", Route: "/\x1b[2J \xff", Path: "/\n"}}
	unanswered := &model.Request{DNS: &model.DNS{Type: "A", Name: "shop.example"}, Outcome: model.OutcomeIncomplete, Reason: "observation_ended"}
	for _, c := range []struct {
		name                      string
		r                         *model.Request
		target, status, operation string
		failed                    bool
	}{
		{"a request of HTTP", get, "GET /orders/17", "503", "GET /orders/{id}", true},
		{"bytes that a terminal would obey", strange, `GET /\x0a`, "-", `GET /\x1b[2J \xff`, false},
		{"one without an answer", unanswered, "A shop.example", "-", "DNS A", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, head := words{}, []byte("\x01")
			for _, s := range []struct {
				what, want string
				got        []byte
			}{
				{"target", c.target, w.AppendTarget(head, c.r)}, {"status", c.status, w.AppendStatus(head, c.r)},
				{"operation", c.operation, w.AppendOperation(head, c.r)},
			} {
				if string(s.got) != "\x01"+s.want {
					t.Errorf("%s %q, want %q behind what was there", s.what, s.got, s.want)
				}
			}
			if got := w.Failed(c.r); got != c.failed {
				t.Errorf("failed: %v", got)
			}
		})
	}
	got := words{}.Attributes(get)
	for _, want := range []view.KeyValue{
		{Key: "http.request.method", Value: "GET"}, {Key: "http.response.status_code", Value: "503"},
		{Key: "url.query", Value: "token=REDACTED"}, {Key: "user_agent.original", Value: `evil\x1b[2J`},
		{Key: "network.peer.address", Value: "10.0.0.1"},
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %v in %v", want, got)
		}
	}
}

func TestMeterGoesOnAtThePaceThatWasMeasured(t *testing.T) {
	var m meter
	if m.wanted() || len(m.totals()) > 0 {
		t.Error("a meter that nobody asked measures")
	}
	if !m.wanted() {
		t.Error("a meter that was asked does not measure")
	}
	now := time.Now()
	pace := []probes.ProgramStats{{Name: "drop", Runs: 10, RuntimeNS: 5_000}}
	m.add(pace, 100*time.Millisecond, now)
	m.add(pace, 100*time.Millisecond, now.Add(2*time.Second))
	m.add(pace, 100*time.Millisecond, now.Add(time.Hour)) // nobody looked meanwhile
	want := []store.ProgramTotal{{Name: "drop", Runs: 400, RunTime: 200 * time.Microsecond}}
	if got := m.totals(); !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestSelfOfAnAgentWithoutOutputsIsTold(t *testing.T) {
	s := newSelfSource()
	seen{s}.Lost(&model.Loss{What: "requests", Role: model.RoleServer, Count: 3})
	seen{s}.Drops("NO_SOCKET", 7)
	w := s.watched()
	if !slices.Contains(w.Agent.Losses, view.Count{Name: "requests, server side", Count: 3}) ||
		!slices.Contains(w.Agent.Losses, view.Count{Name: "requests, client side"}) {
		t.Errorf("losses %v", w.Agent.Losses)
	}
	if !slices.Equal(w.Agent.Drops, []view.Count{{Name: "NO_SOCKET", Count: 7}}) {
		t.Errorf("drops %v", w.Agent.Drops)
	}
	if w.Resident == 0 || w.CPU == 0 || w.Agent.Memory[0] != (view.Count{Name: "resident", Count: w.Resident}) {
		t.Errorf("%+v", w)
	}
}
