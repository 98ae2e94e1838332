// SPDX-License-Identifier: Apache-2.0

package dns

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// everything is all that was reported, but for the times, and sorted out by nothing.
func (o *observed) everything() string {
	var b strings.Builder
	for _, r := range o.got {
		r.Start, r.RequestEnd, r.ResponseStart, r.End = 0, 0, 0, 0
		d := *r.DNS
		r.DNS = nil
		fmt.Fprintf(&b, "%+v %+v\n", r, d)
	}
	return b.String()
}

// step is what one side sent.
type step struct {
	dir  protocol.Dir
	data []byte
}

// script turns fuzzed bytes into steps: two bytes of direction and length, and so many bytes.
func script(in []byte) (steps []step) {
	for len(in) > 2 {
		n := min(int(in[1]), len(in)-2)
		steps = append(steps, step{protocol.Dir(in[0] & 1), in[2 : 2+n]})
		in = in[2+n:]
	}
	return steps
}

func scripted(steps ...step) (out []byte) {
	for _, s := range steps {
		out = append(append(out, byte(s.dir), byte(len(s.data))), s.data...)
	}
	return out
}

func seeds(f *testing.F) {
	q, r := a(1, "a.example."), answer(1, "a.example.", dnsmessage.TypeA, 0, one, two)
	f.Add(scripted(step{sent, framed(q)}, step{received, framed(r)}))
	f.Add(scripted(step{sent, framed(q, a(2, "b.example."))}, step{received, framed(ok(2, "b.example."), r)}))
	f.Add(scripted(step{received, framed(r)}, step{sent, framed(q)}, step{sent, framed(q)}))
	f.Add(scripted(step{sent, q}, step{received, r}))
}

// FuzzSplit: cutting the bytes of a turn otherwise changes nothing.
func FuzzSplit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		whole := observe(t, TCP(), protocol.Start{})
		for _, s := range script(in) {
			whole.feed(s.dir, s.data)
		}
		whole.close("timeout")
		random := rand.New(rand.NewPCG(1, uint64(len(in))))
		for _, most := range []int{1, 40} {
			cut := observe(t, TCP(), protocol.Start{})
			for _, s := range script(in) {
				cut.now += ms
				for p := s.data; len(p) > 0; {
					n := min(1+random.IntN(most), len(p))
					cut.parser.Feed(s.dir, p[:n], cut.now)
					p = p[n:]
				}
			}
			if got := cut.close("timeout").everything(); got != whole.everything() {
				t.Errorf("cut into at most %d:\n%s\nwhole:\n%s", most, got, whole.everything())
			}
		}
	})
}

// FuzzLoss: with bytes missing, no request has an answer that another has when nothing is missing. Each query has a name of
// its own, which its answer repeats in its record.
func FuzzLoss(f *testing.F) {
	f.Add(uint64(1), uint8(3))
	f.Fuzz(func(t *testing.T, seed uint64, n uint8) {
		random := rand.New(rand.NewPCG(seed, 2))
		o := observe(t, TCP(), protocol.Start{})
		pass := func(d protocol.Dir, p []byte) {
			for len(p) > 0 {
				n := 1 + random.IntN(len(p))
				if random.IntN(4) == 0 {
					o.skip(d, uint64(n))
				} else {
					o.feed(d, p[:n])
				}
				p = p[n:]
			}
		}
		for i := range int(n % 32) {
			name := fmt.Sprintf("n%d.example.", i)
			txt := &dnsmessage.TXTResource{TXT: []string{name}}
			pass(sent, framed(query(uint16(i+1), name, dnsmessage.TypeTXT)))
			pass(received, framed(answer(uint16(i+1), name, dnsmessage.TypeTXT, 0, txt)))
		}
		o.close("connection_closed")
		if len(o.got) > int(n%32) {
			t.Errorf("%d requests of %d", len(o.got), n%32)
		}
		for _, r := range o.got {
			if len(r.DNS.Answers) > 0 && r.DNS.Answers[0] != fmt.Sprintf("%q", r.DNS.Name+".") {
				t.Errorf("%s was given %s", r.DNS.Name, r.DNS.Answers[0])
			}
		}
	})
}

