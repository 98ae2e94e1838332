// SPDX-License-Identifier: Apache-2.0

package mongodb

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"

	"sonde/agent/model"
	"sonde/agent/protocol"
)

var (
	find  = doc{"find", "users", "filter", doc{"name", "secret"}, "$db", "shop"}
	found = doc{"cursor", doc{"firstBatch", list{doc{"name", "secret"}, doc{"name", "other"}}, "id", int64(0), "ns", "shop.users"}, "ok", 1.0}
	fine  = doc{"ok", 1.0}
)

func TestCommands(t *testing.T) {
	runScripts(t, []script{
		{"find", []step{req(msg(1, 0, 0, find)), resp(msg(9, 1, 0, found))}, "MSG find shop.users ok rows=2"},
		{"with a checksum", []step{req(msg(1, 0, 1, find, "abcd")), resp(msg(9, 1, 1, found, "abcd"))}, "MSG find shop.users ok rows=2"},
		{"an identifier of 0", []step{req(msg(0, 0, 0, find)), resp(msg(9, 0, 0, found))}, "MSG find shop.users ok rows=2"},
		{"insert of a sequence", []step{req(msg(1, 0, 0, doc{"insert", "users", "ordered", true, "$db", "shop"}, sequence("documents", find, find, find))), resp(msg(9, 1, 0, doc{"n", 3, "ok", 1.0}))}, "MSG insert shop.users ok batch=3 rows=3!"},
		{"sequence before the command", []step{req(wrap(opMsg, 1, 0, message32(0)+sequence("documents", find, find)+"\x00"+doc{"insert", "users", "$db", "shop"}.String())), resp(msg(9, 1, 0, doc{"n", 2, "ok", 1.0}))}, "MSG insert shop.users ok batch=2 rows=2!"},
		{"insert of a long array", []step{req(msg(1, 0, 0, doc{"insert", "users", "documents", many(30 << 10), "$db", "shop"})), resp(msg(9, 1, 0, doc{"n", 30, "ok", 1.0}))}, "MSG insert shop.users ok batch=30 rows=30!"},
		{"insert of an array that is cut", []step{req(msg(1, 0, 0, doc{"insert", "users", "documents", many(90 << 10), "$db", "shop"})), resp(msg(9, 1, 0, doc{"n", 30, "ok", 1.0}))}, "MSG insert .users ok rows=30!"},
		{"update of an array", []step{req(msg(1, 0, 0, doc{"update", "users", "updates", list{find, find}, "$db", "shop"})), resp(msg(9, 1, 0, doc{"n", 2, "nModified", 1, "ok", 1.0}))}, "MSG update shop.users ok batch=2 rows=2!"},
		{"error", []step{req(msg(1, 0, 0, doc{"drop", "nix", "$db", "shop"})), resp(msg(9, 1, 0, doc{"ok", 0.0, "errmsg", "ns not found", "code", 26, "codeName", "NamespaceNotFound"}))}, "MSG drop shop.nix error 26 NamespaceNotFound"},
		{"error of a write", []step{req(msg(1, 0, 0, doc{"insert", "users", "$db", "shop"}, sequence("documents", find))), resp(msg(9, 1, 0, doc{"n", 0, "writeErrors", list{doc{"index", 0, "code", 11000, "errmsg", "secret"}}, "ok", 1.0}))}, "MSG insert shop.users error 11000 rows=0!"},
		{"error of a write concern", []step{req(msg(1, 0, 0, doc{"insert", "users", "$db", "shop"})), resp(msg(9, 1, 0, doc{"n", 1, "writeConcernError", doc{"code", 64, "codeName", "WriteConcernFailed"}, "ok", 1.0}))}, "MSG insert shop.users error 64 WriteConcernFailed rows=1!"},
		{"getMore", []step{req(msg(1, 0, 0, doc{"getMore", int64(77), "collection", "users", "$db", "shop"})), resp(msg(9, 1, 0, doc{"cursor", doc{"nextBatch", list{}, "id", int64(0)}, "ok", 1.0}))}, "MSG getMore shop.users ok rows=0"},
		{"a user is no collection", []step{req(msg(1, 0, 0, doc{"createUser", "bob", "pwd", "hunter2", "$db", "shop"})), resp(msg(9, 1, 0, fine))}, "MSG createUser shop. ok"},
		{"no answer wanted", []step{req(msg(1, 0, moreToCome, doc{"insert", "users", "$db", "shop"}, sequence("documents", find)) + msg(2, 0, 0, find)), resp(msg(9, 2, 0, found))}, "MSG insert shop.users ok oneway\nMSG find shop.users ok rows=2"},
		{"exhaust", []step{req(msg(1, 0, 1<<16, doc{"hello", 1, "$db", "admin"})), resp(msg(9, 1, moreToCome, fine)), resp(msg(10, 9, moreToCome, fine)), resp(msg(11, 10, 0, fine)), req(msg(2, 0, 0, find)), resp(msg(12, 2, 0, found))}, "MSG hello admin. ok\nMSG find shop.users ok rows=2"},
		{"out of order", []step{req(msg(1, 0, 0, find) + msg(2, 0, 0, doc{"ping", 1, "$db", "admin"})), resp(msg(9, 2, 0, fine)), resp(msg(10, 1, 0, found))}, "MSG ping admin. ok\nMSG find shop.users ok rows=2"},
		{"not answered", []step{req(msg(1, 0, 0, find))}, "MSG find shop.users incomplete connection_closed"},
	})
}

