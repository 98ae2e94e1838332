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
	spans, size := make([]*tracepb.ResourceSpans, 0, len(groups)), 0
	for _, g := range groups {
		m := s.messages.resourceSpans(g)
		if s.json {
			var err error
			if m, err = decoded(m); err != nil {
				return batch.Result{Rest: groups, Err: err}
			}
		}
		spans = append(spans, m)
		size += len(g.Bytes)
	}
	total := 0
	for _, g := range groups {
		total += g.Spans()
	}
	ctx, x := watch(ctx, s.timeout)
	defer x.end()
	err := s.client.UploadTraces(ctx, spans)
	if err == nil {
		return batch.Result{Sent: total, SentBytes: size}
	}
	if rejected, ok := partialSuccess(err); ok {
		rejected = min(rejected, total)
		return batch.Result{Sent: total - rejected, SentBytes: size, Rejected: rejected, Err: err}
	}
	written, answered := x.state()
	return batch.Result{
		Rest: groups, Err: fmt.Errorf("export %d spans: %w", total, err), Again: !written, Unconfirmed: written && !answered,
	}
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
