// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"sonde/agent/model"
)

// dnsSecondAnswer is why rows are left out that repeat another: Zeek gives an answer that comes twice a row of its own; sonde
// reports requests, and this one was answered.
const dnsSecondAnswer = "a second answer to a query that was answered"

// TestZeekDNS holds name, type, response code, answers and their lifetimes of each query against dns.log, as far as Zeek has
// an opinion.
func TestZeekDNS(t *testing.T) {
	score := Score{Corpus: "zeek", Protocol: "dns"}
	for _, z := range ZeekTests(t) {
		log := z.Log("dns")
		if log == "" {
			continue
		}
		rows, err := ReadZeek(Path(t, "zeek", log))
		if err != nil {
			t.Fatal(err)
		}
		requests := Requests(t, Path(t, "zeek", z.Pcap))
		seen := map[string]bool{}
		for _, row := range rows {
			key := zeekEnds(row) + " " + row["trans_id"] + " " + strings.ToLower(row["query"])
			if seen[key] && row["qtype"] == "" {
				t.Logf("%s: %s is left out: %s", z.Pcap, key, dnsSecondAnswer)
				continue
			}
			seen[key] = true
			score.Compared++
			if why := zeekDNSDifference(row, requests); why == "" {
				score.Equal++
			} else {
				t.Errorf("%s: %s: %s", z.Pcap, key, why)
			}
		}
	}
	Report(t, score, 95)
}

// zeekDNSDifference returns what sonde says otherwise than a row, "" when nothing.
func zeekDNSDifference(row ZeekRow, requests []model.Request) string {
	i := slices.IndexFunc(requests, func(r model.Request) bool {
		return r.Protocol == model.ProtocolDNS && strconv.Itoa(int(r.DNS.ID)) == row["trans_id"] &&
			r.Client.Addr.String()+" "+r.Server.Addr.String() == zeekEnds(row)
	})
	if i < 0 {
		return "not seen"
	}
	d := requests[i].DNS
	got := ZeekRow{"query": strings.ToLower(d.Name), "original_query": d.Name, "qtype_name": d.Type, "rcode_name": d.RCode,
		"answers": strings.Join(zeekAnswers(d), ","), "TTLs": zeekTTLs(d), "opcode_name": strings.ToLower(d.Opcode)}
	for column, value := range got {
		if want, ok := row[column]; ok && want != value {
			return fmt.Sprintf("%s: Zeek %q, sonde %q", column, want, value)
		}
	}
	return ""
}

// zeekAnswers writes the answers as Zeek does.
func zeekAnswers(d *model.DNS) (out []string) {
	for _, a := range d.Answers {
		fields := strings.Fields(a)
		if len(fields) == 0 {
			continue
		}
		kind := d.Type
		if len(fields) > 1 && fields[0] == strings.ToUpper(fields[0]) && strings.Contains("RRSIG DNSKEY DS NSEC NSEC3 DNAME SOA MX TXT", fields[0]) {
			kind, fields = fields[0], fields[1:]
		}
		switch kind {
		case "RRSIG":
			out = append(out, fmt.Sprintf("RRSIG %d %s", dnsTypes[fields[0]], fields[min(7, len(fields)-1)]))
		case "NSEC3PARAM":
			out = append(out, kind)
		case "TXT":
			out = append(out, zeekText(a))
		case "MX", "SRV":
			out = append(out, strings.ToLower(fields[len(fields)-1]))
		default:
			out = append(out, strings.ToLower(fields[0]))
		}
	}
	return out
}

var dnsTypes = map[string]int{"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "MX": 15, "TXT": 16, "AAAA": 28, "NSEC": 47, "DNSKEY": 48, "NSEC3": 50}

// zeekText writes the strings of a TXT record; names among the answers are no strings.
func zeekText(a string) string {
	if !strings.HasPrefix(a, `"`) {
		return strings.ToLower(a)
	}
	var parts []string
	for _, s := range strings.Split(strings.Trim(a, `"`), `" "`) {
		parts = append(parts, fmt.Sprintf("TXT %d %s", len(s), s))
	}
	return strings.Join(parts, " ")
}

func zeekTTLs(d *model.DNS) string {
	var out []string
	for _, ttl := range d.TTLs {
		out = append(out, fmt.Sprintf("%d.000000", ttl))
	}
	return strings.Join(out, ",")
}

// TestDeepFlowDNS holds type, name, status class and response time of each message against DeepFlow's.
func TestDeepFlowDNS(t *testing.T) {
	score := Score{Corpus: "deepflow", Protocol: "dns"}
	for _, name := range []string{"dns", "not-handled-qtype"} {
		lines, err := ReadDeepFlow(Path(t, "deepflow", "flow_generator", "dns", name+".result"))
		if err != nil {
			t.Fatal(err)
		}
		requests := Requests(t, Path(t, "deepflow", "flow_generator", "dns", name+".pcap"))
		for _, line := range lines {
			score.Compared++
			if why := deepFlowDNSDifference(line.Fields, requests); why == "" {
				score.Equal++
			} else {
				t.Errorf("%s: %s: %s", name, why, line.Text)
			}
		}
	}
	Report(t, score, 95)
}

func deepFlowDNSDifference(f map[string]string, requests []model.Request) string {
	i := slices.IndexFunc(requests, func(r model.Request) bool {
		return r.Protocol == model.ProtocolDNS && strconv.Itoa(int(r.DNS.ID)) == f["request_id"]
	})
	if i < 0 {
		return "not seen"
	}
	r := requests[i]
	if r.DNS.Name != f["request_resource"] || r.DNS.Type != f["request_type"] {
		return fmt.Sprintf("sonde %s %s", r.DNS.Name, r.DNS.Type)
	}
	if f["msg_type"] == "Request" {
		return ""
	}
	micros, _ := strconv.Atoi(f["rrt"])
	off := r.ResponseStart - r.Start - time.Duration(micros)*time.Microsecond
	if off.Abs() > time.Microsecond || (f["response_status"] == "ok") != (r.Outcome == model.OutcomeOK) {
		return fmt.Sprintf("sonde %s after %v", r.Outcome, r.ResponseStart-r.Start)
	}
	return ""
}
