// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/all"
	"sonde/testbed/begins"
)

// frame is what a side says: c or s. Behind a * a request begins with it, behind a - it is not captured.
type frame struct{ who, data string }

// conversations show where requests begin.
var conversations = []struct {
	name   string
	of     model.Protocol
	frames []frame
}{
	{"an extended query begins with its first message", model.ProtocolPostgreSQL, []frame{
		{"*c", u32(18) + bin("00030000") + "user\x00joe\x00\x00"}, {"s", pg('R', u32(0)) + pg('Z', "I")},
		{"*c", pg('Q', "select 1\x00")}, {"s", pg('C', "SELECT 1\x00") + pg('Z', "I")},
		{"*c", pg('P', "\x00select 2\x00\x00\x00")}, {"c", pg('B', strings.Repeat("\x00", 8))}, {"c", pg('E', "\x00\x00\x00\x00\x00")},
		{"*c", pg('B', strings.Repeat("\x00", 8))}, {"c", pg('E', "\x00\x00\x00\x00\x00")}, {"c", pg('S', "")},
		{"s", pg('1', "") + pg('2', "") + pg('C', "SELECT 1\x00") + pg('2', "") + pg('C', "SELECT 1\x00") + pg('Z', "I")},
		{"*c", pg('X', "")},
	}},
	{"a statement with long data begins with that", model.ProtocolMySQL, []frame{
		{"s", mysql(0, "\x0a8.0.30\x00"+le32(9)+"12345678\x00\xff\xf7\xff\x02\x00\xff\xdf\x15"+strings.Repeat("\x00", 10)+"123456789012\x00mysql_native_password\x00")},
		{"*c", mysql(1, bin("05a28f00 00000001 21")+strings.Repeat("\x00", 23)+"root\x00\x00mysql_native_password\x00")},
		{"s", mysql(2, bin("00 00 00 0200 0000"))},
		{"*c", mysql(0, "\x03select 1")}, {"s", mysql(1, bin("00 00 00 0200 0000"))},
		{"*c", mysql(0, "\x18\x01\x00\x00\x00\x00\x00long")}, {"c", mysql(0, "\x18\x01\x00\x00\x00\x00\x00er")},
		{"c", mysql(0, "\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00")}, {"s", mysql(1, bin("00 00 00 0200 0000"))},
		{"*c", mysql(0, "\x01")},
	}},
	{"commands of Redis, with an empty line between", model.ProtocolRedis, []frame{
		{"*c", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n"}, {"*c", "PING\r\n"}, {"s", "$1\r\nx\r\n+PONG\r\n"}, {"c", "\r\n"}, {"*c", "*1\r\n$4\r\nPING\r\n"},
		{"s", "+PONG\r\n"},
	}},
	{"commands of memcached with data and without an answer", model.ProtocolMemcached, []frame{
		{"*c", "set a 0 0 2\r\nhi\r\n"}, {"*c", "set b 0 0 2 noreply\r\nhi\r\n"}, {"*c", "get a\r\n"}, {"s", "STORED\r\nVALUE a 0 2\r\nhi\r\nEND\r\n"},
	}},
	{"frames of memcached", model.ProtocolMemcached, []frame{
		{"*c", bin("80 00 0003 00 00 0000 00000003 00000001 0000000000000000") + "abc"}, {"*c", bin("80 0a 0000 00 00 0000 00000000 00000002 0000000000000000")},
		{"s", bin("81 00 0000 04 00 0000 00000005 00000001 0000000000000001 00000000") + "x" + bin("81 0a 0000 00 00 0000 00000000 00000002 0000000000000000")},
	}},
	{"messages of MongoDB", model.ProtocolMongoDB, []frame{
		{"*c", opMsg(1, 0, bson("ping"))}, {"s", opMsg(2, 1, bson("ok"))}, {"*c", opMsg(3, 0, bson("ping"))}, {"s", opMsg(4, 3, bson("ok"))},
	}},
	{"requests of Kafka", model.ProtocolKafka, []frame{
		{"*c", "\x00\x00\x00\x14" + bin("0012 0000 00000001 000a") + "consumer-1"}, {"*c", "\x00\x00\x00\x14" + bin("0012 0000 00000002 000a") + "consumer-1"},
		{"s", bin("0000000a 00000001 0000 00000000") + bin("0000000a 00000002 0000 00000000")},
	}},
	{"methods of AMQP, behind content that was not captured", model.ProtocolAMQP, []frame{
		{"c", "AMQP\x00\x00\x09\x01"},
		{"*s", bin("01 0000 0000001c 000a 000a 00 09 00000000 00000005") + "PLAIN" + bin("00000005") + "en_US\xce"},
		{"c", bin("01 0000 00000018 000a 000b 00000000 05") + "PLAIN" + bin("00000000 05") + "en_US\xce"},
		{"*c", bin("01 0001 00000005 0014 000a 00 ce")}, {"s", bin("01 0001 00000008 0014 000b 00000000 ce")},
		{"*c", amqpPublish}, {"c", bin("02 0001 0000000e 003c 0000 0000000000002800 0000 ce")},
		{"c", amqpBody(4096)}, {"-c", amqpBody(4096)}, {"-c", amqpBody(2048)},
		{"*c", amqpPublish}, {"c", bin("02 0001 0000000e 003c 0000 0000000000000000 0000 ce")},
		{"*s", bin("01 0001 00000012 003c 003c 01") + "t" + bin("0000000000000001 00 00 01") + "q\xce"},
		{"s", bin("02 0001 0000000e 003c 0000 0000000000000000 0000 ce")}, {"*c", bin("01 0001 0000000d 003c 0050 0000000000000001 00 ce")},
	}},
	{"commands and deliveries of NATS", model.ProtocolNATS, []frame{
		{"*s", "INFO {\"server_id\":\"A\",\"version\":\"2.10\"}\r\n"}, {"*c", "CONNECT {\"verbose\":false}\r\n"}, {"*c", "PING\r\n"}, {"s", "PONG\r\n"},
		{"*c", "SUB a 1\r\n"}, {"*c", "PUB a 2\r\nhi\r\n"}, {"*s", "MSG a 1 2\r\nhi\r\n"}, {"*s", "MSG a 1 r 2\r\nhi\r\n"}, {"c", "PUB r 2\r\nhi\r\n"},
	}},
	{"packets of MQTT in both directions", model.ProtocolMQTT, []frame{
		{"*c", "\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a"}, {"s", "\x20\x02\x00\x00"}, {"*c", "\x30\x06\x00\x03a/bx"}, {"*c", "\xc0\x00"}, {"s", "\xd0\x00"},
		{"*s", "\x32\x08\x00\x03a/b\x00\x07x"}, {"c", "\x40\x02\x00\x07"},
	}},
}

var amqpPublish = bin("01 0001 0000000a 003c 0028 0000 00 01") + "q" + bin("00 ce")

func amqpBody(n int) string { return "\x03\x00\x01" + u32(n) + strings.Repeat("b", n) + "\xce" }

func TestRequestsBeginAtTheirFirstByte(t *testing.T) {
	for _, c := range conversations {
		i := slices.IndexFunc(all.Specs(), func(s protocol.Spec) bool { return s.Protocol == c.of })
		spec := all.Specs()[i]
		for _, piece := range []int{1 << 20, 1, 7} {
			for _, base := range [][2]uint64{{}, {1000, 5000}} {
				want, got := beginnings(&spec, c.frames, piece, base)
				if !slices.Equal(want, got) {
					t.Errorf("%s, from %v in pieces of %d: begin at %v, want %v", c.name, base, piece, places(got), places(want))
				}
			}
		}
	}
}

// beginnings plays a conversation in pieces, and returns where requests were to begin and where they did.
func beginnings(spec *protocol.Spec, frames []frame, piece int, base [2]uint64) (want, got []uint64) {
	env := &protocol.Env{Emit: func(r *model.Request) { got = append(got, r.Begun) }}
	begins.Watch(env)
	p := spec.Setup(env)(protocol.Start{Base: base})
	at := base
	for n, f := range frames {
		d := protocol.Received
		if strings.HasSuffix(f.who, "s") {
			d = protocol.Sent
		}
		if f.who[0] == '*' {
			want = append(want, begins.Identity(protocol.Begin{Dir: d, At: at[d]}))
		}
		at[d] += uint64(len(f.data))
		now := time.Duration(n+1) * time.Millisecond
		if f.who[0] == '-' {
			p.Skip(d, uint64(len(f.data)), now)
			continue
		}
		for rest := f.data; rest != ""; {
			k := min(piece, len(rest))
			p.Feed(d, []byte(rest[:k]), now)
			rest = rest[k:]
		}
	}
	p.Close(protocol.Close{Time: time.Second, Reason: "connection_closed"})
	slices.Sort(want)
	slices.Sort(got)
	return want, got
}

// places makes identities readable.
func places(all []uint64) (at []string) {
	for _, id := range all {
		d, pos := begins.Position(id)
		at = append(at, []string{"s", "c"}[d]+" "+strconv.FormatUint(pos, 10))
	}
	return at
}
