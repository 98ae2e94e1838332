// SPDX-License-Identifier: Apache-2.0

package mysql

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/testbed/begins"
)

// step is one call of a parser: ">" is the client's direction, "<" the server's.
type step struct {
	from string
	data string
	skip uint64
}

// String shows a step as it would be written.
func (s step) String() string {
	if s.data == "" {
		return fmt.Sprintf("%s skip %d", s.from, s.skip)
	}
	return fmt.Sprintf("%s %q", s.from, s.data)
}

func req(s ...string) step   { return step{from: ">", data: strings.Join(s, "")} }
func resp(s ...string) step  { return step{from: "<", data: strings.Join(s, "")} }
func reqSkip(n uint64) step  { return step{from: ">", skip: n} }
func respSkip(n uint64) step { return step{from: "<", skip: n} }

func int16s(n int) string { return string(binary.LittleEndian.AppendUint16(nil, uint16(n))) }
func int32s(n int) string { return string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }
func int24s(n int) string { return int32s(n)[:3] }

// packet makes one packet.
func packet(seq int, body ...string) string {
	b := strings.Join(body, "")
	return int24s(len(b)) + string([]byte{byte(seq)}) + b
}

// answer makes packets of bodies, the first with sequence number 1.
func answer(bodies ...string) string {
	var b strings.Builder
	for i, body := range bodies {
		b.WriteString(packet(i+1, body))
	}
	return b.String()
}

func command(com int, args ...string) string {
	return packet(0, string([]byte{byte(com)}), strings.Join(args, ""))
}
func query(s string) string { return command(comQuery, s) }
func execute(id int) string { return command(comStmtExecute, int32s(id), "\x00", int32s(1)) }

func okBody(affected, status int) string {
	return "\x00" + string([]byte{byte(affected)}) + "\x00" + int16s(status) + int16s(0)
}
func okEnd(status int) string { return "\xfe\x00\x00" + int16s(status) + int16s(0) }
func eof(status int) string   { return "\xfe" + int16s(0) + int16s(status) }
func errBody(code int) string { return "\xff" + int16s(code) + "#42S02It's bad" }
func column(name string) string {
	return "\x03def\x00\x00\x00" + string([]byte{byte(len(name))}) + name + "\x00\x0c" + strings.Repeat("\x00", 12)
}
func row(value string) string { return string([]byte{byte(len(value))}) + value }
func count(n int) string      { return string([]byte{byte(n)}) }

// prepared makes the first packet of the answer to COM_STMT_PREPARE.
func prepared(id, columns, parameters int) string {
	return "\x00" + int32s(id) + int16s(columns) + int16s(parameters) + "\x00" + int16s(0)
}

const autocommit = 2

func greeting(version string) string {
	return packet(0, "\x0a", version, "\x00", int32s(7), "12345678\x00", int16s(0xffff), "\x08", int16s(2), int16s(0xffff), "\x15",
		strings.Repeat("\x00", 10), "123456789012\x00", "mysql_native_password\x00")
}

func login(caps int, user, database string) string {
	return packet(1, int32s(caps|capProtocol41|capSecure|capPluginAuth), int32s(1<<24), "\x21", strings.Repeat("\x00", 23), user, "\x00",
		"\x14", strings.Repeat("s", 20), database, "\x00", "mysql_native_password\x00")
}

// compressed makes frames of at most 60 bytes each. Short ones are not deflated, as servers do.
func compressed(seq int, s string) string {
	var out strings.Builder
	for i := 0; len(s) > 0; i++ {
		n := min(len(s), 60)
		var b bytes.Buffer
		if n > 50 {
			w := zlib.NewWriter(&b)
			w.Write([]byte(s[:n]))
			w.Close()
			out.WriteString(int24s(b.Len()) + string([]byte{byte(seq + i)}) + int24s(n))
		} else {
			b.WriteString(s[:n])
			out.WriteString(int24s(n) + string([]byte{byte(seq + i)}) + int24s(0))
		}
		out.Write(b.Bytes())
		s = s[n:]
	}
	return out.String()
}

// observed runs steps on a parser and collects what it reports. Step n passes at n s, the first at 1 s.
type observed struct {
	parser *conn
	open   func(protocol.Start) protocol.Parser
	server bool // the observed socket is the server's
	now    time.Duration
	got    []model.Request
	opened []string
	inner  *recorder
}

// recorder stands for the parser that follows an upgrade.
type recorder struct {
	protocol.Parser
	fed int
}

