// SPDX-License-Identifier: Apache-2.0

package mongodb

import (
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

func BenchmarkCommand(b *testing.B) {
	tests := []struct{ name, sent, answer string }{
		{"find", msg(1, 0, 0, find), msg(9, 1, 0, found)},
		{"insert", msg(1, 0, 0, doc{"insert", "users", "ordered", true, "$db", "shop"}, sequence("documents", find, find, find)), msg(9, 1, 0, doc{"n", 3, "ok", 1.0})},
		{"snappy", compressed(1, 0, compressorSnappy, find), compressed(9, 1, compressorSnappy, found)},
		{"zlib", compressed(1, 0, compressorZlib, find), compressed(9, 1, compressorZlib, found)},
		{"zstd", compressed(1, 0, compressorZstd, find), compressed(9, 1, compressorZstd, found)},
	}
	for _, test := range tests {
		b.Run(test.name, func(b *testing.B) {
			n := 0
			p := Spec().Setup(&protocol.Env{Emit: func(*model.Request) { n++ }})(protocol.Start{})
			sent, answer := []byte(test.sent), []byte(test.answer)
			b.ReportAllocs()
			b.SetBytes(int64(len(sent) + len(answer)))
			for b.Loop() {
				p.Feed(protocol.Received, sent, 1)
				p.Feed(protocol.Sent, answer, 2)
			}
			if n != b.N {
				b.Fatalf("%d of %d requests", n, b.N)
			}
		})
	}
}
