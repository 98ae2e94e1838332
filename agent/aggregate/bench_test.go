// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"net/netip"
	"strconv"
	"testing"
	"time"

	"sonde/agent/model"
)

func clientRequest(host string) model.Request {
	return model.Request{
		Protocol: model.ProtocolHTTP, Role: model.RoleClient, Start: time.Second, End: time.Second + 3*time.Millisecond,
		Client: model.Endpoint{Process: &model.Process{ServiceName: "checkout"}},
		Server: model.Endpoint{Addr: netip.MustParseAddrPort("10.1.2.3:8080")},
		HTTP:   &model.HTTP{Version: "1.1", Method: "GET", Scheme: "http", Host: host, Status: 200},
	}
}

func serverRequest(method string, status int) model.Request {
	return model.Request{
		Protocol: model.ProtocolHTTP, Role: model.RoleServer, Start: time.Second, End: time.Second + 3*time.Millisecond,
		Server: model.Endpoint{Process: &model.Process{ServiceName: "nginx"}},
		HTTP:   &model.HTTP{Version: "1.1", Method: method, Scheme: "http", Host: "shop.example", Status: status},
	}
}

func BenchmarkRequest(b *testing.B) {
	mix := func(n int) []model.Request {
		var out []model.Request
		for i := range n {
			out = append(out, serverRequest([]string{"GET", "POST", "PUT"}[i%3], 200+i))
		}
		return out
	}
	tests := []struct {
		name     string
		requests []model.Request
	}{
		{"server, one series", mix(1)},
		{"server, 16 series", mix(16)},
		{"client, host with port", []model.Request{clientRequest("catalog.shop.svc:8080")}},
		{"client, no host", []model.Request{clientRequest("")}},
		{"server, 512 series", mix(512)},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			a := New(Default(), nil)
			for i := range tt.requests {
				a.Request(&tt.requests[i])
			}
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				a.Request(&tt.requests[i])
				if i++; i == len(tt.requests) {
					i = 0
				}
			}
		})
	}
}

func BenchmarkRequestOverLimit(b *testing.B) {
	requests := make([]model.Request, 4000)
	for i := range requests {
		requests[i] = clientRequest("host-" + strconv.Itoa(i))
	}
	a := New(Default(), nil)
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		a.Request(&requests[i])
		i = (i + 1) % len(requests)
	}
}

func BenchmarkFlow(b *testing.B) {
	a := New(Default(), nil)
	f := model.Flow{
		Transport: "tcp", Role: model.RoleServer, State: model.FlowClosed, Start: 1, End: 2,
		Server: model.Endpoint{Process: &model.Process{ServiceName: "nginx"}}, TCP: model.TCPFacts{SRTT: time.Millisecond},
	}
	d := model.FlowDelta{BytesTransmitted: 1000, BytesReceived: 100, Final: true}
	b.ReportAllocs()
	for b.Loop() {
		a.Flow(&f, d)
	}
}

func BenchmarkSnapshot(b *testing.B) {
	a := New(Default(), nil)
	for i := range 2000 {
		r := clientRequest("host-" + strconv.Itoa(i))
		a.Request(&r)
	}
	b.ReportAllocs()
	for b.Loop() {
		a.Snapshot()
	}
}
