// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"slices"
	"strings"
	"testing"

	"sonde/agent/model"
)

const parent = "00-5bd66ef5095369c7b0d1f8f4bd33716a-c532cb4098ac3dd2-01"

// The examples are those of sqlcommenter's specification and of the conventions.
func TestContextIsReadFromSQLCommenter(t *testing.T) {
	traced := []model.Field{{Name: "traceparent", Value: parent}}
	both := []model.Field{{Name: "traceparent", Value: parent}, {Name: "tracestate", Value: "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"}}
	for _, c := range []struct {
		what, query, text string
		want              []model.Field
	}{
		{
			"all keys of the specification",
			"SELECT * FROM FOO /*action='%2Fparam*d',controller='index,'framework='spring',traceparent='" + parent + "',tracestate='congo%3Dt61rcWkgMzE%2Crojo%3D00f067aa0ba902b7'*/",
			"SELECT * FROM FOO", both,
		},
		{"traceparent alone", "SELECT * FROM songs /*traceparent='" + parent + "'*/", "SELECT * FROM songs", traced},
		{"a semicolon behind", "SELECT a FROM songs /*traceparent='" + parent + "'*/;", "SELECT a FROM songs ;", traced},
		{"blanks between", "SELECT a /* traceparent='" + parent + "' , tracestate='congo%3Dt61rcWkgMzE%2Crojo%3D00f067aa0ba902b7' */", "SELECT a", both},
		{"in front", "/*traceparent='" + parent + "'*/ SELECT a", " SELECT a", traced},
		{"behind another comment", "SELECT a /*app='x'*/ /*traceparent='" + parent + "'*/", "SELECT a", traced},
		{"before another comment", "SELECT a /*traceparent='" + parent + "'*/ /*app='x'*/", "SELECT a", traced},
		{"an escaped quote", `SELECT a /*name='DROP \'t\'',traceparent='` + parent + `'*/`, "SELECT a", traced},
		{"other keys alone", "SELECT a /*action='x'*/", "SELECT a", nil},
		{"a key that ends the same", "SELECT a /*my_traceparent='" + parent + "'*/", "SELECT a", nil},
		{"a comment for people", "SELECT a /* traceparent is not here */", "SELECT a ", nil},
		{"two contexts", "SELECT a /*traceparent='" + parent + "'*/; SELECT b /*traceparent='" + parent + "'*/", "SELECT a ; SELECT b", nil},
		{"inside a string", "SELECT '/*traceparent=''" + parent + "''*/' FROM t", "SELECT ? FROM t", nil},
		{"a bad escape", "SELECT a /*traceparent='%zz'*/", "SELECT a", nil},
		{"too long", "SELECT a /*traceparent='" + strings.Repeat("0", model.MaxField+1) + "'*/", "SELECT a", nil},
		{"without its end", "SELECT a /*traceparent='" + parent, "SELECT a", nil},
	} {
		st := read(c.query, Source{Dialect: PostgreSQL})
		if got := Context(st.Comment); !slices.Equal(got, c.want) || st.Text != c.text {
			t.Errorf("%s: %v, %q", c.what, got, st.Text)
		}
		masked := New().Mask([]byte(c.query), Source{Dialect: PostgreSQL})
		if got := Context(read(string(masked), Source{Dialect: PostgreSQL}).Comment); !slices.Equal(got, c.want) {
			t.Errorf("%s: a recording has %v: %q", c.what, got, masked)
		}
	}
}

func TestRecordingsKeepOfACommentTheContextAlone(t *testing.T) {
	query := "SELECT ? FROM t /*user='Ann',traceparent='" + parent + `',name='O\'Hara',tracestate='a%3D1',key='secret'*/`
	want := "SELECT ? FROM t /*xxxx='xxx',traceparent='" + parent + `',xxxx='x\'xxxx',tracestate='a%3D1',xxx='xxxxxx'*/`
	for _, prepared := range []bool{false, true} {
		if got := New().Mask([]byte(query), Source{Dialect: MySQL, Prepared: prepared}); string(got) != want {
			t.Errorf("prepared %v:\n%s", prepared, got)
		}
	}
}

func TestTextAsSentIsWithoutItsCommentWhereverItStands(t *testing.T) {
	const comment = "/*user='Ann',traceparent='" + parent + "'*/"
	for query, text := range map[string]string{
		comment + " SELECT 'x', ?":          "SELECT 'x', ?",
		"SELECT 'x', ? " + comment:          "SELECT 'x', ?",
		"SELECT 'x', " + comment + " ?":     "SELECT 'x', ?",
		"SELECT 'x'," + comment + "?":       "SELECT 'x', ?",
		"SELECT 'x', ? " + comment + "\n; ": "SELECT 'x', ? ; ",
	} {
		src := Source{Dialect: MySQL, Prepared: true}
		if got := read(query, src).Text; got != text {
			t.Errorf("%q: got %q, want %q", query, got, text)
		}
		masked := string(New().Mask([]byte(query), src))
		if strings.Contains(masked, "Ann") || read(masked, src).Text != text {
			t.Errorf("%q: a recording has %q", query, masked)
		}
	}
}

func TestNothingIsAllocatedWithoutContext(t *testing.T) {
	comment := []byte("action='x',controller='y'")
	if n := testing.AllocsPerRun(100, func() { Context(comment) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
