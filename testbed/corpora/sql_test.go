// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol/sql"
)

// TestConventionSQL holds text and summary against the conventions' own cases. testdata of the parsers' package tries them in
// every dialect; here they count for the table.
func TestConventionSQL(t *testing.T) {
	text, err := os.ReadFile(Path(t, "otel", "semconv", "db-sql-test-cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name  string
		Input struct {
			System string `json:"db.system.name"`
			Query  string
		}
		Expected struct {
			Text    []string `json:"db.query.text"`
			Summary string   `json:"db.query.summary"`
		}
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	score := Score{Corpus: "otel", Protocol: "sql"}
	dialects := map[string]sql.Dialect{"postgresql": sql.PostgreSQL, "mysql": sql.MySQL, "mariadb": sql.MySQL}
	for _, c := range cases {
		score.Compared++
		st := sql.New().Read([]byte(c.Input.Query), sql.Source{Dialect: dialects[c.Input.System]})
		if !slices.Contains(c.Expected.Text, st.Text) || st.Summary != c.Expected.Summary {
			t.Errorf("%s: %q, %q", c.Name, st.Text, st.Summary)
			continue
		}
		score.Equal++
	}
	Report(t, score, 100)
}

// sameText tells whether a query that another tool shows as sent is the one that sonde shows without its values.
func sameText(r *model.Request, sent string, d sql.Dialect) bool {
	for _, prepared := range []bool{false, true} {
		if st := sql.New().Read([]byte(sent), sql.Source{Dialect: d, Prepared: prepared}); st.Text == r.DB.Query {
			return true
		}
	}
	return false
}

// byEnds sorts the requests of a database by connection, in the order in which they began.
func byEnds(t *testing.T, capture string, p model.Protocol) map[string][]model.Request {
	t.Helper()
	all := map[string][]model.Request{}
	for _, r := range Requests(t, capture) {
		if r.Protocol == p {
			ends := r.Client.Addr.String() + " " + r.Server.Addr.String()
			all[ends] = append(all[ends], r)
		}
	}
	for _, requests := range all {
		slices.SortStableFunc(requests, func(a, b model.Request) int { return int(a.Start - b.Start) })
	}
	return all
}
