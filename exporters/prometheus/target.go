// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/otlptranslator"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

var labelNamer = otlptranslator.LabelNamer{}

// targetInfo is the name that OpenTelemetry's compatibility specification gives to what a resource is. The specification
// wants one in an exposition, because one process is one service there; sonde speaks for many and has one for each of them,
// told apart by job and instance, which Prometheus keeps under honor_labels: true. service_name is what the other series of a
// service have.
var targetInfo = prometheus.NewDesc("target_info", "An observed service: always 1.", nil, nil)

// services returns the names of all services with a series, ascending.
func services(s *model.Snapshot) []string {
	found := map[string]struct{}{}
	for i := range s.Families {
		for j := range s.Families[i].Series {
			for _, l := range s.Families[i].Series[j].Labels {
				if l.Attr == model.AttrService {
					found[l.Value] = struct{}{}
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// target is the target_info of one service. It implements semconv.ResourceVisitor.
type target struct{ labels []*dto.LabelPair }

// newTarget describes service as OTLP does, so that series that come either way have the same job and instance.
func newTarget(describe *semconv.Resource, service string) *target {
	t := &target{}
	t.add("service_name", service)
	describe.Visit(&model.Process{ServiceName: service}, t)
	slices.SortFunc(t.labels, func(a, b *dto.LabelPair) int { return strings.Compare(*a.Name, *b.Name) })
	return t
}

// String implements semconv.ResourceVisitor.
func (t *target) String(key, value string) {
	switch key {
	case semconv.KeyServiceName:
		t.add("job", value)
	case semconv.KeyServiceInstance:
		t.add("instance", value)
	default:
		if name, err := labelNamer.Build(key); err == nil { // a key of the user's that makes no label is left out
			t.add(name, value)
		}
	}
}

// Int implements semconv.ResourceVisitor.
func (t *target) Int(key string, value int64) { t.String(key, strconv.FormatInt(value, 10)) }

func (t *target) add(name, value string) {
	if slices.ContainsFunc(t.labels, func(l *dto.LabelPair) bool { return *l.Name == name }) {
		return
	}
	value = strings.ToValidUTF8(value, "\uFFFD")
	t.labels = append(t.labels, &dto.LabelPair{Name: &name, Value: &value})
}

func (t *target) Desc() *prometheus.Desc { return targetInfo }

// Write fills out, which is empty.
func (t *target) Write(out *dto.Metric) error {
	one := 1.0
	out.Gauge, out.Label = &dto.Gauge{Value: &one}, t.labels
	return nil
}
