// SPDX-License-Identifier: Apache-2.0

package http2

import (
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"sonde/agent/protocol"
)

// unary is a call with an answer of one message.
func unary(status string, more ...string) *talk {
	k := newTalk().begin().call(1, "p.S/M")
	return k.data(k.client, 1, message(10), end).accept(1).data(k.server, 1, message(20), open).trailers(1, status, more...)
}

func refused(code xhttp2.ErrCode, more ...string) *talk {
	k := newTalk().begin().call(1, "p.S/M", more...)
	return k.reset(k.server, 1, code)
}

func cancelled(code xhttp2.ErrCode, more ...string) *talk {
	k := newTalk().begin().call(1, "p.S/M", more...).accept(1)
	return k.reset(k.client, 1, code)
}

func answered(status string, more ...string) *talk {
	k := newTalk().begin().call(1, "p.S/M")
	return k.headers(k.server, 1, strings.Join(append([]string{":status= " + status}, more...), "\n"), end)
}

func TestCalls(t *testing.T) {
	bidi := newTalk().begin().call(1, "p.S/Bidi").accept(1)
	for range 3 {
		bidi.data(bidi.client, 1, message(0), open).data(bidi.server, 1, message(7)+message(300), open)
	}
	bidi.data(bidi.client, 1, "", end).trailers(1, "0")

	pieces := newTalk().begin().call(1, "p.S/M").accept(1)
	for _, p := range []string{message(10)[:3], message(10)[3:] + message(5)[:1], "", message(5)[1:]} {
		pieces.data(pieces.server, 1, p, open)
	}
	pieces.trailers(1, "0")

	web := newTalk().begin()
	web.headers(web.client, 1, ":method= POST\n:scheme= http\n:path= /p.S/M\ncontent-type= application/grpc-web+proto", end)
	web.headers(web.server, 1, ":status= 200\ncontent-type= application/grpc-web+proto", end)

	notMessages := newTalk().begin().call(1, "p.S/M").accept(1)
	notMessages.data(notMessages.server, 1, "\x07hello", open).trailers(1, "0")

	closed := newTalk().begin().call(1, "p.S/M").accept(1)
	closed.data(closed.server, 1, message(1), open)

	runTalks(t, []talkTest{
		{name: "unary", talk: unary("0"), want: "grpc p.S/M 200 status 0 messages 1/1 ok"},
		{name: "both sides stream", talk: bidi, want: "grpc p.S/Bidi 200 status 0 messages 3/6 ok"},
		{name: "messages in pieces", talk: pieces, want: "grpc p.S/M 200 status 0 messages 0/2 ok"},
		{name: "trailers only", talk: answered("200", "content-type= application/grpc", "grpc-status= 12", "grpc-message= unknown method"),
			want: "grpc p.S/M 200 status 12 messages 0/0 error UNIMPLEMENTED"},
		{name: "an error that is the client's", talk: unary("5"), want: "grpc p.S/M 200 status 5 messages 1/1 ok"},
		{name: "an error of the server", talk: unary("14"), want: "grpc p.S/M 200 status 14 messages 1/1 error UNAVAILABLE"},
		{name: "a status that gRPC does not have", talk: unary("77"), want: "grpc p.S/M 200 status 77 messages 1/1 error UNKNOWN"},
		{name: "a status that is no number", talk: unary("zero"), want: "grpc p.S/M 200 status 2 inferred messages 1/1 error UNKNOWN"},
		{name: "an HTTP error of a proxy", talk: answered("503"), want: "grpc p.S/M 503 status 14 inferred messages 0/0 error UNAVAILABLE"},
		{name: "an HTTP error that is the client's", talk: answered("401"), want: "grpc p.S/M 401 status 16 inferred messages 0/0 ok"},
		{name: "no status at all", talk: answered("200"), want: "grpc p.S/M 200 status 2 inferred messages 0/0 error UNKNOWN"},
		{name: "refused", talk: refused(xhttp2.ErrCodeRefusedStream), want: "grpc p.S/M 0 status 14 inferred messages 0/0 error UNAVAILABLE"},
		{name: "too much", talk: refused(xhttp2.ErrCodeEnhanceYourCalm), want: "grpc p.S/M 0 status 8 inferred messages 0/0 ok"},
		{name: "a mistake of the protocol", talk: refused(xhttp2.ErrCodeProtocol), want: "grpc p.S/M 0 status 13 inferred messages 0/0 error INTERNAL"},
		{name: "a code without a name", talk: refused(99), want: "grpc p.S/M 0 status 2 inferred messages 0/0 error UNKNOWN"},
		{name: "cancelled", talk: cancelled(xhttp2.ErrCodeCancel), want: "grpc p.S/M 200 status 1 inferred messages 0/0 ok"},
		{name: "cancelled before the deadline", talk: cancelled(xhttp2.ErrCodeCancel, "grpc-timeout= 1S"), want: "grpc p.S/M 200 status 1 inferred messages 0/0 ok"},
		{name: "cancelled at the deadline", talk: cancelled(xhttp2.ErrCodeCancel, "grpc-timeout= 3000u"),
			want: "grpc p.S/M 200 status 4 inferred messages 0/0 error DEADLINE_EXCEEDED"},
		{name: "the server goes away", talk: newTalk().begin().call(1, "p.S/M").goAway(0, 0), want: "grpc p.S/M 0 status 14 inferred messages 0/0 incomplete goaway"},
		{name: "the connection ends", talk: closed, close: true, want: "grpc p.S/M 200 status 14 inferred messages 0/1 incomplete connection_closed"},
		{name: "gRPC-Web is HTTP", talk: web, want: "POST /p.S/M 200 ok"},
		{name: "data that is no messages", talk: notMessages, want: "grpc p.S/M 200 status 0 messages 0/0 at least ok"},
	})
}

