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
