// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Rules say which traces the tail sampler keeps.
type Rules uint8

// A trace is kept when one of its spans has failed, or was slower than 99 of 100 others of the same name.
const (
	KeepErrors Rules = 1 << iota
	KeepSlow
)

// ParseRules reads a list such as "errors,slow". "none" and the empty list keep nothing.
func ParseRules(list string) (Rules, error) {
	var r Rules
	for name := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(name) {
		case "errors":
			r |= KeepErrors
		case "slow":
			r |= KeepSlow
		case "none", "":
		default:
			return 0, fmt.Errorf("there is no rule %q for traces to keep; choose from errors, slow, none", name)
		}
	}
	return r, nil
}

// String returns the list that ParseRules reads.
func (r Rules) String() string {
	return [...]string{"none", "errors", "slow", "errors,slow"}[r&(KeepErrors|KeepSlow)]
}

// Set makes r a flag of the command line.
func (r *Rules) Set(list string) (err error) {
	*r, err = ParseRules(list)
	return err
}

// Type names the value in the help.
func (r *Rules) Type() string { return "list" }

// Config bounds the tail sampler.
type Config struct {
	Keep Rules

	Grace  time.Duration // that a trace is held after its local root is over, for spans that end later
	MaxAge time.Duration // that a trace is held at most

	MaxSpans      int // held together, and traces that are remembered
	MaxTraceSpans int // held of one trace
	MaxBytes      int // held together

	SlowPerSecond float64 // traces that are kept for being slow
	SlowAfter     int     // requests of a name that must have passed before one can be slow
	MaxNames      int     // services and span names whose durations are told apart
}

// Default keeps nothing: OTEL_TRACES_SAMPLER means what it says unless rules are asked for.
func Default() Config {
	return Config{
		Grace: 2 * time.Second, MaxAge: 30 * time.Second,
		MaxSpans: 20_000, MaxTraceSpans: 1000, MaxBytes: 32 << 20,
		SlowPerSecond: 10, SlowAfter: 200, MaxNames: 1000,
	}
}

// Validate tells what cannot work.
func (c Config) Validate() error {
	switch {
	case c.Keep&^(KeepErrors|KeepSlow) != 0:
		return errors.New("tail sampling: unknown rules")
	case c.Grace < 0, c.MaxAge <= 0:
		return errors.New("tail sampling: traces must be held for some time; give a positive duration")
	case c.MaxSpans <= 0, c.MaxTraceSpans <= 0, c.MaxBytes <= 0, c.MaxNames <= 0:
		return errors.New("tail sampling: a limit is not positive; to keep nothing, say none to the rules")
	case !(c.SlowPerSecond >= 0), c.SlowAfter < 100:
		return errors.New("tail sampling: a 99th percentile needs 100 requests, and a budget that is not negative")
	}
	return nil
}
