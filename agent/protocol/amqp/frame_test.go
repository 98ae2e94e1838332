// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// frame puts the framing around a payload.
func frame(kind byte, channel int, payload []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{kind}, uint16(channel))
	b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
	return append(append(b, payload...), endOctet)
}

// call is a method frame. A string argument is a short string, a table or long string is given as bytes.
func call(channel int, m id, arguments ...any) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(m))
	for _, v := range arguments {
		switch v := v.(type) {
		case string:
			b = append(append(b, byte(len(v))), v...)
		case []byte:
			b = append(binary.BigEndian.AppendUint32(b, uint32(len(v))), v...)
		case int8:
			b = append(b, byte(v))
		case int16:
			b = binary.BigEndian.AppendUint16(b, uint16(v))
		case int32:
			b = binary.BigEndian.AppendUint32(b, uint32(v))
		case int64:
			b = binary.BigEndian.AppendUint64(b, uint64(v))
		default:
			panic(fmt.Sprintf("no type of an argument: %T", v))
		}
	}
	return frame(typeMethod, channel, b)
}

// message is the header and the body of a content, in frames of at most piece bytes of payload.
func message(channel, size, piece int) []byte {
	b := binary.BigEndian.AppendUint16(nil, 60)
	b = binary.BigEndian.AppendUint16(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(size))
	b = binary.BigEndian.AppendUint16(b, 0)
	b = frame(typeHeader, channel, b)
	for size > 0 {
		n := min(size, piece)
		b = append(b, frame(typeBody, channel, make([]byte, n))...)
		size -= n
	}
	return b
}

func publish(channel int, exchange, key string, size int) []byte {
	return append(call(channel, basicPublish, int16(0), exchange, key, int8(0)), message(channel, size, 4088)...)
}

func deliver(channel int, tag int64, consumer, exchange, key string, size int) []byte {
	return append(call(channel, basicDeliver, consumer, tag, int8(0), exchange, key), message(channel, size, 4088)...)
}

func heartbeat() []byte { return frame(typeHeartbeat, 0, nil) }

func ack(channel int, tag int64, multiple int8) []byte { return call(channel, basicAck, tag, multiple) }

// ok is the plain answer to a method.
func ok(channel int, m id) []byte { return call(channel, m+1) }

// step is what passes on a connection: bytes, then a gap.
type step struct {
	dir  protocol.Dir
	p    []byte
	skip int
}

func up(p ...[]byte) step   { return step{dir: protocol.Sent, p: join(p)} }
func down(p ...[]byte) step { return step{dir: protocol.Received, p: join(p)} }

func join(p [][]byte) []byte {
	var all []byte
	for _, b := range p {
		all = append(all, b...)
	}
	return all
}

// opened is a connection up to a channel: eight steps that four requests come from.
func opened(more ...step) []step {
	steps := []step{
		up(protocolHeader),
		down(call(0, connectionStart, int8(0), int8(9), []byte("server"), []byte("PLAIN AMQPLAIN"), []byte("en_US"))),
		up(call(0, connectionStartOK, []byte("client"), "PLAIN", []byte("\x00guest\x00s3cret"), "en_US")),
		down(call(0, 10<<16|30, int16(2047), int32(4096), int16(60))),
		up(call(0, 10<<16|31, int16(2047), int32(4096), int16(60)), call(0, 10<<16|40, "/", "", int8(0))),
		down(call(0, 10<<16|41, "")),
		up(call(1, channelOpen, "")),
		down(call(1, 20<<16|11, []byte(nil))),
	}
	return append(steps, more...)
}

const opening = 4 // requests of opened

func run(start protocol.Start, steps ...step) []string {
	var got []string
	p := Spec().Setup(&protocol.Env{Emit: func(r *model.Request) { got = append(got, describe(r)) }})(start)
	at := time.Duration(0)
	for _, s := range steps {
		at += time.Millisecond
		if len(s.p) > 0 {
			p.Feed(s.dir, s.p, at)
		}
		if s.skip > 0 {
			p.Skip(s.dir, uint64(s.skip), at)
		}
	}
	p.Close(protocol.Close{Time: at + time.Millisecond, Reason: "connection_closed"})
	if p.Pending() != 0 {
		got = append(got, fmt.Sprintf("%d left open", p.Pending()))
	}
	p.Release()
	return got
}

