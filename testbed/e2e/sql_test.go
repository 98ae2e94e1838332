// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"strconv"
	"strings"
	"testing"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
)

// What a SQL request is counted by.
var sqlKeys = []string{"sonde.db.command", "db.query.text", "db.response.status_code", "db.response.returned_rows",
	"sonde.db.affected_rows", "db.operation.batch.size"}

func psql(t testing.TB, s *apps.Server, input string) {
	t.Helper()
	runWith(t, input, "psql", "-X", "-q", "-h", "127.0.0.1", "-p", strconv.Itoa(s.Port), "-U", "postgres", "-d", "shop")
}

func (l *lab) postgres(t testing.TB) *apps.Server {
	t.Helper()
	s := l.backend(t, apps.PostgreSQL)
	psql(t, s, `CREATE TABLE items (id int, name text, price int); CREATE TABLE orders (item int);
		INSERT INTO items SELECT i, 'name', 7 FROM generate_series(0, 9) i;`)
	return s
}

const pgUpdate = "UPDATE items SET price = price + 1 WHERE id = $1"

func TestPostgreSQLStatementsAreCountedWithRowsAndErrors(t *testing.T) {
	l := newLab(t)
	s := l.postgres(t)
	ob := l.observe(t, s.Port)
	c := l.steps(t, "python/pg.py", s)
	simple, prepared := c.step("simple 200"), c.step("prepared 200")
	c.step("extended 20")
	c.step("pipelined 30")
	c.step("transaction 3")
	c.step("copy 500")
	c.step("errors 4")
	c.close()
	want := harness.Tally{}
	want.Both(1, "ok Startup")
	want.Both(10, "ok Query SELECT name FROM items WHERE id = ? 1") // ten items exist
	want.Both(190, "ok Query SELECT name FROM items WHERE id = ? 0")
	want.Both(1, "ok Parse "+pgUpdate)
	want.Both(10, "ok Execute "+pgUpdate+" 1")
	want.Both(190, "ok Execute "+pgUpdate+" 0")
	want.Both(10, "ok Execute SELECT price FROM items WHERE id = $1 1")
	want.Both(10, "ok Execute SELECT price FROM items WHERE id = $1 0")
	want.Both(30, "ok Execute INSERT INTO orders (item) VALUES ($1) 1")
	want.Both(3, "ok Execute BEGIN")
	want.Both(1, "ok Query DELETE FROM orders 30")
	want.Both(2, "ok Query DELETE FROM orders 0")
	want.Both(3, "ok Execute COMMIT")
	want.Both(1, "ok Query COPY items (id, name, price) FROM STDIN 500")
	want.Both(1, "ok Query COPY items TO STDOUT 510")
	want.Both(4, "error Query SELECT * FROM nowhere 42P01")
	want.Both(4, "error Query SELEC ? 42601")
	want.Both(1, "ok Terminate")
	events := ob.expectTally(want, sqlKeys...)
	agree(t, simple, events, with("db.query.text", "SELECT name FROM items WHERE id = ?"))
	agree(t, prepared, events, with("sonde.db.command", "Execute", "db.query.text", pgUpdate))
	named(t, events, "postgres")
}

func TestPsqlSendsWhatItIsTold(t *testing.T) {
	l := newLab(t)
	s := l.postgres(t)
	ob := l.observe(t, s.Port)
	psql(t, s, strings.Repeat("SELECT name FROM items WHERE name = 'secret' AND id < 3;\n", 40)+
		"BEGIN;\nINSERT INTO orders VALUES (1), (2);\nROLLBACK;\nSELECT 1\\; SELECT 2;\n\\copy orders FROM /dev/null\n")
	want := harness.Tally{}
	want.Both(1, "ok SSLRequest") // declined; the text of a statement is as psql sends it, values apart
	want.Both(1, "ok Startup")
	want.Both(40, "ok Query SELECT name FROM items WHERE name = ? AND id < ?; 0")
	want.Both(1, "ok Query BEGIN;")
	want.Both(1, "ok Query INSERT INTO orders VALUES (?), (?); 2")
	want.Both(1, "ok Query ROLLBACK;")
	want.Both(1, "ok Query SELECT ?; SELECT ?; 2 2")
	want.Both(1, "ok Query COPY  orders FROM STDIN  0")
	want.Both(1, "ok Terminate")
	ob.expectTally(want, sqlKeys...)
}

func TestPostgreSQLJoinedInTheMiddleCountsWhatWasPreparedBefore(t *testing.T) {
	l := newLab(t)
	s := l.postgres(t)
	c := l.steps(t, "python/pg.py", s)
	c.step("prepared 10")
	ob := l.observe(t, s.Port)
	c.step("prepared 60")
	c.step("simple 20")
	c.step("errors 2")
	c.close()
	want := harness.Tally{}
	want.Both(10, "ok Execute 1")
	want.Both(50, "ok Execute 0")
	want.Both(10, "ok Query SELECT name FROM items WHERE id = ? 1")
	want.Both(10, "ok Query SELECT name FROM items WHERE id = ? 0")
	want.Both(2, "error Query SELECT * FROM nowhere 42P01")
	want.Both(2, "error Query SELEC ? 42601")
	want.Both(1, "ok Terminate")
	named(t, ob.expectTally(want, sqlKeys...), "postgres")
}
