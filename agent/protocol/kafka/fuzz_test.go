// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/testbed/begins"
)

// conversation makes a connection out of a script, two bytes to an exchange: what is asked, and how it is answered.
func conversation(script []byte) []step {
	var steps []step
	var asked, answered [][]byte
	flush := func() {
		steps = append(steps, up(asked...))
		if len(answered) > 0 {
			steps = append(steps, down(answered...))
		}
		asked, answered = nil, nil
	}
	for i := 0; i+1 < len(script) && i < 64; i += 2 {
		id, how := 100+i, int(script[i+1])
		switch script[i] % 6 {
		case 0:
			records := batch(how%7+1, how*40, 0)
			if how%2 == 1 {
				records = slices.Concat(carrying(0, record("key", "v", "b3", "0", "x", "y"), record("", "v")), carrying(0, record("", "", "traceparent", parentOf(i))))
			}
			asked = append(asked, produce(id, 1, "orders", records))
			answered = append(answered, produced(id, how%5, 42+i, "orders"))
		case 1:
			asked = append(asked, produce(id, 0, "fast", batch(1, how, 0)))
		case 2:
			asked = append(asked, request(1, 4, id, "app").i32(-1).i32(500).i32(1).i32(1<<20).i8(0).i32(1).str("orders").i32(1).i32(2).i64(77).i32(1<<20).framed())
			answered = append(answered, response(id).i32(0).i32(1).str("orders").i32(1).i32(2).i16(0).i64(90).i64(90).i32(-1).bytes(batch(3, how*60, 0)).framed())
		case 3:
			asked = append(asked, request(12, 0, id, "app").str("group").i32(1).str("m").framed())
			answered = append(answered, response(id).i16(how%30).framed())
		case 4:
			asked = append(asked, request(95, 1, id, "app").str("?").framed())
			answered = append(answered, response(id).i32(how).framed())
		case 5:
			asked = append(asked, request(12, 4, id, "app").i8(0).compact("flexible").i32(1).compact("m").i8(0).i8(0).framed())
			answered = append(answered, response(id).i8(0).i32(0).i16(how%30).i8(0).framed())
		}
		if how%3 != 0 {
			flush()
		}
	}
	flush()
	return steps
}

// replay feeds the steps, cut where cuts says: each byte is the length of the next piece. Where drop says so, a piece is
// skipped.
func replay(steps []step, cuts []byte, drop func(piece int) bool) []model.Request {
	var got []model.Request
	env := &protocol.Env{Emit: func(r *model.Request) {
		c, d := *r, *r.Messaging
		c.Messaging = &d
		got = append(got, c)
	}}
	begins.Watch(env)
	p := Spec().Setup(env)(protocol.Start{})
	piece := 0
	for i, s := range steps {
		at := time.Duration(i)
		for b := s.p; len(b) > 0; piece++ {
			n := len(b)
			if len(cuts) > 0 {
				n = min(n, 1+int(cuts[piece%len(cuts)])*(1+piece%5))
			}
			if drop != nil && drop(piece) {
				p.Skip(s.dir, uint64(n), at)
			} else {
				p.Feed(s.dir, b[:n], at)
			}
			b = b[n:]
		}
	}
	p.Close(protocol.Close{Time: time.Duration(len(steps)), Reason: "connection_closed"})
	return got
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte{0, 1, 1, 3, 2, 6, 3, 9, 4, 2, 5, 3}, []byte{1})
	f.Add([]byte{0, 255, 2, 255, 0, 3, 0, 6, 0, 9, 3, 1}, []byte{0, 3, 200})
	f.Fuzz(func(t *testing.T, script, cuts []byte) {
		steps := conversation(script)
		want, got := replay(steps, nil, nil), replay(steps, cuts, nil)
		if !slices.EqualFunc(want, got, same) {
			t.Errorf("cut otherwise, %d requests became %d:\n%v\n%v", len(want), len(got), lines(want), lines(got))
		}
	})
}

