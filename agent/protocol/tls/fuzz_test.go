// SPDX-License-Identifier: Apache-2.0

package tls

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// everything is all that was reported, but for the times.
func (o *observed) everything() string {
	var b strings.Builder
	for _, r := range o.got {
		r.Start, r.RequestEnd, r.ResponseStart, r.End = 0, 0, 0, 0
		f := *r.TLS
		r.TLS = nil
		fmt.Fprintf(&b, "%+v %s\n", r, text(f))
	}
	return b.String()
}

// script turns fuzzed bytes into what passed: a byte of direction, two of length, and so many bytes.
func script(in []byte) (pieces []piece) {
	for len(in) > 3 {
		n := min(int(in[1])<<8|int(in[2]), len(in)-3)
		pieces = append(pieces, piece{protocol.Dir(in[0] & 1), in[3 : 3+n]})
		in = in[3+n:]
	}
	return pieces
}

func scripted(pieces ...piece) (out []byte) {
	for _, p := range pieces {
		out = append(append(out, byte(p.dir), byte(len(p.data)>>8), byte(len(p.data))), p.data...)
	}
	return out
}

// conversations are handshakes of each kind.
func conversations() [][]piece {
	id := []byte("0123456789abcdef")
	return [][]piece{
		{{cl, record(handshake, simple)}, {sv, slices.Concat(record(handshake, answerTo(0x0303, 0xc02f, id)), changed, finished)},
			{cl, slices.Concat(changed, finished, sealed)}},
		{{cl, record(handshake, simple)}, {sv, slices.Concat(record(handshake, answerTo(0x0303, 0xc02f, nil, ext(extALPN, vec(2, vec(1, []byte("h2"))))), msg(certificate, make([]byte, 300))),
			record(handshake, msg(serverKeyExchange, []byte{3, 0, 23}, make([]byte, 70)), msg(14)))}, {cl, slices.Concat(changed, finished)}, {sv, slices.Concat(changed, finished)}},
		{{cl, record(handshake, hello(0x0303, id, ext(extSupportedVersions, vec(1, u16(0x0304))), ext(extALPN, vec(2, vec(1, []byte("h2"))))))},
			{sv, slices.Concat(record(handshake, answerTo(0x0303, 0x1301, id, ext(extSupportedVersions, u16(0x0304)), ext(extKeyShare, u16(29)))), changed, sealed)}, {cl, sealed}},
		{{cl, record(handshake, simple)}, {sv, record(alert, []byte{2, 70})}},
	}
}

func seeds(f *testing.F) {
	for _, c := range conversations() {
		f.Add(scripted(c...))
	}
}

// FuzzSplit: cutting the bytes of a turn otherwise changes nothing.
func FuzzSplit(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, in []byte) {
		pieces := script(in)
		whole := observe(t, protocol.Start{}).pieces(pieces)
		random := rand.New(rand.NewPCG(1, uint64(len(in))))
		for _, most := range []int{1, 40} {
			cut := observe(t, protocol.Start{})
			for _, p := range pieces {
				for rest := p.data; len(rest) > 0; {
					n := min(1+random.IntN(most), len(rest))
					cut.feed(p.dir, rest[:n])
					rest = rest[n:]
				}
			}
			if got := cut.close("connection_closed").everything(); got != whole.everything() {
				t.Errorf("cut into at most %d:\n%s\nwhole:\n%s", most, got, whole.everything())
			}
		}
		for _, r := range whole.got {
			invariants(t, &r)
		}
	})
}

// FuzzLoss: what a handshake says with bytes missing is what it says with all of them, or less.
func FuzzLoss(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 2))
		all := conversations()
		pieces := all[random.IntN(len(all))]
		whole := observe(t, protocol.Start{}).pieces(pieces).one()
		o := observe(t, protocol.Start{})
		for _, p := range pieces {
			for rest := p.data; len(rest) > 0; {
				n := 1 + random.IntN(len(rest))
				if random.IntN(3) == 0 {
					o.skip(p.dir, uint64(n))
				} else {
					o.feed(p.dir, rest[:n])
				}
				rest = rest[n:]
			}
		}
		o.close("connection_closed")
		if len(o.got) > 1 {
			t.Errorf("%d handshakes of one connection", len(o.got))
		}
		for _, r := range o.got {
			invariants(t, &r)
			less(t, r.TLS, whole)
		}
	})
}

