// SPDX-License-Identifier: Apache-2.0

package trace_test

import (
	"fmt"
	"strings"
	"testing"

	"sonde/agent/trace"
)

const (
	ctxA = "traceparent=00-0af7651916cd43dd8448eb211c80319c-00000000000000aa-01"
	ctxB = "traceparent=00-0af7651916cd43dd8448eb211c80319c-00000000000000bb-01"
	ctxZ = "traceparent=00-ffffffffffffffffffffffffffffffff-00000000000000cc-01"
	a    = "00000000000000aa"
)

// scenario is a story about requests: what is to be found is in its last lines.
type scenario struct{ name, script string }

func playAll(t *testing.T, all []scenario) {
	for _, test := range all {
		t.Run(test.name, func(t *testing.T) { newScript(t, trace.Default()).play(test.script) })
	}
}

func TestParentsHaveEvidence(t *testing.T) { playAll(t, ofThreads) }

var ofThreads = []scenario{
	{"a thread that serves one request", `
			server s1 a
			read a T1
			send b T1
			client c1 b
			finish c1 -> s1 thread
			finish s1 -> root`},
	{"the whole of a head was read before it was known to be one", `
			server s0 a
			finish s0
			read a T1
			send b T1
			client c1 b
			finish c1 -> root`},
	{"the first piece of a head was read before it was whole", `
			read a T1
			server s1 a late
			send b T1
			client c1 b
			finish c1 -> s1 thread`},
	{"nobody is serving", `
			send b T1
			client c1 b
			finish c1 -> root`},
	{"another thread is serving", `
			server s1 a
			read a T2
			send b T1
			client c1 b
			finish c1 -> root`},
	{"the same thread number in another process is serving", `
			server s1 a @200
			read a 200:T1
			send b T1
			client c1 b
			finish c1 -> root`},
	{"a request that has ended caused nothing any more", `
			server s1 a
			read a T1
			finish s1 -> root
			send b T1
			client c1 b
			finish c1 -> root`},
	{"a thread that serves two requests", `
			server s1 a
			read a T1
			server s2 b
			read b T1
			send c T1
			client c1 c
			finish c1 -> root
			answer a T1
			finish s1
			answer b T1
			finish s2`},
	{"two requests that came at once on a connection", `
			server s1 a
			server s2 a
			read a T1
			send c T1
			client c1 c
			finish c1 -> root`},
	{"a reader that goes on reading is not told of again", `
			server s1 a
			read a T1
			server s2 a
			send c T1
			client c1 c
			finish c1 -> root`},
	{"a query is known when it is answered, after the request that it belongs to", `
			server s1 a
			read a T1
			send d T1
			query q1 d
			answer a T1
			finish s1
			finish q1 -> s1 thread`},
	{"a query is known when it is answered", `
			server s1 a
			read a T1
			send d T1
			query q1 d
			finish q1 -> s1 thread
			answer a T1
			finish s1`},
	{"a sender that is not known", `
			server s1 a
			read a T1
			send d T1
			send d nobody
			query q1 d
			finish q1 -> root`},
	{"a connection of a pool goes from hand to hand", `
			server s1 a
			read a T1
			send d T1
			query q1 d
			finish q1 -> s1 thread
			answer a T1
			finish s1
			server s2 b
			read b T2
			send d T2
			query q2 d
			finish q2 -> s2 thread`},
	{"the sender is told after the bytes", `
			server s1 a
			read a T1
			client c1 b
			sent b T1
			finish c1 -> s1 thread
			query q1 d
			sent d T1
			finish q1 -> s1 thread`},
	{"two requests wait for a sender that is told after the bytes", `
			server s1 a
			read a T1
			client c1 b /1
			client c2 b /3
			sent b T1
			finish c1 -> root
			finish c2 -> root`},
	{"both ends of a connection", `
			client c1 a @200
			server s1 a @100
			read a T1
			send b T1
			client c2 b
			server s2 b @300
			finish s2 -> c2 connection
			finish c2 -> s1 thread
			finish s1 -> c1 connection
			finish c1 -> root`},
	{"both ends of a connection, the server's seen first", `
			server s1 a @200
			client c1 a @100
			finish s1 -> c1 connection
			finish c1 -> root`},
	{"the client's end is seen when the trace was told already", `
			server s1 a @200
			finish s1 -> root
			client c1 a @100
			finish c1 -> root`},
	{"streams of a connection are told apart", `
			client c1 a @200 /1
			client c2 a @200 /3
			server s1 a /1
			server s2 a /3
			finish s2 -> c2 connection
			finish s1 -> c1 connection`},
	{"a reader of a server's stream serves it", `
			server s1 a /1
			read a T1
			send b T1
			client c1 b
			finish c1 -> s1 thread
			server s2 a /3
			send c T1
			client c2 c
			finish c2 -> root`},
}

