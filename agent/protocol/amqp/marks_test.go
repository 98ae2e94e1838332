// SPDX-License-Identifier: Apache-2.0

package amqp

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

// record plays steps and returns what was reported and the steps as a recording of them holds them.
func record(steps []step) (lines []string, again []step, r *tape) {
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
	body := append(append(call(1, basicPublish, int16(0), "x", "k", int8(0)), message(1, 0, 1)[:headBytes+4]...), 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, endOctet)
	body = append(body, frame(typeBody, 1, []byte(secret))...)
	steps := opened(
		up(body),
		up(call(1, queueDeclare, int16(0), "q", int8(0), []byte(secret))), down(call(1, queueDeclareOK, "q", int32(0), int32(0))),
		up(call(1, exchangeDeclare, int16(0), "e", "fanout", int8(0), []byte(nil))), down(call(1, channelClose, int16(406), secret, int16(40), int16(10))), up(ok(1, channelClose)),
	)
	want, again, r := record(steps)
	if len(want) != opening+4 {
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
	f.Add([]byte{0, 1, 1, 3, 2, 6, 3, 9, 4, 2, 5, 3, 0, 200})
	f.Fuzz(func(t *testing.T, script []byte) {
		want, again, _ := record(conversation(script))
		if got := run(protocol.Start{}, again...); !slices.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
