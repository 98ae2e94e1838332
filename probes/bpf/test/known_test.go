// SPDX-License-Identifier: Apache-2.0

package test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
)

// known is enum known of infer_known.h.
type known byte

const (
	nothing known = iota
	preface
	frame
	tls
	tlsData
	postgresql
	mysql
	redis
	memcached
	mongodb
	kafka
	amqp
	nats
	mqtt
	dns
)

func (k known) String() string {
	return [...]string{"nothing", "preface", "frame", "tls", "tls data", "postgresql", "mysql", "redis", "memcached", "mongodb",
		"kafka", "amqp", "nats", "mqtt", "dns"}[k]
}

// filled is a segment of n bytes of which the first are text.
func filled(text string, n int) string { return text + strings.Repeat("x", n-len(text)) }

// packet is text behind the length and number of MySQL.
func packet(number byte, text string) string {
	n := len(text)
	return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), number}) + text
}

// typed is a message of PostgreSQL.
func typed(letter byte, text string) string {
	return string(binary.BigEndian.AppendUint32([]byte{letter}, uint32(4+len(text)))) + text
}

// wired is a message of MongoDB with this opcode.
func wired(op uint32, text string) string {
	b := binary.LittleEndian.AppendUint32(nil, uint32(16+len(text)))
	b = append(b, 1, 2, 3, 4, 0, 0, 0, 0)
	return string(binary.LittleEndian.AppendUint32(b, op)) + text
}

// measured is text behind its length in 4 bytes.
func measured(text string) string {
	return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text
}

// question is a query for a name of one label.
func question(label string) string {
	return "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + string(rune(len(label))) + label + "\x00\x00\x01\x00\x01"
}

