// SPDX-License-Identifier: Apache-2.0

package kafka

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

// builder puts messages together field by field.
type builder struct{ b []byte }

func (m *builder) i8(v int) *builder  { m.b = append(m.b, byte(v)); return m }
func (m *builder) i16(v int) *builder { m.b = binary.BigEndian.AppendUint16(m.b, uint16(v)); return m }
func (m *builder) i32(v int) *builder { m.b = binary.BigEndian.AppendUint32(m.b, uint32(v)); return m }
func (m *builder) i64(v int) *builder { m.b = binary.BigEndian.AppendUint64(m.b, uint64(v)); return m }
func (m *builder) str(s string) *builder {
	m.i16(len(s))
	m.b = append(m.b, s...)
	return m
}
func (m *builder) compact(s string) *builder {
	m.uvarint(len(s) + 1)
	m.b = append(m.b, s...)
	return m
}
func (m *builder) uvarint(v int) *builder { m.b = binary.AppendUvarint(m.b, uint64(v)); return m }
func (m *builder) bytes(b []byte) *builder {
	m.i32(len(b))
	m.b = append(m.b, b...)
	return m
}

// framed puts the length in front.
func (m *builder) framed() []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(m.b))), m.b...)
}

func request(key, version, id int, client string) *builder {
	return new(builder).i16(key).i16(version).i32(id).str(client)
}

func response(id int) *builder { return new(builder).i32(id) }

// batch is a record batch of magic 2 whose records take size bytes.
func batch(count, size, attributes int) []byte {
	m := new(builder).i64(0).i32(49 + size).i32(0).i8(2).i32(0).i16(attributes).i32(count - 1).i64(0).i64(0).i64(-1).i16(-1).i32(-1).i32(count)
	return append(m.b, make([]byte, size)...)
}

// message1 is a message of magic 1.
func message1(attributes int) []byte {
	return new(builder).i64(7).i32(22).i32(0).i8(1).i8(attributes).i64(0).i32(-1).i32(0).b
}

func produce(id, acks int, topic string, records []byte) []byte {
	return request(0, 7, id, "app").i16(-1).i16(acks).i32(1000).i32(1).str(topic).i32(1).i32(3).bytes(records).framed()
}

func produced(id, code, offset int, topic string) []byte {
	return response(id).i32(1).str(topic).i32(1).i32(3).i16(code).i64(offset).i64(-1).i64(0).i32(0).framed()
}

// step is what passes on a connection: bytes, or a gap when n > 0.
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

// run feeds a parser, one millisecond a step, and returns what it reported, a line each.
func run(start protocol.Start, steps ...step) []string {
	var lines []string
	p := Spec().Setup(&protocol.Env{Emit: func(r *model.Request) { lines = append(lines, describe(r)) }})(start)
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
	p.Release()
	return lines
}

func describe(r *model.Request) string {
	d := r.Messaging
	s := fmt.Sprintf("%s v%d #%d %s", d.API, d.APIVersion, d.CorrelationID, r.Outcome)
	if r.Reason != "" {
		s += " (" + r.Reason + ")"
	}
	if r.OneWay {
		s += " one-way"
	}
	add := func(name string, value any, shown bool) {
		if shown {
			s += fmt.Sprintf(" %s=%v", name, value)
		}
	}
	add("op", d.Operation, d.Operation != "")
	add("client", d.ClientID, d.ClientID != "")
	add("topic", d.Destination, d.Destination != "")
	add("topics", d.Destinations, d.Destinations != 0)
	add("partition", d.Partition, d.Partition >= 0)
	add("group", d.Group, d.Group != "")
	add("messages", d.Messages, d.Messages >= 0)
	add("offset", d.Offset, d.Offset >= 0)
	add("body", d.BodyBytes, d.BodyBytes > 0)
	add("mechanism", d.Mechanism, d.Mechanism != "")
	add("headers", d.Headers, d.Headers != nil)
	add("error", d.Error, d.Error != "" || r.ErrorType != d.Error)
	return s
}

// script is what passes on a connection and what is to be reported, a line each.
type script struct {
	name  string
	steps []step
	want  string
}

