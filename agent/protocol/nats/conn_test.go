// SPDX-License-Identifier: Apache-2.0

package nats

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/testbed/begins"
)

// step is one call of a parser: ">" is the client's direction, "<" the server's. skip stands in the place of bytes.
type step struct {
	from  string
	data  string
	skip  uint64
	after time.Duration // since the step before, 1 ms when 0
}

func cl(s string) step                    { return step{from: ">", data: s} }
func sv(s string) step                    { return step{from: "<", data: s} }
func clSkip(n uint64) step                { return step{from: ">", skip: n} }
func svSkip(n uint64) step                { return step{from: "<", skip: n} }
func (s step) later(d time.Duration) step { s.after = d; return s }

// observed runs steps on a parser and keeps what it reports.
type observed struct {
	conn   *Conn
	client protocol.Dir
	now    time.Duration
	got    []model.Request
	opened []string
}

type inner struct{ fed, closed int }

func (i *inner) Feed(_ protocol.Dir, p []byte, _ time.Duration) { i.fed += len(p) }
func (i *inner) Skip(protocol.Dir, uint64, time.Duration)       {}
func (i *inner) EOF(protocol.Dir, time.Duration)                {}
func (i *inner) Close(protocol.Close)                           { i.closed++ }
func (i *inner) Pending() int                                   { return 7 }
func (i *inner) Fit() protocol.Fit                              { return protocol.FitYes }
func (i *inner) Release()                                       {}

func observe(start protocol.Start) *observed {
	o := &observed{client: protocol.Sent}
	env := &protocol.Env{
		Emit: func(r *model.Request) {
			x, d := *r, *r.Messaging
			x.Messaging = &d
			o.got = append(o.got, x)
		},
		Open: func(name string, _ protocol.Start) protocol.Parser {
			o.opened = append(o.opened, name)
			return &inner{}
		},
	}
	begins.Watch(env)
	o.conn = Spec().Setup(env)(start).(*Conn)
	return o
}

