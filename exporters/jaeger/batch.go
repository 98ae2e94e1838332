// SPDX-License-Identifier: Apache-2.0

package jaeger

import (
	"context"
	"errors"

	"github.com/uber/jaeger-client-go/thrift"
	"github.com/uber/jaeger-client-go/thrift-gen/jaeger"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

// protocol makes one of Thrift's encodings.
type protocol func(thrift.TTransport) thrift.TProtocol

func binaryProtocol(t thrift.TTransport) thrift.TProtocol {
	return thrift.NewTBinaryProtocolTransport(t)
}

func compactProtocol(t thrift.TTransport) thrift.TProtocol {
	return thrift.NewTCompactProtocolConf(t, &thrift.TConfiguration{})
}

// maxProcesses bounds the processes that are kept. Past it all are forgotten, which costs their description once more.
const maxProcesses = 4096

// processes keeps what Jaeger is told of each process. It is for one goroutine.
type processes struct {
	describe semconv.Resource
	known    map[*model.Process]*jaeger.Process
}

func (ps *processes) of(p *model.Process) *jaeger.Process {
	if known, ok := ps.known[p]; ok {
		return known
	}
	if ps.known == nil || len(ps.known) >= maxProcesses {
		ps.known = make(map[*model.Process]*jaeger.Process)
	}
	var w processWriter
	ps.describe.Visit(p, &w)
	ps.known[p] = &w.process
	return &w.process
}

// processWriter takes the attributes of a resource: the name of the service has a field of its own.
type processWriter struct{ process jaeger.Process }

func (w *processWriter) String(key, value string) {
	value = valid(value)
	if key == semconv.KeyServiceName {
		w.process.ServiceName = value
		return
	}
	w.process.Tags = append(w.process.Tags, &jaeger.Tag{Key: key, VType: jaeger.TagType_STRING, VStr: &value})
}

func (w *processWriter) Int(key string, value int64) {
	w.process.Tags = append(w.process.Tags, &jaeger.Tag{Key: key, VType: jaeger.TagType_LONG, VLong: &value})
}

// rawBatch is a jaeger.Batch whose spans are written already, in the protocol that it will be written in. It implements
// thrift.TStruct for writing.
type rawBatch struct {
	process *jaeger.Process
	spans   []byte
	count   int
}

// Write implements thrift.TStruct. The numbers are those of jaeger.thrift.
func (r *rawBatch) Write(ctx context.Context, to thrift.TProtocol) error {
	return errors.Join(
		to.WriteStructBegin(ctx, "Batch"),
		to.WriteFieldBegin(ctx, "process", thrift.STRUCT, 1),
		r.process.Write(ctx, to),
		to.WriteFieldEnd(ctx),
		to.WriteFieldBegin(ctx, "spans", thrift.LIST, 2),
		to.WriteListBegin(ctx, thrift.STRUCT, r.count),
		r.writeSpans(to),
		to.WriteListEnd(ctx),
		to.WriteFieldEnd(ctx),
		to.WriteFieldStop(ctx),
		to.WriteStructEnd(ctx),
	)
}

func (r *rawBatch) writeSpans(to thrift.TProtocol) error {
	_, err := to.Transport().Write(r.spans)
	return err
}

// emitBatch are the arguments of the agent's method of that name (agent.thrift).
type emitBatch struct{ batch rawBatch }

// Write implements thrift.TStruct.
func (e *emitBatch) Write(ctx context.Context, to thrift.TProtocol) error {
	return errors.Join(
		to.WriteStructBegin(ctx, "emitBatch_args"),
		to.WriteFieldBegin(ctx, "batch", thrift.STRUCT, 1),
		e.batch.Write(ctx, to),
		to.WriteFieldEnd(ctx),
		to.WriteFieldStop(ctx),
		to.WriteStructEnd(ctx),
	)
}

var errWriteOnly = errors.New("spans that are encoded cannot be read")

// Read implements thrift.TStruct.
func (e *emitBatch) Read(context.Context, thrift.TProtocol) error { return errWriteOnly }
