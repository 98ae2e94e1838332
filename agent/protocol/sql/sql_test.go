// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"strings"
	"testing"
	"unicode/utf8"

	"sonde/agent/model"
)

func read(query string, src Source) Statement { return New().Read([]byte(query), src) }

func TestLiterals(t *testing.T) {
	standard, postgres, mysql := Source{}, Source{Dialect: PostgreSQL}, Source{Dialect: MySQL}
	for _, c := range []struct {
		what        string
		src         Source
		query, text string
	}{
		{"a doubled quote does not end a string", standard, `SELECT 'it''s', ''`, `SELECT ?, ?`},
		{"a backslash is a backslash", postgres, `SELECT 'C:\', 1`, `SELECT ?, ?`},
		{"a backslash escapes in E strings", postgres, `SELECT E'it\'s', e'\\'`, `SELECT ?, ?`},
		{"a backslash escapes in MySQL", mysql, `SELECT 'it\'s', "so \"so\"", 'x'`, `SELECT ?, ?, ?`},
		{"a session may escape otherwise", Source{Dialect: PostgreSQL, OtherEscapes: true}, `SELECT 'it\'s', 1`, `SELECT ?, ?`},
		{"a session may not escape", Source{Dialect: MySQL, OtherEscapes: true}, `SELECT 'C:\', 1`, `SELECT ?, ?`},
		{"dollar quotes", postgres, `SELECT $$it's$$, $a1$ $$ $b$ $a1$, $1`, `SELECT ?, ?, $1`},
		{"a dollar in a name", mysql, `SELECT a$b$c, v$1 FROM t$`, `SELECT a$b$c, v$1 FROM t$`},
		{"typed strings", postgres, `SELECT N'a', X'1F', b'01', U&'\0041' FROM t`, `SELECT ?, ?, ?, ? FROM t`},
		{"quoted identifiers stay", postgres, `SELECT "it's", "a""b"."c" FROM "T"`, `SELECT "it's", "a""b"."c" FROM "T"`},
		{"backticks stay", mysql, "SELECT `it's`.`x` FROM `a b`", "SELECT `it's`.`x` FROM `a b`"},
		{"brackets stay", standard, `SELECT [it's] FROM [dbo].[a b]`, `SELECT [it's] FROM [dbo].[a b]`},
		{"subscripts", postgres, `SELECT a[1], ARRAY['x', 'y'] FROM t`, `SELECT a[?], ARRAY[?, ?] FROM t`},
		{"a character set", mysql, `SELECT _utf8'x', _binary 'y'`, `SELECT _utf8?, _binary ?`},
		{"date, time, interval", postgres, `SELECT DATE '2020-01-01', INTERVAL '1' DAY`, `SELECT DATE ?, INTERVAL ? DAY`},
		{"booleans", standard, `SELECT TRUE, false WHERE a IS TRUE AND b IS NOT FALSE`, `SELECT ?, ? WHERE a IS TRUE AND b IS NOT FALSE`},
		{"null stays", standard, `UPDATE t SET a = NULL`, `UPDATE t SET a = NULL`},
		{"numbers", postgres, `SELECT 1_000, 0b11, 0o7, 1.e5, 5.`, `SELECT ?, ?, ?, ?, ?`},
		{"operators", postgres, `SELECT a->'k'->>0, b::int, c - 1 FROM t`, `SELECT a->?->>?, b::int, c - ? FROM t`},
		{"two signs", mysql, `SELECT 1--1, 2 -- x`, `SELECT ?-?, ? `},
		{"a name that begins with digits", mysql, `SELECT * FROM 2024_orders WHERE a = 12`, `SELECT * FROM 2024_orders WHERE a = ?`},
		{"lists collapse", postgres, `WHERE a IN (1, 'b' , 3) AND b NOT IN ( 4,5 )`, `WHERE a IN (?) AND b NOT IN ( ? )`},
		{"lists of more than literals do not", postgres, `WHERE a IN (1, b, 2, $1, 3, f(4, 5))`, `WHERE a IN (?, b, ?, $1, ?, f(?, ?))`},
		{"lists of rows", postgres, `WHERE (a, b) IN ((1, 2), (3, 4))`, `WHERE (a, b) IN ((?, ?), (?, ?))`},
		{"hash comments", mysql, "SELECT 1 # it's\n, 2", "SELECT ? \n, ?"},
		{"nested comments", postgres, `SELECT /* a /* ' */ b */ 1`, `SELECT  ?`},
		{"flat comments", mysql, `SELECT /* a /* ' */ 1`, `SELECT  ?`},
		{"a comment between words", standard, `SELECT/**/a/**/FROM t`, `SELECT a FROM t`},
		{"executable comments", mysql, `/*!40101 SET NAMES 'utf8' */`, ` SET NAMES ? `},
		{"names of accounts", standard, `CREATE USER joe WITH PASSWORD = 'x'`, `CREATE USER ? WITH PASSWORD = ?`},
		{"names of accounts as strings", mysql, `CREATE USER IF NOT EXISTS 'joe'@'%' IDENTIFIED BY 'x'`, `CREATE USER IF NOT EXISTS ?@? IDENTIFIED BY ?`},
		{"oracle's quotes", standard, `SELECT q'[it's]' FROM dual`, `SELECT ? FROM dual`},
		{"a variable with a quoted name", mysql, "SELECT @`a b`, @@x", "SELECT @`a b`, @@x"},
	} {
		if st := read(c.query, c.src); st.Text != c.text || st.Cut {
			t.Errorf("%s: %s\n got %s (cut %v)\nwant %s", c.what, c.query, st.Text, st.Cut, c.text)
		}
	}
}