func (r *recorder) Feed(_ protocol.Dir, p []byte, _ time.Duration) { r.fed += len(p) }
func (r *recorder) Close(protocol.Close)                           {}
func (r *recorder) Release()                                       {}

func observe(server, joined bool) *observed {
	o := &observed{server: server, inner: &recorder{}}
	env := &protocol.Env{
		Emit: func(r *model.Request) {
			x, d := *r, *r.DB
			x.DB = &d
			o.got = append(o.got, x)
		},
		Open: func(name string, _ protocol.Start) protocol.Parser {
			o.opened = append(o.opened, name)
			return o.inner
		},
	}
	begins.Watch(env)
	o.open = Spec().Setup(env)
	o.parser = o.open(protocol.Start{Joined: joined}).(*conn)
	return o
}

func (o *observed) run(steps ...step) *observed {
	for _, s := range steps {
		if o.parser.Fit() == protocol.FitNo {
			break
		}
		o.now += time.Second
		d := protocol.Sent
		if (s.from == ">") == o.server {
			d = protocol.Received
		}
		if s.data != "" {
			o.parser.Feed(d, []byte(s.data), o.now)
		}
		if s.skip > 0 {
			o.parser.Skip(d, s.skip, o.now)
		}
	}
	return o
}

func (o *observed) close(reason string) *observed {
	if o.parser.Fit() != protocol.FitNo {
		o.parser.Close(protocol.Close{Time: o.now + time.Second, Reason: reason})
	}
	return o
}

// line shows a request: command, query, what was counted, what became of it.
func line(r *model.Request) string {
	b := r.DB.Command
	if r.DB.Query != "" {
		b += " [" + r.DB.Query + "]"
	}
	if r.DB.Collection != "" {
		b += " of " + r.DB.Collection
	}
	if r.DB.RowsKnown {
		b += fmt.Sprintf(" rows=%d", r.DB.Rows)
		if r.DB.RowsAffected {
			b += " affected"
		}
	}
	if r.DB.Batch > 0 {
		b += fmt.Sprintf(" batch=%d", r.DB.Batch)
	}
	if r.DB.QueryCut {
		b += " cut"
	}
	if r.DB.User != "" {
		b += " user=" + r.DB.User
	}
	if r.DB.Namespace != "" {
		b += " in " + r.DB.Namespace
	}
	b += " " + r.Outcome.String()
	for _, s := range []string{r.Reason, r.ErrorType, r.DB.Message} {
		if s != "" {
			b += " " + s
		}
	}
	if r.OneWay {
		b += " oneway"
	}
	return b
}

func (o *observed) lines() string {
	var b []string
	for i := range o.got {
		b = append(b, line(&o.got[i]))
	}
	return strings.Join(b, "\n")
}

// hello is a login with capabilities, and hi what is reported of it.
func hello(caps int) []step {
	return []step{resp(greeting("8.0.30")), req(login(caps, "joe", "")), resp(packet(2, okBody(0, autocommit)))}
}

const hi = "Login user=joe ok\n"

func with(caps int, steps ...step) []step { return append(hello(caps), steps...) }

// Answers of two rows, with and without EOF packets.
var (
	table  = answer(count(1), column("a"), eof(autocommit), row("x"), row("y"), eof(autocommit))
	table2 = answer(count(1), column("a"), row("x"), row("y"), okEnd(autocommit))
)

// conversation is a table row: what passes and what is reported.
type conversation struct {
	name  string
	steps []step
	want  string
}

// check holds conversations, at the client's socket and at the server's.
func check(t *testing.T, all []conversation) {
	t.Helper()
	for _, c := range all {
		for _, server := range []bool{true, false} {
			o := observe(server, false).run(c.steps...).close("connection_closed")
			if got := o.lines(); got != c.want {
				t.Errorf("%s (server %v):\n%s\nwant:\n%s", c.name, server, got, c.want)
			}
		}
	}
}

