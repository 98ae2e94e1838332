// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

// TestDeepFlowMemcached holds command, key, result and response time. Two of its lines are no messages: it takes the data
// block of a set, which came in a segment of its own, and quit for commands that it does not know. Here the block belongs to
// its command, and quit is one without an answer.
func TestDeepFlowMemcached(t *testing.T) {
	score := Score{Corpus: "deepflow", Protocol: "memcached"}
	lines, err := ReadDeepFlow(Path(t, "deepflow", "flow_generator", "memcached", "memcached.result"))
	if err != nil {
		t.Fatal(err)
	}
	requests := Requests(t, Path(t, "deepflow", "flow_generator", "memcached", "memcached.pcap"))
	if n := len(requests); n != 3 || requests[n-1].DB.Operation != "quit" || !requests[n-1].OneWay {
		t.Fatalf("%d requests, want set, get and quit", n)
	}
	i := -1
	for _, l := range lines {
		_, message, ok := strings.Cut(l.Text, "MemcachedInfo { msg_type: ")
		if !ok {
			t.Logf("left out: %s", l.Text)
			continue
		}
		if strings.HasPrefix(message, "Request") {
			i++
		}
		score.Compared++
		if why := deepFlowMemcachedDifference(&requests[i], message); why != "" {
			t.Errorf("%s: %s", l.Text, why)
			continue
		}
		score.Equal++
	}
	Report(t, score, 95)
}

// deepFlowMemcachedDifference reads a line itself: its fields have no commas between them.
func deepFlowMemcachedDifference(r *model.Request, message string) string {
	field := func(name, next string) string {
		_, rest, _ := strings.Cut(message, " "+name+": ")
		value, _, _ := strings.Cut(rest, " "+next)
		return strings.TrimSpace(value)
	}
	if strings.HasPrefix(message, "Request") {
		words, query := strings.Fields(field("request", "req_size:")), strings.Fields(r.DB.Query)
		if len(words) != len(query) || words[0] != r.DB.Operation || words[1] != query[1] {
			return fmt.Sprintf("sonde %q", r.DB.Query)
		}
		return ""
	}
	rtt, _ := strconv.Atoi(field("rtt", "}"))
	if took := r.ResponseStart - r.Start; (took - time.Duration(rtt)*time.Microsecond).Abs() > time.Microsecond {
		return fmt.Sprintf("response time %v", took)
	}
	failed := field("err_msg", "res_size:") != ""
	if failed != (r.Outcome == model.OutcomeError) || strconv.Itoa(int(r.ResponseBytes)) != field("res_size", "rtt:") {
		return fmt.Sprintf("%v, %d bytes", r.Outcome, r.ResponseBytes)
	}
	return ""
}
