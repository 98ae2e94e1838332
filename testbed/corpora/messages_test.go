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
)

// brokerMessage is one message of a broker's connection, as either side tells it.
type brokerMessage struct {
	what string        // type, key fields and status
	took time.Duration // response time, -1 when none is told
}

// messages compares the messages of a folder of DeepFlow's: each of its lines must be one of sonde's, with the same response
// time where it tells one. What sonde has beyond them is a failure too, but for extra.
type brokerTest struct {
	protocol string
	of       func(l DeepFlowLine) (brokerMessage, bool)
	from     func(r *model.Request) []brokerMessage
	extra    map[string]string // messages that DeepFlow does not tell, and why
}

func (b *brokerTest) run(t *testing.T) {
	score := Score{Corpus: "deepflow", Protocol: b.protocol}
	results, err := filepath.Glob(filepath.Join(Path(t, "deepflow", "flow_generator", b.protocol), "*.result"))
	if err != nil || len(results) == 0 {
		t.Fatalf("no results: %v", err)
	}
	for _, result := range results {
		b.compare(t, &score, result)
	}
	Report(t, score, 95)
}

func (b *brokerTest) compare(t *testing.T, score *Score, result string) {
	lines, err := ReadDeepFlow(result)
	if err != nil {
		t.Fatal(err)
	}
	capture := strings.TrimSuffix(result, ".result") + ".pcap"
	requests := Requests(t, capture)
	var ours []brokerMessage
	for i := range requests {
		ours = append(ours, b.from(&requests[i])...)
	}
	for _, l := range lines {
		want, ok := b.of(l)
		if !ok {
			t.Errorf("%s: not understood: %s", filepath.Base(result), l.Text)
			continue
		}
		score.Compared++
		if i := find(ours, want); i >= 0 {
			score.Equal++
			ours = append(ours[:i], ours[i+1:]...)
			continue
		}
		t.Errorf("%s: %s %v is none of %v", filepath.Base(result), want.what, want.took, ours)
	}
	for _, m := range ours {
		if b.extra[m.what] == "" {
			t.Errorf("%s: DeepFlow has no %s", filepath.Base(result), m.what)
		}
	}
}

// find returns the index of the message that is meant, -1 when there is none.
func find(in []brokerMessage, want brokerMessage) int {
	for i, m := range in {
		if m.what == want.what && (want.took < 0 || (m.took-want.took).Abs() <= time.Microsecond) {
			return i
		}
	}
	return -1
}

func microseconds(s string) time.Duration {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return time.Duration(n) * time.Microsecond
}

// TestDeepFlowNATS: a line of DeepFlow is a message; INFO and CONNECT, PING and PONG are pairs with a response time. sonde
// pairs a publication with its reply as well, whose subject it does not keep: there, type and direction are compared.
func TestDeepFlowNATS(t *testing.T) {
	(&brokerTest{protocol: "nats", of: natsLine, from: natsMessages, extra: map[string]string{
		"answer to CONNECT": "the PONG behind it, which DeepFlow tells as the answer to PING alone",
	}}).run(t)
}

func natsLine(l DeepFlowLine) (brokerMessage, bool) {
	m := brokerMessage{what: strings.ToUpper(l.Fields["message"]), took: -1}
	subject, replies := l.Fields["message.subject"], strings.HasPrefix(l.Fields["message.subject"], "_INBOX.")
	switch m.what {
	case "INFO", "PING":
	case "CONNECT":
		m = brokerMessage{"answer to INFO", microseconds(l.Fields["rtt"])}
	case "PONG":
		m = brokerMessage{"answer to PING", microseconds(l.Fields["rtt"])}
	case "PUB":
		if m.what += " " + subject; replies {
			m.what = "answer to MSG"
		}
	case "MSG":
		if m.what += " " + subject; replies {
			m.what = "answer to PUB"
		}
	case "SUB", "HPUB", "HMSG":
		m.what += " " + subject
	default:
		return m, false
	}
	return m, true
}

func natsMessages(r *model.Request) []brokerMessage {
	d := r.Messaging
	if d == nil || d.System != "nats" || r.Outcome != model.OutcomeOK {
		return nil
	}
	var out []brokerMessage
	if d.API != "CONNECT" { // told as the answer to INFO
		out = append(out, brokerMessage{strings.TrimSpace(d.API + " " + d.Destination), -1})
	}
	if r.ResponseStart > 0 {
		out = append(out, brokerMessage{"answer to " + d.API, r.ResponseStart - r.Start})
	}
	return out
}

