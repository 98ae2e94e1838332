// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/net/http2/hpack"
)

// talk is a connection with the secret in each private place of its protocol.
type talk struct {
	name     string
	turns    []turn
	requests int
	cutOff   uint64
}

func scripts() []talk {
	return []talk{redisTalk(), memcachedTalk(), memcachedBinaryTalk(), mongodbTalk(), mysqlTalk(), postgresqlTalk(), websocketTalk(), natsTalk(), mqttTalk(), http2Talk(), http1Talk(), amqpTalk(), kafkaTalk(), unknownTalk()}
}

// resp is a command of Redis.
func resp(words ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(words))
	for _, w := range words {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(w), w)
	}
	return b.String()
}

func bulk(s string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(s), s) }

func redisTalk() talk {
	long := strings.Repeat(secret, 50)
	return talk{"redis", []turn{
		up(resp("HELLO", "3", "AUTH", "app", secret, "SETNAME", secret)), down("%1\r\n", bulk("server"), bulk(secret)),
		up(resp("AUTH", "app", secret)), down("+OK\r\n"),
		up(resp("AUTH", secret)), down("-WRONGPASS invalid " + secret + "\r\n"),
		up(resp("SELECT", "3")), down("+OK\r\n"),
		up(resp("SET", "key", long, "EX", "60")), down("+OK\r\n"),
		up(resp("GET", "key")), down(bulk(long)),
		up(resp("MGET", "a", "b")), down("*2\r\n", bulk(secret), "$-1\r\n"),
		up(resp("EVAL", "return '"+secret+"'", "1", "key", secret)), down("+" + secret + "\r\n"),
		up(resp("XREAD", "COUNT", "2", "STREAMS", "s", "0-"+secret)), down("*-1\r\n"),
		up(resp("MADEUP", secret)), down("-ERR unknown command 'MADEUP', with args beginning with: '" + secret + "'\r\n"),
		up(resp("MULTI")), down("+OK\r\n"), up(resp("INCR", "n")), down("+QUEUED\r\n"), up(resp("EXEC")), down("*2\r\n:12\r\n-WRONGTYPE " + secret + "\r\n"),
		up(resp("SET", "k", "v") + resp(secret+" ", "b")), down("+OK\r\n-ERR " + secret + "\r\n"),
		up("set inline \"" + secret + " " + secret + "\"\r\n"), down("+OK\r\n"),
		up("set inline " + secret + " ex 10\r\n"), down("+OK\r\n"),
		up(resp("SUBSCRIBE", "news")), down("*3\r\n", bulk("subscribe"), bulk("news"), ":1\r\n"), down("*3\r\n", bulk("message"), bulk("news"), bulk(secret)),
		up(resp("UNSUBSCRIBE")), down("*3\r\n", bulk("unsubscribe"), bulk("news"), ":0\r\n"),
		up(resp("MONITOR")), down("+OK\r\n+1339518083.107412 [0 127.0.0.1:60866] \"set\" \"k\" \"" + secret + "\"\r\n"),
	}, 20, 0}
}

func memcachedTalk() talk {
	long := strings.Repeat(secret, 50)
	set := func(line string) string { return fmt.Sprintf("%s %d\r\n%s\r\n", line, len(long), long) }
	return talk{"memcached", []turn{
		up(set("set key 0 60")), down("STORED\r\n"),
		up("get key other\r\n"), down(fmt.Sprintf("VALUE key 0 %d\r\n%s\r\nEND\r\n", len(long), long)),
		up("incr n 5\r\n"), down("12\r\n"),
		up("ms key ", fmt.Sprint(len(secret)), " T60 Oab\r\n", secret, "\r\n"), down("HD Oab\r\n"),
		up("mg key v k t\r\n"), down("VA ", fmt.Sprint(len(secret)), " kkey t60\r\n", secret, "\r\n"),
		up("mg key N" + secret + "\r\n"), down("EN\r\n"),
		up("stats " + secret + "\r\n"), down("STAT " + secret + " " + secret + "\r\nEND\r\n"),
		up("madeup " + secret + "\r\n"), down("ERROR " + secret + "\r\n"),
		up(secret + " x\r\n"), down("CLIENT_ERROR " + secret + "\r\n"),
		up("delete key noreply\r\nversion\r\n"), down("VERSION " + secret + "\r\n"),
		up("set k 0 0 ", fmt.Sprint(len(secret)), " noreply\r\n", secret, "\r\n"), up("touch k 5\r\n"), down("TOUCHED\r\n"),
		up("watch fetchers\r\n"), down("OK\r\n", "ts=1 gid=2 type=item_get key="+secret+"\r\n"),
	}, 14, 0}
}

