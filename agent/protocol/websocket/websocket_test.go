// SPDX-License-Identifier: Apache-2.0

package websocket

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/testbed/begins"
)

// step is one call of a parser: ">" is the client's direction, "<" the server's. skip stands in the place of bytes.
type step struct {
	from string
	data string
	skip uint64
}

func cl(frames ...string) step { return step{from: ">", data: strings.Join(frames, "")} }
func sv(frames ...string) step { return step{from: "<", data: strings.Join(frames, "")} }
func clSkip(n uint64) step     { return step{from: ">", skip: n} }
func svSkip(n uint64) step     { return step{from: "<", skip: n} }

const (
	fin  = 0x80
	text = 1
)

// frame makes a frame of a first byte; mask is "" for the server's.
func frame(first byte, mask, payload string) string {
	b := []byte{first, 0}
	switch n := len(payload); {
	case n > 0xffff:
		b[1] = 127
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	case n > 125:
		b[1] = 126
		b = binary.BigEndian.AppendUint16(b, uint16(n))
	default:
		b[1] = byte(n)
	}
	if mask == "" {
		return string(b) + payload
	}
	b[1] |= 0x80
	b = append(b, mask...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return string(b)
}

func masked(first byte, payload string) string { return frame(first, "\x12\x34\x56\x78", payload) }
func plain(first byte, payload string) string  { return frame(first, "", payload) }

func closeCode(n int) string { return string([]byte{byte(n >> 8), byte(n)}) }

type observed struct {
	conn *Conn
	now  time.Duration
	got  []model.Request
}

func observe() *observed {
	o := &observed{now: 10 * time.Millisecond}
	env := &protocol.Env{Emit: func(r *model.Request) {
		x, w := *r, *r.WebSocket
		x.WebSocket = &w
		o.got = append(o.got, x)
	}}
	begins.Watch(env)
	upgrade := &model.Request{
		Protocol: model.ProtocolHTTP, Begun: 7, Start: 1e6, RequestEnd: 2e6, ResponseStart: 9e6, End: 10e6, RequestBytes: 100, ResponseBytes: 50,
		HTTP: &model.HTTP{Status: 101}, WebSocket: &model.WebSocket{Path: "/p", Host: "h", Subprotocol: "v1"},
	}
	o.conn = Spec().Setup(env)(protocol.Start{Upgrade: upgrade, Client: protocol.Received}).(*Conn)
	return o
}

func (o *observed) run(steps ...step) *observed {
	for _, s := range steps {
		d := protocol.Received
		if s.from == "<" {
			d = protocol.Sent
		}
		o.now += time.Millisecond
		if s.skip > 0 {
			o.conn.Skip(d, s.skip, o.now)
		} else {
			o.conn.Feed(d, []byte(s.data), o.now)
		}
	}
	return o
}

func (o *observed) close(reason string) *observed {
	o.conn.Close(protocol.Close{Time: o.now + time.Millisecond, Reason: reason})
	return o
}

// lines shows what is reported, a session in a line: messages, frames and payload of each side.
func (o *observed) lines() string {
	var l []string
	for i := range o.got {
		r, w := &o.got[i], o.got[i].WebSocket
		s := fmt.Sprintf("%s%s%s sent %d/%d/%d received %d/%d/%d", r.Outcome, r.Reason, r.ErrorType,
			w.MessagesSent, w.FramesSent, w.BytesSent, w.MessagesReceived, w.FramesReceived, w.BytesReceived)
		if w.Pings > 0 {
			s += fmt.Sprintf(" pings %d", w.Pings)
		}
		if w.CloseCode > 0 {
			s += fmt.Sprintf(" code %d", w.CloseCode)
		}
		if w.Compressed {
			s += " compressed"
		}
		if w.MessagesUncounted {
			s += " uncounted"
		}
		l = append(l, s)
	}
	return strings.Join(l, "\n")
}

func TestSessions(t *testing.T) {
	bye := []step{cl(masked(fin|opClose, closeCode(1000))), sv(plain(fin|opClose, closeCode(1000)))}
	for _, test := range []struct {
		name  string
		steps []step
		want  string
		close string
	}{
		{"nothing follows", nil, "incompletetimeout sent 0/0/0 received 0/0/0", "timeout"},
		{"a message each way", append([]step{cl(masked(fin|text, "Hello")), sv(plain(fin|opBinary, "abc"))}, bye...), "ok sent 1/2/7 received 1/2/5 code 1000", ""},
		{"a message in fragments with a ping between (RFC 6455 5.4)", append([]step{sv(plain(text, "Hel"), plain(fin|opPing, "x"), plain(opContinuation, "l"), plain(fin|opContinuation, "o"))}, bye...),
			"ok sent 0/1/2 received 1/5/8 pings 1 code 1000", ""},
		{"lengths of 16 and 64 bits", append([]step{cl(masked(fin|opBinary, strings.Repeat("x", 300))), sv(plain(fin|opBinary, strings.Repeat("x", 70000)))}, bye...),
			"ok sent 1/2/302 received 1/2/70002 code 1000", ""},
		{"an empty message", append([]step{cl(masked(fin|text, ""))}, bye...), "ok sent 1/2/2 received 0/1/2 code 1000", ""},
		{"compression shows in the frames", append([]step{cl(masked(fin|0x40|text, "zz"))}, bye...), "ok sent 1/2/4 received 0/1/2 code 1000 compressed", ""},
		{"the server fails", []step{sv(plain(fin|opClose, closeCode(1011)+"why")), cl(masked(fin|opClose, closeCode(1011)))}, "error1011 sent 0/1/2 received 0/1/5 code 1011", ""},
		{"the first code counts", []step{sv(plain(fin|opClose, closeCode(1002))), cl(masked(fin|opClose, closeCode(1000)))}, "error1002 sent 0/1/2 received 0/1/2 code 1002", ""},
		{"a close without a code", []step{cl(masked(fin|opClose, "")), sv(plain(fin|opClose, ""))}, "ok sent 0/1/0 received 0/1/0 code 1005", ""},
		{"an application's own code", []step{sv(plain(fin|opClose, closeCode(4001))), cl(masked(fin|opClose, closeCode(4001)))}, "ok sent 0/1/2 received 0/1/2 code 4001", ""},
		{"only one side says goodbye", []step{cl(masked(fin|opClose, closeCode(1001)))}, "ok sent 0/1/2 received 0/0/0 code 1001", "connection_reset"},
		{"nobody says goodbye", []step{cl(masked(fin|text, "a"))}, "incompleteconnection_reset sent 1/1/1 received 0/0/0", "connection_reset"},
		{"a client that does not mask", append([]step{cl(plain(fin|text, "abc"))}, bye...), "ok sent 1/2/5 received 0/1/2 code 1000", ""},
		{"a gap inside a payload does no harm", append([]step{cl(masked(fin|text, strings.Repeat("x", 100))[:20]), clSkip(80), cl("\x00\x00\x00\x00\x00\x00"), cl(masked(fin|text, "y"))}, bye...),
			"ok sent 2/3/103 received 0/1/2 code 1000", ""},
		{"a gap over a header hides frames until the next turn", []step{cl(masked(fin|text, "a")), clSkip(30), cl(masked(fin|text, "b")), sv(plain(fin|text, "c")), cl(masked(fin|text, "d")),
			sv(plain(fin|opClose, closeCode(1000))), cl(masked(fin|opClose, closeCode(1000)))}, "ok sent 2/3/4 received 1/2/3 code 1000 uncounted", ""},
		{"behind a gap a frame must be as it should be", []step{clSkip(30), sv(plain(fin|text, "c")), cl(plain(fin|text, "abcdef")), sv(plain(fin|text, "c"))},
			"incompletex sent 0/0/0 received 2/2/2 uncounted", "x"},
		{"no WebSocket at all", []step{cl("\xff\xffgarbage"), sv("more")}, "incompletex sent 0/0/0 received 0/0/0 uncounted", "x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := observe().run(test.steps...)
			if test.close != "" {
				o.close(test.close)
			}
			if got := o.lines(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if o.conn.Pending() != 0 {
				t.Error("still pending")
			}
			if o.close("again"); len(o.got) != 1 {
				t.Errorf("%d reports", len(o.got))
			}
		})
	}
}

func TestSessionLastsFromTheUpgradeToTheClosingHandshake(t *testing.T) {
	o := observe().run(cl(masked(fin|opClose, closeCode(1000))), sv(plain(fin|opClose, closeCode(1000))), cl("late")).close("connection_closed")
	r := o.got[0]
	if r.Start != 1e6 || r.RequestEnd != 2e6 || r.ResponseStart != 9e6 || r.End != 12e6 || r.RequestBytes != 8 || r.ResponseBytes != 4 {
		t.Errorf("%+v", r)
	}
	if r.Role != model.RoleServer || r.HTTP != nil || r.Protocol != model.ProtocolWebSocket || r.WebSocket.Path != "/p" || r.WebSocket.Subprotocol != "v1" {
		t.Errorf("%+v %+v", r, r.WebSocket)
	}
}

func session(random *rand.Rand) []step {
	var steps []step
	for range 10 {
		n := []int{0, 5, 130, 70000}[random.IntN(4)]
		first := []byte{fin | text, text, fin | opContinuation, fin | opPing, fin | opPong}[random.IntN(5)]
		if first&15 >= opClose {
			n = min(n, 100)
		}
		if random.IntN(2) == 0 {
			steps = append(steps, cl(masked(first, strings.Repeat("x", n))))
		} else {
			steps = append(steps, sv(plain(first, strings.Repeat("x", n))))
		}
	}
	return append(steps, cl(masked(fin|opClose, closeCode(1001))))
}

func FuzzSplit(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		steps := session(random)
		want := observe().run(steps...).close("connection_closed")
		var cut []step
		for _, s := range steps {
			for rest := s.data; rest != ""; {
				n := 1 + random.IntN(min(len(rest), 1000))
				cut, rest = append(cut, step{from: s.from, data: rest[:n]}), rest[n:]
			}
		}
		got := observe().run(cut...).close("connection_closed")
		if got.lines() != want.lines() || got.got[0].Begun != want.got[0].Begun {
			t.Errorf("cut\n%s\nwhole\n%s", got.lines(), want.lines())
		}
	})
}

func FuzzAny(f *testing.F) {
	f.Add([]byte(masked(fin|text, "Hello")), []byte(plain(fin|opClose, closeCode(1000))))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		o := observe().run(cl(string(a)), sv(string(b)), clSkip(9), sv(string(a)), cl(string(b)), svSkip(3), cl(string(a))).close("x")
		if len(o.got) != 1 {
			t.Errorf("%d reports", len(o.got))
		}
		w := o.got[0].WebSocket
		if w.BytesSent > o.got[0].RequestBytes || w.BytesReceived > o.got[0].ResponseBytes || w.MessagesSent > w.FramesSent {
			t.Errorf("%+v", w)
		}
	})
}

func BenchmarkFrame(b *testing.B) {
	o := observe()
	p := []byte(masked(fin|text, strings.Repeat("x", 100)))
	b.ReportAllocs()
	for b.Loop() {
		o.conn.Feed(protocol.Received, p, o.now)
	}
	if n := o.conn.session.MessagesSent; n != uint64(b.N) {
		b.Errorf("%d messages, want %d", n, b.N)
	}
}