func describe(r *model.Request) string {
	d := r.Messaging
	s := d.API + " " + r.Outcome.String()
	add := func(name string, value any, shown bool) {
		if shown {
			s += fmt.Sprintf(" %s=%v", name, value)
		}
	}
	add("reason", r.Reason, r.Reason != "")
	add("one-way", "", r.OneWay)
	add("op", d.Operation, d.Operation != "")
	add("to", d.Destination, d.Destination != "")
	add("key", d.RoutingKey, d.RoutingKey != "")
	add("messages", d.Messages, d.Messages >= 0)
	add("body", d.BodyBytes, d.BodyBytes > 0)
	add("mechanism", d.Mechanism, d.Mechanism != "")
	add("headers", d.Headers, d.Headers != nil)
	add("error", d.Error, d.Error != "" || r.ErrorType != d.Error)
	add("role", r.Role, r.Role != model.RoleClient)
	return s
}

// script is what passes behind the opening of a connection and what is to be reported, a line each.
type script struct {
	name  string
	steps []step
	want  string
}

func play(t *testing.T, scripts []script) {
	t.Helper()
	for _, c := range scripts {
		t.Run(c.name, func(t *testing.T) {
			got := run(protocol.Start{}, opened(c.steps...)...)
			if s := strings.Join(got[min(opening, len(got)):], "\n"); s != c.want {
				t.Errorf("got\n%s\nwant\n%s", s, c.want)
			}
		})
	}
}

func TestPublish(t *testing.T) {
	confirm := []step{up(call(1, confirmSelect, int8(0))), down(ok(1, confirmSelect))}
	play(t, []script{
		{"a publish without confirmation has no answer", []step{up(publish(1, "logs", "info", 12))},
			"basic.publish ok one-way= op=publish to=logs key=info messages=1 body=12"},
		{"the default exchange is the queue", []step{up(publish(1, "", "jobs", 0))},
			"basic.publish ok one-way= op=publish to=jobs key=jobs messages=1"},
		{"a content of several frames", []step{up(publish(1, "logs", "info", 10000))},
			"basic.publish ok one-way= op=publish to=logs key=info messages=1 body=10000"},
		{"a confirmed publish", append(confirm, up(publish(1, "logs", "a", 5)), down(ack(1, 1, 0))),
			"confirm.select ok\nbasic.publish ok op=publish to=logs key=a messages=1 body=5"},
		{"several confirmed at once", append(confirm, up(publish(1, "x", "a", 1), publish(1, "x", "b", 1), publish(1, "x", "c", 1)), down(ack(1, 2, 1)), down(call(1, basicNack, int64(3), int8(0)))),
			"confirm.select ok\nbasic.publish ok op=publish to=x key=a messages=1 body=1\nbasic.publish ok op=publish to=x key=b messages=1 body=1\n" +
				"basic.publish error op=publish to=x key=c messages=1 body=1 error=basic.nack"},
		{"confirmed out of order", append(confirm, up(publish(1, "x", "a", 1), publish(1, "x", "b", 1)), down(ack(1, 2, 0)), down(ack(1, 1, 0))),
			"confirm.select ok\nbasic.publish ok op=publish to=x key=b messages=1 body=1\nbasic.publish ok op=publish to=x key=a messages=1 body=1"},
		{"tag 0 confirms all", append(confirm, up(publish(1, "x", "a", 1), publish(1, "x", "b", 1)), down(ack(1, 0, 1))),
			"confirm.select ok\nbasic.publish ok op=publish to=x key=a messages=1 body=1\nbasic.publish ok op=publish to=x key=b messages=1 body=1"},
		{"a mandatory message that comes back is an error of its publish", append(confirm,
			up(call(1, basicPublish, int16(0), "x", "nowhere", int8(1)), message(1, 3, 9)),
			down(call(1, basicReturn, int16(312), "NO_ROUTE", "x", "nowhere"), message(1, 3, 9), ack(1, 1, 0))),
			"confirm.select ok\nbasic.publish error op=publish to=x key=nowhere messages=1 body=3 error=NO_ROUTE"},
		{"without confirmation it is reported for itself", []step{
			up(call(1, basicPublish, int16(0), "x", "nowhere", int8(1)), message(1, 3, 9)),
			down(call(1, basicReturn, int16(312), "NO_ROUTE", "x", "nowhere"), message(1, 3, 9))},
			"basic.publish ok one-way= op=publish to=x key=nowhere messages=1 body=3\nbasic.return error one-way= to=x key=nowhere messages=1 body=3 error=NO_ROUTE"},
	})
}