func TestGoroutinesAreEvidence(t *testing.T) { playAll(t, ofGoroutines) }

var ofGoroutines = []scenario{
	{"a goroutine that serves", `
			server s1 a
			read a G1
			send b G1
			client c1 b
			finish c1 -> s1 goroutine`},
	{"a write loop sends for the goroutine that called", `
			server s1 a
			read a G1
			call b G1
			send b G9<G8
			client c1 b
			finish c1 -> s1 goroutine`},
	{"a call is good for one request", `
			server s1 a
			read a G1
			call b G1
			client c1 b
			finish c1 -> s1 goroutine
			send b G9
			client c2 b
			finish c2 -> root`},
	{"calls of streams", `
			server s1 a
			read a G1
			server s2 b
			read b G2
			call c /3 G2
			call c /1 G1
			client c1 c /1
			client c2 c /3
			finish c1 -> s1 goroutine
			finish c2 -> s2 goroutine`},
	{"a call of a stream that has begun", `
			server s1 a
			read a G1
			send b G9
			client c1 b /1
			call b /1 G1
			finish c1 -> s1 goroutine`},
	{"a goroutine that serves a stream of a connection that nobody was seen to read", `
			server s1 a /1
			server s2 a /3
			serve a /3 G2<G7
			serve a /1 G1<G7
			send b G1
			client c1 b
			finish c1 -> s1 goroutine`},
	{"a goroutine that was started meanwhile", `
			server s1 a
			read a G1
			send b G2<G1/f
			client c1 b
			finish c1 -> s1 parent_goroutine`},
	{"a goroutine that was started before", `
			send b G2<G1/f
			client c0 b
			finish c0
			server s1 a
			read a G1
			send b G2<G1/f
			client c1 b
			finish c1 -> root`},
	{"a function that works for several requests is no evidence from then on", `
			server s1 a
			read a G1
			send b G2<G1/f
			client c1 b
			finish c1 -> s1 parent_goroutine
			answer a G1
			finish s1
			server s2 a
			read a G1
			send b G2<G1/f
			client c2 b
			finish c2 -> root
			server s3 d
			read d G5
			send e G6<G5/f
			client c3 e
			finish c3 -> root
			send g G7<G5/g
			client c4 g
			finish c4 -> root`}, // s2 and s3 are served at a time, and g is not known yet
	{"the goroutine of a connection reads one byte ahead in another", `
			server s1 a
			read a G1
			finish s1
			server s2 a
			read a G2<G1
			read a G1
			send b G1
			client c1 b
			finish c1 -> s2 goroutine`},
	{"the goroutine of a connection reads one byte ahead in another, while it serves", `
			server s1 a
			read a G1
			server s2 a
			read a G2<G1
			answer a G1
			finish s1
			send b G1
			client c1 b
			finish c1 -> s2 goroutine`},
	{"a goroutine serves a stream that its reader read", `
			server s1 a /1
			read a G1
			serve x /1 G5<G1
			server s2 a /3
			serve x /3 G6<G1
			send b G5<G1
			client c1 b
			finish c1 -> s1 goroutine
			send c G6<G1
			client c2 c
			finish c2 -> s2 goroutine`},
	{"threads of a program with goroutines mean nothing", `
			server s1 a
			read a T1
			send b G1
			client c1 b
			finish c1 -> root
			send c T1
			client c2 c
			finish c2 -> root`},
}

func TestThreadsThatAServingThreadStarts(t *testing.T) { playAll(t, ofStarted) }

var ofStarted = []scenario{
	{"meanwhile", `
			server s1 a
			read a T1
			start T2 T1
			send b T2
			client c1 b
			finish c1 -> s1 parent_thread`},
	{"before", `
			start T2 T1
			server s1 a
			read a T1
			send b T2
			client c1 b
			finish c1 -> root`},
	{"and works on after its request", `
			server s1 a
			read a T1
			start T2 T1
			answer a T1
			finish s1
			server s2 a
			read a T1
			send b T2
			client c1 b
			finish c1 -> root`},
	{"while others are served", `
			server s0 z
			read z T9
			server s1 a
			read a T1
			start T2 T1
			send b T2
			client c1 b
			finish c1 -> root`},
}

func TestThreadsProveThatTheyStayWithTheirRequests(t *testing.T) {
	c := trace.Default()
	c.Proof = 2
	two := `
		server s1 a
		read a T1
		server s2 b
		read b T2
		send c T1
		client c1 c
		finish c1 -> root   # not proven yet
		answer a T1
		finish s1
		server s3 d
		read d T1
		answer b T2
		finish s2
		server s4 e
		read e T2
		`
	s := newScript(t, c)
	s.play(two + `
		send c T1
		client c2 c
		finish c2 -> s3 thread
		answer e T3         # whoever reads need not answer here
		finish s4
		server s5 f
		read f T2
		send c T1
		client c3 c
		finish c3 -> root`)
	if st := s.tracer.Stats(); st.Unproven != 1 || st.Shared != 1 {
		t.Errorf("%d unproven, %d shared, want 1 of each", st.Unproven, st.Shared)
	}
}

