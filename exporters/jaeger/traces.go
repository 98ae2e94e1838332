// SPDX-License-Identifier: Apache-2.0

package jaeger

import (
	"context"
	"log/slog"

	"sonde/agent/model"
	"sonde/exporters/batch"
)

// Traces exports spans. It is a pipeline.Sink: Request, Flow and Lost are for the pipeline's goroutine, Run for another one,
// Stats for all.
type Traces struct {
	*batch.Queue
	close func()
}

// NewTraces makes an exporter. clock is called on the pipeline's goroutine. Nothing is sent before Run.
func NewTraces(c Config, clock func() model.Clock, log *slog.Logger) (*Traces, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	target, err := c.target()
	if err != nil {
		return nil, err
	}
	if target.Scheme == "udp" {
		p := newPackets(&c, target.Host)
		return &Traces{batch.New(c.Queue, newEncoder(&c, clock, compactProtocol).append, p, log), p.close}, nil
	}
	p := newPoster(&c, target)
	return &Traces{batch.New(c.Queue, newEncoder(&c, clock, binaryProtocol).append, p, log), p.client.CloseIdleConnections}, nil
}

// Run sends until ctx is done and flushes then. Stop the pipeline first. It returns nil: what happens to batches is in Stats
// and in the log.
func (t *Traces) Run(ctx context.Context) error {
	defer t.close()
	return t.Queue.Run(ctx)
}