func (o *observed) run(steps ...step) *observed {
	for _, s := range steps {
		d := o.client
		if s.from == "<" {
			d = d.Other()
		}
		o.now += max(s.after, time.Millisecond)
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

// text is a request in a line: what a reader would want to know.
func text(r *model.Request) string {
	d := r.Messaging
	s := []string{d.API}
	add := func(format string, a ...any) { s = append(s, fmt.Sprintf(format, a...)) }
	if d.Operation != "" {
		add("%s/%s", d.Operation, d.OperationType)
	}
	if d.Destination != "" {
		add("%s", d.Destination)
	}
	if d.Group != "" {
		add("group=%s", d.Group)
	}
	if d.Offset >= 0 {
		add("offset=%d", d.Offset)
	}
	add("%s", r.Outcome)
	if r.Reason != "" {
		add("%s", r.Reason)
	}
	if r.ErrorType != "" {
		add("(%s)", r.ErrorType)
	}
	if r.OneWay {
		add("one-way")
	}
	add("%d/%d", r.RequestBytes, r.ResponseBytes)
	if d.Headers != nil {
		add("%v", d.Headers)
	}
	return strings.Join(s, " ")
}

func (o *observed) lines() string {
	var l []string
	for i := range o.got {
		l = append(l, text(&o.got[i]))
	}
	return strings.Join(l, "\n")
}

const (
	hello   = `INFO {"server_id":"S","version":"2.10","max_payload":1048576}` + "\r\n"
	connect = `CONNECT {"verbose":false,"name":"app","user":"u","pass":"secret"}` + "\r\n"
	verbose = `CONNECT {"verbose":true}` + "\r\n"
	ping    = "PING\r\n"
	pong    = "PONG\r\n"
	ok      = "+OK\r\n"
)

// begun is a session at work, whose reports are cut off from what follows.
func begun() []step { return []step{sv(hello), cl(connect + ping), sv(pong)} }

const begunLines = "INFO ok 63/67\nCONNECT ok 67/0\nPING ok 6/6\n"

var conversations = []struct {
	name  string
	steps []step
	want  string
	close string
}{
	{"the greeting is answered by CONNECT, CONNECT by the PONG behind it", begun(), begunLines, ""},
	{"a CONNECT that nothing proves taken is one-way", []step{sv(hello), cl(connect), sv("MSG a 1 0\r\n\r\n")},
		"INFO ok 63/67\nCONNECT ok one-way 67/0\nMSG receive/receive a ok one-way 13/0\n", ""},
	{"a refused CONNECT is an error", []step{sv(hello), cl(connect), sv("-ERR 'Authorization Violation'\r\n")},
		"INFO ok 63/67\nCONNECT error (authorization_violation) 67/32\n", "connection_closed"},
	{"a greeting that nobody answers", []step{sv(hello)}, "INFO incomplete connection_reset 63/0\n", "connection_reset"},
	{"verbose: answers belong to commands in order", []step{
		sv(hello), cl(verbose), sv(ok), cl("SUB a q 1\r\nPUB b 2\r\nxx\r\n" + ping), sv(ok), sv(ok + pong)},
		"INFO ok 63/26\nCONNECT ok 26/5\nSUB a group=q ok 11/5\nPUB publish/send b ok 13/5\nPING ok 6/6\n", ""},
	{"verbose: -ERR answers as well", []step{
		sv(hello), cl(verbose), sv(ok), cl("PUB b 2\r\nxx\r\nPUB c 0\r\n\r\n"), sv("-ERR 'Permissions Violation for Publish to \"b\"'\r\n" + ok)},
		"INFO ok 63/26\nCONNECT ok 26/5\nPUB publish/send b error (permissions_violation) 13/49\nPUB publish/send c ok 11/5\n", ""},
	{"verbose: a subject that is not valid is answered by -ERR and +OK", []step{
		sv(hello), cl(verbose), sv(ok), cl("PUB .b 2\r\nxx\r\nPUB c 0\r\n\r\n"), sv("-ERR 'Invalid Publish Subject'\r\n" + ok), sv(ok)},
		"INFO ok 63/26\nCONNECT ok 26/5\nPUB publish/send .b error (invalid_publish_subject) 14/37\nPUB publish/send c ok 11/5\n", ""},
	{"verbose unless CONNECT says otherwise", []step{sv(hello), cl("CONNECT {}\r\n"), sv(ok), cl("PUB c 0\r\n\r\n"), sv(ok)},
		"INFO ok 63/12\nCONNECT ok 12/5\nPUB publish/send c ok 11/5\n", ""},
	{"verbose: what stands before a line that is no command is answered", []step{
		sv(hello), cl(verbose + "PUB b 2\r\nxx\r\n" + ping + "NOPE\r\n"), sv(ok + ok + pong + "-ERR 'Unknown Protocol Operation'\r\n")},
		"INFO ok 63/26\nCONNECT ok 26/5\nPUB publish/send b ok 13/5\nPING ok 6/6\n-ERR error (unknown_protocol_operation) one-way 0/35\n", ""},
	{"verbose: a request has its reply, not its +OK, for an answer", []step{
		sv(hello), cl(verbose + "SUB i.* 1\r\n"), sv(ok + ok), cl("PUB b i.1 2\r\nxx\r\n"), sv(ok), sv("MSG i.1 1 1\r\ny\r\n")},
		"INFO ok 63/26\nCONNECT ok 26/5\nSUB i.* ok 11/5\nPUB publish/send b ok 17/21\n", ""},
	{"verbose: a reply that overtakes the +OK", []step{
		sv(hello), cl(verbose + "SUB i.* 1\r\n"), sv(ok + ok), cl("PUB b i.1 2\r\nxx\r\n"), sv("MSG i.1 1 1\r\ny\r\n" + ok), cl("PUB c 0\r\n\r\n"), sv(ok)},
		"INFO ok 63/26\nCONNECT ok 26/5\nSUB i.* ok 11/5\nPUB publish/send b ok 17/16\nPUB publish/send c ok 11/5\n", ""},
	{"publications and subscriptions are one-way", append(begun(), cl("SUB a.> workers 7\r\npub b\t2\r\nxx\r\nUNSUB 7\r\n")),
		begunLines + "SUB a.> group=workers ok one-way 19/0\nPUB publish/send b ok one-way 13/0\nUNSUB a.> group=workers ok one-way 9/0\n", ""},
	{"a delivery has the group of its subscription", append(begun(), cl("SUB a.> workers 7\r\n"), sv("MSG a.b 7 3\r\nabc\r\n")),
		begunLines + "SUB a.> group=workers ok one-way 19/0\nMSG receive/receive a.b group=workers ok one-way 18/0\n", ""},
	{"a request is answered where it asked to be", append(begun(), cl("SUB _INBOX.x.* 1\r\nPUB svc _INBOX.x.1 2\r\nhi\r\nPUB svc _INBOX.x.2 2\r\nho\r\n"),
		sv("MSG _INBOX.x.2 1 4\r\n{  }\r\nMSG _INBOX.x.1 1 1\r\n1\r\n")),
		begunLines + "SUB _INBOX.x.* ok one-way 18/0\nPUB publish/send svc ok 26/26\nPUB publish/send svc ok 26/23\n", ""},
	{"a reply subject that no subscription of the client matches brings no answer here",
		append(begun(), cl("SUB _INBOX.x.* 1\r\nPUB svc _INBOX.y.1 2\r\nhi\r\n")),
		begunLines + "SUB _INBOX.x.* ok one-way 18/0\nPUB publish/send svc ok one-way 26/0\n", ""},
	{"a request without responders", append(begun(), cl("SUB i.* 1\r\nPUB svc i.1 2\r\nhi\r\n"), sv("HMSG i.1 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\n")),
		begunLines + "SUB i.* ok one-way 11/0\nPUB publish/send svc error (503) 19/36\n", ""},
	{"a request that is not answered", append(begun(), cl("SUB i.* 1\r\nPUB svc i.1 2\r\nhi\r\n")),
		begunLines + "SUB i.* ok one-way 11/0\nPUB publish/send svc incomplete timeout 19/0\n", "timeout"},
	{"a service's answer ends the delivery that it answers", append(begun(), cl("SUB svc g 1\r\n"), sv("MSG svc 1 _INBOX.z 2\r\nhi\r\n"), cl("PUB _INBOX.z 1\r\nx\r\n")),
		begunLines + "SUB svc group=g ok one-way 13/0\nMSG process/process svc group=g ok 26/19\n", ""},
	{"a delivery that nobody replies to is reported after a while", append(begun(), cl("SUB svc 1\r\n"), sv("MSG svc 1 r 0\r\n\r\n"), cl(ping).later(maxWait), sv(pong)),
		begunLines + "SUB svc ok one-way 11/0\nMSG receive/receive svc ok one-way 17/0\nPING ok 6/6\n", ""},
	{"JetStream acknowledges a publication with its sequence number", append(begun(), cl("SUB i.* 1\r\nPUB orders.new i.1 2\r\nhi\r\n"),
		sv("MSG i.1 1 27\r\n{\"stream\":\"ORDERS\",\"seq\":9}\r\n")),
		begunLines + "SUB i.* ok one-way 11/0\nPUB publish/send orders.new offset=9 ok 26/43\n", ""},
	{"an error of JetStream is an error", append(begun(), cl("SUB i.* 1\r\nPUB $JS.API.STREAM.INFO.X i.1 0\r\n\r\n"),
		sv("MSG i.1 1 98\r\n{\"type\":\"io.nats.jetstream.api.v1.stream_info_response\",\"error\":{\"code\":404,\"err_code\":10059,...}}\r\n")),
		begunLines + "SUB i.* ok one-way 11/0\nPUB $JS.API.STREAM.INFO.X error (10059) 35/114\n", ""},
	{"a pull is answered by the first message of the stream, whose acknowledgement settles", append(begun(),
		cl("SUB _INBOX.p 2\r\nPUB $JS.API.CONSUMER.MSG.NEXT.ORDERS.work _INBOX.p 11\r\n{\"batch\":2}\r\n"),
		sv("MSG orders.new 2 $JS.ACK.ORDERS.work.1.9.1.17.0 2\r\nhi\r\n"),
		sv("MSG orders.new 2 $JS.ACK.ORDERS.work.1.10.2.18.0 2\r\nho\r\n"),
		cl("PUB $JS.ACK.ORDERS.work.1.9.1.17.0 4\r\n-NAK\r\nPUB $JS.ACK.ORDERS.work.1.10.2.18.0 0\r\n\r\n")),
		begunLines + "SUB _INBOX.p ok one-way 16/0\nPUB poll/receive ORDERS group=work ok 68/55\n" +
			"MSG receive/receive orders.new ok one-way 56/0\nPUB nack/settle ORDERS group=work ok one-way 44/0\nPUB ack/settle ORDERS group=work ok one-way 41/0\n", ""},
	{"a pull that finds nothing, after a sign of life", append(begun(), cl("SUB i 2\r\nPUB $JS.API.CONSUMER.MSG.NEXT.S.c i 0\r\n\r\n"),
		sv("HMSG i 2 16 16\r\nNATS/1.0 100\r\n\r\n\r\n"), sv("HMSG i 2 16 16\r\nNATS/1.0 404\r\n\r\n\r\n")),
		begunLines + "SUB i ok one-way 9/0\nHMSG i ok one-way 34/0\nPUB poll/receive S group=c ok 41/34\n", ""},
	{"a subscription that ends by itself", append(begun(), cl("SUB i 2\r\nUNSUB 2 1\r\nPUB a i 0\r\n\r\n"), sv("MSG i 2 0\r\n\r\n"), cl("PUB a i 0\r\n\r\n")),
		begunLines + "SUB i ok one-way 9/0\nUNSUB i ok one-way 11/0\nPUB publish/send a ok 13/13\nPUB publish/send a ok one-way 13/0\n", ""},
	{"the server asks as well", append(begun(), sv(ping), cl(pong)), begunLines + "PING ok 6/6\n", ""},
	{"an error that answers nothing", append(begun(), sv("-ERR 'Stale Connection'\r\n")), begunLines + "-ERR error (stale_connection) one-way 0/25\n", ""},
	{"news of the cluster are no request", append(begun(), sv(hello)), begunLines, ""},
	{"a link between servers reports nothing", []step{sv(hello), cl(hello), cl("RS+ $G a\r\n" + ping), sv("RMSG $G a 2\r\nhi\r\n" + pong)}, "", "connection_closed"},
	{"a gap inside a payload does no harm", append(begun(), cl("PUB a 1000\r\nabc"), clSkip(990), cl("1234567\r\nPUB b 0\r\n\r\n")),
		begunLines + "PUB publish/send a ok one-way 1014/0\nPUB publish/send b ok one-way 11/0\n", ""},
	{"a gap over the end of a payload hides what is behind it until the next turn",
		append(begun(), cl("PUB a 1000\r\nabc"), clSkip(1050), cl("xx\r\nPUB x 0\r\n\r\n"), sv("MSG q 1 0\r\n\r\n"), cl("PUB b 0\r\n\r\n")),
		begunLines + "PUB publish/send a ok one-way 1014/0\nMSG receive/receive q ok one-way 13/0\nPUB publish/send b ok one-way 11/0\n", ""},
	{"answers in order are nobody's after a loss", append(begun(), cl(ping), svSkip(100), cl(ping), sv(pong), cl(ping).later(settle), sv(pong)),
		begunLines + "PING incomplete lost 6/0\nPING incomplete lost 6/0\nPING ok 6/6\n", ""},
	{"answers in order are nobody's for a while after a loss", append(begun(), svSkip(100), cl("PUB a 0\r\n\r\n"), sv("MSG b 1 0\r\n\r\n"), cl(ping), sv(pong), cl(ping).later(settle), sv(pong)),
		begunLines + "PUB publish/send a ok one-way 11/0\nMSG receive/receive b ok one-way 13/0\nPING incomplete lost 6/0\nPING ok 6/6\n", ""},
	{"a reply that was lost", append(begun(), cl("SUB i.* 1\r\nPUB svc i.1 0\r\n\r\n"), svSkip(30)),
		begunLines + "SUB i.* ok one-way 11/0\nPUB publish/send svc incomplete lost 17/0\n", "connection_closed"},
	{"a reply after a loss finds its request", append(begun(), cl("SUB i.* 1\r\nPUB svc i.1 0\r\n\r\n"), svSkip(30), cl("PUB b 0\r\n\r\n"), sv("MSG i.1 1 0\r\n\r\n")),
		begunLines + "SUB i.* ok one-way 11/0\nPUB publish/send b ok one-way 11/0\nPUB publish/send svc ok 17/15\n", ""},
	{"a payload that does not end where it should", append(begun(), cl("PUB a 2\r\nabcdef\r\n"), sv(ping), cl("PUB b 0\r\n\r\n")),
		begunLines + "PING incomplete lost 6/0\nPUB publish/send b ok one-way 11/0\n", ""},
}

func TestConversations(t *testing.T) {
	for _, test := range conversations {
		t.Run(test.name, func(t *testing.T) {
			o := observe(protocol.Start{}).run(test.steps...)
			if test.close != "" {
				o.close(test.close)
			}
			if got := o.lines(); got != strings.TrimSuffix(test.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if n := o.conn.Pending(); test.close != "" && n != 0 {
				t.Errorf("%d pending after the end", n)
			}
		})
	}
}

func TestRoleIsThatOfTheClientWhoeverAsks(t *testing.T) {
	for _, client := range []protocol.Dir{protocol.Sent, protocol.Received} {
		o := observe(protocol.Start{})
		o.client = client
		o.run(append(begun(), sv(ping), cl(pong), sv("MSG a 1 0\r\n\r\n"))...)
		for i := range o.got {
			if r := &o.got[i]; r.Role != protocol.RoleOf(client) {
				t.Errorf("%s: role %s, want %s", text(r), r.Role, protocol.RoleOf(client))
			}
		}
		if len(o.got) != 5 {
			t.Errorf("%d requests, want 5", len(o.got))
		}
	}
}

func TestTimesAreThoseOfTheFrames(t *testing.T) {
	o := observe(protocol.Start{}).run(begun()...) // at 1, 2 and 3 ms
	o.run(cl("SUB i 1\r\nPUB a i 2\r\nx"), cl("y\r\n"), sv("MSG i 1 1\r\n"), sv("z\r\n"))
	r := o.got[len(o.got)-1]
	if r.Start != 4e6 || r.RequestEnd != 5e6 || r.ResponseStart != 6e6 || r.End != 7e6 {
		t.Errorf("%v %v %v %v", r.Start, r.RequestEnd, r.ResponseStart, r.End)
	}
}

func TestCredentialsAreNotKept(t *testing.T) {
	o := observe(protocol.Start{}).run(begun()...)
	for i := range o.got {
		if s := fmt.Sprintf("%+v", *o.got[i].Messaging); strings.Contains(s, "secret") || o.got[i].Messaging.ClientID == "" && i > 0 {
			t.Error(s)
		}
	}
}

func TestConnectionGoesOnWithinTLS(t *testing.T) {
	o := observe(protocol.Start{}).run(sv(hello), cl("\x16\x03\x01\x00\x05hello"), sv("\x16\x03\x03"))
	if got := o.lines(); got != "INFO ok 63/0" || len(o.opened) != 1 || o.opened[0] != "tls" || o.conn.Pending() != 7 {
		t.Errorf("%s, opened %v, %d pending", got, o.opened, o.conn.Pending())
	}
	o.close("connection_closed")
	if in := o.conn.inner.(*inner); in.fed != 13 || in.closed != 1 {
		t.Errorf("%+v", in)
	}
}

func TestJoinedInTheMiddle(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"in a payload", []step{cl("rest\r\nPUB a 0\r\n\r\n"), sv("MSG b 1 0\r\n\r\n"), cl("PUB c 0\r\n\r\n")},
			"MSG receive/receive b ok one-way 13/0\nPUB publish/send c ok one-way 11/0"},
		{"in a verbose session", []step{cl("PUB a 0\r\n\r\n"), sv(ok), cl("PUB b 0\r\n\r\n"), sv(ok), cl("PUB c 0\r\n\r\n").later(settle), sv(ok)},
			"PUB publish/send a ok one-way 11/0\nPUB publish/send b incomplete lost 11/0\nPUB publish/send c ok 11/5"},
		{"before a reply to an unknown subscription", []step{cl("PUB a i 0\r\n\r\n"), sv("MSG i 1 0\r\n\r\n")}, "PUB publish/send a ok 13/13"},
		{"in silence", []step{cl(ping), sv(pong)}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := observe(protocol.Start{Joined: true}).run(test.steps...)
			if got := o.lines(); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
			if o.conn.Fit() != protocol.FitYes {
				t.Errorf("fit %v", o.conn.Fit())
			}
		})
	}
}

