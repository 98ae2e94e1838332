// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
	"sonde/agent/protocol"
	"sonde/agent/protocol/all"
	"sonde/agent/protocol/detect"
)

// TestDeepFlowKafka: each line is a request or an answer, compared by correlation id, API, version, sizes, client, topic,
// partition, group, status class and response time.
func TestDeepFlowKafka(t *testing.T) {
	(&brokerTest{protocol: "kafka", of: kafkaLine, from: kafkaMessages}).run(t)
}

func kafkaLine(l DeepFlowLine) (brokerMessage, bool) {
	f := l.Fields
	what := fmt.Sprintf("%s #%s %s v%s", f["msg_type"], f["correlation_id"], f["api_key"], f["api_version"])
	if f["msg_type"] == "Request" {
		what += fmt.Sprintf(" of %s from %s", f["captured_request_byte"], f["client_id"])
		if topic := f["topic_name"]; topic != "" {
			what += " to " + topic + "-" + f["partition"]
		}
		if f["group_id"] != "" {
			what += " in " + f["group_id"]
		}
		return brokerMessage{what, -1}, l.Kind == "KafkaInfo"
	}
	m := brokerMessage{what: what + fmt.Sprintf(" of %s, ok %v", f["captured_response_byte"], f["status"] == "Ok"), took: -1}
	if f["rrt"] != "0" { // it has none for an answer that took long
		m.took = microseconds(f["rrt"])
	}
	return m, l.Kind == "KafkaInfo"
}

func kafkaMessages(r *model.Request) []brokerMessage {
	d := r.Messaging
	if d == nil || d.System != "kafka" {
		return nil
	}
	name := fmt.Sprintf("#%d %s v%d", d.CorrelationID, d.API, d.APIVersion)
	what := fmt.Sprintf("Request %s of %d from %s", name, r.RequestBytes, d.ClientID)
	if d.Destination != "" {
		what += fmt.Sprintf(" to %s-%d", d.Destination, d.Partition)
	}
	if d.Group != "" {
		what += " in " + d.Group
	}
	out := []brokerMessage{{what, -1}}
	if r.ResponseStart > 0 {
		out = append(out, brokerMessage{
			fmt.Sprintf("Response %s of %d, ok %v", name, r.ResponseBytes, r.Outcome == model.OutcomeOK), r.ResponseStart - r.Start,
		})
	}
	return out
}

// kindlingCall is a system call of a fixture: when it returned, what it carried as far as it was captured, and how much that was.
type kindlingCall struct {
	at    time.Duration
	bytes []byte
	size  int
}

var (
	kindlingSection = regexp.MustCompile(`^  (requests|responses|expects):`)
	kindlingValue   = regexp.MustCompile(`^ +(timestamp|res|kafka_\w+|request_io|response_io|waiting_ttfb_time): (.*)$`)
	kindlingPiece   = regexp.MustCompile(`^ +- "([^|]*)\|(.*)"$`)
)

// readKindling reads a fixture: calls of the client, calls that brought the answer, and what Kindling makes of them.
func readKindling(t *testing.T, path string) (calls map[string][]kindlingCall, want map[string]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	calls, want = map[string][]kindlingCall{}, map[string]string{}
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if m := kindlingSection.FindStringSubmatch(line); m != nil {
			section = m[1]
			continue
		}
		if m := kindlingPiece.FindStringSubmatch(line); m != nil {
			last := &calls[section][len(calls[section])-1]
			last.bytes = append(last.bytes, kindlingBytes(t, m[1], m[2])...)
			continue
		}
		m := kindlingValue.FindStringSubmatch(line)
		switch {
		case m == nil || section == "":
		case section == "expects":
			want[m[1]] = strings.Trim(m[2], `"`)
		case m[1] == "timestamp":
			n, _ := strconv.Atoi(m[2])
			calls[section] = append(calls[section], kindlingCall{at: time.Duration(n)})
		case m[1] == "res":
			calls[section][len(calls[section])-1].size, _ = strconv.Atoi(m[2])
		}
	}
	return calls, want
}

// kindlingBytes reads a piece: "hex|...", or a length in hex and text.
func kindlingBytes(t *testing.T, kind, text string) []byte {
	t.Helper()
	if kind == "hex" {
		kind, text = text, ""
	}
	b, err := hex.DecodeString(kind)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, text...)
}

// TestKindlingKafka feeds what system calls brought, cut as a probe cuts it.
func TestKindlingKafka(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(Path(t, "kindling", "testdata", "kafka"), "*-trace-*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no fixtures: %v", err)
	}
	score := Score{Corpus: "kindling", Protocol: "kafka"}
	for _, file := range files {
		calls, want := readKindling(t, file)
		var got []string
		p := detect.New(all.Specs(), func(r *model.Request) { got = append(got, kindlingLine(r)) }, nil).Conn(model.TransportTCP, false)
		answered := 0
		for d, section := range []string{"requests", "responses"} {
			for _, c := range calls[section] {
				p.Feed(protocol.Dir(d), c.bytes, c.at)
				answered += d * max(c.size, len(c.bytes)) // in one fixture a call brings more than it counts, and Kindling adds up what it counts
				if c.size > len(c.bytes) {
					p.Skip(protocol.Dir(d), uint64(c.size-len(c.bytes)), c.at)
				}
			}
		}
		p.Close(protocol.Close{Reason: "connection_closed"})
		line := fmt.Sprintf("%s v%s #%s %s error %v, %s/%d", want["kafka_api"], want["kafka_version"], want["kafka_id"], want["kafka_topic"],
			want["kafka_error_code"] != "0", want["request_io"], answered)
		if score.Compared++; len(got) == 1 && got[0] == line {
			score.Equal++
		} else {
			t.Errorf("%s: got %q, want %q", filepath.Base(file), got, line)
		}
	}
	Report(t, score, 100)
}

func kindlingLine(r *model.Request) string {
	d := r.Messaging
	if d == nil {
		return r.Protocol.String()
	}
	api := map[string]int{"Produce": 0, "Fetch": 1}[d.API]
	return fmt.Sprintf("%d v%d #%d %s error %v, %d/%d", api, d.APIVersion, d.CorrelationID, d.Destination,
		r.Outcome != model.OutcomeOK, r.RequestBytes, r.ResponseBytes)
}
