// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sonde/agent/model"
)

// httpDifferences are the captures of which Zeek says something else, and why.
var httpDifferences = map[string]string{
	"Traces/http/connect-with-smtp.pcap":  "CONNECT names an authority, which is no path (RFC 9112 3.2.3); Zeek takes the malformed rest of the line for it",
	"Traces/http/no-uri.pcap":             "\"GET HTTP/1.1\" is no request line (RFC 9112 3); it was answered, so it is reported without a method",
	"Traces/http/no-version.pcap":         "HTTP/0.9: a line without version that is answered by bare HTML; Zeek logs a second row without anything",
	"Traces/wikipedia.pcap":               "a connection older than the capture, which Zeek does not analyse",
	"Traces/websocket/wstunnel-http.pcap": "Zeek logs the request inside of the tunnel on the same connection, and gives its status to the outer one",
}

// TestZeekHTTP holds method, target and status of each request against http.log. Where tshark agrees with Zeek all must be
// equal.
func TestZeekHTTP(t *testing.T) {
	agreed := agreedHTTP(t)
	all, must := Score{Corpus: "zeek", Protocol: "http"}, Score{Corpus: "zeek", Protocol: "http, agreed list"}
	seen := map[string]bool{}
	for _, z := range ZeekTests(t) {
		log := z.Log("http")
		if log == "" || seen[z.Pcap] || z.Proto == "quic" || z.Proto == "ssl" { // HTTP inside of TLS
			continue
		}
		rows, err := ReadZeek(Path(t, "zeek", log))
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) == 0 || !has(rows, "uri") { // Zeek was asked for other columns
			continue
		}
		seen[z.Pcap] = true
		score := compareHTTP(t, z.Pcap, rows, slices.Contains(agreed, z.Pcap))
		all.Compared, all.Equal = all.Compared+score.Compared, all.Equal+score.Equal
		if slices.Contains(agreed, z.Pcap) {
			must.Compared, must.Equal = must.Compared+score.Compared, must.Equal+score.Equal
		}
	}
	Report(t, must, 100)
	Report(t, all, 85) // each difference needs a reason above
}

func agreedHTTP(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(Path(t, "zeek", "agreed-http.json"))
	if err != nil {
		t.Fatal(err)
	}
	var lists struct {
		Agree []string `json:"agree"`
	}
	if err := json.Unmarshal(text, &lists); err != nil {
		t.Fatal(err)
	}
	return lists.Agree
}

func has(rows []ZeekRow, column string) bool {
	for _, r := range rows {
		if _, ok := r[column]; ok {
			return true
		}
	}
	return false
}

// compareHTTP compares connection by connection in order. Where Zeek was not asked for connections or the order on them, what
// is left is that the same requests were seen. Answers without a request, which Zeek gives a row without a method, are no
// requests.
func compareHTTP(t *testing.T, capture string, rows []ZeekRow, agreed bool) Score {
	t.Helper()
	requests := Requests(t, Path(t, "zeek", capture))
	slices.SortStableFunc(requests, func(a, b model.Request) int { return cmp.Compare(a.Start, b.Start) })
	ordered, ends, methods := has(rows, "trans_depth"), has(rows, "id.orig_p"), has(rows, "method")
	want, got := map[string][]string{}, map[string][]string{}
	slices.SortStableFunc(rows, func(a, b ZeekRow) int { return cmp.Compare(number(a["trans_depth"]), number(b["trans_depth"])) })
	for _, r := range rows {
		if r["method"] != "" || !methods {
			want[zeekEnds(r)] = append(want[zeekEnds(r)], zeekLine(r))
		}
	}
	for i := range requests {
		if r := &requests[i]; r.Protocol == model.ProtocolHTTP {
			key := ""
			if ends {
				key = r.Client.Addr.String() + " " + r.Server.Addr.String()
			}
			got[key] = append(got[key], httpLine(r, rows))
		}
	}
	s := Score{}
	var differences []string
	for key := range union(want, got) {
		w, g := want[key], got[key]
		if !ordered || !ends {
			slices.Sort(w)
			slices.Sort(g)
		}
		for i := range max(len(w), len(g)) {
			if s.Compared++; at(w, i) == at(g, i) {
				s.Equal++
				continue
			}
			differences = append(differences, fmt.Sprintf("%s: Zeek %q, sonde %q", key, at(w, i), at(g, i)))
		}
	}
	judgeHTTP(t, capture, s, differences, agreed)
	return s
}

func judgeHTTP(t *testing.T, capture string, s Score, differences []string, agreed bool) {
	t.Helper()
	reason := httpDifferences[capture]
	switch {
	case s.Equal == s.Compared && reason != "":
		t.Errorf("%s: listed as different, and equal: %s", capture, reason)
	case s.Equal < s.Compared && (reason == "" || agreed):
		slices.Sort(differences)
		t.Errorf("%s:\n%s", capture, strings.Join(differences, "\n"))
	case s.Equal < s.Compared:
		t.Logf("%s: %d of %d: %s", capture, s.Equal, s.Compared, reason)
	}
}

func union(a, b map[string][]string) map[string]bool {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return keys
}

func number(s string) int {
	n, _ := strconv.Atoi(s) // what is absent comes first
	return n
}

// zeekEnds names the connection of a row, "" where the columns are missing.
func zeekEnds(r ZeekRow) string {
	client, err := netip.ParseAddr(r["id.orig_h"])
	if err != nil {
		return ""
	}
	server, err := netip.ParseAddr(r["id.resp_h"])
	if err != nil {
		return ""
	}
	port := func(s string) uint16 { n, _ := strconv.ParseUint(s, 10, 16); return uint16(n) }
	return netip.AddrPortFrom(client, port(r["id.orig_p"])).String() + " " + netip.AddrPortFrom(server, port(r["id.resp_p"])).String()
}

// zeekLine is method, target and status as far as Zeek was asked for them. Zeek writes targets unescaped.
func zeekLine(r ZeekRow) string {
	return strings.Join([]string{r["method"], unescaped(r["uri"]), r["status_code"]}, " ")
}

func httpLine(r *model.Request, rows []ZeekRow) string {
	h, status, method := r.HTTP, "", r.HTTP.Method
	target := h.Path
	if h.Query != "" {
		target += "?" + h.Query
	}
	if h.Status != 0 && has(rows, "status_code") {
		status = strconv.Itoa(h.Status)
	}
	if !has(rows, "method") {
		method = ""
	}
	return strings.Join([]string{method, unescaped(target), status}, " ")
}

func unescaped(target string) string {
	if plain, err := url.PathUnescape(target); err == nil {
		return plain
	}
	return target
}

func at(s []string, i int) string {
	if i < len(s) {
		return s[i]
	}
	return "nothing"
}
