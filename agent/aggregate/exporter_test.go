// SPDX-License-Identifier: Apache-2.0

package aggregate

import (
	"fmt"
	"slices"
	"testing"

	"sonde/agent/model"
)

type selfOf Self

func (s selfOf) Self() Self { return Self(s) }

func TestExportersAreCountedByTypeAndFailure(t *testing.T) {
	a := New(Default(), selfOf{Exporters: []Exporter{
		{Type: "otlp_grpc_span_exporter", Exported: 10, Failed: map[string]uint64{"failed": 2, "rejected": 0}},
		{Type: "otlp_grpc_span_exporter", Exported: 5},
		{Type: "otlp_http_metric_exporter", Exported: 7},
	}})
	var got []string
	for _, f := range a.Snapshot().Families {
		if f.Metric == model.MetricSpansExported || f.Metric == model.MetricPointsExported {
			for _, s := range f.Series {
				line := fmt.Sprint(f.Metric == model.MetricSpansExported, " ", s.Value)
				for _, l := range s.Labels {
					line += " " + l.Value
				}
				got = append(got, line)
			}
		}
	}
	slices.Sort(got)
	want := []string{
		"false 7 otlp_http_metric_exporter otlp_http_metric_exporter/0",
		"true 0 otlp_grpc_span_exporter otlp_grpc_span_exporter/0 rejected",
		"true 10 otlp_grpc_span_exporter otlp_grpc_span_exporter/0",
		"true 2 otlp_grpc_span_exporter otlp_grpc_span_exporter/0 failed",
		"true 5 otlp_grpc_span_exporter otlp_grpc_span_exporter/1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