func TestSummaries(t *testing.T) {
	standard, postgres, mysql := Source{}, Source{Dialect: PostgreSQL}, Source{Dialect: MySQL}
	for _, c := range []struct {
		src            Source
		query, summary string
	}{
		{standard, "SELECT * FROM \"song list\", 'artists'", "SELECT \"song list\" 'artists'"},
		{standard, "WITH recent AS (SELECT * FROM orders) SELECT * FROM recent", "SELECT orders SELECT recent"},
		{postgres, "WITH x AS (INSERT INTO a VALUES (1) RETURNING id) UPDATE b SET c = x.id FROM x", "INSERT a UPDATE b x"},
		{standard, "select col from t1 union select col from t2", "select t1 select t2"},
		{standard, "SELECT * FROM a WHERE EXISTS (SELECT 1 FROM b WHERE b.x = a.x)", "SELECT a SELECT b"},
		{standard, "SELECT * FROM orders AS o LEFT JOIN users u ON u.id = o.user_id, items i", "SELECT orders users items"},
		{standard, "SELECT * FROM (a JOIN b ON a.x = b.x) JOIN c USING (id, x)", "SELECT a b c"},
		{standard, "SELECT a, b FROM A1, B1 GROUP BY a, b", "SELECT A1 B1"},
		{standard, "SELECT EXTRACT(YEAR FROM d), TRIM(BOTH ' ' FROM n) FROM t", "SELECT t"},
		{standard, "SELECT a IS DISTINCT FROM b FROM t", "SELECT t"},
		{postgres, "SELECT * FROM ONLY a, LATERAL (SELECT * FROM b) x, f(1, 2)", "SELECT a SELECT b f"},
		{standard, "SELECT * FROM jobs, queues FOR UPDATE OF jobs, queues", "SELECT jobs queues"},
		{standard, "SELECT 'select * from secret' FROM users", "SELECT users"},
		{standard, "SELECT from_date, into_account FROM ledger", "SELECT ledger"},
		{standard, "INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET name = 'x', b = 2", "INSERT users"},
		{mysql, "insert ignore into t select * from s on duplicate key update a = 1, b = 2", "insert t select s"},
		{mysql, "UPDATE a, b SET a.x = 1, b.y = 2", "UPDATE a b"},
		{mysql, "DELETE a FROM a JOIN b ON a.x = b.x WHERE b.y = 1", "DELETE a b"},
		{postgres, "DELETE FROM a USING b WHERE a.x = b.x", "DELETE a b"},
		{standard, "MERGE INTO a USING b ON a.x = b.x WHEN MATCHED THEN UPDATE SET y = 1, z = 2", "MERGE a b"},
		{standard, "CALL db.refresh(1)", "CALL db.refresh"},
		{standard, "{call some_procedure(?)}", "call some_procedure"},
		{standard, "EXEC @rc = sp_who 1", "EXEC sp_who"},
		{standard, "CREATE UNIQUE CLUSTERED INDEX i ON t (a)", "CREATE INDEX i"},
		{standard, "create or replace view v as select * from orders", "create view v"},
		{standard, "CREATE TABLE IF NOT EXISTS a AS SELECT * FROM b", "CREATE TABLE a SELECT b"},
		{standard, "CREATE TABLE Table (a VARCHAR(255))", "CREATE TABLE Table"},
		{postgres, "CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX i"},
		{mysql, "CREATE DEFINER=`root`@`%` PROCEDURE p(a INT) BEGIN INSERT INTO t VALUES (1); END", "CREATE PROCEDURE p"},
		{postgres, "CREATE FUNCTION f() RETURNS int AS $$SELECT 1 FROM t$$ LANGUAGE sql; DROP TABLE x", "CREATE FUNCTION f DROP TABLE x"},
		{standard, "ALTER TABLE t DROP COLUMN a, ADD FOREIGN KEY (b) REFERENCES u (c)", "ALTER TABLE t"},
		{standard, "DROP TABLE IF EXISTS a, b CASCADE", "DROP TABLE a b"},
		{standard, "DROP USER bob", "DROP USER"},
		{standard, "TRUNCATE a.t, u", "TRUNCATE a.t u"},
		{standard, "TRUNCATE TABLE t", "TRUNCATE TABLE t"},
		{postgres, "EXPLAIN (ANALYZE, VERBOSE) SELECT * FROM t", "EXPLAIN SELECT t"},
		{postgres, "EXPLAIN ANALYZE SELECT * FROM t", "EXPLAIN SELECT t"},
		{postgres, "COPY t (a, b) FROM STDIN", "COPY t"},
		{postgres, "COPY (SELECT a FROM t) TO STDOUT", "COPY SELECT t"},
		{postgres, "VACUUM FULL t", "VACUUM t"},
		{postgres, "PREPARE p (int) AS SELECT * FROM t WHERE a = $1", "PREPARE SELECT t"},
		{postgres, "(SELECT a FROM t) UNION (SELECT b FROM u)", "SELECT t SELECT u"},
		{postgres, "BEGIN; UPDATE t SET a = 1; COMMIT", "BEGIN UPDATE t COMMIT"},
		{mysql, "USE `my db`", "USE `my db`"},
		{mysql, "SHOW TABLES FROM x", "SHOW TABLES"},
		{mysql, "SELECT a INTO @x FROM t", "SELECT t"},
		{mysql, "SELECT `a`.`b`, c FROM `db`.`t` AS x", "SELECT `db`.`t`"},
		{standard, "GRANT SELECT ON t TO bob", "GRANT"},
		{standard, "START TRANSACTION", "START TRANSACTION"},
		{standard, "/* from secret */ -- from secret\nDELETE FROM t", "DELETE t"},
		{standard, "DECLARE @x int = 1; SELECT [a] FROM [t]", "SELECT [t]"},
		{standard, "and now for something completely different", ""},
		{standard, "", ""},
		{standard, "  ;; ", ""},
	} {
		if st := read(c.query, c.src); st.Summary != c.summary {
			t.Errorf("%s\n got %s\nwant %s", c.query, st.Summary, c.summary)
		}
	}
}

