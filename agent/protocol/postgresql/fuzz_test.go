// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/testbed/begins"
)

// everything is all that was reported, but for the times.
func (o *observed) everything() string {
	var b strings.Builder
	for _, r := range o.got {
		r.Start, r.RequestEnd, r.ResponseStart, r.End = 0, 0, 0, 0
		d := *r.DB
		r.DB = nil
		fmt.Fprintf(&b, "%+v %+v\n", r, d)
	}
	return b.String()
}

// split cuts the data of steps into random pieces, single bytes when random is nil.
func split(steps []step, random *rand.Rand) []step {
	var out []step
	for _, s := range steps {
		for s.data != "" {
			n := 1
			if random != nil {
				n = 1 + random.IntN(len(s.data))
			}
			out = append(out, step{from: s.from, data: s.data[:n]})
			s.data = s.data[n:]
		}
		if s.skip > 0 {
			out = append(out, step{from: s.from, skip: s.skip})
		}
	}
	return out
}

// talk makes a random conversation in which the answer tells the request: request n names the table tn and returns or
// changes n rows.
type talk struct {
	random *rand.Rand
	steps  []step
	n      int
}

// ask returns a request and its answer.
func (k *talk) ask() (request, answer string) {
	k.n++
	n := k.n
	rows := ""
	for range k.random.IntN(3) {
		rows += row(strings.Repeat("v", k.random.IntN(40)))
	}
	text, tag := fmt.Sprintf("SELECT a FROM t%d", n), complete(fmt.Sprintf("SELECT %d", n))
	rows += row("x")
	if k.random.IntN(3) == 0 {
		text, tag, rows = fmt.Sprintf("UPDATE t%d SET a = 'x'", n), complete(fmt.Sprintf("UPDATE %d", n)), ""
	}
	switch k.random.IntN(4) {
	case 0:
		return parse("", text+" -- $1") + bind("", "") + describe("P", "") + execute("") + syncing, parsed + bound + noData + rows + tag + idle
	case 1:
		return query(text), errorResponse("ERROR", fmt.Sprintf("4%04d", n)) + idle
	case 2:
		name := fmt.Sprintf("s%d", n)
		return parse(name, text) + syncing + bind("", name) + execute("") + syncing, parsed + idle + bound + rows + tag + idle
	}
	return query(text), columns + rows + tag + idle
}

func (k *talk) converse(turns, batch int) {
	for range turns {
		requests, answers := "", ""
		for range 1 + k.random.IntN(batch) {
			r, a := k.ask()
			requests += r
			answers += a
		}
		k.steps = append(k.steps, req(requests), resp(answers))
	}
}

// overlap adds requests that do not wait for answers.
func (k *talk) overlap(turns int) {
	waiting := ""
	for range turns {
		r, a := k.ask()
		cut := k.random.IntN(len(waiting) + 1)
		if waiting != "" {
			k.steps = append(k.steps, resp(waiting[:cut]))
		}
		waiting = waiting[cut:] + a
		k.steps = append(k.steps, req(r))
	}
	k.steps = append(k.steps, resp(waiting))
}

// lossy cuts steps as a network would and loses runs of them from step from on.
func (k *talk) lossy(from int) []step {
	out := split(k.steps[:from], k.random)
	losing := 0
	for _, s := range split(k.steps[from:], k.random) {
		if losing == 0 && k.random.IntN(10) == 0 {
			losing = 1 + k.random.IntN(4)
		}
		if losing > 0 {
			losing--
			s = step{from: s.from, skip: uint64(len(s.data))}
		}
		out = append(out, s)
	}
	return out
}

func randomTalk(seed uint64) (*talk, []step) {
	k := &talk{random: rand.New(rand.NewPCG(seed, 3))}
	k.steps = append(k.steps, req(startup("user", "joe")), resp(authOK, idle))
	from := 2
	switch k.random.IntN(3) {
	case 0:
		k.converse(8, 1)
	case 1:
		k.converse(3, 3)
		from = len(k.steps)
		k.converse(6, 3)
	default:
		k.overlap(5)
		from = len(k.steps)
		k.overlap(6)
	}
	return k, k.lossy(from)
}

// checkAnswers wants each request to have its own answer or to be incomplete.
func checkAnswers(t *testing.T, k *talk, steps []step) {
	t.Helper()
	o := observe(true, false).run(steps...).close("connection_closed")
	begins.Known(t, observe(true, false).run(k.steps...).close("connection_closed").got, o.got, func(r *model.Request) string {
		if r.DB.QueryCut {
			return ""
		}
		return r.DB.Query
	})
	for i := range o.got {
		r := &o.got[i]
		n := -1
		for _, form := range []string{"SELECT a FROM t%d", "UPDATE t%d SET"} {
			fmt.Sscanf(r.DB.Query, form, &n)
		}
		if n < 0 || r.DB.QueryCut || r.DB.Command == commandParse {
			continue
		}
		if r.DB.RowsKnown && r.DB.Rows != int64(n) || r.DB.Status != "" && r.DB.Status != fmt.Sprintf("4%04d", n) {
			t.Fatalf("request %d: %s\nof\n%s\nsteps %v", n, line(r), o.lines(), steps)
		}
	}
}

