// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"testing"

	"sonde/testbed/e2e/harness"
)

// otlpTo is the environment of an agent that sends its spans to an endpoint.
func otlpTo(protocol, endpoint string) []string {
	return []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_ENDPOINT=http://" + endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=" + protocol}
}

func TestCollectorReceivesEverySpanOnce(t *testing.T) {
	l := newLab(t)
	const orders = 300
	for first, protocol := range map[int]string{1001: "grpc", 2001: "http/protobuf"} {
		t.Run(protocol, func(t *testing.T) {
			c := collector(t)
			endpoint := c.GRPC
			if protocol != "grpc" {
				endpoint = c.HTTP
			}
			d := l.runWith(t, harness.Options{Env: otlpTo(protocol, endpoint)})
			s := l.shop(t) // its connections are not older than the agent: nothing is unknown
			buy(t, s, first, orders, 20)
			awaitSpans(t, ends(first, orders), s, c.Spans)
			if _, err := d.Stop(); err != nil { // sends what it still holds
				t.Error(err)
			}
			c.Stop()
			spans, err := c.Spans()
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("edges with a parent:\n%s", judgeBackend(t, s, spans, first, orders))
		})
	}
}

// TestPrometheusCountsTheShopAndItsExemplarsLeadToTraces sends spans to the collector while Prometheus scrapes.
func TestPrometheusCountsTheShopAndItsExemplarsLeadToTraces(t *testing.T) {
	l := newLab(t)
	c := collector(t)
	d := l.runWith(t, harness.Options{Env: otlpTo("grpc", c.GRPC)})
	p := prometheus(t, d)
	s := l.shop(t)
	const first, orders = 3001, 300
	buy(t, s, first, orders, 20)
	names := processes(s)
	for _, service := range []string{"gateway", "cart", "payment", "shipping"} {
		for status, n := range statuses(first, orders, service, "http") {
			expectSum(t, p, fmt.Sprintf(`%s_count{service_name=%q,http_response_status_code=%q}`, serverCount, names[service], status), n)
		}
	}
	for status, n := range statuses(first, orders, "catalog", "grpc") {
		for _, end := range []string{"server", "client"} {
			service := map[string]string{"server": "catalog", "client": "gateway"}[end]
			expectSum(t, p, fmt.Sprintf(`rpc_%s_call_duration_seconds_count{service_name=%q,rpc_response_status_code=%q}`, end, names[service], status), n)
		}
	}
	const client = `db_client_operation_duration_seconds_count{service_name=%q,db_system_name=%q,%s}`
	expectSum(t, p, fmt.Sprintf(client, names["catalog"], "postgresql", `db_query_summary="SELECT items"`), orders)
	expectSum(t, p, fmt.Sprintf(client, names["cart"], "redis", `db_operation_name="GET"`), orders)
	exemplars, err := p.Exemplars(serverCount + `_bucket{service_name="gateway"}`)
	if err != nil || len(exemplars) == 0 {
		t.Fatalf("%d exemplars: %v", len(exemplars), err)
	}
	if _, err := d.Stop(); err != nil {
		t.Error(err)
	}
	c.Stop()
	spans, err := c.Spans()
	if err != nil {
		t.Fatal(err)
	}
	traces := known(spans)
	for _, e := range exemplars {
		if !traces[e.Labels["trace_id"]] {
			t.Errorf("the collector has no trace %v", e)
		}
	}
}
