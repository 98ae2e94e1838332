// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"testing"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"sonde/agent/model"
	"sonde/exporters/batch"
)

// BenchmarkEncodeSpan is the part of the export that the pipeline's goroutine pays for: one span into a buffer that is there.
func BenchmarkEncodeSpan(b *testing.B) {
	for _, bm := range []struct {
		name string
		news bool // no request is like the one before on its connection
		edit func(r *model.Request)
	}{
		{"http server", false, nil},
		{"http server, other each time", true, nil},
		{"http client", false, func(r *model.Request) { r.Role = model.RoleClient }},
		{"postgresql", false, func(r *model.Request) {
			r.HTTP, r.Role, r.DB = nil, model.RoleClient, &model.DB{
				System: "postgresql", Command: "Query", Namespace: "shop", Summary: "SELECT cart", Query: "SELECT * FROM cart WHERE id = ?",
			}
		}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			e := encoder{limits: Default().Limits, clock: testClock}
			r, buf := spanRequest(1, bm.edit), make([]byte, 0, 4096)
			b.ReportAllocs()
			for b.Loop() {
				if bm.news {
					r.HTTP.Status ^= 1 // or any other that is not as before
				}
				buf = e.append(buf[:0], r)
			}
			b.ReportMetric(float64(len(buf)), "B/span")
		})
	}
}

// BenchmarkTraces is everything but the socket and the receiver: sampling decision, encoding, queue, message.
func BenchmarkTraces(b *testing.B) {
	c := testConfig(GRPC, "http://127.0.0.1:1")
	t, err := NewTraces(c, testClock, nil)
	if err != nil {
		b.Fatal(err)
	}
	c.Queue.Block = true
	marshal := &marshaller{messages: newMessages(c.Resource)}
	t.Queue = batch.New(c.Queue, t.spans.append, marshal, nil)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- t.Queue.Run(ctx) }()
	r := spanRequest(1, nil)
	b.ReportAllocs()
	for b.Loop() {
		t.Request(r)
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	if s := t.Stats(); s.Exported != s.Added {
		b.Fatalf("%+v", s)
	}
}

// marshaller does with a batch what a client does before the socket.
type marshaller struct {
	messages messages
	b        []byte
}

func (m *marshaller) Send(_ context.Context, groups []*batch.Group) batch.Result {
	var r batch.Result
	request := &coltracepb.ExportTraceServiceRequest{}
	for _, g := range groups {
		request.ResourceSpans = append(request.ResourceSpans, m.messages.resourceSpans(g))
		r.Sent += g.Spans()
	}
	if m.b, r.Err = (proto.MarshalOptions{}).MarshalAppend(m.b[:0], request); r.Err != nil {
		return dropped(batch.Failed, r.Sent, r.Err)
	}
	r.SentBytes = len(m.b)
	return r
}
