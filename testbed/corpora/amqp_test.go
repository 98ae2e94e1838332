// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"strings"
	"testing"
	"unicode"

	"sonde/agent/model"
)

// TestDeepFlowAMQP: each line is a frame. Methods that ask are compared by name and what they are about, answers by what they
// answer, status class and response time, contents by size. The protocol header is what connection.start answers.
func TestDeepFlowAMQP(t *testing.T) {
	(&brokerTest{protocol: "amqp", of: amqpLine, from: amqpFrames, extra: map[string]string{
		"connection.close error": "the close behind a refused connection.open, which DeepFlow takes for its answer alone",
	}}).run(t)
}

func amqpLine(l DeepFlowLine) (brokerMessage, bool) {
	f := l.Fields
	name := amqpName(f["class_id"]) + "." + amqpName(f["method_id"])
	failed := strings.HasSuffix(f["resp_status"], "Error")
	m := brokerMessage{took: -1}
	switch {
	case f["is_protcol_header"] == "true":
		m.what = "protocol header"
	case f["frame_type"] == "Header":
		m.what = "content of " + f["body_size"]
	case f["frame_type"] == "Body":
		m.what = "body of " + f["payload_size"]
	case f["msg_type"] == "Response" && failed: // a close in the place of an answer
		m = brokerMessage{"error", microseconds(f["rtt"])}
	case f["msg_type"] == "Response":
		m = brokerMessage{"answer to " + strings.TrimSuffix(name, "-ok"), microseconds(f["rtt"])}
	case f["queue"] != "":
		m.what = strings.TrimSpace(name + " " + f["queue"] + " " + f["routing_key"])
	default:
		m.what = strings.TrimSpace(name + " " + f["exchange"] + " " + f["routing_key"])
		if failed {
			m.what += " error"
		}
	}
	return m, l.Kind == "AmqpInfo"
}

// amqpName turns "StartOk" into "start-ok".
func amqpName(s string) string {
	var b strings.Builder
	for i, c := range s {
		if unicode.IsUpper(c) && i > 0 {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

func amqpFrames(r *model.Request) []brokerMessage {
	d := r.Messaging
	if d == nil || d.System != "rabbitmq" {
		return nil
	}
	what := d.API
	if d.Destination != "" {
		what = strings.TrimSpace(fmt.Sprintf("%s %s %s", d.API, d.Destination, d.RoutingKey))
	}
	took := r.ResponseStart - r.Start
	failed := r.Outcome == model.OutcomeError
	var out []brokerMessage
	switch {
	case d.API == "connection.start":
		out = append(out, brokerMessage{"protocol header", -1})
	case d.BodyBytes > 0:
		out = append(out, brokerMessage{fmt.Sprintf("content of %d", d.BodyBytes), -1}, brokerMessage{fmt.Sprintf("body of %d", d.BodyBytes), -1})
	}
	switch {
	case failed && r.ResponseStart > 0:
		out = append(out, brokerMessage{"error", took})
	case failed, d.API == "connection.close" && r.Outcome == model.OutcomeIncomplete:
		what += " error"
	case r.ResponseStart > 0:
		out = append(out, brokerMessage{"answer to " + d.API, took})
	}
	return append(out, brokerMessage{what, -1})
}
