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

func mariadb(t testing.TB, s *apps.Server, input string) {
	t.Helper()
	runWith(t, input, "mariadb", "--no-defaults", "--batch", "--skip-ssl", "--no-auto-rehash", "-h", "127.0.0.1", "-P", strconv.Itoa(s.Port), "-u", "app", "shop")
}

func (l *lab) mariadb(t testing.TB) *apps.Server {
	t.Helper()
	s := l.backend(t, apps.MariaDB)
	mariadb(t, s, `CREATE TABLE items (id int, name text, price int); CREATE TABLE orders (item int);
		INSERT INTO items SELECT seq, 'name', 7 FROM seq_0_to_9;`)
	return s
}

func TestMariaDBStatementsAreCountedWithRowsAndErrors(t *testing.T) {
	l := newLab(t)
	s := l.mariadb(t)
	ob := l.observe(t, s.Port)
	c := l.steps(t, "python/my.py", s)
	selects := c.step("selects 200")
	c.step("insert 20")
	c.step("multi 5")
	c.step("errors 4")
	c.step("large 1000")
	c.step("ping 7")
	c.step("close")
	c.close()
	want := harness.Tally{}
	want.Both(1, "ok Login")
	want.Both(10, "ok COM_QUERY SELECT name FROM items WHERE id = ? 1") // ten items exist
	want.Both(190, "ok COM_QUERY SELECT name FROM items WHERE id = ? 0")
	want.Both(20, "ok COM_QUERY INSERT INTO orders VALUES (?) 1")
	want.Both(5, "ok COM_QUERY SELECT ?; SELECT ? 2 2")
	want.Both(4, "error COM_QUERY SELECT * FROM nowhere 1146")
	want.Both(4, "error COM_QUERY SELEC ? 1064")
	want.Both(1, "ok COM_QUERY SELECT REPEAT(?, ?) FROM seq_1_to_1000") // 200 kB: not all rows were copied, so none are counted
	want.Both(7, "ok COM_PING 0")
	want.Both(1, "ok COM_QUIT")
	events := ob.expectTally(want, sqlKeys...)
	agree(t, selects, events, with("db.query.text", "SELECT name FROM items WHERE id = ?"))
	named(t, events, "mariadbd")
}

func TestMariaDBPreparedStatementsAreTheirText(t *testing.T) {
	l := newLab(t)
	s := l.mariadb(t)
	c := l.steps(t, "perl/mariadb.pl", s)
	c.step("ready") // the settings that the driver makes when it connects are not counted
	ob := l.observe(t, s.Port)
	c.step("prepare")
	c.step("kept 50")
	prepared := c.step("prepared 200")
	c.close()
	want := harness.Tally{}
	kept := "SELECT name, price FROM items WHERE id > ?"
	want.Both(1, "ok COM_STMT_PREPARE "+kept)
	wantKept(want, "ok COM_STMT_EXECUTE "+kept)
	want.Both(1, "ok COM_STMT_CLOSE "+kept)
	want.Both(1, "ok COM_STMT_PREPARE SELECT price FROM items WHERE id = ?")
	want.Both(9, "ok COM_STMT_EXECUTE SELECT price FROM items WHERE id = ? 1")
	want.Both(191, "ok COM_STMT_EXECUTE SELECT price FROM items WHERE id = ? 0")
	want.Both(1, "ok COM_STMT_CLOSE SELECT price FROM items WHERE id = ?")
	want.Both(1, "ok COM_QUIT")
	events := ob.expectTally(want, sqlKeys...)
	agree(t, prepared, events, with("sonde.db.command", "COM_STMT_EXECUTE", "db.query.text", "SELECT price FROM items WHERE id = ?"))
}

// wantKept is 50 executions of the statement that asks for the items above an id, of ids 1 to 50, where 0 to 9 exist.
func wantKept(want harness.Tally, line string) {
	for rows := 1; rows <= 8; rows++ {
		want.Both(1, line+" "+strconv.Itoa(rows))
	}
	want.Both(42, line+" 0")
}

func TestMariaDBJoinedInTheMiddleCountsWhatWasPreparedBefore(t *testing.T) {
	l := newLab(t)
	s := l.mariadb(t)
	perl, python := l.steps(t, "perl/mariadb.pl", s), l.steps(t, "python/my.py", s)
	perl.step("prepare")
	perl.step("kept 3")
	python.step("selects 3")
	ob := l.observe(t, s.Port)
	perl.step("kept 50")
	python.step("selects 20")
	python.step("errors 2")
	python.step("close")
	python.close()
	perl.close()
	want := harness.Tally{}
	wantKept(want, "ok COM_STMT_EXECUTE")
	want.Both(1, "ok COM_STMT_CLOSE")
	want.Both(10, "ok COM_QUERY SELECT name FROM items WHERE id = ? 1")
	want.Both(10, "ok COM_QUERY SELECT name FROM items WHERE id = ? 0")
	want.Both(2, "error COM_QUERY SELECT * FROM nowhere 1146")
	want.Both(2, "error COM_QUERY SELEC ? 1064")
	want.Both(2, "ok COM_QUIT")
	named(t, ob.expectTally(want, sqlKeys...), "mariadbd")
}

func TestMariaDBClientSendsWhatItIsTold(t *testing.T) {
	l := newLab(t)
	s := l.mariadb(t)
	ob := l.observe(t, s.Port)
	mariadb(t, s, strings.Repeat("SELECT name FROM items WHERE name = 'secret' AND id < 3;\n", 40)+
		"BEGIN;\nINSERT INTO orders VALUES (1), (2);\nROLLBACK;\n")
	want := harness.Tally{}
	want.Both(1, "ok Login")
	want.Both(40, "ok COM_QUERY SELECT name FROM items WHERE name = ? AND id < ? 0")
	want.Both(1, "ok COM_QUERY BEGIN 0")
	want.Both(1, "ok COM_QUERY INSERT INTO orders VALUES (?), (?) 2")
	want.Both(1, "ok COM_QUERY ROLLBACK 0")
	want.Both(1, "ok COM_QUIT")
	ob.expectTally(want, sqlKeys...)
}
