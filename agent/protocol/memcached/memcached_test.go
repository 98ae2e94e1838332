// SPDX-License-Identifier: Apache-2.0

package memcached

import (
	"encoding/binary"
	"strings"
	"testing"

	"sonde/agent/protocol"
)

func TestTextConversations(t *testing.T) {
	runScripts(t, []script{
		{name: "store and get", steps: []step{req("set foo 0 0 3\r\n"), req("bar\r\n"), resp("STORED\r\n"), req("get foo\r\n"), resp("VALUE foo 0 3\r\nbar\r\nEND\r\n"), req("quit\r\n")},
			want: "set foo ? ? ? ok 20/8\nget foo ok rows=1 9/25\nquit ok oneway 6/0"},
		{name: "several keys", steps: []step{req("gets a b c\r\n"), resp("VALUE a 0 1 12\r\nx\r\nVALUE c 0 5 13\r\nEND\r\n\r\nEND\r\n"), req("get a b\r\n"), resp("END\r\n"), req("gat 60 a b\r\n"), resp("END\r\n")},
			want: "gets a b c ok keys=3 rows=2 12/47\nget a b ok keys=2 rows=0 9/5\ngat ? a b ok keys=2 rows=0 12/5"},
		{name: "very many keys", steps: []step{req("get" + strings.Repeat(" key", 5000) + "\r\n"), resp("END\r\n"), req("get a\r\n"), resp("END\r\n")},
			want: "get" + strings.Repeat(" key", 127) + " ok rows=0 cut 20005/5\nget a ok rows=0 7/5"},
		{name: "what is missing is no error", steps: []step{req("delete a\r\nincr a 1\r\nadd a 0 0 1\r\nx\r\ncas a 0 0 1 5\r\nx\r\ntouch a 0\r\n"), resp("NOT_FOUND\r\nNOT_FOUND\r\nNOT_STORED\r\nEXISTS\r\nTOUCHED\r\n")},
			want: "delete a ok 10/11\nincr a ? ok 10/11\nadd a ? ? ? ok 16/12\ncas a ? ? ? ? ok 18/8\ntouch a ? ok 11/9"},
		{name: "errors", steps: []step{req("set a 0 0 9\r\n123456789\r\nincr a 1\r\nbogus secret\r\n"), resp("SERVER_ERROR object too large for cache\r\nCLIENT_ERROR cannot increment\r\nERROR\r\n")},
			want: "set a ? ? ? error SERVER_ERROR 24/41\nincr a ? error CLIENT_ERROR 10/31\nbogus ? error ERROR 14/7"},
		{name: "an error before the end of the data", steps: []step{req("get a\r\n"), resp("END\r\n"), req("set a 0 0 900\r\n" + strings.Repeat("x", 400)), resp("SERVER_ERROR object too large for cache\r\n"),
			req(strings.Repeat("x", 500) + "\r\n"), req("get b\r\n"), resp("END\r\n")},
			want: "get a ok rows=0 7/5\nset a ? ? ? error SERVER_ERROR 917/41\nget b ok rows=0 7/5"},
		{name: "data of another length", steps: []step{req("get a\r\n"), resp("END\r\n"), req("set a 0 0 2\r\nxyz\r\n"), resp("CLIENT_ERROR bad data chunk\r\nERROR\r\n"),
			req("get b\r\n"), resp("END\r\n")},
			want: "get a ok rows=0 7/5\nset a ? ? ? error CLIENT_ERROR 17/29\nget b ok rows=0 7/5"},
		{name: "an error with a colon", steps: []step{req("shutdown\r\n"), resp("ERROR: shutdown not enabled\r\n"), req("get b\r\n"), resp("END\r\n")},
			want: "shutdown error ERROR 10/29\nget b ok rows=0 7/5"},
		{name: "no reply", steps: []step{req("set a 0 0 1 noreply\r\nx\r\ndelete b noreply\r\nincr c 1\r\n"), resp("5\r\n")}, want: "set a ? ? ? ? ok oneway 24/0\ndelete b ? ok oneway 18/0\nincr c ? ok 10/3"},
		{name: "an error that a command without reply may have", steps: []step{req("set a 0 0 1 noreply\r\nx\r\nget a\r\n"), resp("SERVER_ERROR out of memory\r\nEND\r\n"), req("get b\r\n"), resp("END\r\n")},
			want: "set a ? ? ? ? ok oneway 24/0\nget a incomplete lost 7/0\nget b ok rows=0 7/5"},
		{name: "statistics", steps: []step{req("stats\r\n"), resp("STAT pid 1\r\nSTAT uptime 2\r\nEND\r\n"), req("version\r\n"), resp("VERSION 1.6.18\r\n"), req("stats reset\r\n"), resp("RESET\r\n"), req("flush_all\r\n"), resp("OK\r\n")},
			want: "stats ok 7/32\nversion ok 9/16\nstats ? ok 13/7\nflush_all ok 11/4"},
		{name: "meta commands", steps: []step{req("mg foo v\r\nmg bar v\r\nms foo 2 T90\r\nhi\r\nmd foo\r\nma n\r\nmn\r\nme foo\r\n"), resp("VA 2\r\nhi\r\nEN\r\nHD\r\nNF\r\nHD\r\nMN\r\nEN\r\n")},
			want: "mg foo ? ok rows=1 10/10\nmg bar ? ok rows=0 10/4\nms foo ? ? ok 18/4\nmd foo ok 8/4\nma n ok 6/4\nmn ok 4/4\nme foo ok 8/4"},
		{name: "quiet meta commands with tokens", steps: []step{req("mg a v q O1\r\nmg b v q O2\r\nmg c v q O3\r\nmn\r\n"), resp("VA 1 O2\r\nx\r\nMN\r\n")},
			want: "mg a ? ? ? ok oneway 13/0\nmg b ? ? ? ok rows=1 13/12\nmg c ? ? ? ok oneway 13/0\nmn ok 4/4"},
		{name: "quiet meta commands with keys", steps: []step{req("mg a k v q\r\nmg b k v q\r\nmn\r\n"), resp("VA 1 kb\r\nx\r\nMN\r\n")},
			want: "mg a ? ? ? ok oneway 12/0\nmg b ? ? ? ok rows=1 12/12\nmn ok 4/4"},
		{name: "quiet stores", steps: []step{req("ms a 1 q\r\nx\r\nms b 1 q\r\nx\r\nms c 1\r\nx\r\n"), resp("NS\r\nHD\r\n"), req("get a\r\n"), resp("END\r\n")},
			want: "ms a ? ? ok 13/4\nms b ? ? ok oneway 13/0\nms c ? ok 11/4\nget a ok rows=0 7/5"},
		{name: "a connection that ends", steps: []step{req("get a\r\n"), resp("END\r\n"), req("get b\r\n")}, want: "get a ok rows=0 7/5\nget b incomplete connection_closed 7/0"},
		{name: "a value that looks like commands", steps: []step{req("set a 0 0 7\r\nget b\r\n\r\n"), resp("STORED\r\n")}, want: "set a ? ? ? ok 22/8"},
	})
}

