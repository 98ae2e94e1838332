// SPDX-License-Identifier: Apache-2.0

package postgresql

import (
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
func int16s(n int) string    { return string(binary.BigEndian.AppendUint16(nil, uint16(n))) }
func int32s(n int) string    { return string(binary.BigEndian.AppendUint32(nil, uint32(n))) }
func message(kind byte, body ...string) string {
	b := strings.Join(body, "")
	return string(kind) + int32s(len(b)+4) + b
}

func startup(params ...string) string {
	b := int32s(3<<16) + strings.Join(params, "\x00") + "\x00\x00"
	return int32s(len(b)+4) + b
}

func query(s string) string       { return message('Q', s, "\x00") }
func parse(name, s string) string { return message('P', name, "\x00", s, "\x00", int16s(0)) }
func bind(portal, name string) string {
	return message('B', portal, "\x00", name, "\x00", int16s(0), int16s(0), int16s(0))
}
func describe(kind, name string) string { return message('D', kind, name, "\x00") }
func closing(kind, name string) string  { return message('C', kind, name, "\x00") }
func execute(portal string) string      { return message('E', portal, "\x00", int32s(0)) }
func errorResponse(level, s string) string {
	return message('E', "S", level, "\x00V", level, "\x00C", s, "\x00Mit's bad\x00\x00")
}
func complete(tag string) string { return message('C', tag, "\x00") }
func row(value string) string    { return message('D', int16s(1), int32s(len(value)), value) }
func ready(status string) string { return message('Z', status) }

var (
	syncing    = message('S')
	flushing   = message('H')
	parsed     = message('1')
	bound      = message('2')
	closed     = message('3')
	noData     = message('n')
	suspended  = message('s')
	empty      = message('I')
	authOK     = message('R', int32s(0))
	authSASL   = message('R', int32s(10), "SCRAM-SHA-256\x00\x00")
	columns    = message('T', int16s(1), "a\x00", strings.Repeat("\x00", 18))
	keyData    = message('K', int32s(1), int32s(2))
	idle       = ready("I")
	sslRequest = int32s(8) + int32s(codeSSL)
)

func parameter(name, value string) string { return message('S', name, "\x00", value, "\x00") }

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
	if o.parser.Fit() == protocol.FitNo {
		return o
	}
	o.parser.Close(protocol.Close{Time: o.now + time.Second, Reason: reason})
	return o
}

// line shows a request: command, query, what was counted, what became of it.
func line(r *model.Request) string {
	b := r.DB.Command
	if r.DB.Query != "" {
		b += " [" + r.DB.Query + "]"
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

// with begins a session that goes on with steps.
func with(steps ...step) []step {
	hello := []step{req(startup("user", "joe", "database", "shop")), resp(authOK, parameter("server_version", "15.1"), keyData, idle)}
	return append(hello, steps...)
}

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
			for _, r := range o.got {
				if want := protocol.RoleOf(map[bool]protocol.Dir{true: protocol.Received, false: protocol.Sent}[server]); r.Role != want {
					t.Errorf("%s: role %v", c.name, r.Role)
				}
			}
		}
	}
}

