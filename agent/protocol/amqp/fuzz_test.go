// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/testbed/begins"
)

// conversation makes a connection out of a script, two bytes to an exchange: what passes, and how. Each has a routing key or
// a queue of its own.
func conversation(script []byte) []step {
	steps := opened(
		up(call(1, confirmSelect, int8(0))), down(ok(1, confirmSelect)),
		up(call(1, basicConsume, int16(0), "jobs", "c1", int8(0), []byte(nil))), down(call(1, basicConsumeOK, "c1")),
		up(call(2, channelOpen, "")), down(call(2, 20<<16|11, []byte(nil))),
	)
	var asked, told []byte
	flush := func() {
		steps = append(steps, up(asked), down(told))
		asked, told = nil, nil
	}
	published, delivered := int64(0), int64(0)
	for i := 0; i+1 < len(script) && i < 48; i += 2 {
		name, how := string([]byte{'a' + byte(i)/2}), int(script[i+1])
		switch script[i] % 6 {
		case 0:
			published++
			asked = append(asked, publish(1, "x", name, how*90)...)
			told = append(told, ack(1, published, 0)...)
		case 1:
			asked = append(asked, call(2, basicPublish, int16(0), "plain", name, int8(0))...)
			asked = append(asked, carrying(2, how*30, "x", "y", "b3", name)...)
		case 2:
			delivered++
			flush()
			told = append(told, deliver(1, delivered, "c1", "x", name, how*50)...)
			flush()
			asked = append(asked, ack(1, delivered, 0)...)
		case 3:
			asked = append(asked, call(2, queuePurge, int16(0), name, int8(0))...)
			told = append(told, call(2, 50<<16|31, int32(1))...)
		case 4:
			asked = append(asked, call(2, basicGet, int16(0), name, int8(1))...)
			told = append(told, call(2, basicGetOK, int64(1), int8(0), "e", name, int32(0))...)
			told = append(told, message(2, how*60, 4088)...)
		case 5:
			asked = append(asked, heartbeat()...)
		}
		if how%3 != 0 {
			flush()
		}
	}
	flush()
	return steps
}

// replay feeds the steps, cut where cuts says; where drop says so, a piece is skipped.
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
				n = min(n, 1+int(cuts[piece%len(cuts)])*(1+piece%7))
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

func FuzzSplit(f *testing.F) {
	f.Add([]byte{0, 1, 1, 3, 2, 6, 3, 9, 4, 2, 5, 3, 0, 200}, []byte{1})
	f.Add([]byte{0, 255, 2, 255, 0, 3, 4, 6, 0, 9, 3, 1}, []byte{0, 3, 200})
	f.Fuzz(func(t *testing.T, script, cuts []byte) {
		steps := conversation(script)
		want, got := replay(steps, nil, nil), replay(steps, cuts, nil)
		if !slices.EqualFunc(want, got, same) {
			t.Errorf("cut otherwise, %d requests became %d:\n%v\n%v", len(want), len(got), lines(want), lines(got))
		}
	})
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
		all := replay(steps, nil, nil)
		for _, r := range replay(steps, cuts, func(piece int) bool { return dropped&(1<<(piece%32)) != 0 }) {
			if r.Messaging.API == "basic.ack" { // settles what was not seen
				continue
			}
			if !slices.ContainsFunc(all, func(w model.Request) bool { return agrees(&r, &w) }) {
				t.Errorf("of none: %s at %d-%d, %d-%d", describe(&r), r.Start, r.RequestEnd, r.ResponseStart, r.End)
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
	if g.API != w.API || got.Start != want.Start || !text(g.Destination, w.Destination) || !text(g.RoutingKey, w.RoutingKey) {
		return false
	}
	if got.Outcome == model.OutcomeIncomplete {
		return true
	}
	return (got.OneWay || got.ResponseStart == want.ResponseStart) && text(g.Error, w.Error) &&
		(g.BodyBytes == 0 || g.BodyBytes == w.BodyBytes) && (got.RequestBytes == want.RequestBytes)
}

// FuzzBytes feeds both directions with anything.
func FuzzBytes(f *testing.F) {
	f.Add(publish(1, "x", "y", 3), ack(1, 1, 1), true)
	f.Add(join([][]byte{protocolHeader, call(1, channelOpen, "")}), deliver(1, 1, "", "", "", 9), false)
	f.Fuzz(func(t *testing.T, asked, answered []byte, joined bool) {
		p := Spec().Setup(&protocol.Env{Emit: func(r *model.Request) {
			if r.End < r.Start {
				t.Errorf("ends before it starts: %s", describe(r))
			}
		}})(protocol.Start{Joined: joined})
		Probe(append(asked, 0))
		for i := range 3 {
			p.Feed(protocol.Sent, asked, time.Duration(2*i))
			p.Feed(protocol.Received, answered, time.Duration(2*i+1))
			p.Skip(protocol.Sent, uint64(i+1), time.Duration(2*i+1))
		}
		p.Close(protocol.Close{Time: 9, Reason: "connection_closed"})
		if p.Pending() != 0 {
			t.Errorf("%d requests left open", p.Pending())
		}
	})
}
