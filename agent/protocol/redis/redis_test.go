// SPDX-License-Identifier: Apache-2.0

package redis

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

func TestCommandsKeepKeysAndHideValues(t *testing.T) {
	tests := []struct{ sent, want string }{
		{"SET user:1 secret", "SET user:1 ?"},
		{"set user:1 secret EX 10", "set user:1 ? ? ?"},
		{"HMSET myhash f1 v1 f2 v2", "HMSET myhash ? ? ? ?"},
		{"AUTH hunter2", "AUTH ?"},
		{"MGET a b c", "MGET a b c keys=3"},
		{"MSET a 1 b 2", "MSET a ? b ? keys=2"},
		{"DEL a b", "DEL a b keys=2"},
		{"BLPOP a b 0", "BLPOP a b ? keys=2"},
		{"EVAL return{KEYS[1]} 2 a b v", "EVAL ? ? a b ? keys=2"},
		{"EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db 1 a v", "EVALSHA e0e1f9fabfc9d4800c877a703b823ac0578ff8db ? a ? keys=1 call=e0e1f9fabfc9d4800c877a703b823ac0578ff8db"},
		{"FCALL book 1 a v", "FCALL book ? a ? keys=1 call=book"},
		{"ZUNIONSTORE to 2 a b WEIGHTS 1 2", "ZUNIONSTORE to ? a b ? ? ? keys=3"},
		{"XREAD COUNT 2 STREAMS s1 s2 0 0", "XREAD ? ? ? s1 s2 ? ? keys=2"},
		{"XGROUP CREATE stream group $ MKSTREAM", "XGROUP CREATE stream ? ? ?"},
		{"config get maxmemory", "config get ?"},
		{"Config Get maxmemory", "Config Get ?"},
		{"CONFIG nonsense x", "CONFIG ? ?"},
		{"OBJECT ENCODING key", "OBJECT ENCODING key"},
		{"CLUSTER SLOTS", "CLUSTER SLOTS"},
		{"JSON.SET doc $ {}", "JSON.SET doc ? ?"},
		{"MYSTERY secret secret", "MYSTERY ? ?"},
		{"PUBLISH news hello", "PUBLISH news ?"},
		{"COPY a b REPLACE", "COPY a b ? keys=2"},
	}
	for _, test := range tests {
		for _, sent := range []string{cmd(test.sent), test.sent + "\r\n"} {
			o := observe(false).run(req(sent), resp("-ERR wrong\r\n"))
			got, _, _ := strings.Cut(strings.Replace(o.lines(), " error ERR", "", 1), " "+itoa(len(sent))+"/")
			if got != test.want {
				t.Errorf("%q: got %s\nwant %s", sent, got, test.want)
			}
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }

func TestAnswersOfEveryType(t *testing.T) {
	for _, answer := range []string{
		"+OK\r\n", ":1000\r\n", ":-1\r\n", "$-1\r\n", "$0\r\n\r\n", "$5\r\nhe\r\no\r\n", "*0\r\n", "*-1\r\n", "*2\r\n$1\r\na\r\n$-1\r\n",
		"*2\r\n*1\r\n:1\r\n*0\r\n", "_\r\n", "#t\r\n", "#f\r\n", ",1.23\r\n", ",inf\r\n", ",-1e10\r\n", "(3492890328409238509324850943850943825024385\r\n",
		"=15\r\ntxt:Some string\r\n", "%2\r\n+first\r\n:1\r\n+second\r\n%1\r\n+x\r\n_\r\n", "~2\r\n+a\r\n#t\r\n", "%0\r\n",
		"|1\r\n+key-popularity\r\n%2\r\n$1\r\na\r\n,0.1923\r\n$1\r\nb\r\n,0.0012\r\n*2\r\n:2039123\r\n:9543892\r\n",
		"*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n",
		"$?\r\n;4\r\nHell\r\n;6\r\no worl\r\n;1\r\nd\r\n;0\r\n", "*?\r\n:1\r\n:2\r\n:3\r\n.\r\n", "%?\r\n+a\r\n:1\r\n+b\r\n*?\r\n.\r\n.\r\n",
	} {
		sent := cmd("MYSTERY x")
		o := observe(false).run(req(sent+sent), resp(answer+answer)).close()
		for _, r := range o.all {
			if r.Outcome != model.OutcomeOK || int(r.ResponseBytes) != len(answer) {
				t.Errorf("%q: %s", answer, o.lines())
			}
		}
		if len(o.all) != 2 {
			t.Errorf("%q: %d requests", answer, len(o.all))
		}
	}
}

func TestErrorsHaveTheirFirstWord(t *testing.T) {
	for answer, want := range map[string]string{
		"-ERR unknown command 'x'\r\n":                                            "ERR",
		"-WRONGTYPE Operation against a key holding the wrong kind\r\n":           "WRONGTYPE",
		"-MOVED 3999 127.0.0.1:6381\r\n":                                          "MOVED",
		"-NOAUTH Authentication required.\r\n":                                    "NOAUTH",
		"!21\r\nSYNTAX invalid syntax\r\n":                                        "SYNTAX",
		"-my own words\r\n":                                                       "ERR",
		"-" + strings.Repeat("A", 100) + "\r\n":                                   "ERR",
		"-CROSSSLOT Keys in request don't hash to the same slot " + long + "\r\n": "CROSSSLOT",
	} {
		o := observe(false).run(req(cmd("GET a")), resp(answer))
		if len(o.all) != 1 || o.all[0].DB.Status != want || o.all[0].ErrorType != want || o.all[0].Outcome != model.OutcomeError {
			t.Errorf("%q: %s", answer, o.lines())
		}
	}
}

var long = strings.Repeat("x", 5000)

func TestConversations(t *testing.T) {
	sub := func(kind, channel, n string) string { return "*3\r\n" + bulk(kind) + bulk(channel) + ":" + n + "\r\n" }
	push := func(kind, channel, n string) string { return ">3\r\n" + bulk(kind) + bulk(channel) + ":" + n + "\r\n" }
	ping := cmd("PING")
	runScripts(t, []script{
		{name: "inline commands with quotes", steps: []step{req("SET key \"a b\"\r\nset k2 'c \\' d' EX 1\nPING\r\n\r\n"), resp("+OK\r\n+OK\r\n+PONG\r\n")},
			want: "SET key ? ok 15/5\nset k2 ? ? ? ok 21/5\nPING ok 6/7"},
		{name: "a pipeline", steps: []step{req(cmd("GET a") + cmd("GET b") + ping), resp("$1\r\n1\r\n$-1\r\n+PONG\r\n")},
			want: "GET a ok 20/7\nGET b ok 20/5\nPING ok 14/7"},
		{name: "a transaction", steps: []step{req(cmd("MULTI")), resp("+OK\r\n"), req(cmd("SET a 1") + cmd("INCR b")), resp("+QUEUED\r\n+QUEUED\r\n"), req(cmd("EXEC")), resp("*2\r\n+OK\r\n:1\r\n")},
			want: "MULTI ok 15/5\nSET a ? ok 27/9\nINCR b ok 21/9\nEXEC ok batch=2 14/13"},
		{name: "a transaction with an error in it", steps: []step{req(cmd("EXEC")), resp("*2\r\n+OK\r\n-WRONGTYPE Operation\r\n")}, want: "EXEC error WRONGTYPE batch=2 14/31"},
		{name: "an aborted transaction", steps: []step{req(cmd("EXEC")), resp("-EXECABORT Transaction discarded\r\n"), req(cmd("EXEC")), resp("*-1\r\n")},
			want: "EXEC error EXECABORT 14/34\nEXEC ok 14/5"},
		{name: "databases", steps: []step{req(cmd("SELECT 3") + cmd("GET a")), resp("+OK\r\n$-1\r\n"), req(cmd("SELECT 99") + cmd("GET a")), resp("-ERR DB index is out of range\r\n$-1\r\n")},
			want: "SELECT ? ok db=3 23/5\nGET a ok db=3 20/5\nSELECT ? error ERR db=99 24/31\nGET a ok db=3 20/5"},
		{name: "a database selected in a transaction", steps: []step{req(cmd("MULTI") + cmd("SELECT 3") + cmd("EXEC") + cmd("GET a")), resp("+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n$-1\r\n")},
			want: "MULTI ok 15/5\nSELECT ? ok db=3 23/9\nEXEC ok db=3 14/9\nGET a ok db=3 20/5"},
		{name: "a transaction that was not carried out selects nothing", steps: []step{req(cmd("MULTI") + cmd("SELECT 3") + cmd("EXEC") + cmd("GET a")), resp("+OK\r\n+QUEUED\r\n*-1\r\n$-1\r\n")},
			want: "MULTI ok 15/5\nSELECT ? ok db=3 23/9\nEXEC ok 14/5\nGET a ok 20/5"},
		{name: "a failed transaction leaves nothing to the next", steps: []step{
			req(cmd("MULTI") + cmd("SELECT 3") + cmd("EXEC") + cmd("MULTI") + cmd("EXEC") + cmd("GET a")), resp("+OK\r\n+QUEUED\r\n-EXECABORT x\r\n+OK\r\n*0\r\n$-1\r\n")},
			want: "MULTI ok 15/5\nSELECT ? ok db=3 23/9\nEXEC error EXECABORT 14/14\nMULTI ok 15/5\nEXEC ok 14/4\nGET a ok 20/5"},
		{name: "which command of a transaction failed is not known", steps: []step{req(cmd("MULTI") + cmd("SELECT 99") + cmd("EXEC") + cmd("GET a")), resp("+OK\r\n+QUEUED\r\n*1\r\n-ERR no\r\n$-1\r\n")},
			want: "MULTI ok 15/5\nSELECT ? ok db=99 24/9\nEXEC error ERR db= 14/13\nGET a ok db= 20/5"},
		{name: "a transaction that ends unseen leaves nothing to the next", steps: []step{
			req(cmd("MULTI")), resp("+OK\r\n"), req(cmd("SELECT 3")), resp("+QUEUED\r\n"), req(cmd("DISCARD")), respSkip(5),
			req(cmd("MULTI")), resp("+OK\r\n"), req(cmd("EXEC")), resp("*0\r\n"), req(cmd("GET a")), resp("$-1\r\n"), req(cmd("PING")), resp("+PONG\r\n")},
			want: "MULTI ok 15/5\nSELECT ? ok db=3 23/9\nDISCARD incomplete lost 17/0\nMULTI ok 15/5\nEXEC ok 14/4\nGET a ok 20/5\nPING ok 14/7"},
		{name: "RESP2 subscriptions", steps: []step{req(cmd("SUBSCRIBE a b")), resp(sub("subscribe", "a", "1") + sub("subscribe", "b", "2")),
			resp("*3\r\n" + bulk("message") + bulk("a") + bulk("x")), req(ping), resp("*2\r\n" + bulk("pong") + bulk("")),
			resp("*4\r\n" + bulk("pmessage") + bulk("*") + bulk("a") + bulk("x")),
			req(cmd("UNSUBSCRIBE")), resp(sub("unsubscribe", "a", "1") + sub("unsubscribe", "b", "0")), req(cmd("GET a")), resp("$-1\r\n")},
			want: "SUBSCRIBE a b ok 33/60\nPING ok 14/20\nUNSUBSCRIBE ok 22/66\nGET a ok 20/5"},
		{name: "RESP3 subscriptions", steps: []step{req(cmd("HELLO 3")), resp("%1\r\n+server\r\n+redis\r\n"), req(cmd("SUBSCRIBE a") + cmd("GET k")), resp(push("subscribe", "a", "1") + "_\r\n"),
			resp(">3\r\n" + bulk("message") + bulk("a") + bulk("x")), resp(">2\r\n" + bulk("invalidate") + "*1\r\n" + bulk("k")), req(ping), resp("+PONG\r\n")},
			want: "HELLO ? ok 22/21\nSUBSCRIBE a ok 26/30\nGET k ok 20/3\nPING ok 14/7"},
		{name: "a push before the answer", steps: []step{req(cmd("GET a")), resp(">2\r\n" + bulk("invalidate") + "*1\r\n" + bulk("a") + "$1\r\nx\r\n")}, want: "GET a ok 20/7"},
		{name: "monitor", steps: []step{req(cmd("MONITOR")), resp("+OK\r\n"), resp("+1339518083.107412 [0 127.0.0.1:60866] \"keys\" \"*\"\r\n"), req(cmd("QUIT")), resp("+OK\r\n")},
			want: "MONITOR ok 17/5\nQUIT ok 14/5"},
		{name: "no replies", steps: []step{req("PING\r\nCLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY SKIP\r\nCLIENT REPLY ON\r\nPING\r\n"), resp("+PONG\r\n+OK\r\n+PONG\r\n")},
			want: "CLIENT REPLY ? ok oneway 18/0\nPING ok oneway 6/0\nCLIENT REPLY ? ok oneway 19/0\nPING ok 6/7\nCLIENT REPLY ? ok 17/5\nPING ok 6/7"},
		{name: "one reply less", steps: []step{req(cmd("CLIENT REPLY SKIP") + cmd("SET a 1") + ping), resp("+PONG\r\n")},
			want: "CLIENT REPLY ? ok oneway 37/0\nSET a ? ok oneway 27/0\nPING ok 14/7"},
		{name: "replication", steps: []step{req(ping), resp("+PONG\r\n"), req(cmd("PSYNC ? -1")), resp("+FULLRESYNC 8de1 1\r\n$5\r\nREDIS*1\r\n$4\r\nPING\r\n"), req(cmd("REPLCONF ACK 14"))},
			want: "PING ok 14/7\nPSYNC ? ? ok 30/20"},
		{name: "credentials", steps: []step{req(cmd("AUTH bob hunter2") + cmd("HELLO 3 AUTH eve hunter2")), resp("+OK\r\n%0\r\n")},
			want: "AUTH ? ? ok user=bob 36/5\nHELLO ? ? ? ? ok user=eve 54/4"},
		{name: "server that closes", steps: []step{req(cmd("BLPOP q 0") + ping), resp("*-1\r\n")}, want: "BLPOP q ? ok keys=1 29/5\nPING incomplete connection_closed 14/0"},
		{name: "half a command", steps: []step{req(cmd("SET a 1")[:20])}, want: "SET a incomplete connection_closed cut 20/0"},
		{name: "empty arrays are no commands", steps: []step{req(ping + "*0\r\n*-1\r\n" + ping), resp("+PONG\r\n+PONG\r\n")}, want: "PING ok 14/7\nPING ok 14/7"},
		{name: "a value that looks like commands", steps: []step{req(array("SET", "a", ping+ping)), resp("+OK\r\n"), req(ping), resp("+PONG\r\n")}, want: "SET a ? ok 55/5\nPING ok 14/7"},
		{name: "a command nobody knows", steps: []step{req("FAKE COMMAND\r\n"), resp("*1\r\n:1\r\n\n")}, want: "FAKE ? ok 14/8"},
		{name: "the type of an answer with an attribute", steps: []step{req("FAKE COMMAND\r\n"), resp("|1\r\n+ttl\r\n:1\r\n*1\r\n-NO error of the answer\r\n")}, want: "FAKE ? ok 14/43"},
		{name: "bytes that are no answer", steps: []step{req("PING\r\n"), resp("+PONG\r\nnot RESP\r\nNope\r\n"), req("PING\r\n"), resp("+PONG\r\n")}, want: "PING ok 6/7\nPING ok 6/7"},
	})
}

func TestGaps(t *testing.T) {
	get, ping := cmd("GET a"), cmd("PING")
	runScripts(t, []script{
		{name: "in a value sent", steps: []step{req("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9000\r\nxx"), reqSkip(8990), req("yyyyyyyy\r\n" + ping), resp("+OK\r\n+PONG\r\n")}, want: "SET a ? ok 9029/5\nPING ok 14/7"},
		{name: "to the end of a command", steps: []step{req("*3\r\n$3\r\nSET\r\n$1\r\na\r\n$9000\r\nxx"), reqSkip(9000), req(ping), resp("+OK\r\n+PONG\r\n")}, want: "SET a ? ok 9029/5\nPING ok 14/7"},
		{name: "in a key", steps: []step{req("*2\r\n$3\r\nGET\r\n$9000\r\nkey"), reqSkip(8999), resp("$-1\r\n")}, want: "GET key ok cut 9022/5"},
		{name: "in a value received", steps: []step{req(get + ping), resp("$9000\r\nxx"), respSkip(9000), resp("+PONG\r\n")}, want: "GET a ok 20/9009\nPING ok 14/7"},
		{name: "over the end of an answer", steps: []step{req(cmd("LRANGE a 0 -1")), resp("*1000\r\n$5\r\nhello\r\n$5"), respSkip(9000), resp("llo\r\n"), req(ping), resp("+PONG\r\n")}, want: "LRANGE a ? ? ok 38/9025\nPING ok 14/7"},
		{name: "over the end of an answer before another", steps: []step{req(get + ping), resp("*1000\r\n$5\r\nhello\r\n$5"), respSkip(9000), req(ping), resp("+PONG\r\n")}, want: "GET a incomplete lost 20/0\nPING incomplete lost 14/0\nPING ok 14/7"},
		{name: "over the end of a command", steps: []step{req("*2001\r\n$5\r\nRPUSH\r\n$1\r\na\r\n$1\r\n1\r\n$"), reqSkip(14000), resp(":2000\r\n"), req(ping), resp("+PONG\r\n"), req(ping), resp("+PONG\r\n")},
			want: "RPUSH a ? ok db= cut 14033/7\nPING ok db= 14/7\nPING ok db= 14/7"},
		{name: "over commands of a pipeline", steps: []step{req(get + get + "*2\r\n$3\r\nGE"), reqSkip(100), resp("$-1\r\n$-1\r\n$1\r\nx\r\n$-1\r\n+OK\r\n"), req(ping), resp("+PONG\r\n")},
			want: "GET a ok db= 20/5\nGET a ok db= 20/5\n ok db= cut 110/7\nPING ok db= 14/7"},
		{name: "over a whole turn", steps: []step{req(get), resp("$-1\r\n"), reqSkip(100), respSkip(100), req(ping), resp("+PONG\r\n")}, want: "GET a ok 20/5\nPING ok db= 14/7"},
		{name: "over an answer", steps: []step{req(get), respSkip(5), req(ping), resp("+PONG\r\n")}, want: "GET a incomplete lost 20/0\nPING ok 14/7"},
		{name: "over an answer of a client that does not wait", steps: []step{req(get), req(get), resp("$-1\r\n"), req(ping), respSkip(5), req(get), resp("$-1\r\n+PONG\r\n$-1\r\n")},
			want: "GET a ok 20/5\nGET a incomplete lost 20/0\nPING incomplete lost 14/0\nGET a incomplete lost 20/0"},
		{name: "a pipeline whose lost part is answered late", steps: []step{req(get + "*2\r\n$3\r\nGE"), reqSkip(100), resp("$-1\r\n:5\r\n"), req(ping + get), resp("+OK\r\n+OK\r\n+PONG\r\n$-1\r\n"), req(ping), resp("+PONG\r\n")},
			want: "GET a ok db= 20/5\n ok db= cut 110/4\nPING incomplete lost db= 14/0\nGET a incomplete lost db= 20/0\nPING ok db= 14/7"},
	})
}

func TestJoinedInTheMiddle(t *testing.T) {
	get, ping := cmd("GET a"), cmd("PING")
	runScripts(t, []script{
		{name: "at an answer", joined: true, steps: []step{resp("$5\r\nhello\r\n"), req(get), resp("$-1\r\n")}, want: "GET a ok db= 20/5"},
		{name: "in an answer", joined: true, steps: []step{resp("lo\r\n$3\r\nabc\r\n"), req(get), resp("$-1\r\n")}, want: "GET a ok db= 20/5"},
		{name: "at an answer that looks like a command", joined: true, steps: []step{resp(array("some", "list")), req(get), resp("$-1\r\n")}, want: "GET a ok db= 20/5"},
		{name: "in a command", joined: true, steps: []step{req("T\r\n$1\r\na\r\n"), resp("$-1\r\n"), req(get), resp("$-1\r\n")}, want: "GET a ok db= 20/5"},
		{name: "then a database is selected", joined: true, steps: []step{req(get), resp("$-1\r\n"), req(cmd("SELECT 2")), resp("+OK\r\n"), req(get), resp("$-1\r\n")},
			want: "GET a ok db= 20/5\nSELECT ? ok db=2 23/5\nGET a ok db=2 20/5"},
		{name: "with an answer outstanding", joined: true, steps: []step{req(get), resp(":1\r\n"), req(ping), resp("$-1\r\n+PONG\r\n"), req(ping), resp("+PONG\r\n")},
			want: "GET a incomplete lost db= 20/0\nPING incomplete lost db= 14/0\nPING ok db= 14/7"},
		{name: "among messages", joined: true, steps: []step{resp("*3\r\n" + bulk("message") + bulk("a") + bulk("x")), req(ping), resp("*2\r\n" + bulk("pong") + bulk(""))}, want: "PING ok db= 14/20"},
	})
}

func TestOtherProtocolsAreRefused(t *testing.T) {
	for _, steps := range [][]step{
		{req("USER bob\r\n"), resp("+OK\r\n")},
		{resp("+OK POP3 ready\r\n"), req("USER bob\r\n"), resp("+OK\r\n")},
		{req("PING\r\n"), resp("PONG\r\n")},
		{req("get a\r\n"), resp("END\r\n")},
		{req("SSH-2.0-OpenSSH_9.2\r\n"), resp("SSH-2.0-OpenSSH_9.2\r\n")},
		{req("EHLO example.org\r\n"), resp("250 hello\r\n")},
		{req("a1 LOGIN bob x\r\n"), resp("* OK\r\n")},
		{req("\x16\x03\x01\x02\x00"), resp("\x16\x03\x03")},
	} {
		o := observe(false).run(steps...)
		if o.parser.Fit() != fitNo || len(o.got) > 0 {
			t.Errorf("%v: fit %d, %s", steps, o.parser.Fit(), o.lines())
		}
	}
}

func TestTimes(t *testing.T) {
	o := observe(false).run(req("*1\r\n"), req("$4\r\nPING\r\n"), resp("+PO"), resp("NG\r\n"))
	if len(o.all) != 1 {
		t.Fatal(o.lines())
	}
	r := o.all[0]
	got := [4]time.Duration{r.Start, r.RequestEnd, r.ResponseStart, r.End}
	if want := [4]time.Duration{1e6, 2e6, 3e6, 4e6}; got != want || r.Role != model.RoleServer {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestPipelineIsBounded(t *testing.T) {
	o := observe(false)
	for range 3 {
		o.run(req(strings.Repeat(cmd("PING"), 10000)))
	}
	if n := o.parser.Pending(); n > 1<<14 {
		t.Fatalf("%d wait", n)
	}
	o.run(resp(strings.Repeat("+PONG\r\n", 30000)), req(cmd("GET a")), resp("$-1\r\n")).close()
	count := map[model.Outcome]int{}
	for _, r := range o.all {
		count[r.Outcome]++
	}
	if len(o.all) != 30001 || count[model.OutcomeOK] != 1<<14+1 || o.got[30000] != "GET a ok 20/5" {
		t.Errorf("%d requests, %v, last %s", len(o.all), count, o.got[len(o.got)-1])
	}
}