// memcachedFrame is a frame of memcached's binary protocol.
func memcachedFrame(magic, opcode byte, extras, key, value string) []byte {
	n := len(extras) + len(key) + len(value)
	return glue([]any{int(magic), int(opcode), 0, len(key), len(extras), 0, 0, 0, 0, 0, n >> 8, n, "tokn", make([]byte, 8), extras, key, value})
}

func memcachedBinaryTalk() talk {
	return talk{"memcached binary", []turn{
		up(memcachedFrame(0x80, 0x21, "", "PLAIN"+secret, "\x00user\x00"+secret)), down(memcachedFrame(0x81, 0x21, "", "", secret)),
		up(memcachedFrame(0x80, 0x01, "12345678", "key", secret)), down(memcachedFrame(0x81, 0x01, "", "", "")),
		up(memcachedFrame(0x80, 0x00, "", "key", "")), down(memcachedFrame(0x81, 0x00, "1234", "", strings.Repeat(secret, 100))),
	}, 3, 0}
}

// doc is a BSON document of elements.
func doc(elements ...[]byte) []byte {
	b := bytes.Join(elements, nil)
	return append(append(binary.LittleEndian.AppendUint32(nil, uint32(len(b)+5)), b...), 0)
}

func bsonString(name, value string) []byte {
	n := binary.LittleEndian.AppendUint32(nil, uint32(len(value)+1))
	return glue([]any{2, name, 0, n, value, 0})
}

func bsonInt(name string, value uint32) []byte {
	return glue([]any{0x10, name, 0, binary.LittleEndian.AppendUint32(nil, value)})
}

func bsonIn(kind int, name string, in []byte) []byte { return glue([]any{kind, name, 0, in}) }

// mongo is a message.
func mongo(opcode, id, answers uint32, body ...any) []byte {
	b := glue(body)
	h := binary.LittleEndian.AppendUint32(nil, uint32(16+len(b)))
	for _, n := range []uint32{id, answers, opcode} {
		h = binary.LittleEndian.AppendUint32(h, n)
	}
	return append(h, b...)
}

func mongodbTalk() talk {
	private := doc(bsonString("name", secret), bsonIn(5, "bin", glue([]any{len(secret), 0, 0, 0, 0, secret})), bsonIn(11, "re", glue([]any{secret, 0, 'i', 0})))
	db, flags := bsonString("$db", "shop"), make([]byte, 4)
	msg := func(id, answers uint32, body []byte) []byte { return mongo(2013, id, answers, flags, 0, body) }
	find := func(id uint32) []byte {
		return msg(id, 0, doc(bsonString("find", "orders"), bsonIn(3, "filter", private), bsonString("comment", secret), db))
	}
	found := func(id uint32) []byte {
		return msg(99, id, doc(bsonIn(3, "cursor", doc(bsonIn(4, "firstBatch", doc(bsonIn(3, "0", private), bsonIn(3, "1", private))), bsonString("ns", "shop."+secret))), bsonInt("ok", 1)))
	}
	sequence := glue([]any{"documents", 0, private, private, private})
	insert := mongo(2013, 2, 0, flags, 0, doc(bsonString("insert", "orders"), db), 1, binary.LittleEndian.AppendUint32(nil, uint32(len(sequence)+4)), sequence)
	failed := doc(bsonInt("n", 2), bsonIn(4, "writeErrors", doc(bsonIn(3, "0", doc(bsonInt("index", 1), bsonInt("code", 11000), bsonString("errmsg", secret))))), bsonInt("ok", 1))
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	packed := func(p []byte) []byte { // the message in p as OP_COMPRESSED
		le := binary.LittleEndian
		return mongo(2012, le.Uint32(p[4:]), le.Uint32(p[8:]), p[12:16], le.AppendUint32(nil, uint32(len(p)-16)), 3, w.EncodeAll(p[16:], nil))
	}
	return talk{"mongodb", []turn{
		up(msg(7, 0, doc(bsonInt("saslStart", 1), bsonString("mechanism", secret), bsonIn(5, "payload", glue([]any{len(secret), 0, 0, 0, 0, secret})), bsonString("n", secret), db))),
		down(msg(99, 7, doc(bsonInt("conversationId", 1), bsonString("payload", secret), bsonInt("ok", 1)))),
		up(find(1)), down(found(1)),
		up(insert), down(msg(99, 2, failed)),
		up(packed(find(3))), down(packed(found(3))),
		up(mongo(2004, 4, 0, flags, "admin.$cmd", 0, make([]byte, 8), doc(bsonInt("isMaster", 1), bsonIn(3, "client", private)))),
		down(mongo(1, 98, 4, make([]byte, 16), 1, 0, 0, 0, doc(bsonInt("ok", 0), bsonString("errmsg", secret), bsonString("codeName", "Denied"), bsonInt("code", 13)))),
	}, 5, 0}
}

