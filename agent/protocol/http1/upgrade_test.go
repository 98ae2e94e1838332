// SPDX-License-Identifier: Apache-2.0

package http1

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// within notes what the parser of what follows HTTP is told.
type within struct {
	name     string
	start    protocol.Start
	calls    []string
	released bool
}

func (w *within) note(format string, a ...any) { w.calls = append(w.calls, fmt.Sprintf(format, a...)) }

func (w *within) Feed(d protocol.Dir, p []byte, _ time.Duration) {
	w.note("%s %s", map[protocol.Dir]string{w.start.Client: ">", w.start.Client.Other(): "<"}[d], p)
}
func (w *within) Skip(_ protocol.Dir, n uint64, _ time.Duration) { w.note("skip %d", n) }
func (w *within) EOF(protocol.Dir, time.Duration)                { w.note("EOF") }
func (w *within) Close(e protocol.Close)                         { w.note("close %s", e.Reason) }
func (w *within) Pending() int                                   { return 5 }
func (w *within) Fit() protocol.Fit                              { return protocol.FitYes }
func (w *within) Release()                                       { w.released = true }

// opens lets a connection open parsers, but for those of the given names.
func (o *observed) opens(not ...string) *within {
	w := &within{}
	o.shared.env.Open = func(name string, s protocol.Start) protocol.Parser {
		for _, n := range not {
			if n == name {
				return nil
			}
		}
		w.name, w.start = name, s
		return w
	}
	return w
}

const (
	askSocket  = "GET /chat?x=1 HTTP/1.1\r\nHost: a:80\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: k\r\n\r\n"
	giveSocket = "HTTP/1.1 101 Switching\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nSec-WebSocket-Protocol: v1\r\nSec-WebSocket-Extensions: permessage-deflate; x\r\n\r\n"
	askH2C     = "GET /h HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n"
	giveH2C    = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	askTunnel  = "CONNECT b:443 HTTP/1.1\r\nHost: b:443\r\n\r\n"
	giveTunnel = "HTTP/1.1 200 Connection established\r\n\r\n"
)

func TestWhatFollowsHTTPGoesToItsParser(t *testing.T) {
	for _, test := range []struct {
		name   string
		not    []string
		steps  []step
		opened string
		calls  string
		want   string
	}{
		{"WebSocket", nil, []step{req(askSocket), resp(giveSocket + "hi"), req("ho"), respSkip(7), reqEOF()},
			"websocket", "< hi|> ho|skip 7|EOF|close connection_closed", "GET /chat 101 ok 101/144"},
		{"HTTP/2, which has the answer", nil, []step{req(askH2C), resp(giveH2C), req("PRI *")}, "h2c", "> PRI *|close connection_closed", ""},
		{"HTTP/2 that nobody follows", []string{"h2c", ""}, []step{req(askH2C), resp(giveH2C), req("PRI *")}, "", "", "GET /h 101 ok 105/71"},
		{"a protocol without a name here is looked for", []string{"tcp"}, []step{req(strings.Replace(askH2C, "h2c", "tcp", 1)), resp(strings.Replace(giveH2C, "h2c", "tcp", 1) + "hi")},
			"", "< hi|close connection_closed", "GET /h 101 ok 105/71"},
		{"a tunnel", nil, []step{req(askTunnel), resp(giveTunnel), req("\x16\x03"), resp("\x16\x04")}, "", "> \x16\x03|< \x16\x04|close connection_closed", "CONNECT  200 ok 39/39"},
		{"no tunnel", nil, []step{req(askTunnel), resp("HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"), req(getA), resp(okNil)}, "", "",
			"CONNECT  403 ok 39/38\nGET /a 200 ok 19/38"},
		{"a client that does not wait", nil, []step{req(askTunnel + "GET /a HTT"), resp(giveTunnel), req("P/1.1\r\n\r\n")}, "", "> GET /a HTT|> P/1.1\r\n\r\n|close connection_closed", "CONNECT  200 ok 39/39"},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, cut := range []bool{false, true} {
				o := observe(true)
				w := o.opens(test.not...)
				steps := test.steps
				if cut {
					steps = split(steps, nil)
				}
				o.run(steps...).close("")
				calls := strings.Join(w.calls, "|")
				if cut {
					calls = strings.NewReplacer("|> ", "", "|< ", "", "|", "", "> ", "", "< ", "").Replace(calls)
					test.calls = strings.NewReplacer("|> ", "", "|< ", "", "|", "", "> ", "", "< ", "").Replace(test.calls)
				}
				if got := o.lines(); got != test.want || w.name != test.opened || calls != test.calls {
					t.Errorf("got %q, opened %q, calls %q\nwant %q, %q, %q", got, w.name, calls, test.want, test.opened, test.calls)
				}
			}
		})
	}
}

func TestParserOfAnUpgradeIsToldOfTheRequest(t *testing.T) {
	o := observe(true)
	w := o.opens()
	o.run(req(askSocket), resp(giveSocket))
	u := w.start.Upgrade
	want := model.WebSocket{Path: "/chat", Host: "a:80", Subprotocol: "v1", Compressed: true}
	if u == nil || *u.WebSocket != want || u.Start != time.Second || u.RequestEnd != time.Second || u.ResponseStart != 2*time.Second {
		t.Fatalf("%+v", u)
	}
	if w.start.Client != protocol.Received || w.start.Joined || w.start.Base != [2]uint64{uint64(len(giveSocket)), uint64(len(askSocket))} {
		t.Errorf("%+v", w.start)
	}
	if n := o.conn.Pending(); n != 5 {
		t.Errorf("%d pending", n)
	}
	if o.conn.Release(); !w.released {
		t.Error("not released")
	}
}

func TestParserInATunnelIsToldThatBytesPassedBefore(t *testing.T) {
	o := observe(true)
	w := o.opens()
	o.run(req(askTunnel), req("\x16\x03\x01 early"), resp(giveTunnel))
	if !w.start.Joined || w.start.Upgrade != nil {
		t.Errorf("%+v", w.start)
	}
}
