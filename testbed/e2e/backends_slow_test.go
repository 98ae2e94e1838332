// SPDX-License-Identifier: Apache-2.0

//go:build kernel && slow

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"sonde/testbed/apps/shop"
	"sonde/testbed/backends"
	"sonde/testbed/e2e/harness"
)

func jaeger(t *testing.T) *backends.RunningJaeger {
	t.Helper()
	j, err := backends.StartJaeger(program(t, backends.Jaeger), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(j.Stop)
	return j
}

// TestSlowJaegerShowsTheShop sends the same orders in each way that Jaeger takes spans, and reads them from its API.
func TestSlowJaegerShowsTheShop(t *testing.T) {
	l := newLab(t)
	first := 1
	for _, way := range []string{"otlp grpc", "otlp http", "thrift http", "thrift udp"} {
		t.Run(way, func(t *testing.T) {
			j := jaeger(t)
			o := map[string]harness.Options{
				"otlp grpc":   {Env: otlpTo("grpc", j.GRPC)},
				"otlp http":   {Env: otlpTo("http/protobuf", j.HTTP)},
				"thrift http": {Args: []string{"--jaeger-endpoint", j.ThriftURL}},
				"thrift udp":  {Args: []string{"--jaeger-endpoint", "udp://" + j.ThriftUDP}},
			}[way]
			const orders = 100
			d := l.runWith(t, o)
			s := l.shop(t)
			buy(t, s, first, orders, 10)
			read := func() ([]backends.Span, error) { return jaegerSpans(j, s) }
			awaitSpans(t, ends(first, orders), s, read)
			if _, err := d.Stop(); err != nil {
				t.Error(err)
			}
			spans := awaitSpans(t, ends(first, orders), s, read)
			t.Logf("edges with a parent:\n%s", judgeBackend(t, s, spans, first, orders))
			services, err := j.Services()
			for _, name := range processes(s) {
				if !slices.Contains(services, name) {
					t.Errorf("Jaeger knows no service %q: %v %v", name, services, err)
				}
			}
			first += orders
		})
	}
}

// jaegerSpans reads the traces of every service, each span once.
func jaegerSpans(j *backends.RunningJaeger, s *shop.Shop) ([]backends.Span, error) {
	seen, all := map[string]bool{}, []backends.Span{}
	for _, service := range processes(s) {
		spans, err := j.Spans(service)
		if err != nil {
			return nil, err
		}
		here := map[string]bool{} // a span that Jaeger has twice is twice in one answer
		for i := range spans {
			if !seen[spans[i].SpanID] {
				all, here[spans[i].SpanID] = append(all, spans[i]), true
			}
		}
		for id := range here {
			seen[id] = true
		}
	}
	return all, nil
}

// TestSlowPrometheus3KeepsNativeHistograms scrapes, and takes the same metrics by OTLP.
func TestSlowPrometheus3KeepsNativeHistograms(t *testing.T) {
	l := newLab(t)
	s := l.shop(t)
	bin := program(t, backends.Prometheus3)
	const first, orders = 1, 300
	t.Run("scraped", func(t *testing.T) {
		d := l.runWith(t, harness.Options{})
		p := scraper(t, bin, backends.ScrapeConfig{Targets: []string{strings.TrimPrefix(d.URL, "http://")}, Native: true})
		buy(t, s, first, orders, 10)
		expectNative(t, p, fmt.Sprintf(`http_server_request_duration_seconds{service_name=%q}`, "gateway"), orders)
	})
	t.Run("otlp", func(t *testing.T) {
		p := scraper(t, bin, backends.ScrapeConfig{}, "--web.enable-otlp-receiver")
		l.runWith(t, harness.Options{Env: []string{
			"OTEL_METRICS_EXPORTER=prometheus,otlp", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=" + p.URL + "/api/v1/otlp/v1/metrics",
			"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf", "OTEL_METRIC_EXPORT_INTERVAL=1000",
			"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION=base2_exponential_bucket_histogram",
		}})
		buy(t, s, first+orders, orders, 10)
		expectNative(t, p, `http_server_request_duration_seconds{job="gateway"}`, orders)
	})
}

// expectNative waits until a native histogram has counted want.
func expectNative(t *testing.T, p *backends.RunningPrometheus, expr string, want float64) {
	t.Helper()
	expectSum(t, p, expr, want)
	samples, err := p.Query(expr)
	if err != nil || len(samples) == 0 {
		t.Fatalf("%s: %d series: %v", expr, len(samples), err)
	}
	for _, sample := range samples {
		if !sample.Histogram {
			t.Errorf("%v is no native histogram", sample)
		}
	}
}

// TestSlowGatewayPassesOnWhatItIsSent runs the configuration of deploy/otel-collector against all destinations that can be
// started here: ClickHouse cannot, its part is validated alone.
func TestSlowGatewayPassesOnWhatItIsSent(t *testing.T) {
	l := newLab(t)
	bin, deployed := program(t, backends.Gateway), "../../deploy/otel-collector/"
	every := []string{deployed + "gateway.yaml", deployed + "jaeger.yaml", deployed + "prometheus.yaml", deployed + "kafka.yaml"}
	if err := backends.Validate(bin, append(slices.Clone(every), deployed+"clickhouse.yaml")); err != nil {
		t.Fatal(err)
	}
	j := jaeger(t)
	debian, err := backends.DebianPrometheus()
	if err != nil {
		t.Fatal(err)
	}
	p := scraper(t, debian, backends.ScrapeConfig{}, "--web.enable-remote-write-receiver")
	kafka, err := l.StartKafka()
	started(t, kafka, err)
	g, err := backends.StartGateway(bin, t.TempDir(), every,
		"JAEGER_ENDPOINT="+j.GRPC, "PROMETHEUS_ENDPOINT="+p.URL+"/api/v1/write", "KAFKA_BROKER="+kafka.Addr, "KAFKA_TRACES_TOPIC=orders",
		"KAFKA_METRICS_TOPIC=orders") // the one topic that the broker has
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	s := l.shop(t)
	const first, orders = 1, 100
	env := append(otlpTo("grpc", g.GRPC), "OTEL_METRICS_EXPORTER=prometheus,otlp", "OTEL_METRIC_EXPORT_INTERVAL=1000")
	d := l.runWith(t, harness.Options{Env: env})
	buy(t, s, first, orders, 10)
	spans := awaitSpans(t, ends(first, orders), s, func() ([]backends.Span, error) { return jaegerSpans(j, s) })
	judgeBackend(t, s, spans, first, orders)
	if t.Failed() {
		t.Log(g.Log())
		t.Log(d.Stderr())
	}
	expectSum(t, p, `http_server_request_duration_seconds_count{service_name="gateway"}`, orders)
	// -u: unbuffered, -e: until the end. A service's name stands in the message as it is.
	records := run(t, "kcat", "-b", kafka.Addr, "-C", "-t", "orders", "-p", "0", "-o", "beginning", "-e", "-q", "-u", "-f", "%s")
	for _, name := range processes(s) {
		if !strings.Contains(records, name) {
			t.Errorf("no span of %s in Kafka", name)
		}
	}
}