func TestLegacyOperations(t *testing.T) {
	query := func(id uint32, name string, d doc) string {
		return wrap(opQuery, id, 0, message32(0)+name+"\x00"+message32(0, 1)+d.String())
	}
	reply := func(answers, flags uint32, d doc) string {
		return wrap(opReply, 9, answers, message32(flags, 0, 0, 0, 1)+d.String())
	}
	runScripts(t, []script{
		{"command", []step{req(query(0, "admin.$cmd", doc{"isMaster", 1})), resp(reply(0, 8, doc{"ismaster", true, "ok", 1.0}))}, "QUERY isMaster admin. ok"},
		{"query", []step{req(query(1, "shop.users.active", doc{"name", "secret"})), resp(reply(1, 0, doc{"name", "secret"}))}, "QUERY query shop.users.active ok rows=1"},
		{"query that fails", []step{req(query(1, "shop.users", doc{"name", "secret"})), resp(reply(1, 2, doc{"$err", "secret", "code", 2}))}, "QUERY query shop.users error 2"},
		{"cursor that is gone", []step{req(wrap(opGetMore, 1, 0, message32(0)+"shop.users\x00"+message32(0, 7, 0))), resp(wrap(opReply, 9, 1, message32(1, 0, 0, 0, 0)))}, "GET_MORE getMore shop.users error 43 CursorNotFound"},
		{"writes", []step{req(wrap(opInsert, 1, 0, message32(0)+"shop.users\x00"+find.String())), req(wrap(opUpdate, 2, 0, message32(0)+"shop.users\x00"+message32(0)+find.String()+find.String())), req(wrap(opDelete, 3, 0, message32(0)+"shop.users\x00"+message32(0)+find.String())), req(wrap(opKillCursors, 4, 0, message32(0, 1, 7, 0)))},
			"INSERT insert shop.users ok oneway\nUPDATE update shop.users ok oneway\nDELETE remove shop.users ok oneway\nKILL_CURSORS killCursors . ok oneway"},
	})
}

// many makes 30 documents that have size bytes together.
func many(size int) (l list) {
	for range 30 {
		l = append(l, doc{"name", strings.Repeat("x", size/30)})
	}
	return l
}

func compressed(id, answers uint32, compressor byte, d doc) string {
	body := []byte(message32(0) + "\x00" + d.String())
	var b bytes.Buffer
	switch compressor {
	case compressorNone:
		b.Write(body)
	case compressorSnappy:
		b.Write(snappy.Encode(nil, body))
	case compressorZlib:
		w := zlib.NewWriter(&b)
		w.Write(body)
		w.Close()
	case compressorZstd:
		w, _ := zstd.NewWriter(&b)
		w.Write(body)
		w.Close()
	default:
		b.WriteString("whatever")
	}
	return wrap(opCompressed, id, answers, message32(opMsg, uint32(len(body)))+string(compressor)+b.String())
}

func TestCompressedMessages(t *testing.T) {
	long := doc{"find", "users", "filter", doc{"name", strings.Repeat("secret secret ", 400)}, "$db", "shop"}
	for compressor := range byte(4) {
		got := observe().run(req(compressed(1, 0, compressor, long)), resp(compressed(9, 1, compressor, found))).lines()
		if want := "MSG find shop.users ok rows=2"; got != want {
			t.Errorf("compressor %d: %s", compressor, got)
		}
	}
	got := observe().run(req(msg(1, 0, 0, find)), resp(msg(9, 1, 0, fine)), req(compressed(2, 0, 77, find)), resp(compressed(9, 2, 77, found))).lines()
	if want := "MSG find shop.users ok\nCOMPRESSED  . ok"; got != want {
		t.Errorf("unknown compressor: %s", got)
	}
}

