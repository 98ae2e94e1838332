// SPDX-License-Identifier: Apache-2.0

package tls

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const ms = time.Millisecond

// observed is what a parser reported.
type observed struct {
	t       testing.TB
	parser  protocol.Parser
	got     []model.Request
	resyncs int
	now     time.Duration
}

func observe(t testing.TB, s protocol.Start) *observed {
	o := &observed{t: t}
	env := &protocol.Env{Resync: func(model.Protocol) { o.resyncs++ }, Emit: func(r *model.Request) {
		c, f := *r, *r.TLS
		f.Offered, f.ALPN = slices.Clone(f.Offered), slices.Clone(f.ALPN)
		c.TLS = &f
		o.got = append(o.got, c)
	}}
	o.parser = Spec().Setup(env)(s)
	return o
}

// feed passes bytes one millisecond after what passed before.
func (o *observed) feed(d protocol.Dir, p ...[]byte) *observed {
	o.now += ms
	o.parser.Feed(d, slices.Concat(p...), o.now)
	return o
}

func (o *observed) skip(d protocol.Dir, n uint64) *observed {
	o.now += ms
	o.parser.Skip(d, n, o.now)
	return o
}

func (o *observed) pieces(all []piece) *observed {
	for _, p := range all {
		o.feed(p.dir, p.data)
	}
	return o.close("connection_closed")
}

func (o *observed) close(reason string) *observed {
	o.parser.Close(protocol.Close{Time: o.now, Reason: reason})
	o.parser.Release()
	return o
}

// one returns the detail of the only request.
func (o *observed) one() *model.TLS {
	o.t.Helper()
	if len(o.got) != 1 {
		o.t.Fatalf("%d requests, want 1: %+v", len(o.got), o.got)
	}
	return o.got[0].TLS
}

// Parts of handshakes.

func record(kind byte, payload ...[]byte) []byte {
	p := slices.Concat(payload...)
	return append([]byte{kind, 3, 3, byte(len(p) >> 8), byte(len(p))}, p...)
}

func msg(kind byte, body ...[]byte) []byte {
	p := slices.Concat(body...)
	return append([]byte{kind, byte(len(p) >> 16), byte(len(p) >> 8), byte(len(p))}, p...)
}

func vec(size int, p ...[]byte) []byte {
	body := slices.Concat(p...)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)))[4-size:], body...)
}

func ext(kind uint16, p ...[]byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, kind), vec(2, p...)...)
}

func u16(v ...uint16) (out []byte) {
	for _, x := range v {
		out = binary.BigEndian.AppendUint16(out, x)
	}
	return out
}

func sni(name string) []byte { return ext(extServerName, vec(2, []byte{0}, vec(2, []byte(name)))) }

func hello(version uint16, session []byte, extensions ...[]byte) []byte {
	return msg(clientHello, u16(version), make([]byte, 32), vec(1, session), vec(2, u16(0x1301, 0xc02f)), vec(1, []byte{0}), vec(2, extensions...))
}

func answerTo(version, cipher uint16, session []byte, extensions ...[]byte) []byte {
	return msg(serverHello, u16(version), make([]byte, 32), vec(1, session), u16(cipher), []byte{0}, vec(2, extensions...))
}

var (
	simple   = hello(0x0303, nil, sni("a.example"))
	changed  = record(changeCipherSpec, []byte{1})
	finished = record(handshake, make([]byte, 40))
	sealed   = record(applicationData, make([]byte, 60))
	short    = record(applicationData, make([]byte, 19))
)

const (
	cl = protocol.Received // the observed socket is the server's
	sv = protocol.Sent
)

func TestHandshakeOfTLS12(t *testing.T) {
	exchange := msg(serverKeyExchange, []byte{3, 0, 29}, make([]byte, 80))
	flight := slices.Concat(answerTo(0x0303, 0xc02f, []byte("s"), ext(extALPN, vec(2, vec(1, []byte("h2"))))), msg(certificate, make([]byte, 3000)), exchange, msg(14))
	o := observe(t, protocol.Start{}).feed(cl, record(handshake, simple))
	for i := 0; i < len(flight); i += 700 { // messages that span records
		o.feed(sv, record(handshake, flight[i:min(len(flight), i+700)]))
	}
	o.feed(cl, record(handshake, msg(16, make([]byte, 33))), changed, finished)
	if o.parser.Pending() != 1 || len(o.got) != 0 {
		t.Errorf("%d pending, %d reported before the server's Finished", o.parser.Pending(), len(o.got))
	}
	o.feed(sv, changed, finished, sealed).feed(cl, sealed).close("connection_closed")
	f, r := o.one(), o.got[0]
	if f.Version != "1.2" || f.Cipher != "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" || f.Curve != "x25519" || f.NextProto != "h2" || f.Resumed || !f.Established {
		t.Errorf("%+v", f)
	}
	if r.Role != model.RoleServer || r.Outcome != model.OutcomeOK || r.Start != ms || r.RequestEnd != ms || r.ResponseStart != 2*ms || r.End != 8*ms {
		t.Errorf("%s %s %v %v %v %v", r.Role, r.Outcome, r.Start, r.RequestEnd, r.ResponseStart, r.End)
	}
	if want := uint64(len(flight) + 5*5 + len(changed) + len(finished)); r.ResponseBytes != want {
		t.Errorf("%d bytes, want %d", r.ResponseBytes, want)
	}
}