func TestRedisIsNotNATS(t *testing.T) {
	o := observe(protocol.Start{}).run(cl(ping), sv("+PONG\r\n"))
	if o.conn.Fit() != protocol.FitNo || len(o.got) != 0 {
		t.Errorf("fit %v, %d requests", o.conn.Fit(), len(o.got))
	}
}

func TestQueuesAreBounded(t *testing.T) {
	o := observe(protocol.Start{}).run(begun()...)
	n := 3 * (maxCalls + maxSubs + maxDue)
	for i := range n {
		o.run(cl(fmt.Sprintf("SUB i.%d %d\r\nPUB a i.%d 0\r\n\r\nPING\r\n", i, i, i)), sv(fmt.Sprintf("MSG q x r.%d 0\r\n\r\n", i)))
	}
	if len(o.conn.subs) > maxSubs || o.conn.Pending() > maxCalls+2*maxDue || o.conn.served.Len() > maxCalls {
		t.Errorf("%d subscriptions, %d pending, %d served", len(o.conn.subs), o.conn.Pending(), o.conn.served.Len())
	}
	o.close("connection_closed")
	if want := 3 + 4*n; len(o.got) != want {
		t.Errorf("%d requests, want %d", len(o.got), want)
	}
}

func TestProbe(t *testing.T) {
	for p, want := range map[string]protocol.Guess{
		"INFO {\"server_id\"": protocol.GuessResponse, "INFO ": protocol.GuessMaybe, "INFO sip:a@b SIP/2.0\r\n": protocol.GuessNo,
		"CONNECT {}\r\n": protocol.GuessRequest, "CONNECT a:443 HTTP/1.1\r\n": protocol.GuessNo, "CONNECT": protocol.GuessMaybe,
		"PUB a 2\r\nhi": protocol.GuessRequest, "PUB a b": protocol.GuessMaybe, "PUB /a HTTP/1.1\r\n": protocol.GuessNo, "PUBLISH a b\r\n": protocol.GuessNo,
		"SUB a 1\r\n": protocol.GuessRequest, "UNSUB 1\r\n": protocol.GuessRequest, "HPUB a 1 2\r\n": protocol.GuessRequest, "HPUB a 3 2\r\n": protocol.GuessNo,
		"MSG a 1 2\r\n": protocol.GuessResponse, "HMSG a 1 1 2\r\n": protocol.GuessResponse,
		"-ERR 'Stale Connection'\r\n": protocol.GuessMaybe, "-ERR unknown command\r\n": protocol.GuessNo,
		"PING\r\n": protocol.GuessMaybe, "PONG\r\n": protocol.GuessResponse, "+OK\r\n": protocol.GuessMaybe, "+PONG\r\n": protocol.GuessNo,
		"GET / HTTP/1.1\r\n": protocol.GuessNo, "\x00\x01": protocol.GuessNo, "P": protocol.GuessMaybe, "PUB a 99999999999\r\n": protocol.GuessNo,
	} {
		if got := probe([]byte(p)); got != want {
			t.Errorf("%q: %v, want %v", p, got, want)
		}
	}
}

func TestSubjectsMatch(t *testing.T) {
	for _, test := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a.b", "a.b", true}, {"a.b", "a", false}, {"a", "a.b", false}, {"a.*", "a.b", true}, {"a.*", "a.b.c", false}, {"*.b", "a.b", true},
		{"a.>", "a.b.c", true}, {"a.>", "a", false}, {">", "a", true}, {"*", "", false}, {"a.*.c", "a.b.c", true}, {"a.*.c", "a.b.d", false},
	} {
		if got := matches(test.pattern, test.subject); got != test.want {
			t.Errorf("%s %s: %v", test.pattern, test.subject, got)
		}
	}
}
