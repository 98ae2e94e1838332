// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sonde/agent/model"
)

// tlsDifferences are the captures of which Zeek says something else, and why.
var tlsDifferences = map[string]string{
	"Traces/tls/chrome-63.0.3211.0-canary-tls_experiment.pcap": "an experiment in which every ServerHello repeats the session identifier, which Zeek takes for a resumption; no pre-shared key was selected",
}

// TestZeekTLS holds the columns of ssl.log against what sonde says of each handshake, over TCP and QUIC.
func TestZeekTLS(t *testing.T) {
	score := Score{Corpus: "zeek", Protocol: "tls"}
	for _, z := range ZeekTests(t) {
		log := z.Log("ssl")
		if log == "" {
			continue
		}
		rows, err := ReadZeek(Path(t, "zeek", log))
		if err != nil {
			t.Fatal(err)
		}
		requests := Requests(t, Path(t, "zeek", z.Pcap))
		for i, row := range rows {
			score.Compared++
			why, reason := zeekTLSDifference(row, i, requests), tlsDifferences[z.Pcap]
			switch {
			case why == "" && reason != "":
				t.Errorf("%s: listed as different, and equal: %s", z.Pcap, reason)
			case why == "":
				score.Equal++
			case reason != "":
				t.Logf("%s: %s: %s", z.Pcap, why, reason)
			default:
				t.Errorf("%s: %s", z.Pcap, why)
			}
		}
	}
	Report(t, score, 90) // there are few rows; each difference needs a reason above
}

// zeekTLSDifference compares a row, the n-th of its log, with the handshake between the same ends, or the n-th where Zeek was
// not asked for them.
func zeekTLSDifference(row ZeekRow, n int, requests []model.Request) string {
	shakes := slices.DeleteFunc(slices.Clone(requests), func(r model.Request) bool {
		ends := zeekEnds(row)
		return r.TLS == nil || ends != "" && r.Client.Addr.String()+" "+r.Server.Addr.String() != ends
	})
	if zeekEnds(row) != "" {
		n = 0
	}
	if n >= len(shakes) {
		return "not seen"
	}
	r := &shakes[n]
	f := r.TLS
	got := ZeekRow{"version": zeekVersion(f.Version), "cipher": f.Cipher, "curve": f.Curve, "server_name": f.ServerName,
		"resumed": zeekBool(f.Resumed), "next_protocol": f.NextProto, "last_alert": f.Alert, "established": zeekBool(f.Established)}
	if r.Protocol == model.ProtocolQUIC { // Zeek does not follow the handshake to its end there
		delete(got, "established")
	}
	for column, value := range got {
		if want, ok := row[column]; ok && want != value {
			return fmt.Sprintf("%s: Zeek %q, sonde %q", column, want, value)
		}
	}
	return ""
}

func zeekVersion(v string) string {
	if hex, ok := strings.CutPrefix(v, "0x"); ok {
		var n int
		fmt.Sscanf(hex, "%x", &n)
		return fmt.Sprintf("unknown-%d", n)
	}
	if v == "" || strings.HasPrefix(v, "SSL") {
		return v
	}
	return "TLSv" + strings.ReplaceAll(v, ".", "")
}

func zeekBool(b bool) string {
	if b {
		return "T"
	}
	return "F"
}
