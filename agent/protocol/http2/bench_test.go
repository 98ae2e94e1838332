// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/binary"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// round passes the same frames again and again, each time of other streams: what the encoders have in their tables does not
// change any more.
type round struct {
	parser protocol.Parser
	calls  []call
	next   uint32 // what the numbers of the streams go up by
	got    int
	now    time.Duration
}

// newRound makes a round of n requests side by side.
func newRound(n uint32, one func(k *talk, id uint32) (head, rest func())) *round {
	r := &round{next: 2 * n}
	r.parser = Spec().Setup(&protocol.Env{Emit: func(*model.Request) { r.got++ }})(protocol.Start{})
	k := newTalk().begin()
	for id := range uint32(3) { // now the tables hold all fields
		head, rest := one(k, 2*id+1)
		head()
		rest()
	}
	r.pass(k.calls)
	k.calls = nil
	var rests []func()
	for i := range n {
		head, rest := one(k, 2*i+7)
		head()
		rests = append(rests, rest)
	}
	for _, rest := range rests {
		rest()
	}
	r.calls, r.got = k.calls, 0
	return r
}

func (r *round) pass(calls []call) {
	for _, c := range calls {
		r.now++
		r.parser.Feed(c.dir, c.p, r.now)
	}
}

func (r *round) again() {
	r.pass(r.calls)
	for _, c := range r.calls {
		id := c.p[5:headSize]
		binary.BigEndian.PutUint32(id, (binary.BigEndian.Uint32(id)+r.next)&(maxIDs>>1))
	}
}

func getRequest(k *talk, id uint32) (head, rest func()) {
	return func() { k.request(id, "/index.html", end) }, func() {
		k.answer(id, "200", open)
		k.data(k.server, id, "<html>hello</html>", end)
	}
}

func unaryCall(k *talk, id uint32) (head, rest func()) {
	return func() {
			k.call(id, "hipstershop.ProductCatalogService/GetProduct", "user-agent= grpc-go/1.64.0", "grpc-timeout= 20S")
			k.data(k.client, id, message(12), end)
		}, func() {
			k.accept(id)
			k.data(k.server, id, message(150), open)
			k.trailers(id, "0")
		}
}

func BenchmarkRequest(b *testing.B) {
	for _, test := range []struct {
		name    string
		streams uint32
		one     func(k *talk, id uint32) (head, rest func())
	}{
		{"http/1 stream", 1, getRequest}, {"http/100 streams", 100, getRequest},
		{"grpc/1 stream", 1, unaryCall}, {"grpc/100 streams", 100, unaryCall}, {"grpc/1000 streams", 1000, unaryCall},
	} {
		b.Run(test.name, func(b *testing.B) {
			r := newRound(test.streams, test.one)
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if n%int(test.streams) == 0 {
					r.again()
				}
				n++
			}
			if least := n / int(test.streams) * int(test.streams); r.got < least {
				b.Fatalf("%d of %d requests", r.got, least)
			}
		})
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	for name, one := range map[string]func(k *talk, id uint32) (head, rest func()){"http": getRequest, "grpc": unaryCall} {
		r := newRound(8, one)
		r.again()
		if n := testing.AllocsPerRun(100, r.again); n > 0 {
			t.Errorf("%s: %v allocations for 8 requests", name, n)
		}
		if r.got != 102*8 {
			t.Errorf("%s: %d requests", name, r.got)
		}
	}
}