func TestSummaryEndsWithAWholeName(t *testing.T) {
	st := read("SELECT * FROM "+strings.Repeat("a", 300)+" o, b", Source{})
	if st.Summary != "SELECT" {
		t.Errorf("got %q", st.Summary)
	}
	st = read("SELECT * FROM "+strings.Repeat("table_01, ", 60)+"x", Source{})
	if len(st.Summary) > MaxSummary || !strings.HasSuffix(st.Summary, " table_01") {
		t.Errorf("got %q", st.Summary)
	}
}

func TestPreparedTextWithParametersIsKeptAsSent(t *testing.T) {
	for _, c := range []struct {
		what        string
		src         Source
		query, text string
	}{
		{"PostgreSQL", Source{Dialect: PostgreSQL, Prepared: true}, "SELECT 'x', $1 -- why", "SELECT 'x', $1 -- why"},
		{"MySQL", Source{Dialect: MySQL, Prepared: true}, "SELECT 'x', ?", "SELECT 'x', ?"},
		{"without parameters", Source{Dialect: MySQL, Prepared: true}, "SELECT 'x'", "SELECT ?"},
		{"an operator is no parameter", Source{Dialect: PostgreSQL, Prepared: true}, "SELECT a ? 'x'", "SELECT a ? ?"},
		{"not prepared", Source{Dialect: MySQL}, "SELECT 'x', ?", "SELECT ?, ?"},
		{"cut", Source{Dialect: MySQL, Prepared: true, Cut: true}, "SELECT ?, 'x", "SELECT ?, ?"},
		{"its trace comment is left out", Source{Dialect: MySQL, Prepared: true}, "SELECT 'x', ? /*a='1'*/ ", "SELECT 'x', ?"},
	} {
		if st := read(c.query, c.src); st.Text != c.text {
			t.Errorf("%s: got %q, want %q", c.what, st.Text, c.text)
		}
	}
}

