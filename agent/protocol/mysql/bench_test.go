// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

type turn struct{ ask, answer []byte }

func benchTurns() map[string]turn {
	table := answer(count(1), column("a"), eof(2), row("joe"), eof(2))
	return map[string]turn{
		"query":   {[]byte(query("SELECT id, name FROM users WHERE id = 42")), []byte(table)},
		"execute": {[]byte(execute(5)), []byte(table)},
	}
}

func benchParser() protocol.Parser {
	open := Spec().Setup(&protocol.Env{Emit: func(*model.Request) {}})
	p := open(protocol.Start{})
	p.Feed(protocol.Sent, []byte(greeting("8.0.30")), 1)
	p.Feed(protocol.Received, []byte(login(0, "joe", "")), 2)
	p.Feed(protocol.Sent, []byte(packet(2, okBody(0, 2))), 3)
	p.Feed(protocol.Received, []byte(command(comStmtPrepare, "SELECT name FROM users WHERE id = ?")), 4)
	p.Feed(protocol.Sent, []byte(answer(prepared(5, 1, 1), column("?"), eof(2), column("name"), eof(2))), 5)
	return p
}

func BenchmarkRequest(b *testing.B) {
	for name, turn := range benchTurns() {
		b.Run(name, func(b *testing.B) {
			p, t := benchParser(), time.Duration(10)
			b.ReportAllocs()
			for b.Loop() {
				t += 2
				p.Feed(protocol.Received, turn.ask, t)
				p.Feed(protocol.Sent, turn.answer, t+1)
			}
		})
	}
}

func TestRequestsAllocateNothing(t *testing.T) {
	for name, turn := range benchTurns() {
		p := benchParser()
		if n := testing.AllocsPerRun(100, func() {
			p.Feed(protocol.Received, turn.ask, 10)
			p.Feed(protocol.Sent, turn.answer, 11)
		}); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
