// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"time"

	"sonde/agent/model"
)

// exampleRequests are those of a shop: half of them received, a third sent over HTTP, the rest queries.
func exampleRequests() []*model.Request {
	client, server := netip.MustParseAddrPort("10.1.2.3:51234"), netip.MustParseAddrPort("10.1.2.4:8080")
	var processes [services]*model.Process
	for i := range processes {
		processes[i] = &model.Process{PID: uint32(1000 + i), Name: "app", ServiceName: fmt.Sprintf("service-%d", i)}
	}
	var all []*model.Request
	for i := range 6 * services {
		r := &model.Request{
			Protocol: model.ProtocolHTTP, Role: model.RoleServer, Start: time.Minute, ResponseStart: time.Minute + time.Millisecond,
			End: time.Minute + 2*time.Millisecond, Client: model.Endpoint{Addr: client}, Server: model.Endpoint{Addr: server},
			HTTP: &model.HTTP{
				Version: "1.1", Method: "GET", Scheme: "http", Path: fmt.Sprintf("/api/products/%d", i), Host: "shop.example:8080",
				UserAgent: "python-requests/2.31.0", Status: 200, ResponseBodyBytes: 1234,
			},
			Span: model.Span{
				SpanContext: model.SpanContext{TraceID: model.TraceID{1, 2, 3, 15: byte(i)}, Flags: model.FlagSampled},
				Parent:      model.SpanID{7}, Evidence: model.EvidenceThread, Sampled: true,
			},
		}
		switch i % 6 {
		case 3, 4:
			r.Role = model.RoleClient
		case 5:
			r.Protocol, r.Role, r.HTTP = model.ProtocolPostgreSQL, model.RoleClient, nil
			r.DB = &model.DB{
				System: "postgresql", Command: "Execute", Namespace: "shop", Summary: "SELECT products",
				Query: "SELECT id, name, price FROM products WHERE id = $1", Rows: 1, RowsKnown: true,
			}
		}
		r.Local().Process = processes[i/6]
		all = append(all, r)
	}
	return all
}
