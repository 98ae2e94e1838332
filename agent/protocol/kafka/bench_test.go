// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// BenchmarkExchange parses a request and its answer per operation.
func BenchmarkExchange(b *testing.B) {
	for _, c := range []struct {
		name     string
		up, down []byte
	}{
		{"produce", produce(1, 1, "orders", batch(5, 500, 0)), produced(1, 0, 42, "orders")},
		{"heartbeat", request(12, 4, 1, "app").i8(0).compact("flexible").i32(1).compact("m").i8(0).i8(0).framed(), response(1).i8(0).i32(0).i16(0).i8(0).framed()},
		{
			"fetch",
			request(1, 4, 1, "app").i32(-1).i32(500).i32(1).i32(1 << 20).i8(0).i32(1).str("orders").i32(1).i32(2).i64(77).i32(1 << 20).framed(),
			response(1).i32(0).i32(1).str("orders").i32(1).i32(2).i16(0).i64(90).i64(90).i32(-1).bytes(batch(3, 3000, 0)).framed(),
		},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := 0
			p := Spec().Setup(&protocol.Env{Emit: func(*model.Request) { n++ }})(protocol.Start{})
			b.ReportAllocs()
			b.SetBytes(int64(len(c.up) + len(c.down)))
			for i := range b.N {
				p.Feed(protocol.Sent, c.up, time.Duration(i))
				p.Feed(protocol.Received, c.down, time.Duration(i))
			}
			if n != b.N {
				b.Fatalf("%d of %d", n, b.N)
			}
		})
	}
}