func TestDeliver(t *testing.T) {
	consume := []step{up(call(1, basicConsume, int16(0), "jobs", "c1", int8(0), []byte(nil))), down(call(1, basicConsumeOK, "c1"))}
	play(t, []script{
		{"a delivery ends with its ack", append(consume, down(deliver(1, 1, "c1", "", "jobs", 7)), up(ack(1, 1, 0))),
			"basic.consume ok to=jobs\nbasic.deliver ok op=receive to=jobs key=jobs messages=1 body=7"},
		{"deliveries that are rejected", append(consume, down(deliver(1, 1, "c1", "", "jobs", 7), deliver(1, 2, "c1", "", "jobs", 7)), up(call(1, basicReject, int64(2), int8(0)), call(1, basicNack, int64(0), int8(1)))),
			"basic.consume ok to=jobs\nbasic.deliver error op=receive to=jobs key=jobs messages=1 body=7 error=basic.reject\n" +
				"basic.deliver error op=receive to=jobs key=jobs messages=1 body=7 error=basic.nack"},
		{"a delivery that nobody settles", append(consume, down(deliver(1, 1, "c1", "", "jobs", 7))),
			"basic.consume ok to=jobs\nbasic.deliver incomplete reason=connection_closed op=receive to=jobs key=jobs messages=1 body=7"},
		{"a consumer without acknowledgement", []step{up(call(1, basicConsume, int16(0), "jobs", "", int8(2), []byte(nil))), down(call(1, basicConsumeOK, "ctag1.x"), deliver(1, 1, "ctag1.x", "e", "k", 7))},
			"basic.consume ok to=jobs\nbasic.deliver ok one-way= op=receive to=e key=k messages=1 body=7"},
		{"a consumer that the broker names", []step{up(call(1, basicConsume, int16(0), "jobs", "", int8(0), []byte(nil))), down(call(1, basicConsumeOK, "ctag1.x"), deliver(1, 1, "ctag1.x", "e", "k", 7)), up(ack(1, 1, 0))},
			"basic.consume ok to=jobs\nbasic.deliver ok op=receive to=e key=k messages=1 body=7"},
		{"get brings a message, or none", []step{
			up(call(1, basicGet, int16(0), "jobs", int8(1))), down(call(1, basicGetOK, int64(1), int8(0), "e", "k", int32(0)), message(1, 20, 9)),
			up(call(1, basicGet, int16(0), "jobs", int8(1))), down(call(1, basicGetEmpty, ""))},
			"basic.get ok op=receive to=jobs key=k messages=1 body=20\nbasic.get ok op=receive to=jobs messages=0"},
		{"an ack of what was got is a request of its own", []step{up(ack(1, 1, 0))}, "basic.ack ok one-way= op=ack"},
	})
}

