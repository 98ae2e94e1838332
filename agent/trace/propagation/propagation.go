// SPDX-License-Identifier: Apache-2.0

// Package propagation reads trace context from the fields of requests and messages, in every format that services commonly
// send: W3C Trace Context, B3, Jaeger, Datadog, X-Ray, OpenCensus.
//
// It writes none, as sonde changes nothing on the wire, and reads no baggage, which is the business of the services. Who calls
// it: agent/trace, for requests when their head was read and for the messages that they carry.
package propagation

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"sonde/agent/model"
)

// format reads one format. The result is false unless the fields hold a valid context in it.
type format func(fields []model.Field) (model.SpanContext, bool)

// propagator is what a name in OTEL_PROPAGATORS stands for.
type propagator struct {
	name string
	read []format
}

// propagators are in the order in which formats are preferred where none is configured. Either name of B3 stands for both of
// its forms, the single field first, as the OpenTelemetry specification asks of those who extract (context/api-propagators,
// "B3 Extract"). "datadog" and "opencensus" are not among the names of the specification.
var propagators = []propagator{
	{"tracecontext", []format{w3c}},
	{"b3", []format{b3Single, b3Multi}},
	{"b3multi", []format{b3Single, b3Multi}},
	{"jaeger", []format{jaeger}},
	{"datadog", []format{datadog}},
	{"xray", []format{xray}},
	{"opencensus", []format{openCensus}},
	{"baggage", nil},
}

// Names returns the names that New takes, in the order of the default, without "none".
func Names() []string {
	names := make([]string, len(propagators))
	for i := range propagators {
		names[i] = propagators[i].name
	}
	return names
}

// Extractor reads the formats that it was made for. Safe for concurrent use.
type Extractor struct{ formats []format }

// New returns an extractor of the formats of OTEL_PROPAGATORS, which is a list of names split at the commas. Names may be
// surrounded by blanks, empty ones count as absent, later repetitions mean nothing. An empty list is all that can be read;
// "none" reads nothing.
func New(names []string) (*Extractor, error) {
	names = wanted(names)
	if slices.Contains(names, "none") {
		if len(names) > 1 {
			return nil, errors.New(`propagators: "none" stands alone; remove it or the others`)
		}
		return &Extractor{}, nil
	}
	if len(names) == 0 {
		names = Names()
	}
	e := &Extractor{}
	var b3 bool
	for _, name := range names {
		p, err := byName(name)
		if err != nil {
			return nil, err
		}
		if strings.HasPrefix(p.name, "b3") {
			if b3 {
				continue
			}
			b3 = true
		}
		e.formats = append(e.formats, p.read...)
	}
	return e, nil
}

// wanted cleans a list up.
func wanted(names []string) []string {
	var clean []string
	for _, name := range names {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(clean, name) {
			clean = append(clean, name)
		}
	}
	return clean
}

func byName(name string) (*propagator, error) {
	for i := range propagators {
		if propagators[i].name == name {
			return &propagators[i], nil
		}
	}
	choices := strings.Join(Names(), ", ") + ", none"
	if name == "ottrace" {
		return nil, fmt.Errorf(`propagators: "ottrace" is deprecated and not read; choose from %s`, choices)
	}
	return nil, fmt.Errorf("propagators: no format is called %q; choose from %s", name, choices)
}

// Extract returns the first valid context, in the order of the formats. SpanContext.State may be part of a field: it is valid
// as long as the fields are. Names are compared without regard to case. Nothing is allocated for fields without context, or
// with W3C Trace Context in at most one tracestate.
//
// Fields that contradict each other are invalid in each format: a parent must not be guessed. What only says whether to
// sample (B3 without identifiers, X-Ray with a root alone) is no context.
func (e *Extractor) Extract(fields []model.Field) (model.SpanContext, bool) {
	if len(fields) == 0 {
		return model.SpanContext{}, false
	}
	for _, read := range e.formats {
		if c, ok := read(fields); ok {
			return c, true
		}
	}
	return model.SpanContext{}, false
}

// occurrence counts the different values of a field.
type occurrence uint8

const (
	absent occurrence = iota
	unique            // perhaps repeated with the same value
	contradictory
)

// find returns the value of the field called name, which is in lower case.
func find(fields []model.Field, name string) (string, occurrence) {
	value, seen := "", absent
	for i := range fields {
		f := &fields[i]
		if !named(f.Name, name) {
			continue
		}
		v := trim(f.Value)
		if seen == unique && v != value {
			return "", contradictory
		}
		value, seen = v, unique
	}
	return value, seen
}

// named tells whether a field is called name, which is in lower case.
func named(field, name string) bool {
	if len(field) != len(name) {
		return false
	}
	if field == name {
		return true
	}
	for i := range len(name) {
		c := field[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != name[i] {
			return false
		}
	}
	return true
}

// trim removes the white space that may surround field values (RFC 9110 5.6.3).
func trim(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
