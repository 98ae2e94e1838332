// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// tape is a recording in memory.
type tape struct {
	sent, hidden [2][]byte // what passed, and where it is hidden
	settled      [2]uint64
}

func (r *tape) Hide(d protocol.Dir, from, to uint64, _ protocol.Filler) {
	for i := from; i < to && i < uint64(len(r.hidden[d])); i++ {
		r.hidden[d][i] = 1
	}
}

func (r *tape) Replace(d protocol.Dir, at uint64, with []byte) {
	r.Hide(d, at, at+uint64(len(with)), protocol.FillAll)
}

func (r *tape) Settle(d protocol.Dir, upTo uint64) { r.settled[d] = max(r.settled[d], upTo) }

// written returns what the recording holds of a direction.
func (r *tape) written(d protocol.Dir) []byte {
	p := slices.Clone(r.sent[d][:min(uint64(len(r.sent[d])), r.settled[d])])
	for i := range p {
		if r.hidden[d][i] != 0 {
			p[i] = 'x'
		}
	}
	return p
}

// taped plays steps and returns what was reported and the steps as a recording of them holds them.
func taped(steps []step) (lines []string, again []step, r *tape) {
	r = &tape{}
	for _, s := range steps {
		r.sent[s.dir] = append(r.sent[s.dir], s.p...)
		r.hidden[s.dir] = append(r.hidden[s.dir], make([]byte, len(s.p))...)
	}
	p := Spec().Setup(&protocol.Env{Marks: r, Emit: func(q *model.Request) { lines = append(lines, describe(q)) }})(protocol.Start{})
	for i, s := range steps {
		p.Feed(s.dir, s.p, time.Duration(i))
	}
	p.Close(protocol.Close{Reason: "connection_closed"})
	var at [2]int
	for _, s := range steps {
		w := r.written(s.dir)
		again = append(again, step{dir: s.dir, p: w[min(len(w), at[s.dir]):min(len(w), at[s.dir]+len(s.p))]})
		at[s.dir] += len(s.p)
	}
	return lines, again, r
}

func TestRecordingSaysTheSameWithoutSecrets(t *testing.T) {
	secret := "s3cret"
	batch := append(batch(2, 0, 0), secret...)
	batch[11] += byte(len(secret))
	steps := []step{
		up(request(17, 0, 1, "app").str("PLAIN").framed()), down(response(1).i16(0).i32(0).framed()),
		up(new(builder).bytes([]byte("\x00user\x00" + secret)).b), down(new(builder).bytes([]byte(secret)).b),
		up(request(36, 0, 2, "app").bytes([]byte("\x00user\x00" + secret)).framed()), down(response(2).i16(58).str(secret).i32(0).framed()),
		up(produce(3, 1, "orders", batch)), down(produced(3, 0, 42, "orders")),
		up(produce(4, 1, "orders", append(batch, make([]byte, 20000)...)[:20000])), down(produced(4, 0, 42, "orders")),
		up(request(19, 0, 5, "app").i32(1).str("new").i32(1).i16(1).i32(0).i32(1).str("k").str(secret).i32(9).framed()), down(response(5).i32(1).str("new").i16(0).framed()),
		up(request(95, 0, 6, "app").str(secret).framed()), down(response(6).str(secret).framed()),
		up(request(12, 4, 7, "app").i8(0).compact("grp").i32(1).compact("m").i8(0).uvarint(1).uvarint(9).compact(secret).framed()), down(response(99).str(secret).framed(), response(7).i8(0).i32(0).i16(0).i8(0).framed()),
	}
	want, again, r := taped(steps)
	if len(want) != 7 {
		t.Fatalf("%d requests", len(want))
	}
	if got := run(protocol.Start{}, again...); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for d := range r.sent {
		if bytes.Contains(r.written(protocol.Dir(d)), []byte(secret)) {
			t.Errorf("a secret in direction %d", d)
		}
		if r.settled[d] != uint64(len(r.sent[d])) {
			t.Errorf("%d of %d bytes written in direction %d", r.settled[d], len(r.sent[d]), d)
		}
	}
}

func FuzzRecording(f *testing.F) {
	f.Add([]byte{0, 1, 1, 3, 2, 6, 3, 9, 4, 2, 5, 3})
	f.Fuzz(func(t *testing.T, script []byte) {
		want, again, _ := taped(conversation(script))
		if got := run(protocol.Start{}, again...); !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
