// SPDX-License-Identifier: Apache-2.0

package detect

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// toy is a protocol of lines: "<tag>?text" asks and "<tag>!text" answers. It claims all lines that begin with claim, which
// may be less than its tag, and believes that it was meant after so many good lines.
type toy struct {
	tag, claim string
	proof      int
	maybe      bool // it is never sure of the first bytes
	first      bool // its servers never speak first
	patient    bool // lines of others are passed over
	transport  model.Transport
}

func (y *toy) spec() protocol.Spec {
	return protocol.Spec{
		Protocol: model.Protocol(y.tag[len(y.tag)-1] - 'a' + 1), Transport: y.transport, Names: []string{y.tag}, ClientFirst: y.first, Probe: y.probe,
		Setup: func(env *protocol.Env) func(protocol.Start) protocol.Parser {
			return func(s protocol.Start) protocol.Parser { return &toyConn{toy: y, env: env, start: s, asker: s.Client} }
		},
	}
}

func (y *toy) probe(p []byte) protocol.Guess {
	n := min(len(p), len(y.claim))
	switch {
	case string(p[:n]) != y.claim[:n]:
		return protocol.GuessNo
	case n < len(y.claim) || y.maybe || !bytes.ContainsAny(p, "?!"):
		return protocol.GuessMaybe
	case p[bytes.IndexAny(p, "?!")] == '!':
		return protocol.GuessResponse
	}
	return protocol.GuessRequest
}

// toyConn parses a toy.
type toyConn struct {
	toy      *toy
	env      *protocol.Env
	start    protocol.Start
	asker    protocol.Dir
	buf      [2]string
	asked    []model.Request
	good     int
	fit      protocol.Fit
	released bool
}

func (c *toyConn) Feed(d protocol.Dir, p []byte, t time.Duration) {
	if c.fit == protocol.FitNo {
		panic("fed after FitNo")
	}
	c.buf[d] += string(p)
	for {
		line, rest, ok := strings.Cut(c.buf[d], "\n")
		if !ok {
			return
		}
		c.buf[d] = rest
		c.line(d, line, t)
	}
}

func (c *toyConn) line(d protocol.Dir, line string, t time.Duration) {
	text, ok := strings.CutPrefix(line, c.toy.tag)
	ok = ok && text != "" && strings.Contains("?!", text[:1])
	switch {
	case !ok && c.fit == protocol.FitOpen && !c.toy.patient && !strings.HasPrefix(line, "garbage"):
		c.fit = protocol.FitNo
		return
	case !ok:
		return
	}
	if c.good++; c.good >= c.toy.proof {
		c.fit = protocol.FitYes
	}
	if text[0] == '?' {
		c.asker = d
		c.asked = append(c.asked, model.Request{ErrorType: line, Start: t})
		return
	}
	if len(c.asked) == 0 {
		return
	}
	r := c.asked[0]
	c.asked = c.asked[1:]
	r.Reason, r.End, r.Role = line, t, protocol.RoleOf(c.asker)
	if c.start.Joined {
		r.Reason += " joined"
	}
	if c.fit == protocol.FitOpen {
		c.fit = protocol.FitYes
	}
	c.env.Emit(&r)
}

func (c *toyConn) Skip(d protocol.Dir, _ uint64, _ time.Duration) { c.buf[d] = "" }
func (c *toyConn) EOF(d protocol.Dir, _ time.Duration)            { c.buf[d] += "eof " }
func (c *toyConn) Close(e protocol.Close) {
	for _, r := range c.asked {
		r.Reason, r.Outcome = e.Reason, model.OutcomeIncomplete
		c.env.Emit(&r)
	}
	c.asked = nil
}
func (c *toyConn) Pending() int      { return len(c.asked) }
func (c *toyConn) Fit() protocol.Fit { return c.fit }
func (c *toyConn) Release() {
	if c.released {
		panic("released twice")
	}
	c.released = true
}

// conversation runs steps on an engine of toys: "> text" goes one way and "< text" the other; "skip" and "abandon" speak for
// themselves.
type conversation struct {
	engine *Engine
	conn   *Conn
	now    time.Duration
	got    []string
}

func talk(transport model.Transport, joined bool, toys ...*toy) *conversation {
	v := &conversation{}
	var specs []protocol.Spec
	for _, y := range toys {
		specs = append(specs, y.spec())
	}
	v.engine = New(specs, func(r *model.Request) { v.got = append(v.got, fmt.Sprintf("%s=%s", r.ErrorType, r.Reason)) }, nil)
	v.conn = v.engine.Conn(transport, joined)
	return v
}

