// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"strings"
	"testing"

	"sonde/agent/model"
)

// TestZeekRedis holds name, key and success of each command against redis.log, as far as Zeek has an opinion: it names no
// command that came behind more than it keeps of a pipeline, and no answer to SUBSCRIBE.
func TestZeekRedis(t *testing.T) {
	score := Score{Corpus: "zeek", Protocol: "redis"}
	for _, z := range ZeekTests(t) {
		if z.Proto != "redis" {
			continue
		}
		rows, err := ReadZeek(Path(t, "zeek", z.Logs[0]))
		if err != nil {
			t.Fatal(err)
		}
		left := map[string][]model.Request{} // by connection
		count := 0
		for _, r := range Requests(t, Path(t, "zeek", z.Pcap)) {
			if r.Protocol == model.ProtocolRedis {
				ends := r.Client.Addr.String() + " " + r.Server.Addr.String()
				left[ends] = append(left[ends], r)
				count++
			}
		}
		if count != len(rows) {
			t.Errorf("%s: %d commands, Zeek has %d", z.Pcap, count, len(rows))
		}
		for i, row := range rows {
			score.Compared++
			if !takeRedis(left, row) {
				t.Errorf("%s: row %d %v: not seen", z.Pcap, i, row)
				continue
			}
			score.Equal++
		}
	}
	Report(t, score, 95)
}

// takeRedis removes the first command that a row is about, and reports whether there is one. Commands without an answer are
// reported at once and the others with their answer, so the order is that of commands alike.
func takeRedis(left map[string][]model.Request, row ZeekRow) bool {
	ends := zeekEnds(row)
	for i := range left[ends] {
		if sameRedis(&left[ends][i], row) {
			left[ends] = append(left[ends][:i:i], left[ends][i+1:]...)
			return true
		}
	}
	return false
}

func sameRedis(r *model.Request, row ZeekRow) bool {
	words := strings.Fields(r.DB.Query)
	name, key := row["cmd.name"], row["cmd.key"]
	if name != "" && (len(words) == 0 || !strings.EqualFold(words[0], name)) || key != "" && (len(words) < 2 || words[1] != key) {
		return false
	}
	switch row["success"] {
	case "T":
		return r.Outcome == model.OutcomeOK && !r.OneWay
	case "F":
		first, _, _ := strings.Cut(row["reply.value"], " ")
		return r.Outcome == model.OutcomeError && r.DB.Status == first
	}
	return r.OneWay || r.Outcome == model.OutcomeIncomplete || strings.HasSuffix(name, "SUBSCRIBE")
}

// TestDeepFlowRedis holds type, key and error of each message. Its lines have no response time.
func TestDeepFlowRedis(t *testing.T) {
	score := Score{Corpus: "deepflow", Protocol: "redis"}
	for _, name := range []string{"redis-debug", "redis-error"} {
		lines, err := ReadDeepFlow(Path(t, "deepflow", "flow_generator", "redis", name+".result"))
		if err != nil {
			t.Fatal(err)
		}
		requests := Requests(t, Path(t, "deepflow", "flow_generator", "redis", name+".pcap"))
		if 2*len(requests) != len(lines) {
			t.Fatalf("%s: %d requests, %d lines", name, len(requests), len(lines))
		}
		for i, l := range lines {
			score.Compared++
			if why := deepFlowRedisDifference(&requests[i/2], l); why != "" {
				t.Errorf("%s, line %d: %s", name, i, why)
				continue
			}
			score.Equal++
		}
	}
	Report(t, score, 95)
}

func deepFlowRedisDifference(r *model.Request, l DeepFlowLine) string {
	words := strings.Fields(l.Fields["request"])
	query := strings.Fields(r.DB.Query)
	failed := strings.TrimPrefix(strings.SplitN(l.Fields["error"]+" ", " ", 2)[0], "-")
	switch {
	case len(words) == 0 && failed != r.DB.Status:
		return fmt.Sprintf("error %q, DeepFlow %q", r.DB.Status, failed)
	case len(words) == 0:
		return ""
	case r.DB.Operation != l.Fields["request_type"] || len(query) != len(words) || query[1] != words[1]:
		return fmt.Sprintf("%q, DeepFlow %q", r.DB.Query, l.Fields["request"])
	}
	return ""
}
