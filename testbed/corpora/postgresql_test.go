// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol/sql"
)

// zeekPostgreSQL names Zeek's messages as the protocol does.
var zeekPostgreSQL = map[string]string{
	"startup": "Startup", "simple_query": "Query", "terminate": "Terminate", "ssl_request": "SSLRequest", "parse": "Parse",
}

// TestZeekPostgreSQL holds command, user, database, text, success, SQLSTATE and rows against postgresql.log.
//
// Zeek calls a refused encryption a failure; to sonde, the answer N is an answer, and the request is held without its success.
func TestZeekPostgreSQL(t *testing.T) {
	score := Score{Corpus: "zeek", Protocol: "postgresql"}
	for _, z := range ZeekTests(t) {
		if z.Proto != "postgresql" || z.Log("postgresql") == "" {
			continue
		}
		rows, err := ReadZeek(Path(t, "zeek", z.Log("postgresql")))
		if err != nil {
			t.Fatal(err)
		}
		left := byEnds(t, Path(t, "zeek", z.Pcap), model.ProtocolPostgreSQL)
		for i, row := range rows {
			score.Compared++
			ends := zeekEnds(row)
			if len(left[ends]) == 0 {
				t.Errorf("%s: row %d %v: not seen", z.Pcap, i, row)
				continue
			}
			r := left[ends][0]
			left[ends] = left[ends][1:]
			if why := zeekPostgreSQLDifference(&r, row); why != "" {
				t.Errorf("%s: row %d %v: %s", z.Pcap, i, row, why)
				continue
			}
			score.Equal++
		}
		for ends, requests := range left {
			for i := range requests {
				t.Errorf("%s: %s: Zeek has no %+v", z.Pcap, ends, requests[i].DB)
			}
		}
	}
	Report(t, score, 95)
}

func zeekPostgreSQLDifference(r *model.Request, row ZeekRow) string {
	want := zeekPostgreSQL[row["frontend"]]
	_, code, _ := strings.Cut(row["backend_arg"], ",Code=")
	code, _, _ = strings.Cut(code, ",")
	rows, counted := row["rows"]
	switch {
	case r.DB.Command != want:
		return "command " + r.DB.Command
	case want == "SSLRequest":
		return ""
	case r.DB.Namespace != row["database"] || want == "Startup" && r.DB.User != row["user"]:
		return fmt.Sprintf("user %q, database %q", r.DB.User, r.DB.Namespace)
	case want == "Query" && !sameText(r, row["frontend_arg"], sql.PostgreSQL):
		return "text " + r.DB.Query
	case (row["success"] == "T") != (r.Outcome == model.OutcomeOK && !r.OneWay):
		return "outcome " + r.Outcome.String()
	case row["success"] == "F" && r.DB.Status != code:
		return "status " + r.DB.Status
	case counted && r.DB.RowsKnown && !r.DB.RowsAffected && strconv.FormatInt(r.DB.Rows, 10) != rows:
		return fmt.Sprintf("%d rows", r.DB.Rows)
	}
	return ""
}

// TestDeepFlowPostgreSQL holds size, kind, text, status and rows of each message.
//
// DeepFlow's "Other" is a segment that it does not understand: the middle of a long message or of a long answer, of which
// sonde reports one request. Its E is an Execute whose statement was prepared before the capture, its P one with its text.
func TestDeepFlowPostgreSQL(t *testing.T) {
	score := Score{Corpus: "deepflow", Protocol: "postgresql"}
	results, err := filepath.Glob(Path(t, "deepflow", "flow_generator", "postgre") + "/*.result")
	if err != nil || len(results) == 0 {
		t.Fatalf("no results: %v", err)
	}
	for _, result := range results {
		lines, err := ReadDeepFlow(result)
		if err != nil {
			t.Fatal(err)
		}
		requests := Requests(t, strings.TrimSuffix(result, ".result")+".pcap")
		var current *model.Request
		for i, l := range lines {
			switch l.Fields["msg_type"] {
			case "Request":
				for current = nil; len(requests) > 0 && current == nil; requests = requests[1:] {
					if fmt.Sprint(requests[0].RequestBytes) == l.Fields["captured_request_byte"] {
						current = &requests[0]
					}
				}
			case "Other":
				continue
			}
			score.Compared++
			if why := deepFlowPostgreSQLDifference(current, l); why != "" {
				t.Errorf("%s, line %d: %s", filepath.Base(result), i+1, why)
				continue
			}
			score.Equal++
		}
	}
	Report(t, score, 95)
}

func deepFlowPostgreSQLDifference(r *model.Request, l DeepFlowLine) string {
	f := l.Fields
	switch {
	case r == nil:
		return "no request of " + f["captured_request_byte"] + " bytes"
	case f["msg_type"] == "Request" && f["request_type"] == "P" && !sameText(r, f["request_resource"], sql.PostgreSQL):
		return fmt.Sprintf("text %q, DeepFlow %q", r.DB.Query, f["request_resource"])
	case f["msg_type"] == "Request" && r.DB.Command != "Execute" && r.DB.Command != "Parse":
		return "command " + r.DB.Command
	case f["msg_type"] == "Response" && (f["status"] == "ok") != (r.Outcome == model.OutcomeOK):
		return "outcome " + r.Outcome.String()
	case f["sql_affected_rows"] != "" && fmt.Sprint(r.DB.Rows) != f["sql_affected_rows"]:
		return fmt.Sprintf("%d rows, DeepFlow %s", r.DB.Rows, f["sql_affected_rows"])
	}
	return ""
}
