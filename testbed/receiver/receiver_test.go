// SPDX-License-Identifier: Apache-2.0

package receiver

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
)

// send exports one span, and tells whether an answer came that takes it and how many spans it rejects.
type send func(ctx context.Context, r *Receiver) (ok bool, rejected int64)

var request = &coltracepb.ExportTraceServiceRequest{ResourceSpans: []*tracepb.ResourceSpans{{
	ScopeSpans: []*tracepb.ScopeSpans{{Spans: []*tracepb.Span{{Name: "GET"}}}},
}}}

func sendHTTP(ctx context.Context, r *Receiver) (bool, int64) {
	body, _ := proto.Marshal(request)
	post, _ := http.NewRequestWithContext(ctx, http.MethodPost, r.URL+"/v1/traces", bytes.NewReader(body))
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(post)
	if err != nil {
		return false, 0
	}
	defer answer.Body.Close()
	var content bytes.Buffer
	_, _ = content.ReadFrom(answer.Body)
	var response coltracepb.ExportTraceServiceResponse
	return answer.StatusCode == http.StatusOK && proto.Unmarshal(content.Bytes(), &response) == nil,
		response.GetPartialSuccess().GetRejectedSpans()
}

func sendGRPC(ctx context.Context, r *Receiver) (bool, int64) {
	conn, err := grpc.NewClient(r.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return false, 0
	}
	defer conn.Close()
	response, err := coltracepb.NewTraceServiceClient(conn).Export(ctx, request)
	return err == nil, response.GetPartialSuccess().GetRejectedSpans()
}

func TestReceiverBehavesAsToldAndKeepsWhatItTook(t *testing.T) {
	for protocol, send := range map[Protocol]send{HTTP: sendHTTP, GRPC: sendGRPC} {
		for name, c := range map[string]struct {
			verdict  Verdict
			ok, kept bool
		}{
			"taken":           {Verdict{}, true, true},
			"partial success": {Verdict{Rejected: 1}, true, true},
			"busy":            {Busy(), false, false},
			"throttled":       {Throttled(time.Second), false, false},
			"hanging":         {Verdict{Hang: make(chan struct{})}, false, true},
			"broken":          {Verdict{Drop: true}, false, true},
		} {
			t.Run(string(protocol)+" "+name, func(t *testing.T) {
				t.Parallel()
				r, err := Listen(Config{Protocol: protocol, Behave: func(int) Verdict { return c.verdict }})
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				ok, rejected := send(ctx, r)
				if ok != c.ok || rejected != c.verdict.Rejected || (len(r.Spans()) == 1) != c.kept || r.Requests() != 1 {
					t.Errorf("taken %v, %d rejected, %d spans of %d requests kept", ok, rejected, len(r.Spans()), r.Requests())
				}
			})
		}
	}
}

func TestReceiverComesBackWhereItWas(t *testing.T) {
	for protocol, send := range map[Protocol]send{HTTP: sendHTTP, GRPC: sendGRPC} {
		t.Run(string(protocol), func(t *testing.T) {
			r, err := Listen(Config{Protocol: protocol})
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for i, up := range []bool{true, false, true} {
				switch {
				case !up:
					r.Down()
				case i > 0:
					if err := r.Up(); err != nil {
						t.Fatal(err)
					}
				}
				if ok, _ := send(t.Context(), r); ok != up {
					t.Errorf("up %v: taken %v", up, ok)
				}
			}
			if n := len(r.Spans()); n != 2 {
				t.Errorf("%d spans kept, want 2", n)
			}
		})
	}
}