func TestSessions(t *testing.T) {
	check(t, []conversation{
		{"a login", hello(0), "Login user=joe ok"},
		{"a login with a database", []step{resp(greeting("5.5.5-10.11.6-MariaDB")), req(login(capConnectDB, "joe", "shop")), resp(packet(2, okBody(0, 2)))},
			"Login user=joe in shop ok"},
		{"a login that switches the method", []step{resp(greeting("8.0.30")), req(login(0, "joe", "")),
			resp(packet(2, "\xfecaching_sha2_password\x00salt")), req(packet(3, "secret")), resp(packet(4, "\x01\x03")), resp(packet(5, okBody(0, 2)))},
			"Login user=joe ok"},
		{"a refused login", []step{resp(greeting("8.0.30")), req(login(0, "joe", "")), resp(packet(2, errBody(1045)))},
			"Login user=joe error 1045 ER_ACCESS_DENIED_ERROR"},
		{"a server that has too many connections", []step{resp(packet(0, "\xff"+int16s(1040)+"Too many connections"))},
			"Login error 1040 ER_CON_COUNT_ERROR"},
	})
}

func TestQueries(t *testing.T) {
	check(t, []conversation{
		{"a query", with(0, req(query("SELECT 'x' FROM t")), resp(table)), hi + "COM_QUERY [SELECT ? FROM t] rows=2 ok"},
		{"without EOF packets", with(capNoEOF, req(query("SELECT 'x' FROM t")), resp(table2)), hi + "COM_QUERY [SELECT ? FROM t] rows=2 ok"},
		{"no rows", with(0, req(query("SELECT a FROM t")), resp(answer(count(1), column("a"), eof(2), eof(2)))), hi + "COM_QUERY [SELECT a FROM t] rows=0 ok"},
		{"no rows without EOF packets", with(capNoEOF, req(query("SELECT a FROM t")), resp(answer(count(1), column("a"), okEnd(2)))),
			hi + "COM_QUERY [SELECT a FROM t] rows=0 ok"},
		{"a change", with(0, req(query("UPDATE t SET a = 1")), resp(answer(okBody(7, 2)))), hi + "COM_QUERY [UPDATE t SET a = ?] rows=7 affected ok"},
		{"an error", with(0, req(query("SELECT a FROM x")), resp(answer(errBody(1146)))), hi + "COM_QUERY [SELECT a FROM x] error 1146 ER_NO_SUCH_TABLE"},
		{"an error behind rows", with(0, req(query("SELECT a FROM x")), resp(answer(count(1), column("a"), eof(2), row("x"), errBody(1317)))),
			hi + "COM_QUERY [SELECT a FROM x] error 1317 ER_QUERY_INTERRUPTED"},
		{"several results", with(0, req(query("SELECT a FROM t; SELECT b FROM u")),
			resp(answer(count(1), column("a"), eof(2), row("x"), eof(2|statusMoreResults), count(1), column("b"), eof(2), row("y"), row("z"), eof(2)))),
			hi + "COM_QUERY [SELECT a FROM t; SELECT b FROM u] rows=3 batch=2 ok"},
		{"the statements of a body are no batch", with(0, req(query("CREATE PROCEDURE p() BEGIN SELECT a; SELECT b; END")), resp(answer(okBody(0, 2)))),
			hi + "COM_QUERY [CREATE PROCEDURE p() BEGIN SELECT a; SELECT b; END] rows=0 affected ok"},
		{"a procedure ends with OK", with(0, req(query("CALL p(1)")),
			resp(answer(count(1), column("a"), eof(2|statusMoreResults), row("x"), eof(2|statusMoreResults), okBody(0, 2)))),
			hi + "COM_QUERY [CALL p(?)] rows=0 affected ok"},
		{"a database is taken over", with(0, req(command(comInitDB, "shop")), resp(answer(okBody(0, 2))), req(query("USE `my db`")), resp(answer(okBody(0, 2))),
			req(command(comInitDB, "nope")), resp(answer(errBody(1049))), req(command(comPing)), resp(answer(okBody(0, 2)))),
			hi + "COM_INIT_DB rows=0 affected in shop ok\nCOM_QUERY [USE `my db`] rows=0 affected in my db ok\n" +
				"COM_INIT_DB in nope error 1049 ER_BAD_DB_ERROR\nCOM_PING rows=0 affected in my db ok"},
	})
}

