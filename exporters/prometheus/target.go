// SPDX-License-Identifier: Apache-2.0

package prometheus

import (
	"maps"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"sonde/agent/model"
)

// targetInfo is the name that OpenTelemetry's compatibility specification gives to what a resource is. The specification
// wants one in an exposition, because one process is one service there; sonde speaks for many and has one for each of them,
// told apart by job and instance, which Prometheus keeps under honor_labels: true.
var targetInfo = prometheus.NewDesc("target_info", "An observed service: always 1.", nil, nil)

// Labels of target_info. service_name is the label that the other series of the service have.
var targetLabels = [...]string{"host_name", "instance", "job", "service_name"}

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

// target is the target_info of one service.
type target struct{ host, service string }

func (t *target) Desc() *prometheus.Desc { return targetInfo }

// Write fills out, which is empty.
func (t *target) Write(out *dto.Metric) error {
	one := 1.0
	out.Gauge = &dto.Gauge{Value: &one}
	for i, value := range []*string{&t.host, &t.host, &t.service, &t.service} {
		if *value != "" {
			out.Label = append(out.Label, &dto.LabelPair{Name: &targetLabels[i], Value: value})
		}
	}
	return nil
}