// my is a packet of MySQL.
func my(seq int, parts ...any) []byte {
	b := glue(parts)
	return glue([]any{len(b), len(b) >> 8, 0, seq, b})
}

func mysqlTalk() talk {
	zeros, n := make([]byte, 23), len(secret)
	caps := []byte{0x08 | 0x01, 0x02 | 0x80, 0x08, 0} // database, protocol 4.1, short secret, plugin
	eof, ok := []byte{0xfe, 0, 0, 2, 0}, []byte{0, 1, 0xfc, 'S', '3', 2, 0, 0, 0}
	definition := glue([]any{3, "def", n, secret, n, secret, 0, 0, 12, make([]byte, 12)})
	row := glue([]any{n, secret, 0xfb, n, secret})
	return talk{"mysql", []turn{
		down(my(0, 10, "8.0.36", 0, 9, 0, 0, 0, secret[:8], 0, 0xff, 0xf7, 33, 2, 0, 0xff, 0x81, 21, make([]byte, 10), secret[:12], 0, "mysql_native_password", 0)),
		up(my(1, caps, 0, 0, 0, 1, 33, zeros, "app", 0, n, secret, "shop", 0, "plugin"+secret, 0)),
		down(my(2, 0xfe, "caching_sha2_password", 0, secret, 0)), up(my(3, secret)), down(my(4, ok)),
		up(my(0, 3, "SELECT a FROM orders WHERE b='"+secret+"' AND c=12 /* "+secret+" */")),
		down(my(1, 2), my(2, definition), my(3, definition), my(4, eof), my(5, row), my(6, row), my(7, eof)),
		up(my(0, 3, "INSERT INTO orders VALUES (\""+secret+"\")")), down(my(1, ok, secret)),
		up(my(0, 3, "SELECT nope, 1 FROM t")), down(my(1, 0xff, 0x28, 4, "#42S22", "no such column "+secret)),
		up(my(0, 22, "SELECT a FROM orders WHERE b=?")), down(my(1, 0, 7, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0), my(2, definition), my(3, eof), my(4, definition), my(5, eof)),
		up(my(0, 24, 7, 0, 0, 0, 0, 0, secret)),
		up(my(0, 23, 7, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 253, 0, n, secret)), down(my(1, 1), my(2, definition), my(3, eof), my(4, 0, 0, n, secret), my(5, eof)),
		up(my(0, 17, "bob", 0, n, secret, "shop", 0, secret)), down(my(1, ok)),
		up(my(0, 3, "LOAD DATA LOCAL INFILE 'x' INTO TABLE t")), down(my(1, 0xfb, secret)), up(my(2, secret), my(3)), down(my(4, ok)),
		up(my(0, 1)),
	}, 9, 0}
}

// pg is a message of PostgreSQL; kind 0 stands for none.
func pg(kind int, parts ...any) []byte {
	b := glue(parts)
	m := binary.BigEndian.AppendUint32(nil, uint32(len(b)+4))
	if kind != 0 {
		m = append([]byte{byte(kind)}, m...)
	}
	return append(m, b...)
}

