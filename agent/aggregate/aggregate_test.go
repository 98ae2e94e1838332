// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sonde/agent/model"
)

func family(s *model.Snapshot, m model.Metric) []model.Series {
	for _, f := range s.Families {
		if f.Metric == m {
			return f.Series
		}
	}
	return nil
}

// text writes labels by their place in the model, "service=nginx", as tests compare them.
func text(ls []model.Label) string {
	names := map[model.Attr]string{
		model.AttrService: "service", model.AttrMethod: "method", model.AttrScheme: "scheme", model.AttrStatus: "status",
		model.AttrErrorType: "error", model.AttrVersion: "version", model.AttrServerAddress: "address",
		model.AttrServerPort: "port", model.AttrDirection: "direction", model.AttrTransport: "transport",
		model.AttrView: "view", model.AttrInterface: "interface", model.AttrRole: "role", model.AttrOutcome: "outcome",
		model.AttrOverflow: "overflow", model.AttrProtocol: "protocol", model.AttrProgram: "program", model.AttrReason: "reason",
		model.AttrQueue: "queue",
	}
	var out []string
	for _, l := range ls {
		out = append(out, names[l.Attr]+"="+l.Value)
	}
	return strings.Join(out, " ")
}

func TestRequestLabelsFollowTheConventions(t *testing.T) {
	tests := []struct {
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
	for _, tt := range tests {
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
	got := family(a.Snapshot(), model.MetricRequestsUnaggregated)
	if len(got) != 2 || text(got[0].Labels) != "protocol=http role=wire" || text(got[1].Labels) != "role=client" {
		t.Errorf("got %v", got)
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

func TestDurationOnABoundBelongsBelowIt(t *testing.T) {
	a := New(Default(), nil)
	for _, d := range []time.Duration{0, 5 * time.Millisecond, 5*time.Millisecond + 1, 10 * time.Second, 10*time.Second + 1, time.Hour} {
		r := serverRequest("GET", 200)
		r.End = r.Start + d
		a.Request(&r)
	}
	h := family(a.Snapshot(), model.MetricHTTPServerDuration)[0].Histogram
	want := []uint64{2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2}
	if !slices.Equal(h.Counts, want) {
		t.Errorf("got %v, want %v", h.Counts, want)
	}
	if want := 3620.010000002; math.Abs(h.Sum-want) > 1e-9 {
		t.Errorf("sum %.9f, want %.9f", h.Sum, want)
	}
}

func TestBucketsHaveRoomForAllBounds(t *testing.T) {
	for m := range model.MetricCount {
		if n := len(m.Bounds()) + 1; n > maxBuckets {
			t.Errorf("metric %d has %d buckets, there is room for %d", m, n, maxBuckets)
		}
	}
}

func TestSumGoesOnWhereNanosecondsWrap(t *testing.T) {
	var h histogram
	for range 3 {
		h.observe(math.MaxInt64, nil)
	}
	if got, want := h.sumSeconds(), 3*float64(math.MaxInt64)/1e9; math.Abs(got/want-1) > 1e-15 {
		t.Errorf("got %g, want %g", got, want)
	}
}

func TestOverflowKeepsSumsExactForAMillionAddresses(t *testing.T) {
	const n = 1_000_000
	a := New(Default(), nil)
	r := clientRequest("")
	addr := netip.MustParseAddr("10.0.0.0")
	var sum time.Duration
	for i := range n {
		r.Server.Addr = netip.AddrPortFrom(addr, 80)
		addr = addr.Next()
		d := time.Duration(i%9000) * time.Microsecond
		r.End = r.Start + d
		sum += d
		a.Request(&r)
	}
	series := family(a.Snapshot(), model.MetricHTTPClientDuration)
	if len(series) != Default().MaxSeries {
		t.Fatalf("%d series, the limit is %d", len(series), Default().MaxSeries)
	}
	var count, overflow uint64
	var got float64
	for _, s := range series {
		count += s.Histogram.Count()
		got += s.Histogram.Sum
		if text(s.Labels) == "overflow=true" {
			overflow += s.Histogram.Count()
		}
	}
	if count != n || overflow != n-1999 {
		t.Errorf("counted %d of %d requests, %d of them in the overflow series", count, n, overflow)
	}
	if math.Abs(got-sum.Seconds()) > 1e-6 {
		t.Errorf("sum %f, want %f", got, sum.Seconds())
	}
}

func TestKnownSeriesCostsNoAllocation(t *testing.T) {
	a := New(Default(), nil)
	server, client, nohost := serverRequest("GET", 200), clientRequest("a.b:80"), clientRequest("")
	flow := model.Flow{Transport: "tcp", State: model.FlowRefused, Error: "ECONNREFUSED", TCP: model.TCPFacts{SRTT: 1}}
	once := func() {
		a.Request(&server)
		a.Request(&client)
		a.Request(&nohost)
		a.Flow(&flow, model.FlowDelta{BytesReceived: 1, Retransmits: 1, Final: true})
	}
	once()
	if n := testing.AllocsPerRun(100, once); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestIdleSeriesIsHiddenThenForgotten(t *testing.T) {
	a := New(Default(), nil)
	r := serverRequest("GET", 200)
	count := func() uint64 {
		s := family(a.Snapshot(), model.MetricHTTPServerDuration)
		if s == nil {
			return 0
		}
		return s[0].Histogram.Count()
	}
	at := func(now time.Duration, want uint64, why string) {
		t.Helper()
		a.Tick(now)
		if got := count(); got != want {
			t.Errorf("at %v: count %d, want %d: %s", now, got, want, why)
		}
	}
	a.Tick(time.Minute)
	a.Request(&r)
	at(20*time.Minute, 1, "idle, but nobody has seen it yet")
	at(20*time.Minute, 0, "idle")
	a.Request(&r)
	at(20*time.Minute, 2, "it came back soon and must go on, or readers would miss a request")
	at(24*time.Minute, 2, "not idle for long enough")
	at(25*time.Minute, 0, "idle")
	if len(a.server.cells) != 1 {
		t.Error("forgotten too early")
	}
	at(30*time.Minute, 0, "idle")
	if len(a.server.cells) != 0 || len(a.server.list) != 0 {
		t.Error("not forgotten")
	}
	a.Request(&r)
	at(31*time.Minute, 1, "a new series")
}

func TestForgottenSeriesMakeRoom(t *testing.T) {
	cfg := Default()
	cfg.MaxSeries = 10
	a := New(cfg, nil)
	feed := func(prefix string) {
		for i := range 20 {
			r := clientRequest(prefix + strconv.Itoa(i))
			a.Request(&r)
		}
	}
	feed("a")
	for i := range 3 {
		a.Snapshot()
		a.Tick(time.Duration(i+1) * 20 * time.Minute)
	}
	a.Snapshot()
	if got := len(a.client.list); got != 1 {
		t.Fatalf("%d series left, want the overflow series alone", got)
	}
	feed("b")
	series := family(a.Snapshot(), model.MetricHTTPClientDuration)
	var total uint64
	for _, s := range series {
		total += s.Histogram.Count()
	}
	if len(series) != 10 || total != 11+20 {
		t.Errorf("%d series with %d requests, want 10 with 31: 11 of the overflow before, 20 new ones", len(series), total)
	}
	for i, c := range a.client.list {
		if c.place != i {
			t.Errorf("place %d of the list holds the cell of place %d", i, c.place)
		}
	}
}

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

type selfFunc func() Self

func (f selfFunc) Self() Self { return f() }

func TestSelfMetricsAreMergedAndBounded(t *testing.T) {
	cfg := Default()
	cfg.MaxSeries = 10
	drops := map[string]uint64{"a\xff": 1, "a\xfe": 2}
	for i := range 30 {
		drops[fmt.Sprintf("reason_%02d", i)] = 1
	}
	a := New(cfg, selfFunc(func() Self {
		return Self{
			Programs:    []Program{{Name: "conn_close", Runs: 3, RunTime: time.Second}, {Name: "conn_close", Runs: 4}},
			PacketDrops: drops,
		}
	}))
	s := a.Snapshot()
	if got := family(s, model.MetricProgramRuns); len(got) != 1 || got[0].Value != 7 {
		t.Errorf("programs of one name: %v", got)
	}
	got := family(s, model.MetricPacketDrops)
	total := 0.0
	for _, s := range got {
		total += s.Value
	}
	if len(got) != 10 || total != 33 || text(got[9].Labels) != "overflow=true" {
		t.Errorf("%d series, sum %v: %v", len(got), total, got)
	}
	if got := family(s, model.MetricUndecodable); len(got) != 1 || got[0].Value != 0 {
		t.Errorf("a zero is shown before the first loss: %v", got)
	}
}

func TestSnapshotsWhileFeedingLoseNothing(t *testing.T) {
	cfg := Default()
	cfg.MaxSeries = 500
	a := New(cfg, nil)
	const n = 200_000
	var wg sync.WaitGroup
	wg.Go(func() {
		requests := make([]model.Request, 700)
		for i := range requests {
			requests[i] = clientRequest("h" + strconv.Itoa(i))
		}
		for i := range n {
			a.Request(&requests[i*7%len(requests)])
			if i%1000 == 0 {
				a.Tick(time.Duration(i) * time.Millisecond)
			}
		}
	})
	last := map[string]uint64{}
	check := func() (total uint64) {
		for _, s := range family(a.Snapshot(), model.MetricHTTPClientDuration) {
			l, c := text(s.Labels), s.Histogram.Count()
			if c < last[l] {
				t.Errorf("%s went back from %d to %d", l, last[l], c)
			}
			last[l] = c
			total += c
		}
		return total
	}
	for range 200 {
		check()
	}
	wg.Wait()
	if got := check(); got != n {
		t.Errorf("counted %d of %d", got, n)
	}
}

func TestConfigIsRefusedInOneSentence(t *testing.T) {
	tests := []struct {
		name   string
		change func(*Config)
	}{
		{"no series", func(c *Config) { c.MaxSeries = 0 }},
		{"no timeout", func(c *Config) { c.IdleTimeout = 0 }},
		{"empty method", func(c *Config) { c.KnownMethods = []string{""} }},
		{"too many methods", func(c *Config) { c.KnownMethods = make([]string, 51) }},
	}
	if err := Default().Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		c := Default()
		tt.change(&c)
		if c.Validate() == nil {
			t.Errorf("%s: accepted", tt.name)
		}
	}
}
