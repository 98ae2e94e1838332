// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/redis"
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

var (
	kindlingString = regexp.MustCompile(`^ +- (".*")$`)
	kindlingLabel  = regexp.MustCompile(`^ +(redis_command|is_error|request_io|response_io|res): "?([^"]*)"?$`)
)

// TestKindlingRedis feeds what system calls brought, as much of it as was captured, and holds command, error and sizes. Its
// times are those of system calls, which bytes do not have.
func TestKindlingRedis(t *testing.T) {
	score := Score{Corpus: "kindling", Protocol: "redis"}
	for _, name := range []string{"server-trace-get", "1k-trace"} {
		text, err := os.ReadFile(Path(t, "kindling", "testdata", "redis", name+".yml"))
		if err != nil {
			t.Fatal(err)
		}
		var got map[string]string
		parser := redis.Spec().Setup(&protocol.Env{Emit: func(r *model.Request) {
			got = map[string]string{
				"redis_command": r.DB.Operation, "is_error": fmt.Sprint(r.Outcome == model.OutcomeError),
				"request_io": fmt.Sprint(r.RequestBytes), "response_io": fmt.Sprint(r.ResponseBytes),
			}
		}})(protocol.Start{})
		want := feedKindling(t, parser, string(text))
		for label, value := range want {
			score.Compared++
			if got[label] != value {
				t.Errorf("%s: %s is %q, Kindling says %q", name, label, got[label], value)
				continue
			}
			score.Equal++
		}
	}
	Report(t, score, 95)
}

// feedKindling feeds a fixture and returns what it expects.
func feedKindling(t *testing.T, parser protocol.Parser, text string) (want map[string]string) {
	want = map[string]string{}
	dir, left := protocol.Received, uint64(0) // of the call at hand, not captured
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch strings.TrimSpace(line) {
		case "responses:":
			dir = protocol.Sent
		case "expects:":
			if left > 0 {
				parser.Skip(dir, left, 1)
			}
		}
		if m := kindlingString.FindStringSubmatch(line); m != nil {
			data, err := strconv.Unquote(m[1])
			if err != nil {
				t.Fatal(err)
			}
			left -= uint64(len(data))
			parser.Feed(dir, []byte(data), 1)
		} else if m := kindlingLabel.FindStringSubmatch(line); m != nil && m[1] != "res" {
			want[m[1]] = m[2]
		} else if m != nil {
			left, _ = strconv.ParseUint(m[2], 10, 64)
		}
	}
	return want
}
