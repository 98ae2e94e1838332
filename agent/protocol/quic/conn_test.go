// SPDX-License-Identifier: Apache-2.0

package quic

import (
	"bytes"
	"context"
	stdtls "crypto/tls"
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const (
	ms = time.Millisecond
	cl = protocol.Received // the observed socket is the server's
	sv = protocol.Sent
)

// observed is what a parser reported.
type observed struct {
	t      testing.TB
	parser protocol.Parser
	got    []model.Request
	now    time.Duration
}

func observe(t testing.TB) *observed {
	o := &observed{t: t}
	env := &protocol.Env{Resync: func(model.Protocol) {}, Emit: func(r *model.Request) {
		c, f := *r, *r.TLS
		f.Offered, f.ALPN = slices.Clone(f.Offered), slices.Clone(f.ALPN)
		c.TLS = &f
		o.got = append(o.got, c)
	}}
	o.parser = Spec().Setup(env)(protocol.Start{})
	return o
}

func (o *observed) feed(d protocol.Dir, p ...[]byte) *observed {
	o.now += ms
	o.parser.Feed(d, slices.Concat(p...), o.now)
	return o
}

func (o *observed) close(reason string) *observed {
	o.parser.Close(protocol.Close{Time: o.now, Reason: reason})
	o.parser.Release()
	return o
}

func (o *observed) one() *model.TLS {
	o.t.Helper()
	if len(o.got) != 1 {
		o.t.Fatalf("%d requests, want 1: %+v", len(o.got), o.got)
	}
	return o.got[0].TLS
}

// link makes the packets of a connection.
type link struct {
	version *version
	first   []byte // identifier that the keys follow from
	ids     [2][]byte
	number  uint64
}

func newLink(number uint32) *link {
	return &link{version: versionOf(number), first: []byte("first-id"), ids: [2][]byte{[]byte("cli"), []byte("server")}}
}

// packet makes an Initial packet of a side.
func (l *link) packet(side int, frames ...[]byte) []byte {
	client, server, err := deriveKeys(l.version, l.first)
	if err != nil {
		panic(err)
	}
	to, k := l.ids[ofClient], server
	if side == ofClient {
		if to, k = l.first, client; l.number > 1000 {
			to = l.ids[ofServer]
		}
	}
	payload := slices.Concat(frames...)
	payload = append(payload, make([]byte, max(0, 4-len(payload)))...)
	head := binary.BigEndian.AppendUint32([]byte{0xc1 | l.version.initial<<4}, l.version.number)
	head = append(append(head, byte(len(to))), to...)
	head = append(append(head, byte(len(l.ids[side]))), l.ids[side]...)
	head = append(head, 0) // token
	head = binary.BigEndian.AppendUint16(head, 0x4000|uint16(len(payload)+2+16))
	head = binary.BigEndian.AppendUint16(head, uint16(l.number))
	l.number++
	return seal(k, head, l.number-1, 2, payload)
}

func crypto(offset int, data []byte) []byte {
	f := binary.BigEndian.AppendUint16([]byte{frameCrypto}, 0x4000|uint16(offset))
	return append(binary.BigEndian.AppendUint16(f, 0x4000|uint16(len(data))), data...)
}

func short(to []byte) []byte { return slices.Concat([]byte{0x41}, to, make([]byte, 40)) }

// hellos are made by crypto/tls.
func hellos(t testing.TB) (client, server []byte) {
	t.Helper()
	config := &stdtls.Config{ServerName: "test.example", NextProtos: []string{"h3"}, MinVersion: stdtls.VersionTLS13, InsecureSkipVerify: true,
		CurvePreferences: []stdtls.CurveID{stdtls.X25519}}
	c := stdtls.QUICClient(&stdtls.QUICConfig{TLSConfig: config})
	s := stdtls.QUICServer(&stdtls.QUICConfig{TLSConfig: &stdtls.Config{NextProtos: []string{"h3"}, MinVersion: stdtls.VersionTLS13,
		GetCertificate: func(*stdtls.ClientHelloInfo) (*stdtls.Certificate, error) { return nil, context.Canceled }}})
	defer c.Close()
	defer s.Close()
	c.SetTransportParameters(nil)
	s.SetTransportParameters(nil)
	if err := c.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	for e := c.NextEvent(); e.Kind != stdtls.QUICNoEvent; e = c.NextEvent() {
		if e.Kind == stdtls.QUICWriteData && e.Level == stdtls.QUICEncryptionLevelInitial {
			client = append(client, e.Data...)
		}
	}
	return client, exampleServerHello
}

// exampleServerHello is that of RFC 9001 A.3.
var exampleServerHello = unhex(`020000560303eefce7f7b37ba1d1632e96677825ddf73988cfc79825df566dc5430b9a045a1200130100002e00330024001d00209d3c94
	0d89690b84d08a60993c144eca684d1081287c834d5311bcf32bb9da1a002b00020304`)

func TestHelloInPieces(t *testing.T) {
	client, server := hellos(t)
	for _, number := range []uint32{1, 0x6b3343cf, 0xff00001d} {
		l := newLink(number)
		o := observe(t)
		n := len(client)
		o.feed(cl, l.packet(ofClient, crypto(n-40, client[n-40:]), []byte{framePing}, crypto(20, client[20:90])))
		o.feed(cl, l.packet(ofClient, crypto(80, client[80:n-30])), l.packet(ofClient, crypto(0, client[:20])))
		o.feed(sv, l.packet(ofServer, []byte{frameAck, 0, 0, 0, 0}, crypto(0, server)))
		o.feed(sv, short(l.ids[ofClient])).feed(cl, short(l.ids[ofServer])).close("timeout")
		f, r := o.one(), o.got[0]
		if f.QUICVersion != l.version.name || f.ServerName != "test.example" || f.ALPN[0] != "h3" || f.Version != "1.3" || !f.Established {
			t.Errorf("%+v", f)
		}
		if r.RequestEnd != 2*ms || r.ResponseStart != 3*ms || r.End != 5*ms || r.Role != model.RoleServer || r.Outcome != model.OutcomeOK {
			t.Errorf("%+v", r)
		}
	}
}

func TestHowHandshakesEnd(t *testing.T) {
	client, server := hellos(t)
	refusal := func(code uint16) []byte { return append([]byte{frameClose, byte(code>>8) | 0x40, byte(code)}, 6, 0) }
	tests := []struct {
		name          string
		do            func(o *observed, l *link)
		outcome       model.Outcome
		reason, kind  string
		alert, sender string
	}{
		{"no answer", func(o *observed, l *link) { o.feed(cl, l.packet(ofClient, crypto(0, client))) }, model.OutcomeIncomplete, "timeout", "", "", ""},
		{"a hello that stays in pieces", func(o *observed, l *link) { o.feed(cl, l.packet(ofClient, crypto(0, client[:200]))) },
			model.OutcomeIncomplete, "timeout", "", "", ""},
		{"an answer and no more", func(o *observed, l *link) {
			o.feed(cl, l.packet(ofClient, crypto(0, client))).feed(sv, l.packet(ofServer, crypto(0, server)))
		}, model.OutcomeIncomplete, "timeout", "", "", ""},
		{"refused with an alert", func(o *observed, l *link) {
			o.feed(cl, l.packet(ofClient, crypto(0, client))).feed(sv, l.packet(ofServer, refusal(0x178)))
		}, model.OutcomeError, "", "no_application_protocol", "no_application_protocol", "server"},
		{"refused by the transport", func(o *observed, l *link) {
			o.feed(cl, l.packet(ofClient, crypto(0, client))).feed(sv, l.packet(ofServer, refusal(2)))
		}, model.OutcomeError, "", "connection_refused", "", ""},
		{"no common version", func(o *observed, l *link) {
			o.feed(cl, l.packet(ofClient, crypto(0, client)))
			o.feed(sv, []byte{0x80, 0, 0, 0, 0, 3}, l.ids[ofClient], []byte{8}, l.first, []byte{0, 0, 0, 2})
		}, model.OutcomeError, "", "version_negotiation", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(t)
			test.do(o, newLink(1))
			f := o.close("timeout").one()
			if r := o.got[0]; r.Outcome != test.outcome || r.Reason != test.reason || r.ErrorType != test.kind || f.Alert != test.alert || f.AlertFrom != test.sender {
				t.Errorf("%s %q %q %+v", r.Outcome, r.Reason, r.ErrorType, f)
			}
			if f.ServerName != "test.example" && test.name != "a hello that stays in pieces" {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestRetryIsPartOfTheRequest(t *testing.T) {
	client, server := hellos(t)
	l := newLink(1)
	o := observe(t).feed(cl, l.packet(ofClient, crypto(0, client)))
	chosen := []byte("chosen by the server")
	o.feed(sv, []byte{0xf0, 0, 0, 0, 1, 3}, l.ids[ofClient], []byte{byte(len(chosen))}, chosen, make([]byte, 30))
	l.first = chosen
	o.feed(cl, l.packet(ofClient, crypto(0, client))).feed(sv, l.packet(ofServer, crypto(0, server))).feed(cl, short(l.ids[ofServer])).close("")
	if f := o.one(); !f.Established || o.got[0].Start != ms || o.got[0].ResponseStart != 4*ms {
		t.Errorf("%+v %+v", o.got[0], f)
	}
}

func TestClientBeginsAgainAfterVersionNegotiation(t *testing.T) {
	client, server := hellos(t)
	l := newLink(1)
	o := observe(t).feed(cl, l.packet(ofClient, crypto(0, client)))
	o.feed(sv, []byte{0x80, 0, 0, 0, 0, 3}, l.ids[ofClient], []byte{8}, l.first, []byte{0x6b, 0x33, 0x43, 0xcf})
	l = newLink(0x6b3343cf)
	l.first = []byte("another-id")
	o.feed(cl, l.packet(ofClient, crypto(0, client))).feed(sv, l.packet(ofServer, crypto(0, server))).feed(cl, short(l.ids[ofServer])).close("")
	if f := o.one(); !f.Established || f.QUICVersion != "2" || o.got[0].Start != ms || o.got[0].ErrorType != "" {
		t.Errorf("%+v %+v", o.got[0], f)
	}
}

func TestClientMayUseAnIdentifierThatWasNotSeen(t *testing.T) {
	client, server := hellos(t)
	a, b := newLink(1), newLink(1)
	b.first, b.ids = []byte("other-id"), [2][]byte{[]byte("CLI"), []byte("SERVER")}
	o := observe(t).feed(cl, a.packet(ofClient, crypto(0, client))).feed(sv, a.packet(ofServer, crypto(0, server)))
	o.feed(cl, b.packet(ofClient, crypto(0, client))).feed(sv, b.packet(ofServer, crypto(0, server)))
	if o.feed(cl, short([]byte("unseen"))); len(o.got) != 0 {
		t.Error("one of two was taken for established")
	}
	o.feed(cl, short(a.ids[ofServer])).feed(cl, short([]byte("unseen")))
	if len(o.got) != 2 || o.got[1].Start != 3*ms {
		t.Errorf("%+v", o.got)
	}
}

func TestServerMayGoOnInAnotherVersion(t *testing.T) { // RFC 9369 4.1
	client, server := hellos(t)
	l := newLink(1)
	o := observe(t).feed(cl, l.packet(ofClient, crypto(0, client)))
	l.version = versionOf(0x6b3343cf)
	o.feed(sv, l.packet(ofServer, crypto(0, server))).feed(cl, short(l.ids[ofServer])).close("")
	if f := o.one(); !f.Established || f.QUICVersion != "2" {
		t.Errorf("%+v", f)
	}
}

func TestHandshakesOnOnePairOfAddressesAreKeptApart(t *testing.T) {
	client, server := hellos(t)
	a, b := newLink(1), newLink(1)
	b.first, b.ids = []byte("other-id"), [2][]byte{[]byte("CLI"), []byte("SERVER")}
	o := observe(t).feed(cl, a.packet(ofClient, crypto(0, client))).feed(cl, b.packet(ofClient, crypto(0, client)))
	o.feed(sv, b.packet(ofServer, crypto(0, server))).feed(sv, a.packet(ofServer, crypto(0, server)))
	o.feed(cl, short(a.ids[ofServer])).feed(cl, short(b.ids[ofServer])).feed(cl, a.packet(ofClient, crypto(0, client))).close("timeout")
	if len(o.got) != 2 || o.got[0].Start != ms || o.got[0].ResponseStart != 4*ms || o.got[1].Start != 2*ms || o.got[1].ResponseStart != 3*ms {
		t.Errorf("%+v", o.got)
	}
}

func TestPacketThatIsNotAuthenticIsNotRead(t *testing.T) {
	client, _ := hellos(t)
	p := newLink(1).packet(ofClient, crypto(0, client))
	for _, at := range []int{0, 7, 20, 30, len(p) - 1} {
		q := bytes.Clone(p)
		q[at] ^= 1
		o := observe(t)
		for range maxMisses {
			o.feed(cl, q)
		}
		if o.close(""); len(o.got) != 0 || at > 10 && o.parser.Fit() != protocol.FitNo {
			t.Errorf("byte %d changed: %+v, fit %d", at, o.got, o.parser.Fit())
		}
	}
}

func TestHandshakesAreBounded(t *testing.T) {
	client, _ := hellos(t)
	o := observe(t)
	for i := range 3 * maxAttempts {
		l := newLink(1)
		l.first = append(l.first, byte(i))
		o.feed(cl, l.packet(ofClient, crypto(0, client)))
	}
	if o.parser.Pending() != maxAttempts || len(o.got) != 2*maxAttempts || o.got[0].Reason != "pipeline_limit" {
		t.Errorf("%d pending, %d reported", o.parser.Pending(), len(o.got))
	}
	var s stream
	for i := range uint64(1000) {
		s.add(i*16, []byte{1})
	}
	if len(s.spans) > maxSpans || len(s.buf) > maxCrypto {
		t.Errorf("%d pieces, %d bytes", len(s.spans), len(s.buf))
	}
}

func TestProbe(t *testing.T) {
	l := newLink(1)
	p := l.packet(ofClient, make([]byte, 1160))
	for name, test := range map[string]struct {
		p    []byte
		want protocol.Guess
	}{
		"whole": {p, protocol.GuessRequest}, "its beginning": {p[:512], protocol.GuessRequest}, "short header": {short(l.first), protocol.GuessNo},
		"unknown version": {append([]byte{0xc0, 0x1a, 0x2a, 0x3a, 0x4a}, p[5:]...), protocol.GuessNo}, "zeros": {make([]byte, 100), protocol.GuessNo},
	} {
		if got := probe(test.p); got != test.want {
			t.Errorf("%s: %d", name, got)
		}
	}
}