func TestMisreadQuotesEndTheText(t *testing.T) {
	for _, c := range []struct {
		what        string
		src         Source
		query, text string
	}{
		{"a string that goes on as a word", Source{Dialect: PostgreSQL}, `SELECT 1, 'a\'secret', 'b\'c' FROM t`, `SELECT ?, ?`},
		{"a string that goes on behind a space", Source{Dialect: PostgreSQL}, `SELECT 1, 'a\' secret' FROM t`, `SELECT ?, ?`},
		{"a string without an end", Source{}, `SELECT 1 FROM t WHERE a = 'x' AND b = 'secret`, `SELECT ? FROM t WHERE a = ?`},
		{"an identifier without an end", Source{}, `SELECT 1, "secret`, `SELECT ?, `},
	} {
		if st := read(c.query, c.src); st.Text != c.text || !st.Cut {
			t.Errorf("%s: got %q, want %q", c.what, st.Text, c.text)
		}
	}
}

func TestWhatElseIsTold(t *testing.T) {
	if st := read("SELECT 1 /*traceparent='00-ab',b='c'*/", Source{}); string(st.Comment) != "traceparent='00-ab',b='c'" || st.Text != "SELECT ?" {
		t.Errorf("comment: %q, %q", st.Comment, st.Text)
	}
	if st := read("SELECT 1 /* why */", Source{}); st.Comment != nil {
		t.Errorf("a comment for people is none for traces: %q", st.Comment)
	}
	if st := read("INSERT INTO t VALUES (1);SELECT 1;;", Source{}); st.Statements != 2 {
		t.Errorf("%d statements", st.Statements)
	}
	if st := read("CALL p(1)", Source{Dialect: MySQL}); st.Procedure != "p" {
		t.Errorf("procedure %q", st.Procedure)
	}
	if st := read("EXECUTE p", Source{Dialect: MySQL}); st.Procedure != "" {
		t.Errorf("a prepared statement is no procedure: %q", st.Procedure)
	}
	if st := read("use `my db`", Source{Dialect: MySQL}); st.Use != "my db" {
		t.Errorf("database %q", st.Use)
	}
}

func TestTextIsCutOnARuneBoundary(t *testing.T) {
	st := read("SELECT a"+strings.Repeat("é", model.MaxText), Source{})
	if len(st.Text) > model.MaxText || len(st.Text) < model.MaxText-1 || !utf8.ValidString(st.Text) || !st.Cut {
		t.Errorf("%d bytes, cut %v", len(st.Text), st.Cut)
	}
	if st := read("SELECT \xff\xfe FROM t\x80", Source{}); !utf8.ValidString(st.Text) || !utf8.ValidString(st.Summary) {
		t.Errorf("%q %q", st.Text, st.Summary)
	}
}
