// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"sonde/agent/model"
)

// many returns n series of the largest metric.
func many(n int) *source {
	m := model.MetricHTTPClientDuration
	h := &model.Histogram{Bounds: m.Bounds(), Counts: make([]uint64, len(m.Bounds())+1), Sum: 1234.5678}
	for i := range h.Counts {
		h.Counts[i] = uint64(1000 + i)
	}
	f := model.Family{Metric: m}
	for i := range n {
		f.Series = append(f.Series, model.Series{Histogram: h, Labels: []model.Label{
			{Attr: model.AttrService, Value: "checkout"}, {Attr: model.AttrMethod, Value: "GET"},
			{Attr: model.AttrServerAddress, Value: "host-" + strconv.Itoa(i)}, {Attr: model.AttrServerPort, Value: "8080"},
			{Attr: model.AttrStatus, Value: "200"}, {Attr: model.AttrVersion, Value: "1.1"},
		}})
	}
	return &source{Families: []model.Family{f}}
}

// discard is a client that reads quickly.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func BenchmarkScrape(b *testing.B) {
	for _, n := range []int{118, 588, 2000} { // histograms of 17 series each, as Prometheus counts them: 2,006, 9,996, 34,000
		for _, encoding := range []string{"identity", "gzip"} {
			b.Run(fmt.Sprintf("%d histograms, %s", n, encoding), func(b *testing.B) {
				h := own(many(n))
				r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
				r.Header.Set("Accept-Encoding", encoding)
				b.ReportAllocs()
				for b.Loop() {
					h.ServeHTTP(discard{}, r)
				}
			})
		}
	}
}

// BenchmarkScrapeNative has exponential buckets and exemplars beside the classic ones: what Prometheus asks for in protobuf, and
// what it costs those who ask for text.
func BenchmarkScrapeNative(b *testing.B) {
	s := many(588)
	h := s.Families[0].Series[0].Histogram
	h.Exemplars = exampleOf(h.Bounds).Exemplars
	h.Exponential = &model.Exponential{Scale: 3, Offset: -60, Counts: make([]uint64, 80)}
	for i := range h.Exponential.Counts {
		h.Exponential.Counts[i] = uint64(i % 7)
	}
	for _, format := range []struct{ name, accept string }{
		{"protobuf", "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"},
		{"OpenMetrics", "application/openmetrics-text;version=1.0.0"},
		{"text", "text/plain;version=0.0.4"},
	} {
		b.Run(format.name, func(b *testing.B) {
			h := own(s)
			r := httptest.NewRequest(http.MethodGet, "/metrics", nil)
			r.Header.Set("Accept", format.accept)
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(discard{}, r)
			}
		})
	}
}

func BenchmarkCollect(b *testing.B) {
	c := newCollector(many(2000), testConfig())
	out := make(chan prometheus.Metric, 2000)
	b.ReportAllocs()
	for b.Loop() {
		c.Collect(out)
		for range 2000 {
			<-out
		}
	}
}
