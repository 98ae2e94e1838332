// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"fmt"
	"math"
	"net/netip"
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
		model.AttrQueue: "queue", model.AttrRoute: "route", model.AttrRPCSystem: "system", model.AttrRPCMethod: "method",
		model.AttrRPCStatus: "status", model.AttrRPCSystemOld: "old_system", model.AttrRPCServiceOld: "old_service",
		model.AttrRPCStatusOld: "old_status", model.AttrDBSystem: "system", model.AttrDBOperation: "operation",
		model.AttrDBCollection: "collection", model.AttrDBNamespace: "namespace", model.AttrDBSummary: "summary",
		model.AttrDBStatus: "status", model.AttrMessagingSystem: "system", model.AttrMessagingOp: "operation",
		model.AttrMessagingType: "type", model.AttrDestination: "destination", model.AttrConsumerGroup: "group",
		model.AttrDNSName: "name", model.AttrTLSVersion: "tls", model.AttrClient: "client", model.AttrServer: "server",
		model.AttrConnectionType: "type", model.AttrEvidence: "evidence",
	}
	var out []string
	for _, l := range ls {
		out = append(out, names[l.Attr]+"="+l.Value)
	}
	return strings.Join(out, " ")
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
	if len(a.httpServers.cells) != 1 {
		t.Error("forgotten too early")
	}
	at(30*time.Minute, 0, "idle")
	if len(a.httpServers.cells) != 0 || len(a.httpServers.list) != 0 {
		t.Error("not forgotten")
	}
	a.Request(&r)
	at(31*time.Minute, 1, "a new series")
	at(37*time.Minute, 0, "idle")
	a.Request(&r)
	at(60*time.Minute, 2, "idle again, but nobody has seen the last request")
}

func TestIdleFlowsAreShownUntilTheirLastValueWasSeen(t *testing.T) {
	a := New(Default(), nil)
	f := model.Flow{Transport: "udp"}
	for i, want := range []float64{1, 2, 3} {
		a.Flow(&f, model.FlowDelta{BytesReceived: 1})
		a.Tick(time.Duration(i+1) * time.Hour)
		if got := family(a.Snapshot(), model.MetricFlowIO); len(got) != 2 || got[1].Value != want {
			t.Errorf("after %d hours: %v, want %v bytes received", i+1, got, want)
		}
		if got := family(a.Snapshot(), model.MetricFlowIO); got != nil {
			t.Errorf("after %d hours and a snapshot: %v", i+1, got)
		}
	}
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
	if got := len(a.httpClients.list); got != 1 {
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
	for i, c := range a.httpClients.list {
		if c.place != i {
			t.Errorf("place %d of the list holds the cell of place %d", i, c.place)
		}
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
