// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"bytes"
	"maps"
	"math"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"

	"sonde/agent/model"
)

// decode returns the counts of native buckets by their index, as Prometheus reads them.
func decode(h *dto.Histogram) map[int32]int64 {
	counts := map[int32]int64{}
	var index int32
	var count int64
	deltas := h.PositiveDelta
	for _, s := range h.PositiveSpan {
		index += s.GetOffset()
		for range s.GetLength() {
			count += deltas[0]
			deltas = deltas[1:]
			if count != 0 {
				counts[index] = count
			}
			index++
		}
	}
	if len(deltas) > 0 {
		panic("deltas without span")
	}
	return counts
}

func TestNativeBucketsHaveTheBoundsOfTheExponentialOnes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		in    model.Exponential
		spans int
		want  map[int32]int64
	}{
		{"neighbours share a span", model.Exponential{Scale: 0, Offset: -3, Counts: []uint64{1, 5, 2}}, 1, map[int32]int64{-2: 1, -1: 5, 0: 2}},
		{"a gap of two stays in a span", model.Exponential{Scale: 3, Offset: 0, Counts: []uint64{1, 0, 0, 4}}, 1, map[int32]int64{1: 1, 4: 4}},
		{"a gap of three begins another", model.Exponential{Scale: 3, Offset: -5, Counts: []uint64{0, 1, 0, 0, 0, 4}}, 2, map[int32]int64{-3: 1, 1: 4}},
		{"scale 10 becomes schema 8", model.Exponential{Scale: 10, Offset: -5, Counts: []uint64{1, 1, 1, 1, 1, 1}}, 1, map[int32]int64{-1: 1, 0: 4, 1: 1}},
		{"no values", model.Exponential{Scale: 3}, 1, map[int32]int64{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out := &dto.Histogram{}
			native(out, &tt.in)
			if got := decode(out); !maps.Equal(got, tt.want) || len(out.PositiveSpan) != tt.spans {
				t.Errorf("got %v in %d spans, want %v in %d", got, len(out.PositiveSpan), tt.want, tt.spans)
			}
			if want := int32(min(tt.in.Scale, 8)); out.GetSchema() != want || out.GetZeroThreshold() <= 0 {
				t.Errorf("schema %d, zero threshold %g", out.GetSchema(), out.GetZeroThreshold())
			}
		})
	}
}

func TestScaleBelowThatOfPrometheusLeavesTheClassicBuckets(t *testing.T) {
	h := exampleOf(model.MetricTCPRTT.Bounds())
	h.Exponential.Scale = -5
	out := classic(h)
	native(out, h.Exponential)
	if out.Schema != nil || out.PositiveSpan != nil || len(out.Bucket) == 0 {
		t.Errorf("got %v", out)
	}
}

func families(t *testing.T, s Source) map[string]*dto.MetricFamily {
	t.Helper()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,text/plain;q=0.3")
	w := httptest.NewRecorder()
	testConfig().New(s, quiet()).Handler().ServeHTTP(w, r)
	format := expfmt.ResponseFormat(w.Result().Header)
	if format.FormatType() != expfmt.TypeProtoDelim {
		t.Fatalf("the answer is %q", w.Result().Header.Get("Content-Type"))
	}
	out := map[string]*dto.MetricFamily{}
	d := expfmt.NewDecoder(bytes.NewReader(w.Body.Bytes()), format)
	for {
		var f dto.MetricFamily
		if d.Decode(&f) != nil {
			return out
		}
		out[f.GetName()] = &f
	}
}

func TestProtobufHasNativeHistogramsExemplarsAndBeginnings(t *testing.T) {
	all := families(t, full())
	h := all["http_server_request_duration_seconds"].GetMetric()[1].GetHistogram()
	if h.GetSchema() != 3 || len(h.GetPositiveSpan()) != 1 || h.GetPositiveSpan()[0].GetOffset() != -39 {
		t.Errorf("native histogram: %v", h)
	}
	last := h.GetBucket()[len(h.GetBucket())-1]
	if !math.IsInf(last.GetUpperBound(), 1) || last.GetExemplar().GetValue() != 1000 || last.GetCumulativeCount() != h.GetSampleCount() {
		t.Errorf("the exemplar above the last bound: %v", last)
	}
	if first := h.GetBucket()[0].GetExemplar(); first.GetLabel()[0].GetName() != "trace_id" ||
		first.GetLabel()[0].GetValue() != "00000000000000000000000000000001" || first.GetLabel()[1].GetValue() != "0000000000000002" {
		t.Errorf("the exemplar of the first bucket: %v", first)
	}
	if len(h.GetExemplars()) != 2 || !h.GetExemplars()[1].GetTimestamp().AsTime().Equal(booted.Add(91*time.Second)) {
		t.Errorf("exemplars of the native histogram: %v", h.GetExemplars())
	}
	if got := h.GetCreatedTimestamp().AsTime(); !got.Equal(booted.Add(time.Minute)) {
		t.Errorf("the histogram began %v", got)
	}
	if got := all["sonde_events_undecodable_total"].GetMetric()[0].GetCounter().GetCreatedTimestamp().AsTime(); !got.Equal(booted.Add(time.Minute)) {
		t.Errorf("the counter began %v", got)
	}
}