func TestTextGaps(t *testing.T) {
	runScripts(t, []script{
		{name: "in data sent", steps: []step{req("set a 0 0 9000\r\nxx"), reqSkip(8990), req("yyyyyyyy\r\nget b\r\n"), resp("STORED\r\nEND\r\n")}, want: "set a ? ? ? ok 9018/8\nget b ok rows=0 7/5"},
		{name: "in data received", steps: []step{req("get a\r\nget b\r\n"), resp("VALUE a 0 9000\r\nx"), respSkip(8999), resp("\r\nEND\r\nEND\r\n")}, want: "get a ok rows=1 7/9023\nget b ok rows=0 7/5"},
		{name: "over the end of an answer", steps: []step{req("get a b\r\n"), resp("VALUE a 0 9000\r\nx"), respSkip(19000), resp("\r\nEND\r\n"), req("get b\r\n"), resp("END\r\n")}, want: "get a b ok keys=2 9/19024\nget b ok rows=0 7/5"},
		{name: "over an answer", steps: []step{req("get a\r\n"), resp("END\r\n"), req("get b\r\n"), respSkip(5), req("get c\r\n"), resp("END\r\n")}, want: "get a ok rows=0 7/5\nget b incomplete lost 7/0\nget c ok rows=0 7/5"},
		{name: "over commands", steps: []step{req("get a\r\nget b\r\nge"), reqSkip(50), resp("END\r\nEND\r\nEND\r\nEND\r\n"), req("get c\r\n"), resp("END\r\n")},
			want: "get a ok rows=0 7/5\nget b ok rows=0 7/5\nge ok cut 52/5\nget c ok rows=0 7/5"},
	})
}