func TestLossNeverMakesWrongRequests(t *testing.T) {
	for seed := range uint64(5000) {
		k, steps := randomTalk(seed)
		checkAnswers(t, k, steps)
	}
}

func FuzzLoss(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		k, steps := randomTalk(seed)
		checkAnswers(t, k, steps)
	})
}

// mangle flips bits, drops parts and repeats them.
func mangle(steps []step, random *rand.Rand) []step {
	var out []step
	for _, s := range steps {
		b := []byte(s.data)
		for len(b) > 0 && random.IntN(3) == 0 {
			b[random.IntN(len(b))] ^= 1 << random.IntN(8)
		}
		if len(b) > 0 && random.IntN(4) == 0 {
			n := random.IntN(len(b))
			out = append(out, step{from: s.from, data: string(b[:n])}, step{from: s.from, skip: 1 + random.Uint64N(50)})
			b = b[n:]
		}
		out = append(out, step{from: s.from, data: string(b), skip: s.skip})
	}
	return out
}

// difference shows the lines that one has and the other has not.
func difference(got, want string) string {
	var b strings.Builder
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		switch {
		case i >= len(g):
			fmt.Fprintf(&b, "missing %s\n", w[i])
		case i >= len(w):
			fmt.Fprintf(&b, "too much %s\n", g[i])
		case g[i] != w[i]:
			fmt.Fprintf(&b, "   got %s\n  want %s\n", g[i], w[i])
		}
	}
	return b.String()
}

// FuzzSplit cuts the same bytes otherwise, damaged ones as well: the same requests must come out.
func FuzzSplit(f *testing.F) {
	for i := range uint64(6) {
		f.Add(i, i%2 == 0, []byte(nil))
	}
	f.Add(uint64(7), true, []byte(errorResponse("ERROR", "42P01")+idle))
	f.Fuzz(func(t *testing.T, seed uint64, joined bool, extra []byte) {
		random := rand.New(rand.NewPCG(seed, 5))
		k, _ := randomTalk(seed)
		steps := k.steps
		if joined {
			steps = steps[random.IntN(len(steps)):]
			if s := &steps[0]; len(s.data) > 0 {
				s.data = s.data[random.IntN(len(s.data)):]
			}
		}
		if random.IntN(2) == 0 {
			steps = mangle(steps, random)
		}
		steps = append(steps, resp(string(extra)))
		want := observe(true, joined).run(steps...).close("timeout").everything()
		for i, pieces := range [][]step{split(steps, nil), split(steps, random)} {
			if got := observe(true, joined).run(pieces...).close("timeout").everything(); got != want {
				t.Fatalf("pieces %d of %v:\n%s", i, steps, difference(got, want))
			}
		}
	})
}

// FuzzAny feeds anything: nothing may break, and what is kept stays bounded.
func FuzzAny(f *testing.F) {
	f.Add([]byte(startup("user", "joe")+query("SELECT 1")), []byte(authOK+idle+columns+complete("SELECT 1")+idle), uint64(1))
	f.Add([]byte(parse("a", "b")+bind("", "a")+execute("")+syncing), []byte(parsed+bound+suspended+idle), uint64(2))
	f.Fuzz(func(t *testing.T, client, server []byte, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 4))
		o := observe(random.IntN(2) == 0, random.IntN(2) == 0)
		for len(client) > 0 || len(server) > 0 {
			s, p := step{from: ">"}, &client
			if random.IntN(2) == 0 {
				s.from, p = "<", &server
			}
			if random.IntN(8) == 0 {
				s.skip = 1 + random.Uint64N(20)
			}
			n := random.IntN(len(*p) + 1)
			s.data, *p = string((*p)[:n]), (*p)[n:]
			o.run(s)
			if o.parser.Pending() > MaxPending || len(o.parser.tail.kept) > 4096+tailSize {
				t.Fatal("over the limit")
			}
		}
		o.close("timeout")
		if o.parser.Fit() == protocol.FitNo && len(o.got) > 0 {
			t.Fatal("reported what is not its own")
		}
		if o.parser.Fit() != protocol.FitNo && o.parser.Pending() != 0 {
			t.Fatal("open after close")
		}
		for _, r := range o.got {
			if r.End < r.Start || r.DB == nil || r.Role == 0 {
				t.Fatal(line(&r))
			}
		}
		o.parser.Release()
		o.open(protocol.Start{})
	})
}
