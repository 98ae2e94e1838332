// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

func BenchmarkCommand(b *testing.B) {
	value := strings.Repeat("x", 64)
	tests := []struct{ name, sent, answer string }{
		{"get", cmd("GET user:1000:profile"), bulk(value)},
		{"set", cmd("SET user:1000:profile " + value), "+OK\r\n"},
		{"ping", cmd("PING"), "+PONG\r\n"},
		{"inline", "GET user:1000:profile\r\n", "$-1\r\n"},
		{"pipeline16", strings.Repeat(cmd("SET user:1000:profile "+value), 16), strings.Repeat("+OK\r\n", 16)},
		{"lrange100", cmd("LRANGE list 0 99"), array(strings.Fields(strings.Repeat("value ", 100))...)},
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
			if n == 0 {
				b.Fatal("no requests")
			}
		})
	}
}

func TestAllocations(t *testing.T) {
	p := Spec().Setup(&protocol.Env{Emit: func(*model.Request) {}})(protocol.Start{})
	sent, answer := []byte(cmd("GET user:1000")), []byte("$-1\r\n")
	n := testing.AllocsPerRun(100, func() {
		p.Feed(protocol.Received, sent, 1)
		p.Feed(protocol.Sent, answer, 2)
	})
	if n > 1 { // the query
		t.Errorf("%v allocations", n)
	}
}
