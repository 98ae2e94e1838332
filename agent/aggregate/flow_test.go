// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"maps"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
)

func TestFlowAddsIncrementsOnly(t *testing.T) {
	a := New(Default(), nil)
	f := model.Flow{
		Transport: "tcp", Role: model.RoleServer, Start: time.Second, BytesSent: 1 << 40,
		Server: model.Endpoint{Process: &model.Process{ServiceName: "nginx"}}, TCP: model.TCPFacts{SRTT: 700 * time.Microsecond},
	}
	a.Flow(&f, model.FlowDelta{BytesTransmitted: 10, BytesReceived: 3, PacketsTransmitted: 2, PacketsReceived: 1, Retransmits: 1})
	f.State, f.End = model.FlowClosed, 4*time.Second
	a.Flow(&f, model.FlowDelta{Final: true})
	s := a.Snapshot()
	expect := func(m model.Metric, want map[string]float64) {
		t.Helper()
		got := map[string]float64{}
		for _, s := range family(s, m) {
			v := s.Value
			if s.Histogram != nil {
				v = float64(s.Histogram.Count())
			}
			got[text(s.Labels)] = v
		}
		if !maps.Equal(got, want) {
			t.Errorf("metric %d: got %v, want %v", m, got, want)
		}
	}
	expect(model.MetricFlowIO, map[string]float64{
		"service=nginx view=socket transport=tcp direction=transmit": 10,
		"service=nginx view=socket transport=tcp direction=receive":  3,
	})
	expect(model.MetricFlowPackets, map[string]float64{
		"service=nginx view=socket transport=tcp direction=transmit": 2,
		"service=nginx view=socket transport=tcp direction=receive":  1,
	})
	expect(model.MetricTCPConnections, map[string]float64{"service=nginx role=server outcome=closed": 1})
	expect(model.MetricTCPRetransmits, map[string]float64{"service=nginx role=server": 1})
	expect(model.MetricTCPRTT, map[string]float64{"service=nginx role=server": 1})
	expect(model.MetricTCPDuration, map[string]float64{"service=nginx role=server": 1})
	if h := family(s, model.MetricTCPDuration)[0].Histogram; h.Sum != 3 {
		t.Errorf("lifetime %v s, want 3", h.Sum)
	}
}

func TestFlowsThatDidNotBecomeAWholeConnection(t *testing.T) {
	tests := []struct {
		name                        string
		flow                        model.Flow
		connections, failures, life int
		failure                     string
	}{
		{"refused", model.Flow{State: model.FlowRefused, Error: "ECONNREFUSED", Start: 1, End: 2}, 1, 1, 0, "role=client error=ECONNREFUSED"},
		{"failed for an unknown reason", model.Flow{State: model.FlowFailed}, 1, 1, 0, "role=client error=_OTHER"},
		{"joined mid-stream", model.Flow{State: model.FlowClosed, JoinedMid: true, Start: 1, End: 2}, 1, 0, 0, ""},
		{"beginning not seen", model.Flow{State: model.FlowReset, End: 2}, 1, 0, 0, ""},
		{"still open when sonde stops", model.Flow{State: model.FlowActive, Start: 1, End: 2}, 0, 0, 0, ""},
		{"interface view", model.Flow{State: model.FlowClosed, View: model.ViewInterface, Start: 1, End: 2}, 0, 0, 0, ""},
		{"reset", model.Flow{State: model.FlowReset, Start: 1, End: 2}, 1, 0, 1, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := New(Default(), nil)
			tt.flow.Transport, tt.flow.Role = "tcp", model.RoleClient
			a.Flow(&tt.flow, model.FlowDelta{Final: true})
			s := a.Snapshot()
			failures := family(s, model.MetricTCPFailures)
			got := []int{len(family(s, model.MetricTCPConnections)), len(failures), len(family(s, model.MetricTCPDuration))}
			if want := []int{tt.connections, tt.failures, tt.life}; !slices.Equal(got, want) {
				t.Errorf("connections, failures, lifetimes: got %v, want %v", got, want)
			}
			if tt.failure != "" && text(failures[0].Labels) != tt.failure {
				t.Errorf("failure: got %s, want %s", text(failures[0].Labels), tt.failure)
			}
		})
	}
}