func TestTextJoined(t *testing.T) {
	runScripts(t, []script{
		{name: "at an answer", joined: true, steps: []step{resp("VALUE a 0 1\r\nx\r\nEND\r\n"), req("get b\r\n"), resp("END\r\n")}, want: "get b ok rows=0 7/5"},
		{name: "in a value", joined: true, steps: []step{req("some of a value\r\n"), resp("STORED\r\n"), req("get b\r\n"), resp("END\r\n")}, want: "get b ok rows=0 7/5"},
		{name: "with an answer outstanding", joined: true, steps: []step{req("get b\r\n"), resp("STORED\r\n"), req("get c\r\n"), resp("END\r\n")}, want: "get c ok rows=0 7/5"},
	})
}

func frame(magic, op byte, status uint16, token uint32, extras, key, value string) string {
	b := make([]byte, headerSize)
	b[0], b[1], b[4] = magic, op, byte(len(extras))
	binary.BigEndian.PutUint16(b[2:], uint16(len(key)))
	binary.BigEndian.PutUint16(b[6:], status)
	binary.BigEndian.PutUint32(b[8:], uint32(len(extras)+len(key)+len(value)))
	binary.BigEndian.PutUint32(b[12:], token)
	return string(b) + extras + key + value
}

func TestBinaryConversations(t *testing.T) {
	q := func(op byte, token uint32, key string) step { return req(frame(0x80, op, 0, token, "", key, "")) }
	a := func(op byte, status uint16, token uint32, value string) step {
		return resp(frame(0x81, op, status, token, "", "", value))
	}
	runScripts(t, []script{
		{name: "store and get", steps: []step{req(frame(0x80, 1, 0, 7, "12345678", "foo", "bar")), a(1, 0, 7, ""), q(0, 8, "foo"), resp(frame(0x81, 0, 0, 8, "1234", "", "bar")), q(0, 9, "nix"), a(0, 1, 9, "Not found")},
			want: "set foo ? ok 38/24\nget foo ok rows=1 27/31\nget nix ok rows=0 27/33"},
		{name: "errors", steps: []step{q(5, 1, "n"), a(5, 6, 1, "Non-numeric"), q(0x66, 2, ""), a(0x66, 0x81, 2, "")}, want: "increment n error 6 NON_NUMERIC_VALUE 25/35\n0x66 error 129 UNKNOWN_COMMAND 24/24"},
		{name: "quiet gets", steps: []step{q(0x0d, 1, "a"), q(0x0d, 1, "b"), q(0x0d, 2, "c"), q(0x0a, 3, ""), a(0x0d, 0, 2, "c5"), a(0x0a, 0, 3, "")},
			want: "getkq a ok oneway 25/0\ngetkq b ok oneway 25/0\ngetkq c ok rows=1 25/26\nnoop ok 24/24"},
		{name: "statistics", steps: []step{q(0x10, 1, ""), resp(frame(0x81, 0x10, 0, 1, "", "pid", "1")), a(0x10, 0, 1, ""), q(7, 2, ""), a(7, 0, 2, "")}, want: "stat ok 24/52\nquit ok 24/24"},
		{name: "a mechanism of authentication is no key", steps: []step{req(frame(0x80, 0x21, 0, 1, "", "PLAIN", "\x00u\x00p")), a(0x21, 0x20, 1, "Auth failure")}, want: "sasl_auth ? ? error 32 AUTHENTICATION_ERROR 33/36"},
		{name: "gap in a value", steps: []step{req(frame(0x80, 1, 0, 7, "12345678", "foo", string(make([]byte, 9000)))[:40]), reqSkip(9024 + 11 - 40), a(1, 0, 7, "")}, want: "set foo ? ok 9035/24"},
		{name: "gap over an answer", steps: []step{q(0, 1, "a"), respSkip(30), q(0, 2, "b"), a(0, 1, 2, "")}, want: "get a incomplete lost 25/0\nget b ok rows=0 25/24"},
		{name: "joined at an answer", joined: true, steps: []step{a(0, 0, 5, "x"), q(0, 6, "b"), a(0, 1, 6, "")}, want: "get b ok rows=0 25/24"},
	})
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	for _, steps := range [][]step{
		{req("get a\r\n"), resp("$-1\r\n")},
		{req("SET a 1\r\n"), resp("+OK\r\n")},
		{req("version\r\n"), resp("220 no\r\n")},
		{resp("VALUE a 0 1\r\n")},
		{req("\x80\x99\x00\x00\x00\x00\x00\x00")},
		{req("GET / HTTP/1.1\r\n\r\n")},
	} {
		o := observe(false).run(steps...)
		if o.parser.Fit() != protocol.FitNo || len(o.got) > 0 {
			t.Errorf("%v: fit %d, %s", steps, o.parser.Fit(), o.lines())
		}
	}
}