func TestOutcomeOfACallDependsOnTheRole(t *testing.T) {
	server := map[string]bool{"2": true, "4": true, "12": true, "13": true, "14": true, "15": true}
	for _, status := range strings.Split("0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", " ") {
		k := unary(status)
		if got := strings.Contains(observe(protocol.Start{}).run(k.calls).lines(), " error "); got != server[status] {
			t.Errorf("status %s is an error of the server: %v", status, got)
		}
		for i := range k.calls {
			k.calls[i].dir = k.calls[i].dir.Other()
		}
		if got := strings.Contains(observe(protocol.Start{}).run(k.calls).lines(), " error "); got != (status != "0") {
			t.Errorf("status %s is an error of the client: %v", status, got)
		}
	}
}

func TestFieldsOfACall(t *testing.T) {
	k := newTalk().begin().call(5, "package.Service/Method", "grpc-timeout= 20S", "user-agent= grpc-go/1.64.0")
	k.data(k.client, 5, message(10), end).accept(5).data(k.server, 5, message(20)[:2], open).data(k.server, 5, message(20)[2:], open)
	k.trailers(5, "9", "grpc-message= caf%C3%A9 100% %zz")
	o := observe(protocol.Start{}).run(k.calls)
	if len(o.got) != 1 {
		t.Fatalf("got %s", o.lines())
	}
	c := o.got[0].RPC
	if c.Method != "package.Service/Method" || c.Timeout != 20*time.Second || c.Stream != 5 || c.Message != "café 100% %zz" || c.FirstMessage != 7*time.Millisecond {
		t.Errorf("got %+v", c)
	}
}

func TestTimeouts(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1H": time.Hour, "2M": 2 * time.Minute, "3S": 3 * time.Second, "4m": 4 * time.Millisecond, "5u": 5 * time.Microsecond, "6n": 6,
		"99999999S": 99999999 * time.Second, "99999999H": 1 << 21 * time.Hour, "0n": 1, "0x": 0, "": 0, "S": 0, "1": 0, "1x": 0, "123456789S": 0, "-1S": 0,
	} {
		if got := grpcTimeout([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}
