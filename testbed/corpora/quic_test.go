// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"strings"
	"testing"

	"sonde/agent/model"
)

// TestZeekQUIC holds version, server name and the first protocol offered against quic.log.
func TestZeekQUIC(t *testing.T) {
	score := Score{Corpus: "zeek", Protocol: "quic"}
	for _, z := range ZeekTests(t) {
		log := z.Log("quic")
		if log == "" {
			continue
		}
		rows, err := ReadZeek(Path(t, "zeek", log))
		if err != nil {
			t.Fatal(err)
		}
		requests := Requests(t, Path(t, "zeek", z.Pcap))
		for _, row := range rows {
			if strings.HasPrefix(row["version"], "unknown") {
				t.Logf("%s: %s is left out: a version that nobody can read, of which there is no handshake to report", z.Pcap, row["version"])
				continue
			}
			score.Compared++
			if why := zeekQUICDifference(row, requests); why == "" {
				score.Equal++
			} else {
				t.Errorf("%s: %s", z.Pcap, why)
			}
		}
	}
	Report(t, score, 95)
}

func zeekQUICDifference(row ZeekRow, requests []model.Request) string {
	for _, r := range requests {
		if r.Protocol != model.ProtocolQUIC || r.Client.Addr.String()+" "+r.Server.Addr.String() != zeekEnds(row) {
			continue
		}
		protocol := ""
		if len(r.TLS.ALPN) > 0 {
			protocol = r.TLS.ALPN[0]
		}
		version := strings.TrimPrefix(row["version"], "quicv")
		if r.TLS.QUICVersion != version || r.TLS.ServerName != row["server_name"] || protocol != row["client_protocol"] {
			return fmt.Sprintf("Zeek %v, sonde %+v", row, r.TLS)
		}
		return ""
	}
	return "not seen"
}
