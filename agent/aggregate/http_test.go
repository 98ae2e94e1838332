// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"sonde/agent/model"
)

var labelTests = []struct {
	name   string
	change func(*model.Request)
	server string
	client string
}{
	{
		"success", func(*model.Request) {},
		"service=s method=GET scheme=http status=200 version=1.1",
		"service=s method=GET address=shop.example port=80 status=200 version=1.1",
	},
	{
		"a client's mistake is an error of the client alone", func(r *model.Request) { r.HTTP.Status = 404 },
		"service=s method=GET scheme=http status=404 version=1.1",
		"service=s method=GET address=shop.example port=80 status=404 error=404 version=1.1",
	},
	{
		"a server's failure is an error of both", func(r *model.Request) { r.HTTP.Status = 503 },
		"service=s method=GET scheme=http status=503 error=503 version=1.1",
		"service=s method=GET address=shop.example port=80 status=503 error=503 version=1.1",
	},
	{
		"a status that means nothing is an error of both", func(r *model.Request) { r.HTTP.Status = 42 },
		"service=s method=GET scheme=http status=42 error=42 version=1.1",
		"service=s method=GET address=shop.example port=80 status=42 error=42 version=1.1",
	},
	{
		"an incomplete exchange has its reason and no status", func(r *model.Request) {
			r.Outcome, r.Reason = model.OutcomeIncomplete, "connection_reset"
		},
		"service=s method=GET scheme=http error=connection_reset version=1.1",
		"service=s method=GET address=shop.example port=80 error=connection_reset version=1.1",
	},
	{
		"an incomplete exchange without a reason is another error", func(r *model.Request) {
			r.Outcome, r.HTTP.Status = model.OutcomeIncomplete, 0
		},
		"service=s method=GET scheme=http error=_OTHER version=1.1",
		"service=s method=GET address=shop.example port=80 error=_OTHER version=1.1",
	},
	{
		"an unknown method, the case counts", func(r *model.Request) { r.HTTP.Method = "get" },
		"service=s method=_OTHER scheme=http status=200 version=1.1",
		"service=s method=_OTHER address=shop.example port=80 status=200 version=1.1",
	},
	{
		"a method that was not seen", func(r *model.Request) { r.HTTP.Method = "" },
		"service=s method=_OTHER scheme=http status=200 version=1.1",
		"service=s method=_OTHER address=shop.example port=80 status=200 version=1.1",
	},
	{
		"the path is no label", func(r *model.Request) { r.HTTP.Path, r.HTTP.Query = "/secret/1", "a=b" },
		"service=s method=GET scheme=http status=200 version=1.1",
		"service=s method=GET address=shop.example port=80 status=200 version=1.1",
	},
	{
		"a process that is not known", func(r *model.Request) { r.Client.Process, r.Server.Process = nil, nil },
		"method=GET scheme=http status=200 version=1.1",
		"method=GET address=shop.example port=80 status=200 version=1.1",
	},
	{
		"https has its own default port", func(r *model.Request) { r.HTTP.Scheme = "https" },
		"service=s method=GET scheme=https status=200 version=1.1",
		"service=s method=GET address=shop.example port=443 status=200 version=1.1",
	},
	{
		"a port in the Host field", func(r *model.Request) { r.HTTP.Host = "Shop.Example:8443" },
		"service=s method=GET scheme=http status=200 version=1.1",
		"service=s method=GET address=shop.example port=8443 status=200 version=1.1",
	},
	{
		"without a Host field the peer", func(r *model.Request) { r.HTTP.Host, r.HTTP.Version = "", "1.0" },
		"service=s method=GET scheme=http status=200 version=1.0",
		"service=s method=GET address=10.1.2.3 port=8080 status=200 version=1.0",
	},
	{
		"a Host field that cannot be one", func(r *model.Request) { r.HTTP.Host = "\xff\x00 evil\n" },
		"service=s method=GET scheme=http status=200 version=1.1",
		"service=s method=GET address=10.1.2.3 port=8080 status=200 version=1.1",
	},
	{
		"a service name of arbitrary bytes", func(r *model.Request) {
			r.Client.Process = &model.Process{ServiceName: "a\xffb"}
			r.Server.Process = r.Client.Process
		},
		"service=a\uFFFDb method=GET scheme=http status=200 version=1.1",
		"service=a\uFFFDb method=GET address=shop.example port=80 status=200 version=1.1",
	},
}

func TestRequestLabelsFollowTheConventions(t *testing.T) {
	for _, tt := range labelTests {
		t.Run(tt.name, func(t *testing.T) {
			a := New(Default(), nil)
			r := serverRequest("GET", 200)
			r.Server.Process = &model.Process{ServiceName: "s"}
			r.Server.Addr = netip.MustParseAddrPort("10.1.2.3:8080")
			r.Client.Process = r.Server.Process
			tt.change(&r)
			a.Request(&r)
			r.Role = model.RoleClient
			a.Request(&r)
			s := a.Snapshot()
			if got := text(family(s, model.MetricHTTPServerDuration)[0].Labels); got != tt.server {
				t.Errorf("server: got  %s\nwant %s", got, tt.server)
			}
			if got := text(family(s, model.MetricHTTPClientDuration)[0].Labels); got != tt.client {
				t.Errorf("client: got  %s\nwant %s", got, tt.client)
			}
		})
	}
}

func TestRequestsWithoutMetricAreCounted(t *testing.T) {
	a := New(Default(), nil)
	r := serverRequest("GET", 200)
	r.Role = model.RoleWire
	a.Request(&r)
	a.Request(&model.Request{Role: model.RoleClient})
	a.Request(&model.Request{Role: model.RoleServer, Protocol: model.ProtocolKafka, Messaging: &model.Messaging{API: "Heartbeat"}})
	s := a.Snapshot()
	var got []string
	for _, s := range family(s, model.MetricRequestsUnaggregated) {
		got = append(got, text(s.Labels))
	}
	slices.Sort(got)
	if strings.Join(got, ", ") != "protocol=http role=wire, protocol=kafka role=server, role=client" {
		t.Errorf("got %v", got)
	}
	if n := len(family(s, model.MetricHTTPServerDuration)); n != 0 {
		t.Errorf("%d series of HTTP", n)
	}
}

func TestRequestsOfOneConnectionGoToTheirOwnSeries(t *testing.T) {
	a := New(Default(), nil)
	const rounds = 10
	methods := []string{"GET", "POST", "HEAD", "BREW"}
	for range rounds {
		for i, m := range methods {
			r := serverRequest(m, 200)
			for range i + 1 {
				a.Request(&r)
			}
		}
	}
	for i, s := range family(a.Snapshot(), model.MetricHTTPServerDuration) {
		if got, want := s.Histogram.Count(), uint64(rounds*(i+1)); got != want {
			t.Errorf("%s: %d requests, want %d", text(s.Labels), got, want)
		}
	}
}

func TestKnownMethodsCanBeReplaced(t *testing.T) {
	cfg := Default()
	cfg.KnownMethods = []string{"PURGE", "PURGE", "_OTHER"}
	a := New(cfg, nil)
	for _, m := range []string{"PURGE", "GET", "_OTHER"} {
		r := serverRequest(m, 200)
		a.Request(&r)
	}
	got := family(a.Snapshot(), model.MetricHTTPServerDuration)
	if len(got) != 2 || got[0].Histogram.Count() != 1 || got[1].Histogram.Count() != 2 {
		t.Errorf("got %d series, want PURGE once and _OTHER twice", len(got))
	}
}
