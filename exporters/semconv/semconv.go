// SPDX-License-Identifier: Apache-2.0

// Package semconv holds the names under which sonde reports: one table of metrics and one of attributes, with units and
// descriptions as OpenTelemetry's semantic conventions give them, and sonde's own where there is no convention.
//
// Prometheus names are derived from the table and never written by hand, so that every exporter tells the same story;
// docs/metrics.md is generated from it. The package measures nothing and knows no values. Exporters call it.
package semconv

import (
	"fmt"
	"slices"
	"sync"

	"github.com/prometheus/otlptranslator"

	"sonde/agent/model"
)

// Kind is the instrument kind of a metric.
type Kind uint8

// An UpDownCounter is a sum that can fall and that may be added up over series; a Gauge may not.
const (
	Counter Kind = iota
	UpDownCounter
	Gauge
	Histogram
)

// String returns OpenTelemetry's word for the kind.
func (k Kind) String() string {
	return [...]string{"counter", "updowncounter", "gauge", "histogram"}[k&3]
}

// Stability says who answers for a name.
type Stability uint8

// Stable names come from a stable convention, development names and release candidates from one that
// may still change. Own names are sonde's;
// adopted ones have no convention, but dashboards ask for them (Grafana Tempo's service graph).
const (
	Own Stability = iota
	Stable
	Development
	ReleaseCandidate
	Adopted
)

// String returns the word used in the documentation.
func (s Stability) String() string {
	return [...]string{"sonde", "stable", "development", "release candidate", "adopted"}[s%5]
}

// Metric describes one metric.
type Metric struct {
	Name        string // OpenTelemetry name
	Unit        string // UCUM: "s", "By", "{request}"; "" for metadata
	Kind        Kind
	Stability   Stability
	Description string       // one sentence
	Attributes  []model.Attr // those that series may carry, beside the overflow mark
	PushOnly    bool         // not on /metrics, where the client library of Prometheus says the same in its own words
	Prometheus  string       // derived name
}

// Attribute describes one attribute.
type Attribute struct {
	Key         string // OpenTelemetry key
	Stability   Stability
	Description string
	Prometheus  string // derived label name
}

// Of returns the description of m. It panics for a metric that does not exist.
func Of(m model.Metric) *Metric { return &derived().metrics[m] }

// OfAttr returns the description of a. It panics for an attribute that does not exist.
func OfAttr(a model.Attr) *Attribute { return &derived().attributes[a] }

type tables struct {
	metrics    [model.MetricCount]Metric
	attributes [model.AttrCount]Attribute
}

// derived adds the Prometheus names once. A name that cannot be derived is a mistake in the table, which the tests of
// this package find: hence the panic.
var derived = sync.OnceValue(func() *tables {
	t := &tables{metrics: metrics, attributes: attributes}
	namer := otlptranslator.MetricNamer{WithMetricSuffixes: true, UTF8Allowed: false}
	for i := range t.metrics {
		m := &t.metrics[i]
		name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: translatorType(m.Kind)})
		if err != nil {
			panic(fmt.Sprintf("semconv: metric %d: %v", i, err))
		}
		m.Prometheus = name
	}
	labels := otlptranslator.LabelNamer{UTF8Allowed: false}
	for i := range t.attributes {
		a := &t.attributes[i]
		name, err := labels.Build(a.Key)
		if err != nil {
			panic(fmt.Sprintf("semconv: attribute %d: %v", i, err))
		}
		a.Prometheus = name
	}
	return t
})

func translatorType(k Kind) otlptranslator.MetricType {
	switch k {
	case Counter:
		return otlptranslator.MetricTypeMonotonicCounter
	case UpDownCounter:
		return otlptranslator.MetricTypeNonMonotonicCounter
	case Histogram:
		return otlptranslator.MetricTypeHistogram
	}
	return otlptranslator.MetricTypeGauge
}

// Has reports whether series of m may carry a.
func (m *Metric) Has(a model.Attr) bool {
	return a == model.AttrOverflow || slices.Contains(m.Attributes, a)
}