func TestWhatAHandshakeSays(t *testing.T) {
	id := []byte("0123456789abcdef")
	v13 := ext(extSupportedVersions, u16(0x0304))
	hello13 := hello(0x0303, id, ext(extSupportedVersions, vec(1, u16(0x1a1a, 0x0303, 0x0304))), sni("a.example"), ext(extALPN, vec(2, vec(1, []byte{0x0a, 0x0a}), vec(1, []byte("h2")))))
	tests := []struct {
		name string
		do   func(o *observed)
		want model.TLS
		kind string
	}{
		{"TLS 1.3 with a pre-shared key", func(o *observed) {
			o.feed(cl, record(handshake, hello13)).feed(sv, record(handshake, answerTo(0x0303, 0x1301, id, v13, ext(extKeyShare, u16(29), vec(2, make([]byte, 32))), ext(extPreSharedKey, u16(0)))), changed, sealed)
			o.feed(cl, changed, sealed)
		}, model.TLS{Version: "1.3", Offered: []string{"1.3", "1.2"}, ServerName: "a.example", ALPN: []string{"h2"}, Cipher: "TLS_AES_128_GCM_SHA256", Curve: "x25519", Resumed: true, Established: true}, ""},
		{"a repeated session identifier without its handshake is no resumption", func(o *observed) {
			o.feed(cl, record(handshake, hello(0x0303, id))).feed(sv, record(handshake, answerTo(0x0303, 0x003c, id), msg(certificate, make([]byte, 9)), msg(14)))
			o.feed(cl, changed, finished).feed(sv, changed, finished)
		}, model.TLS{Version: "1.2", Offered: []string{"1.2"}, Cipher: "TLS_RSA_WITH_AES_128_CBC_SHA256", Established: true}, ""},
		{"a short handshake is a resumption", func(o *observed) {
			o.feed(cl, record(handshake, hello(0x0301, id))).feed(sv, record(handshake, answerTo(0x0301, 0x0005, id)), changed, finished).feed(cl, changed, finished)
		}, model.TLS{Version: "1.0", Offered: []string{"1.0"}, Cipher: "TLS_RSA_WITH_RC4_128_SHA", Resumed: true, Established: true}, ""},
		{"a cipher without a name", func(o *observed) {
			o.feed(cl, record(handshake, hello(0x0300, nil))).feed(sv, record(handshake, answerTo(0x0300, 0xfefe, nil)), record(alert, []byte{2, 40}))
		}, model.TLS{Version: "SSLv3", Offered: []string{"SSLv3"}, Cipher: "0xfefe", Alert: "handshake_failure", AlertFrom: "server"}, "handshake_failure"},
		{"a warning goes before", func(o *observed) {
			o.feed(cl, record(handshake, simple)).feed(sv, record(alert, []byte{1, 112}), record(handshake, answerTo(0x0303, 0x003c, id)), record(handshake, msg(certificate, make([]byte, 9)), msg(14)))
			o.feed(cl, changed, finished).feed(sv, changed, finished)
		}, model.TLS{Version: "1.2", Offered: []string{"1.2"}, ServerName: "a.example", Cipher: "TLS_RSA_WITH_AES_128_CBC_SHA256", Established: true, Alert: "unrecognized_name", AlertFrom: "server"}, ""},
		{"early data does not establish, nor is it an alert", func(o *observed) {
			o.feed(cl, record(handshake, hello(0x0303, id, ext(extSupportedVersions, vec(1, u16(0x0304))), ext(extEarlyData))), sealed)
			o.feed(sv, record(handshake, answerTo(0x0303, 0x1301, id, v13)), sealed).feed(cl, short)
		}, model.TLS{Version: "1.3", Offered: []string{"1.3"}, Cipher: "TLS_AES_128_GCM_SHA256", Established: true}, ""},
		{"early data behind the ServerHello", func(o *observed) {
			o.feed(cl, record(handshake, hello13)).feed(sv, record(handshake, answerTo(0x0303, 0x1302, id, v13))).feed(cl, sealed)
			if len(o.got) > 0 {
				o.t.Error("established by it")
			}
			o.feed(sv, sealed).feed(cl, sealed)
		}, model.TLS{Version: "1.3", Offered: []string{"1.3", "1.2"}, ServerName: "a.example", ALPN: []string{"h2"}, Cipher: "TLS_AES_256_GCM_SHA384", Established: true}, ""},
		{"the client refuses, encrypted", func(o *observed) {
			o.feed(cl, record(handshake, hello13)).feed(sv, record(handshake, answerTo(0x0303, 0x1302, id, v13)), sealed).feed(cl, changed, short)
		}, model.TLS{Version: "1.3", Offered: []string{"1.3", "1.2"}, ServerName: "a.example", ALPN: []string{"h2"}, Cipher: "TLS_AES_256_GCM_SHA384"}, "encrypted_alert"},
		{"a hello of SSL 2.0", func(o *observed) {
			o.feed(cl, []byte{0x80, 9 + 3 + 16, 1, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 5}, make([]byte, 16)).feed(sv, record(handshake, answerTo(0x0301, 5, id)), record(handshake, msg(certificate)), record(handshake, msg(14)))
			o.feed(cl, changed, finished).feed(sv, changed, finished)
		}, model.TLS{Version: "1.0", Offered: []string{"1.0"}, Cipher: "TLS_RSA_WITH_RC4_128_SHA", Established: true}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(t, protocol.Start{})
			test.do(o)
			f := *o.one()
			if text(f) != text(test.want) || o.got[0].ErrorType != test.kind {
				t.Errorf("%q\n%s, want\n%s", o.got[0].ErrorType, text(f), text(test.want))
			}
		})
	}
}