func TestSessions(t *testing.T) {
	check(t, []conversation{
		{"a startup with a password is one request", []step{
			req(startup("user", "joe", "database", "shop")), resp(authSASL), req(message('p', "SCRAM-SHA-256\x00secret")),
			resp(message('R', int32s(11), "x")), req(message('p', "secret")), resp(authOK, parameter("a", "b"), keyData, idle)},
			"Startup user=joe ok"},
		{"a refused startup is an error", []step{
			req(startup("user", "joe")), resp(errorResponse("FATAL", "28P01"))},
			"Startup user=joe error 28P01 invalid_password"},
		{"a refused encryption goes on in the clear", []step{
			req(sslRequest), resp("N"), req(startup("user", "joe")), resp(authOK, idle)},
			"SSLRequest ok\nStartup user=joe ok"},
		{"a cancel has no answer", []step{req(int32s(16) + int32s(codeCancel) + int32s(1) + int32s(2))}, "CancelRequest ok oneway"},
		{"a query", with(req(query("SELECT 'x' FROM t")), resp(columns, row("a"), row("b"), complete("SELECT 2"), idle)),
			"Startup user=joe ok\nQuery [SELECT ? FROM t] rows=2 ok"},
		{"a change counts the rows it changed", []step{req(query("UPDATE t SET a = 1")), resp(complete("UPDATE 7"), idle)},
			"Query [UPDATE t SET a = ?] rows=7 affected ok"},
		{"an insert has an oid before its count", []step{req(query("INSERT INTO t VALUES (1)")), resp(complete("INSERT 0 3"), idle)},
			"Query [INSERT INTO t VALUES (?)] rows=3 affected ok"},
		{"a table made of a query returns nothing", []step{req(query("CREATE TABLE a AS SELECT * FROM b")), resp(complete("SELECT 5"), idle)},
			"Query [CREATE TABLE a AS SELECT * FROM b] rows=5 affected ok"},
		{"a command without a count", []step{req(query("BEGIN")), resp(complete("BEGIN"), ready("T"))}, "Query [BEGIN] ok"},
	})
}

func TestQueries(t *testing.T) {
	check(t, []conversation{
		{"several statements in one", []step{req(query("SELECT 1; SELECT 2")),
			resp(columns, row("1"), complete("SELECT 1"), columns, row("2"), complete("SELECT 1"), idle)},
			"Query [SELECT ?; SELECT ?] rows=2 batch=2 ok"},
		{"rows are of the kind of the last statement", []step{req(query("SELECT 1; INSERT INTO t VALUES (1), (2)")),
			resp(columns, row("1"), complete("SELECT 1"), complete("INSERT 0 2"), idle)},
			"Query [SELECT ?; INSERT INTO t VALUES (?), (?)] rows=2 affected batch=2 ok"},
		{"rows whose tag has no count are counted", []step{req(query("SHOW ALL")), resp(columns, row("1"), row("2"), complete("SHOW"), idle)},
			"Query [SHOW ALL] rows=2 ok"},
		{"an error", []step{req(query("SELECT * FROM x")), resp(errorResponse("ERROR", "42P01"), idle)},
			"Query [SELECT * FROM x] error 42P01 undefined_table"},
		{"a warning is no error", []step{req(query("SELECT 1")), resp(message('N', "SWARNING\x00C01000\x00\x00"), columns, row("1"), complete("SELECT 1"), idle)},
			"Query [SELECT ?] rows=1 ok"},
		{"an error of class 01 is no error", []step{req(query("SELECT 1")), resp(errorResponse("ERROR", "01000"), idle)}, "Query [SELECT ?] ok"},
		{"an empty query", []step{req(query("")), resp(empty, idle)}, "Query ok"},
		{"pipelined queries", []step{req(query("SELECT a FROM t"), query("SELECT b FROM t")),
			resp(columns, row("1"), complete("SELECT 1"), idle), resp(errorResponse("ERROR", "42703"), idle)},
			"Query [SELECT a FROM t] rows=1 ok\nQuery [SELECT b FROM t] error 42703 undefined_column"},
	})
}

