// SPDX-License-Identifier: Apache-2.0

package jaeger

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/uber/jaeger-client-go/thrift"

	"sonde/exporters/batch"
)

// maxComplaint bounds what is read of an answer.
const maxComplaint = 4096

// poster sends a batch of Thrift for each process to a collector. It implements batch.Sender.
type poster struct {
	url       *url.URL
	client    *http.Client
	timeout   time.Duration
	processes processes
	body      *thrift.TMemoryBuffer
	to        thrift.TProtocol
}

func newPoster(c *Config, target *url.URL) *poster {
	p := &poster{url: target, client: &http.Client{}, timeout: c.Timeout, body: thrift.NewTMemoryBuffer()}
	p.processes.describe = c.Resource
	p.to = binaryProtocol(p.body)
	return p
}

// Send implements batch.Sender.
func (p *poster) Send(ctx context.Context, groups []*batch.Group) batch.Result {
	var total batch.Result
	for i, g := range groups {
		retry, reason, after, err := p.post(ctx, g)
		switch {
		case err == nil:
			total.Sent += g.Spans()
			total.SentBytes += len(g.Bytes)
			continue
		case retry:
			total.Rest, total.After = groups[i:], after
		default:
			total.Dropped[reason] += g.Spans()
		}
		total.Err = fmt.Errorf("export %d spans to Jaeger: %w", g.Spans(), err)
		if retry {
			break
		}
	}
	return total
}

// post sends one group. retry says that it may be sent again, otherwise reason says why it is dropped.
func (p *poster) post(ctx context.Context, g *batch.Group) (retry bool, reason batch.Reason, after time.Duration, err error) {
	p.body.Reset()
	b := rawBatch{p.processes.of(g.Process), g.Bytes, g.Spans()}
	if err := b.Write(ctx, p.to); err != nil {
		return false, batch.Failed, 0, err
	}
	watched, x := batch.Watch(ctx, p.timeout)
	defer x.End()
	// The body is copied: after an error the transport may read from it for a while.
	request, err := http.NewRequestWithContext(watched, http.MethodPost, p.url.String(), bytes.NewReader(bytes.Clone(p.body.Bytes())))
	if err != nil {
		return false, batch.Failed, 0, err
	}
	request.Header.Set("Content-Type", "application/vnd.apache.thrift.binary")
	answer, err := p.client.Do(request)
	if err != nil {
		if x.Unconfirmed() {
			return false, batch.Unconfirmed, 0, err
		}
		return true, batch.Failed, 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(answer.Body, maxComplaint)) // to say why, and to use the connection again
	switch answer.StatusCode {
	case http.StatusOK, http.StatusAccepted, http.StatusNoContent:
		return false, 0, 0, nil
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		retry, after = true, retryAfter(answer.Header.Get("Retry-After"))
	}
	return retry, batch.Failed, after, fmt.Errorf("%s: %s", answer.Status, strings.TrimSpace(string(text)))
}

// retryAfter reads both forms of RFC 9110 section 10.2.3.
func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil {
		return time.Duration(max(0, seconds)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}
