// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol/sql"
)

// zeekMySQL names Zeek's commands as the protocol does.
var zeekMySQL = map[string]string{
	"login": "Login", "query": "COM_QUERY", "quit": "COM_QUIT", "field_list": "COM_FIELD_LIST", "init_db": "COM_INIT_DB",
	"ping": "COM_PING", "statistics": "COM_STATISTICS", "change_user": "COM_CHANGE_USER",
}

// TestZeekMySQL holds command, argument, success and changed rows against mysql.log.
//
// Zeek has no row for a server that refuses with an error in place of its greeting; sonde reports a login that failed.
// Zeek's text of an error is not kept; that there is one is held. Rows that a result returns are no column of the log.
func TestZeekMySQL(t *testing.T) {
	score := Score{Corpus: "zeek", Protocol: "mysql"}
	for _, z := range ZeekTests(t) {
		if z.Proto != "mysql" || z.Log("mysql") == "" {
			continue
		}
		rows, err := ReadZeek(Path(t, "zeek", z.Log("mysql")))
		if err != nil {
			t.Fatal(err)
		}
		left := byEnds(t, Path(t, "zeek", z.Pcap), model.ProtocolMySQL)
		for i, row := range rows {
			score.Compared++
			ends := zeekEnds(row)
			if len(left[ends]) == 0 {
				t.Errorf("%s: row %d %v: not seen", z.Pcap, i, row)
				continue
			}
			r := left[ends][0]
			left[ends] = left[ends][1:]
			if why := zeekMySQLDifference(&r, row); why != "" {
				t.Errorf("%s: row %d %v: %s", z.Pcap, i, row, why)
				continue
			}
			score.Equal++
		}
		for ends, requests := range left {
			for i := range requests {
				if r := &requests[i]; r.DB.Command != "Login" || r.RequestBytes > 0 {
					t.Errorf("%s: %s: Zeek has no %+v", z.Pcap, ends, r.DB)
				}
			}
		}
	}
	Report(t, score, 95)
}

func zeekMySQLDifference(r *model.Request, row ZeekRow) string {
	want := zeekMySQL[row["cmd"]]
	switch {
	case r.DB.Command != want:
		return "command " + r.DB.Command
	case want == "Login" && r.DB.User != row["arg"]:
		return "user " + r.DB.User
	case want == "COM_QUERY" && !sameText(r, row["arg"], sql.MySQL):
		return "text " + r.DB.Query
	case want == "COM_FIELD_LIST" && r.DB.Collection != row["arg"]:
		return "table " + r.DB.Collection
	case (row["success"] == "T") != (r.Outcome == model.OutcomeOK && !r.OneWay), (row["success"] == "F") != (r.Outcome == model.OutcomeError):
		return "outcome " + r.Outcome.String()
	case r.DB.RowsAffected && row["rows"] != "" && strconv.FormatInt(r.DB.Rows, 10) != row["rows"]:
		return fmt.Sprintf("%d rows", r.DB.Rows)
	}
	return ""
}

// deepFlowMySQL names DeepFlow's request types, which are the numbers of commands and 0 for a login.
var deepFlowMySQL = map[string]string{
	"0": "Login", "1": "COM_QUIT", "2": "COM_INIT_DB", "3": "COM_QUERY", "4": "COM_FIELD_LIST", "14": "COM_PING",
	"22": "COM_STMT_PREPARE", "23": "COM_STMT_EXECUTE", "24": "COM_STMT_SEND_LONG_DATA", "25": "COM_STMT_CLOSE",
}

// TestDeepFlowMySQL holds command, text, user, database, status class, changed rows and response time of each message.
//
// DeepFlow's "Other" is a greeting or a step of an authentication, which are parts of a Login here. A Response without a
// Request before it is a further segment of the same answer. What DeepFlow shows of a COM_STMT_EXECUTE are its values, which
// sonde does not keep. Captures without results are run for the sake of running them.
func TestDeepFlowMySQL(t *testing.T) {
	score := Score{Corpus: "deepflow", Protocol: "mysql"}
	results, err := filepath.Glob(Path(t, "deepflow", "flow_generator", "mysql") + "/*.result")
	if err != nil || len(results) == 0 {
		t.Fatalf("no results: %v", err)
	}
	for _, result := range results {
		lines, err := ReadDeepFlow(result)
		if err != nil {
			t.Fatal(err)
		}
		requests := Requests(t, strings.TrimSuffix(result, ".result")+".pcap")
		answered := true
		for i, l := range lines {
			response := l.Fields["msg_type"] == "Response"
			if l.Fields["msg_type"] == "Other" || response && answered {
				continue
			}
			score.Compared++
			answered = response
			if len(requests) == 0 {
				t.Errorf("%s, line %d: not seen: %s", filepath.Base(result), i+1, l.Text)
				continue
			}
			r := &requests[0]
			if response || l.Fields["msg_type"] == "Session" {
				requests = requests[1:]
			}
			if why := deepFlowMySQLDifference(r, l); why != "" {
				t.Errorf("%s, line %d: %s", filepath.Base(result), i+1, why)
				continue
			}
			score.Equal++
		}
		for i := range requests {
			t.Errorf("%s: DeepFlow has no %+v", filepath.Base(result), requests[i].DB)
		}
	}
	Report(t, score, 95)
}

func deepFlowMySQLDifference(r *model.Request, l DeepFlowLine) string {
	f := l.Fields
	if f["msg_type"] == "Response" {
		status := map[model.Outcome]string{model.OutcomeOK: "ok", model.OutcomeError: "error"}[r.Outcome]
		rrt, _ := strconv.Atoi(f["rrt"])
		took := r.ResponseStart - r.RequestEnd
		switch {
		case !strings.HasSuffix(f["response_status"], status) || status == "":
			return fmt.Sprintf("outcome %v, DeepFlow %s", r.Outcome, f["response_status"])
		case f["sql_affected_rows"] != "" && (fmt.Sprint(r.DB.Rows) != f["sql_affected_rows"] || !r.DB.RowsAffected):
			return fmt.Sprintf("%d rows, DeepFlow %s", r.DB.Rows, f["sql_affected_rows"])
		case rrt > 0 && (took-time.Duration(rrt)*time.Microsecond).Abs() > time.Microsecond:
			return fmt.Sprintf("response time %v, DeepFlow %d us", took, rrt)
		}
		return ""
	}
	argument := f["request_resource"]
	switch want := deepFlowMySQL[f["request_type"]]; {
	case want != r.DB.Command:
		return fmt.Sprintf("command %s, DeepFlow %s", r.DB.Command, want)
	case want == "Login":
		login := "Login username: " + r.DB.User
		if r.DB.Namespace != "" {
			login += " db: " + r.DB.Namespace
		}
		if login != argument {
			return fmt.Sprintf("%q, DeepFlow %q", login, argument)
		}
	case want == "COM_INIT_DB" && r.DB.Namespace != argument:
		return fmt.Sprintf("database %q, DeepFlow %q", r.DB.Namespace, argument)
	case (want == "COM_QUERY" || want == "COM_STMT_PREPARE") && !sameText(r, argument, sql.MySQL):
		return fmt.Sprintf("text %q, DeepFlow %q", r.DB.Query, argument)
	}
	return ""
}