func TestStatements(t *testing.T) {
	check(t, []conversation{
		{"parse, bind, execute are one request", []step{
			req(parse("", "SELECT 'x', $1"), bind("", ""), describe("P", ""), execute(""), syncing),
			resp(parsed, bound, columns, row("1"), complete("SELECT 1"), idle)},
			"Execute [SELECT 'x', $1] rows=1 ok"},
		{"prepared once, executed twice", []step{
			req(parse("s1", "SELECT $1"), describe("S", "s1"), syncing), resp(parsed, message('t', int16s(0)), columns, idle),
			req(bind("", "s1"), execute(""), syncing), resp(bound, row("1"), complete("SELECT 1"), idle),
			req(bind("", "s1"), execute(""), syncing), resp(bound, row("1"), row("2"), complete("SELECT 2"), idle)},
			"Parse [SELECT $1] ok\nExecute [SELECT $1] rows=1 ok\nExecute [SELECT $1] rows=2 ok"},
		{"text without parameters is sanitised", []step{
			req(parse("", "SELECT 'x'"), bind("", ""), execute(""), syncing), resp(parsed, bound, row("1"), complete("SELECT 1"), idle)},
			"Execute [SELECT ?] rows=1 ok"},
		{"a statement prepared before sonde looked is unknown", []step{
			req(bind("", "s7"), execute(""), syncing), resp(bound, row("1"), complete("SELECT 1"), idle)},
			"Execute rows=1 ok"},
		{"a closed statement is unknown", []step{
			req(parse("s1", "SELECT $1"), syncing), resp(parsed, idle), req(closing("S", "s1"), syncing), resp(closed, idle),
			req(bind("", "s1"), execute(""), syncing), resp(errorResponse("ERROR", "26000"), idle)},
			"Parse [SELECT $1] ok\nClose ok\nExecute error 26000 invalid_sql_statement_name"},
		{"a statement that failed to parse is unknown", []step{
			req(parse("s1", "SELEC $1"), syncing), resp(errorResponse("ERROR", "42601"), idle),
			req(bind("", "s1"), execute(""), syncing), resp(errorResponse("ERROR", "26000"), idle)},
			"Parse [SELEC $1] error 42601 syntax_error\nExecute error 26000 invalid_sql_statement_name"},
		{"names that SQL may change are unknown", []step{
			req(parse("s1", "SELECT $1"), syncing), resp(parsed, idle), req(query("DISCARD ALL")), resp(complete("DISCARD ALL"), idle),
			req(bind("", "s1"), execute(""), syncing), resp(errorResponse("ERROR", "26000"), idle)},
			"Parse [SELECT $1] ok\nQuery [DISCARD ALL] ok\nExecute error 26000 invalid_sql_statement_name"},
		{"a batch is a request for each execute", []step{
			req(parse("", "INSERT INTO t VALUES ($1)"), bind("", ""), execute(""), bind("", ""), execute(""), bind("", ""), execute(""), syncing),
			resp(parsed, bound, complete("INSERT 0 1"), bound, complete("INSERT 0 2"), bound, complete("INSERT 0 3"), idle)},
			"Execute [INSERT INTO t VALUES ($1)] rows=1 affected ok\nExecute [INSERT INTO t VALUES ($1)] rows=2 affected ok\n" +
				"Execute [INSERT INTO t VALUES ($1)] rows=3 affected ok"},
		{"an error skips to the next sync", []step{
			req(parse("", "SELECT $1"), bind("", ""), execute(""), bind("", ""), execute(""), bind("", ""), execute(""), syncing,
				parse("", "SELECT $2"), bind("", ""), execute(""), syncing),
			resp(parsed, bound, row("1"), complete("SELECT 1"), bound, errorResponse("ERROR", "22012"), idle),
			resp(parsed, bound, complete("SELECT 0"), idle)},
			"Execute [SELECT $1] rows=1 ok\nExecute [SELECT $1] error 22012 division_by_zero\nExecute [SELECT $1] incomplete skipped\n" +
				"Execute [SELECT $2] rows=0 ok"},
		{"an error skips a query that comes before the sync", []step{
			req(parse("", "SELECT $1"), bind("", ""), execute(""), query("SELECT a"), syncing), resp(parsed, errorResponse("ERROR", "22012"), idle),
			req(query("SELECT b")), resp(columns, row("1"), complete("SELECT 1"), idle)},
			"Execute [SELECT $1] error 22012 division_by_zero\nQuery [SELECT a] incomplete skipped\nQuery [SELECT b] rows=1 ok"},
		{"an error at the commit belongs to the last execute", []step{
			req(parse("", "INSERT INTO t VALUES ($1)"), bind("", ""), execute(""), syncing),
			resp(parsed, bound, complete("INSERT 0 1"), errorResponse("ERROR", "23503"), idle)},
			"Execute [INSERT INTO t VALUES ($1)] error 23503 foreign_key_violation"},
		{"a suspended portal goes on", []step{
			req(parse("", "SELECT $1"), bind("", ""), execute(""), syncing), resp(parsed, bound, row("1"), row("2"), suspended, ready("T")),
			req(execute(""), syncing), resp(row("3"), complete("SELECT 1"), ready("T"))},
			"Execute [SELECT $1] rows=2 ok\nExecute [SELECT $1] rows=1 ok"},
		{"named portals", []step{
			req(parse("a", "SELECT $1"), parse("b", "SELECT $2"), bind("p", "a"), bind("q", "b"), execute("p"), execute("q"), syncing),
			resp(parsed, parsed, bound, bound, complete("SELECT 0"), complete("SELECT 0"), idle)},
			"Execute [SELECT $1] rows=0 ok\nExecute [SELECT $2] rows=0 ok"},
		{"a sync alone that fails is one", []step{req(query("BEGIN")), resp(complete("BEGIN"), idle), req(syncing), resp(errorResponse("ERROR", "23503"), idle)},
			"Query [BEGIN] ok\nSync error 23503 foreign_key_violation"},
		{"a sync alone is no request", []step{
			req(query("SELECT 1")), resp(columns, row("1"), complete("SELECT 1"), idle), req(syncing), resp(idle),
			req(query("SELECT a")), resp(columns, row("1"), complete("SELECT 1"), idle)},
			"Query [SELECT ?] rows=1 ok\nQuery [SELECT a] rows=1 ok"},
	})
}

