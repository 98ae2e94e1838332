// SPDX-License-Identifier: Apache-2.0

package mqtt

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

// session makes a conversation in which identifiers are used again and again, but each topic once.
func session(random *rand.Rand, turns int) []step {
	steps := begun()
	for i := range turns {
		ask, answer := cl, sv
		if random.IntN(3) == 0 {
			ask, answer = sv, cl
		}
		topic, body, n := fmt.Sprint("t/", i), strings.Repeat("x", random.IntN(60)), 1+random.IntN(3)
		switch random.IntN(5) {
		case 0:
			steps = append(steps, ask(publish(0, topic, 0, body)))
		case 1:
			steps = append(steps, ask(publish(2, topic, n, body)), answer(ack(kindPuback, n)))
		case 2:
			steps = append(steps, ask(publish(4, topic, n, body)), answer(ack(kindPubrec, n)), ask(ack(kindPubrel, n)), answer(ack(kindPubcomp, n)))
		case 3:
			steps = append(steps, cl(packetOf(0x82, id(n), word(topic), "\x01")), sv(packetOf(0x90, id(n), "\x01")))
		case 4:
			steps = append(steps, cl("\xc0\x00"), sv("\xd0\x00"))
		}
	}
	return steps
}

// cut cuts steps anywhere, and loses about every lose-th piece.
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

// FuzzLoss: whatever is lost, what is reported as answered was answered so without the loss.
func FuzzLoss(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 2))
		steps := session(random, 12)
		whole := observe(protocol.Start{}).run(steps...).close("connection_closed")
		got := observe(protocol.Start{}).run(cut(random, steps, 5)...).close("connection_closed")
		begins.Known(t, whole.got, got.got, func(r *model.Request) string {
			if r.Messaging.Destination == "" { // not seen
				return ""
			}
			return r.Messaging.API + " " + r.Messaging.Destination
		})
		sure := got.conn.version > 0 // CONNECT was seen; else who is the client may be a guess
		known := map[string]bool{}
		for i := range whole.got {
			known[told(&whole.got[i], sure)] = true
		}
		for i := range got.got {
			r := &got.got[i]
			if d := r.Messaging; r.Outcome == model.OutcomeIncomplete || d.API == "PUBREL" {
				continue
			}
			if !known[told(r, sure)] {
				t.Errorf("%s\nwhole\n%s", line(r), whole.lines())
			}
		}
	})
}

// told is what tells a request apart. Of QoS 2, packets in the middle may be lost without harm.
func told(r *model.Request, sure bool) string {
	d := *r.Messaging
	if !sure {
		d.Operation = ""
	}
	if d.QoS == 2 {
		return fmt.Sprint(d.API, d.Destination, d.PacketID, d.Operation)
	}
	x := *r
	x.Messaging = &d
	return line(&x)
}

func FuzzAny(f *testing.F) {
	f.Add([]byte(connect+publish(2, "a", 1, "x")), []byte(connack+ack(kindPuback, 1)))
	f.Add([]byte(connect5+publish5(2, "a", 1, "\x23\x00\x01", "x")), []byte(connack5+publish5(0, "", 0, "\x23\x00\x01", "y")))
	f.Add([]byte(packetOf(0x82, id(1), "\x00", word("a"), "\x01")), []byte(packetOf(0x90, id(1), "\x00\x97")))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		if len(a) > 0 {
			probe(a)
		}
		o := observe(protocol.Start{Joined: len(a)%2 == 0})
		o.run(cl(string(a)), sv(string(b)), cl(string(b)), svSkip(7), sv(string(a)), clSkip(7), cl(string(b)))
		o.close("connection_closed")
		if o.conn.Pending() != 0 {
			t.Errorf("%d pending", o.conn.Pending())
		}
	})
}

func BenchmarkPublishQoS0(b *testing.B) {
	benchmark(b, []step{cl(publish(0, "plant/hall/1/temperature", 0, strings.Repeat("x", 100)))})
}

func BenchmarkPublishQoS1(b *testing.B) {
	benchmark(b, []step{cl(publish(2, "plant/hall/1/temperature", 5, strings.Repeat("x", 100))), sv(ack(kindPuback, 5))})
}

func benchmark(b *testing.B, steps []step) {
	o := observe(protocol.Start{}).run(begun()...)
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
	if n != b.N {
		b.Errorf("%d requests, want %d", n, b.N)
	}
}
