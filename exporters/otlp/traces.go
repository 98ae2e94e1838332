// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"fmt"
	"log/slog"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"sonde/agent/model"
	"sonde/exporters/batch"
	"sonde/exporters/semconv"
)

// Traces exports spans. It is a pipeline.Sink: Request, Flow and Lost are for the pipeline's goroutine, Run for another one,
// Stats for all.
type Traces struct {
	*batch.Queue
	spans  encoder
	client otlptrace.Client // nil for a file
}

// NewTraces makes an exporter. clock is called on the pipeline's goroutine. c must be valid. Nothing is sent before Run.
func NewTraces(c Config, clock func() model.Clock, log *slog.Logger) (*Traces, error) {
	client, err := newClient(&c)
	if err != nil {
		return nil, err
	}
	t := &Traces{spans: newEncoder(&c, clock), client: client}
	t.Queue = batch.New(c.Queue, t.spans.append, &sender{
		client: client, timeout: c.Timeout, json: c.Protocol == HTTPJSON, messages: newMessages(c.Resource),
	}, log)
	return t, nil
}

// Run sends until ctx is done and flushes then. Stop the pipeline first. The error is one of the start: what happens to
// batches is in Stats and in the log.
func (t *Traces) Run(ctx context.Context) error {
	if t.client == nil {
		return t.Queue.Run(ctx)
	}
	// A context that is done already must not keep what is queued from being sent.
	if err := t.client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the OTLP client: %w", err)
	}
	err := t.Queue.Run(ctx)
	stopped, cancel := context.WithCancel(context.Background())
	cancel() // nothing is in flight any more
	_ = t.client.Stop(stopped)
	return err
}

// messages turns groups into messages of OTLP. It is for one goroutine.
type messages struct {
	resources resources
	scope     *commonpb.InstrumentationScope
}

func newMessages(describe semconv.Resource) messages {
	return messages{resources{describe: describe}, scope(describe.Version)}
}

// resourceSpans wraps one group. The spans are not decoded: they are unknown fields of ScopeSpans, of which there is one. The
// message shares the group's memory.
func (m *messages) resourceSpans(g *batch.Group) *tracepb.ResourceSpans {
	spans := &tracepb.ScopeSpans{Scope: m.scope, SchemaUrl: SchemaURL}
	spans.ProtoReflect().SetUnknown(g.Bytes)
	return &tracepb.ResourceSpans{
		Resource: m.resources.of(g.Process), ScopeSpans: []*tracepb.ScopeSpans{spans}, SchemaUrl: SchemaURL,
	}
}

// decoded returns the same message with nothing unknown in it, for those who look inside.
func decoded(spans *tracepb.ResourceSpans) (*tracepb.ResourceSpans, error) {
	b, err := proto.Marshal(spans)
	if err != nil {
		return nil, fmt.Errorf("encode spans: %w", err)
	}
	known := new(tracepb.ResourceSpans)
	if err := proto.Unmarshal(b, known); err != nil {
		return nil, fmt.Errorf("decode spans: %w", err)
	}
	return known, nil
}
