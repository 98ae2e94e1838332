// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"sonde/agent/aggregate"
	"sonde/agent/model"
	"sonde/agent/pipeline"
	"sonde/agent/route"
	"sonde/agent/trace"
	"sonde/agent/trace/propagation"
	"sonde/agent/trace/sampling"
	"sonde/agent/trace/selfexport"
	"sonde/exporters/jsonl"
	"sonde/exporters/otlp"
	"sonde/exporters/semconv"
	"sonde/testbed/bench/collector"
)

// output is what the pipeline works for.
type output struct {
	name string
	open func() (stages, error)
}

// stages of a pipeline. stop ends what they run besides it, and is told how many requests came.
type stages struct {
	annotators []pipeline.Annotator
	tracer     *trace.Tracer
	sinks      []pipeline.Sink
	stop       func(requests uint64) error
}

var outputs = []output{
	{"records to requests", func() (stages, error) {
		return stages{sinks: []pipeline.Sink{&discard{}}, stop: func(uint64) error { return nil }}, nil
	}},
	{"records to lines of JSON", func() (stages, error) {
		json := jsonl.NewWriter(io.Discard, func() model.Clock { return model.Clock{} })
		return stages{sinks: []pipeline.Sink{&discard{json}}, stop: func(uint64) error { return nil }}, nil
	}},
	{"records to metrics", openMetrics},
	{"records to metrics and spans", openSpans},
}

// openMetrics is what sonde run has without exporters of spans.
func openMetrics() (stages, error) {
	return stages{
		annotators: []pipeline.Annotator{route.New(route.Default())},
		sinks:      []pipeline.Sink{&metrics{aggregate.New(aggregate.Default(), nil)}},
		stop:       func(uint64) error { return nil },
	}, nil
}

// openSpans is what it has when every span goes out over OTLP.
func openSpans() (stages, error) {
	s, err := openMetrics()
	if err != nil {
		return s, err
	}
	c := trace.Default()
	if c.Extractor, err = propagation.New(nil); err != nil {
		return s, err
	}
	if c.Sampler, err = sampling.New("", ""); err != nil {
		return s, err
	}
	exporting := selfexport.New(selfexport.Default())
	c.Silenced = exporting.Traces
	s.tracer = trace.New(c)
	to, err := collector.Start(nil, "-receive")
	if err != nil {
		return s, err
	}
	x := otlp.Default()
	x.Protocol, x.Endpoint, x.Resource = otlp.GRPC, to.URL, semconv.Resource{Host: model.Host{Name: "bench"}}
	x.Queue.Block, x.Queue.Spans = true, 3*x.Queue.BatchSpans // as on a machine on which the sender keeps up
	spans, err := otlp.NewTraces(x, func() model.Clock { return model.Clock{} }, nil)
	if err != nil {
		return s, errors.Join(err, to.Stop())
	}
	tail := sampling.NewTail(sampling.Default(), sampling.Meaning{AppendName: x.Methods.AppendSpanName}, spans)
	s.sinks = append(s.sinks, exporters{exporting}, tail)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- spans.Run(ctx) }()
	s.stop = func(requests uint64) error {
		tail.Close()
		cancel()
		err := errors.Join(<-done, to.Stop())
		if err == nil && to.Received != requests {
			err = fmt.Errorf("%d spans of %d requests were received", to.Received, requests)
		}
		return err
	}
	return s, nil
}

// metrics is the aggregator as a sink. What was lost is counted beside it.
type metrics struct{ *aggregate.Aggregator }

func (metrics) Lost(*model.Loss) {}

// exporters looks for processes that export spans of their own.
type exporters struct{ *selfexport.Detector }

func (e exporters) Request(r *model.Request)        { e.Seen(r) }
func (exporters) Flow(*model.Flow, model.FlowDelta) {}
func (exporters) Lost(*model.Loss)                  {}

// discard takes requests, as lines when json is set.
type discard struct{ json *jsonl.Writer }

func (d *discard) Request(r *model.Request) {
	if d.json != nil {
		d.json.Request(r)
	}
}

func (d *discard) Flow(f *model.Flow, _ model.FlowDelta) {
	if d.json != nil {
		d.json.Flow(f)
	}
}

func (d *discard) Lost(*model.Loss) {}