func TestFlushes(t *testing.T) {
	check(t, []conversation{
		{"a flush whose answer is waited for ends a request", []step{
			req(parse("", "SELECT $1"), describe("S", ""), flushing), resp(parsed, message('t', int16s(0)), noData),
			req(bind("", ""), execute(""), syncing), resp(bound, row("1"), complete("SELECT 1"), idle)},
			"Parse [SELECT $1] ok\nExecute [SELECT $1] rows=1 ok"},
		{"a flush that nobody waits for ends none", []step{
			req(parse("", "SELECT $1"), bind("", ""), describe("P", ""), flushing, execute(""), flushing),
			resp(parsed, bound, noData, complete("SELECT 0")), req(syncing), resp(idle)},
			"Execute [SELECT $1] rows=0 ok"},
		{"an error behind a flush belongs to what was flushed", []step{
			req(parse("a", "SELECT $1 FROM x"), describe("S", "a"), flushing), resp(errorResponse("ERROR", "42P01")), req(syncing), resp(idle),
			req(query("SELECT 1")), resp(columns, row("1"), complete("SELECT 1"), idle)},
			"Parse [SELECT $1 FROM x] error 42P01 undefined_table\nQuery [SELECT ?] rows=1 ok"},
		{"a query takes the place of the sync behind a flush", []step{
			req(parse("", "SELECT a"), describe("S", ""), flushing), resp(parsed, message('t', int16s(0)), columns),
			req(query("COPY t FROM STDIN")), resp(message('G', "\x00", int16s(1), int16s(0))),
			req(message('d', "1\n"), message('c')), resp(complete("COPY 1"), idle)},
			"Parse [SELECT a] ok\nQuery [COPY t FROM STDIN] rows=1 affected ok"},
	})
}