func TestSnappyIsReadAsFarAsItWasCaptured(t *testing.T) {
	text := []byte(strings.Repeat("the quick brown fox ", 50) + strings.Repeat("jumps", 3000) + strings.Repeat("x", 70000))
	block := snappy.Encode(nil, text)
	out := make([]byte, len(text))
	for _, size := range []int{len(text), 100, 1} {
		for cut := range len(block) + 1 {
			n := unsnappy(out[:size], block[:cut])
			if !bytes.Equal(out[:n], text[:n]) {
				t.Fatalf("%d of %d bytes: wrong", cut, len(block))
			}
		}
		if n := unsnappy(out[:size], block); n != size {
			t.Errorf("%d bytes, want %d", n, size)
		}
	}
}

func TestDamagedSnappyEndsWhereItIsDamaged(t *testing.T) {
	out := make([]byte, 100)
	for block, want := range map[string]int{
		"\x0a\x01\x05":             0, // a copy of what does not exist
		"\x0a\x04ab\x01\x05":       2,
		"\x0a\x04ab\x01\x00":       2,
		"\x0a\x04ab\xff\x02":       2, // the offset is cut
		"\x0a\xfc\xff\xff\xff\x7f": 0, // a literal of 2 GB
		"\x0a\x04ab\x09\x02":       8,
		"\xff\xff\xff\xff\xff\xff": 0,
		"":                         0,
	} {
		if got := unsnappy(out, []byte(block)); got != want {
			t.Errorf("%q: %d bytes, want %d", block, got, want)
		}
	}
}

func TestGaps(t *testing.T) {
	big := doc{"cursor", doc{"firstBatch", list{doc{"name", strings.Repeat("x", 20000)}}, "id", int64(0)}, "ok", 1.0}
	answer := msg(9, 1, 0, big)
	insert := msg(1, 0, 0, doc{"insert", "users", "$db", "shop"}, sequence("documents", big, big))
	next := []step{req(msg(2, 0, 0, find)), resp(msg(10, 2, 0, found))}
	runScripts(t, []script{
		{"in an answer", append([]step{req(msg(1, 0, 0, find)), resp(answer[:300]), respSkip(uint64(len(answer) - 310)), resp(answer[len(answer)-10:])}, next...), "MSG find shop.users ok\nMSG find shop.users ok rows=2"},
		{"in what is written", append([]step{req(insert[:300]), reqSkip(uint64(len(insert) - 300)), resp(msg(9, 1, 0, doc{"n", 2, "ok", 1.0}))}, next...), "MSG insert shop.users ok rows=2!\nMSG find shop.users ok rows=2"},
		{"over an answer", append([]step{req(msg(1, 0, 0, find)), respSkip(100)}, next...), "MSG find shop.users incomplete lost\nMSG find shop.users ok rows=2"},
		{"over a request", append([]step{req(msg(1, 0, 0, find)), resp(msg(9, 1, 0, fine)), reqSkip(100), resp(msg(9, 5, 0, fine))}, next...), "MSG find shop.users ok\nMSG find shop.users ok rows=2"},
		{"joined at an answer", append([]step{resp(msg(9, 1, 0, fine))}, next...), "MSG find shop.users ok rows=2"},
	})
}

func TestRefusesOtherProtocols(t *testing.T) {
	for _, s := range []string{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", strings.Repeat("\x00", 40),
		wrap(opMsg, 1, 0, message32(0x40)+"\x00"+find.String()), wrap(opMsg, 1, 0, message32(0)+"\x07"+find.String())} {
		if probe([]byte(s)) != protocol.GuessNo {
			t.Errorf("%q: %d", s, probe([]byte(s)))
		}
	}
	for n := 1; n < 40; n++ {
		if probe([]byte(msg(1, 0, 0, find)[:n])) == protocol.GuessNo {
			t.Errorf("%d bytes are refused", n)
		}
	}
}

func TestTimes(t *testing.T) {
	q, a := msg(1, 0, 0, find), msg(9, 1, 0, found)
	o := observe().run(req(q[:10]), req(q[10:]), resp(a[:10]), resp(a[10:]))
	r := o.all[0]
	got := [4]time.Duration{r.Start, r.RequestEnd, r.ResponseStart, r.End}
	if want := [4]time.Duration{1e6, 2e6, 3e6, 4e6}; got != want || r.Role != model.RoleServer || int(r.RequestBytes) != len(q) || int(r.ResponseBytes) != len(a) {
		t.Errorf("%v, want %v", got, want)
	}
}
