// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/source"
)

// recorded is a source of records that were made before.
type recorded struct {
	records []source.Record
	err     error
}

func (r recorded) Run(_ context.Context, to source.Receiver) error {
	for i, rec := range r.records {
		to.Record(rec)
		to.Tick(time.Duration(i) * time.Millisecond)
	}
	return r.err
}

// sink writes down the order of its calls.
type sink struct {
	calls []string
	last  model.Request
}

func (s *sink) Request(r *model.Request) {
	s.last = *r
	s.calls = append(s.calls, "request "+r.Reason)
}
func (s *sink) Flow(_ *model.Flow, d model.FlowDelta) {
	if d.Final {
		s.calls = append(s.calls, "final flow")
	}
}
func (s *sink) Lost(l *model.Loss) { s.calls = append(s.calls, "lost "+l.What) }

// listener also wants drops and ticks.
type listener struct {
	sink
	ticks int
}

func (l *listener) Drops(reason string, _ uint64) { l.calls = append(l.calls, "drops "+reason) }
func (l *listener) Tick(time.Duration)            { l.ticks++ }

// Kinds of records and offsets of their fields, probes/bpf/event.h.
const (
	segment = 1
	lost    = 8
	drops   = 9
)

// record is one of a kind, for socket 1, with fields of 16 and 64 bits set at offsets.
func record(kind byte, size int, u16, u64 map[int]uint64) source.Record {
	r := make([]byte, size)
	r[8], r[16] = 1, kind
	for at, v := range u16 {
		binary.NativeEndian.PutUint16(r[at:], uint16(v))
	}
	for at, v := range u64 {
		binary.NativeEndian.PutUint64(r[at:], v)
	}
	return r
}

func records() []source.Record {
	text := "GET /a HTTP/1.1\r\n\r\n"
	n := uint64(len(text))
	request := record(segment, 128, map[int]uint64{64: 40000, 66: 80, 76: n, 80: n}, map[int]uint64{24: 1})
	request[17] = 1 // SEGMENT_TURN
	dropped := record(drops, 80, nil, map[int]uint64{24: 1})
	copy(dropped[40:], "no_socket")
	return []source.Record{append(request, text...), record(lost, 56, nil, map[int]uint64{24: 1}), dropped}
}

func nobody(uint32, time.Duration, string, uint64) *model.Process { return &model.Process{} }

func nameless(uint32) string { return "" }

func TestSinksGetEverythingAndWhatIsOpenAtTheEnd(t *testing.T) {
	first, second := &sink{}, &listener{}
	p := pipeline.New(conn.Default(), nobody, nameless, first, second)
	broken := errors.New("the source broke")
	if err := p.Run(context.Background(), recorded{records(), broken}); !errors.Is(err, broken) {
		t.Errorf("Run says %v, want what the source said", err)
	}
	compare(t, first.calls, "lost records", "request agent_stopped", "final flow")
	compare(t, second.calls, "lost records", "drops no_socket", "request agent_stopped", "final flow")
	if second.ticks != 4 {
		t.Errorf("%d ticks, want one for each batch and one at the end", second.ticks)
	}
	if first.last.HTTP == nil || first.last.HTTP.Path != "/a" {
		t.Errorf("request %+v", first.last)
	}
	if s := p.Stats(); s.Requests != 1 || s.Open != 0 || s.Opened != 1 {
		t.Errorf("stats %+v", s)
	}
}

func compare(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("calls %q, want %q", got, want)
		}
	}
}

// stage is an annotator that notes when it saw a request.
type stage struct {
	name  string
	calls *[]string
}

func (s stage) Annotate(r *model.Request) {
	*s.calls = append(*s.calls, s.name)
	r.HTTP.Route = "/{id}"
}

func TestRequestsAreAnnotatedBeforeTheSinksGetThem(t *testing.T) {
	var calls []string
	last := &sink{}
	p := pipeline.New(conn.Default(), nobody, nameless, last)
	p.Annotate(stage{"first", &calls}, stage{"second", &calls})
	if err := p.Run(context.Background(), recorded{records: records()}); err != nil {
		t.Fatal(err)
	}
	compare(t, calls, "first", "second")
	if got := last.last.HTTP.Route; got != "/{id}" {
		t.Errorf("the sink got the route %q", got)
	}
}

// tracer writes down its calls among those of a sink.
type tracer struct{ sink *sink }

func (t tracer) Begin(*model.Started) uint64 {
	t.sink.calls = append(t.sink.calls, "begin")
	return 7
}
func (t tracer) Use(*model.Use)     {}
func (t tracer) Ended(uint64)       { t.sink.calls = append(t.sink.calls, "ended") }
func (t tracer) Tick(time.Duration) {}
func (t tracer) Finish(r *model.Request) {
	t.sink.calls = append(t.sink.calls, "finish")
	r.Span.SpanID[0] = byte(r.Begun)
}

func TestRequestsAreTracedBeforeTheSinksGetThem(t *testing.T) {
	s := &sink{}
	p := pipeline.New(conn.Default(), nobody, nameless, s)
	p.Trace(tracer{s})
	if err := p.Run(context.Background(), recorded{records()[:1], nil}); err != nil {
		t.Fatal(err)
	}
	compare(t, s.calls, "begin", "finish", "request agent_stopped", "final flow", "ended")
	if s.last.Span.SpanID[0] != 7 {
		t.Errorf("span %+v", s.last.Span)
	}
}