func postgresqlTalk() talk {
	n := []byte{0, 0, 0, byte(len(secret))}
	ready := pg('Z', "I")
	row := pg('D', 0, 2, n, secret, 0xff, 0xff, 0xff, 0xff)
	columns := pg('T', 0, 2, "name", 0, make([]byte, 18), "age", 0, make([]byte, 18))
	return talk{"postgresql", []turn{
		up(pg(0, 0, 3, 0, 0, "user", 0, "app", 0, "database", 0, "shop", 0, "options", 0, secret, 0, 0)),
		down(pg('R', 0, 0, 0, 5, secret[:4])), up(pg('p', "md5"+secret, 0)),
		down(pg('R', 0, 0, 0, 0), pg('S', "application_name", 0, secret, 0), pg('K', 0, 0, 0, 9, secret[:4]), ready),
		up(pg('Q', "SELECT name FROM users WHERE pw='"+secret+"' AND age>42 -- "+secret+"\n", 0)),
		down(columns, row, row, pg('C', "SELECT 2", 0), ready),
		up(pg('P', "st", 0, "INSERT INTO users VALUES ($1, $2)", 0, 0, 0), pg('B', 0, "st", 0, 0, 0, 0, 2, n, secret, n, secret, 0, 0), pg('E', 0, 0, 0, 0, 0), pg('S')),
		down(pg('1'), pg('2'), pg('N', "SNOTICE", 0, "C00000", 0, "M", secret, 0, 0), pg('C', "INSERT 0 1", 0), ready),
		up(pg('P', 0, "DELETE FROM users WHERE id='"+secret+"'", 0, 0, 0), pg('B', 0, 0, 0, 0, 0, 0, 0, 0), pg('E', 0, 0, 0, 0, 0), pg('S')),
		down(pg('1'), pg('E', "SERROR", 0, "VERROR", 0, "C23503", 0, "M", secret, 0, "D", secret, 0, 0), ready),
		up(pg('Q', "COPY users FROM STDIN", 0)), down(pg('G', 0, 0, 0)), up(pg('d', secret), pg('c')), down(pg('C', "COPY 1", 0), ready),
		down(pg('A', 0, 0, 0, 9, "channel", 0, secret, 0)),
		up(pg('X')),
	}, 6, 0}
}

// masked is a frame of a WebSocket client.
func masked(op int, payload string) []byte {
	key := []byte{1, 2, 3, 4}
	p := []byte(payload)
	for i := range p {
		p[i] ^= key[i%4]
	}
	return glue([]any{0x80 | op, 0x80 | len(p), key, p})
}

