// SPDX-License-Identifier: Apache-2.0

package corpora

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"sonde/agent/conn"
	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/source/pcap"
)

// BenchmarkEngine reads a capture of 100,000 HTTP requests of 100 bytes and answers of 1000 through everything but output.
func BenchmarkEngine(b *testing.B) {
	const conns, requests = 200, 500
	capture := exchanges(conns, requests)
	b.SetBytes(int64(len(capture)))
	b.ReportAllocs()
	for b.Loop() {
		var n count
		nobody := func(uint32, time.Duration, string, uint64) *model.Process { return &model.Process{} }
		p := pipeline.New(conn.Capture(), nobody, func(uint32) string { return "" }, &n)
		if err := p.Run(context.Background(), pcap.New(pcap.Default(), bytes.NewReader(capture))); err != nil {
			b.Fatal(err)
		}
		if n != conns*requests {
			b.Fatalf("%d requests, want %d", n, conns*requests)
		}
	}
	b.ReportMetric(float64(conns*requests)*float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

type count int

func (c *count) Request(*model.Request)            { *c++ }
func (c *count) Flow(*model.Flow, model.FlowDelta) {}
func (c *count) Lost(*model.Loss)                  {}

// exchanges is a capture of connections that run beside each other, without handshakes.
func exchanges(conns, requests int) []byte {
	question := "GET /a HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("q", 66) + "\r\n\r\n"
	answer := "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + strings.Repeat("b", 1000)
	var out bytes.Buffer
	w := pcapgo.NewWriterNanos(&out)
	if err := w.WriteFileHeader(65535, layers.LinkTypeRaw); err != nil {
		panic(err)
	}
	now := time.Unix(1_700_000_000, 0)
	for r := range requests {
		for c := range conns {
			seq, ack := uint32(1+r*len(question)), uint32(1+r*len(answer))
			for _, m := range []struct {
				from     byte
				seq, ack uint32
				text     string
			}{{1, seq, ack, question}, {2, ack, seq + uint32(len(question)), answer}} {
				now = now.Add(time.Microsecond)
				data := segment(m.from, uint16(30000+c), m.seq, m.ack, m.text)
				if err := w.WritePacket(gopacket.CaptureInfo{Timestamp: now, CaptureLength: len(data), Length: len(data)}, data); err != nil {
					panic(err)
				}
			}
		}
	}
	return out.Bytes()
}

// segment is an IP packet from 10.0.0.from; 10.0.0.2 is the server.
func segment(from byte, port uint16, seq, ack uint32, text string) []byte {
	ip := &layers.IPv4{Version: 4, IHL: 5, Protocol: layers.IPProtocolTCP, TTL: 64, SrcIP: []byte{10, 0, 0, from}, DstIP: []byte{10, 0, 0, 3 - from}}
	tcp := &layers.TCP{SrcPort: layers.TCPPort(port), DstPort: 80, Seq: seq, Ack: ack, ACK: true, PSH: true, Window: 65535}
	if from == 2 {
		tcp.SrcPort, tcp.DstPort = tcp.DstPort, tcp.SrcPort
	}
	b := gopacket.NewSerializeBuffer()
	if err := gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true}, ip, tcp, gopacket.Payload(text)); err != nil {
		panic(fmt.Sprint(err))
	}
	return b.Bytes()
}