func (v *conversation) run(steps ...string) *conversation {
	for _, s := range steps {
		v.now += time.Millisecond
		d := protocol.Sent
		if s[0] == '<' {
			d = protocol.Received
		}
		switch text := s[2:]; {
		case text == "abandon":
			v.conn.Abandon(v.now)
		case strings.HasPrefix(text, "skip"):
			v.conn.Skip(d, uint64(len(text)), v.now)
		case text == "eof":
			v.conn.EOF(d, v.now)
		default:
			v.conn.Feed(d, []byte(text), v.now)
		}
	}
	return v
}

func (v *conversation) close() *conversation {
	v.conn.Close(protocol.Close{Time: v.now, Reason: "end"})
	return v
}

var (
	xa = &toy{tag: "xa", claim: "x", proof: 1}             // claims what is xb's as well
	xb = &toy{tag: "xb", claim: "xb", proof: 1}            //
	xc = &toy{tag: "xc", claim: "x", proof: 1}             // is only asked when xa refuses
	xm = &toy{tag: "m", claim: "m", proof: 1, maybe: true} // is never sure
	xn = &toy{tag: "mn", claim: "mn", proof: 1}            // begins like it
	xs = &toy{tag: "s", claim: "s", proof: 1 << 30}        // is never convinced
)

