// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"sonde/agent/model"
)

const mark = "S3cr3t"

// quoted writes mark among tricky bytes as a literal of the dialect.
func quoted(random *rand.Rand, d Dialect, escapes bool) string {
	tricky := []string{"'", `"`, "`", `\`, "--", "/*", "*/", "#", "$$", "$a$", ";", "(", ")", ",", " ", "\n", "x", "1", "é", "IN (", "FROM "}
	var content []string
	for range random.IntN(6) {
		content = append(content, tricky[random.IntN(len(tricky))])
	}
	content = append(content, mark)
	for range random.IntN(6) {
		content = append(content, tricky[random.IntN(len(tricky))])
	}
	plain := strings.Join(content, "")
	double := strings.NewReplacer("'", "''").Replace(plain)
	escaped := strings.NewReplacer("'", `\'`, `"`, `\"`, `\`, `\\`).Replace(plain)
	switch n := random.IntN(5); {
	case n == 0 && d == PostgreSQL:
		return "E'" + escaped + "'"
	case n == 1 && d != MySQL && !strings.Contains(plain, "$t$"):
		return "$t$" + plain + "$t$"
	case n == 2 && d == MySQL && escapes:
		return `"` + escaped + `"`
	case n == 3:
		return "N'" + map[bool]string{true: escaped, false: double}[escapes] + "'"
	case escapes:
		return "'" + escaped + "'"
	}
	return "'" + double + "'"
}

func FuzzLiterals(f *testing.F) {
	for i := range uint64(20) {
		f.Add(i, uint16(i*13))
	}
	f.Fuzz(func(t *testing.T, seed uint64, at uint16) {
		random := rand.New(rand.NewPCG(seed, 1))
		src := Source{Dialect: Dialect(random.IntN(3)), OtherEscapes: random.IntN(4) == 0}
		escapes := (src.Dialect == MySQL) != src.OtherEscapes
		words := []string{"SELECT ", "FROM ", "t", "a.b", " IN (", ")", ", ", "=", " AND ", "/* it's */", "/*k='v',traceparent='00-1-2-3'*/", "\n", "1", "- ", "(", "x", ";", " AS ", "INSERT INTO "}
		var query strings.Builder
		for range 1 + random.IntN(12) {
			query.WriteString(words[random.IntN(len(words))])
			if random.IntN(2) == 0 {
				query.WriteString(" " + quoted(random, src.Dialect, escapes) + " ")
			}
		}
		q := query.String()
		if int(at) < len(q) {
			q, src.Cut = q[:at], true
		}
		st := read(q, src)
		if src.Dialect == Standard {
			st.Summary = "" // there a string may name a table
		}
		if strings.Contains(st.Text+st.Summary, mark) || !src.Cut && st.Cut && len(st.Text) < model.MaxText {
			t.Fatalf("%+v of %q: %q, %q (cut %v)", src, q, st.Text, st.Summary, st.Cut)
		}
	})
}

func FuzzAny(f *testing.F) {
	f.Add([]byte("SELECT $tag$ x $tag$, E'\\'', U&\"a\" FROM [t].\"u\" WHERE a IN (1, 2) /*!50000 x */"), uint8(3))
	f.Add([]byte("WITH a AS (SELECT ((((1"), uint8(0))
	f.Add([]byte("@`$q'["), uint8(9))
	f.Fuzz(func(t *testing.T, query []byte, how uint8) {
		src := Source{Dialect: Dialect(how % 3), Cut: how&4 > 0, Prepared: how&8 > 0, OtherEscapes: how&16 > 0}
		st := New().Read(query, src)
		if len(st.Text) > model.MaxText || len(st.Summary) > MaxSummary || !utf8.ValidString(st.Text) || !utf8.ValidString(st.Summary) {
			t.Fatalf("%d bytes of text, %d of summary", len(st.Text), len(st.Summary))
		}
		if again := New().Read(query, src); again.Text != st.Text || again.Summary != st.Summary {
			t.Fatalf("read twice: %q, %q", st.Text, again.Text)
		}
	})
}
