// SPDX-License-Identifier: Apache-2.0

package all_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/all"
	"sonde/agent/protocol/detect"
)

var update = flag.Bool("update", false, "write the table into docs/protocols.md")

// sample is the beginning of a conversation. Turns that begin with "<" are the server's.
type sample struct {
	name      string
	transport model.Transport
	want      model.Protocol // of the connection, ProtocolUnknown when it is to stay a flow
	turns     []string
}

func bin(s string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

func u32(n int) string { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }

func le32(n int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }

// bson is a document of one number.
func bson(name string) string {
	body := "\x10" + name + "\x00" + le32(1) + "\x02$db\x00" + le32(5) + "test\x00\x00"
	return le32(len(body)+4) + body
}

func opMsg(id, answers int, document string) string {
	body := le32(id) + le32(answers) + le32(2013) + le32(0) + "\x00" + document
	return le32(len(body)+4) + body
}

func pg(kind byte, body string) string { return string([]byte{kind}) + u32(len(body)+4) + body }

func mysql(n byte, body string) string {
	return string([]byte{byte(len(body)), byte(len(body) >> 8), 0, n}) + body
}

func hello(kind byte, body string) string {
	shake := string([]byte{kind, 0, 0, byte(len(body))}) + body
	return "\x16\x03\x01\x00" + string([]byte{byte(len(shake))}) + shake
}

var (
	random32 = strings.Repeat("r", 32)
	dnsQuery = bin("1234 0100 0001 0000 0000 0000") + "\x07example\x03com\x00" + bin("0001 0001")
	dnsReply = bin("1234 8180 0001 0001 0000 0000") + "\x07example\x03com\x00" + bin("0001 0001 c00c 0001 0001 0000003c 0004 01020304")
)

const (
	tcp = model.TransportTCP
	udp = model.TransportUDP
)

var known = []sample{
	{"HTTP/1", tcp, model.ProtocolHTTP, []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}},
	{"HTTP/1 POST", tcp, model.ProtocolHTTP, []string{"POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "<HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"}},
	{"HTTP/2", tcp, model.ProtocolHTTP, []string{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bin("000000 04 00 00000000"), "<" + bin("000000 04 00 00000000")}},
	{"WebSocket", tcp, model.ProtocolHTTP, []string{"GET /c HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "<HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x02hi"}},
	{"RTSP", tcp, model.ProtocolHTTP, []string{"OPTIONS rtsp://a/b RTSP/1.0\r\nCSeq: 1\r\n\r\n", "<RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"}},
	{"PROXY 1, then HTTP/1", tcp, model.ProtocolHTTP, []string{"PROXY TCP4 10.0.0.1 10.0.0.2 4000 80\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "<HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"}},
	{"TLS 1.3", tcp, model.ProtocolTLS, []string{hello(1, "\x03\x03"+random32+"\x00\x00\x02\x13\x01\x01\x00"), "<" + hello(2, "\x03\x03"+random32+"\x00\x13\x01\x00")}},
	{"DNS over TCP", tcp, model.ProtocolDNS, []string{"\x00" + string([]byte{byte(len(dnsQuery))}) + dnsQuery, "<\x00" + string([]byte{byte(len(dnsReply))}) + dnsReply}},
	{"DNS over UDP", udp, model.ProtocolDNS, []string{dnsQuery, "<" + dnsReply}},
	{"PostgreSQL", tcp, model.ProtocolPostgreSQL, []string{u32(24) + bin("00030000") + "user\x00joe\x00db\x00x\x00\x00", "<" + pg('R', u32(0)) + pg('Z', "I"), pg('Q', "select 1\x00"), "<" + pg('C', "SELECT 1\x00") + pg('Z', "I")}},
	{"MySQL", tcp, model.ProtocolMySQL, []string{"<" + mysql(0, "\x0a8.0.30\x00"+le32(9)+"12345678\x00\xff\xf7\xff\x02\x00\xff\xdf\x15"+strings.Repeat("\x00", 10)+"123456789012\x00mysql_native_password\x00"),
		mysql(1, bin("05a28f00 00000001 21")+strings.Repeat("\x00", 23)+"root\x00\x00mysql_native_password\x00"), "<" + mysql(2, bin("00 00 00 0200 0000")), mysql(0, "\x03select 1"), "<" + mysql(1, bin("00 00 00 0200 0000"))}},
	{"Redis", tcp, model.ProtocolRedis, []string{"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "<$1\r\nx\r\n"}},
	{"Redis, inline", tcp, model.ProtocolRedis, []string{"PING\r\n", "<+PONG\r\n"}},
	{"memcached, text", tcp, model.ProtocolMemcached, []string{"get abc\r\n", "<VALUE abc 0 1\r\nx\r\nEND\r\n"}},
	{"memcached, binary", tcp, model.ProtocolMemcached, []string{bin("80 00 0003 00 00 0000 00000003 00000000 0000000000000000") + "abc", "<" + bin("81 00 0000 04 00 0000 00000005 00000000 0000000000000001 00000000") + "x"}},
	{"MongoDB", tcp, model.ProtocolMongoDB, []string{opMsg(1, 0, bson("ping")), "<" + opMsg(2, 1, bson("ok"))}},
	{"Kafka", tcp, model.ProtocolKafka, []string{"\x00\x00\x00\x14" + bin("0012 0000 00000001 000a") + "consumer-1", "<" + bin("0000000a 00000001 0000 00000000")}},
	{"Kafka, Metadata first", tcp, model.ProtocolKafka, []string{"\x00\x00\x00\x19" + bin("0003 0001 7a6b8e0e 0003") + "app" + bin("00000001 0006") + "orders",
		"<" + bin("00000010 7a6b8e0e 00000000 00000000 00000000")}},
	{"AMQP", tcp, model.ProtocolAMQP, []string{"AMQP\x00\x00\x09\x01", "<" + bin("01 0000 0000001a 000a 000a 00 09 00000000 00000005") + "PLAIN" + bin("00000005") + "en_US\xce"}},
	{"NATS", tcp, model.ProtocolNATS, []string{"<INFO {\"server_id\":\"A\",\"version\":\"2.10\"}\r\n", "CONNECT {\"verbose\":false}\r\nPING\r\n", "<PONG\r\n"}},
	{"NATS, joined", tcp, model.ProtocolNATS, []string{"PUB a.b 2\r\nhi\r\n", "<MSG a.b 1 2\r\nhi\r\n"}},
	{"MQTT", tcp, model.ProtocolMQTT, []string{"\x10\x0d\x00\x04MQTT\x04\x02\x00\x3c\x00\x01a", "<\x20\x02\x00\x00"}},
	{"MQTT, joined", tcp, model.ProtocolMQTT, []string{"\x32\x08\x00\x03a/b\x00\x07x", "<\x40\x02\x00\x07"}},
}

var unknown = []sample{
	{"SMTP", tcp, 0, []string{"<220 mail ESMTP\r\n", "EHLO a\r\n", "<250-mail\r\n250 OK\r\n", "MAIL FROM:<a@b>\r\n", "<250 OK\r\n"}},
	{"FTP", tcp, 0, []string{"<220 ready\r\n", "USER joe\r\n", "<331 password\r\n", "PASS x\r\n", "<230 in\r\n"}},
	{"POP3", tcp, 0, []string{"<+OK ready\r\n", "USER joe\r\n", "<+OK\r\n", "PASS x\r\n", "<-ERR no\r\n", "QUIT\r\n", "<+OK bye\r\n"}},
	{"IMAP", tcp, 0, []string{"<* OK ready\r\n", "a1 LOGIN joe x\r\n", "<a1 OK in\r\n"}},
	{"SSH", tcp, 0, []string{"<SSH-2.0-OpenSSH_9.6\r\n", "SSH-2.0-Go\r\n", "<" + bin("0000002c 06 14") + random32}},
	{"Telnet", tcp, 0, []string{"<" + bin("fffd18fffd20fffd23"), bin("fffb18fffb20fffb23")}},
	{"IRC", tcp, 0, []string{"NICK joe\r\nUSER joe 0 * :Joe\r\n", "<:irc 001 joe :Welcome\r\n", "PING :irc\r\n", "<PONG irc\r\n"}},
	{"SIP", tcp, 0, []string{"OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\nContent-Length: 0\r\n\r\n", "<SIP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"}},
	{"XMPP", tcp, 0, []string{"<?xml version='1.0'?><stream:stream to='a'>", "<<?xml version='1.0'?><stream:stream from='a'>"}},
	{"LDAP", tcp, 0, []string{bin("300c 0201 01 6007 0201 03 0400 8000"), "<" + bin("300c 0201 01 6107 0a01 00 0400 0400")}},
	{"PROXY 1", tcp, 0, []string{"PROXY TCP4 10.0.0.1 10.0.0.2 4000 80\r\n", "<x", "y"}},
	{"PROXY 2", tcp, 0, []string{bin("0d0a0d0a000d0a515549540a 21 11 000c 0a000001 0a000002 0fa0 0050"), "<x", "y"}},
	{"Thrift, framed", tcp, 0, []string{bin("0000001c 80010001 00000004") + "ping" + bin("00000001 00") + strings.Repeat("\x00", 11), "<" + bin("00000011 80010002 00000004") + "ping" + bin("00000001 00")}},
	{"Cassandra", tcp, 0, []string{bin("04 00 0001 01 00000016 0001 000b") + "CQL_VERSION\x00\x053.0.0", "<" + bin("84 00 0001 02 00000000")}},
	{"ZooKeeper", tcp, 0, []string{bin("0000002d 00000000 0000000000000000 00007530 0000000000000000 00000010") + strings.Repeat("\x00", 17), "<" + bin("00000025 00000000 00007530 0100000000000001 00000010") + strings.Repeat("p", 17)}},
	{"SMB 2", tcp, 0, []string{bin("00000044 fe534d42 4000 0000 00000000 0000 0000") + strings.Repeat("\x00", 48), "<" + bin("00000044 fe534d42 4000 0000 00000000 0000 0100") + strings.Repeat("\x00", 48)}},
	{"RDP", tcp, 0, []string{bin("0300 0013 0ee0 0000 0000 0001 0008 0003 000000"), "<" + bin("0300 0013 0ed0 0000 1234 0002 0008 0002 000000")}},
	{"BGP", tcp, 0, []string{strings.Repeat("\xff", 16) + bin("001d 01 04 fde8 00b4 0a000001 00"), "<" + strings.Repeat("\xff", 16) + bin("0013 04")}},
	{"MS SQL", tcp, 0, []string{bin("12 01 002f 0000 00 00 0000 1a 0006 01 0020 0001 02 0021 0001 03 0022 0004 04 0026 0001 ff") + strings.Repeat("\x00", 15), "<" + bin("04 01 002b 0000 01 00") + strings.Repeat("\x00", 35)}},
	{"random text", tcp, 0, []string{"hello world\n", "<how are you\n", "fine\n"}},
	{"zeros", tcp, 0, []string{strings.Repeat("\x00", 600), "<" + strings.Repeat("\x00", 600)}},
	{"QUIC with a broken Initial", udp, 0, []string{bin("c3 00000001 08 0102030405060708 00 00 4496") + strings.Repeat("q", 1174)}},
	{"NTP", udp, 0, []string{bin("23 00 06 ec") + strings.Repeat("\x00", 36) + bin("e1b2c3d4 00000000"), "<" + bin("24 01 06 ec") + strings.Repeat("\x00", 44)}},
	{"STUN", udp, 0, []string{bin("0001 0000 2112a442 0102030405060708090a0b0c"), "<" + bin("0101 000c 2112a442 0102030405060708090a0b0c 0020 0008 0001 1234 5678 9abc")}},
	{"syslog", udp, 0, []string{"<<34>1 2026-01-01T00:00:00Z h a - - - text"}},
	{"statsd", udp, 0, []string{"requests:1|c"}},
	{"DHCP", udp, 0, []string{bin("01 01 06 00 12345678") + strings.Repeat("\x00", 228) + bin("63825363 350101 ff")}},
	{"RTP", udp, 0, []string{bin("8060 0001 00000100 deadbeef") + strings.Repeat("v", 160)}},
	{"WireGuard", udp, 0, []string{bin("01000000 12345678") + strings.Repeat("w", 140), "<" + bin("02000000 12345678 9abcdef0") + strings.Repeat("w", 80)}},
	{"VXLAN", udp, 0, []string{bin("08000000 00002a00 020000000001 020000000002 0800 4500")}},
}

// turn takes the direction from a turn's text.
func turn(s string) (protocol.Dir, []byte) {
	if rest, ok := strings.CutPrefix(s, "<"); ok {
		return protocol.Received, []byte(rest)
	}
	return protocol.Sent, []byte(s)
}

func name(s *protocol.Spec) string {
	if s.Protocol == model.ProtocolHTTP && slices.Contains(s.Names, "h2c") {
		return "http2"
	}
	return s.Protocol.String()
}

// claims lists who claims the beginning of a turn, in the order in which they are asked.
func claims(specs []protocol.Spec, transport model.Transport, p []byte) string {
	var l []string
	for i := range specs {
		if s := &specs[i]; s.Transport == transport {
			switch s.Probe(p[:min(len(p), detect.MaxProbe)]) {
			case protocol.GuessRequest:
				l = append(l, name(s)+" asks")
			case protocol.GuessResponse:
				l = append(l, name(s)+" answers")
			case protocol.GuessMaybe:
				l = append(l, name(s)+"?")
			}
		}
	}
	if l == nil {
		return "-"
	}
	return strings.Join(l, ", ")
}

// found plays a conversation and returns what the connection was taken for, and of which protocols requests were reported.
func found(s *sample, pieces int) (model.Protocol, []model.Protocol) {
	var reported []model.Protocol
	e := detect.New(all.Specs(), func(r *model.Request) {
		if !slices.Contains(reported, r.Protocol) {
			reported = append(reported, r.Protocol)
		}
	}, nil)
	c := e.Conn(s.transport, strings.Contains(s.name, "joined"))
	at := time.Duration(0)
	for _, text := range s.turns {
		d, p := turn(text)
		for len(p) > 0 {
			n := len(p)
			if s.transport == tcp && pieces > 0 {
				n = min(n, pieces)
			}
			at += time.Millisecond
			c.Feed(d, p[:n], at)
			p = p[n:]
		}
	}
	p := c.Protocol()
	c.Close(protocol.Close{Time: at, Reason: "connection_closed"})
	return p, reported
}

func listed(p model.Protocol) bool {
	return slices.ContainsFunc(all.Specs(), func(s protocol.Spec) bool { return s.Protocol == p })
}

func TestConversationsAreTakenForWhatTheyAre(t *testing.T) {
	for _, s := range append(slices.Clone(known), unknown...) {
		if s.want != model.ProtocolUnknown && !listed(s.want) {
			t.Errorf("%s: not in the list of protocols", s.name)
			continue
		}
		for _, pieces := range []int{0, 1, 7} {
			got, reported := found(&s, pieces)
			if got != s.want {
				t.Errorf("%s in pieces of %d: taken for %q, want %q", s.name, pieces, got, s.want)
			}
			for _, p := range reported {
				if p != s.want && p != model.ProtocolWebSocket {
					t.Errorf("%s in pieces of %d: a request of %q", s.name, pieces, p)
				}
			}
		}
	}
}

// TestConversationsAreFoundBehindTheEndOfAnAnswer: a connection that is joined in the middle begins with anything.
func TestConversationsAreFoundBehindTheEndOfAnAnswer(t *testing.T) {
	for _, rest := range []string{"<the rest of an answer", "<tail\r\n", "<\x00\x00\x00\x07\x01\x02\x03", "<" + strings.Repeat("\xfe\x01", 400), "<0"} {
		for _, s := range known {
			if s.transport == udp || strings.HasPrefix(s.turns[0], "<") || strings.HasPrefix(s.name, "PROXY") {
				continue
			}
			s.turns = append([]string{rest}, slices.Repeat(s.turns, 10)...) // "perhaps" may be wrong for some turns
			s.name += ", joined"
			if got, _ := found(&s, 0); got != s.want {
				t.Errorf("%s behind %.20q: taken for %q, want %q", s.name, rest, got, s.want)
			}
		}
	}
}

// TestRandomBytesAreClaimedByNobody: a protocol that claims more than one in ten thousand for certain is no proof.
func TestRandomBytesAreClaimedByNobody(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	specs := all.Specs()
	const tries = 50000
	count := map[string]int{}
	p := make([]byte, 256)
	for range tries {
		for i := range p {
			p[i] = byte(random.Uint32())
		}
		for i := range specs {
			if g := specs[i].Probe(p); g == protocol.GuessRequest || g == protocol.GuessResponse {
				count[name(&specs[i])]++
			}
		}
	}
	for n, times := range count {
		t.Logf("%s claims %d of %d", n, times, tries)
		if times > tries/10000 {
			t.Errorf("%s claims %d of %d random beginnings", n, times, tries)
		}
	}
}

const (
	tableBegins = "<!-- generated by go test ./agent/protocol/all -update -->\n"
	tableEnds   = "<!-- end -->\n"
)

// table says who claims what.
func table() string {
	var b strings.Builder
	specs := all.Specs()
	fmt.Fprint(&b, "| conversation | its first turn is claimed by | its second turn by | taken for |\n|---|---|---|---|\n")
	for _, s := range append(slices.Clone(known), unknown...) {
		second := "-"
		_, first := turn(s.turns[0])
		if len(s.turns) > 1 {
			_, p := turn(s.turns[1])
			second = claims(specs, s.transport, p)
		}
		got, _ := found(&s, 0)
		taken := got.String()
		if taken == "" {
			taken = "-"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", s.name, claims(specs, s.transport, first), second, taken)
	}
	return b.String()
}

func TestConfusionTableIsInTheDocuments(t *testing.T) {
	path := filepath.Join("..", "..", "..", "docs", "protocols.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := bytes.Cut(text, []byte(tableBegins))
	old, after, ends := bytes.Cut(rest, []byte(tableEnds))
	if !ok || !ends {
		t.Fatalf("%s has no place for the table", path)
	}
	now := table()
	switch {
	case string(old) == now:
	case *update:
		whole := slices.Concat(before, []byte(tableBegins), []byte(now), []byte(tableEnds), after)
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("the table in %s is old: go test ./agent/protocol/all -update\n%s", path, now)
	}
}