func TestStatements(t *testing.T) {
	check(t, []conversation{
		{"prepared, executed, closed", with(0,
			req(command(comStmtPrepare, "SELECT 'x', ? FROM t")), resp(answer(prepared(5, 1, 1), column("?"), eof(2), column("a"), eof(2))),
			req(execute(5)), resp(answer(count(1), column("a"), eof(2), "\x00\x00x", eof(2))), req(command(comStmtClose, int32s(5)))),
			hi + "COM_STMT_PREPARE [SELECT 'x', ? FROM t] ok\nCOM_STMT_EXECUTE [SELECT 'x', ? FROM t] rows=1 ok\n" +
				"COM_STMT_CLOSE [SELECT 'x', ? FROM t] ok oneway"},
		{"prepared without EOF packets", with(capNoEOF,
			req(command(comStmtPrepare, "SELECT ? FROM t")), resp(answer(prepared(5, 1, 1), column("?"), column("a"))),
			req(execute(5)), resp(answer(count(1), column("a"), "\x00\x00x", okEnd(2)))),
			hi + "COM_STMT_PREPARE [SELECT ? FROM t] ok\nCOM_STMT_EXECUTE [SELECT ? FROM t] rows=1 ok"},
		{"prepared without parameters and columns", with(0, req(command(comStmtPrepare, "COMMIT")), resp(answer(prepared(6, 0, 0))),
			req(execute(6)), resp(answer(okBody(0, 2)))),
			hi + "COM_STMT_PREPARE [COMMIT] ok\nCOM_STMT_EXECUTE [COMMIT] rows=0 affected ok"},
		{"an unknown statement", with(0, req(execute(9)), resp(answer(okBody(1, 2)))), hi + "COM_STMT_EXECUTE rows=1 affected ok"},
		{"long data belongs to its execute", with(0, req(command(comStmtLongData, int32s(9), int16s(0), "secret")), req(execute(9)), resp(answer(okBody(1, 2)))),
			hi + "COM_STMT_EXECUTE rows=1 affected ok"},
		{"a cursor", with(0, req(execute(9)), resp(answer(count(1), column("a"), eof(2|statusCursor))),
			req(command(comStmtFetch, int32s(9), int32s(2))), resp(answer("\x00\x00x", "\x00\x00y", eof(2)))),
			hi + "COM_STMT_EXECUTE ok\nCOM_STMT_FETCH rows=2 ok"},
	})
}