func TestOddities(t *testing.T) {
	check(t, []conversation{
		{"data from the client belongs to its COPY", []step{
			req(query("COPY t FROM STDIN")), resp(message('G', "\x00", int16s(1), int16s(0))),
			req(message('d', "1\n"), message('d', "2\n")), req(message('c')), resp(complete("COPY 2"), idle)},
			"Query [COPY t FROM STDIN] rows=2 affected ok"},
		{"a sync before the data of a COPY is ignored", []step{
			req(parse("", "COPY t FROM STDIN"), bind("", ""), execute(""), syncing), resp(parsed, bound, message('G', "\x00", int16s(1), int16s(0))),
			req(message('d', "1\n"), message('c'), syncing), resp(complete("COPY 1"), idle), req(query("SELECT a")), resp(columns, complete("SELECT 0"), idle)},
			"Execute [COPY t FROM STDIN] rows=1 affected ok\nQuery [SELECT a] rows=0 ok"},
		{"a COPY that fails behind an execute", []step{
			req(parse("", "COPY t FROM STDIN"), bind("", ""), execute(""), syncing), resp(parsed, bound, message('G', "\x00", int16s(1), int16s(0))),
			req(message('d', "x\n")), resp(errorResponse("ERROR", "22P02")), req(message('d', "y\n"), message('c'), syncing), resp(idle),
			req(query("SELECT a")), resp(columns, complete("SELECT 0"), idle)},
			"Execute [COPY t FROM STDIN] error 22P02 invalid_text_representation\nQuery [SELECT a] rows=0 ok"},
		{"a COPY whose data does not wait", []step{
			req(parse("", "COPY t FROM STDIN"), bind("", ""), execute(""), message('d', "1\n"), message('c'), syncing),
			resp(parsed, bound, message('G', "\x00", int16s(1), int16s(0)), complete("COPY 1"), idle), req(query("SELECT a")), resp(columns, complete("SELECT 0"), idle)},
			"Execute [COPY t FROM STDIN] rows=1 affected ok\nQuery [SELECT a] rows=0 ok"},
		{"a COPY that the client gives up", []step{
			req(query("COPY t FROM STDIN")), resp(message('G', "\x00", int16s(1), int16s(0))),
			req(message('f', "no\x00")), resp(errorResponse("ERROR", "57014"), idle)},
			"Query [COPY t FROM STDIN] error 57014 query_canceled"},
		{"data from the server belongs to its COPY", []step{
			req(query("COPY t TO STDOUT")),
			resp(message('H', "\x00", int16s(1), int16s(0)), message('d', "1\n"), message('c'), complete("COPY 1"), idle)},
			"Query [COPY t TO STDOUT] rows=1 affected ok"},
		{"a function call", []step{
			req(query("BEGIN")), resp(complete("BEGIN"), ready("T")), req(message('F', int32s(1), int16s(0), int16s(0), int16s(0), int16s(0))), resp(message('V', int32s(-1)), idle)},
			"Query [BEGIN] ok\nFunctionCall ok"},
		{"notifications come when they like", []step{
			req(query("LISTEN a")), resp(complete("LISTEN"), idle), resp(message('A', int32s(1), "a\x00x\x00")),
			req(query("SELECT 1")), resp(message('A', int32s(1), "a\x00x\x00"), columns, row("1"), complete("SELECT 1"), idle)},
			"Query [LISTEN a] ok\nQuery [SELECT ?] rows=1 ok"},
		{"a client that leaves", with(req(message('X'))), "Startup user=joe ok\nTerminate ok oneway"},
		{"a connection that the server ends", []step{req(query("SELECT 1")), resp(errorResponse("FATAL", "57P01"))},
			"Query [SELECT ?] error 57P01 admin_shutdown"},
		{"an answer that never comes", []step{req(query("SELECT a"))}, "Query [SELECT a] incomplete connection_closed"},
		{"the session says what a backslash means", with(
			req(query("SET standard_conforming_strings = off")), resp(parameter("standard_conforming_strings", "off"), complete("SET"), idle),
			req(query(`SELECT 'it\'s', 1`)), resp(columns, row("x"), complete("SELECT 1"), idle)),
			"Startup user=joe ok\nQuery [SET standard_conforming_strings = off] ok\nQuery [SELECT ?, ?] rows=1 ok"},
	})
}

