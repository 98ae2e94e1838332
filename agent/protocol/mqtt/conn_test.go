// SPDX-License-Identifier: Apache-2.0

package mqtt

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

func cl(packets ...string) step           { return step{from: ">", data: strings.Join(packets, "")} }
func sv(packets ...string) step           { return step{from: "<", data: strings.Join(packets, "")} }
func clSkip(n uint64) step                { return step{from: ">", skip: n} }
func svSkip(n uint64) step                { return step{from: "<", skip: n} }
func (s step) later(d time.Duration) step { s.after = d; return s }

// packetOf makes a packet of a first byte and its parts.
func packetOf(first byte, parts ...string) string {
	body := strings.Join(parts, "")
	length := ""
	for n := len(body); ; {
		b := byte(n & 0x7f)
		if n >>= 7; n > 0 {
			length += string([]byte{b | 0x80})
			continue
		}
		return string([]byte{first}) + length + string([]byte{b}) + body
	}
}

func word(s string) string     { return string([]byte{byte(len(s) >> 8), byte(len(s))}) + s }
func id(n int) string          { return string([]byte{byte(n >> 8), byte(n)}) }
func ack(k kind, n int) string { return packetOf(byte(k)<<4|kinds[k].flags, id(n)) }

// of MQTT 3.1.1 unless named otherwise
var (
	connect  = packetOf(0x10, word("MQTT"), "\x04\xc2\x00\x3c", word("sensor"), word("joe"), word("secret"))
	connect3 = packetOf(0x10, word("MQIsdp"), "\x03\x02\x00\x3c", word("old"))
	connect5 = packetOf(0x10, word("MQTT"), "\x05\x02\x00\x3c\x05\x11\x00\x00\x00\x0a", word("new"))
	connack  = "\x20\x02\x00\x00"
	connack5 = "\x20\x03\x00\x00\x00"
)

func publish(flags byte, topic string, n int, payload string) string {
	if flags&6 == 0 {
		return packetOf(0x30|flags, word(topic), payload)
	}
	return packetOf(0x30|flags, word(topic), id(n), payload)
}

func publish5(flags byte, topic string, n int, properties, payload string) string {
	i := ""
	if flags&6 != 0 {
		i = id(n)
	}
	return packetOf(0x30|flags, word(topic), i, string([]byte{byte(len(properties))}), properties, payload)
}

// observed runs steps on a parser and keeps what it reports.
type observed struct {
	conn   *Conn
	client protocol.Dir
	now    time.Duration
	got    []model.Request
}