func TestClockThatWasNotMeasuredTellsNoTime(t *testing.T) {
	cfg := Default()
	cfg.Clock = func() model.Clock { return model.Clock{} }
	out := make(chan prometheus.Metric, 100)
	newCollector(golden(), cfg).Collect(out)
	close(out)
	for m := range out {
		var d dto.Metric
		if err := m.Write(&d); err != nil || d.GetCounter().GetCreatedTimestamp() != nil || d.GetHistogram().GetCreatedTimestamp() != nil {
			t.Errorf("%v, %v", &d, err)
		}
	}
}

func TestWithoutClockNoTimeIsInvented(t *testing.T) {
	c := newCollector(full(), Default())
	m := &metric{kind: 3, series: &model.Series{Start: 1, Histogram: exampleOf(model.MetricTCPRTT.Bounds())}}
	var out dto.Metric
	if err := m.Write(&out); err != nil || c.clock != nil {
		t.Fatal(err)
	}
	h := out.GetHistogram()
	if h.CreatedTimestamp != nil || h.Bucket[0].Exemplar.Timestamp != nil || h.Exemplars != nil {
		t.Errorf("got %v", h)
	}
}

func TestEachServiceHasOneTargetInfo(t *testing.T) {
	series := func(service string) model.Series {
		return model.Series{Value: 1, Labels: []model.Label{{Attr: model.AttrService, Value: service}, {Attr: model.AttrDirection, Value: "transmit"}}}
	}
	all := families(t, &source{Families: []model.Family{
		{Metric: model.MetricFlowIO, Series: []model.Series{series("shop"), series("cart"), {Value: 1}}},
		{Metric: model.MetricFlowPackets, Series: []model.Series{series("cart")}},
	}})
	got, instances := map[string]string{}, map[string]bool{}
	for _, m := range all["target_info"].GetMetric() {
		labels := map[string]string{}
		for _, l := range m.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		got[labels["job"]] = labels["host_name"] + " " + labels["service_name"] + " " + labels["os_type"]
		instances[labels["instance"]] = true
	}
	if want := map[string]string{"cart": "node-1 cart linux", "shop": "node-1 shop linux"}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if len(instances) != 1 || instances[""] { // all on this machine
		t.Errorf("instances: %v", instances)
	}
}

func TestLabelThatIsNotUTF8DoesNotSpoilItsSeries(t *testing.T) {
	all := families(t, &source{Families: []model.Family{{Metric: model.MetricRingLost, Series: []model.Series{
		{Value: 1, Labels: []model.Label{{Attr: model.AttrRing, Value: "a\xffb"}}}, {Value: 2},
	}}}})
	m := all["sonde_ebpf_ring_lost_total"].GetMetric()
	if len(m) != 2 || m[1].GetLabel()[0].GetValue() != "a\uFFFDb" {
		t.Errorf("got %v", m)
	}
}

func TestAddressComesFromTheEnvironment(t *testing.T) {
	for _, tt := range []struct{ host, port, want string }{
		{"", "", "localhost:9464"},
		{"0.0.0.0", "", "0.0.0.0:9464"},
		{"", "0", "localhost:0"},
		{"::1", "9100", "[::1]:9100"},
		{"[::]", "9100", "[::]:9100"},
	} {
		getenv := func(name string) string {
			return map[string]string{"OTEL_EXPORTER_PROMETHEUS_HOST": tt.host, "OTEL_EXPORTER_PROMETHEUS_PORT": tt.port}[name]
		}
		if c, err := FromEnvironment(getenv); err != nil || c.Listen != tt.want || c.Validate() != nil {
			t.Errorf("%q %q: %q, %v", tt.host, tt.port, c.Listen, err)
		}
	}
	_, err := FromEnvironment(func(string) string { return "http" })
	if err == nil || err.Error() != `OTEL_EXPORTER_PROMETHEUS_PORT="http" is no port: give a number from 0 to 65535` {
		t.Errorf("got %v", err)
	}
}