func TestTimesAndSizes(t *testing.T) {
	prepare := parse("", "SELECT $1") + bind("", "")
	o := observe(true, false).run(req(prepare), req(execute("")), req(syncing), resp(parsed+bound), resp(row("1")), resp(complete("SELECT 1"), idle))
	r := o.got[0]
	if r.Start != time.Second || r.RequestEnd != 3*time.Second || r.ResponseStart != 4*time.Second || r.End != 6*time.Second {
		t.Errorf("times %v %v %v %v", r.Start, r.RequestEnd, r.ResponseStart, r.End)
	}
	sent, received := len(prepare+execute("")+syncing), len(parsed+bound+row("1")+complete("SELECT 1")+idle)
	if r.RequestBytes != uint64(sent) || r.ResponseBytes != uint64(received) {
		t.Errorf("bytes %d, %d; want %d, %d", r.RequestBytes, r.ResponseBytes, sent, received)
	}
}

func TestStatementsHaveTheirName(t *testing.T) {
	o := observe(true, true).run(req(parse("s1", "SELECT $1"), syncing), resp(parsed, idle), req(bind("", "s1"), execute(""), syncing),
		resp(bound, complete("SELECT 0"), idle), req(bind("", "s9"), execute(""), syncing), resp(bound, complete("SELECT 0"), idle),
		req(parse("", "SELECT $1"), bind("", ""), execute(""), syncing), resp(parsed, bound, complete("SELECT 0"), idle))
	var got []string
	for _, r := range o.got {
		got = append(got, r.DB.Statement)
	}
	if s := strings.Join(got, ","); s != "s1,s1,s9," {
		t.Error(s)
	}
}

func TestDatabaseAndSummaryAreTold(t *testing.T) {
	o := observe(true, false).run(req(startup("user", "joe")), resp(authOK, parameter("crdb_version", "x"), idle),
		req(query("SELECT 'x' FROM t")), resp(columns, complete("SELECT 0"), idle))
	if db := o.got[1].DB; db.Namespace != "joe" || db.Summary != "SELECT t" || db.System != "cockroachdb" || db.User != "" {
		t.Errorf("%+v", db)
	}
}

func TestTLSFollowsAnAcceptedSSLRequest(t *testing.T) {
	o := observe(true, false).run(req(sslRequest), resp("S"), req("\x16\x03\x01"), resp("\x16\x03\x03..."))
	if len(o.opened) != 1 || o.opened[0] != "tls" || o.inner.fed != 9 || o.lines() != "SSLRequest ok" {
		t.Errorf("opened %v, fed %d, %s", o.opened, o.inner.fed, o.lines())
	}
}