func TestContextOnTheWire(t *testing.T) { playAll(t, ofContext) }

var ofContext = []scenario{
	{"comes from elsewhere", `
			server s1 a ` + ctxA + `
			read a T1
			send b T1
			client c1 b
			finish c1 -> s1 thread
			finish s1 -> ` + a + ` header`},
	{"is written by a client that is seen, which has the identifier then", `
			client c1 a @200 ` + ctxA + `
			server s1 a ` + ctxA + `
			finish s1 -> c1 header
			finish c1 -> root`},
	{"is written by a client that is seen later", `
			server s1 a ` + ctxA + `
			client c1 a @200 ` + ctxA + `
			finish s1 -> c1 header
			finish c1 -> root`},
	{"is passed through", `
			server s1 a ` + ctxA + `
			read a T1
			client c1 b ` + ctxA + `
			server s2 b @300 ` + ctxA + `
			finish s2 -> c1 connection
			finish c1 -> s1 header
			finish s1 -> ` + a + ` header`},
	{"is passed through by a process with other requests", `
			server s0 z
			read z T1
			server s1 a ` + ctxA + `
			read a T1
			client c1 b ` + ctxA + `
			finish c1 -> s1 header`},
	{"is passed through, of two requests with the same", `
			server s1 a ` + ctxA + `
			server s2 b ` + ctxA + `
			client c1 c ` + ctxA + `
			finish c1 -> ` + a + ` header`},
	{"is passed through, of two requests with the same, by a thread that serves one", `
			server s1 a ` + ctxA + `
			read a G1
			server s2 b ` + ctxA + `
			read b G2
			send c G2
			client c1 c ` + ctxA + `
			finish c1 -> s2 header`},
	{"is new within the trace that came in", `
			server s1 a ` + ctxA + `
			read a T1
			send b T1
			client c1 b ` + ctxB + `
			server s2 b @300 ` + ctxB + `
			finish s2 -> c1 header
			finish c1 -> s1 thread`},
	{"is new within the trace that came in, and its sender is not known", `
			server s1 a ` + ctxA + `
			client c1 b ` + ctxB + `
			finish c1 -> s1 header`},
	{"is of another trace than what the thread serves", `
			server s1 a ` + ctxA + `
			read a T1
			send b T1
			client c1 b ` + ctxZ + `
			finish c1 -> root`},
	{"is the same in a second attempt", `
			server s1 a ` + ctxA + `
			read a T1
			send b T1
			client c1 b ` + ctxB + `
			finish c1 -> s1 thread
			send b T1
			client c2 b ` + ctxB + `
			server s2 b @300 ` + ctxB + `
			server s3 b @300 ` + ctxB + `
			finish s2 -> c1 header
			finish s3 -> c2 connection
			finish c2 -> s1 thread`},
	{"goes through a process that was not seen to receive it", `
			client c1 a @200 ` + ctxA + `
			client c2 b @300 ` + ctxA + `
			finish c2 -> c1 header
			finish c1 -> root`},
	{"is in the comment of a query", `
			server s1 a ` + ctxA + `
			read a T1
			send d T1
			query q1 d ` + ctxB + `
			finish q1 -> s1 thread`},
	{"in a capture", `
			wire w1 a ` + ctxA + `
			wire w2 b from=10.0.0.2 to=10.0.0.3 ` + ctxA + `
			wire w3 c ` + ctxA + `
			finish w3 -> root
			finish w2 -> w1 header
			finish w1 -> root`},
}

func TestWhatAStartedGoroutineSendsAfterItsFirstTakesMoreProof(t *testing.T) {
	c := trace.Default()
	c.Proof = 1
	s := newScript(t, c)
	s.play(`
		server s0 z    # somebody else is served all the time
		read z G99`)
	for i := 1; i <= 6; i++ {
		second := "root"
		if i > 4 { // four goroutines ended with their requests
			second = fmt.Sprintf("s%d parent_goroutine", i)
		}
		s.play(strings.NewReplacer("$", fmt.Sprint(i), "SECOND", second).Replace(`
			server s$ a
			read a G1
			send b G2$<G1/f
			client c$ b
			finish c$ -> s$ parent_goroutine
			send b G2$<G1/f
			client d$ b
			finish d$ -> SECOND
			answer a G1
			finish s$`))
	}
}
