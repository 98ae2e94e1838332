// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// BenchmarkExchange parses a request and its answer per operation.
func BenchmarkExchange(b *testing.B) {
	confirm := []step{up(call(1, confirmSelect, int8(0))), down(ok(1, confirmSelect))}
	consume := []step{up(call(1, basicConsume, int16(0), "jobs", "c1", int8(0), []byte(nil))), down(call(1, basicConsumeOK, "c1"))}
	for _, c := range []struct {
		name  string
		setup []step
		dirs  [2]protocol.Dir
		steps [2][]byte
	}{
		{"publish", nil, [2]protocol.Dir{protocol.Sent, protocol.Received}, [2][]byte{publish(1, "logs", "info", 500), nil}},
		{"confirmed", confirm, [2]protocol.Dir{protocol.Sent, protocol.Received}, [2][]byte{publish(1, "logs", "info", 500), ack(1, 0, 1)}},
		{"delivered", consume, [2]protocol.Dir{protocol.Received, protocol.Sent}, [2][]byte{deliver(1, 1, "c1", "", "jobs", 500), ack(1, 0, 1)}},
		{"purge", nil, [2]protocol.Dir{protocol.Sent, protocol.Received}, [2][]byte{call(1, queuePurge, int16(0), "q", int8(0)), call(1, 50<<16|31, int32(1))}},
	} {
		b.Run(c.name, func(b *testing.B) {
			n := 0
			p := Spec().Setup(&protocol.Env{Emit: func(*model.Request) { n++ }})(protocol.Start{})
			for _, s := range opened(c.setup...) {
				p.Feed(s.dir, s.p, 0)
			}
			n = 0
			b.ReportAllocs()
			b.SetBytes(int64(len(c.steps[0]) + len(c.steps[1])))
			for i := range b.N {
				for k, s := range c.steps {
					if len(s) > 0 {
						p.Feed(c.dirs[k], s, time.Duration(i))
					}
				}
			}
			if n != b.N {
				b.Fatalf("%d of %d", n, b.N)
			}
		})
	}
}