func TestProtocolIsFoundByItsBytes(t *testing.T) {
	turns := func(n int, steps ...string) (out []string) {
		for range n {
			out = append(out, steps...)
		}
		return out
	}
	for _, test := range []struct {
		name  string
		toys  []*toy
		steps []string
		want  string
	}{
		{"at once", []*toy{xb}, []string{"> xb?1\n", "< xb!1\n"}, "xb?1=xb!1"},
		{"a wrong guess is corrected, and everything played to the next", []*toy{xa, xb}, []string{"> xb?1\nxb?2\n", "< xb!1\nxb!2\n"}, "xb?1=xb!1 xb?2=xb!2"},
		{"two wrong guesses", []*toy{xa, xc, xb}, []string{"> xb?1\n", "< xb!1\n"}, "xb?1=xb!1"},
		{"a wrong guess that shows late", []*toy{{tag: "xa", claim: "x", proof: 3}, xb}, []string{"> x", "> b?1\n", "< xb!1\n"}, "xb?1=xb!1"},
		{"a wrong guess that shows in the answer", []*toy{{tag: "garbage", claim: "g", proof: 2}, xb}, []string{"> garbage?\n", "< xb!0\n", "> xb?2\n", "< xb!2\n"}, "xb?2=xb!2"},
		{"who explains the first turn is not given up for another turn", []*toy{{tag: "x", claim: "x", proof: 9}, {tag: "x", claim: "x", proof: 3, patient: true}, {tag: "o", claim: "o", proof: 9, patient: true}},
			[]string{"> x?1\n", "< o!\n", "> x?2\n", "< x!1\nx!2\n"}, "x?1=x!1 x?2=x!2"},
		{"who may be meant gives way to who is certain of a later turn", []*toy{{tag: "m", claim: "m", maybe: true, proof: 9, patient: true}, xb}, []string{"< my answer\n", "> xb", "> ?1\n", "< xb!1\n"}, "xb?1=xb!1 joined"},
		{"and stays who proved itself", []*toy{{tag: "m", claim: "m", maybe: true, proof: 1, patient: true}, xb}, []string{"> m?1\n", "< xb!1\nm!1\n"}, "m?1=m!1"},
		{"the server greets", []*toy{xb}, []string{"< xb!hello\n", "> xb?1\n", "< xb!1\n"}, "xb?1=xb!1"},
		{"a greeting of a protocol that has none", []*toy{{tag: "xb", claim: "xb", proof: 1, first: true}}, []string{"< xb!hello\n", "> garbage\n", "< xb!0\n", "> xb?1\n", "< xb!1\n"}, "xb?1=xb!1"},
		{"an answer explains the question that nobody claimed", []*toy{xb}, []string{"> garbage\n", "< xb!0\n", "> xb?1\n", "< xb!1\n"}, "xb?1=xb!1"},
		{"an answer that is claimed by the wrong one first", []*toy{xa, xb}, []string{"> garbage\n", "< xb!0\n", "> xb?1\n", "< xb!1\n"}, "xb?1=xb!1"},
		{"garbage, then a request", []*toy{xb}, []string{"> garbage\n", "< trash\n", "> xb?1\n", "< xb!1\n"}, "xb?1=xb!1 joined"},
		{"a turn behind a gap is no beginning", []*toy{xb}, []string{"> skip", "> xb?0\n", "< trash\n", "> xb?1\n", "< xb!1\n"}, "xb?1=xb!1 joined"},
		{"a gap behind the beginning", []*toy{xb}, []string{"> xb?1\nsome", "> skip", "< xb!1\n"}, "xb?1=xb!1"},
		{"who may be meant is tried when the turn ends", []*toy{xm}, []string{"> m?1\n", "< m!1\n"}, "m?1=m!1"},
		{"who is sure comes before who may be", []*toy{xm, xn}, []string{"> m", "> n?1\n", "< mn!1\n"}, "mn?1=mn!1"},
		{"who may be meant and is not", []*toy{xm, {tag: "mz", claim: "mz", proof: 1, maybe: true}}, []string{"> mz?1\n", "< mz!1\n"}, "mz?1=mz!1"},
		{"a connection of nothing known", []*toy{xa, xb}, turns(100, "> hello\n", "< world\n"), ""},
		{"a request after many turns of something else", []*toy{xb}, append(turns(100, "> hello\n", "< world\n"), "> xb?1\n", "< xb!1\n"), "xb?1=xb!1 joined"},
		{"the same in pieces", []*toy{xb}, append(turns(100, "> hello\n", "< world\n"), "> x", "> b", "> ?1\n", "< xb!", "< 1\n"), "xb?1=xb!1 joined"},
		{"a long turn of something else, then a request", []*toy{xb}, []string{"> " + strings.Repeat("z", 3*MaxKept), "< " + strings.Repeat("z", 3*MaxKept), "> xb?1\n", "< xb!1\n"}, "xb?1=xb!1 joined"},
		{"a first turn longer than what is kept", []*toy{xb}, []string{"> xb?" + strings.Repeat("z", 3*MaxKept) + "\n", "< xb!1\n"}, "xb?" + strings.Repeat("z", 3*MaxKept) + "=xb!1"},
		{"who is not convinced gets the connection when it is too long to keep", []*toy{xs}, append([]string{"> s?1\ns?" + strings.Repeat("z", MaxKept) + "\n"}, "< s!1\n"), "s?1=s!1 s?" + strings.Repeat("z", MaxKept) + "=end"},
		{"and loses it when it never is", []*toy{{tag: "s", claim: "s", proof: 1 << 30}, xb}, append(append([]string{"> sgarbage" + strings.Repeat("z", MaxKept)}, turns(MaxTurns+2, "> z", "< z")...), "> xb?1\n", "< xb!1\n"), "xb?1=xb!1 joined"},
		{"and loses it when it finds out", []*toy{xs, xb}, []string{"> s?" + strings.Repeat("z", MaxKept), "> \nother\n", "< s!\n", "> xb?1\n", "< xb!1\n"}, "xb?1=xb!1 joined"},
		{"the end of the connection is told", []*toy{xb}, []string{"> xb?1\n", "> eof"}, "xb?1=end"},
		{"the end of the connection is the end of a turn", []*toy{xm}, []string{"> m?1\n"}, "m?1=end"},
		{"at the end the next one gets a chance", []*toy{xm, {tag: "mz", claim: "mz", proof: 1, maybe: true}}, []string{"> mz?1\n"}, "mz?1=end"},
		{"records were lost", []*toy{xb}, []string{"> xb?1\n", "< xb!1\n", "> xb?2\n", "> abandon", "> xb?3\n", "< xb!3\n"}, "xb?1=xb!1 xb?2=lost xb?3=xb!3 joined"},
		{"records were lost before anything was known", []*toy{xb}, []string{"> x", "> abandon", "> b?1\n", "< trash", "> xb?3\n", "< xb!3\n"}, "xb?3=xb!3 joined"},
	} {
		t.Run(test.name, func(t *testing.T) {
			v := talk(model.TransportTCP, false, test.toys...).run(test.steps...).close()
			if got := strings.Join(v.got, " "); got != test.want {
				t.Errorf("got %.200q\nwant %.200q", got, test.want)
			}
			if len(v.conn.kept) > MaxKept+MaxProbe {
				t.Errorf("%d bytes kept", len(v.conn.kept))
			}
			v.conn.Release()
		})
	}
}

func TestDatagramsAreTurns(t *testing.T) {
	u := &toy{tag: "u", claim: "u", proof: 1, transport: model.TransportUDP}
	v := talk(model.TransportUDP, false, xb, u).run("> garbage", "> u?1\n", "> u?2\n", "< u!1\n", "< u!2\n").close()
	if got := strings.Join(v.got, " "); got != "u?1=u!1 joined u?2=u!2 joined" {
		t.Error(got)
	}
	if v := talk(model.TransportUDP, false, xb).run("> xb?1\n", "< xb!1\n").close(); len(v.got) != 0 {
		t.Errorf("a protocol of TCP over UDP: %v", v.got)
	}
}