func websocketTalk() talk {
	long := strings.Repeat(secret, 20)
	return talk{"websocket", []turn{
		up("GET /chat?token=" + secret + " HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: " + secret +
			"\r\nCookie: " + secret + "\r\nSec-WebSocket-Version: 13\r\n\r\n"),
		down("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + secret + "\r\n\r\n"),
		up(masked(1, secret)), down(0x82, 126, len(long)>>8, len(long), long), up(masked(9, secret), masked(1, secret+secret)), down(0x8a, len(secret), secret),
		up(masked(8, "\x03\xe8"+secret)), down(0x88, 2+len(secret), 3, 0xe8, secret),
	}, 2, 0}
}

func natsTalk() talk {
	n := len(secret)
	return talk{"nats", []turn{
		down("INFO {\"server_id\":\"" + secret + "\",\"nonce\":\"" + secret + "\"}\r\n"),
		up("CONNECT {\"verbose\":false,\"name\":\"app\",\"user\":\"" + secret + "\",\"pass\":\"a\\\"" + secret + "\",\"n\":12}\r\nPING\r\n"), down("PONG\r\n"),
		up("SUB inbox.> 1\r\n", fmt.Sprintf("PUB orders inbox.7 %d\r\n%s\r\n", n, secret)), down(fmt.Sprintf("MSG inbox.7 1 %d\r\n%s\r\n", n, secret)),
		up(fmt.Sprintf("HPUB orders %d %d\r\nNATS/1.0\r\nKey: %s\r\n\r\n%s\r\n", 19+n, 19+2*n, secret, secret)),
		up("PUB stream inbox.8 1\r\nx\r\n"), down(fmt.Sprintf("MSG inbox.8 1 %d\r\n{\"stream\":\"%s\",\"seq\":42}\r\n", 22+n, secret)),
		up("PUB stream inbox.9 1\r\nx\r\n"), down(fmt.Sprintf("MSG inbox.9 1 %d\r\n{\"error\":{\"code\":503,\"description\":\"%s\"}}\r\n", 41+n, secret)),
		up("PUB big 9000\r\n" + strings.Repeat(secret, 700)[:9000] + "\r\n"),
		down("-ERR 'Permissions Violation for Publish to \"orders\"'\r\n"),
	}, 9, 0}
}

// mqttPacket is a packet of MQTT, and short text with its length.
func mqttPacket(first int, parts ...any) []byte {
	b := glue(parts)
	if len(b) < 128 {
		return glue([]any{first, len(b), b})
	}
	return glue([]any{first, 0x80 | len(b)&0x7f, len(b) >> 7, b})
}

func short(s string) []byte { return glue([]any{len(s) >> 8, len(s), s}) }

func mqttTalk() talk {
	pair := glue([]any{0x26, short(secret), short(secret)})
	return talk{"mqtt", []turn{
		up(mqttPacket(0x10, short("MQTT"), 5, 0xc6, 0, 60, len(pair), pair, short("client-1"), 0, short("will"+secret), short(secret), short("u"+secret), short(secret))),
		down(mqttPacket(0x20, 0, 0, len(pair), pair)),
		up(mqttPacket(0x82, 0, 1, len(pair), pair, short("jobs/+"), 1)), down(mqttPacket(0x90, 0, 1, len(pair), pair, 1)),
		up(mqttPacket(0x32, short("jobs/a"), 0, 2, len(pair)+3, 0x23, 0, 4, pair, secret)), down(mqttPacket(0x40, 0, 2, 0, len(pair), pair)),
		up(mqttPacket(0x30, short(""), 3, 0x23, 0, 4, strings.Repeat(secret, 300))),
		up(mqttPacket(0xc0)), down(mqttPacket(0xd0)),
		down(mqttPacket(0x32, short("jobs/b"), 0, 9, 0, secret)), up(mqttPacket(0x40, 0, 9)),
		up(mqttPacket(0xe0, 4, len(pair), pair)),
	}, 7, 0}
}

// h2 is a frame of HTTP/2.
func h2(kind, flags, stream int, parts ...any) []byte {
	b := glue(parts)
	return glue([]any{len(b) >> 16, len(b) >> 8, len(b), kind, flags, 0, 0, 0, stream, b})
}

// coder encodes header blocks.
type coder struct {
	block bytes.Buffer
	coder *hpack.Encoder
}

func (c *coder) fields(pairs ...string) []byte {
	if c.coder == nil {
		c.coder = hpack.NewEncoder(&c.block)
	}
	c.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		if err := c.coder.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}); err != nil {
			panic(err)
		}
	}
	return bytes.Clone(c.block.Bytes())
}

func http2Talk() talk {
	var client, server coder
	raw := glue([]any{0, 5, "x-raw", len(secret), secret, 0x40, 6, "x-kept", len(secret) * 3, secret + secret + secret})
	first := client.fields(":method", "GET", ":scheme", "https", ":authority", "shop", ":path", "/find?token="+secret+"&n=1", "authorization", "Bearer "+secret,
		"cookie", strings.Repeat(secret, 9), "x-odd", secret+"\\^~|"+secret, "user-agent", "test")
	again := client.fields(":method", "GET", ":scheme", "https", ":authority", "shop", ":path", "/again", "authorization", "Bearer "+secret, "user-agent", "test")
	call := client.fields(":method", "POST", ":scheme", "https", ":authority", "shop", ":path", "/pkg.Service/Call", "content-type", "application/grpc", "te", "trailers", "x-token", secret)
	message := glue([]any{0, 0, 0, 0, len(secret), secret})
	return talk{"http2", []turn{
		up("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", h2(4, 0, 0), h2(1, 1, 1, first[:30]), h2(9, 4, 1, first[30:])),
		down(h2(4, 0, 0), h2(4, 1, 0), h2(1, 4, 1, server.fields(":status", "200", "set-cookie", secret, "content-type", "text/plain")),
			h2(0, 8|1, 1, len(secret), secret, secret)),
		up(h2(4, 1, 0), h2(6, 0, 0, secret[:8]), h2(1, 5, 3, again, raw)), down(h2(6, 1, 0, secret[:8]), h2(1, 5, 3, server.fields(":status", "404", "set-cookie", secret))),
		up(h2(1, 4, 5, call), h2(0, 0, 5, message, message[:7]), h2(0, 1, 5, message[7:])),
		down(h2(1, 4, 5, server.fields(":status", "200", "content-type", "application/grpc")), h2(0, 0, 5, message), h2(1, 5, 5, server.fields("grpc-status", "0", "x-trailer", secret))),
		down(h2(7, 0, 0, make([]byte, 8), secret)),
	}, 3, 0}
}