func play(t *testing.T, scripts []script) {
	t.Helper()
	for _, c := range scripts {
		t.Run(c.name, func(t *testing.T) {
			if got := strings.Join(run(protocol.Start{}, c.steps...), "\n"); got != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func TestProduceAndFetch(t *testing.T) {
	produce1 := produce(1, 1, "orders", batch(5, 100, 0))
	fetch := request(1, 4, 8, "app").i32(-1).i32(500).i32(1).i32(1 << 20).i8(0).i32(1).str("orders").i32(1).i32(2).i64(77).i32(1 << 20).framed()
	fetched := func(records []byte) []byte {
		return response(8).i32(0).i32(1).str("orders").i32(1).i32(2).i16(0).i64(90).i64(90).i32(-1).bytes(records).framed()
	}
	incremental := request(1, 11, 9, "app").i32(-1).i32(500).i32(1).i32(1 << 20).i8(0).i32(55).i32(3).i32(0).i32(0).str("").framed()
	play(t, []script{
		{
			"a produce request and its answer", []step{up(produce1), down(produced(1, 0, 42, "orders"))},
			"Produce v7 #1 ok op=send client=app topic=orders topics=1 partition=3 messages=5 offset=42 body=161",
		},
		{
			"an error of a partition", []step{up(produce1), down(produced(1, 3, -1, "orders"))},
			"Produce v7 #1 error op=send client=app topic=orders topics=1 partition=3 messages=5 body=161 error=UNKNOWN_TOPIC_OR_PARTITION",
		},
		{
			"produce without acknowledgement has no answer",
			[]step{up(produce(4, 0, "orders", batch(1, 10, 0)), produce(5, -1, "orders", nil)), down(produced(5, 0, 9, "orders"))},
			"Produce v7 #4 ok one-way op=send client=app topic=orders topics=1 partition=3 messages=1 body=71\n" +
				"Produce v7 #5 ok op=send client=app topic=orders topics=1 partition=3 messages=0 offset=9",
		},
		{
			"several batches are added up, transaction marks are not", []step{up(produce(1, 1, "t", join([][]byte{batch(3, 9, 0), batch(1, 9, controlBatch), batch(4, 9, 1)}))), down(produced(1, 0, 0, "t"))},
			"Produce v7 #1 ok op=send client=app topic=t topics=1 partition=3 messages=7 offset=0 body=210",
		},
		{
			"messages of magic 1 are counted", []step{up(produce(1, 1, "t", join([][]byte{message1(0), message1(0)}))), down(produced(1, 0, 0, "t"))},
			"Produce v7 #1 ok op=send client=app topic=t topics=1 partition=3 messages=2 offset=0 body=68",
		},
		{
			"how many messages a compressed set of magic 1 holds is not known", []step{up(produce(1, 1, "t", message1(2))), down(produced(1, 0, 0, "t"))},
			"Produce v7 #1 ok op=send client=app topic=t topics=1 partition=3 offset=0 body=34",
		},
		{
			"fetch counts the messages of the answer", []step{up(fetch), down(fetched(batch(6, 50, 0)))},
			"Fetch v4 #8 ok op=poll client=app topic=orders topics=1 partition=2 messages=6 offset=77 body=111",
		},
		{
			"a batch that the broker cut off is not counted", []step{up(fetch), down(fetched(append(batch(6, 50, 0), batch(9, 50, 0)[:80]...)))},
			"Fetch v4 #8 ok op=poll client=app topic=orders topics=1 partition=2 messages=6 offset=77 body=191",
		},
		{
			"a poll that brings nothing has no messages", []step{up(fetch), down(fetched(nil))},
			"Fetch v4 #8 ok op=poll client=app topic=orders topics=1 partition=2 messages=0 offset=77",
		},
		{
			"a fetch session takes the topic from the answer",
			[]step{up(incremental), down(response(9).i32(0).i16(0).i32(55).i32(1).str("orders").i32(1).i32(4).i16(0).i64(1).i64(1).i64(0).i32(-1).i32(-1).bytes(batch(2, 5, 0)).framed())},
			"Fetch v11 #9 ok op=poll client=app topic=orders topics=1 partition=4 messages=2 body=66",
		},
		{
			"a fetch session without news says nothing", []step{up(incremental), down(response(9).i32(0).i16(0).i32(55).i32(0).framed())},
			"Fetch v11 #9 ok op=poll client=app messages=0",
		},
		{
			"an error of the whole fetch", []step{up(incremental), down(response(9).i32(0).i16(71).i32(55).i32(0).framed())},
			"Fetch v11 #9 error op=poll client=app messages=0 error=INVALID_FETCH_SESSION_EPOCH",
		},
	})
}

func TestMatching(t *testing.T) {
	produce1 := produce(1, 1, "orders", batch(5, 100, 0))
	play(t, []script{
		{
			"answers go to requests by their number", []step{up(request(12, 0, 20, "a").str("g").i32(1).str("m").framed(), request(13, 0, 21, "a").str("g").str("m").framed()), down(response(20).i16(27).framed(), response(21).i16(0).framed())},
			"Heartbeat v0 #20 error client=a group=g error=REBALANCE_IN_PROGRESS\nLeaveGroup v0 #21 ok client=a group=g",
		},
		{
			"an answer that did not come", []step{up(request(12, 0, 20, "a").str("g").i32(1).str("m").framed(), request(13, 0, 21, "a").str("g").str("m").framed()), down(response(21).i16(0).framed())},
			"Heartbeat v0 #20 incomplete (lost) client=a group=g\nLeaveGroup v0 #21 ok client=a group=g",
		},
		{
			"a number used again before its answer", []step{up(request(12, 0, 20, "a").str("g").i32(1).str("m").framed()), up(request(13, 0, 20, "a").str("g").str("m").framed()), down(response(20).i16(0).framed())},
			"Heartbeat v0 #20 incomplete (lost) client=a group=g\nLeaveGroup v0 #20 ok client=a group=g",
		},
		{
			"the connection ends before the answer", []step{up(produce1)},
			"Produce v7 #1 incomplete (connection_closed) op=send client=app topic=orders topics=1 partition=3 messages=5 body=161",
		},
		{
			"ApiVersions is answered by header 0 in every version", []step{up(request(18, 3, 1, "x").i8(0).compact("lib").compact("1.0").i8(0).framed()), down(response(1).i16(35).i32(0).framed())},
			"ApiVersions v3 #1 error client=x error=UNSUPPORTED_VERSION",
		},
		{
			"flexible versions and tagged fields", []step{
				up(request(12, 4, 2, "x").i8(0).compact("grp").i32(1).compact("m").i8(0).uvarint(1).uvarint(9).uvarint(3).i8(1).i16(2).framed()),
				down(response(2).uvarint(1).uvarint(1).uvarint(2).i16(7).i32(0).i16(25).i8(0).framed()),
			},
			"Heartbeat v4 #2 error client=x group=grp error=UNKNOWN_MEMBER_ID",
		},
	})
}

func TestGroupsAndTopics(t *testing.T) {
	play(t, []script{
		{
			"a coordinator of a group", []step{up(request(10, 1, 3, "x").str("grp").i8(0).framed()), down(response(3).i32(0).i16(15).i16(-1).i32(-1).str("").i32(-1).framed())},
			"FindCoordinator v1 #3 error client=x group=grp error=COORDINATOR_NOT_AVAILABLE",
		},
		{
			"a coordinator of a transaction is of no group", []step{up(request(10, 1, 3, "x").str("txn").i8(1).framed()), down(response(3).i32(0).i16(0).i16(-1).i32(0).str("h").i32(9).framed())},
			"FindCoordinator v1 #3 ok client=x",
		},
		{
			"a commit of offsets", []step{up(request(8, 2, 5, "x").str("grp").i32(3).str("m").i64(-1).i32(1).str("t").i32(1).i32(0).i64(12).i16(-1).framed()), down(response(5).i32(1).str("t").i32(1).i32(0).i16(0).framed())},
			"OffsetCommit v2 #5 ok op=commit client=x topic=t topics=1 partition=0 group=grp offset=12",
		},
		{
			"metadata of several topics", []step{up(request(3, 1, 6, "x").i32(2).str("a").str("b").framed()), down(response(6).i32(1).i32(0).str("h").i32(9092).i16(-1).i32(0).i32(2).i16(0).str("a").i8(0).i32(0).i16(5).str("b").i8(0).i32(0).framed())},
			"Metadata v1 #6 error client=x topic=a topics=2 error=LEADER_NOT_AVAILABLE",
		},
		{
			"a topic that is called by its id has the name that metadata gave it",
			[]step{
				up(request(3, 12, 6, "x").i8(0).uvarint(2).i64(0).i64(0).compact("orders").i8(0).i8(0).i8(0).i8(0).framed()),
				down(response(6).i8(0).i32(0).uvarint(1).i8(0).i32(0).uvarint(2).i16(0).compact("orders").i64(7).i64(9).i8(0).uvarint(1).i32(0).i8(0).i8(0).framed()),
				up(request(1, 13, 7, "x").i8(0).i32(-1).i32(500).i32(1).i32(1 << 20).i8(0).i32(0).i32(-1).uvarint(2).i64(7).i64(9).uvarint(1).i8(0).uvarint(1).compact("").i8(0).framed()),
				down(response(7).i8(0).i32(0).i16(100).i32(0).uvarint(1).i8(0).framed()),
			},
			"Metadata v12 #6 ok client=x topic=orders topics=1\nFetch v13 #7 error op=poll client=x topic=orders topics=1 messages=0 error=UNKNOWN_TOPIC_ID",
		},
	})
}

func TestUnknownAndSASL(t *testing.T) {
	produce1 := produce(1, 1, "orders", batch(5, 100, 0))
	play(t, []script{
		{
			"an unknown key is matched and called by its number", []step{up(produce1, request(99, 3, 7, "x").str("topic").framed()), down(produced(1, 0, 42, "orders"), response(7).i16(3).framed())},
			"Produce v7 #1 ok op=send client=app topic=orders topics=1 partition=3 messages=5 offset=42 body=161\nApiKey99 v3 #7 ok",
		},
		{
			"an unknown version is matched and named, nothing is read from it", []step{up(request(8, 14, 7, "x").str("grp").framed()), down(response(7).i16(3).framed())},
			"OffsetCommit v14 #7 ok op=commit client=x",
		},
		{
			"the mechanism of SASL, never the credentials",
			[]step{
				up(request(17, 1, 1, "x").str("PLAIN").framed()), down(response(1).i16(0).i32(1).str("PLAIN").framed()),
				up(request(36, 0, 2, "x").bytes([]byte("\x00user\x00secret")).framed()), down(response(2).i16(58).str("no").i32(0).framed()),
			},
			"SaslHandshake v1 #1 ok client=x mechanism=PLAIN\nSaslAuthenticate v0 #2 error client=x mechanism=PLAIN error=SASL_AUTHENTICATION_FAILED",
		},
		{
			"credentials without a header around them are passed over",
			[]step{
				up(request(17, 0, 1, "x").str("PLAIN").framed()), down(response(1).i16(0).i32(0).framed()),
				up(new(builder).bytes([]byte("\x00user\x00secret")).b), down(new(builder).i32(0).b),
				up(produce1), down(produced(1, 0, 42, "orders")),
			},
			"SaslHandshake v0 #1 ok client=x mechanism=PLAIN\nProduce v7 #1 ok op=send client=app topic=orders topics=1 partition=3 messages=5 offset=42 body=161",
		},
		{
			"a code without a name", []step{up(request(12, 0, 20, "a").str("g").i32(1).str("m").framed()), down(response(20).i16(999).framed())},
			"Heartbeat v0 #20 error client=a group=g error=ERROR_999",
		},
		{
			"ControlledShutdown 0 has no client id", []step{up(produce1, new(builder).i16(7).i16(0).i32(30).i32(1).framed()), down(produced(1, 0, 42, "orders"), response(30).i16(77).i32(0).framed())},
			"Produce v7 #1 ok op=send client=app topic=orders topics=1 partition=3 messages=5 offset=42 body=161\nControlledShutdown v0 #30 error error=STALE_BROKER_EPOCH",
		},
	})
}

func TestGaps(t *testing.T) {
	big := produce(1, 1, "orders", batch(5, 20000, 0))
	small := produce(2, 1, "orders", batch(1, 10, 0))
	third := produce(3, 1, "orders", batch(1, 10, 0))
	answer := func(id int) []byte { return produced(id, 0, 42, "orders") }
	ok := func(id, messages, body int) string {
		return fmt.Sprintf("Produce v7 #%d ok op=send client=app topic=orders topics=1 partition=3 messages=%d offset=42 body=%d", id, messages, body)
	}
	for _, c := range []struct {
		name   string
		joined bool
		steps  []step
		want   []string
	}{
		{
			"a body that was not captured", false,
			[]step{{dir: protocol.Sent, p: big[:300], skip: len(big) - 300}, down(answer(1)), up(small), down(answer(2))},
			[]string{ok(1, 5, 20061), ok(2, 1, 71)},
		},
		{
			"a gap over the end of a request, which hides the next", false,
			[]step{{dir: protocol.Sent, p: big[:300], skip: len(big) - 300 + len(small)}, down(answer(1), answer(2)), up(third), down(answer(3))},
			[]string{ok(1, 5, 20061), ok(3, 1, 71)},
		},
		{
			"a gap over an answer and the beginning of the next", false,
			[]step{up(small, third), {dir: protocol.Received, skip: len(answer(2)) + 9}, down(answer(3)[9:]), up(produce(4, 1, "orders", batch(1, 10, 0))), down(answer(4))},
			[]string{
				"Produce v7 #2 incomplete (lost) op=send client=app topic=orders topics=1 partition=3 messages=1 body=71",
				"Produce v7 #3 incomplete (lost) op=send client=app topic=orders topics=1 partition=3 messages=1 body=71",
				ok(4, 1, 71),
			},
		},
		{
			"a client that wants no answers goes on behind a gap", false,
			[]step{up(produce(1, 0, "t", nil)), {dir: protocol.Sent, skip: 50}, up(produce(3, 0, "t", nil))},
			[]string{
				"Produce v7 #1 ok one-way op=send client=app topic=t topics=1 partition=3 messages=0",
				"Produce v7 #3 ok one-way op=send client=app topic=t topics=1 partition=3 messages=0",
			},
		},
		{
			"what looks like the request of another client behind a gap is none", false,
			[]step{up(produce(1, 0, "t", nil)), {dir: protocol.Sent, skip: 50}, up(request(12, 0, 20, "other").str("g").i32(1).str("m").framed())},
			[]string{"Produce v7 #1 ok one-way op=send client=app topic=t topics=1 partition=3 messages=0"},
		},
		{
			"joined with an answer under way", true,
			[]step{down(answer(2)[20:]), up(third), down(answer(3))},
			[]string{ok(3, 1, 71)},
		},
		{
			"joined before an answer to a request that was not seen", true,
			[]step{up(third), down(answer(2), answer(3))},
			[]string{ok(3, 1, 71)},
		},
		{
			"captured up to the middle of the client id", false,
			[]step{{dir: protocol.Sent, p: small[:16], skip: len(small) - 16}, {dir: protocol.Received, p: answer(2)[:24], skip: len(answer(2)) - 24}, up(third), down(answer(3))},
			[]string{"Produce v7 #2 ok op=send", ok(3, 1, 71)},
		},
		{
			"joined in the middle of a request", true,
			[]step{up(big[500:]), down(answer(1)), up(third), down(answer(3))},
			[]string{ok(3, 1, 71)},
		},
		{
			"cut inside an answer", false,
			[]step{up(small), down(answer(2)[:20])},
			[]string{"Produce v7 #2 incomplete (connection_closed) op=send client=app topic=orders topics=1 partition=3 messages=1 body=71"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, want := strings.Join(run(protocol.Start{Joined: c.joined}, c.steps...), "\n"), strings.Join(c.want, "\n")
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestProbe(t *testing.T) {
	whole := produce(1, 1, "orders", batch(2, 9, 0))
	for _, c := range []struct {
		name string
		p    []byte
		want protocol.Guess
	}{
		{"a request", whole, protocol.GuessRequest},
		{"its header", whole[:17], protocol.GuessRequest},
		{"a part of the header", whole[:9], protocol.GuessMaybe},
		{"its first byte", whole[:1], protocol.GuessMaybe},
		{"a request without a client id whose length is right", new(builder).i16(18).i16(0).i32(1).i16(-1).framed(), protocol.GuessRequest},
		{"one whose length is not", new(builder).i16(18).i16(0).i32(1).i16(-1).i32(0).framed(), protocol.GuessNo},
		{"an unknown key with a client id", request(99, 0, 1, "x").framed(), protocol.GuessRequest},
		{"a key that is none", request(300, 0, 1, "x").framed(), protocol.GuessNo},
		{"a version that is none", request(12, 40, 1, "x").framed(), protocol.GuessNo},
		{"a client id that is no text", request(12, 0, 1, "x\x00y").framed(), protocol.GuessNo},
		{"a topic that is no text", request(3, 1, 1, "x").i32(1).str("a\x01b").framed(), protocol.GuessNo},
		{"a ZooKeeper session", new(builder).i32(0).i64(0).i32(30000).i64(0).i32(16).i64(0).i64(0).i8(0).framed(), protocol.GuessNo},
		{"a ZooKeeper request", new(builder).i32(3).i32(8).bytes([]byte("/brokers")).i8(0).framed(), protocol.GuessNo},
		{"PostgreSQL's SSLRequest", new(builder).i32(8).i32(80877103).b, protocol.GuessNo},
		{"PostgreSQL's startup", append(new(builder).i32(31).i32(196608).b, "user\x00postgres\x00app\x00x\x00\x00"...), protocol.GuessNo},
		{"DNS over TCP", append([]byte{0, 29, 18, 52, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}, "\x07example\x03com\x00\x00\x01\x00\x01"...), protocol.GuessNo},
		{"MySQL's query", append([]byte{5, 0, 0, 0, 3}, "show"...), protocol.GuessNo},
		{"MongoDB's message", []byte{0x3a, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0xdd, 7, 0, 0, 0, 0, 0, 0}, protocol.GuessNo},
		{"HTTP", []byte("GET / HTTP/1.1\r\n\r\n"), protocol.GuessNo},
		{"TLS", []byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3}, protocol.GuessNo},
		{"zeros", make([]byte, 64), protocol.GuessNo},
		{"an answer", produced(1, 0, 42, "orders"), protocol.GuessNo},
	} {
		if got := Probe(c.p); got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
