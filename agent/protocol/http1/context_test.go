// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// begun collects what is told of beginnings.
func begun(o *observed) *[]string {
	var lines []string
	o.shared.env.Begin = func(b protocol.Begin) uint64 {
		lines = append(lines, fmt.Sprintf("%d at %d, %s%v", b.Dir, b.At, b.Start, b.Fields))
		return uint64(len(lines))
	}
	return &lines
}

func TestRequestsAreToldOfWhenTheirHeadIsRead(t *testing.T) {
	for _, server := range []bool{true, false} {
		o := observe(server)
		lines := begun(o)
		head := "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"
		o.run(req(head[:20]), req(head[20:]))
		if len(*lines) != 1 || len(o.got) != 0 {
			t.Fatalf("told of %q, reported %d", *lines, len(o.got))
		}
		o.run(req("abc"), resp("HTTP/1.1 204 No Content\r\n\r\n"), req("\r\nGET / HTTP/1.1\r\nB3: 1-2\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"),
			resp("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n"))
		dir := protocol.Received
		if !server {
			dir = protocol.Sent
		}
		want := []string{
			fmt.Sprintf("%d at 0, 1s[]", dir),
			fmt.Sprintf("%d at %d, 5s[{B3 1-2}]", dir, len(head)+3+2),
			fmt.Sprintf("%d at %d, 5s[]", dir, len(head)+3+2+len("GET / HTTP/1.1\r\nB3: 1-2\r\n\r\n")),
		}
		if !slices.Equal(*lines, want) {
			t.Errorf("told of\n%q, want\n%q", *lines, want)
		}
		for i, r := range o.got {
			if r.Begun != uint64(i+1) {
				t.Errorf("request %d was begun as %d", i, r.Begun)
			}
		}
	}
}

func TestFieldsThatCarryContextAreKept(t *testing.T) {
	long := strings.Repeat("x", model.MaxField+1)
	tests := []struct{ name, fields, want string }{
		{"none", "Accept: */*\r\nX-Request-Id: 7\r\nTE: trailers\r\nBaggage: k=v\r\n", "[]"},
		{"several formats", "traceparent: 00-a-b-01\r\nTraceState:k=v\r\nx-b3-traceid: 1\r\nuber-trace-id: 1:2:0:1\r\ngrpc-trace-bin: AA\r\n",
			"[{traceparent 00-a-b-01} {TraceState k=v} {x-b3-traceid 1} {uber-trace-id 1:2:0:1} {grpc-trace-bin AA}]"},
		{"the same twice", "tracestate: a=1\r\ntracestate: b=2\r\n", "[{tracestate a=1} {tracestate b=2}]"},
		{"folded", "tracestate: a=1,\r\n b=2\r\n", "[{tracestate a=1, b=2}]"},
		{"space before the colon", "b3 : 1\r\n", "[{b3 1}]"},
		{"too long", "tracestate: " + long + "\r\nb3: 1\r\n", "[{b3 1}]"},
		{"no name", ": 1\r\nb3\r\n", "[{b3 }]"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(true)
			var got string
			o.shared.env.Emit = func(r *model.Request) { got = fmt.Sprint(r.Fields) }
			o.run(req("GET / HTTP/1.1\r\n"+test.fields+"\r\n"), resp("HTTP/1.1 204 No Content\r\n\r\n"))
			if got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			o.run(req("GET / HTTP/1.1\r\n\r\n"), resp("HTTP/1.1 204 No Content\r\n\r\n"))
			if got != "[]" {
				t.Errorf("the next request has %s", got)
			}
		})
	}
	o := observe(true)
	n := 0
	o.shared.env.Emit = func(r *model.Request) { n = len(r.Fields) }
	o.run(req("GET / HTTP/1.1\r\n"+strings.Repeat("tracestate: a=1\r\n", 100)+"\r\n"), resp("HTTP/1.1 204 No Content\r\n\r\n"))
	if n != model.MaxFields {
		t.Errorf("%d fields are kept, want %d", n, model.MaxFields)
	}
}

// hidden collects what a recording must not hold.
type hidden struct{ ranges [][2]uint64 }

func (h *hidden) Hide(_ protocol.Dir, from, to uint64, _ protocol.Filler) {
	h.ranges = append(h.ranges, [2]uint64{from, to})
}
func (h *hidden) Replace(protocol.Dir, uint64, []byte) {}
func (h *hidden) Settle(protocol.Dir, uint64)          {}

func TestRecordingsHoldContextAndNoUser(t *testing.T) {
	head := "GET / HTTP/1.1\r\ntraceparent: 00-a-b-01\r\nX-Datadog-Tags: _dd.p.usr.id=secret,_dd.p.tid=1\r\nCookie: secret\r\n\r\n"
	o := observe(true)
	var h hidden
	o.shared.env.Marks = &h
	o.run(req(head))
	shown := []byte(head)
	for _, r := range h.ranges {
		for i := r[0]; i < r[1]; i++ {
			shown[i] = '#'
		}
	}
	want := strings.ReplaceAll(strings.ReplaceAll(head, "secret", "######"), "Cookie: ", "Cookie:#")
	if string(shown) != want {
		t.Errorf("%q, want %q", shown, want)
	}
}