func TestMethods(t *testing.T) {
	play(t, []script{
		{"methods and their answers", []step{
			up(call(1, queueDeclare, int16(0), "", int8(0), []byte(nil))), down(call(1, queueDeclareOK, "amq.gen-1", int32(0), int32(0))),
			up(call(1, exchangeDeclare, int16(0), "e", "fanout", int8(0), []byte(nil))), down(ok(1, exchangeDeclare)),
			up(call(1, queueBind, int16(0), "q", "e", "k", int8(0), []byte(nil))), down(ok(1, queueBind)),
			up(call(1, exchangeUnbind, int16(0), "e", "e2", "k", int8(0), []byte(nil))), down(call(1, 40<<16|51)),
			up(call(1, queuePurge, int16(0), "q", int8(0))), down(call(1, 50<<16|31, int32(3))),
			up(call(1, 90<<16|10)), down(ok(1, 90<<16|10))},
			"queue.declare ok to=amq.gen-1\nexchange.declare ok to=e\nqueue.bind ok to=q key=k\nexchange.unbind ok to=e key=k\nqueue.purge ok to=q\ntx.select ok"},
		{"no answer is due where none is wanted", []step{up(call(1, queueDeclare, int16(0), "q", int8(16), []byte(nil)), call(1, exchangeDeclare, int16(0), "e", "fanout", int8(16), []byte(nil)), call(1, exchangeDelete, int16(0), "e", int8(2)), call(1, queueDelete, int16(0), "q", int8(4)))},
			"queue.declare ok one-way= to=q\nexchange.declare ok one-way= to=e\nexchange.delete ok one-way= to=e\nqueue.delete ok one-way= to=q"},
	})
}

func TestErrorsAndEnds(t *testing.T) {
	consume := []step{up(call(1, basicConsume, int16(0), "jobs", "c1", int8(0), []byte(nil))), down(call(1, basicConsumeOK, "c1"))}
	confirm := []step{up(call(1, confirmSelect, int8(0))), down(ok(1, confirmSelect))}
	play(t, []script{
		{"an error closes the channel and is the answer", []step{
			up(call(1, exchangeDeclare, int16(0), "e", "fanout", int8(0), []byte(nil))), down(call(1, channelClose, int16(406), "PRECONDITION_FAILED - s3cret", int16(40), int16(10))), up(ok(1, channelClose))},
			"exchange.declare error to=e error=PRECONDITION_FAILED\nchannel.close ok"},
		{"an error of a message is the close's own", []step{
			up(publish(1, "missing", "k", 1)), down(call(1, channelClose, int16(404), "no", int16(60), int16(40))), up(ok(1, channelClose))},
			"basic.publish ok one-way= op=publish to=missing key=k messages=1 body=1\nchannel.close error error=NOT_FOUND"},
		{"an error of the connection is the answer to what it names", []step{
			up(call(2, channelOpen, "")), down(call(0, connectionClose, int16(504), "no", int16(20), int16(10))), up(ok(0, connectionClose))},
			"channel.open error error=CHANNEL_ERROR\nconnection.close ok"},
		{"a closed channel leaves nothing behind", append(confirm, up(publish(1, "x", "a", 1), call(1, channelClose, int16(200), "bye", int16(0), int16(0))), down(ok(1, channelClose)), up(call(1, channelOpen, "")), down(call(1, 20<<16|11, []byte(nil))), up(publish(1, "x", "b", 1))),
			"confirm.select ok\nchannel.close ok\nbasic.publish incomplete reason=channel_closed op=publish to=x key=a messages=1 body=1\nchannel.open ok\nbasic.publish ok one-way= op=publish to=x key=b messages=1 body=1"},
		{"what waits on a channel ends with it", append(confirm, up(publish(1, "x", "a", 1), call(1, channelClose, int16(200), "bye", int16(0), int16(0))), down(ok(1, channelClose))),
			"confirm.select ok\nchannel.close ok\nbasic.publish incomplete reason=channel_closed op=publish to=x key=a messages=1 body=1"},
		{"a content that breaks off has its tag", append(confirm, up(call(1, basicPublish, int16(0), "a", "", int8(0)), message(1, 8, 4)[:22], publish(1, "b", "", 3)), down(ack(1, 2, 0))),
			"confirm.select ok\nbasic.publish incomplete reason=lost op=publish to=a body=8\nbasic.publish ok op=publish to=b messages=1 body=3"},
		{"a frame without its end is none", []step{up(append(call(1, queuePurge, int16(0), "q", int8(0))[:16], 0)), down(heartbeat()), up(publish(1, "b", "", 3))},
			"basic.publish ok one-way= op=publish to=b messages=1 body=3"},
		{"channels do not mix", []step{
			up(call(2, channelOpen, "")), down(call(2, 20<<16|11, []byte(nil))),
			up(call(1, basicPublish, int16(0), "a", "", int8(0)), message(1, 8, 4)[:22], publish(2, "b", "", 3), heartbeat(), message(1, 8, 4)[22:])},
			"channel.open ok\nbasic.publish ok one-way= op=publish to=b messages=1 body=3\nbasic.publish ok one-way= op=publish to=a messages=1 body=8"},
		{"a content that breaks off", []step{up(call(1, basicPublish, int16(0), "a", "", int8(0)), message(1, 8, 4)[:22], publish(1, "b", "", 3))},
			"basic.publish incomplete reason=lost op=publish to=a body=8\nbasic.publish ok one-way= op=publish to=b messages=1 body=3"},
		{"the connection ends before the answer", []step{up(call(1, queueDelete, int16(0), "q", int8(0)))},
			"queue.delete incomplete reason=connection_closed to=q"},
		{"the broker cancels a consumer", append(consume, down(call(1, basicCancel, "c1", int8(1)))),
			"basic.consume ok to=jobs\nbasic.cancel ok one-way= to=jobs"},
	})
}

