// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"sonde/agent/model"
	"sonde/exporters/semconv"
	"sonde/testbed/reviewed"
)

type source model.Snapshot

func (s *source) Snapshot() *model.Snapshot { return (*model.Snapshot)(s) }

// values of labels as they are met in practice; others are the attribute's name.
var values = map[model.Attr]string{
	model.AttrService: "nginx", model.AttrMethod: "GET", model.AttrScheme: "http", model.AttrStatus: "503",
	model.AttrErrorType: "503", model.AttrVersion: "1.1", model.AttrServerAddress: "shop.example",
	model.AttrServerPort: "443", model.AttrDirection: "transmit", model.AttrTransport: "tcp", model.AttrView: "interface",
	model.AttrInterface: "eth0", model.AttrRole: "server", model.AttrOutcome: "closed", model.AttrReason: "NO_SOCKET",
	model.AttrRing: "events", model.AttrMap: "conns", model.AttrProgram: "conn_close", model.AttrProtocol: "http",
	model.AttrQueue: "requests", model.AttrSubsystem: "streams", model.AttrBuildVersion: "1.0.0",
	model.AttrBuildRevision: "4dc78ad", model.AttrGoVersion: "go1.26.0",
}

func valueOf(a model.Attr) string {
	if v, known := values[a]; known {
		return v
	}
	return semconv.OfAttr(a).Key
}

var booted = time.Date(2026, time.March, 1, 12, 0, 0, 0, time.UTC)

func testConfig() Config {
	c := Default()
	c.Clock = func() model.Clock { return model.Clock{Boot: booted} }
	c.Resource = semconv.Resource{Version: "1.2.3", Host: model.Host{Name: "node-1", ID: "abc"}}
	return c
}

// exampleOf returns a histogram with both kinds of buckets and exemplars in the first and in the last bucket.
func exampleOf(bounds []float64) *model.Histogram {
	counts := make([]uint64, len(bounds)+1)
	for i := range counts {
		counts[i] = uint64(i)
	}
	return &model.Histogram{
		Bounds: bounds, Counts: counts, Sum: 12.5,
		Exponential: &model.Exponential{Scale: 3, Offset: -40, Counts: []uint64{uint64(len(counts) * (len(counts) - 1) / 2)}},
		Exemplars: []model.Exemplar{
			{Value: bounds[0], Time: 90 * time.Second, TraceID: model.TraceID{15: 1}, SpanID: model.SpanID{7: 2}},
			{Value: 1000, Time: 91 * time.Second, TraceID: model.TraceID{15: 3}, SpanID: model.SpanID{7: 4}},
		},
	}
}

// full returns a snapshot with every metric: a series with all attributes, and for some the overflow series.
func full() *source {
	var s source
	for m := range model.MetricCount {
		series := model.Series{Value: 42, Start: time.Minute}
		for _, a := range semconv.Of(m).Attributes {
			series.Labels = append(series.Labels, model.Label{Attr: a, Value: valueOf(a)})
		}
		overflow := model.Series{Value: 7, Labels: []model.Label{{Attr: model.AttrOverflow, Value: "true"}}}
		if bounds := m.Bounds(); bounds != nil {
			series.Histogram = exampleOf(bounds)
			overflow.Histogram = series.Histogram
		}
		all := []model.Series{series}
		if len(series.Labels) > 0 && m != model.MetricBuildInfo {
			all = append(all, overflow)
		}
		s.Families = append(s.Families, model.Family{Metric: m, Series: all})
	}
	return &s
}

