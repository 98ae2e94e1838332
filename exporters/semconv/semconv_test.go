// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sonde/agent/model"
)

var update = flag.Bool("update", false, "rewrite docs/metrics.md")

func TestMetricsDocumentationIsFresh(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "metrics.md")
	want := Markdown()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/metrics.md is stale: run go generate ./exporters/semconv")
	}
}

func TestPrometheusNamesFollowTheTranslationRules(t *testing.T) {
	tests := []struct {
		metric model.Metric
		want   string
	}{
		{model.MetricHTTPServerDuration, "http_server_request_duration_seconds"},
		{model.MetricHTTPClientDuration, "http_client_request_duration_seconds"},
		{model.MetricFlowIO, "sonde_flow_io_bytes_total"},
		{model.MetricFlowPackets, "sonde_flow_packets_total"},
		{model.MetricTCPConnections, "sonde_tcp_connections_total"},
		{model.MetricTCPOpen, "sonde_tcp_connections_open"},
		{model.MetricTCPRTT, "sonde_tcp_rtt_seconds"},
		{model.MetricProgramRunTime, "sonde_ebpf_program_run_time_seconds_total"},
		{model.MetricMemory, "sonde_memory_bytes"},
		{model.MetricBuildInfo, "sonde_build_info"},
		{model.MetricHTTPServerResponseBody, "http_server_response_body_size_bytes"},
		{model.MetricRPCServerDuration, "rpc_server_call_duration_seconds"},
		{model.MetricRPCServerDurationOld, "rpc_server_duration_milliseconds"},
		{model.MetricDBClientDuration, "db_client_operation_duration_seconds"},
		{model.MetricDBClientRows, "db_client_response_returned_rows"},
		{model.MetricMessagingSent, "messaging_client_sent_messages_total"},
		{model.MetricDNSLookup, "dns_lookup_duration_seconds"},
		{model.MetricGraphRequests, "traces_service_graph_request_total"},
		{model.MetricGraphFailed, "traces_service_graph_request_failed_total"},
		{model.MetricGraphServer, "traces_service_graph_request_server_seconds"},
		{model.MetricGraphClient, "traces_service_graph_request_client_seconds"},
	}
	for _, tt := range tests {
		if got := Of(tt.metric).Prometheus; got != tt.want {
			t.Errorf("%s: got %s, want %s", Of(tt.metric).Name, got, tt.want)
		}
	}
	for a, want := range map[model.Attr]string{
		model.AttrStatus: "http_response_status_code", model.AttrRoute: "http_route", model.AttrRPCStatusOld: "rpc_grpc_status_code",
		model.AttrClient: "client", model.AttrServer: "server", model.AttrConnectionType: "connection_type",
	} {
		if got := OfAttr(a).Prometheus; got != want {
			t.Errorf("label %s, want %s", got, want)
		}
	}
}

func TestEveryMetricIsDescribed(t *testing.T) {
	names := map[string]bool{}
	for i := range model.MetricCount {
		m := Of(i)
		if m.Name == "" {
			t.Fatalf("metric %d has no row", i)
		}
		if !strings.HasSuffix(m.Description, ".") {
			t.Errorf("%s: the description is not a sentence: %q", m.Name, m.Description)
		}
		if names[m.Prometheus] {
			t.Errorf("%s: another metric is called %s as well", m.Name, m.Prometheus)
		}
		names[m.Prometheus] = true
		if (i.Bounds() != nil) != (m.Kind == Histogram) {
			t.Errorf("%s: histograms, and only they, have bucket bounds", m.Name)
		}
		if m.Stability == Own && !strings.HasPrefix(m.Name, "sonde.") {
			t.Errorf("%s: names without a convention begin with sonde.", m.Name)
		}
	}
}

func TestEveryAttributeIsDescribedAndUsed(t *testing.T) {
	used := map[model.Attr]bool{model.AttrOverflow: true}
	for i := range model.MetricCount {
		for _, a := range Of(i).Attributes {
			used[a] = true
		}
	}
	labels := map[string]bool{}
	for i := range model.AttrCount {
		a := OfAttr(i)
		if a.Key == "" || a.Description == "" {
			t.Fatalf("attribute %d is not described", i)
		}
		if !used[i] {
			t.Errorf("%s: no metric has it", a.Key)
		}
		if labels[a.Prometheus] {
			t.Errorf("%s: another attribute is called %s as well", a.Key, a.Prometheus)
		}
		labels[a.Prometheus] = true
	}
}
