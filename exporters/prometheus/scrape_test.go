// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"sonde/agent/model"
)

// growing is a source whose counts grow with each scrape. Its values are the middle of a bucket each, so that quantiles have
// one right answer within the width of a bucket.
type growing struct{ scrapes atomic.Uint64 }

const growingScale = 3 // buckets 9 % wide

func (g *growing) Snapshot() *model.Snapshot {
	n := g.scrapes.Add(1)
	bounds := model.MetricHTTPServerDuration.Bounds()
	h := &model.Histogram{Bounds: bounds, Counts: make([]uint64, len(bounds)+1)}
	exponential := &model.Exponential{Scale: growingScale, Offset: math.MaxInt32}
	values := map[float64]uint64{0.003: 50 * n, 0.2: 40 * n, 20: 10 * n} // p50 0.003, p90 0.2, p99 20
	indexes := map[int32]uint64{}
	for v, count := range values {
		at := 0
		for at < len(bounds) && v > bounds[at] {
			at++
		}
		h.Counts[at] += count
		h.Sum += v * float64(count)
		index := int32(math.Ceil(math.Log2(v)*(1<<growingScale))) - 1
		indexes[index] = count
		exponential.Offset = min(exponential.Offset, index)
	}
	for index, count := range indexes {
		for int(index-exponential.Offset) >= len(exponential.Counts) {
			exponential.Counts = append(exponential.Counts, 0)
		}
		exponential.Counts[index-exponential.Offset] = count
	}
	h.Exponential = exponential
	h.Exemplars = []model.Exemplar{{Value: 20, Time: time.Since(start), TraceID: model.TraceID{15: byte(n)}, SpanID: model.SpanID{7: 1}}}
	return &model.Snapshot{Families: []model.Family{{Metric: model.MetricHTTPServerDuration, Series: []model.Series{{
		Histogram: h, Start: time.Second, Labels: []model.Label{
			{Attr: model.AttrService, Value: "shop"}, {Attr: model.AttrMethod, Value: "GET"}, {Attr: model.AttrScheme, Value: "http"},
		},
	}}}}}
}

var start = time.Now().Add(-time.Hour)

// serve serves source on a free port and returns the address.
func serve(t *testing.T, c Config, s Source) string {
	t.Helper()
	ln, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- c.New(s, quiet()).Serve(ctx, ln) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return ln.Addr().String()
}

// server is a Prometheus of its own.
type server struct {
	t    *testing.T
	addr string
}