func TestGaps(t *testing.T) {
	big := strings.Repeat("x", 100)
	for _, c := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"a gap inside a query cuts its text", []step{
			req(query("SELECT '" + big + "'")[:30]), reqSkip(85), resp(columns, row("x"), complete("SELECT 1"), idle)},
			"Query [SELECT ?] rows=1 cut ok"},
		{"a gap inside a row is none", []step{
			req(query("SELECT a")), resp(columns, row(big)[:20]), respSkip(91), resp(complete("SELECT 1"), idle)},
			"Query [SELECT a] rows=1 ok"},
		{"the end is found behind a gap", []step{
			req(query("SELECT a")), resp(columns, row("1")), respSkip(5000), resp("abc", complete("SELECT 100"), idle),
			req(query("SELECT b")), resp(columns, complete("SELECT 0"), idle)},
			"Query [SELECT a] rows=100 ok\nQuery [SELECT b] rows=0 ok"},
		{"the end is found by its last bytes", []step{
			req(query("SELECT a")), resp(columns, row("1")), respSkip(5000), resp("00\x00", idle)},
			"Query [SELECT a] ok"},
		{"the end is found in pieces", []step{
			req(query("SELECT a")), resp(columns, row("1")), respSkip(5000), resp("00"), resp("\x00Z\x00\x00"), resp("\x00\x05I")},
			"Query [SELECT a] ok"},
		{"an error in the gap cannot be excluded", []step{
			req(query("SELECT a")), resp(columns, row("1")), respSkip(5000), resp("x\x00\x00", idle),
			req(query("SELECT b")), resp(columns, complete("SELECT 0"), idle)},
			"Query [SELECT a] incomplete lost\nQuery [SELECT b] rows=0 ok"},
		{"an error that was seen is one, though its end was not", []step{
			req(query("SELECT a")), resp(errorResponse("ERROR", "42P01")[:30]), respSkip(5000), resp("x\x00\x00", idle),
			req(query("SELECT b")), resp(columns, complete("SELECT 0"), idle)},
			"Query [SELECT a] error 42P01 undefined_table\nQuery [SELECT b] rows=0 ok"},
		{"a gap over requests is over with the next turn", []step{
			req(query("SELECT a")), reqSkip(50), resp(columns, complete("SELECT 0"), idle),
			req(query("SELECT b")), resp(columns, complete("SELECT 0"), idle)},
			"Query [SELECT a] rows=0 ok\nQuery [SELECT b] rows=0 ok"},
		{"a gap in several answers loses them all", []step{
			req(query("SELECT a"), query("SELECT b")), resp(columns, row("1")), respSkip(5000), resp(complete("SELECT 100"), idle),
			req(query("SELECT c")), resp(columns, complete("SELECT 0"), idle)},
			"Query [SELECT a] incomplete lost\nQuery [SELECT b] incomplete lost\nQuery [SELECT c] rows=0 ok"},
		{"who does not wait cannot be followed over a gap", []step{
			req(query("SELECT a")), resp(columns), req(query("SELECT b")), resp(row("1")), respSkip(50), resp(complete("SELECT 1"), idle),
			req(query("SELECT c")), resp(columns, complete("SELECT 0"), idle), resp(columns, complete("SELECT 0"), idle)},
			"Query [SELECT a] incomplete lost\nQuery [SELECT b] incomplete lost\nQuery [SELECT c] incomplete lost"},
		{"of a batch, the last is known by its end", []step{
			req(parse("", "SELECT $1"), bind("", ""), execute(""), bind("", ""), execute(""), syncing),
			resp(parsed, bound, row("1")), respSkip(500), resp(complete("SELECT 9"), idle)},
			"Execute [SELECT $1] incomplete lost\nExecute [SELECT $1] rows=9 ok"},
		{"joined in the middle of an answer", []step{
			resp(row("1"), row("2"), complete("SELECT 2"), idle), req(query("SELECT a")), resp(columns, complete("SELECT 0"), idle)},
			"Query [SELECT a] rows=0 ok"},
		{"joined in the middle of a request", []step{
			req("garbage of a value\x00\x00"), resp(bound, row("1"), complete("SELECT 2"), idle), req(query("SELECT a")), resp(columns, complete("SELECT 0"), idle)},
			"Query [SELECT a] rows=0 ok"},
		{"bytes that are no message", []step{
			req(query("SELECT a")), resp(columns, complete("SELECT 0"), idle), req(query("SELECT b")), resp("\xff\xff\xff"),
			req(query("SELECT c")), resp(columns, complete("SELECT 0"), idle)},
			"Query [SELECT a] rows=0 ok\nQuery [SELECT b] incomplete lost\nQuery [SELECT c] rows=0 ok"},
	} {
		o := observe(true, true).run(c.steps...).close("connection_closed")
		if got := o.lines(); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.name, got, c.want)
		}
	}
}

func TestSizesOverAGapAreOfTheWire(t *testing.T) {
	all := columns + row("1") + strings.Repeat(row("1"), 100) + complete("SELECT 101") + idle
	head := columns + row("1") + row("1")[:7]
	tail := all[len(all)-20:]
	o := observe(true, false).run(req(query("SELECT a")), resp(head), respSkip(uint64(len(all)-len(head)-len(tail))), resp(tail))
	if len(o.got) != 1 || o.got[0].ResponseBytes != uint64(len(all)) {
		t.Errorf("%s, %d bytes, want %d", o.lines(), o.got[0].ResponseBytes, len(all))
	}
}

