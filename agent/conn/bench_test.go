// SPDX-License-Identifier: Apache-2.0

package conn_test

import (
	"strings"
	"testing"
	"time"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/probes/event"
)

type discard struct{ requests int }

func (d *discard) Request(*model.Request)            { d.requests++ }
func (d *discard) Flow(*model.Flow, model.FlowDelta) {}
func (d *discard) Lost(*model.Loss)                  {}
func (d *discard) Drops(string, uint64)              {}
func nobody(uint32, time.Duration, string, uint64) *model.Process {
	return &model.Process{Name: "x", ServiceName: "x"}
}

// benchSegment is the record of a turn's first segment, of which the whole or the first 512 bytes were copied.
func benchSegment(dir uint8, text string, length uint32) event.Record {
	var tail []byte
	if length > uint32(len(text)) {
		tail = make([]byte, 16)
	}
	s := event.Segment{Hdr: event.Header{Flags: event.SegmentTurn}, Dir: dir, Len: length}
	return event.MakeSegment(&s, []byte(text), tail)
}

// BenchmarkExchange is what one request costs at both ends of a loopback connection: four records in, two requests out.
func BenchmarkExchange(b *testing.B) {
	const conns = 64
	request := "GET /index.html HTTP/1.1\r\nHost: 127.0.0.1:8080\r\nUser-Agent: bench\r\n\r\n"
	response := "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sat, 21 Nov 2026 14:00:00 GMT\r\nContent-Type: text/plain\r\n" +
		"Content-Length: 1024\r\nConnection: keep-alive\r\n\r\n"
	response += strings.Repeat("x", 512-len(response)-16)
	whole := uint32(strings.Index(response, "\r\n\r\n")) + 4 + 1024
	records := []event.Record{
		benchSegment(event.DirSent, request, uint32(len(request))), benchSegment(event.DirReceived, request, uint32(len(request))),
		benchSegment(event.DirSent, response, whole), benchSegment(event.DirReceived, response, whole),
	}
	var out discard
	t := conn.New(conn.Default(), nobody, func(uint32) string { return "lo" }, &out)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		round, k := uint32(n/conns), uint64(n%conns)
		at := uint64(n) * 10_000
		for i, r := range records {
			s := event.As[event.Segment](r)
			s.Hdr.Time = at + uint64(i)*1000
			client := i == 0 || i == 3
			s.Hdr.Sock, s.Cookie = 2*k+1, 2*k+1
			s.Tuple.LocalPort, s.Tuple.RemotePort = uint16(40000+k), 8080
			if !client {
				s.Hdr.Sock, s.Cookie = 2*k+2, 2*k+2
				s.Tuple.LocalPort, s.Tuple.RemotePort = 8080, uint16(40000+k)
			}
			s.Seq, s.OtherNext = 1+round*uint32(len(request)), 1+round*whole
			if i >= 2 {
				s.Seq, s.OtherNext = 1+round*whole, 1+(round+1)*uint32(len(request))
			}
			t.Record(r)
		}
		n++
	}
	if out.requests != 2*n {
		b.Fatalf("%d requests of %d", out.requests, 2*n)
	}
}
