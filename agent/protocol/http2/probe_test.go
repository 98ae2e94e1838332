// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"encoding/hex"
	"strings"
	"testing"

	"sonde/agent/protocol"
)

func TestProbe(t *testing.T) {
	k := newTalk().begin().request(1, "/a", end).answer(1, "200", open)
	k.data(k.server, 1, "body", open).data(k.server, 1, "", end).request(3, "/a", end).answer(3, "200", end)
	k.client.framer.WriteWindowUpdate(0, 100)
	k.client.framer.WriteHeaders(headersOf(k, 5, "/b"))
	k.pass(k.client)
	text := func(i int) string { return string(k.calls[i].p) }
	hex := func(s string) string {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	no, maybe, request, response := protocol.GuessNo, protocol.GuessMaybe, protocol.GuessRequest, protocol.GuessResponse
	tests := []struct {
		name, bytes string
		want        protocol.Guess
	}{
		{"the client's preface", text(0), request},
		{"the beginning of it", prefaceText[:3], maybe},
		{"a method that begins like it", "PRIVATE / HTTP/1.1\r\n", no},
		{"the server's preface", text(1), response},
		{"empty settings", hex("000000 04 00 00000000"), response},
		{"the beginning of settings", hex("000012 04"), maybe},
		{"acknowledged settings", text(2), maybe},
		{"a request", text(3), request},
		{"an answer", text(4), response},
		{"a request of fields from before", text(7), request},
		{"an answer of fields from before", text(8), response},
		{"a window update and a request", text(9), request},
		{"data", text(5), maybe},
		{"data that is cut", text(5)[:11], no},
		{"a ping", hex("000008 06 01 00000000 0102030405060708"), maybe},
		{"a ping of a stream", hex("000008 06 01 00000001 0102030405060708"), no},
		{"settings that nobody has", hex("000006 04 00 00000000 012300000000"), no},
		{"HTTP/1", "GET / HTTP/1.1\r\nHost: a\r\n\r\n", no},
		{"an answer of HTTP/1", "HTTP/1.1 200 OK\r\n\r\n", no},
		{"Kafka", hex("0000002b 0003 000c 00000001 0007 636f6e736f6c65 00 02"), no},
		{"PostgreSQL", hex("00000008 04d2162f"), no},
		{"a greeting of MySQL", hex("4a000000 0a 382e302e33360008000000"), no},
		{"DNS over TCP", hex("001d 0001 0100 0001000000000000 076578616d706c65 03636f6d 00 0001 0001"), no},
		{"MongoDB", hex("30000000 01000000 00000000 dd070000 00000000"), no},
		{"TLS", hex("1603010200 010001fc 0303"), no},
		{"zeros", strings.Repeat("\x00", 64), no},
	}
	for _, test := range tests {
		if got := probe([]byte(test.bytes)); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

func TestWhatIsNotHTTP2(t *testing.T) {
	k := newTalk().begin()
	tests := []struct {
		name  string
		start protocol.Start
		calls []call
		want  protocol.Fit
	}{
		{"the preface", protocol.Start{}, k.calls[:1], protocol.FitYes},
		{"settings alone may be others'", protocol.Start{}, k.calls[1:2], protocol.FitOpen},
		{"settings and the preface", protocol.Start{}, []call{k.calls[1], k.calls[0]}, protocol.FitYes},
		{"almost the preface", protocol.Start{}, []call{{p: []byte("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")}}, protocol.FitNo},
		{"text", protocol.Start{}, []call{{p: []byte(strings.Repeat("some text\r\n", 9))}, {p: []byte(strings.Repeat("some text\r\n", 9))}}, protocol.FitNo},
		{"text, joined", protocol.Start{Joined: true}, []call{{p: []byte(strings.Repeat("text\r\n", 9))}, {p: []byte("some more")}}, protocol.FitOpen},
		{"a request, joined", protocol.Start{Joined: true}, newTalk().begin().request(1, "/a", end).calls[3:], protocol.FitYes},
	}
	for _, test := range tests {
		if o := observe(test.start).run(test.calls); o.conn.Fit() != test.want || len(o.got) > 0 {
			t.Errorf("%s: %d, want %d", test.name, o.conn.Fit(), test.want)
		}
	}
	joined := observe(protocol.Start{Joined: true})
	for range maxMisses {
		joined.run([]call{{p: []byte(strings.Repeat("text\r\n", 9))}})
	}
	if joined.conn.Fit() != protocol.FitNo {
		t.Error("much text is still taken for HTTP/2")
	}
}