// claims are first bytes of turns of the protocols that user space has parsers for.
var claims = []struct {
	name  string
	bytes string
	want  known
}{
	{"the preface of HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", preface},
	{"a part of the preface", "PRI *", preface},

	{"ClientHello", filled("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 517), tls},
	{"ServerHello", filled("\x16\x03\x03\x00\x7a\x02\x00\x00\x76\x03\x03", 127), tls},
	{"an alert in the clear", "\x15\x03\x03\x00\x02\x02\x28", tls},
	{"application data of TLS", filled("\x17\x03\x03\x00\x45", 74), tlsData},

	{"PostgreSQL startup", "\x00\x00\x00\x29\x00\x03\x00\x00user\x00postgres\x00database\x00postgres\x00\x00", postgresql},
	{"PostgreSQL startup of protocol 3.2", "\x00\x00\x00\x12\x00\x03\x00\x02user\x00a\x00\x00\x00\x00", postgresql},
	{"PostgreSQL SSLRequest", "\x00\x00\x00\x08\x04\xd2\x16\x2f", postgresql},
	{"PostgreSQL GSSENCRequest", "\x00\x00\x00\x08\x04\xd2\x16\x30", postgresql},
	{"PostgreSQL CancelRequest", "\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x00\x01\x00\x00\x00\x02", postgresql},
	{"PostgreSQL Query", typed('Q', "SELECT 1;\x00"), postgresql},
	{"PostgreSQL Query cut by TCP", filled("Q\x00\x01\x86\xa0INSERT INTO", 1448), postgresql},
	{"PostgreSQL Parse without a name", typed('P', "\x00SELECT $1\x00\x00\x00"), postgresql},
	{"PostgreSQL Parse with a name", typed('P', "stmt_1\x00SELECT $1\x00\x00\x00") + typed('S', ""), postgresql},
	{"PostgreSQL Bind", typed('B', "\x00\x00\x00\x00\x00\x00\x00\x00") + typed('E', "\x00\x00\x00\x00\x00"), postgresql},
	{"PostgreSQL Sync", typed('S', ""), postgresql},
	{"PostgreSQL Terminate", typed('X', ""), postgresql},
	{"PostgreSQL AuthenticationOk", typed('R', "\x00\x00\x00\x00") + typed('S', "client_encoding\x00UTF8\x00"), postgresql},
	{"PostgreSQL RowDescription", typed('T', "\x00\x01?column?\x00\x00\x00\x00\x00"), postgresql},
	{"PostgreSQL ParseComplete and what follows", typed('1', "") + typed('2', "") + typed('D', "\x00\x01\x00\x00\x00\x011"), postgresql},
	{"PostgreSQL ErrorResponse", typed('E', "SERROR\x00VERROR\x00C42P01\x00\x00"), postgresql},
	{"PostgreSQL CommandComplete", typed('C', "INSERT 0 1\x00") + typed('Z', "I"), postgresql},
	{"PostgreSQL ReadyForQuery", typed('Z', "I"), postgresql},
	{"PostgreSQL CopyData", typed('d', "1\tone\n"), postgresql},
	{"PostgreSQL password", typed('p', "md5abcdef\x00"), postgresql},

	{"MySQL greeting", packet(0, filled("\x0a8.0.36\x00\x08\x00\x00\x00", 74)), mysql},
	{"MariaDB greeting", packet(0, filled("\x0a5.5.5-10.11.6-MariaDB\x00", 90)), mysql},
	{"MySQL: too many connections", packet(0, "\xff\x10\x04Too many connections"), mysql},
	{"MySQL COM_QUERY", packet(0, "\x03SELECT 1"), mysql},
	{"MySQL COM_QUERY with attributes", packet(0, "\x03\x00\x01SELECT 1"), mysql},
	{"MySQL COM_QUERY cut by TCP", filled("\x00\x00\x01\x00\x03INSERT INTO t", 1448), mysql},
	{"MySQL COM_PING", packet(0, "\x0e"), mysql},
	{"MySQL COM_QUIT", packet(0, "\x01"), mysql},
	{"MySQL COM_STMT_PREPARE", packet(0, "\x16SELECT ? + 1"), mysql},
	{"MySQL COM_STMT_EXECUTE", packet(0, "\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00"), mysql},
	{"MySQL COM_STMT_CLOSE and the next command", packet(0, "\x19\x01\x00\x00\x00") + packet(0, "\x03SELECT 1"), mysql},
	{"MySQL result set", packet(1, "\x01") + packet(2, "\x03def\x00\x00\x00"), mysql},

	{"Redis array", "*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n", redis},
	{"Redis array of three digits", "*100\r\n$3\r\nDEL\r\n", redis},
	{"Redis OK", "+OK\r\n", redis},
	{"Redis PONG", "+PONG\r\n", redis},
	{"Redis long simple string", "+this is a longer status\r\n", redis},
	{"Redis error", "-ERR unknown command\r\n", redis},
	{"Redis WRONGTYPE", "-WRONGTYPE Operation\r\n", redis},
	{"Redis integer", ":1000\r\n", redis},
	{"Redis negative integer", ":-1\r\n", redis},
	{"Redis bulk string", "$5\r\nhello\r\n", redis},
	{"Redis null bulk string", "$-1\r\n", redis},
	{"Redis null", "_\r\n", redis},
	{"Redis map", "%2\r\n+server\r\n", redis},
	{"Redis push", ">3\r\n$7\r\nmessage\r\n", redis},
	{"Redis double", ",3.14\r\n", redis},
	{"Redis boolean", "#t\r\n", redis},

	{"memcached get", "get key\r\n", memcached},
	{"memcached gets", "gets a b\r\n", memcached},
	{"memcached set", "set key 0 0 5\r\nhello\r\n", memcached},
	{"memcached delete", "delete key\r\n", memcached},
	{"memcached incr", "incr n 1\r\n", memcached},
	{"memcached version", "version\r\n", memcached},
	{"memcached meta get", "mg key v\r\n", memcached},
	{"memcached VALUE", "VALUE key 0 5\r\n", memcached},
	{"memcached STORED", "STORED\r\n", memcached},
	{"memcached END", "END\r\n", memcached},
	{"memcached NOT_FOUND", "NOT_FOUND\r\n", memcached},
	{"memcached meta value", "VA 5 v\r\n", memcached},
	{"memcached SERVER_ERROR", "SERVER_ERROR out of memory\r\n", memcached},
	{"memcached binary get", "\x80\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00key", memcached},
	{"memcached binary answer", "\x81\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00\x09\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00hello", memcached},

	{"MongoDB OP_MSG", wired(2013, "\x00\x00\x00\x00\x00\x10\x00\x00\x00"), mongodb},
	{"MongoDB OP_QUERY", wired(2004, "\x00\x00\x00\x00admin.$cmd\x00"), mongodb},
	{"MongoDB OP_REPLY", wired(1, filled("", 30)), mongodb},
	{"MongoDB OP_COMPRESSED", wired(2012, "\xdd\x07\x00\x00"), mongodb},
	{"a header of MongoDB alone", wired(2013, "\x00\x00\x00\x00")[:16], mongodb},

	{"Kafka ApiVersions", measured("\x00\x12\x00\x04\x00\x00\x00\x01\x00\x07console\x00\x05x"), kafka},
	{"Kafka Metadata without a client", measured("\x00\x03\x00\x09\x00\x00\x00\x02\xff\xff\x00\x00"), kafka},
	{"Kafka Produce cut by TCP", filled("\x00\x01\x00\x00\x00\x00\x00\x09\x00\x00\x00\x05\x00\x08producer", 1448), kafka},
	{"two of Kafka in one write", measured("\x00\x01\x00\x0b\x00\x00\x00\x05\x00\x01c") + measured("\x00\x01\x00\x0b\x00\x00\x00\x06\x00\x01c\x00\x00"), kafka},

	{"AMQP 0-9-1 header", "AMQP\x00\x00\x09\x01", amqp},
	{"AMQP 1.0 header", "AMQP\x00\x01\x00\x00", amqp},
	{"AMQP Connection.Start", filled("\x01\x00\x00\x00\x00\x01\xf0\x00\x0a\x00\x0a\x00\x09", 504), amqp},
	{"AMQP Basic.Publish", filled("\x01\x00\x01\x00\x00\x00\x0f\x00\x3c\x00\x28\x00\x00", 80), amqp},
	{"AMQP heartbeat", "\x08\x00\x00\x00\x00\x00\x00\xce", amqp},

	{"NATS INFO", "INFO {\"server_id\":\"x\"}\r\n", nats},
	{"NATS CONNECT", "CONNECT {\"verbose\":false}\r\n", nats},
	{"NATS PUB", "PUB foo.bar 5\r\nhello\r\n", nats},
	{"NATS SUB", "SUB foo 1\r\n", nats},
	{"NATS MSG", "MSG foo 1 5\r\nhello\r\n", nats},
	{"NATS HPUB", "HPUB foo 12 17\r\n", nats},
	{"NATS UNSUB", "UNSUB 1\r\n", nats},
	{"NATS PING", "PING\r\n", nats},
	{"NATS PONG", "PONG\r\n", nats},

	{"MQTT 3.1.1 CONNECT", "\x10\x0f\x00\x04MQTT\x04\x02\x00\x3c\x00\x03abc", mqtt},
	{"MQTT 5 CONNECT of two bytes length", filled("\x10\x93\x01\x00\x04MQTT\x05\x02\x00\x3c", 150), mqtt},
	{"MQTT 3.1 CONNECT", "\x10\x11\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x03abc", mqtt},
	{"MQTT PUBLISH", "\x30\x0a\x00\x05topic123", mqtt},
	{"MQTT SUBSCRIBE", "\x82\x0a\x00\x01\x00\x05topic\x00", mqtt},
	{"MQTT PINGREQ", "\xc0\x00", mqtt},

	{"DNS over TCP", "\x00\x1a" + question("example1"), dns},
}

// foreign are first bytes that must not be claimed: other protocols, and what looks nearly like a known one.
var foreign = []struct{ name, bytes string }{
	{"SSH banner", "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"},
	{"SMTP greeting", "220 mail.example.org ESMTP\r\n"},
	{"FTP RETR", "RETR file\r\n"},
	{"IMAP", "a001 LOGIN user pass\r\n"},
	{"IRC", "NICK someone\r\n"},
	{"RTSP", "DESCRIBE rtsp://x RTSP/1.0\r\n"},
	{"HTTP GET", "GET / HTTP/1.1\r\n"},
	{"HTTP PUT", "PUT /a HTTP/1.1\r\n"},
	{"HTTP DELETE", "DELETE /a HTTP/1.1\r\n"},
	{"HTTP CONNECT", "CONNECT example.org:443 HTTP/1.1\r\n"},
	{"HTTP UNSUBSCRIBE of UPnP", "UNSUBSCRIBE /e HTTP/1.1\r\n"},
	{"HTTP VERSION-CONTROL", "VERSION-CONTROL /a HTTP/1.1\r\n"},
	{"HTTP with a method of NATS", "PUB /a HTTP/1.1\r\n"},
	{"HTTP STATUS", "HTTP/1.1 200 OK\r\n"},
	{"JSON", "{\"a\":1}\r\n"},
	{"XML", "<?xml version=\"1.0\"?>"},
	{"a sentence", "get off my lawn, said the man"[4:]},
	{"small numbers", "\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"},
	{"zeros", strings.Repeat("\x00", 64)},
	{"ones", strings.Repeat("\xff", 64)},
	{"one byte", "*"},
	{"a star and a word", "*hello\r\n"},
	{"an amount", "$5.00 please"},
	{"a dash", "- item one\n"},
	{"TLS 1.3 with a length of nothing", "\x16\x03\x01\x00\x00\x01"},
	{"TLS of a version that there is not", "\x16\x03\x09\x02\x00\x01\x00\x01\xfc"},
	{"a record of DTLS", "\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x01\x00\x00"},
	{"PostgreSQL startup of protocol 2", "\x00\x00\x00\x29\x00\x02\x00\x00user\x00"},
	{"a letter and a length that does not fit", "Q\x00\x00\x10\x00SELECT"},
	{"a letter and a length, then no message", typed('Q', "a\x00") + "\xff\xff"},
	{"a letter that PostgreSQL has not", typed('y', "abcd")},
	{"ReadyForQuery of a state that there is not", typed('Z', "x")},
	{"MySQL: a command that there is not", packet(0, "\x55abc")},
	{"MySQL: a length that does not fit", "\x40\x00\x00\x00\x03SELECT 1"},
	{"MySQL: packet 7", packet(7, "\x03SELECT 1")},
	{"memcached binary: key longer than body", "\x80\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00key"},
	{"MongoDB: opcode 3000", wired(3000, "abcd")},
	{"MongoDB: a length that does not fit", "\xff\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00"},
	{"Kafka: API 200", measured("\x00\xc8\x00\x04\x00\x00\x00\x01\x00\x07console")},
	{"Kafka: a length that does not fit", "\x00\x00\x40\x00\x00\x12\x00\x04\x00\x00\x00\x01\x00\x07console"},
	{"Kafka: an answer", measured("\x00\x00\x00\x01\x00\x02\x00\x05topic\x00\x00")},
	{"AMQP: class 99", filled("\x01\x00\x01\x00\x00\x00\x0f\x00\x63\x00\x28\x00\x00", 80)},
	{"MQTT: CONNECT of another protocol", "\x10\x0f\x00\x04XXXX\x04\x02\x00\x3c\x00\x03abc"},
	{"MQTT: a topic longer than the packet", "\x30\x0a\x00\x50topic123"},
	{"DNS over TCP with two questions", "\x00\x1a" + strings.Replace(question("example1"), "\x00\x01\x00\x00\x00", "\x00\x02\x00\x00\x00", 1)},
	{"SETTINGS of HTTP/2", "\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x80\x00\x04\x00\x01\x00\x00\x00\x05\x00\xff\xff\xff"},
	{"WINDOW_UPDATE of HTTP/2 and more", filled("\x00\x00\x04\x08\x00\x00\x00\x00\x00\x3f\xff\x00\x00\x00", 1000)},
	{"SMB2", "\x00\x00\x00\x68\xfeSMB\x40\x00\x00\x00\x00\x00\x00\x00"},
	{"Cassandra", "\x04\x00\x00\x00\x01\x00\x00\x00\x16\x00\x01\x00\x0bCQL"},
	{"LDAP bind", "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00"},
	{"RDP", "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00\x00\x00\x01\x00\x08\x00\x03\x00\x00\x00"},
	{"SOCKS5", "\x05\x01\x00"},
	{"BitTorrent", "\x13BitTorrent protocol\x00\x00\x00"},
}

func TestKnownProtocolsAreClaimed(t *testing.T) {
	k := startKernelSide(t)
	for _, c := range claims {
		if got := k.known(t, []byte(c.bytes)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestOthersAreNotClaimed(t *testing.T) {
	k := startKernelSide(t)
	for _, c := range foreign {
		if got := k.known(t, []byte(c.bytes)); got != nothing {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// What the kernel takes for an HTTP/1 message stays one, unless a word of another protocol stands there.
func TestMessagesOfHTTPAreNotClaimed(t *testing.T) {
	k := startKernelSide(t)
	for _, method := range []string{
		"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "PROPPATCH", "MKCOL", "COPY",
		"MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "MERGE", "M-SEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE", "PURGE", "LINK",
		"ACL", "BIND", "REBIND", "UNBIND", "CHECKIN", "CHECKOUT", "LABEL", "UPDATE", "VERSION-CONTROL", "BASELINE-CONTROL",
	} {
		for _, target := range []string{"/", "*", "http://example.org/", "example.org:443"} {
			turn := []byte(method + " " + target + " HTTP/1.1\r\n")
			for n := 5; n <= len(turn); n++ {
				if got := k.known(t, turn[:n]); got != nothing {
					t.Fatalf("%q: %v", turn[:n], got)
				}
			}
		}
	}
}

// A connection that is nothing known is asked at each turn: chance must not claim it often.
func TestRandomBytesAreSeldomClaimed(t *testing.T) {
	k := startKernelSide(t)
	r := rand.New(rand.NewPCG(7, 8))
	claimed := map[known]int{}
	const turns = 50_000
	for range turns {
		turn := make([]byte, 16+r.IntN(1500))
		for i := range turn[:16] {
			turn[i] = byte(r.Uint32())
		}
		if got := k.known(t, turn); got != nothing {
			claimed[got]++
		}
	}
	sum := 0
	for _, n := range claimed {
		sum += n
	}
	if sum > turns/1000 {
		t.Errorf("%d of %d claimed: %v", sum, turns, claimed)
	}
}

// frames of HTTP/2 as they may begin a segment, and what is none.
var frames = []struct {
	name  string
	bytes string
	want  bool
}{
	{"SETTINGS", "\x00\x00\x12\x04\x00\x00\x00\x00\x00", true},
	{"SETTINGS, acknowledged", "\x00\x00\x00\x04\x01\x00\x00\x00\x00", true},
	{"HEADERS", "\x00\x00\x30\x01\x05\x00\x00\x00\x01", true},
	{"DATA", "\x00\x40\x00\x00\x00\x00\x00\x00\x01", true},
	{"DATA, empty and last", "\x00\x00\x00\x00\x01\x00\x00\x00\x03", true},
	{"RST_STREAM", "\x00\x00\x04\x03\x00\x00\x00\x00\x05", true},
	{"PING", "\x00\x00\x08\x06\x00\x00\x00\x00\x00", true},
	{"GOAWAY", "\x00\x00\x08\x07\x00\x00\x00\x00\x00", true},
	{"WINDOW_UPDATE of the connection", "\x00\x00\x04\x08\x00\x00\x00\x00\x00", true},
	{"WINDOW_UPDATE of a stream", "\x00\x00\x04\x08\x00\x00\x00\x00\x07", true},
	{"CONTINUATION", "\x00\x00\x10\x09\x04\x00\x00\x00\x01", true},
	{"PUSH_PROMISE", "\x00\x00\x10\x05\x04\x00\x00\x00\x01", true},
	{"PRIORITY", "\x00\x00\x05\x02\x00\x00\x00\x00\x03", true},

	{"zeros", "\x00\x00\x00\x00\x00\x00\x00\x00\x00", false},
	{"longer than anybody allows", "\x00\x40\x01\x00\x00\x00\x00\x00\x01", false},
	{"a type that is not known", "\x00\x00\x10\x0b\x00\x00\x00\x00\x01", false},
	{"the reserved bit", "\x00\x00\x10\x01\x04\x80\x00\x00\x01", false},
	{"HEADERS of no stream", "\x00\x00\x10\x01\x04\x00\x00\x00\x00", false},
	{"HEADERS with a flag that there is not", "\x00\x00\x10\x01\x40\x00\x00\x00\x01", false},
	{"SETTINGS of a stream", "\x00\x00\x12\x04\x00\x00\x00\x00\x01", false},
	{"SETTINGS of 7 bytes", "\x00\x00\x07\x04\x00\x00\x00\x00\x00", false},
	{"PING of 9 bytes", "\x00\x00\x09\x06\x00\x00\x00\x00\x00", false},
	{"RST_STREAM of 8 bytes", "\x00\x00\x08\x03\x00\x00\x00\x00\x05", false},
	{"text", "GET / HTT", false},
}

func TestFramesOfHTTP2(t *testing.T) {
	k := startKernelSide(t)
	for _, c := range frames {
		if got := k.ask(t, 'f', 0, []byte(c.bytes)) != 0; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// datagrams that make a record, and others.
var datagrams = []struct {
	name  string
	bytes string
	want  bool
}{
	{"query", question("example"), true},
	{"query with EDNS", strings.Replace(question("example"), "\x00\x00\x00\x00\x07", "\x00\x00\x00\x01\x07", 1) + "\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00", true},
	{"query for the root", "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x01", true},
	{"answer", "\x12\x34\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01" + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x0a\x00\x00\x01", true},
	{"NXDOMAIN", "\x12\x34\x81\x83\x00\x01\x00\x00\x00\x00\x00\x00\x01a\x00\x00\x01\x00\x01", true},
	{"FORMERR without the question", "\x12\x34\x81\x81\x00\x00\x00\x00\x00\x00\x00\x00", true},
	{"Initial of QUIC version 1", filled("\xc3\x00\x00\x00\x01\x08abcdefgh\x00", 1200), true},
	{"Initial of QUIC version 2", filled("\xd3\x6b\x33\x43\xcf\x08abcdefgh\x00", 1200), true},
	{"Initial of draft 29", filled("\xc3\xff\x00\x00\x1d\x08abcdefgh\x00", 1200), true},
	{"Retry", filled("\xf0\x00\x00\x00\x01\x00\x08abcdefgh", 100), true},
	{"version negotiation", "\x80\x00\x00\x00\x00\x00\x04abcd\x00\x00\x00\x01\x6b\x33\x43\xcf", true},

	{"Handshake of QUIC", filled("\xe0\x00\x00\x00\x01\x08abcdefgh\x00", 1200), false},
	{"short header of QUIC", filled("\x40\x01\x02\x03\x04\x05", 1200), false},
	{"QUIC of another version", filled("\xc3\x00\x00\x00\x07\x08abcdefgh\x00", 1200), false},
	{"RTP", filled("\x80\x60\x12\x34\x00\x00\x00\xa0\x11\x22\x33\x44", 172), false},
	{"STUN", "\x00\x01\x00\x00\x21\x12\xa4\x42abcdefghijkl", false},
	{"DTLS ClientHello", filled("\x16\xfe\xfd\x00\x00\x00\x00\x00\x00\x00\x00\x00\x40\x01\x00\x00", 77), false},
	{"NTP", filled("\x23\x02\x0a\xec\x00\x00\x03\x5b\x00\x00\x04\x1f", 48), false},
	{"syslog", "<34>1 2026-01-01T00:00:00Z host app - - hello", false},
	{"statsd", "requests:1|c|#route:a", false},
	{"WireGuard", filled("\x01\x00\x00\x00\x12\x34\x56\x78", 148), false},
	{"zeros", strings.Repeat("\x00", 64), false},
	{"a query with two questions", strings.Replace(question("example"), "\x00\x01\x00\x00\x00", "\x00\x02\x00\x00\x00", 1), false},
	{"a label longer than the datagram", "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x3fexample\x00", false},
	{"11 bytes", question("a")[:11], false},
}

func TestDatagramsThatMakeARecord(t *testing.T) {
	k := startKernelSide(t)
	for _, c := range datagrams {
		if got := k.ask(t, 'd', len(c.bytes), []byte(c.bytes)) != 0; got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

// The budget of the answers depends on it: more than one request in the first bytes of a turn.
func TestSecondRequestOfATurnIsFound(t *testing.T) {
	k := startKernelSide(t)
	r := rand.New(rand.NewPCG(9, 10))
	for head := range 240 {
		first := append(bytes.Repeat([]byte("a"), head), "\r\n\r\n"...)
		for _, c := range []struct {
			behind string
			want   bool
		}{{"", false}, {"G", true}, {"GET / HTTP/1.1\r\n", true}, {"{}", false}, {"\n\r\n", false}} {
			turn := append(append([]byte{}, first...), c.behind...)
			want := c.want && head+4+1 <= 256-8
			if got := k.ask(t, 'p', len(turn), turn) != 0; got != want && head+12 < len(turn) {
				t.Fatalf("%d bytes, then %q: %v", head, c.behind, got)
			}
		}
	}
	for range 20_000 { // no request follows where no empty line is
		turn := make([]byte, 8+r.IntN(248))
		for i := range turn {
			turn[i] = "\nGa"[r.IntN(3)]
		}
		if bytes.Contains(turn, []byte("\n")) {
			turn = bytes.ReplaceAll(turn, []byte("\n"), []byte("\nab"))
		}
		turn = turn[:min(len(turn), 256)]
		if k.ask(t, 'p', len(turn), turn) != 0 {
			t.Fatalf("%q", turn)
		}
	}
}

func FuzzKnownReadsWhatThereIs(f *testing.F) {
	for _, c := range claims {
		f.Add([]byte(c.bytes))
	}
	k := startKernelSide(f)
	f.Fuzz(func(t *testing.T, turn []byte) {
		if len(turn) > 0 { // the sanitizer sees what goes wrong
			k.known(t, turn)
			k.ask(t, 'd', len(turn), turn)
		}
	})
}
