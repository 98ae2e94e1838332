// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

var (
	mongoFirst    = regexp.MustCompile(`^\{ "([^"]+)": (?:"([^"]*)")?`)
	mongoDatabase = regexp.MustCompile(`"\$db": "([^"]*)"`)
)

// TestDeepFlowMongoDB holds opcode, command, collection, database, error code and response time of each message.
func TestDeepFlowMongoDB(t *testing.T) {
	score := Score{Corpus: "deepflow", Protocol: "mongodb"}
	for _, name := range []string{"mongo", "mongo-msg"} {
		lines, err := ReadDeepFlow(Path(t, "deepflow", "flow_generator", "mongo", name+".result"))
		if err != nil {
			t.Fatal(err)
		}
		requests := Requests(t, Path(t, "deepflow", "flow_generator", "mongo", name+".pcap"))
		if 2*len(requests) != len(lines) {
			t.Fatalf("%s: %d requests, %d lines", name, len(requests), len(lines))
		}
		for i, l := range lines {
			score.Compared++
			r := &requests[i/2]
			why := mongoRequestDifference(r, l)
			if l.Fields["msg_type"] == "Response" {
				why = mongoResponseDifference(r, l)
			}
			if why != "" {
				t.Errorf("%s, line %d: %s", name, i, why)
				continue
			}
			score.Equal++
		}
	}
	Report(t, score, 95)
}

func mongoRequestDifference(r *model.Request, l DeepFlowLine) string {
	text := l.Fields["request"]
	first := mongoFirst.FindStringSubmatch(text)
	if first == nil || r.DB.Operation != first[1] || r.DB.Command != l.Fields["op_code_name"] {
		return fmt.Sprintf("%s %s, DeepFlow %s", r.DB.Command, r.DB.Operation, text)
	}
	if database := mongoDatabase.FindStringSubmatch(text); database != nil && r.DB.Namespace != database[1] {
		return fmt.Sprintf("database %q, DeepFlow %s", r.DB.Namespace, text)
	}
	if first[1] == "find" && r.DB.Collection != first[2] {
		return fmt.Sprintf("collection %q, DeepFlow %s", r.DB.Collection, text)
	}
	if strconv.Itoa(int(r.RequestBytes)) != l.Fields["captured_request_byte"] {
		return fmt.Sprintf("%d bytes, DeepFlow %s", r.RequestBytes, l.Fields["captured_request_byte"])
	}
	return ""
}

func mongoResponseDifference(r *model.Request, l DeepFlowLine) string {
	code := strings.TrimPrefix(l.Fields["response_code"], "0")
	if code != r.DB.Status || (code != "") != (r.Outcome == model.OutcomeError) {
		return fmt.Sprintf("code %q, DeepFlow %s", r.DB.Status, code)
	}
	rrt, _ := strconv.Atoi(l.Fields["rrt"])
	if took := r.ResponseStart - r.Start; (took - time.Duration(rrt)*time.Microsecond).Abs() > time.Microsecond {
		return fmt.Sprintf("response time %v, DeepFlow %d us", took, rrt)
	}
	return ""
}