// less tells of what a handshake says that it does not say whole.
func less(t *testing.T, f, whole *model.TLS) {
	t.Helper()
	for _, x := range [][2]string{{f.Cipher, whole.Cipher}, {f.Curve, whole.Curve}, {f.ServerName, whole.ServerName}, {f.NextProto, whole.NextProto}, {f.Alert, whole.Alert}} {
		if !strings.HasPrefix(x[1], x[0]) {
			t.Errorf("%s\nwhole:\n%s", text(*f), text(*whole))
		}
	}
	if f.Established && !whole.Established || f.Resumed && !whole.Resumed {
		t.Errorf("%s\nwhole:\n%s", text(*f), text(*whole))
	}
}

func invariants(t *testing.T, r *model.Request) {
	t.Helper()
	f := r.TLS
	if len(f.ALPN) > maxList || len(f.Offered) > maxList || len(f.ServerName) > maxName || f.Established != (r.Outcome == model.OutcomeOK) && r.Reason != "request_lost" ||
		(r.Outcome == model.OutcomeError) != (r.ErrorType != "") || (r.Outcome == model.OutcomeIncomplete) != (r.Reason != "") {
		t.Errorf("%+v %s", r, text(*f))
	}
}

// FuzzHello: a hello that was cut says nothing that the whole one does not say.
func FuzzHello(f *testing.F) {
	f.Add(simple, uint16(60))
	f.Add(answerTo(0x0303, 0x1301, nil, ext(extSupportedVersions, u16(0x0304))), uint16(40))
	f.Fuzz(func(t *testing.T, p []byte, n uint16) {
		var whole, cut Hello
		whole.Client(p)
		if !cut.Client(p[:min(len(p), int(n))]) {
			return
		}
		if s := cut.Facts.ServerName; !strings.HasPrefix(whole.Facts.ServerName, s) {
			t.Errorf("%q of %q", s, whole.Facts.ServerName)
		}
	})
}

func TestRandomBytesAreNotClaimed(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	const rounds = 1_000_000
	claimed := 0
	p := make([]byte, 32)
	for range rounds {
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		if g := probe(p); g == protocol.GuessRequest || g == protocol.GuessResponse {
			claimed++
		}
	}
	if t.Logf("%d of %d claimed", claimed, rounds); claimed > 1 {
		t.Error("too many")
	}
}

// TestMemoryIsGivenBackAfterTheHandshake: connections stay long, handshakes do not.
func TestMemoryIsGivenBackAfterTheHandshake(t *testing.T) {
	o := observe(t, protocol.Start{}).feed(cl, record(handshake, simple)[:50]).feed(cl, record(handshake, simple)[50:])
	o.feed(sv, record(handshake, answerTo(0x0303, 5, nil)), changed, finished).feed(cl, changed, finished)
	c := o.parser.(*conn)
	if !c.over || c.sides[0].records.Partial() != nil || c.sides[0].records.Size != nil || c.sides[1].messages.Take != nil {
		t.Error("something is held")
	}
	data := bytes.Repeat(sealed, 100)
	if n := testing.AllocsPerRun(100, func() { c.Feed(cl, data, time.Second); c.Skip(sv, 1<<20, time.Second) }); n > 0 {
		t.Errorf("%v allocations for data behind the handshake", n)
	}
}

func BenchmarkHandshake(b *testing.B) {
	id := []byte("0123456789abcdef")
	request := record(handshake, hello(0x0303, id, ext(extSupportedVersions, vec(1, u16(0x0304, 0x0303))), sni("a.example"), ext(extALPN, vec(2, vec(1, []byte("h2"))))))
	response := slices.Concat(record(handshake, answerTo(0x0303, 0x1301, id, ext(extSupportedVersions, u16(0x0304)), ext(extKeyShare, u16(29)))), changed, sealed)
	open := Spec().Setup(&protocol.Env{Emit: func(*model.Request) {}})
	b.ReportAllocs()
	for b.Loop() {
		p := open(protocol.Start{})
		p.Feed(cl, request, 1)
		p.Feed(sv, response, 2)
		p.Feed(cl, sealed, 3)
		p.Release()
	}
}

func BenchmarkApplicationData(b *testing.B) {
	p := observe(b, protocol.Start{}).feed(cl, record(handshake, simple)).feed(sv, record(handshake, answerTo(0x0303, 5, nil)), changed, finished).feed(cl, changed, finished).parser
	data := make([]byte, 16<<10)
	b.ReportAllocs()
	for b.Loop() {
		p.Feed(cl, data, 1)
	}
}
