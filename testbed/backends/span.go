// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Span is a span as a backend has it. Attributes are text: numbers as they print, lists with commas.
type Span struct {
	TraceID, SpanID, ParentID string // lower-case hex, "" for none
	Service, Name             string
	Kind                      string // "client", "server", "producer", "consumer", "internal"
	Status                    string // "", "ok", "error"
	Start                     time.Time
	Duration                  time.Duration
	Resource, Attributes      map[string]string
	SchemaURL                 string
}

// run runs a program to its end.
func run(argv ...string) (string, error) {
	out, err := exec.Command(argv[0], argv[1:]...).CombinedOutput()
	return string(out), err
}

// The parts of OTLP/JSON that are read here.
type (
	otlpTraces struct {
		ResourceSpans []struct {
			SchemaURL string `json:"schemaUrl"`
			Resource  struct {
				Attributes []otlpPair `json:"attributes"`
			} `json:"resource"`
			ScopeSpans []struct {
				Spans []otlpSpan `json:"spans"`
			} `json:"scopeSpans"`
		} `json:"resourceSpans"`
	}
	otlpSpan struct {
		TraceID      string     `json:"traceId"`
		SpanID       string     `json:"spanId"`
		ParentSpanID string     `json:"parentSpanId"`
		Name         string     `json:"name"`
		Kind         int        `json:"kind"`
		Start        int64      `json:"startTimeUnixNano,string"`
		End          int64      `json:"endTimeUnixNano,string"`
		Attributes   []otlpPair `json:"attributes"`
		Status       struct {
			Code int `json:"code"`
		} `json:"status"`
	}
	otlpPair struct {
		Key   string         `json:"key"`
		Value map[string]any `json:"value"`
	}
)

var (
	otlpKinds    = []string{"", "internal", "server", "client", "producer", "consumer"}
	otlpStatuses = []string{"", "ok", "error"}
)

// readSpans reads OTLP/JSON, one message in a line. A last line that is not whole yet is left out.
func readSpans(name string) ([]Span, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil // nothing came yet
	}
	if err != nil {
		return nil, err
	}
	var spans []Span
	for line := range bytes.Lines(text) {
		if !bytes.HasSuffix(line, []byte{'\n'}) {
			break
		}
		var t otlpTraces
		if err := json.Unmarshal(line, &t); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		spans = append(spans, t.spans()...)
	}
	return spans, nil
}

func (t *otlpTraces) spans() []Span {
	var spans []Span
	for _, rs := range t.ResourceSpans {
		resource := attributes(rs.Resource.Attributes)
		for _, ss := range rs.ScopeSpans {
			for i := range ss.Spans {
				s := ss.Spans[i].span()
				s.Resource, s.Service, s.SchemaURL = resource, resource["service.name"], rs.SchemaURL
				spans = append(spans, s)
			}
		}
	}
	return spans
}

func (s *otlpSpan) span() Span {
	return Span{
		TraceID: s.TraceID, SpanID: s.SpanID, ParentID: s.ParentSpanID, Name: s.Name,
		Kind: otlpKinds[min(s.Kind, len(otlpKinds)-1)], Status: otlpStatuses[min(s.Status.Code, len(otlpStatuses)-1)],
		Start: time.Unix(0, s.Start), Duration: time.Duration(s.End - s.Start), Attributes: attributes(s.Attributes),
	}
}

func attributes(pairs []otlpPair) map[string]string {
	all := make(map[string]string, len(pairs))
	for _, p := range pairs {
		for kind, v := range p.Value { // exactly one
			all[p.Key] = valueText(kind, v)
		}
	}
	return all
}

func valueText(kind string, v any) string {
	list, isList := v.(map[string]any)
	if kind != "arrayValue" || !isList {
		return fmt.Sprint(v)
	}
	values, _ := list["values"].([]any)
	texts := make([]string, 0, len(values))
	for _, v := range values {
		one, _ := v.(map[string]any)
		for _, text := range one {
			texts = append(texts, fmt.Sprint(text))
		}
	}
	return strings.Join(texts, ",")
}