func TestOddities(t *testing.T) {
	check(t, []conversation{
		{"fields", with(0, req(command(comFieldList, "t\x00")), resp(answer(column("a"), column("b"), eof(2)))), hi + "COM_FIELD_LIST of t ok"},
		{"statistics", with(0, req(command(comStatistics)), resp(answer("Uptime: 7"))), hi + "COM_STATISTICS ok"},
		{"an option", with(0, req(command(comSetOption, int16s(0))), resp(answer(eof(2)))), hi + "COM_SET_OPTION ok"},
		{"another user", with(0, req(command(comChangeUser, "bob\x00\x03abcshop\x00")), resp(answer("\xfex\x00y")), req(packet(2, "secret")),
			resp(packet(3, okBody(0, 2))), req(command(comPing)), resp(answer(okBody(0, 2)))),
			hi + "COM_CHANGE_USER user=bob in shop ok\nCOM_PING rows=0 affected in shop ok"},
		{"a file from the client", with(0, req(query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")), resp(answer("\xfbx")),
			req(packet(2, "1,2"), packet(3, "3,4"), packet(4, "")), resp(packet(5, okBody(2, 2)))),
			hi + "COM_QUERY [LOAD DATA LOCAL INFILE ? INTO TABLE t] rows=2 affected ok"},
		{"definitions that the client does not want", with(capNoEOF|capOptionalSet, req(query("SELECT a FROM t")), resp(answer("\x00\x01", row("x"), row("y"), okEnd(2))),
			req(query("SELECT b FROM t")), resp(answer("\x01\x01", column("b"), row("x"), okEnd(2))), req(query("DO 1")), resp(answer(okBody(0, 2)))),
			hi + "COM_QUERY [SELECT a FROM t] rows=2 ok\nCOM_QUERY [SELECT b FROM t] rows=1 ok\nCOM_QUERY [DO ?] rows=0 affected ok"},
		{"query attributes", with(capAttributes, req(query("\x00\x01SELECT 'x'")), resp(table),
			req(query("\x02\x01\x00\x01\xfe\x00\x01a\x03\x00\x01b\x04abcd\x07\x00\x00\x00SELECT 1")), resp(table)),
			hi + "COM_QUERY [SELECT ?] rows=2 ok\nCOM_QUERY [SELECT ?] rows=2 ok"},
		{"progress is no error", with(0, req(query("ALTER TABLE t ENGINE=x")), resp(answer("\xff\xff\xff\x01\x01\x01\x00\x00\x00\x00", okBody(0, 2)))),
			hi + "COM_QUERY [ALTER TABLE t ENGINE=x] rows=0 affected ok"},
		{"replication is passed over", with(0, req(command(comBinlogDump, int32s(4), int16s(0), int32s(1), "bin.1")), resp(answer("\x00event", "\x00event")),
			resp(packet(3, "\x00event"))), hi + "COM_BINLOG_DUMP ok"},
		{"a client that leaves", with(0, req(command(comQuit))), hi + "COM_QUIT ok oneway"},
		{"pipelined", with(0, req(query("SELECT a FROM t"), query("SELECT b FROM t")), resp(table), resp(answer(errBody(1054)))),
			hi + "COM_QUERY [SELECT a FROM t] rows=2 ok\nCOM_QUERY [SELECT b FROM t] error 1054 ER_BAD_FIELD_ERROR"},
		{"the session says what a backslash means", with(0, req(query("SET sql_mode='NO_BACKSLASH_ESCAPES'")), resp(answer(okBody(0, 2|statusNoBackslash))),
			req(query(`SELECT 'C:\', 1`)), resp(table)),
			hi + "COM_QUERY [SET sql_mode=?] rows=0 affected ok\nCOM_QUERY [SELECT ?, ?] rows=2 ok"},
		{"an answer that never comes", with(0, req(query("SELECT a FROM t"))), hi + "COM_QUERY [SELECT a FROM t] incomplete connection_closed"},
		{"compressed", with(capCompress, req(compressed(0, query("SELECT 'x' FROM t"))), resp(compressed(0, table)),
			req(compressed(0, query("SELECT '"+strings.Repeat("x", 200)+"' FROM t"))), resp(compressed(0, table))),
			hi + "COM_QUERY [SELECT ? FROM t] rows=2 ok\nCOM_QUERY [SELECT ? FROM t] rows=2 ok"},
	})
}

func TestTimesAndSizes(t *testing.T) {
	table := answer(count(1), column("a"), eof(2), row("x"), eof(2))
	o := observe(true, false).run(req(query("SELECT a FROM t")[:9]), req(query("SELECT a FROM t")[9:]), resp(table[:9]), resp(table[9:]))
	r := o.got[0]
	if r.Start != time.Second || r.RequestEnd != 2*time.Second || r.ResponseStart != 3*time.Second || r.End != 4*time.Second {
		t.Errorf("times %v %v %v %v", r.Start, r.RequestEnd, r.ResponseStart, r.End)
	}
	if r.RequestBytes != uint64(len(query("SELECT a FROM t"))) || r.ResponseBytes != uint64(len(table)) || r.Role != model.RoleServer {
		t.Errorf("bytes %d, %d; role %v", r.RequestBytes, r.ResponseBytes, r.Role)
	}
}

func TestSizesOfCompressedRequestsAreOnTheWire(t *testing.T) {
	ask, table := compressed(0, query("SELECT a FROM t")), compressed(0, answer(count(1), column("a"), eof(2), row(strings.Repeat("x", 200)), eof(2)))
	o := observe(true, true).run(req(ask), resp(table))
	if r := o.got[0]; r.RequestBytes != uint64(len(ask)) || r.ResponseBytes != uint64(len(table)) {
		t.Errorf("bytes %d, %d, want %d, %d", r.RequestBytes, r.ResponseBytes, len(ask), len(table))
	}
}

func TestPacketsOf16MBGoOn(t *testing.T) {
	long := int24s(maxPayload) + "\x00\x03SELECT '" + strings.Repeat("x", 100)
	o := observe(true, false).run(resp(greeting("8.0.30")), req(login(0, "joe", "")), resp(packet(2, okBody(0, 2))),
		req(long), reqSkip(uint64(maxPayload+header-len(long))), req(packet(1, "xxx'")), resp(packet(2, okBody(1, 2))))
	if got := o.lines(); got != "Login user=joe ok\nCOM_QUERY [SELECT ?] rows=1 affected cut ok" || o.got[1].RequestBytes != maxPayload+header+8 {
		t.Errorf("%s, %d bytes", got, o.got[1].RequestBytes)
	}
}

func TestTLSFollowsAnSSLRequest(t *testing.T) {
	ask := packet(1, int32s(capSSL|capProtocol41), int32s(1<<24), "\x21", strings.Repeat("\x00", 23))
	o := observe(true, false).run(resp(greeting("8.0.30")), req(ask), req("\x16\x03\x01"), resp("\x16\x03\x03..."))
	if len(o.opened) != 1 || o.opened[0] != "tls" || o.inner.fed != 9 || o.lines() != "" {
		t.Errorf("opened %v, fed %d, %s", o.opened, o.inner.fed, o.lines())
	}
}

func TestStatementsHaveTheServersNumber(t *testing.T) {
	o := observe(true, false).run(with(0, req(command(comStmtPrepare, "COMMIT")), resp(answer(prepared(6, 0, 0))), req(execute(6)), resp(answer(okBody(0, 2))),
		req(execute(9)), resp(answer(okBody(1, 2))), req(command(comStmtClose, int32s(6))), req(command(comPing)), resp(answer(okBody(0, 2))))...)
	var got []string
	for _, r := range o.got {
		got = append(got, r.DB.Statement)
	}
	if s := strings.Join(got, ","); s != ",6,6,9,6," {
		t.Error(s)
	}
}

func TestAStatementThatWasCutIsSoWhenItIsClosed(t *testing.T) {
	prepare := command(comStmtPrepare, "SELECT a FROM t WHERE b = ?")
	o := observe(true, false).run(with(0, req(prepare[:20]), reqSkip(uint64(len(prepare)-20)), resp(answer(prepared(6, 0, 0))), req(command(comStmtClose, int32s(6))))...)
	if got := o.lines(); !strings.HasSuffix(got, "COM_STMT_CLOSE [SELECT a FROM t] cut ok oneway") {
		t.Error(got)
	}
}

func TestDatabasesAreTheRightOnesOrUnknown(t *testing.T) {
	ask := login(capConnectDB, "joe", "shop")
	cut := len(ask) - len("op\x00mysql_native_password\x00")
	use, ping, ok := query("USE other"), command(comPing), resp(answer(okBody(0, 2)))
	for _, c := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"half a name is none", []step{resp(greeting("8.0.30")), req(ask[:cut]), reqSkip(uint64(len(ask) - cut)), resp(packet(2, okBody(0, 2)))}, ""},
		{"half a name of a command is none", []step{resp(greeting("8.0.30")), req(ask), resp(packet(2, okBody(0, 2))),
			req(command(comInitDB, "other")[:7]), reqSkip(3), ok, req(ping), ok}, ""},
		{"a change whose answer was lost may have been made", []step{resp(greeting("8.0.30")), req(ask), resp(packet(2, okBody(0, 2))),
			req(use), respSkip(11), req(ping), ok}, ""},
		{"what was lost may have been a change", []step{resp(greeting("8.0.30")), req(ask), resp(packet(2, okBody(0, 2))),
			reqSkip(uint64(len(use))), ok, req(ping), ok}, ""},
		{"a lost answer to a query changes nothing", []step{resp(greeting("8.0.30")), req(ask), resp(packet(2, okBody(0, 2))),
			req(query("SELECT a")), respSkip(11), req(ping), ok}, "shop"},
	} {
		o := observe(true, false).run(c.steps...)
		if got := o.got[len(o.got)-1].DB; got.Namespace != c.want {
			t.Errorf("%s: %q after %s", c.name, got.Namespace, o.lines())
		}
	}
}