func TestOpening(t *testing.T) {
	want := "connection.start ok mechanism=PLAIN\nconnection.tune ok\nconnection.open ok\nchannel.open ok"
	if got := strings.Join(run(protocol.Start{}, opened()...), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	refused := opened()[:5]
	refused = append(refused, down(call(0, connectionClose, int16(530), "NOT_ALLOWED - vhost", int16(10), int16(40))))
	want = "connection.start ok mechanism=PLAIN\nconnection.tune ok\nconnection.open error error=NOT_ALLOWED\nconnection.close incomplete reason=connection_closed"
	if got := strings.Join(run(protocol.Start{}, refused...), "\n"); got != want {
		t.Errorf("refused: got\n%s\nwant\n%s", got, want)
	}
}

func TestGaps(t *testing.T) {
	confirm := []step{up(call(1, confirmSelect, int8(0))), down(ok(1, confirmSelect))}
	big := publish(1, "x", "big", 30000)
	after := func(steps ...step) []step { return append(confirm, steps...) }
	for _, c := range []struct {
		name   string
		joined bool
		steps  []step
		want   string
	}{
		{"a gap over frames of one content ends where it does", false,
			after(step{dir: protocol.Sent, p: big[:100], skip: len(big) - 100}, down(ack(1, 1, 0)), up(publish(1, "x", "b", 1)), down(ack(1, 2, 0))),
			"confirm.select ok\nbasic.publish ok op=publish to=x key=big messages=1 body=30000\nbasic.publish ok op=publish to=x key=b messages=1 body=1"},
		{"what follows the content in the same turn is seen", false,
			after(step{dir: protocol.Sent, p: big[:100], skip: len(big) - 120}, up(big[len(big)-20:], publish(1, "x", "b", 1)), down(ack(1, 2, 1))),
			"confirm.select ok\nbasic.publish ok op=publish to=x key=big messages=1 body=30000\nbasic.publish ok op=publish to=x key=b messages=1 body=1"},
		{"behind a gap over the end of a content, tags are not known any more", false,
			after(step{dir: protocol.Sent, p: big[:100], skip: len(big)}, down(ack(1, 2, 1)), up(publish(1, "x", "b", 1)), down(ack(1, 3, 0))),
			"confirm.select ok\nbasic.publish incomplete reason=lost op=publish to=x key=big body=30000\nbasic.publish incomplete reason=lost op=publish to=x key=b messages=1 body=1"},
		{"a message that was not seen takes its tag along", false,
			after(step{dir: protocol.Sent, skip: len(publish(1, "x", "a", 1))}, down(heartbeat()), up(publish(1, "x", "b", 1)), down(ack(1, 1, 0))),
			"confirm.select ok\nbasic.publish incomplete reason=lost op=publish to=x key=b messages=1 body=1"},
		{"who publishes without confirmation goes on behind a gap", false,
			[]step{{dir: protocol.Sent, skip: 50}, up(publish(1, "x", "b", 1))},
			"basic.publish ok one-way= op=publish to=x key=b messages=1 body=1"},
		{"an answer that was lost", false,
			[]step{up(call(1, queuePurge, int16(0), "q", int8(0))), {dir: protocol.Received, skip: 16}, up(call(1, queueDelete, int16(0), "q", int8(0))), down(call(1, 50<<16|41, int32(0)))},
			"queue.purge incomplete reason=lost to=q\nqueue.delete ok to=q"},
		{"joined at a delivery, whose consumer is not known", true,
			[]step{down(deliver(1, 7, "c", "", "jobs", 3)), up(ack(1, 7, 0)), down(deliver(1, 8, "c", "", "jobs", 3)), up(ack(1, 8, 0))},
			"basic.deliver ok one-way= op=receive to=jobs key=jobs messages=1 body=3\nbasic.ack ok one-way= op=ack\nbasic.deliver ok op=receive to=jobs key=jobs messages=1 body=3"},
		{"joined on a channel that confirms", true,
			[]step{up(publish(1, "x", "a", 1)), down(ack(1, 900, 0)), up(publish(1, "x", "b", 1)), down(ack(1, 901, 0))},
			"basic.publish ok one-way= op=publish to=x key=a messages=1 body=1\nbasic.publish incomplete reason=lost op=publish to=x key=b messages=1 body=1"},
		{"joined in the middle of a content", true,
			[]step{up(big[500:]), up(publish(1, "x", "a", 1)), down(heartbeat()), up(publish(1, "x", "b", 1))},
			"basic.publish ok one-way= op=publish to=x key=b messages=1 body=1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			steps, skip := c.steps, 0
			if !c.joined {
				steps, skip = opened(c.steps...), opening
			}
			got := run(protocol.Start{Joined: c.joined}, steps...)
			if s := strings.Join(got[min(skip, len(got)):], "\n"); s != c.want {
				t.Errorf("got\n%s\nwant\n%s", s, c.want)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name string
		p    []byte
		want protocol.Guess
	}{
		{"the header of 0-9-1", protocolHeader, protocol.GuessRequest},
		{"its beginning", protocolHeader[:5], protocol.GuessMaybe},
		{"AMQP 1.0", []byte("AMQP\x00\x01\x00\x00"), protocol.GuessNo},
		{"AMQP 1.0 with SASL", []byte("AMQP\x03\x01\x00\x00"), protocol.GuessNo},
		{"AMQP 0-8", []byte("AMQP\x01\x01\x08\x00"), protocol.GuessNo},
		{"a method", call(1, queuePurge, int16(0), "q", int8(0)), protocol.GuessRequest},
		{"an answer", ok(1, queueBind), protocol.GuessResponse},
		{"a delivery", deliver(1, 1, "c", "", "q", 3), protocol.GuessRequest},
		{"a method that is none", call(1, 61<<16|10), protocol.GuessNo},
		{"a frame without its end", append(ok(1, queueBind)[:11], 0), protocol.GuessNo},
		{"a heartbeat", heartbeat(), protocol.GuessRequest},
		{"a body", frame(typeBody, 1, []byte("x")), protocol.GuessNo},
		{"text", []byte("GET / HTTP/1.1\r\n"), protocol.GuessNo},
	} {
		if got := Probe(c.p); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
