// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

func BenchmarkCommand(b *testing.B) {
	value := strings.Repeat("x", 64)
	tests := []struct{ name, sent, answer string }{
		{"get", "get user:1000:profile\r\n", "VALUE user:1000:profile 0 64\r\n" + value + "\r\nEND\r\n"},
		{"set", "set user:1000:profile 0 0 64\r\n" + value + "\r\n", "STORED\r\n"},
		{"meta", "mg user:1000:profile v\r\n", "VA 64\r\n" + value + "\r\n"},
		{"binary", frame(0x80, 0, 0, 1, "", "user:1000:profile", ""), frame(0x81, 0, 0, 1, "1234", "", value)},
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