// golden returns one metric of each kind, with labels that stay as they are when the table of metrics grows.
func golden() *source {
	labels := func(attrs ...model.Attr) []model.Label {
		var out []model.Label
		for _, a := range attrs {
			out = append(out, model.Label{Attr: a, Value: valueOf(a)})
		}
		return out
	}
	flow := labels(model.AttrService, model.AttrView, model.AttrTransport, model.AttrDirection)
	overflow := []model.Label{{Attr: model.AttrOverflow, Value: "true"}}
	h := exampleOf(model.MetricHTTPServerDuration.Bounds())
	return &source{Families: []model.Family{
		{Metric: model.MetricHTTPServerDuration, Series: []model.Series{
			{Labels: labels(model.AttrService, model.AttrMethod, model.AttrScheme, model.AttrStatus), Histogram: h, Start: time.Minute},
			{Labels: overflow, Histogram: h, Start: time.Minute},
		}},
		{Metric: model.MetricFlowIO, Series: []model.Series{{Labels: flow, Value: 42, Start: time.Minute}, {Labels: overflow, Value: 7}}},
		{Metric: model.MetricTCPOpen, Series: []model.Series{{Labels: labels(model.AttrService, model.AttrRole), Value: 3}}},
		{Metric: model.MetricBuildInfo, Series: []model.Series{{Labels: labels(model.AttrBuildVersion), Value: 1}}},
	}}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// own serves the metrics of source alone, without those of the Go runtime.
func own(s Source) http.Handler {
	r := prometheus.NewRegistry()
	r.MustRegister(newCollector(s, testConfig()))
	return promhttp.HandlerFor(r, promhttp.HandlerOpts{EnableOpenMetrics: true})
}

func get(t *testing.T, h http.Handler, path, accept string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept", accept)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestExpositionMatchesGolden(t *testing.T) {
	for _, format := range []struct{ file, accept string }{
		{"golden.prom", "text/plain;version=0.0.4"},
		{"golden.openmetrics", "application/openmetrics-text;version=1.0.0"},
	} {
		t.Run(format.file, func(t *testing.T) {
			code, got := get(t, own(golden()), "/metrics", format.accept)
			if code != http.StatusOK {
				t.Fatalf("%d: %s", code, got)
			}
			path := filepath.Join("testdata", format.file)
			reviewed.Compare(t, path, got)
		})
	}
}

func TestExpositionIsLintFree(t *testing.T) {
	_, text := get(t, New(full(), quiet()).Handler(), "/metrics", "text/plain;version=0.0.4")
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		// rpc/dup asks for the names of old conventions, whose unit was the millisecond.
		if p.Metric != "rpc_server_duration_milliseconds" && p.Metric != "rpc_client_duration_milliseconds" {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	for m := range model.MetricCount {
		if has := strings.Contains(text, "# TYPE "+semconv.Of(m).Prometheus+" "); has == semconv.Of(m).PushOnly {
			t.Errorf("%s is there: %v", semconv.Of(m).Prometheus, has)
		}
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(text, "\n"+name+" ") {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestOneBadSeriesDoesNotHideTheOthers(t *testing.T) {
	twin := model.Series{Value: 1, Labels: []model.Label{{Attr: model.AttrRing, Value: "events"}}}
	s := &source{Families: []model.Family{
		{Metric: model.MetricRingLost, Series: []model.Series{twin, twin}},
		{Metric: model.MetricUndecodable, Series: []model.Series{{Value: 3}}},
	}}
	var log bytes.Buffer
	e := New(s, slog.New(slog.NewTextHandler(&log, nil)))
	code, text := get(t, e.Handler(), "/metrics", "")
	if code != http.StatusOK || !strings.Contains(text, "\nsonde_events_undecodable_total 3\n") {
		t.Errorf("%d: the healthy metric is missing", code)
	}
	if !strings.Contains(log.String(), "same name and label values") {
		t.Errorf("the fault is not logged: %s", log.String())
	}
}

func TestReadyOnlyAfterSetReady(t *testing.T) {
	e := New(&source{}, quiet())
	for _, tt := range []struct {
		ready bool
		path  string
		code  int
		text  string
	}{
		{false, "/readyz", http.StatusServiceUnavailable, "sonde is not ready: it is still attaching probes and listing open sockets.\n"},
		{false, "/healthz", http.StatusOK, "sonde is alive.\n"},
		{true, "/readyz", http.StatusOK, "sonde is ready: probes are attached and the open sockets are listed.\n"},
		{false, "/readyz", http.StatusServiceUnavailable, "sonde is not ready: it is still attaching probes and listing open sockets.\n"},
		{true, "/nothing", http.StatusNotFound, "404 page not found\n"},
	} {
		e.SetReady(tt.ready)
		if code, text := get(t, e.Handler(), tt.path, ""); code != tt.code || text != tt.text {
			t.Errorf("%s, ready %v: %d %q", tt.path, tt.ready, code, text)
		}
	}
}

func TestTakenAddressIsExplained(t *testing.T) {
	first, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	addr := first.Addr().String()
	_, err = Listen(addr)
	want := "cannot serve metrics on " + addr + ": the address is already in use, choose a free one with --prometheus-listen"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Error("the cause cannot be found")
	}
	if _, err = Listen("192.0.2.1:9464"); err == nil || !strings.Contains(err.Error(), "--prometheus-listen") {
		t.Errorf("an address of another machine: %v", err)
	}
}

func TestControlSeesTheSocketBeforeItListens(t *testing.T) {
	marked := false
	c := Config{Listen: "127.0.0.1:0", Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) {
			_, err := syscall.Getsockname(int(fd))
			marked = err == nil
		})
	}}
	ln, err := c.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if !marked {
		t.Error("control was not called with a socket")
	}
	refused := errors.New("no mark without CAP_NET_ADMIN")
	c.Control = func(string, string, syscall.RawConn) error { return refused }
	if _, err := c.Open(t.Context()); !errors.Is(err, refused) {
		t.Errorf("an error of control is lost: %v", err)
	}
}

func TestServeAnswersUntilItIsStopped(t *testing.T) {
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- New(full(), quiet()).Serve(ctx, ln) }()

	resp, err := http.Get("http://" + ln.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || !bytes.Contains(body, []byte("sonde_flow_io_bytes_total{")) {
		t.Errorf("%v: %s", err, body)
	}
	stop()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("still serving")
	}
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		c.Close()
		t.Error("still listening")
	}
}

func TestServeReportsAListenerThatFails(t *testing.T) {
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := New(&source{}, quiet()).Serve(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// meeting is a source whose snapshots wait for each other.
type meeting struct {
	*source
	arrived sync.WaitGroup
}

func (m *meeting) Snapshot() *model.Snapshot {
	m.arrived.Done()
	m.arrived.Wait()
	return m.source.Snapshot()
}

func TestScrapesAtTheSameTimeHaveALimit(t *testing.T) {
	m := &meeting{source: full()}
	m.arrived.Add(maxScrapes + 1) // one more than there may be: they wait for the test
	h := New(m, quiet()).Handler()
	var wg sync.WaitGroup
	answers := make(chan int, maxScrapes+1)
	for range maxScrapes + 1 {
		wg.Go(func() {
			code, _ := get(t, h, "/metrics", "")
			answers <- code
		})
	}
	if code := <-answers; code != http.StatusServiceUnavailable {
		t.Errorf("the scrape over the limit: %d", code)
	}
	m.arrived.Done()
	wg.Wait()
	close(answers)
	for code := range answers {
		if code != http.StatusOK {
			t.Errorf("a scrape below the limit: %d", code)
		}
	}
}

func TestConfigNamesTheFlag(t *testing.T) {
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"", "localhost", "9464", "localhost:", "localhost:http", "localhost:70000", "::1:9464"} {
		if err := (Config{Listen: bad}).Validate(); err == nil || !strings.Contains(err.Error(), "--prometheus-listen") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}
