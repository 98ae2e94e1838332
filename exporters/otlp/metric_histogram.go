// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"slices"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"sonde/agent/model"
)

func (e *metricEncoder) explicit(id model.Metric, series []*model.Series, m moment) metricdata.Aggregation {
	out := metricdata.Histogram[float64]{Temporality: e.temporality()}
	for _, s := range series {
		h := s.Histogram
		p := metricdata.HistogramDataPoint[float64]{
			StartTime: e.start(s, m), Time: m.now, Bounds: h.Bounds, BucketCounts: h.Counts, Sum: h.Sum,
		}
		if x := h.Exponential; x != nil {
			p.Min, p.Max = metricdata.NewExtrema(x.Min), metricdata.NewExtrema(x.Max)
		}
		if last, known := e.last(id, s); known {
			p.StartTime, p.Sum = e.deltas.at, h.Sum-last.histogram.Sum
			p.BucketCounts = difference(h.Counts, last.histogram.Counts)
			p.Min, p.Max = metricdata.Extrema[float64]{}, metricdata.Extrema[float64]{} // of the interval, which nobody knows
		}
		for _, n := range p.BucketCounts {
			p.Count += n
		}
		if e.deltas == nil || p.Count > 0 {
			p.Attributes, p.Exemplars = e.attributes(s.Labels), e.exemplars(h, m)
			out.DataPoints = append(out.DataPoints, p)
		}
	}
	return out
}

func (e *metricEncoder) exponential(id model.Metric, series []*model.Series, m moment) metricdata.Aggregation {
	out := metricdata.ExponentialHistogram[float64]{Temporality: e.temporality()}
	for _, s := range series {
		h, x := s.Histogram, s.Histogram.Exponential
		p := metricdata.ExponentialHistogramDataPoint[float64]{
			StartTime: e.start(s, m), Time: m.now, Sum: h.Sum, Scale: int32(x.Scale), ZeroCount: x.ZeroCount,
			PositiveBucket: metricdata.ExponentialBucket{Offset: x.Offset, Counts: x.Counts},
			Min:            metricdata.NewExtrema(x.Min), Max: metricdata.NewExtrema(x.Max),
		}
		if last, known := e.last(id, s); known {
			before := coarser(last.histogram.Exponential, x.Scale)
			p.StartTime, p.Sum, p.ZeroCount = e.deltas.at, h.Sum-last.histogram.Sum, x.ZeroCount-before.ZeroCount
			p.PositiveBucket.Counts = subtract(x, before)
			p.Min, p.Max = metricdata.Extrema[float64]{}, metricdata.Extrema[float64]{}
		}
		p.Count = p.ZeroCount
		for _, n := range p.PositiveBucket.Counts {
			p.Count += n
		}
		if e.deltas == nil || p.Count > 0 {
			p.Attributes, p.Exemplars = e.attributes(s.Labels), e.exemplars(h, m)
			out.DataPoints = append(out.DataPoints, p)
		}
	}
	return out
}

// last returns what the series was at the last export, false where everything is to be sent, and keeps what it is now.
func (e *metricEncoder) last(id model.Metric, s *model.Series) (sent, bool) {
	if e.deltas == nil {
		return sent{}, false
	}
	last, known := e.deltas.last(id, s)
	e.deltas.keep(s)
	return last, known
}

// exemplars returns those that are new since the last export, or all where points are cumulative.
func (e *metricEncoder) exemplars(h *model.Histogram, m moment) []metricdata.Exemplar[float64] {
	var out []metricdata.Exemplar[float64]
	for i := range h.Exemplars {
		x := &h.Exemplars[i]
		if x.TraceID.IsZero() || x.SpanID.IsZero() || e.deltas != nil && x.Time <= e.deltas.until && e.deltas.until != 0 {
			continue
		}
		at := m.now
		if x.Time != 0 {
			at = m.clock.Wall(x.Time)
		}
		out = append(out, metricdata.Exemplar[float64]{Time: at, Value: x.Value, TraceID: x.TraceID[:], SpanID: x.SpanID[:]})
	}
	return out
}

func difference(now, before []uint64) []uint64 {
	out := slices.Clone(now)
	for i := range out {
		out[i] -= before[i]
	}
	return out
}

// coarser returns x at a scale that is no finer than its own: neighbours are merged.
func coarser(x *model.Exponential, scale int8) *model.Exponential {
	if x.Scale <= scale || len(x.Counts) == 0 {
		return x
	}
	shift := x.Scale - scale
	out := &model.Exponential{Scale: scale, Offset: x.Offset >> shift, ZeroCount: x.ZeroCount}
	out.Counts = make([]uint64, (x.Offset+int32(len(x.Counts))-1)>>shift-out.Offset+1)
	for i, n := range x.Counts {
		out.Counts[(x.Offset+int32(i))>>shift-out.Offset] += n
	}
	return out
}

// subtract returns the counts of now without those of before, which has the same scale and no bucket that now lacks.
func subtract(now, before *model.Exponential) []uint64 {
	out := slices.Clone(now.Counts)
	for i, n := range before.Counts {
		if n > 0 {
			out[before.Offset+int32(i)-now.Offset] -= n
		}
	}
	return out
}