func TestHandshakeThatWasNotSeenWhole(t *testing.T) {
	flight := slices.Concat(record(handshake, answerTo(0x0303, 0xc02f, []byte("s"))), record(handshake, msg(certificate, make([]byte, 3000))), record(handshake, msg(14)))
	tests := []struct {
		name   string
		do     func(o *observed)
		reason string
		check  func(f *model.TLS) bool
	}{
		{"no answer", func(o *observed) { o.feed(cl, record(handshake, simple)) }, "connection_reset", func(f *model.TLS) bool { return f.Version == "" }},
		{"the hello was cut", func(o *observed) { o.feed(cl, record(handshake, simple)[:68]) }, "connection_reset",
			func(f *model.TLS) bool { return f.Version == "" && len(f.Offered) == 0 && f.ServerName == "" }},
		{"the answer was cut before it says that it is TLS 1.3", func(o *observed) {
			o.feed(cl, record(handshake, simple)).feed(sv, record(handshake, answerTo(0x0303, 0x1301, nil, ext(extSupportedVersions, u16(0x0304))))[:50]).skip(sv, 5)
		}, "connection_reset", func(f *model.TLS) bool { return f.Version == "1.3" && f.Cipher == "TLS_AES_128_GCM_SHA256" }},
		{"the answer was cut in its cipher", func(o *observed) {
			o.feed(cl, record(handshake, simple)).feed(sv, record(handshake, answerTo(0x0303, 0x1301, nil, ext(extSupportedVersions, u16(0x0304))))[:45]).skip(sv, 10+200)
		}, "lost", func(f *model.TLS) bool { return f.Version == "" && f.Cipher == "" }},
		{"the answer was lost", func(o *observed) { o.feed(cl, record(handshake, simple)).skip(sv, 100) }, "lost", func(f *model.TLS) bool { return f.ServerName == "a.example" }},
		{"the hello was lost", func(o *observed) { o.feed(sv, flight).feed(cl, changed, finished).feed(sv, changed, finished) }, "request_lost",
			func(f *model.TLS) bool { return f.Version == "1.2" && f.Established }},
		{"part of the certificate was not captured", func(o *observed) {
			o.feed(cl, record(handshake, simple)).feed(sv, flight[:1000]).skip(sv, uint64(len(flight)-1000)).feed(cl, changed, finished).feed(sv, changed, finished)
		}, "", func(f *model.TLS) bool { return f.Established && !f.Resumed }},
		{"what is behind the ServerHello was not captured", func(o *observed) {
			n := len(record(handshake, answerTo(0x0303, 0xc02f, []byte("s"))))
			o.feed(cl, record(handshake, simple)).feed(sv, flight[:n]).skip(sv, uint64(len(flight)-n)).feed(cl, changed, finished).feed(sv, changed, finished)
		}, "", func(f *model.TLS) bool { return f.Established && !f.Resumed }},
		{"the client's ChangeCipherSpec was lost", func(o *observed) {
			o.feed(cl, record(handshake, hello(0x0303, []byte("s")))).feed(sv, flight).skip(cl, 130).feed(sv, changed, finished).feed(cl, sealed)
		}, "", func(f *model.TLS) bool { return f.Established && !f.Resumed }},
		{"the client's Finished was lost, and it said goodbye", func(o *observed) {
			o.feed(cl, record(handshake, simple)).feed(sv, flight).skip(cl, 130).feed(sv, changed, finished).feed(cl, record(alert, make([]byte, 26)))
		}, "lost", func(f *model.TLS) bool { return !f.Established }},
		{"the client's Finished of TLS 1.3 was lost, and little data came", func(o *observed) {
			answer := answerTo(0x0303, 0x1301, nil, ext(extSupportedVersions, u16(0x0304)))
			o.feed(cl, record(handshake, simple)).feed(sv, record(handshake, answer), sealed).skip(cl, 79).feed(sv, sealed).feed(cl, record(applicationData, make([]byte, 20)))
		}, "", func(f *model.TLS) bool { return f.Established }},
		{"the client's Finished of TLS 1.3 was lost, and it said goodbye", func(o *observed) {
			answer := answerTo(0x0303, 0x1301, nil, ext(extSupportedVersions, u16(0x0304)))
			o.feed(cl, record(handshake, simple)).feed(sv, record(handshake, answer), sealed).skip(cl, 79).feed(sv, sealed).feed(cl, short)
		}, "lost", func(f *model.TLS) bool { return !f.Established }},
		{"a warning, and the server's Finished was lost", func(o *observed) {
			o.feed(cl, record(handshake, simple)).feed(sv, record(alert, []byte{1, 112}), flight).feed(cl, changed, finished).skip(sv, 51).feed(cl, sealed)
		}, "lost", func(f *model.TLS) bool { return f.Alert == "unrecognized_name" }},
		{"the client said goodbye", func(o *observed) { o.feed(cl, record(handshake, simple), record(alert, []byte{1, 0})) }, "connection_reset",
			func(f *model.TLS) bool { return f.Alert == "close_notify" && f.AlertFrom == "client" }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			o := observe(t, protocol.Start{})
			test.do(o)
			o.close("connection_reset")
			if f := o.one(); o.got[0].Reason != test.reason || !test.check(f) {
				t.Errorf("%s %q %s", o.got[0].Outcome, o.got[0].Reason, text(*f))
			}
		})
	}
}