func observe(start protocol.Start) *observed {
	o := &observed{client: protocol.Sent}
	env := &protocol.Env{Emit: func(r *model.Request) {
		x, d := *r, *r.Messaging
		x.Messaging = &d
		o.got = append(o.got, x)
	}}
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
func line(r *model.Request) string {
	d := r.Messaging
	s := []string{d.API}
	add := func(format string, a ...any) { s = append(s, fmt.Sprintf(format, a...)) }
	if d.Operation != "" {
		add("%s/%s", d.Operation, d.OperationType)
	}
	if d.Destination != "" {
		add("%s", d.Destination)
	}
	if d.Destinations > 1 {
		add("+%d", d.Destinations-1)
	}
	if d.QoS >= 0 {
		add("qos=%d", d.QoS)
	}
	if d.PacketID > 0 {
		add("id=%d", d.PacketID)
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
	return strings.Join(s, " ")
}

func (o *observed) lines() string {
	var l []string
	for i := range o.got {
		l = append(l, line(&o.got[i]))
	}
	return strings.Join(l, "\n")
}

func begun() []step { return []step{cl(connect), sv(connack)} }

const begunLines = "CONNECT ok 33/4\n"

func begun5() []step { return []step{cl(connect5), sv(connack5)} }

const begunLines5 = "CONNECT ok 23/5\n"

var conversations = []struct {
	name  string
	steps []step
	want  string
	close string
}{
	{"CONNECT and CONNACK", begun(), begunLines, ""},
	{"MQTT 3.1", []step{cl(connect3), sv(connack)}, "CONNECT ok 19/4\n", ""},
	{"MQTT 5", begun5(), begunLines5, ""},
	{"a refused CONNECT", []step{cl(connect), sv("\x20\x02\x00\x05")}, "CONNECT error (not_authorized) 33/4\n", ""},
	{"a refused CONNECT of MQTT 5", []step{cl(connect5), sv("\x20\x03\x00\x86\x00")}, "CONNECT error (bad_user_name_or_password) 23/5\n", ""},
	{"nobody answers", []step{cl(connect)}, "CONNECT incomplete timeout 33/0\n", "timeout"},
	{"authentication in steps", []step{cl(connect5), sv("\xf0\x02\x18\x00"), cl("\xf0\x02\x18\x00"), sv(connack5)}, "CONNECT ok 27/9\n", ""},
	{"authentication again", append(begun5(), cl("\xf0\x02\x19\x00"), sv("\xf0\x02\x18\x00"), cl("\xf0\x02\x18\x00"), sv("\xf0\x00")),
		begunLines5 + "AUTH ok 8/6\n", ""},
	{"QoS 0 both ways", append(begun(), cl(publish(0, "a/b", 0, "xy")), sv(publish(1, "c", 0, ""))),
		begunLines + "PUBLISH publish/send a/b qos=0 ok one-way 9/0\nPUBLISH receive/receive c qos=0 ok one-way 5/0\n", ""},
	{"QoS 1 both ways at once, with the same identifier", append(begun(), cl(publish(2, "a", 7, "x")), sv(publish(2, "b", 7, "yy")), cl(ack(kindPuback, 7)), sv(ack(kindPuback, 7))),
		begunLines + "PUBLISH receive/receive b qos=1 id=7 ok 9/4\nPUBLISH publish/send a qos=1 id=7 ok 8/4\n", ""},
	{"several at once are answered in any order", append(begun(), cl(publish(2, "a", 1, ""), publish(2, "b", 2, "")), sv(ack(kindPuback, 2), ack(kindPuback, 1))),
		begunLines + "PUBLISH publish/send b qos=1 id=2 ok 7/4\nPUBLISH publish/send a qos=1 id=1 ok 7/4\n", ""},
	{"QoS 2", append(begun(), cl(publish(4, "a", 9, "x")), sv(ack(kindPubrec, 9)), cl(ack(kindPubrel, 9)), sv(ack(kindPubcomp, 9))),
		begunLines + "PUBLISH publish/send a qos=2 id=9 ok 12/8\n", ""},
	{"QoS 2 to the client", append(begun(), sv(publish(4, "a", 9, "x")), cl(ack(kindPubrec, 9)), sv(ack(kindPubrel, 9)), cl(ack(kindPubcomp, 9))),
		begunLines + "PUBLISH receive/receive a qos=2 id=9 ok 12/8\n", ""},
	{"QoS 2 refused", append(begun5(), cl(publish5(4, "a", 9, "", "x")), sv("\x50\x03\x00\x09\x97")),
		begunLines5 + "PUBLISH publish/send a qos=2 id=9 error (quota_exceeded) 9/5\n", ""},
	{"QoS 1 without subscribers is no error", append(begun5(), cl(publish5(2, "a", 9, "", "x")), sv("\x40\x04\x00\x09\x10\x00")),
		begunLines5 + "PUBLISH publish/send a qos=1 id=9 ok 9/6\n", ""},
	{"a second try is the same request", append(begun(), cl(publish(2, "a", 7, "x")), cl(publish(2|flagDup, "a", 7, "x")), sv(ack(kindPuback, 7))),
		begunLines + "PUBLISH publish/send a qos=1 id=7 ok 16/4\n", ""},
	{"the second half of an earlier session", append(begun(), cl(ack(kindPubrel, 3)), sv(ack(kindPubcomp, 3))), begunLines + "PUBREL qos=2 id=3 ok 4/4\n", ""},
	{"an identifier that is used again too early", append(begun(), cl(publish(2, "a", 7, "x")), cl(publish(2, "b", 7, "x")), sv(ack(kindPuback, 7))),
		begunLines + "PUBLISH publish/send a qos=1 id=7 incomplete replaced 8/0\nPUBLISH publish/send b qos=1 id=7 ok 8/4\n", ""},
	{"subscriptions", append(begun(), cl(packetOf(0x82, id(1), word("a/+"), "\x01", word("b/#"), "\x02")), sv(packetOf(0x90, id(1), "\x01\x02")),
		cl(packetOf(0xa2, id(2), word("a/+"))), sv(ack(kindUnsuback, 2))),
		begunLines + "SUBSCRIBE a/+ +1 id=1 ok 16/6\nUNSUBSCRIBE a/+ id=2 ok 9/4\n", ""},
	{"a refused subscription", append(begun(), cl(packetOf(0x82, id(1), word("a"), "\x01", word("b"), "\x01")), sv(packetOf(0x90, id(1), "\x01\x80"))),
		begunLines + "SUBSCRIBE a +1 id=1 error (failure) 12/6\n", ""},
	{"a refused subscription of MQTT 5", append(begun5(), cl(packetOf(0x82, id(1), "\x00", word("a"), "\x01")), sv(packetOf(0x90, id(1), "\x00\x87"))),
		begunLines5 + "SUBSCRIBE a id=1 error (not_authorized) 9/6\n", ""},
	{"a topic alias stands for its topic in its direction", append(begun5(),
		cl(publish5(0, "long/topic", 0, "\x23\x00\x01", "x"), publish5(0, "", 0, "\x23\x00\x01", "y")), sv(publish5(0, "", 0, "\x23\x00\x01", "z"))),
		begunLines5 + "PUBLISH publish/send long/topic qos=0 ok one-way 19/0\nPUBLISH publish/send long/topic qos=0 ok one-way 9/0\nPUBLISH receive/receive qos=0 ok one-way 9/0\n", ""},
	{"an alias is not known after a loss", append(begun5(), cl(publish5(0, "t", 0, "\x23\x00\x01", "x")), clSkip(20), sv("\xd0\x00"), cl(publish5(0, "", 0, "\x23\x00\x01", "y"))),
		begunLines5 + "PUBLISH publish/send t qos=0 ok one-way 10/0\nPUBLISH publish/send qos=0 ok one-way 9/0\n", ""},
	{"a sign of life", append(begun(), cl("\xc0\x00"), sv("\xd0\x00")), begunLines + "PINGREQ ok 2/2\n", ""},
	{"a good end", append(begun(), cl("\xe0\x00")), begunLines + "DISCONNECT ok one-way 2/0\n", "connection_closed"},
	{"the server ends it", append(begun5(), sv("\xe0\x02\x8e\x00")), begunLines5 + "DISCONNECT error (session_taken_over) one-way 4/0\n", "connection_closed"},
	{"an acknowledgement that never comes", append(begun(), cl(publish(2, "a", 7, "x"))), begunLines + "PUBLISH publish/send a qos=1 id=7 incomplete connection_reset 8/0\n", "connection_reset"},
	{"a gap inside a payload does no harm", append(begun(), cl(publish(2, "a", 7, strings.Repeat("x", 1000))[:20]), clSkip(980), cl(strings.Repeat("x", 8)+publish(0, "b", 0, "")), sv(ack(kindPuback, 7))),
		begunLines + "PUBLISH publish/send b qos=0 ok one-way 5/0\nPUBLISH publish/send a qos=1 id=7 ok 1008/4\n", ""},
	{"a gap over an identifier loses the request, not the step", append(begun(), cl(publish(2, "topic", 7, "xx")[:5]), clSkip(5), cl("\x07xx"+publish(0, "b", 0, ""))),
		begunLines + "PUBLISH publish/send qos=1 incomplete lost 13/0\nPUBLISH publish/send b qos=0 ok one-way 5/0\n", ""},
	{"an acknowledgement after a loss in its direction", append(begun(), cl(publish(2, "a", 7, "x")), svSkip(10), cl(publish(2, "b", 8, "x")), sv(ack(kindPuback, 7), ack(kindPuback, 8))),
		begunLines + "PUBLISH publish/send a qos=1 id=7 ok 8/4\nPUBLISH publish/send b qos=1 id=8 ok 8/4\n", ""},
	{"an acknowledgement after losses in both directions may be another's", append(begun(), cl(publish(2, "a", 7, "x")), svSkip(10), clSkip(10), sv(ack(kindPuback, 7))),
		begunLines + "PUBLISH publish/send a qos=1 id=7 incomplete lost 8/0\n", ""},
	{"a sign of life after a loss", append(begun(), cl("\xc0\x00"), svSkip(4), cl("\xc0\x00"), sv("\xd0\x00"), cl("\xc0\x00").later(settle), sv("\xd0\x00")),
		begunLines + "PINGREQ incomplete lost 2/0\nPINGREQ incomplete lost 2/0\nPINGREQ ok 2/2\n", ""},
	{"a packet longer than a turn", append(begun(), cl(publish(2, "a", 7, strings.Repeat("x", 300000))), sv(ack(kindPuback, 7))),
		begunLines + "PUBLISH publish/send a qos=1 id=7 ok 300009/4\n", ""},
	{"garbage is passed over until the next turn", append(begun(), cl("\x00\x00garbage", publish(0, "x", 0, "")), sv("\xd0\x00"), cl(publish(0, "b", 0, ""))),
		begunLines + "PUBLISH publish/send b qos=0 ok one-way 5/0\n", ""},
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

func TestJoinedInTheMiddle(t *testing.T) {
	for _, test := range []struct {
		name  string
		steps []step
		want  string
		fit   protocol.Fit
		ends  bool
	}{
		{"at publications of one turn", []step{cl(publish(3, "a", 1, "x"), publish(3, "b", 2, "y")), sv(ack(kindPuback, 1), ack(kindPuback, 2))},
			"PUBLISH publish/send a qos=1 id=1 ok 8/4\nPUBLISH publish/send b qos=1 id=2 ok 8/4", protocol.FitYes, true},
		{"at a delivery, before the client shows itself", []step{sv(publish(0, "a", 0, "x")), cl("\xc0\x00"), sv("\xd0\x00")},
			"PUBLISH receive/receive a qos=0 ok one-way 6/0\nPINGREQ ok 2/2", protocol.FitYes, false},
		{"in a payload", []step{cl("ayload", publish(0, "a", 0, "x")), sv("\xd0\x00"), cl(packetOf(0x82, id(1), word("a"), "\x01")), sv(packetOf(0x90, id(1), "\x01"))},
			"SUBSCRIBE a id=1 ok 8/5", protocol.FitYes, false},
		{"at a subscription of MQTT 5", []step{cl(packetOf(0x82, id(1), "\x00", word("a"), "\x01")), sv(packetOf(0x90, id(1), "\x00\x97"))},
			"SUBSCRIBE a id=1 error (quota_exceeded) 9/6", protocol.FitYes, false},
		{"at a single publication", []step{cl(publish(0, "a", 0, "x"))}, "", protocol.FitOpen, false},
		{"at something else", []step{cl("\x30\x05hello"), sv("\x31\x05world")}, "", protocol.FitNo, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := observe(protocol.Start{Joined: true}).run(test.steps...)
			if test.ends {
				o.close("connection_closed")
			}
			if got := o.lines(); got != test.want || o.conn.Fit() != test.fit {
				t.Errorf("got\n%s\nwant\n%s\nfit %v", got, test.want, o.conn.Fit())
			}
		})
	}
	o := observe(protocol.Start{Joined: true})
	for range maxHeld {
		o.run(cl(publish(0, "a", 0, "x")))
	}
	if len(o.got) != maxHeld {
		t.Errorf("%d requests, want %d: nobody else shows himself", len(o.got), maxHeld)
	}
	o = observe(protocol.Start{Joined: true}).run(cl(publish(0, "a", 0, "x"))).close("connection_closed")
	if got := o.lines(); got != "PUBLISH publish/send a qos=0 ok one-way 6/0" {
		t.Errorf("what nothing contradicts is reported at the end: %q", got)
	}
}

func TestBodyIsNotCountedWhereTheVersionIsNotKnown(t *testing.T) {
	for _, test := range []struct {
		name, data string
		want       uint64
	}{
		{"text", publish(0, "a", 0, "hello"), 5},
		{"what can be no properties", publish(0, "a", 0, "\x02\x7f\x00"), 3},
		{"no properties of MQTT 5, or a zero", publish5(0, "a", 0, "", "hello"), 0},
		{"properties of MQTT 5, or else", publish5(0, "a", 0, "\x01\x01", "hello"), 0},
	} {
		o := observe(protocol.Start{Joined: true}).run(cl(test.data)).close("")
		if len(o.got) != 1 || o.got[0].Messaging.BodyBytes != test.want {
			t.Errorf("%s: %+v, want %d", test.name, o.got, test.want)
		}
	}
}

func TestCredentialsAreNotKept(t *testing.T) {
	o := observe(protocol.Start{}).run(begun()...)
	if s := fmt.Sprintf("%+v", *o.got[0].Messaging); strings.Contains(s, "joe") || strings.Contains(s, "secret") || !strings.Contains(s, "ClientID:sensor") {
		t.Error(s)
	}
}

func TestServerNamesTheClient(t *testing.T) {
	anonymous := packetOf(0x10, word("MQTT"), "\x05\x02\x00\x3c\x00", word(""))
	o := observe(protocol.Start{}).run(cl(anonymous), sv(packetOf(0x20, "\x00\x00\x07\x12", word("auto"))), cl("\xc0\x00"), sv("\xd0\x00"))
	for i := range o.got {
		if o.got[i].Messaging.ClientID != "auto" || o.got[i].Messaging.APIVersion != 5 {
			t.Errorf("%+v", o.got[i].Messaging)
		}
	}
}

func TestRoleIsThatOfTheClientWhoeverPublishes(t *testing.T) {
	for _, client := range []protocol.Dir{protocol.Sent, protocol.Received} {
		o := observe(protocol.Start{})
		o.client = client
		o.run(append(begun(), sv(publish(0, "a", 0, "")), cl(publish(0, "a", 0, "")))...)
		for i := range o.got {
			if o.got[i].Role != protocol.RoleOf(client) {
				t.Errorf("%s: role %s", line(&o.got[i]), o.got[i].Role)
			}
		}
	}
}

func TestTimesAreThoseOfThePackets(t *testing.T) {
	p := publish(4, "a", 9, "x")
	o := observe(protocol.Start{}).run(begun()...) // at 1 and 2 ms
	o.run(cl(p[:3]), cl(p[3:]), sv(ack(kindPubrec, 9)), cl(ack(kindPubrel, 9)), sv(ack(kindPubcomp, 9)[:1]), sv(ack(kindPubcomp, 9)[1:]))
	r := o.got[1]
	if r.Start != 3e6 || r.RequestEnd != 4e6 || r.ResponseStart != 5e6 || r.End != 8e6 || r.Messaging.BodyBytes != 1 {
		t.Errorf("%+v", r)
	}
}

func TestQueuesAreBounded(t *testing.T) {
	o := observe(protocol.Start{}).run(begun5()...)
	n := 3 * maxWaiting
	for i := range n {
		o.run(cl(publish5(2, fmt.Sprint("t", i), i+1, "\x23"+id(i+1), ""), "\xc0\x00"))
	}
	if o.conn.Pending() > maxWaiting+maxPings || len(o.conn.aliases[0]) > maxAliases {
		t.Errorf("%d pending, %d aliases", o.conn.Pending(), len(o.conn.aliases[0]))
	}
	o.close("connection_closed")
	if len(o.got) != 1+2*n {
		t.Errorf("%d requests, want %d", len(o.got), 1+2*n)
	}
}

func TestProbe(t *testing.T) {
	for p, want := range map[string]protocol.Guess{
		connect: protocol.GuessRequest, connect3: protocol.GuessRequest, connect5: protocol.GuessRequest, connect[:1]: protocol.GuessMaybe, connect[:6]: protocol.GuessMaybe,
		"\x10\x10\x00\x04MQTX": protocol.GuessNo, publish(0, "a/b", 0, "x"): protocol.GuessMaybe, publish(0, "a\x00", 0, "x"): protocol.GuessNo, publish(0, "a/#", 0, "x"): protocol.GuessNo,
		packetOf(0x82, id(1), word("a"), "\x01"): protocol.GuessRequest, ack(kindPuback, 1): protocol.GuessMaybe, ack(kindPuback, 0): protocol.GuessNo, "\xc0\x00": protocol.GuessMaybe,
		connack: protocol.GuessMaybe, "GET / HTTP/1.1\r\n": protocol.GuessNo, "POST / HTTP/1.1\r\nHost: a\r\n": protocol.GuessNo, "\x16\x03\x01\x02\x00": protocol.GuessNo, "220 mail ESMTP\r\n": protocol.GuessNo,
		"\x00\x00": protocol.GuessNo, "\xc0\x00\x00": protocol.GuessNo,
	} {
		if got := probe([]byte(p)); got != want {
			t.Errorf("%q: %v, want %v", p, got, want)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	for code, want := range map[byte]string{0: "", 0x10: "", 0x80: "unspecified_error", 0x87: "not_authorized", 0xa2: "wildcard_subscriptions_not_supported", 0xff: "0xff"} {
		if got := reasonName(code); got != want {
			t.Errorf("%#x: %q, want %q", code, got, want)
		}
	}
}
