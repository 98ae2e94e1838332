// SPDX-License-Identifier: Apache-2.0

package sql

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// conventionCase is one case of OpenTelemetry's database-test-cases.
type conventionCase struct {
	Name  string `json:"name"`
	Input struct {
		System string `json:"db.system.name"`
		Query  string `json:"query"`
	} `json:"input"`
	Expected struct {
		Text    []string `json:"db.query.text"`
		Summary string   `json:"db.query.summary"`
	} `json:"expected"`
}

func conventionCases(t *testing.T) []conventionCase {
	t.Helper()
	root := os.Getenv("SONDE_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "..", "..", "shared", "corpora")
	}
	file := filepath.Join(root, "otel", "semconv", "db-sql-test-cases.json")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Skipf("no cases in %s: set SONDE_CORPORA to the folder that holds otel", file)
	}
	var cases []conventionCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

func TestConventionCases(t *testing.T) {
	passed, cases := 0, conventionCases(t)
	dialects := map[string]Dialect{"postgresql": PostgreSQL, "mysql": MySQL, "mariadb": MySQL}
	for _, c := range cases {
		st := New().Read([]byte(c.Input.Query), Source{Dialect: dialects[c.Input.System]})
		if !slices.Contains(c.Expected.Text, st.Text) || st.Summary != c.Expected.Summary {
			t.Errorf("%s: %q\n got %q, %q\nwant %q, %q", c.Name, c.Input.Query, st.Text, st.Summary, c.Expected.Text, c.Expected.Summary)
			continue
		}
		passed++
	}
	t.Logf("%d of %d cases", passed, len(cases))
}

// The cases say other_sql; both databases that sonde reads must agree where they write the same SQL.
func TestConventionCasesInEveryDialect(t *testing.T) {
	for _, c := range conventionCases(t) {
		for _, d := range []Dialect{PostgreSQL, MySQL} {
			st := New().Read([]byte(c.Input.Query), Source{Dialect: d})
			if !slices.Contains(c.Expected.Text, st.Text) || st.Summary != c.Expected.Summary {
				t.Errorf("%s, dialect %d: %q\n got %q, %q", c.Name, d, c.Input.Query, st.Text, st.Summary)
			}
		}
	}
}
