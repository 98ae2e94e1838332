// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"fmt"
	"io"
	"log/slog"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"

	"sonde/agent/model"
	"sonde/exporters/batch"
)

// NewFile makes an exporter that writes spans to out as lines of OTLP/JSON (OpenTelemetry Protocol File Exporter): one
// ExportTraceServiceRequest a line, for each batch. It is what OTEL_TRACES_EXPORTER=console and a file of spans are.
//
// Of c it needs Limits, Queue and Resource. out is written to by the goroutine of Run alone, and neither owned nor closed.
// After the first failed write all spans are dropped and counted.
func NewFile(c Config, out io.Writer, clock func() model.Clock, log *slog.Logger) (*Traces, error) {
	if err := c.Queue.Validate(); err != nil {
		return nil, err
	}
	t := &Traces{spans: newEncoder(&c, clock)}
	t.Queue = batch.New(c.Queue, t.spans.append, &lineWriter{out: out, messages: newMessages(c.Resource)}, log)
	return t, nil
}

// lineWriter writes batches as lines. It implements batch.Sender.
type lineWriter struct {
	out      io.Writer
	messages messages
	line     []byte
	err      error
}

// Send implements batch.Sender.
func (w *lineWriter) Send(_ context.Context, groups []*batch.Group) batch.Result {
	if w.err != nil {
		return dropped(batch.Failed, batch.Spans(groups), w.err)
	}
	request, sent := &coltracepb.ExportTraceServiceRequest{}, 0
	for _, g := range groups {
		spans, err := decoded(w.messages.resourceSpans(g))
		if err != nil {
			return dropped(batch.Failed, batch.Spans(groups), err)
		}
		request.ResourceSpans = append(request.ResourceSpans, spans)
		sent += g.Spans()
	}
	line, err := appendJSON(w.line[:0], request.ProtoReflect())
	w.line = append(line, '\n')
	if err != nil {
		return dropped(batch.Failed, sent, fmt.Errorf("write spans as JSON: %w", err))
	}
	if _, err := w.out.Write(w.line); err != nil {
		w.err = fmt.Errorf("write spans: %w", err)
		return dropped(batch.Unconfirmed, sent, w.err)
	}
	return batch.Result{Sent: sent, SentBytes: len(w.line)}
}
