// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"

	"sonde/agent/model"
)

func TestPromlintFindsNothing(t *testing.T) {
	types := map[Kind]dto.MetricType{
		Counter: dto.MetricType_COUNTER, UpDownCounter: dto.MetricType_GAUGE, Gauge: dto.MetricType_GAUGE, Histogram: dto.MetricType_HISTOGRAM,
	}
	for i := range model.MetricCount {
		m := Of(i)
		if m.PushOnly {
			continue
		}
		one, labels := &dto.Metric{}, []*dto.LabelPair{}
		for _, a := range m.Attributes {
			labels = append(labels, &dto.LabelPair{Name: &OfAttr(a).Prometheus, Value: new("x")})
		}
		one.Label = labels
		kind := types[m.Kind]
		family := &dto.MetricFamily{Name: &m.Prometheus, Help: &m.Description, Type: &kind, Metric: []*dto.Metric{one}}
		problems, err := promlint.NewWithMetricFamilies([]*dto.MetricFamily{family}).Lint()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if i != model.MetricRPCServerDurationOld && i != model.MetricRPCClientDurationOld { // the names of old are in milliseconds
				t.Errorf("%s: %s", p.Metric, p.Text)
			}
		}
	}
}