// TestDeepFlowMQTT: a line of DeepFlow is a packet. It tells no response times, and codes of CONNACK alone.
func TestDeepFlowMQTT(t *testing.T) {
	(&brokerTest{protocol: "mqtt", of: mqttLine, from: mqttPackets}).run(t)
}

var mqttQoS = map[string]int{"AtMostOnce": 0, "AtLeastOnce": 1, "ExactlyOnce": 2}

func mqttLine(l DeepFlowLine) (brokerMessage, bool) {
	m := brokerMessage{what: strings.ToUpper(l.Fields["pkt_type"]), took: -1}
	switch m.what {
	case "CONNECT":
		m.what += fmt.Sprintf(" %s version %s", l.Fields["client_id"], l.Fields["version"])
	case "CONNACK":
		m.what += fmt.Sprintf(" ok=%t", l.Fields["code"] == "0")
	case "PUBLISH":
		m.what += fmt.Sprintf(" %s qos=%d", l.Fields["publish_topic"], mqttQoS[l.Fields["pkt_type.qos"]])
	case "SUBSCRIBE", "UNSUBSCRIBE":
		topics := strings.Split(l.Fields["endpoint"], ",")
		m.what += fmt.Sprintf(" %s %d", topics[0], len(topics))
	}
	return m, l.Kind == "MqttInfo"
}

func mqttPackets(r *model.Request) []brokerMessage {
	d := r.Messaging
	if d == nil || d.System != "mqtt" || r.Outcome == model.OutcomeIncomplete {
		return nil
	}
	packets := func(names ...string) (out []brokerMessage) {
		for _, n := range names {
			out = append(out, brokerMessage{n, -1})
		}
		return out
	}
	ok := r.Outcome == model.OutcomeOK
	switch d.API {
	case "CONNECT":
		return packets(fmt.Sprintf("CONNECT %s version %d", d.ClientID, d.APIVersion), fmt.Sprintf("CONNACK ok=%t", ok))
	case "PUBLISH":
		answers := [][]string{{}, {"PUBACK"}, {"PUBREC", "PUBREL", "PUBCOMP"}}[d.QoS]
		return packets(append([]string{fmt.Sprintf("PUBLISH %s qos=%d", d.Destination, d.QoS)}, answers...)...)
	case "SUBSCRIBE", "UNSUBSCRIBE":
		return packets(fmt.Sprintf("%s %s %d", d.API, d.Destination, d.Destinations), strings.Replace(d.API, "SCRIBE", "ACK", 1))
	case "PINGREQ":
		return packets("PINGREQ", "PINGRESP")
	}
	return packets(d.API)
}

// TestZeekWebSocket holds Zeek's websocket.log against the sessions: each row must be one, by its address, path, subprotocol
// and whether the server agreed to compression.
func TestZeekWebSocket(t *testing.T) {
	score := Score{Corpus: "zeek", Protocol: "websocket"}
	for _, z := range ZeekTests(t) {
		log := z.Log("websocket")
		if log == "" {
			continue
		}
		rows, err := ReadZeek(Path(t, "zeek", log))
		if err != nil {
			t.Fatal(err)
		}
		requests := Requests(t, Path(t, "zeek", z.Pcap))
		for _, row := range rows {
			score.Compared++
			if why := webSocketDifference(row, requests); why != "" {
				t.Errorf("%s: %s", z.Pcap, why)
				continue
			}
			score.Equal++
		}
	}
	if score.Compared == 0 {
		t.Error("no rows")
	}
	Report(t, score, 95)
}

func webSocketDifference(row ZeekRow, requests []model.Request) string {
	path, _, _ := strings.Cut(row["uri"], "?")
	why := "no session"
	for i := range requests {
		r := &requests[i]
		if r.WebSocket == nil || strconv.Itoa(int(r.Client.Addr.Port())) != row["id.orig_p"] {
			continue
		}
		w := r.WebSocket
		compressed := strings.Contains(row["server_extensions"], "permessage-deflate")
		if w.Host == row["host"] && w.Path == path && w.Subprotocol == row["subprotocol"] && w.Compressed == compressed {
			return ""
		}
		why = fmt.Sprintf("sonde %+v, zeek %v", *w, row)
	}
	return why
}
