// SPDX-License-Identifier: Apache-2.0

package quic

import (
	"math/rand/v2"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// FuzzFrames: what is in an Initial packet, once it is authentic, breaks nothing.
func FuzzFrames(f *testing.F) {
	f.Add(exampleCrypto, []byte{frameAck, 0, 0, 0, 0})
	f.Add(crypto(0, exampleServerHello), []byte{frameClose, 0x41, 0x78, 6, 0})
	f.Fuzz(func(t *testing.T, client, server []byte) {
		if len(client) > 2000 || len(server) > 2000 {
			return
		}
		l := newLink(1)
		o := observe(t).feed(cl, l.packet(ofClient, client)).feed(sv, l.packet(ofServer, server)).feed(cl, short(l.ids[ofServer])).close("timeout")
		if len(o.got) != 1 {
			t.Errorf("%d requests", len(o.got))
		}
		for _, r := range o.got {
			if r.TLS.QUICVersion != "1" || (r.Outcome == model.OutcomeError) != (r.ErrorType != "") || (r.Outcome == model.OutcomeIncomplete) != (r.Reason != "") ||
				r.TLS.Established != (r.Outcome == model.OutcomeOK) {
				t.Errorf("%+v %+v", r, r.TLS)
			}
		}
	})
}

// FuzzDatagrams: no bytes that are not authentic make a request.
func FuzzDatagrams(f *testing.F) {
	f.Add(example(1), uint16(100))
	f.Add(exampleServer, uint16(3))
	f.Fuzz(func(t *testing.T, p []byte, at uint16) {
		o := observe(t).feed(cl, p).feed(sv, p)
		if len(p) > 0 {
			q := append([]byte(nil), p...)
			q[int(at)%len(q)] ^= 0x55
			o.feed(cl, q).feed(sv, q)
		}
		o.close("timeout")
		probe(append(p, 0))
		for _, r := range o.got {
			if r.TLS.QUICVersion == "" {
				t.Errorf("%+v", r)
			}
		}
	})
}

// TestHelloMayComeInAnyOrder: any pieces in any order, twice or overlapping, give the same hello.
func TestHelloMayComeInAnyOrder(t *testing.T) {
	client, _ := hellos(t)
	random := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		var pieces [][]byte
		for at := 0; at < len(client); {
			n := min(1+random.IntN(60), len(client)-at)
			before := min(at, random.IntN(10))
			pieces = append(pieces, crypto(at-before, client[at-before:at+n]))
			at += n
		}
		pieces = append(pieces, pieces[random.IntN(len(pieces))])
		random.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		l := newLink(1)
		half := len(pieces) / 2
		o := observe(t).feed(cl, l.packet(ofClient, pieces[:half]...)).feed(cl, l.packet(ofClient, pieces[half:]...)).close("timeout")
		if f := o.one(); f.ServerName != "test.example" || o.got[0].RequestEnd == 0 {
			t.Fatalf("%+v", f)
		}
	}
}

func TestRandomBytesAreNotClaimed(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	p := make([]byte, 100)
	for range 1_000_000 {
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		if probe(p) != protocol.GuessNo {
			t.Fatalf("%x", p)
		}
	}
}

func BenchmarkHandshake(b *testing.B) {
	client, server := example(1), exampleServer
	done := short(unhex("f067a5502a4262b5"))
	open := Spec().Setup(&protocol.Env{Emit: func(*model.Request) {}})
	b.ReportAllocs()
	for b.Loop() {
		p := open(protocol.Start{})
		p.Feed(cl, client, 1)
		p.Feed(sv, server, 2)
		p.Feed(cl, done, 3)
		p.Release()
	}
}

func BenchmarkDatagramBehindTheHandshake(b *testing.B) {
	p := observe(b).feed(cl, example(1)).feed(sv, exampleServer).feed(cl, short(unhex("f067a5502a4262b5"))).parser
	data := short(make([]byte, 1200))
	b.ReportAllocs()
	for b.Loop() {
		p.Feed(cl, data, 1)
	}
}
