// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"math"
	"slices"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/types/known/timestamppb"

	"sonde/agent/model"
)

// moment tells the wall time of a scrape's values. It knows none where the exporter has no clock.
type moment struct {
	clock model.Clock
	known bool
}

// of returns nil for a time that is not known: it is left out then.
func (m moment) of(t time.Duration) *timestamppb.Timestamp {
	if !m.known || t == 0 {
		return nil
	}
	return timestamppb.New(m.clock.Wall(t))
}

// Label names of exemplars, as OpenTelemetry's compatibility specification has them.
var traceIDLabel, spanIDLabel = "trace_id", "span_id"

// exemplarMemory is an exemplar with what it points to: one allocation in place of seven.
type exemplarMemory struct {
	dto.Exemplar
	pairs [2]dto.LabelPair
	all   [2]*dto.LabelPair
	ids   [2]string
}

func newExemplar(e *model.Exemplar, m moment) *dto.Exemplar {
	x := &exemplarMemory{ids: [2]string{e.TraceID.String(), e.SpanID.String()}}
	for i, name := range [2]*string{&traceIDLabel, &spanIDLabel} {
		x.pairs[i].Name, x.pairs[i].Value, x.all[i] = name, &x.ids[i], &x.pairs[i]
	}
	x.Label, x.Value, x.Timestamp = x.all[:], &e.Value, m.of(e.Time)
	return &x.Exemplar
}

// exemplars puts each exemplar on its classic bucket, and those with a time on the native histogram too, which demands one
// (client_model, Histogram.exemplars). Values above the last bound need the bucket that is implied otherwise.
func exemplars(out *dto.Histogram, h *model.Histogram, m moment) {
	for i := range h.Exemplars {
		e := &h.Exemplars[i]
		if e.TraceID.IsZero() || e.SpanID.IsZero() {
			continue
		}
		x := newExemplar(e, m)
		at, _ := slices.BinarySearch(h.Bounds, e.Value)
		if at == len(h.Bounds) && len(out.Bucket) == at {
			infinity := math.Inf(1)
			out.Bucket = append(out.Bucket, &dto.Bucket{UpperBound: &infinity, CumulativeCount: out.SampleCount})
		}
		out.Bucket[at].Exemplar = x
		if out.Schema != nil && x.Timestamp != nil {
			out.Exemplars = append(out.Exemplars, x)
		}
	}
}
