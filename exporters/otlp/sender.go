// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"sonde/exporters/batch"
)

// sender hands batches to a client of OpenTelemetry. It implements batch.Sender.
type sender struct {
	client   otlptrace.Client
	timeout  time.Duration
	json     bool // the client looks inside the messages
	messages messages
}

// Send implements batch.Sender.
func (s *sender) Send(ctx context.Context, groups []*batch.Group) batch.Result {
	spans, total, size := make([]*tracepb.ResourceSpans, 0, len(groups)), 0, 0
	for _, g := range groups {
		m := s.messages.resourceSpans(g)
		if s.json {
			var err error
			if m, err = decoded(m); err != nil {
				return dropped(batch.Failed, batch.Spans(groups), err)
			}
		}
		spans = append(spans, m)
		total += g.Spans()
		size += len(g.Bytes)
	}
	watched, x := batch.Watch(ctx, s.timeout)
	defer x.End()
	err := s.client.UploadTraces(watched, spans)
	rejected, partial := partialSuccess(err)
	switch {
	case err == nil:
		return batch.Result{Sent: total, SentBytes: size}
	case partial:
		rejected = min(rejected, total)
		r := dropped(batch.Rejected, rejected, err)
		r.Sent, r.SentBytes = total-rejected, size
		return r
	}
	err = fmt.Errorf("export %d spans: %w", total, err)
	switch {
	case x.Untouched():
		return batch.Result{Rest: groups, Err: err}
	case x.Unconfirmed():
		return dropped(batch.Unconfirmed, total, err)
	}
	return dropped(s.reason(ctx), total, err)
}

func dropped(reason batch.Reason, spans int, err error) batch.Result {
	r := batch.Result{Err: err}
	r.Dropped[reason] = spans
	return r
}

// reason: a client that waits to try again when sonde stops has not failed yet.
func (s *sender) reason(ctx context.Context) batch.Reason {
	if errors.Is(ctx.Err(), context.Canceled) {
		return batch.Shutdown
	}
	return batch.Failed
}

var rejectedSpans = regexp.MustCompile(`(?s)^OTLP partial success: .* \((\d+) spans rejected\)$`)

// partialSuccess finds the number of rejected spans in what a client returns. The type of that error is internal to the
// client, its text is not.
func partialSuccess(err error) (rejected int, ok bool) {
	for ; err != nil; err = errors.Unwrap(err) {
		if joined, is := err.(interface{ Unwrap() []error }); is {
			for _, e := range joined.Unwrap() {
				if rejected, ok = partialSuccess(e); ok {
					return rejected, true
				}
			}
			return 0, false
		}
		if m := rejectedSpans.FindStringSubmatch(err.Error()); m != nil {
			n, err := strconv.Atoi(m[1])
			return n, err == nil
		}
	}
	return 0, false
}