// FuzzMessage holds the reading of messages against another reader: what it can read has the same question and answers.
func FuzzMessage(f *testing.F) {
	f.Add(answer(1, "a.example.", dnsmessage.TypeA, 0, one, two))
	f.Add(answer(1, "a.example.", dnsmessage.TypeMX, 3, &dnsmessage.MXResource{Pref: 1, MX: dnsmessage.MustNewName("b.a.example.")}))
	f.Fuzz(func(t *testing.T, p []byte) {
		o := observe(t, UDP(), protocol.Start{}).feed(received, p).close("timeout")
		for i := range o.got {
			invariants(t, &o.got[i])
		}
		var other dnsmessage.Message
		if other.Unpack(p) != nil || len(other.Questions) == 0 || !other.Response {
			return
		}
		var m message
		if s := m.read(p); s != protocol.Done {
			t.Fatalf("state %d of %+v", s, other)
		}
		q := other.Questions[0]
		if name := plain(q.Name); name != "" && string(m.name) != name || m.typ != uint16(q.Type) {
			t.Errorf("%s %d, want %s %d", m.name, m.typ, q.Name, q.Type)
		}
		c, n := m.cursor(), 0
		for r, ok := c.next(); ok && r.section == answers; r, ok = c.next() {
			n++
		}
		if n != len(other.Answers) && c.state != protocol.NeedMore { // the other does not mind data that go on behind the message
			t.Errorf("%d answers, want %d", n, len(other.Answers))
		}
	})
}

// plain returns a name without the final dot, "" when it has characters that are escaped.
func plain(n dnsmessage.Name) string {
	s := n.String()
	if s == "." {
		return s
	}
	for _, b := range []byte(s) {
		if b <= ' ' || b >= 0x7f || b != '.' && special(b) {
			return ""
		}
	}
	s = strings.TrimSuffix(s, ".")
	return s
}

func invariants(t *testing.T, r *model.Request) {
	t.Helper()
	d := r.DNS
	if len(d.Answers) > MaxAnswers || len(d.Answers) != len(d.TTLs) || len(d.Addrs) > len(d.Answers) || d.Type == "" || d.Class == "" || d.Opcode == "" {
		t.Errorf("%+v", d)
	}
	for _, s := range append(d.Answers, d.Name) {
		if strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c >= 0x7f }) {
			t.Errorf("%q has bytes that do not print", s)
		}
	}
}

// TestRandomBytesAreNotClaimed measures what the probes claim of bytes that are no DNS: random ones, and such as binary
// protocols have, mostly zeros and ones.
func TestRandomBytesAreNotClaimed(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const rounds = 500_000
	for _, kind := range []struct {
		name string
		most int // claims
		make func() byte
	}{
		{"random", 0, func() byte { return byte(random.Uint32()) }},
		{"sparse", rounds / 1000, func() byte {
			if random.IntN(4) > 0 {
				return byte(random.IntN(2))
			}
			return byte(random.Uint32())
		}},
	} {
		claimed := map[string]int{}
		p := make([]byte, 64)
		for range rounds {
			for i := range p {
				p[i] = kind.make()
			}
			for name, g := range map[string]protocol.Guess{"UDP": probeUDP(p), "TCP": probeTCP(p)} {
				if g == protocol.GuessRequest || g == protocol.GuessResponse {
					claimed[name]++
				}
			}
		}
		t.Logf("%s: of %d claimed %v", kind.name, rounds, claimed)
		if claimed["UDP"] > kind.most || claimed["TCP"] > kind.most {
			t.Errorf("%s: claimed %v of %d", kind.name, claimed, rounds)
		}
	}
}

func benchmark(b *testing.B, spec protocol.Spec, frame func(p ...[]byte) []byte) {
	parser := spec.Setup(&protocol.Env{Emit: func(*model.Request) {}})(protocol.Start{})
	q, r := frame(a(1, "www.a.example.")), frame(answer(1, "www.a.example.", dnsmessage.TypeA, 0, one, two))
	b.ReportAllocs()
	var now time.Duration
	for b.Loop() {
		now += ms
		parser.Feed(sent, q, now)
		parser.Feed(received, r, now)
	}
}

func BenchmarkUDP(b *testing.B) { benchmark(b, UDP(), func(p ...[]byte) []byte { return p[0] }) }
func BenchmarkTCP(b *testing.B) { benchmark(b, TCP(), framed) }
