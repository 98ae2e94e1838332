// SPDX-License-Identifier: Apache-2.0

package pipeline_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/source"
	"sonde/probes/event"
)

// recorded is a source of records that were made before.
type recorded struct {
	records []event.Record
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

func records() []event.Record {
	request := event.Segment{Hdr: event.Header{Sock: 1, Flags: event.SegmentTurn}, Cookie: 1}
	request.Tuple.LocalPort, request.Tuple.RemotePort = 40000, 80
	text := []byte("GET /a HTTP/1.1\r\n\r\n")
	request.Len = uint32(len(text))
	lost := event.Lost{Hdr: event.Header{Kind: uint8(event.KindLost)}, Records: 1}
	drops := event.Drops{Hdr: event.Header{Kind: uint8(event.KindDrops)}, Packets: 1}
	event.SetDropName(&drops, "no_socket")
	return []event.Record{event.MakeSegment(&request, text, nil), event.Bytes(&lost), event.Bytes(&drops)}
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