// startPrometheus runs Prometheus with a scrape of target every second, as docs and deploy/prometheus advise.
func startPrometheus(t *testing.T, target string, flags ...string) server {
	t.Helper()
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Skip("no prometheus: apt-get install prometheus")
	}
	dir := t.TempDir()
	config := filepath.Join(dir, "prometheus.yml")
	text := fmt.Sprintf("scrape_configs: [{job_name: sonde, honor_labels: true, scrape_interval: 1s, static_configs: [{targets: [%q]}]}]\n", target)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	s := server{t, freeAddress(t)}
	flags = append(flags, "--config.file="+config, "--storage.tsdb.path="+filepath.Join(dir, "tsdb"), "--web.listen-address="+s.addr)
	cmd := exec.Command(path, flags...)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	return s
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// ask returns the answer of the query API, nil while there is none.
func (s server) ask(path string, query url.Values) json.RawMessage {
	resp, err := http.Get("http://" + s.addr + "/api/v1/" + path + "?" + query.Encode())
	if err != nil {
		return nil // not yet listening
	}
	defer resp.Body.Close()
	var answer struct {
		Status string
		Data   json.RawMessage
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || json.Unmarshal(body, &answer) != nil || answer.Status != "success" {
		return nil
	}
	return answer.Data
}

// value waits until query has one value that is as wanted.
func (s server) value(query string, as func(float64) bool) {
	s.t.Helper()
	var last string
	for range 150 {
		var data struct {
			Result []struct{ Value [2]any }
		}
		raw := s.ask("query", url.Values{"query": {query}})
		if json.Unmarshal(raw, &data) == nil && len(data.Result) == 1 {
			v, err := strconv.ParseFloat(data.Result[0].Value[1].(string), 64)
			if err == nil && as(v) {
				return
			}
		}
		last = string(raw)
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Errorf("%s: %s", query, last)
}

// exemplars waits for exemplars of query and returns their labels.
func (s server) exemplars(query string) []map[string]string {
	s.t.Helper()
	for range 150 {
		var data []struct {
			Exemplars []struct{ Labels map[string]string }
		}
		at := time.Now().Unix()
		raw := s.ask("query_exemplars", url.Values{
			"query": {query}, "start": {strconv.FormatInt(at-60, 10)}, "end": {strconv.FormatInt(at+60, 10)},
		})
		if json.Unmarshal(raw, &data) == nil && len(data) > 0 && len(data[0].Exemplars) > 0 {
			var out []map[string]string
			for _, e := range data[0].Exemplars {
				out = append(out, e.Labels)
			}
			return out
		}
		time.Sleep(100 * time.Millisecond)
	}
	s.t.Errorf("no exemplars of %s", query)
	return nil
}

func about(want, share float64) func(float64) bool {
	return func(v float64) bool { return math.Abs(v-want) <= want*share }
}

func liveConfig() Config {
	c := testConfig()
	c.Clock = func() model.Clock { return model.Clock{Boot: start} }
	return c
}

func TestPrometheusReadsNativeHistogramsAsTheyWereMeant(t *testing.T) {
	p := startPrometheus(t, serve(t, liveConfig(), &growing{}), "--enable-feature=native-histograms,exemplar-storage")
	const series = `http_server_request_duration_seconds{service_name="shop"}`
	p.value("histogram_count("+series+") % 100", func(v float64) bool { return v == 0 })
	p.value("histogram_sum("+series+") / histogram_count("+series+")", about((0.003*50+0.2*40+20*10)/100, 0.001))
	// A value that is one bucket off would be 9 % away: the middle of the right bucket is never more than 4.5 % off.
	for _, tt := range []struct{ quantile, want float64 }{{0.25, 0.003}, {0.7, 0.2}, {0.95, 20}} {
		p.value(fmt.Sprintf("histogram_quantile(%g, %s)", tt.quantile, series), about(tt.want, 0.09))
	}
	// Powers of two are bounds at every scale: nothing is interpolated.
	p.value("histogram_fraction(0.125, 0.25, "+series+")", about(0.4, 0.0001))
	p.value("histogram_fraction(16, 32, "+series+")", about(0.1, 0.0001))
	p.value(`target_info{job="shop", host_name="node-1", instance=~".+-.+", service_name="shop"}`, func(v float64) bool { return v == 1 })
	p.value("histogram_count(rate("+series+"[10s])) * on (service_name) group_left (host_name) target_info",
		func(float64) bool { return true })
}

func TestPrometheusReadsClassicHistogramsAndExemplars(t *testing.T) {
	p := startPrometheus(t, serve(t, liveConfig(), &growing{}), "--enable-feature=exemplar-storage")
	const buckets = `http_server_request_duration_seconds_bucket{service_name="shop"}`
	p.value("http_server_request_duration_seconds_count % 100", func(v float64) bool { return v == 0 })
	p.value("histogram_quantile(0.7, "+buckets+")", about(0.175, 0.43)) // 0.1 to 0.25
	labels := p.exemplars(`http_server_request_duration_seconds_bucket{le="+Inf"}`)
	if len(labels) == 0 || len(labels[0]["trace_id"]) != 32 || labels[0]["span_id"] != "0000000000000001" {
		t.Errorf("exemplars: %v", labels)
	}
}

func TestPromtoolFindsNothingInAScrape(t *testing.T) {
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool: apt-get install prometheus")
	}
	resp, err := http.Get("http://" + serve(t, liveConfig(), full()) + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cmd := exec.Command(path, "check", "metrics")
	cmd.Stdin = resp.Body
	out, err := cmd.CombinedOutput()
	if err == nil {
		return
	}
	for line := range strings.Lines(string(out)) {
		// rpc/dup asks for the names of old conventions, whose unit was the millisecond.
		if !strings.HasPrefix(line, "rpc_server_duration_milliseconds ") && !strings.HasPrefix(line, "rpc_client_duration_milliseconds ") {
			t.Errorf("%v: %s", err, line)
		}
	}
}
