// SPDX-License-Identifier: Apache-2.0

package jaeger

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/uber/jaeger-client-go/thrift"

	"sonde/exporters/batch"
)

// envelopeBytes is more than the call, the argument, the list and its length have in a packet beside process and spans.
const envelopeBytes = 70

// resolveEvery is how long a socket is used: the address behind a name may change.
const resolveEvery = 30 * time.Second

// packets sends spans in UDP packets to an agent. It implements batch.Sender.
type packets struct {
	address   string
	most      int
	processes processes
	packet    *thrift.TMemoryBuffer
	to        thrift.TProtocol
	client    *thrift.TStandardClient

	conn   net.Conn
	dialed time.Time
}

func newPackets(c *Config, address string) *packets {
	p := &packets{address: address, most: c.Packet, packet: thrift.NewTMemoryBuffer()}
	p.processes.describe = c.Resource
	p.to = compactProtocol(p.packet)
	p.client = thrift.NewTStandardClient(p.to, p.to)
	return p
}

// Send implements batch.Sender.
func (p *packets) Send(ctx context.Context, groups []*batch.Group) batch.Result {
	if err := p.dial(ctx); err != nil {
		return batch.Result{Rest: groups, Err: err}
	}
	var total batch.Result
	for _, g := range groups {
		p.sendGroup(ctx, g, &total)
	}
	return total
}

// sendGroup splits the spans of a process over as many packets as they need.
func (p *packets) sendGroup(ctx context.Context, g *batch.Group, total *batch.Result) {
	room := p.most - envelopeBytes - p.processBytes(ctx, g)
	from, start, count := 0, 0, 0 // of the packet being filled; from is where the span begins
	for _, end := range g.Ends {
		if end-from > room {
			p.send(ctx, g, g.Bytes[start:from], count, total)
			total.Dropped[batch.TooLarge]++
			start, count = end, 0
		} else {
			if end-start > room {
				p.send(ctx, g, g.Bytes[start:from], count, total)
				start, count = from, 0
			}
			count++
		}
		from = end
	}
	p.send(ctx, g, g.Bytes[start:], count, total)
}

// processBytes is the size of the description of a process, which is part of every packet.
func (p *packets) processBytes(ctx context.Context, g *batch.Group) int {
	p.packet.Reset()
	if err := p.processes.of(g.Process).Write(ctx, p.to); err != nil {
		return 0 // memory takes everything
	}
	return p.packet.Len()
}

func (p *packets) send(ctx context.Context, g *batch.Group, spans []byte, count int, total *batch.Result) {
	if count == 0 {
		return
	}
	p.packet.Reset()
	call := emitBatch{rawBatch{p.processes.of(g.Process), spans, count}}
	_, err := p.client.Call(ctx, "emitBatch", &call, nil) // a call without an answer
	if err == nil {
		_, err = p.conn.Write(p.packet.Bytes())
	}
	if err != nil {
		total.Dropped[batch.Failed] += count
		total.Err = fmt.Errorf("export %d spans to Jaeger: %w", count, err)
		return
	}
	total.Sent += count
	total.SentBytes += len(spans)
}

func (p *packets) dial(ctx context.Context) error {
	now := time.Now()
	if p.conn != nil && now.Sub(p.dialed) < resolveEvery {
		return nil
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", p.address)
	if err != nil {
		return fmt.Errorf("connect to Jaeger's agent: %w", err)
	}
	p.close()
	p.conn, p.dialed = conn, now
	return nil
}

func (p *packets) close() {
	if p.conn != nil {
		_ = p.conn.Close()
	}
}
