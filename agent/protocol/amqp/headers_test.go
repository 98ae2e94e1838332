// SPDX-License-Identifier: Apache-2.0

package amqp

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// table makes a table of names and values. A value that begins with a backslash is its type and its bytes.
func table(headers ...string) []byte {
	var t []byte
	for i := 0; i < len(headers); i += 2 {
		t = append(append(t, byte(len(headers[i]))), headers[i]...)
		if plain, ok := strings.CutPrefix(headers[i+1], "\\"); ok {
			t = append(t, plain...)
			continue
		}
		t = append(binary.BigEndian.AppendUint32(append(t, 'S'), uint32(len(headers[i+1]))), headers[i+1]...)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(t))), t...)
}

// withProperties makes the header and the body of a content with properties.
func withProperties(channel, size int, flags uint16, properties ...[]byte) []byte {
	whole := message(channel, size, 4088)
	head := bytes.Clone(whole[headBytes : bodySizeAt+8])
	head = append(binary.BigEndian.AppendUint16(head, flags), bytes.Join(properties, nil)...)
	return append(frame(typeHeader, channel, head), whole[bodySizeAt+8+2+1:]...)
}

func carrying(channel, size int, headers ...string) []byte {
	return withProperties(channel, size, flagHeaders, table(headers...))
}

func TestHeadersThatCarryContextAreKept(t *testing.T) {
	many := make([]string, 2*30)
	for i := range many {
		many[i] = "b3"
	}
	text := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	const both = "[[{traceparent " + parent + "} {TraceState a=1}]]"
	for _, c := range []struct {
		name    string
		content []byte
		want    string
	}{
		{"headers alone", carrying(1, 9, "traceparent", parent, "TraceState", "a=1"), both},
		{"among others", carrying(1, 9, "s3cret", "s3cret", "traceparent", parent, "n", "\\I\x00\x00\x00\x07", "TraceState", "a=1", "s3cret", "s3cret"), both},
		{"behind and before other properties", withProperties(1, 9, 0xf000, text("text/s3cret"), text("s3cret"), table("traceparent", parent, "TraceState", "a=1"), []byte{2}), both},
		{"of every type", carrying(1, 9, "a", "\\t\x01", "b", "\\b\x01", "c", "\\B\x01", "d", "\\s\x00\x01", "e", "\\u\x00\x01", "f", "\\i\x00\x00\x00\x01",
			"g", "\\f\x00\x00\x00\x01", "h", "\\D\x00\x00\x00\x00\x01", "i", "\\l\x00\x00\x00\x00\x00\x00\x00\x01", "j", "\\d\x00\x00\x00\x00\x00\x00\x00\x01",
			"k", "\\T\x00\x00\x00\x00\x00\x00\x00\x01", "l", "\\V", "m", "\\A\x00\x00\x00\x02V\x00", "n", "\\F\x00\x00\x00\x01\x00", "o", "\\x\x00\x00\x00\x01\x00",
			"b3", "\\x\x00\x00\x00\x010"), "[[{b3 0}]]"},
		{"others alone", carrying(1, 9, "auth", "s3cret"), "[]"},
		{"a number", carrying(1, 9, "b3", "\\I\x00\x00\x00\x00"), "[]"},
		{"an unknown type", carrying(1, 9, "traceparent", parent, "x", "\\Z"), "[]"},
		{"no properties", message(1, 9, 4088), "[]"},
		{"a table that is longer than the frame", withProperties(1, 9, flagHeaders, []byte{0, 0, 1, 0}, table("b3", "0")[4:]), "[]"},
		{"a table that ends inside a value", withProperties(1, 9, flagHeaders, []byte{0, 0, 0, 8}, table("b3", "0")[4:]), "[]"},
		{"more flags", withProperties(1, 9, flagHeaders|flagContinues, table("b3", "0")), "[]"},
		{"too long", carrying(1, 9, "b3", strings.Repeat("0", model.MaxField+1), "b3", "1"), "[[{b3 1}]]"},
		{"too many", carrying(1, 9, many...), "[[" + strings.TrimSpace(strings.Repeat("{b3 b3} ", model.MaxFields)) + "]]"},
		{"more than is looked at", carrying(1, 9, "b3", "0", "auth", strings.Repeat("s", maxHead)), "[]"},
	} {
		for how, steps := range map[string][]step{
			"publish": opened(up(call(1, basicPublish, int16(0), "x", "k", int8(0)), c.content)),
			"deliver": opened(up(call(1, basicConsume, int16(0), "q", "c", int8(2), []byte(nil))), down(call(1, basicConsumeOK, "c"), call(1, basicDeliver, "c", int64(1), int8(0), "x", "k"), c.content)),
			"get":     opened(up(call(1, basicGet, int16(0), "q", int8(1))), down(call(1, basicGetOK, int64(1), int8(0), "e", "k", int32(0)), c.content)),
		} {
			t.Run(how+" "+c.name, func(t *testing.T) {
				if got := lastHeaders(steps); got != c.want {
					t.Errorf("got  %s\nwant %s", got, c.want)
				}
				_, again, r := record(steps)
				if got := lastHeaders(again); got != c.want {
					t.Errorf("a replay says %s", got)
				}
				if written := append(r.written(0), r.written(1)...); bytes.Contains(written[200:], []byte("s3cret")) {
					t.Errorf("a recording has %q", written)
				}
			})
		}
	}
}

// lastHeaders returns the headers of the request that is reported last.
func lastHeaders(steps []step) string {
	got := "[]"
	p := Spec().Setup(&protocol.Env{Emit: func(r *model.Request) { got = fmt.Sprint(r.Messaging.Headers) }})(protocol.Start{})
	for i, s := range steps {
		p.Feed(s.dir, s.p, time.Duration(i))
	}
	p.Close(protocol.Close{Reason: "connection_closed"})
	return got
}
