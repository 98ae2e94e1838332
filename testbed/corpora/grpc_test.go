// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sonde/agent/model"
)

// callCaptures are captures of HTTP/2, where the name of the result is another.
var callCaptures = map[string]string{"grpc-server-stream-as-unary": "grpc-server-stream"}

// TestDeepFlowHTTP2 holds kind, method, path, statuses and messages of each stream against what DeepFlow says of its frames,
// a line each. Its lines of HTTP have no response time. Lines about the connection, and about what is no HTTP/2, are left
// out.
func TestDeepFlowHTTP2(t *testing.T) {
	files, err := filepath.Glob(Path(t, "deepflow", "flow_generator", "http") + "/*.result")
	if err != nil || len(files) == 0 {
		t.Fatalf("no results: %v", err)
	}
	scores := map[string]*Score{"Grpc": {Corpus: "deepflow", Protocol: "grpc"}, "Http2": {Corpus: "deepflow", Protocol: "http/2"}}
	for _, file := range files {
		lines, err := ReadDeepFlow(file)
		if err != nil {
			t.Fatal(err)
		}
		streams := map[string][]DeepFlowLine{}
		var order []string
		for _, l := range lines {
			if id := l.Fields["stream_id"]; scores[l.Fields["proto"]] != nil && l.Fields["msg_type"] != "Other" {
				if streams[id] == nil {
					order = append(order, id)
				}
				streams[id] = append(streams[id], l)
			}
		}
		if len(order) == 0 {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(file), ".result")
		capture := name
		if other := callCaptures[name]; other != "" {
			capture = other
		}
		compareStreams(t, name, Requests(t, Path(t, "deepflow", "flow_generator", "http", capture+".pcap")), order, streams, scores)
	}
	for _, s := range scores {
		Report(t, *s, 95)
	}
}

// compareStreams holds requests against streams. sonde names the stream of a call; those of other requests, which DeepFlow
// numbers, are told apart by what was answered.
func compareStreams(t *testing.T, name string, requests []model.Request, order []string, streams map[string][]DeepFlowLine, scores map[string]*Score) {
	t.Helper()
	if len(requests) != len(order) {
		t.Errorf("%s: %d requests, DeepFlow has %d streams", name, len(requests), len(order))
	}
	for _, id := range order {
		var r *model.Request
		for i := range requests {
			if streamOf(&requests[i], id, streams[id]) {
				r = &requests[i]
			}
		}
		for _, l := range streams[id] {
			score := scores[l.Fields["proto"]]
			score.Compared++
			if why := streamDifference(r, l, streams[id]); why != "" {
				t.Errorf("%s, stream %s, %s: %s", name, id, l.Fields["msg_type"], why)
				continue
			}
			score.Equal++
		}
	}
}

func streamOf(r *model.Request, id string, lines []DeepFlowLine) bool {
	if r.RPC != nil {
		return fmt.Sprint(r.RPC.Stream) == id
	}
	last := lines[len(lines)-1]
	return fmt.Sprint(r.HTTP.ResponseBodyBytes) == last.Fields["resp_content_length"]
}

// streamDifference is what is different of one line, "" when nothing is.
func streamDifference(r *model.Request, l DeepFlowLine, all []DeepFlowLine) string {
	f := l.Fields
	if r == nil {
		return "no request"
	}
	if grpc := f["proto"] == "Grpc"; grpc != (r.Protocol == model.ProtocolGRPC) {
		return "protocol " + r.Protocol.String()
	}
	switch f["msg_type"] {
	case "Request":
		if f["path"] != r.HTTP.Path || f["host"] != r.HTTP.Host {
			return fmt.Sprintf("%q of %q, DeepFlow %q of %q", r.HTTP.Path, r.HTTP.Host, f["path"], f["host"])
		}
		if method := f["method"]; !strings.HasPrefix(method, "_") && !strings.EqualFold(method, r.HTTP.Method) {
			return fmt.Sprintf("%s, DeepFlow %s", r.HTTP.Method, method)
		}
	case "Response":
		if status := f["status_code"]; status != "" && status != fmt.Sprint(r.HTTP.Status) {
			return fmt.Sprintf("HTTP status %d, DeepFlow %s", r.HTTP.Status, status)
		}
		if status := f["grpc_status_code"]; status != "" && (r.RPC == nil || status != fmt.Sprint(r.RPC.Status)) {
			return fmt.Sprintf("status %+v, DeepFlow %s", r.RPC, status)
		}
		if ok := f["status"] == "Ok"; ok != (r.Outcome == model.OutcomeOK) {
			return fmt.Sprintf("%s, DeepFlow %s", r.Outcome, f["status"])
		}
	default:
		return messageDifference(r.RPC, all)
	}
	return ""
}

// messageDifference holds messages against lines: in these captures each has a frame and a segment of its own.
func messageDifference(c *model.RPC, all []DeepFlowLine) string {
	var requests, responses uint64
	for _, l := range all {
		if n := l.Fields["req_content_length"]; n != "" && n != "0" {
			requests++
		}
		if n := l.Fields["resp_content_length"]; n != "" && n != "0" {
			responses++
		}
	}
	if c == nil || c.RequestMessages != requests || c.ResponseMessages != responses {
		return fmt.Sprintf("%+v, DeepFlow has %d and %d messages", c, requests, responses)
	}
	return ""
}
