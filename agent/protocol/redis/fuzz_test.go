// SPDX-License-Identifier: Apache-2.0

package redis

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

// talk is a conversation whose answers tell by their size, or by their error, which command they belong to.
type talk struct {
	random *rand.Rand
	n      int
	steps  []step
	want   map[string]string // answer by query
}

func newTalk(seed uint64) *talk {
	return &talk{random: rand.New(rand.NewPCG(seed, 1)), want: map[string]string{}}
}

// ask makes a command and its answer.
func (k *talk) ask() (command, answer string) {
	k.n++
	key := fmt.Sprintf("k%d", k.n)
	size := 20 + k.n
	switch k.random.IntN(5) {
	case 0:
		k.want["GET "+key] = fmt.Sprintf("ok  %d", len(bulk(strings.Repeat("v", size))))
		return array("GET", key), bulk(strings.Repeat("v", size))
	case 1:
		answer = fmt.Sprintf("-E%d %s\r\n", k.n, strings.Repeat("e", size))
		k.want["INCR "+key] = fmt.Sprintf("error E%d %d", k.n, len(answer))
		return array("INCR", key), answer
	case 2:
		answer = array(strings.Fields(strings.Repeat("* ", size))...)
		k.want["LRANGE "+key+" ? ?"] = fmt.Sprintf("ok  %d", len(answer))
		return array("LRANGE", key, "0", "-1"), answer
	case 3:
		answer = ":" + strings.Repeat("0", size) + "\r\n"
		k.want["RPUSH "+key+strings.Repeat(" ?", 20)] = fmt.Sprintf("ok  %d", len(answer))
		return array(append([]string{"RPUSH", key}, strings.Fields(strings.Repeat("* ", 20))...)...), answer
	}
	answer = "+" + strings.Repeat("O", size) + "\r\n"
	k.want["SET "+key+" ?"] = fmt.Sprintf("ok  %d", len(answer))
	return array("SET", key, strings.Repeat("x", k.random.IntN(300))), answer
}

// converse adds n turns of a client that waits.
func (k *talk) converse(n, batch int) {
	for range n {
		var asked, answered string
		for range 1 + k.random.IntN(batch) {
			c, a := k.ask()
			asked, answered = asked+c, answered+a
		}
		k.steps = append(k.steps, req(asked), resp(answered))
	}
}

// overlap adds turns of a client that does not wait.
func (k *talk) overlap(n int) {
	var late string
	for range n {
		c, a := k.ask()
		k.steps = append(k.steps, req(c))
		if late != "" {
			k.steps = append(k.steps, resp(late))
		}
		late = a
	}
	k.steps = append(k.steps, resp(late))
}

// split cuts each step into pieces.
func (k *talk) split(steps []step) (out []step) {
	for _, s := range steps {
		for p := s.data; len(p) > 0; {
			n := 1 + k.random.IntN(len(p))
			out = append(out, step{server: s.server, data: p[:n]})
			p = p[n:]
		}
	}
	return out
}

// drop loses some of the pieces behind from.
func (k *talk) drop(steps []step, from int) []step {
	out := append([]step{}, steps...)
	for i := from; i < len(out); i++ {
		if k.random.IntN(8) == 0 {
			out[i] = step{server: out[i].server, skip: uint64(len(out[i].data))}
		}
	}
	return out
}

// check holds that no request has the answer to another.
func (k *talk) check(t *testing.T, o *observed) {
	t.Helper()
	for _, r := range o.all {
		want, ok := k.want[r.DB.Query]
		if r.Outcome == model.OutcomeIncomplete || r.DB.QueryCut {
			continue
		}
		if got := fmt.Sprintf("%s %s %d", r.Outcome, r.DB.Status, r.ResponseBytes); !ok || got != want {
			t.Errorf("%s: got %s, want %s; all\n%s", r.DB.Query, got, want, o.lines())
		}
	}
}

func TestCutsChangeNothing(t *testing.T) {
	for seed := range uint64(500) {
		checkSplit(t, seed)
	}
}

