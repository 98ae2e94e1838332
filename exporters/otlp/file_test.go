// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	coltracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"sonde/agent/model"
	"sonde/exporters/batch"
	"sonde/testbed/otelcheck"
)

// readJSON reads a line of OTLP/JSON by the way of protobuf's JSON, which has base64 where OTLP has hexadecimal.
func readJSON(t *testing.T, line []byte) *coltracepb.ExportTraceServiceRequest {
	t.Helper()
	var generic any
	if err := json.Unmarshal(line, &generic); err != nil {
		t.Fatalf("%v in %s", err, line)
	}
	again, err := json.Marshal(idsInBase64(t, generic))
	if err != nil {
		t.Fatal(err)
	}
	request := new(coltracepb.ExportTraceServiceRequest)
	if err := protojson.Unmarshal(again, request); err != nil {
		t.Fatalf("%v in %s", err, again)
	}
	return request
}

func idsInBase64(t *testing.T, v any) any {
	switch v := v.(type) {
	case []any:
		for i := range v {
			v[i] = idsInBase64(t, v[i])
		}
	case map[string]any:
		for key, value := range v {
			switch key {
			case "traceId", "spanId", "parentSpanId":
				id, err := hex.DecodeString(value.(string))
				if err != nil || value != strings.ToLower(value.(string)) {
					t.Fatalf("%s %v: %v", key, value, err)
				}
				v[key] = base64.StdEncoding.EncodeToString(id)
			case "kind", "code", "flags":
				if _, ok := value.(float64); !ok {
					t.Fatalf("%s is %v, want a number", key, value)
				}
			case "startTimeUnixNano", "endTimeUnixNano", "intValue":
				if _, ok := value.(string); !ok {
					t.Fatalf("%s is %v, want a string", key, value)
				}
			default:
				v[key] = idsInBase64(t, value)
			}
		}
	}
	return v
}

// exportFile writes requests, with a pause in the middle of them.
func exportFile(t *testing.T, c Config, pause time.Duration, out io.Writer, requests ...*model.Request) batch.Stats {
	t.Helper()
	f, err := NewFile(c, out, testClock, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	for i, r := range requests {
		if i == len(requests)/2 {
			time.Sleep(pause)
		}
		f.Request(r)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return f.Stats()
}

func TestFileHoldsWhatAReceiverGets(t *testing.T) {
	requests := everyProtocol()
	requests[0].Span.Links = []model.SpanContext{{TraceID: model.TraceID{1}, SpanID: model.SpanID{2}}}
	requests[0].Span.Parent = model.SpanID{7}
	var out bytes.Buffer
	if s := exportFile(t, testConfig("", ""), 0, &out, requests...); s.Exported != uint64(len(requests)) {
		t.Fatalf("%+v", s)
	}
	if n := bytes.Count(out.Bytes(), []byte("\n")); n != 1 {
		t.Fatalf("%d lines", n)
	}
	got := readJSON(t, out.Bytes())
	want := &coltracepb.ExportTraceServiceRequest{ResourceSpans: roundTrip(t, overHTTP, requests...)}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for _, complaint := range otelcheck.Open(t).Spans(got.ResourceSpans) {
		t.Error(complaint)
	}
}

func TestFileIsTheSameEveryTime(t *testing.T) {
	c := testConfig("", "")
	c.Queue.Block, c.Queue.Spans, c.Queue.BatchSpans = true, 20, 7
	var requests []*model.Request
	for i := range 1000 {
		requests = append(requests, spanRequest(i, func(r *model.Request) {
			if i%3 == 0 {
				r.Server.Process = python
			}
		}))
	}
	var first, second bytes.Buffer
	s := exportFile(t, c, 0, &first, requests...)
	exportFile(t, c, 5*c.Queue.Delay, &second, requests...)
	if s.Exported != 1000 || !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Errorf("%+v, %d and %d bytes", s, first.Len(), second.Len())
	}
}

func TestFileEscapesWhatDrivesATerminal(t *testing.T) {
	var out bytes.Buffer
	exportFile(t, testConfig("", ""), 0, &out, spanRequest(1, func(r *model.Request) { r.HTTP.Path = "/\x1b[2J\u009b\x7f\u2028\"<" }))
	if bytes.ContainsAny(out.Bytes(), "\x1b\u009b\x7f\u2028") {
		t.Errorf("%q", out.Bytes())
	}
	spans := readJSON(t, out.Bytes()).ResourceSpans[0].ScopeSpans[0].Spans
	if path := attributesOf(spans[0].Attributes)["url.path"]; path != "/\x1b[2J\u009b\x7f\u2028\"<" {
		t.Errorf("%q", path)
	}
}

// full is a disk without room.
type full struct{ writes int }

func (f *full) Write([]byte) (int, error) {
	f.writes++
	return 0, errors.New("no space left on device")
}

func TestFileThatCannotBeWrittenDropsAndCounts(t *testing.T) {
	c, disk := testConfig("", ""), &full{}
	c.Queue.BatchSpans = 1
	if s := exportFile(t, c, 0, disk, spanRequest(1, nil), spanRequest(2, nil)); sum(s) != 2 || disk.writes != 1 {
		t.Errorf("%+v after %d writes", s, disk.writes)
	}
}

func TestJSONOverHTTP(t *testing.T) {
	bodies := make(chan []byte, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("content type %q", r.Header.Get("Content-Type"))
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies <- body
	}))
	defer s.Close()
	e := start(t, testConfig(HTTPJSON, s.URL+"/v1/traces"))
	e.Request(spanRequest(1, nil))
	if s := e.shutdown(); s.Exported != 1 {
		t.Fatalf("%+v", s)
	}
	got := readJSON(t, <-bodies).ResourceSpans
	want := roundTrip(t, overHTTP, spanRequest(1, nil))
	if len(got) != 1 || !proto.Equal(got[0], want[0]) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