func TestConnectionJoinedLaterReportsNothing(t *testing.T) {
	o := observe(t, protocol.Start{Joined: true}).feed(cl, sealed).feed(sv, sealed, sealed[:30]).close("")
	if len(o.got) != 0 || o.parser.Fit() != protocol.FitYes {
		t.Errorf("%d requests, fit %d", len(o.got), o.parser.Fit())
	}
	if o := observe(t, protocol.Start{}).feed(cl, sealed); o.parser.Fit() != protocol.FitNo {
		t.Error("a connection that begins with application data is taken for TLS")
	}
}

func TestNamesOfNumbers(t *testing.T) {
	for got, want := range map[string]string{versionName(0x0304): "1.3", versionName(0x7f12): "1.3-draft18", versionName(2): "SSLv2", cipherName(0x1301): "TLS_AES_128_GCM_SHA256",
		cipherName(0xd005): "TLS_ECDHE_PSK_WITH_AES_128_CCM_SHA256", groupName(0x11ec): "X25519MLKEM768", groupName(9999): "0x270f", AlertName(200): "alert_200"} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if !isGREASE(0x1a1a) || isGREASE(0x1a2a) || isGREASE(0x0304) {
		t.Error("GREASE")
	}
}

func TestProbe(t *testing.T) {
	tests := []struct {
		name string
		p    []byte
		want protocol.Guess
	}{
		{"ClientHello", record(handshake, simple), protocol.GuessRequest},
		{"its first bytes", record(handshake, simple)[:4], protocol.GuessMaybe},
		{"ServerHello", record(handshake, answerTo(0x0303, 5, nil)), protocol.GuessResponse},
		{"alert", record(alert, []byte{2, 40}), protocol.GuessResponse},
		{"application data", sealed, protocol.GuessRequest},
		{"application data and something else", append(slices.Clone(sealed), "GET"...), protocol.GuessNo},
		{"certificate", record(handshake, msg(certificate)), protocol.GuessNo},
		{"HTTP", []byte("GET / HTTP/1.1"), protocol.GuessNo},
		{"a hello too long to be one", record(handshake, []byte{1, 1, 0, 0, 3, 3}), protocol.GuessNo},
		{"DTLS", []byte{22, 0xfe, 0xfd, 0, 0, 0, 0}, protocol.GuessNo},
		{"MySQL greeting", []byte{0x4a, 0, 0, 0, 10, '8'}, protocol.GuessNo},
	}
	for _, test := range tests {
		if got := probe(test.p); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}