func TestMariaDBIsTold(t *testing.T) {
	o := observe(true, false).run(resp(greeting("5.5.5-10.11.6-MariaDB-1")), req(login(0, "joe", "")), resp(packet(2, okBody(0, 2))))
	if o.got[0].DB.System != "mariadb" {
		t.Errorf("%+v", o.got[0].DB)
	}
}

func TestGaps(t *testing.T) {
	table := answer(count(1), column("a"), eof(2), row("x"), row("y"), eof(2))
	none := answer(count(1), column("a"), eof(2), eof(2))
	big := strings.Repeat("x", 100)
	cut := answer(count(1), column("a"), eof(2), row(big))
	for _, c := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"a gap inside a query cuts its text", []step{req(query("SELECT b")), resp(none), req(query("SELECT '" + big + "'")[:30]), reqSkip(84), resp(table)},
			"COM_QUERY [SELECT b] rows=0 ok\nCOM_QUERY [SELECT ?] rows=2 cut ok"},
		{"a gap inside a row is none", []step{
			req(query("SELECT a")), resp(cut[:len(cut)-91]), respSkip(91), resp(packet(5, eof(2)))},
			"COM_QUERY [SELECT a] rows=1 ok"},
		{"the end is found behind a gap", []step{
			req(query("SELECT a")), resp(table[:len(table)-12]), respSkip(5000), resp("xxx", packet(77, eof(2))), req(query("SELECT b")), resp(none)},
			"COM_QUERY [SELECT a] ok\nCOM_QUERY [SELECT b] rows=0 ok"},
		{"the end without EOF packets", []step{
			req(query("SELECT a")), resp(table[:len(table)-12]), respSkip(5000), resp("xxx", packet(77, okEnd(2))), req(query("SELECT b")), resp(none)},
			"COM_QUERY [SELECT a] ok\nCOM_QUERY [SELECT b] rows=0 ok"},
		{"an error behind a gap", []step{
			req(query("SELECT a")), resp(table[:len(table)-12]), respSkip(5000), resp("xxx", packet(77, errBody(1317))), req(query("SELECT b")), resp(none)},
			"COM_QUERY [SELECT a] error 1317 ER_QUERY_INTERRUPTED\nCOM_QUERY [SELECT b] rows=0 ok"},
		{"an end that was not seen", []step{
			req(query("SELECT a")), resp(table[:len(table)-12]), respSkip(5000), resp("xxx"), req(query("SELECT b")), resp(none)},
			"COM_QUERY [SELECT a] incomplete lost\nCOM_QUERY [SELECT b] rows=0 ok"},
		{"a gap over requests is over with the next turn", []step{
			req(query("SELECT a")), reqSkip(50), resp(none), req(query("SELECT b")), resp(none)},
			"COM_QUERY [SELECT a] rows=0 ok\nCOM_QUERY [SELECT b] rows=0 ok"},
		{"a gap in several answers loses them all", []step{
			req(query("SELECT a"), query("SELECT b")), resp(table[:len(table)-12]), respSkip(5000), resp(packet(9, eof(2)), none),
			req(query("SELECT c")), resp(none)},
			"COM_QUERY [SELECT a] incomplete lost\nCOM_QUERY [SELECT b] incomplete lost\nCOM_QUERY [SELECT c] rows=0 ok"},
		{"who does not wait cannot be followed over a gap", []step{
			req(query("SELECT a")), resp(table[:9]), req(query("SELECT b")), resp(table[9 : len(table)-12]), respSkip(50), resp(packet(9, eof(2))),
			req(query("SELECT c")), resp(none, none)},
			"COM_QUERY [SELECT a] incomplete lost\nCOM_QUERY [SELECT b] incomplete lost\nCOM_QUERY [SELECT c] incomplete lost"},
		{"joined in the middle of an answer", []step{resp("some row", packet(9, eof(2))), req(query("SELECT a")), resp(none)},
			"COM_QUERY [SELECT a] rows=0 ok"},
		{"joined in the middle, compressed", []step{req(compressed(0, query("SELECT a"))), resp(compressed(0, table)),
			req(compressed(0, query("SELECT '"+strings.Repeat("xyz", 60)+"'"))), resp(compressed(0, none))},
			"COM_QUERY [SELECT a] rows=2 ok\nCOM_QUERY [SELECT ?] rows=0 ok"},
		{"whether EOF packets follow is seen", []step{
			req(command(comStmtPrepare, "SELECT ?")), resp(answer(prepared(5, 0, 1), column("?"), eof(2))), req(execute(5)), resp(none)},
			"COM_STMT_PREPARE [SELECT ?] ok\nCOM_STMT_EXECUTE [SELECT ?] rows=0 ok"},
		{"that none follow is seen with the next turn", []step{
			req(command(comStmtPrepare, "SELECT ?")), resp(answer(prepared(5, 0, 1), column("?"))), req(execute(5)), resp(none)},
			"COM_STMT_PREPARE [SELECT ?] ok\nCOM_STMT_EXECUTE [SELECT ?] rows=0 ok"},
		{"an answer out of sequence is no answer", []step{
			req(query("SELECT a")), resp(none), req(query("SELECT b")), resp(packet(7, okBody(1, 2))), req(query("SELECT c")), resp(none)},
			"COM_QUERY [SELECT a] rows=0 ok\nCOM_QUERY [SELECT b] incomplete lost\nCOM_QUERY [SELECT c] rows=0 ok"},
	} {
		o := observe(true, true).run(c.steps...).close("connection_closed")
		if got := o.lines(); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}

