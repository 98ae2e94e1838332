// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"sonde/agent/model"
)

// FuzzSpan holds that any text of any length gives one span that decodes, whose texts are UTF-8 and within the limits, and
// which leaves what stood before it alone.
func FuzzSpan(f *testing.F) {
	f.Add("/path", "a=b", "host:80", "k=v", 1, -1, uint8(0))
	f.Add("\xff", "\xed\xa0\x80", "[::1%e\xff]", "\x00", 300, 3, uint8(1))
	f.Fuzz(func(t *testing.T, path, query, host, state string, repeat, limit int, kind uint8) {
		long := strings.Repeat(path, max(0, repeat)%20_000/max(1, len(path)))
		e := encoder{limits: Limits{Attributes: int(kind), Links: int(kind & 3), ValueLength: max(-1, limit)}, clock: testClock}
		r := spanRequest(1, func(r *model.Request) {
			r.Role = model.Role(kind & 3)
			r.HTTP.Path, r.HTTP.Query, r.HTTP.Host, r.Span.State = long, query, host, state
			r.Span.Links = []model.SpanContext{{State: query}, {State: state}}
			r.End = time.Duration(repeat)
			if kind&8 != 0 {
				r.HTTP, r.DNS = nil, &model.DNS{
					Name: host, Type: query, RCode: state, Answers: []string{path, long}, TTLs: []uint32{1, uint32(repeat)},
					Addrs: []netip.Addr{netip.MustParseAddr("fe80::1%eth0")},
				}
			}
		})
		checkSpan(t, &e, r)
	})
}

func checkSpan(t *testing.T, e *encoder, r *model.Request) {
	t.Helper()
	b := e.append([]byte("before"), r)
	if string(b[:6]) != "before" {
		t.Fatal("what stood before the span was changed")
	}
	var scope tracepb.ScopeSpans
	if err := proto.Unmarshal(b[6:], &scope); err != nil {
		t.Fatal(err)
	}
	if len(scope.Spans) != 1 || len(scope.ProtoReflect().GetUnknown()) != 0 || len(scope.Spans[0].ProtoReflect().GetUnknown()) != 0 {
		t.Fatalf("got %v", &scope)
	}
	s := scope.Spans[0]
	if s.EndTimeUnixNano < s.StartTimeUnixNano || s.Name == "" {
		t.Fatalf("got %v", s)
	}
	if len(s.Attributes) > e.limits.Attributes || len(s.Links) > e.limits.Links {
		t.Fatalf("%d attributes, %d links", len(s.Attributes), len(s.Links))
	}
	for _, kv := range s.Attributes {
		text := kv.Value.GetStringValue()
		if n := e.limits.ValueLength; n >= 0 && utf8.RuneCountInString(text) > n && kv.Value.GetStringValue() != "" && !isAddress(kv.Key) {
			t.Fatalf("%s has more than %d characters: %q", kv.Key, n, text)
		}
	}
}

// isAddress tells of values that are never cut: half an address is another one.
func isAddress(key string) bool {
	return key == "network.peer.address" || key == "client.address" || key == "server.address"
}

func TestSpansOfEveryLengthDecode(t *testing.T) {
	e := encoder{limits: Default().Limits, clock: testClock}
	sizes := []int{1 << 16, 1 << 21}
	for n := range 400 {
		sizes = append(sizes, n)
	}
	for n := 15_600; n < 16_500; n += 7 {
		sizes = append(sizes, n)
	}
	for _, n := range sizes {
		checkSpan(t, &e, spanRequest(1, func(r *model.Request) { r.HTTP.Path = strings.Repeat("x", n) }))
		checkSpan(t, &e, spanRequest(1, func(r *model.Request) {
			r.HTTP, r.DNS = nil, &model.DNS{Answers: []string{strings.Repeat("x", n)}, TTLs: []uint32{uint32(n)}}
		}))
	}
}