func http1Talk() talk {
	body := fmt.Sprintf("%x\r\n%s\r\n0\r\nX-Sum: %s\r\n\r\n", len(secret), secret, secret)
	return talk{"http", []turn{
		up("POST /login?user=" + secret + "&b HTTP/1.1\r\nHost: shop\r\nAuthorization: " + secret + "\r\nTransfer-Encoding: chunked\r\n\r\n" + body),
		down(fmt.Sprintf("HTTP/1.1 200 OK\r\nSet-Cookie: %s\r\nContent-Length: %d\r\n\r\n%s", secret, len(secret), secret)),
	}, 1, 0}
}

// unknownTalk is no protocol that sonde knows.
func unknownTalk() talk {
	return talk{"unknown", []turn{up("\x07\x99" + secret), down("\x08\x98" + secret), up("\x07\x97" + secret)}, 0, 0}
}

// amqpFrame is a frame of AMQP.
func amqpFrame(kind, channel int, parts ...any) []byte {
	b := glue(parts)
	return glue([]any{kind, 0, channel, binary.BigEndian.AppendUint32(nil, uint32(len(b))), b, 0xce})
}

func amqpTalk() talk {
	n := []byte{0, 0, 0, byte(len(secret))}
	table := glue([]any{0, 0, 0, len(secret) + 7, 1, 'k', 'S', n, secret})
	content := amqpFrame(2, 1, 0, 60, 0, 0, 0, 0, 0, 0, 0, 0, 0, len(secret), 0x10, 0, table[3:])
	return talk{"amqp", []turn{
		up("AMQP", 0, 0, 9, 1), down(amqpFrame(1, 0, 0, 10, 0, 10, 0, 9, table, n, secret, n, secret)),
		up(amqpFrame(1, 0, 0, 10, 0, 11, table, 5, "PLAIN", n, secret, 5, "en_US")), down(amqpFrame(1, 0, 0, 10, 0, 30, 0, 9, 0, 0, 0, 0, 0, 0)),
		up(amqpFrame(1, 0, 0, 10, 0, 31, 0, 9, 0, 0, 0, 0, 0, 0), amqpFrame(1, 0, 0, 10, 0, 40, 1, "/", 0, 1)), down(amqpFrame(1, 0, 0, 10, 0, 41, 0)),
		up(amqpFrame(1, 1, 0, 20, 0, 10, 0)), down(amqpFrame(1, 1, 0, 20, 0, 11, 0, 0, 0, 0)),
		up(amqpFrame(1, 1, 0, 60, 0, 40, 0, 0, 2, "ex", 2, "rk", 0), content, amqpFrame(3, 1, secret)),
		up(amqpFrame(1, 1, 0, 50, 0, 10, 0, 0, 1, "q", 0, table)), down(amqpFrame(1, 1, 0, 50, 0, 11, 1, "q", 0, 0, 0, 0, 0, 0, 0, 0)),
	}, 6, 0}
}

// kafkaMessage is a message of Kafka.
func kafkaMessage(parts ...any) []byte {
	b := glue(parts)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func kafkaTalk() talk {
	name := func(s string) []byte { return glue([]any{0, len(s), s}) }
	header := func(api, version, id int) []byte { return glue([]any{0, api, 0, version, 0, 0, 0, id, name("app")}) }
	return talk{"kafka", []turn{
		up(kafkaMessage(header(17, 1, 1), name("PLAIN"))), down(kafkaMessage(0, 0, 0, 1, 0, 0, 0, 0, 0, 1, name("PLAIN"))),
		up(kafkaMessage(header(36, 0, 2), 0, 0, 0, len(secret), secret)), down(kafkaMessage(0, 0, 0, 2, 0, 58, name(secret), 0, 0, 0, 0)),
		up(kafkaMessage(header(3, 1, 3), 0, 0, 0, 1, name("orders"))), down(kafkaMessage(0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 1, name(secret), 0, 0, 0, 9, 0xff, 0xff, 0, 0, 0, 1, 0, 0, 0, 0)),
		up(kafkaMessage(header(95, 0, 4), secret)), down(kafkaMessage(0, 0, 0, 4, secret)),
	}, 4, 0}
}