func TestAnEOFBehindAGapMayEndTheDefinitions(t *testing.T) {
	rows := resp(packet(9, row("x")), packet(10, row("y")), packet(11, eof(2)))
	more, binaryRow := 2|statusMoreResults, "\x00\x00\x10\x00\x02\x00\x00"
	for _, c := range []struct {
		name  string
		steps []step
		want  string
		end   time.Duration
	}{
		{"rows follow", []step{req(query("SELECT a")), respSkip(50), resp(packet(8, eof(2))), rows}, "COM_QUERY [SELECT a] ok", 4},
		{"an error follows", []step{req(query("SELECT a")), respSkip(50), resp(packet(8, eof(2))), resp(packet(9, errBody(1317)))},
			"COM_QUERY [SELECT a] error 1317 ER_QUERY_INTERRUPTED", 4},
		{"nothing follows", []step{req(query("SELECT a")), respSkip(50), resp(packet(8, eof(2)))}, "COM_QUERY [SELECT a] ok", 3},
		{"what follows is lost", []step{req(query("SELECT a")), respSkip(50), resp(packet(8, eof(2))), respSkip(50)}, "COM_QUERY [SELECT a] incomplete lost", 4},
		{"rows that look like an OK packet", []step{req(execute(9)), respSkip(50), resp(packet(8, eof(more)), packet(9, binaryRow), packet(10, eof(more)),
			packet(11, okBody(3, 2)))}, "COM_STMT_EXECUTE ok", 3},
	} {
		o := observe(true, true).run(c.steps...).run(req(command(comPing)))
		if got := o.lines(); got != c.want || o.got[0].End != c.end*time.Second {
			t.Errorf("%s: %s, end %v", c.name, got, o.got[0].End)
		}
	}
}

