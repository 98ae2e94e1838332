// SPDX-License-Identifier: Apache-2.0

package jsonl

import (
	"encoding/json"
	"testing"
	"time"
	"unicode/utf8"

	"sonde/agent/model"
)

// FuzzRequest holds that any text in any field gives one valid line of the schema, at either end.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/path", "a=b", "host:80", "curl", "1.1", "http", "reason", "name", int64(1), uint16(200), uint8(0))
	f.Add("", "*", "&=&", "[::1", "\xff", "\"", "\\", "\x1b[2J", "\u2028", int64(1)<<60, uint16(404), uint8(7))
	s := compiledSchema(f)
	f.Fuzz(func(t *testing.T, method, path, query, host, agent, version, scheme, reason, name string, ns int64, status uint16, kind uint8) {
		start := time.Duration(uint64(ns) >> 1)
		for _, role := range []model.Role{model.RoleClient, model.RoleServer, model.RoleWire} {
			r := model.Request{
				Protocol: model.ProtocolHTTP, Role: role, Outcome: model.Outcome(kind % 3), Reason: reason, Start: start,
				RequestEnd: time.Duration(ns), End: time.Duration(ns), Client: client, Server: server,
				HTTP: &model.HTTP{
					Version: version, Method: method, Scheme: scheme, Path: path, Query: query, Host: host,
					UserAgent: agent, Status: int(status), HeadTruncated: kind&4 != 0,
				},
			}
			r.Server.Process = &model.Process{PID: uint32(kind), Name: name, ContainerID: reason}
			validate(t, s, AppendRequest(nil, &r, testClock))
		}
	})
}

// FuzzFlow holds the same for flows and losses.
func FuzzFlow(f *testing.F) {
	f.Add("tcp", "eth0", "ECONNREFUSED", "tls", int64(1), int64(2), uint64(3), uint8(4))
	s := compiledSchema(f)
	f.Fuzz(func(t *testing.T, transport, iface, errno, encryption string, start, end int64, count uint64, kind uint8) {
		if transport == "" {
			transport = "tcp"
		}
		flow := model.Flow{
			Transport: transport, View: model.FlowView(kind & 1), Interface: iface, Role: model.Role(kind >> 1 & 3),
			State: model.FlowState(kind % 6), Error: errno, Client: client, Server: server, JoinedMid: kind&8 != 0,
			Start: time.Duration(start), End: time.Duration(end), PacketsSent: count, BytesReceived: count, Encryption: encryption,
			TCP: model.TCPFacts{SRTT: time.Duration(end), Retransmits: uint32(count)},
		}
		validate(t, s, AppendFlow(nil, &flow, testClock))
		loss := model.Loss{Where: iface, What: transport, Count: count, Time: time.Duration(start)}
		validate(t, s, AppendLoss(nil, &loss, testClock))
	})
}

// FuzzString holds that a string survives the way through a JSON parser, with U+FFFD for what is no UTF-8.
func FuzzString(f *testing.F) {
	f.Add("plain")
	f.Add("\x00\x1f\x7f\u0085\u202e\U000e0001\xed\xa0\x80\"\\/")
	f.Fuzz(func(t *testing.T, s string) {
		encoded := appendString(nil, s)
		var got string
		if err := json.Unmarshal(encoded, &got); err != nil {
			t.Fatalf("%q: %v", encoded, err)
		}
		if want := string([]rune(s)); got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
		if !utf8.Valid(encoded) {
			t.Fatalf("not UTF-8: %q", encoded)
		}
	})
}
