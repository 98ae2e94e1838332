// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"fmt"
	"testing"
	"time"

	"sonde/agent/model"
)

// node is a snapshot of a busy machine: services with 20 histograms and 20 counters each.
func node(services int) *model.Snapshot {
	s := &model.Snapshot{Time: 2 * time.Hour}
	histograms := model.Family{Metric: model.MetricHTTPServerDuration}
	counters := model.Family{Metric: model.MetricFlowIO}
	for i := range services {
		service := model.Label{Attr: model.AttrService, Value: fmt.Sprint("service-", i)}
		for j := range 20 {
			histograms.Series = append(histograms.Series, model.Series{
				Start: time.Hour, Histogram: histogramOf(model.MetricHTTPServerDuration.Bounds(), 0.2, uint64(i+j)+1), Labels: []model.Label{
					service, {Attr: model.AttrMethod, Value: "GET"}, {Attr: model.AttrScheme, Value: "http"},
					{Attr: model.AttrStatus, Value: "200"}, {Attr: model.AttrRoute, Value: fmt.Sprint("/route/", j)},
				},
			})
			counters.Series = append(counters.Series, model.Series{Start: time.Hour, Value: float64(i + j), Labels: []model.Label{
				service, {Attr: model.AttrView, Value: "socket"}, {Attr: model.AttrDirection, Value: fmt.Sprint(j)},
			}})
		}
	}
	s.Families = []model.Family{histograms, counters}
	return s
}

// BenchmarkExport sends 100 services with 4,000 series, the receiver's work included.
func BenchmarkExport(b *testing.B) {
	for _, protocol := range []Protocol{GRPC, HTTPProtobuf} {
		b.Run(string(protocol), func(b *testing.B) {
			r := receiveMetrics(b, protocol, nil)
			source := &snapshots{node(100)}
			m, err := NewMetrics(metricsConfig(protocol, r.url), source, bootClock, silent())
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				m.export(b.Context())
				r.Forget()
			}
			if s := m.Stats(); s.Failed > 0 {
				b.Errorf("%+v", s)
			}
		})
	}
}

// BenchmarkEncode is the part of it that makes the clients' types.
func BenchmarkEncode(b *testing.B) {
	for _, temporality := range []Temporality{Cumulative, Delta} {
		b.Run(string(temporality), func(b *testing.B) {
			c := DefaultMetrics()
			c.Temporality = temporality
			e, s := newMetricEncoder(c, bootClock), node(100)
			b.ReportAllocs()
			for b.Loop() {
				e.encode(s, time.Time{})
			}
		})
	}
}
