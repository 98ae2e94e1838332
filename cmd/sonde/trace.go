// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"sonde/agent/model"
	"sonde/agent/trace"
	"sonde/agent/trace/propagation"
)

// causesFlag says whether the kernel tells which thread or goroutine reads and sends.
type causesFlag string

const (
	causesAuto causesFlag = "auto"
	causesOn   causesFlag = "on"
	causesOff  causesFlag = "off"
)

func (f *causesFlag) register(cmd *cobra.Command) {
	*f = causesAuto
	cmd.Flags().StringVar((*string)(f), "causes", string(causesAuto),
		"find out which request caused which by the threads and goroutines that read and send: auto (where spans or JSON go out, in recordings, in top, with --history always), on, off")
}

// wanted tells whether causes are asked for; auto is the answer where the flag leaves it open.
func (f causesFlag) wanted(auto bool) (bool, error) {
	switch f {
	case causesAuto:
		return auto, nil
	case causesOn, causesOff:
		return f == causesOn, nil
	}
	return false, fmt.Errorf("--causes %q: want auto, on or off", string(f))
}

// newTracer makes the tracer of a command. propagators are those of OTEL_PROPAGATORS, nil for all; sampler may be nil, then
// every span is sampled; silenced may be nil, then no process exports its own.
func newTracer(propagators []string, sampler trace.Sampler, silenced func(*model.Process) bool) (*trace.Tracer, error) {
	c := trace.Default()
	extractor, err := propagation.New(propagators)
	if err != nil {
		return nil, usageError{fmt.Errorf("OTEL_PROPAGATORS: %w", err)}
	}
	c.Extractor, c.Sampler, c.Silenced = extractor, sampler, silenced
	return trace.New(c), nil
}

// propagators reads OTEL_PROPAGATORS.
func propagators(e env) []string { return list(e.getenv("OTEL_PROPAGATORS")) }
