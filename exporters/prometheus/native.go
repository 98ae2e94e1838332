// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	dto "github.com/prometheus/client_model/go"

	"sonde/agent/model"
)

// Limits of the schemas of native histograms (client_model, Histogram.schema).
const (
	minSchema = -4
	maxSchema = 8
)

// zeroThreshold is what client_golang uses as well. It is no value that a duration can have, so that the zero bucket holds
// zeros alone; 0 itself would leave an empty native histogram without a mark.
var zeroThreshold = 0x1p-128

// maxGap is the number of empty buckets that cost less inside a span than a span of its own.
const maxGap = 2

// native adds the buckets of equal relative width. Scales that Prometheus lacks are made coarser, or left out: the classic
// buckets are there in any case.
func native(out *dto.Histogram, e *model.Exponential) {
	if e == nil || e.Scale < minSchema {
		return
	}
	schema := int32(min(e.Scale, maxSchema))
	out.Schema, out.ZeroThreshold, out.ZeroCount = &schema, &zeroThreshold, &e.ZeroCount
	s := spans{}
	s.add(e, int(e.Scale)-int(schema))
	out.PositiveSpan, out.PositiveDelta = s.spans, s.deltas
	if len(s.spans) == 0 {
		out.PositiveSpan = []*dto.BucketSpan{{Offset: new(int32), Length: new(uint32)}} // "native, without observations yet"
	}
}

// spans collects buckets in the encoding of Prometheus: runs of buckets, each count as its difference to the one before.
type spans struct {
	spans  []*dto.BucketSpan
	deltas []int64
	next   int32 // index behind the last bucket
	last   int64 // its count
}

// add walks over buckets that are merged by 2^coarser. OpenTelemetry numbers a bucket by its lower bound, Prometheus by its
// upper one: hence the 1.
func (s *spans) add(e *model.Exponential, coarser int) {
	s.deltas = make([]int64, 0, len(e.Counts))
	for i := 0; i < len(e.Counts); {
		index := (e.Offset + int32(i)) >> coarser
		var count uint64
		for ; i < len(e.Counts) && (e.Offset+int32(i))>>coarser == index; i++ {
			count += e.Counts[i]
		}
		if count > 0 {
			s.bucket(index+1, int64(count))
		}
	}
}

func (s *spans) bucket(index int32, count int64) {
	offset := index - s.next
	if len(s.spans) == 0 || offset > maxGap {
		begin := offset // this one is on the heap
		s.spans = append(s.spans, &dto.BucketSpan{Offset: &begin, Length: new(uint32)})
	} else {
		for range offset {
			s.append(0)
		}
	}
	s.append(count)
	s.next = index + 1
}

func (s *spans) append(count int64) {
	*s.spans[len(s.spans)-1].Length++
	s.deltas = append(s.deltas, count-s.last)
	s.last = count
}