func TestRowsOfALongCopyAreInItsTail(t *testing.T) {
	all := message('H', "\x00", int16s(1), int16s(0)) + strings.Repeat(message('d', "a row\n"), 510) + message('c') + complete("COPY 510") + idle
	o := observe(true, false).run(req(query("COPY t TO STDOUT")), resp(all[:1000]), respSkip(uint64(len(all)-1032)), resp(all[len(all)-32:]))
	if got := o.lines(); got != "Query [COPY t TO STDOUT] rows=510 affected ok" {
		t.Error(got)
	}
}

func TestPendingIsBounded(t *testing.T) {
	o := observe(true, false)
	n := 3 * MaxPending
	o.run(req(strings.Repeat(query("SELECT 1"), n)))
	if o.parser.Pending() > MaxPending {
		t.Fatalf("%d pending", o.parser.Pending())
	}
	o.run(resp(strings.Repeat(columns+complete("SELECT 0")+idle, n)))
	if len(o.got) != MaxPending || o.parser.Pending() != 0 || o.got[MaxPending-1].DB.Batch != n-MaxPending+1 {
		t.Errorf("%d reported, %d pending, batch %d", len(o.got), o.parser.Pending(), o.got[len(o.got)-1].DB.Batch)
	}
}

func TestStatementsAreBounded(t *testing.T) {
	o := observe(true, false)
	for i := range 3 * MaxStatements {
		o.run(req(parse(fmt.Sprint("s", i), fmt.Sprintf("SELECT $1, t%d", i)), syncing), resp(parsed, idle))
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
		{"startup", startup("user", "joe"), protocol.GuessRequest},
		{"ssl request", sslRequest, protocol.GuessRequest},
		{"query", query("SELECT 1"), protocol.GuessRequest},
		{"beginning of a long query", query("SELECT " + strings.Repeat("a", 999))[:100], protocol.GuessRequest},
		{"extended", bind("", "s1") + execute("") + syncing, protocol.GuessRequest},
		{"rows", row("1") + row("2") + complete("SELECT 2") + idle, protocol.GuessResponse},
		{"ready", idle, protocol.GuessResponse},
		{"too little", "Q\x00\x00", protocol.GuessMaybe},
		{"http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", protocol.GuessNo},
		{"redis", "*1\r\n$4\r\nPING\r\n", protocol.GuessNo},
		{"tls", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", protocol.GuessNo},
		{"mysql", "\x4a\x00\x00\x00\x0a8.0.30\x00\x08\x00\x00\x00", protocol.GuessNo},
		{"mysql query", "\x09\x00\x00\x00\x03SELECT 1", protocol.GuessNo},
		{"kafka", "\x00\x00\x00\x20\x00\x12\x00\x03\x00\x00\x00\x01\x00\x08consumer", protocol.GuessNo},
		{"kafka metadata 1", "\x00\x00\x00\x1b\x00\x03\x00\x01\x09\x6b\x8e\x0e\x00\x03app\x00\x00\x00\x01\x00\x06orders", protocol.GuessNo},
		{"kafka metadata with a number that is nearly text", "\x00\x00\x00\x1b\x00\x03\x00\x01pm:m\x00\x03app\x00\x00\x00\x01\x00\x06orders", protocol.GuessNo},
		{"startup without parameters", "\x00\x00\x00\x09\x00\x03\x00\x00\x00", protocol.GuessRequest},
		{"nats", "PING\r\n", protocol.GuessNo},
		{"dns over tcp", "\x00\x1d\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x03www", protocol.GuessNo},
		{"memcached", "get a\r\n", protocol.GuessNo},
		{"mqtt", "\x10\x0c\x00\x04MQTT\x04\x02", protocol.GuessNo},
		{"text", "Quit now, please\r\n", protocol.GuessNo},
	} {
		if got := Probe([]byte(c.p)); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