func TestPendingIsBounded(t *testing.T) {
	o := observe(true, false)
	n := 2 * MaxPending
	o.run(req(strings.Repeat(query("SELECT 1"), n)))
	if o.parser.Pending() > MaxPending || len(o.got) != n {
		t.Fatalf("%d pending, %d reported", o.parser.Pending(), len(o.got))
	}
}

func TestStatementsAreBounded(t *testing.T) {
	o := observe(true, false)
	for i := range 3 * MaxStatements {
		o.run(req(command(comStmtPrepare, fmt.Sprintf("SELECT a FROM t%d", i))), resp(answer(prepared(i, 0, 0))))
	}
	if n := o.parser.statements.Len(); n != MaxStatements {
		t.Errorf("%d statements", n)
	}
}

func TestProbe(t *testing.T) {
	for _, c := range []struct {
		name string
		p    string
		want protocol.Guess
	}{
		{"greeting", greeting("8.0.30"), protocol.GuessResponse},
		{"greeting of MariaDB", greeting("5.5.5-10.11.6-MariaDB"), protocol.GuessResponse},
		{"refusal", packet(0, "\xff"+int16s(1040)+"Too many connections"), protocol.GuessResponse},
		{"login", login(0, "joe", ""), protocol.GuessRequest},
		{"query", query("SELECT 1"), protocol.GuessRequest},
		{"beginning of a long query", query("SELECT " + strings.Repeat("a", 999))[:512], protocol.GuessRequest},
		{"ping", command(comPing), protocol.GuessRequest},
		{"execute", execute(7), protocol.GuessRequest},
		{"compressed query", compressed(0, query("SELECT 1")), protocol.GuessRequest},
		{"compressed long query", compressed(0, query("SELECT '"+strings.Repeat("x", 50)+"'")), protocol.GuessRequest},
		{"quit", command(comQuit), protocol.GuessMaybe},
		{"http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", protocol.GuessNo},
		{"redis", "*1\r\n$4\r\nPING\r\n", protocol.GuessNo},
		{"tls", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", protocol.GuessNo},
		{"postgresql startup", "\x00\x00\x00\x12\x00\x03\x00\x00user\x00joe\x00\x00", protocol.GuessNo},
		{"kafka", "\x00\x00\x00\x20\x00\x12\x00\x03\x00\x00\x00\x01\x00\x08consumer", protocol.GuessNo},
		{"nats", "INFO {}\r\n", protocol.GuessNo},
		{"dns over tcp", "\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www", protocol.GuessNo},
		{"memcached", "get a\r\n", protocol.GuessNo},
		{"mqtt", "\x10\x0c\x00\x04MQTT\x04\x02", protocol.GuessNo},
		{"amqp", "AMQP\x00\x00\x09\x01", protocol.GuessNo},
		{"http/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", protocol.GuessNo},
		{"text", "hello\r\n", protocol.GuessNo},
	} {
		if got := Probe([]byte(c.p)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