func same(a, b model.Request) bool {
	da, db := *a.Messaging, *b.Messaging
	a.Messaging, b.Messaging = nil, nil
	return reflect.DeepEqual(a, b) && reflect.DeepEqual(da, db)
}

func lines(all []model.Request) (s []string) {
	for i := range all {
		s = append(s, describe(&all[i]))
	}
	return s
}

// FuzzDrop holds what is reported when parts were not captured against what is reported when all were.
func FuzzDrop(f *testing.F) {
	f.Add([]byte{0, 1, 1, 3, 2, 6, 3, 9, 4, 2, 5, 3, 0, 1, 0, 4}, []byte{40, 9}, uint32(0b1001000))
	f.Add([]byte{0, 255, 2, 255, 0, 3, 0, 6, 0, 9, 3, 1}, []byte{7, 3, 200}, uint32(0x30))
	f.Fuzz(func(t *testing.T, script, cuts []byte, dropped uint32) {
		if len(cuts) == 0 {
			return
		}
		steps := conversation(script)
		want := map[int64]model.Request{}
		for _, r := range replay(steps, nil, nil) {
			want[r.Messaging.CorrelationID] = r
		}
		seen := map[int64]bool{}
		for _, r := range replay(steps, cuts, func(piece int) bool { return dropped&(1<<(piece%32)) != 0 }) {
			w, known := want[r.Messaging.CorrelationID]
			if !known || seen[r.Messaging.CorrelationID] {
				t.Fatalf("invented: %s", describe(&r))
			}
			seen[r.Messaging.CorrelationID] = true
			if !agrees(&r, &w) {
				t.Errorf("got %s\nof  %s", describe(&r), describe(&w))
			}
		}
	})
}

// agrees reports whether got says nothing that want does not.
func agrees(got, want *model.Request) bool {
	g, w := got.Messaging, want.Messaging
	if got.Begun != want.Begun {
		return false
	}
	text := func(g, w string) bool { return g == "" || g == w }
	number := func(g, w int64) bool { return g == -1 || g == w }
	if got.Outcome != model.OutcomeIncomplete && (got.ResponseStart != want.ResponseStart || got.ResponseBytes != want.ResponseBytes) {
		return false
	}
	return g.API == w.API && g.APIVersion == w.APIVersion && got.Start == want.Start && got.RequestBytes == want.RequestBytes &&
		text(g.ClientID, w.ClientID) && text(g.Destination, w.Destination) && text(g.Group, w.Group) && text(g.Error, w.Error) &&
		number(int64(g.Partition), int64(w.Partition)) && number(int64(g.Messages), int64(w.Messages)) && number(g.Offset, w.Offset) &&
		(g.BodyBytes == 0 || g.BodyBytes == w.BodyBytes) && (!got.OneWay || want.OneWay)
}

// FuzzBytes feeds both directions with anything.
func FuzzBytes(f *testing.F) {
	f.Add(produce(1, 1, "orders", batch(2, 9, 0)), produced(1, 0, 42, "orders"), true)
	f.Fuzz(func(t *testing.T, asked, answered []byte, joined bool) {
		var ended bool
		p := Spec().Setup(&protocol.Env{Emit: func(r *model.Request) {
			if ended = r.End < r.Start; ended {
				t.Errorf("ends before it starts: %s", describe(r))
			}
		}})(protocol.Start{Joined: joined})
		Probe(append(asked, 0))
		for i := range 3 {
			p.Feed(protocol.Sent, asked, time.Duration(2*i))
			p.Feed(protocol.Received, answered, time.Duration(2*i+1))
		}
		p.Close(protocol.Close{Time: 9, Reason: "connection_closed"})
		if p.Pending() != 0 && p.Fit() == protocol.FitYes {
			t.Errorf("%d requests left open", p.Pending())
		}
	})
}
