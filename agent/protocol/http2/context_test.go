// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

func TestRequestsAreToldOfWhenTheirHeadIsRead(t *testing.T) {
	k := newTalk().begin()
	at := func() (n int) {
		for _, c := range k.calls {
			if c.dir == k.client.dir {
				n += len(c.p)
			}
		}
		return n
	}
	var want []string
	wants := func(id int, fields string) {
		want = append(want, fmt.Sprintf("%d at %d, stream %d %s", k.client.dir, at(), id, fields))
	}
	const request = ":method= POST\n:scheme= http\n:path= /\n:authority= h\n"
	wants(1, "[{traceparent 00-a-b-01}]")
	k.headers(k.client, 1, request+"traceparent= 00-a-b-01\naccept= x", true)
	wants(3, "[]")
	k.headers(k.client, 3, request+"accept= x", false)
	wants(5, "[{traceparent 00-a-b-01} {b3 1-2}]") // the first comes out of the table
	k.headers(k.client, 5, request+"traceparent= 00-a-b-01\nb3= 1-2\ntracestate= "+strings.Repeat("x", model.MaxField+1), true)
	k.headers(k.client, 3, "grpc-status= 0", true) // trailers begin nothing
	for _, id := range []uint32{5, 3, 1} {
		k.answer(id, "200", true)
	}
	o := observe(protocol.Start{})
	var told []string
	o.conn.shared.env.Begin = func(b protocol.Begin) uint64 {
		told = append(told, fmt.Sprintf("%d at %d, stream %d %v", b.Dir, b.At, b.Stream, b.Fields))
		return uint64(b.Stream)
	}
	var reported []string
	o.conn.shared.env.Emit = func(r *model.Request) { reported = append(reported, fmt.Sprint(r.Begun, len(r.Fields))) }
	o.run(k.calls)
	if !slices.Equal(told, want) {
		t.Errorf("told of\n%q, want\n%q", told, want)
	}
	if got := strings.Join(reported, ", "); got != "5 2, 3 0, 1 1" {
		t.Errorf("reported %s", got)
	}
}

func TestAContextThatIsNotKnownIsNone(t *testing.T) {
	k := newTalk().begin()
	const request = ":method= POST\n:scheme= http\n:path= /\n:authority= h\ntraceparent= 00-a-b-01"
	k.headers(k.client, 1, request, true)
	joined := len(k.calls)
	k.headers(k.client, 3, request, true) // refers to the table
	k.answer(3, "200", true)
	o := observe(protocol.Start{Joined: true})
	o.conn.shared.env.Emit = func(r *model.Request) {
		if len(r.Fields) != 0 {
			t.Errorf("fields %v", r.Fields)
		}
	}
	o.run(k.calls[joined:])
}