func checkSplit(t *testing.T, seed uint64) {
	k := newTalk(seed)
	k.converse(6, 4)
	k.overlap(4)
	whole := observe(false).run(k.steps...).close()
	if got := observe(false).run(k.split(k.steps)...).close(); got.lines() != whole.lines() || !slices.Equal(begins.Positions(got.all), begins.Positions(whole.all)) {
		t.Fatalf("seed %d, in pieces\n%s\nwhole\n%s", seed, got.lines(), whole.lines())
	}
	if len(whole.all) != k.n {
		t.Fatalf("%d requests, want %d", len(whole.all), k.n)
	}
	k.check(t, whole)
}

// randomTalk is a conversation with losses: of a client that waits, or of one that is known not to.
func randomTalk(seed uint64) (*talk, []step, bool) {
	k := newTalk(seed)
	if k.random.IntN(2) == 0 {
		k.converse(8, 4)
		steps := k.split(k.steps)
		joined := k.random.IntN(2) == 0
		return k, k.drop(steps, 0), joined
	}
	k.overlap(3)
	from := len(k.split(k.steps))
	k.overlap(8)
	steps := k.split(k.steps)
	return k, k.drop(steps, min(from+40, len(steps))), false
}

// call tells requests apart by what they ask for.
func call(r *model.Request) string {
	if r.DB.QueryCut {
		return ""
	}
	return r.DB.Query
}

func TestLossNeverMakesWrongRequests(t *testing.T) {
	for seed := range uint64(2000) {
		k, steps, joined := randomTalk(seed)
		o := observe(joined).run(steps...).close()
		begins.Known(t, observe(false).run(k.steps...).close().all, o.all, call)
		if k.check(t, o); t.Failed() {
			for _, s := range steps {
				t.Logf("%v %d %q", s.server, s.skip, s.data)
			}
			return
		}
	}
}

func FuzzLoss(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		checkSplit(t, seed)
		k, steps, joined := randomTalk(seed)
		k.check(t, observe(joined).run(steps...).close())
	})
}

// FuzzAny feeds anything: nothing may break, what is kept stays bounded, and cuts change nothing.
func FuzzAny(f *testing.F) {
	f.Add([]byte(array("GET", "a")+"PING\r\n"), []byte("$1\r\na\r\n+PONG\r\n"), uint64(1))
	f.Add([]byte("SUBSCRIBE a\r\nMONITOR\r\nPSYNC\r\n"), []byte("*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n|1\r\n+a\r\n:1\r\n*?\r\n.\r\n"), uint64(2))
	f.Fuzz(func(t *testing.T, client, server []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 4))
		var steps []step
		for len(client) > 0 || len(server) > 0 {
			s := step{server: random.IntN(2) == 0}
			p := &client
			if s.server {
				p = &server
			}
			if random.IntN(8) == 0 {
				steps = append(steps, step{server: s.server, skip: 1 + random.Uint64N(20)})
			}
			n := random.IntN(len(*p) + 1)
			s.data, *p = string((*p)[:n]), (*p)[n:]
			if n > 0 {
				steps = append(steps, s)
			}
		}
		joined := random.IntN(2) == 0
		o := observe(joined).run(steps...)
		c := o.parser.(*conn)
		if len(c.first) > maxFirst || len(c.requests.line.buf) > maxInline || len(c.replies.line.buf) > maxLine || len(c.replies.levels) > MaxDepth || len(c.requests.draft.query) > MaxQuery {
			t.Fatal("over the limit")
		}
		var cut []step
		for _, s := range steps {
			if s.skip > 0 {
				cut = append(cut, s)
			}
			for i := range len(s.data) {
				cut = append(cut, step{server: s.server, data: s.data[i : i+1]})
			}
		}
		if got := observe(joined).run(cut...).close(); got.lines() != o.close().lines() || !slices.Equal(begins.Positions(got.all), begins.Positions(o.all)) {
			t.Fatalf("byte by byte\n%s\nwhole\n%s", got.lines(), o.lines())
		}
		for _, r := range o.all {
			if r.End < r.Start || r.DB == nil || len(r.DB.Query) > MaxQuery || r.Protocol != model.ProtocolRedis || o.parser.Fit() != protocol.FitYes {
				t.Fatal(show(&r))
			}
		}
	})
}
