// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

type turn struct{ ask, answer []byte }

func benchTurns() map[string]turn {
	return map[string]turn{
		"query":    {[]byte(query("SELECT id, name FROM users WHERE id = 42")), []byte(columns + row("joe") + complete("SELECT 1") + idle)},
		"extended": {[]byte(bind("", "s1") + execute("") + syncing), []byte(bound + row("joe") + complete("SELECT 1") + idle)},
	}
}

func benchParser() protocol.Parser {
	open := Spec().Setup(&protocol.Env{Emit: func(*model.Request) {}})
	p := open(protocol.Start{})
	p.Feed(protocol.Received, []byte(startup("user", "joe")), 1)
	p.Feed(protocol.Sent, []byte(authOK+idle), 2)
	p.Feed(protocol.Received, []byte(parse("s1", "SELECT name FROM users WHERE id = $1")+syncing), 3)
	p.Feed(protocol.Sent, []byte(parsed+idle), 4)
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
