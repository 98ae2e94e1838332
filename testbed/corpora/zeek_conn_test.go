// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sonde/agent/model"
)

// connDifferences are connections of which Zeek says something else, and why.
var connDifferences = map[string]string{}

// TestZeekConnections holds packets, bytes and the end of each connection against conn.log.
func TestZeekConnections(t *testing.T) {
	score := Score{Corpus: "zeek", Protocol: "connections"}
	for _, z := range ZeekTests(t) {
		log := z.Log("conn")
		if log == "" {
			continue
		}
		rows, err := ReadZeek(Path(t, "zeek", log))
		if err != nil {
			t.Fatal(err)
		}
		if !has(rows, "id.orig_p") || !has(rows, "proto") && !has(rows, "history") {
			continue
		}
		seen, err := Read(Path(t, "zeek", z.Pcap))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rows {
			compareConn(t, z.Pcap, r, seen.Flows, &score)
		}
	}
	Report(t, score, 90)
}

func compareConn(t *testing.T, capture string, r ZeekRow, flows []model.Flow, score *Score) {
	t.Helper()
	if p := r["proto"]; p != "" && p != "tcp" && p != "udp" || r["tunnel_parents"] != "" || r["service"] == "vxlan" {
		return
	}
	var got []string
	want := zeekConn(r)
	for i := range flows {
		f := &flows[i]
		if f.Client.Addr.String()+" "+f.Server.Addr.String() != zeekEnds(r) {
			continue
		}
		line := connLine(f, r)
		if line == want {
			score.Compared++
			score.Equal++
			return
		}
		got = append(got, line)
	}
	score.Compared++
	if reason := connDifferences[capture]; reason == "" {
		t.Errorf("%s %s: Zeek %q, sonde %q, history %s", capture, zeekEnds(r), want, got, r["history"])
	}
}

// zeekConn is what Zeek was asked for of packets, bytes and the end.
func zeekConn(r ZeekRow) string {
	var b strings.Builder
	for _, column := range []string{"orig_pkts", "resp_pkts", "orig_ip_bytes", "resp_ip_bytes", "orig_bytes", "resp_bytes", "conn_state"} {
		if v, ok := connColumn(column, r); ok {
			fmt.Fprintf(&b, "%s=%s ", column, v)
		}
	}
	return b.String()
}

func connColumn(column string, r ZeekRow) (string, bool) {
	v, ok := r[column]
	tcp := r["proto"] == "tcp"
	switch {
	case !ok:
		return "", false
	case column == "conn_state":
		return zeekState(v), tcp
	case strings.HasSuffix(column, "ip_bytes"):
		return v, !tcp
	case strings.HasSuffix(column, "_bytes"):
		return v, tcp
	}
	return v, true
}

// zeekState is the state of a flow that stands for a state of Zeek.
func zeekState(s string) string {
	switch s {
	case "SF":
		return "closed"
	case "REJ":
		return "refused"
	case "RSTO", "RSTR", "RSTOS0", "RSTRH":
		return "reset"
	}
	return "active"
}

func connLine(f *model.Flow, r ZeekRow) string {
	mine := ZeekRow{
		"proto": f.Transport, "conn_state": map[string]string{"closed": "SF", "refused": "REJ", "reset": "RSTO"}[f.State.String()],
		"orig_pkts": fmt.Sprint(f.PacketsSent), "resp_pkts": fmt.Sprint(f.PacketsReceived),
		"orig_bytes": fmt.Sprint(f.BytesSent), "resp_bytes": fmt.Sprint(f.BytesReceived),
		"orig_ip_bytes": fmt.Sprint(f.BytesSent), "resp_ip_bytes": fmt.Sprint(f.BytesReceived),
	}
	for column := range mine {
		if _, asked := r[column]; !asked && !slices.Contains([]string{"proto"}, column) {
			delete(mine, column)
		}
	}
	if r["proto"] == "" {
		delete(mine, "proto")
	}
	return zeekConn(mine)
}
