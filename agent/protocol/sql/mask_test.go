// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMaskedTextSaysTheSame(t *testing.T) {
	postgres, mysql := Source{Dialect: PostgreSQL}, Source{Dialect: MySQL}
	for _, c := range []struct {
		what        string
		src         Source
		query, want string
	}{
		{"strings keep their quotes", postgres, `SELECT 'it''s', E'a\'b', U&'\0041' FROM t`, `SELECT 'xx''x', E'x\'x', U&'\0000' FROM t`},
		{"strings in double quotes", mysql, `SELECT "so \"a\"", _utf8'x1', N'y'`, `SELECT "xxx\"x\"", _utf8'x0', N'x'`},
		{"numbers keep sign and point", postgres, `SELECT -12.5, 1e+5, 0x1F, 1_000`, `SELECT -00.0, 0e+0, 0000, 00000`},
		{"lists", postgres, `SELECT a FROM t WHERE b IN (12, 345)`, `SELECT a FROM t WHERE b IN (00, 000)`},
		{"between tags", postgres, `SELECT $$it's$$, $a$ $$ $a$, $1`, `SELECT $$xxxx$$, $a$xxxx$a$, $1`},
		{"comments", mysql, "SELECT 1 -- bob's\n, 2 # s\n, 3 /* a */ /*!50000 , 4 */", "SELECT 0 -- xxx'x\n, 0 # x\n, 0 /* x */ /*!50000 , 0 */"},
		{"traces stay", postgres, `SELECT 1 /*app='a',traceparent='00-11-22-01'*/`, `SELECT 0 /*xxx='x',traceparent='00-11-22-01'*/`},
		{"names of accounts", mysql, `CREATE USER bob IDENTIFIED BY 'pw'`, `CREATE USER xxx IDENTIFIED BY 'xx'`},
		{"booleans tell nothing more", postgres, `SELECT TRUE`, `SELECT TRUE`},
		{"parameters", Source{Dialect: PostgreSQL, Prepared: true}, `SELECT $1, 'a'`, `SELECT $1, 'a'`},
		{"a cut string", Source{Dialect: PostgreSQL, Cut: true}, `SELECT 'abc`, `SELECT 'xxx`},
		{"nothing behind a quote that was misread", mysql, `SELECT 'C:\', pw FROM t`, `SELECT 'xx\'xxxxxxxxxxx`},
	} {
		s := New()
		want := s.Read([]byte(c.query), c.src)
		masked := s.Mask([]byte(c.query), c.src)
		got := s.Read(masked, c.src)
		if string(masked) != c.want || !same(&got, &want) {
			t.Errorf("%s: %s becomes %s (%q, was %q), want %s", c.what, c.query, masked, got.Text, want.Text, c.want)
		}
	}
}

func FuzzMask(f *testing.F) {
	for i := range uint64(50) {
		f.Add(i, uint16(i*13))
	}
	f.Fuzz(func(t *testing.T, seed uint64, at uint16) {
		random := rand.New(rand.NewPCG(seed, 1))
		src := Source{Dialect: Dialect(1 + random.IntN(2)), OtherEscapes: random.IntN(4) == 0}
		escapes := (src.Dialect == MySQL) != src.OtherEscapes
		words := []string{"SELECT ", "FROM ", "t", "a.b", " IN (", ")", ", ", "=", " AND ", "/* it's S3cr3t */", "\n", "1", "- ", "(", "x", ";", " AS ", "INSERT INTO ", "-- S3cr3t\n"}
		var query strings.Builder
		for range 1 + random.IntN(12) {
			query.WriteString(words[random.IntN(len(words))])
			if random.IntN(2) == 0 {
				query.WriteString(" " + quoted(random, src.Dialect, escapes) + " ")
			}
		}
		q := []byte(query.String())
		if int(at) < len(q) {
			q, src.Cut = q[:at], true
		}
		s := New()
		want := s.Read(q, src)
		misread := s.misread
		masked := s.Mask(q, src)
		if len(masked) != len(q) || bytes.Contains(masked, []byte(mark)) {
			t.Fatalf("%+v: %q becomes %q", src, q, masked)
		}
		if got := s.Read(masked, src); !same(&got, &want) && !misread {
			t.Fatalf("%+v: %q becomes %q, and that %q; want %q", src, q, masked, got.Text, want.Text)
		}
	})
}
