// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/testbed/begins"
)

// session makes a conversation in which no subject is used twice, so that each request can be told from all others.
func session(random *rand.Rand, turns int) []step {
	first := connect
	if random.IntN(2) == 0 {
		first = verbose
	}
	answer := func() string { return "" }
	if first == verbose {
		answer = func() string { return ok }
	}
	steps := []step{sv(hello), cl(first + ping), sv(answer() + pong), cl("SUB i.> 1\r\n")}
	if first == verbose {
		steps = append(steps, sv(ok))
	}
	for i := range turns {
		body := strings.Repeat("x", random.IntN(60))
		switch random.IntN(5) {
		case 4:
			head := fmt.Sprintf("NATS/1.0\r\nx: y\r\ntraceparent: %d\r\n\r\n", i)
			steps = append(steps, cl(fmt.Sprintf("HPUB s.%d %d %d\r\n%s%s\r\n"+ping, i, len(head), len(head)+len(body), head, body)), sv(answer()+pong))
		case 0:
			steps = append(steps, cl(fmt.Sprintf("PUB s.%d i.%d %d\r\n%s\r\n", i, i, len(body), body)),
				sv(answer()+fmt.Sprintf("MSG i.%d 1 %d\r\n%s\r\n", i, i, strings.Repeat("y", i))))
		case 1:
			steps = append(steps, cl(fmt.Sprintf("PUB s.%d %d\r\n%s\r\n"+ping, i, len(body), body)), sv(answer()+pong))
		case 2:
			steps = append(steps, sv(fmt.Sprintf("MSG t.%d 9 r.%d %d\r\n%s\r\n", i, i, len(body), body)), cl(fmt.Sprintf("PUB r.%d 1\r\nz\r\n", i)))
			if first == verbose {
				steps = append(steps, sv(ok))
			}
		case 3:
			steps = append(steps, sv(fmt.Sprintf("MSG t.%d 9 %d\r\n%s\r\n", i, len(body), body)))
		}
	}
	return steps
}

// cut cuts steps anywhere; lose drops every so manieth piece in part.
func cut(random *rand.Rand, steps []step, lose int) []step {
	var out []step
	for _, s := range steps {
		for rest := s.data; rest != ""; {
			n := 1 + random.IntN(len(rest))
			piece := step{from: s.from, data: rest[:n]}
			if lose > 0 && random.IntN(lose) == 0 {
				piece = step{from: s.from, skip: uint64(n)}
			}
			out, rest = append(out, piece), rest[n:]
		}
	}
	return out
}

func FuzzSplit(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		steps := session(random, 12)
		want := observe(protocol.Start{}).run(steps...).close("connection_closed")
		got := observe(protocol.Start{}).run(cut(random, steps, 0)...).close("connection_closed")
		if got.lines() != want.lines() || !slices.Equal(begins.Positions(got.got), begins.Positions(want.got)) {
			t.Errorf("cut\n%s\nwhole\n%s", got.lines(), want.lines())
		}
	})
}

// FuzzLoss: whatever is lost, what is reported as complete is what was reported without the loss. A delivery whose reply
// was lost is reported as one; a reply whose delivery was lost as a publication; where CONNECT was lost nothing is known of
// +OK.
func FuzzLoss(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 2))
		steps := session(random, 12)
		known := map[string]bool{}
		whole := observe(protocol.Start{}).run(steps...).close("connection_closed")
		for i := range whole.got {
			known[exchanged(whole, i)] = true
		}
		got := observe(protocol.Start{}).run(cut(random, steps, 6)...).close("connection_closed")
		begins.Known(t, whole.got, got.got, func(r *model.Request) string {
			if r.Messaging.Destination == "" { // not seen
				return ""
			}
			return r.Messaging.API + " " + r.Messaging.Destination
		})
		for i := range got.got {
			r := &got.got[i]
			if r.Outcome.String() != "incomplete" && !r.OneWay && !known[exchanged(got, i)] {
				t.Errorf("%s\nwhole\n%s", text(r), whole.lines())
			}
		}
	})
}

// exchanged is what tells an answered request apart.
func exchanged(o *observed, i int) string {
	r := &o.got[i]
	answer := r.ResponseBytes
	if o.conn.verbose { // an +OK more or less
		answer = 0
	}
	return fmt.Sprint(r.Messaging.API, " ", r.Messaging.Destination, " ", r.RequestBytes, " ", answer, " ", r.ErrorType)
}

func FuzzAny(f *testing.F) {
	f.Add([]byte(hello), []byte(connect+ping))
	f.Add([]byte("MSG a 1 5\r\nhello\r\nHMSG a 1 12 17\r\n"), []byte("HPUB a b 12 17\r\nUNSUB 1 2\r\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		o := observe(protocol.Start{Joined: len(a)%2 == 0})
		o.run(sv(string(a)), cl(string(b)), sv(string(b)), cl(string(a)), svSkip(7), cl(string(b)))
		o.close("connection_closed")
		if o.conn.Pending() != 0 {
			t.Errorf("%d pending", o.conn.Pending())
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	benchmark(b, 1, []step{cl("PUB orders.created.eu 100\r\n" + strings.Repeat("x", 100) + "\r\n")})
}

func BenchmarkRequest(b *testing.B) {
	benchmark(b, 1, []step{
		cl("PUB orders.get _INBOX.abcdefgh.1234 100\r\n" + strings.Repeat("x", 100) + "\r\n"),
		sv("MSG _INBOX.abcdefgh.1234 1 100\r\n" + strings.Repeat("x", 100) + "\r\n"),
	})
}

func benchmark(b *testing.B, requests int, steps []step) {
	o := observe(protocol.Start{}).run(append(begun(), cl("SUB _INBOX.abcdefgh.* 1\r\n"))...)
	n := 0
	o.conn.shared.env.Emit, o.conn.shared.env.Begin = func(*model.Request) { n++ }, nil
	data := make([][]byte, len(steps))
	for i, s := range steps {
		data[i] = []byte(s.data)
	}
	b.ReportAllocs()
	for b.Loop() {
		for i, s := range steps {
			d := protocol.Sent
			if s.from == "<" {
				d = protocol.Received
			}
			o.conn.Feed(d, data[i], o.now)
		}
	}
	if n != b.N*requests {
		b.Errorf("%d requests, want %d", n, b.N*requests)
	}
}