func TestProtocolIsNamedOnceItIsSure(t *testing.T) {
	v := talk(model.TransportTCP, false, &toy{tag: "xb", claim: "xb", proof: 2}).run("> xb?1\n")
	if p := v.conn.Protocol(); p != model.ProtocolUnknown {
		t.Errorf("after a line: %d", p)
	}
	if v.run("> xb?2\n"); v.conn.Protocol() != 2 || v.conn.Pending() != 2 {
		t.Errorf("after two: %d, %d pending", v.conn.Protocol(), v.conn.Pending())
	}
}

func TestTimesAreThoseOfTheBytes(t *testing.T) {
	var got []model.Request
	e := New([]protocol.Spec{xa.spec(), xb.spec()}, func(r *model.Request) { got = append(got, *r) }, nil)
	c := e.Conn(model.TransportTCP, false)
	c.Feed(protocol.Received, []byte("xb?1"), 5)
	c.Feed(protocol.Received, []byte("\n"), 6) // xa gives way here
	c.Feed(protocol.Sent, []byte("xb!1\n"), 9)
	if len(got) != 1 || got[0].Start != 6 || got[0].End != 9 || got[0].Role != model.RoleServer {
		t.Errorf("%+v", got)
	}
}

func TestParsersAreOpenedByName(t *testing.T) {
	v := talk(model.TransportTCP, false, xa, xb)
	if p, ok := v.engine.open("xb", protocol.Start{Joined: true}).(*toyConn); !ok || p.toy != xb || !p.start.Joined {
		t.Error("not xb")
	}
	if v.engine.open("none", protocol.Start{}) != nil {
		t.Error("a parser of no name")
	}
	inner, ok := v.engine.open("", protocol.Start{Base: [2]uint64{7, 8}}).(*Conn)
	if !ok || inner.passed != [2]uint64{7, 8} {
		t.Error("no Conn")
	}
}

// TestPositionsAreThoseOfTheConnection: a parser is told at which position of each direction it begins.
func TestPositionsAreThoseOfTheConnection(t *testing.T) {
	v := talk(model.TransportTCP, false, xa, xb).run("> garbage\n", "< trash\n", "> xb?1\n")
	p := v.conn.parser.(*toyConn)
	if p.start.Base != [2]uint64{uint64(len("garbage\n")), uint64(len("trash\n"))} {
		t.Errorf("%v", p.start.Base)
	}
}

// FuzzSplit: where bytes are cut changes neither the protocol nor the requests.
func FuzzSplit(f *testing.F) {
	for seed := range uint64(50) {
		f.Add(seed)
	}
	toys := []*toy{xa, xm, xc, xn, xb, {tag: "mz", claim: "mz", proof: 1, maybe: true}}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		tag := []string{"xa", "xb", "xc", "m", "mn", "mz"}[random.IntN(6)]
		var steps []string
		for range random.IntN(10) { // of which a server's answers may be claimed
			steps = append(steps, "> garbage\n", "< trash\n")
		}
		for i := range 5 {
			steps = append(steps, fmt.Sprintf("> %s?%d%s\n", tag, i, strings.Repeat("z", random.IntN(300))), fmt.Sprintf("< %s!%d\n", tag, i))
		}
		want := strings.Join(talk(model.TransportTCP, false, toys...).run(steps...).close().got, " ")
		if !strings.Contains(want, tag+"?4") {
			t.Fatalf("not found: %s in %q", tag, want)
		}
		var cut []string
		for _, s := range steps {
			for rest := s[2:]; rest != ""; {
				n := 1 + random.IntN(min(len(rest), 1+random.IntN(20)))
				cut, rest = append(cut, s[:2]+rest[:n]), rest[n:]
			}
		}
		if got := strings.Join(talk(model.TransportTCP, false, toys...).run(cut...).close().got, " "); got != want {
			t.Errorf("cut\n%s\nwhole\n%s", got, want)
		}
	})
}

func BenchmarkFeed(b *testing.B) {
	v := talk(model.TransportTCP, false, xb).run("> xb?1\n", "< xb!1\n")
	p := []byte("xb")
	b.ReportAllocs()
	for b.Loop() {
		v.conn.Feed(protocol.Sent, p, v.now)
		v.conn.parser.(*toyConn).buf[protocol.Sent] = ""
	}
}
