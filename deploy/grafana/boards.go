// SPDX-License-Identifier: Apache-2.0

package grafana

// Dashboards returns all dashboards. What they have in common: rates over $__rate_interval, services by service_name, and
// durations from the classic buckets, which every Prometheus has.
func Dashboards() []Dashboard {
	return []Dashboard{services(), service(), network(), dns(), databases(), agent()}
}

const (
	byService = `{service_name=~"$service"}`
	rate      = "[$__rate_interval]"
)

var serviceChoice = Variable{
	Name: "service", Label: "Service", Multi: true,
	Query: "label_values(http_server_request_duration_seconds_count, service_name)",
}

func sumRate(by, metric, selector string) string {
	return "sum by (" + by + ") (rate(" + metric + selector + rate + "))"
}

func quantile(q, by, metric, selector string) string {
	return "histogram_quantile(" + q + ", sum by (le" + comma(by) + ") (rate(" + metric + "_bucket" + selector + rate + ")))"
}

func comma(by string) string {
	if by == "" {
		return ""
	}
	return ", " + by
}

// errorRatio divides the requests with an error by all of them. A service without errors has the ratio 0 and not none.
func errorRatio(by, metric, service string) string {
	all := sumRate(by, metric, service)
	failed := sumRate(by, metric, service[:len(service)-1]+`,error_type!=""}`)
	return "(" + failed + " or 0 * " + all + ") / " + all
}

func percentiles(by, legend, metric, selector string) []Query {
	return []Query{
		{Expr: quantile("0.5", by, metric, selector), Legend: legend + "p50"},
		{Expr: quantile("0.95", by, metric, selector), Legend: legend + "p95"},
		{Expr: quantile("0.99", by, metric, selector), Legend: legend + "p99"},
	}
}

const (
	httpServer = "http_server_request_duration_seconds"
	httpClient = "http_client_request_duration_seconds"
	rpcServer  = "rpc_server_call_duration_seconds"
	dbClient   = "db_client_operation_duration_seconds"
	dnsLookup  = "dns_lookup_duration_seconds"
)

func services() Dashboard {
	return Dashboard{
		UID: "sonde-services", Title: "sonde / Services",
		Description: "Rate, errors and duration of every service, as seen from the kernel. Dots are requests with a trace.",
		Variables:   []Variable{serviceChoice},
		Rows: []Row{
			{Title: "HTTP", Panels: []Panel{
				{
					Kind: Lines, Title: "Requests", Unit: "reqps", Description: "Requests that servers answered, by service.",
					Queries: []Query{{Expr: sumRate("service_name", httpServer+"_count", byService), Legend: "{{service_name}}"}},
				},
				{
					Kind: Lines, Title: "Errors", Unit: "percentunit", Description: "Share of requests that failed at the server.",
					Queries: []Query{{Expr: errorRatio("service_name", httpServer+"_count", byService), Legend: "{{service_name}}"}},
				},
				{
					Kind: Lines, Title: "Duration, p95", Unit: "s", Exemplars: true, Description: "95 of 100 requests took no longer.",
					Queries: []Query{{Expr: quantile("0.95", "service_name", httpServer, byService), Legend: "{{service_name}}"}},
				},
			}},
			{Title: "gRPC", Panels: []Panel{
				{
					Kind: Lines, Title: "Calls", Unit: "reqps", Description: "Calls that servers answered, by service.",
					Queries: []Query{{Expr: sumRate("service_name", rpcServer+"_count", ""), Legend: "{{service_name}}"}},
				},
				{
					Kind: Lines, Title: "Errors", Unit: "percentunit", Description: "Share of calls that failed at the server.",
					Queries: []Query{{Expr: errorRatio("service_name", rpcServer+"_count", `{service_name=~".*"}`), Legend: "{{service_name}}"}},
				},
				{
					Kind: Lines, Title: "Duration, p95", Unit: "s", Exemplars: true, Description: "95 of 100 calls took no longer.",
					Queries: []Query{{Expr: quantile("0.95", "service_name", rpcServer, ""), Legend: "{{service_name}}"}},
				},
			}},
			{Title: "Who calls whom", Panels: []Panel{
				{
					Kind: Table, Title: "Requests", Unit: "reqps", Description: "Requests per second from service to service. A database or broker is a server too.",
					Queries: []Query{{Expr: "sum by (client, server, connection_type) (rate(traces_service_graph_request_total" + rate + "))"}},
				},
				{
					Kind: Table, Title: "Failed requests", Unit: "reqps", Description: "Of them: those that failed.",
					Queries: []Query{{Expr: "sum by (client, server, connection_type) (rate(traces_service_graph_request_failed_total" + rate + "))", Quiet: true}},
				},
			}},
			{Title: "Calls to others", Panels: []Panel{
				{
					Kind: Lines, Title: "HTTP requests sent", Unit: "reqps", Description: "Requests that services sent, by service and server asked.",
					Queries: []Query{{Expr: sumRate("service_name, server_address", httpClient+"_count", byService), Legend: "{{service_name}} to {{server_address}}"}},
				},
				{
					Kind: Lines, Title: "Duration as clients saw it, p95", Unit: "s", Exemplars: true, Description: "From the first byte of the request to the last of the answer.",
					Queries: []Query{{Expr: quantile("0.95", "service_name", httpClient, byService), Legend: "{{service_name}}"}},
				},
			}},
		},
	}
}

func service() Dashboard {
	one := serviceChoice
	one.Multi = false
	return Dashboard{
		UID: "sonde-service", Title: "sonde / One service",
		Description: "One service: its routes, what it answers, whom it asks, its connections.",
		Variables:   []Variable{one},
		Rows: []Row{
			{Title: "Now", Height: 4, Panels: []Panel{
				{Kind: Stat, Title: "Requests", Unit: "reqps", Queries: []Query{{Expr: "sum(rate(" + httpServer + "_count" + byService + rate + "))"}}},
				{Kind: Stat, Title: "Errors", Unit: "percentunit", Queries: []Query{{Expr: errorRatio("service_name", httpServer+"_count", byService)}}},
				{Kind: Stat, Title: "p99", Unit: "s", Queries: []Query{{Expr: quantile("0.99", "", httpServer, byService)}}},
				{Kind: Stat, Title: "Open connections", Unit: "short", Queries: []Query{{Expr: "sum(sonde_tcp_connections_open" + byService + ")"}}},
			}},
			{Title: "Requests", Panels: []Panel{
				{
					Kind: Lines, Title: "By route", Unit: "reqps", Description: "Routes are templates; the path itself is never a label.",
					Queries: []Query{{Expr: sumRate("http_request_method, http_route", httpServer+"_count", byService), Legend: "{{http_request_method}} {{http_route}}"}},
				},
				{
					Kind: Lines, Title: "By status", Unit: "reqps",
					Queries: []Query{{Expr: sumRate("http_response_status_code", httpServer+"_count", byService), Legend: "{{http_response_status_code}}"}},
				},
				{
					Kind: Lines, Title: "Duration", Unit: "s", Exemplars: true,
					Queries: percentiles("", "", httpServer, byService),
				},
			}},
			{Title: "Slowest routes", Panels: []Panel{
				{
					Kind: Table, Title: "p95 by route", Unit: "s",
					Queries: []Query{{Expr: "topk(20, " + quantile("0.95", "http_request_method, http_route", httpServer, byService) + ")"}},
				},
				{
					Kind: Table, Title: "Errors by type", Unit: "reqps",
					Queries: []Query{{Expr: sumRate("http_request_method, http_route, error_type", httpServer+"_count", `{service_name=~"$service",error_type!=""}`), Quiet: true}},
				},
			}},
			{Title: "Whom it asks", Panels: []Panel{
				{
					Kind: Lines, Title: "HTTP requests sent", Unit: "reqps",
					Queries: []Query{{Expr: sumRate("server_address, server_port", httpClient+"_count", byService), Legend: "{{server_address}}:{{server_port}}", Quiet: true}},
				},
				{
					Kind: Lines, Title: "Database operations", Unit: "ops",
					Queries: []Query{{Expr: sumRate("db_system_name", dbClient+"_count", byService), Legend: "{{db_system_name}}", Quiet: true}},
				},
			}},
			{Title: "Network", Panels: []Panel{
				{
					Kind: Lines, Title: "Bytes", Unit: "Bps",
					Queries: []Query{{Expr: sumRate("network_io_direction", "sonde_flow_io_bytes_total", `{service_name=~"$service",view="socket"}`), Legend: "{{network_io_direction}}"}},
				},
				{
					Kind: Lines, Title: "Round trip time, p95", Unit: "s",
					Queries: []Query{{Expr: quantile("0.95", "role", "sonde_tcp_rtt_seconds", byService), Legend: "{{role}}"}},
				},
			}},
		},
	}
}

func network() Dashboard {
	return Dashboard{
		UID: "sonde-network", Title: "sonde / Network and TCP",
		Description: "Bytes, connections, and what TCP had to do again. Views count the same packets at different places: they are never added up.",
		Rows: []Row{
			{Title: "Traffic", Panels: []Panel{
				{
					Kind: Lines, Title: "Bytes at sockets", Unit: "Bps", Description: "By service and direction.",
					Queries: []Query{{Expr: sumRate("service_name, network_io_direction", "sonde_flow_io_bytes_total", `{view="socket"}`), Legend: "{{service_name}} {{network_io_direction}}"}},
				},
				{
					Kind: Lines, Title: "Bytes at interfaces", Unit: "Bps", Description: "Forwarded traffic included.",
					Queries: []Query{{Expr: sumRate("network_interface_name, network_io_direction", "sonde_flow_io_bytes_total", `{view="interface"}`), Legend: "{{network_interface_name}} {{network_io_direction}}"}},
				},
				{
					Kind: Lines, Title: "Packets at interfaces", Unit: "pps",
					Queries: []Query{{Expr: sumRate("network_interface_name, network_transport", "sonde_flow_packets_total", `{view="interface"}`), Legend: "{{network_interface_name}} {{network_transport}}"}},
				},
			}},
			{Title: "Connections", Panels: []Panel{
				{
					Kind: Lines, Title: "Open", Unit: "short",
					Queries: []Query{{Expr: "sum by (service_name, role) (sonde_tcp_connections_open)", Legend: "{{service_name}} {{role}}"}},
				},
				{
					Kind: Lines, Title: "Ended, by how", Unit: "ops",
					Queries: []Query{{Expr: sumRate("outcome", "sonde_tcp_connections_total", ""), Legend: "{{outcome}}"}},
				},
				{
					Kind: Lines, Title: "Failed, by error", Unit: "ops", Description: "Refused, timed out, unreachable.",
					Queries: []Query{{Expr: sumRate("service_name, error_type", "sonde_tcp_connection_failures_total", ""), Legend: "{{service_name}} {{error_type}}", Quiet: true}},
				},
			}},
			{Title: "Quality", Panels: []Panel{
				{
					Kind: Lines, Title: "Round trip time, p95", Unit: "s",
					Queries: []Query{{Expr: quantile("0.95", "service_name", "sonde_tcp_rtt_seconds", ""), Legend: "{{service_name}}"}},
				},
				{
					Kind: Lines, Title: "Segments sent again", Unit: "ops",
					Queries: []Query{{Expr: sumRate("service_name", "sonde_tcp_retransmits_total", ""), Legend: "{{service_name}}", Quiet: true}},
				},
				{
					Kind: Lines, Title: "Packets dropped by the kernel", Unit: "pps", Description: "By the kernel's own reason.",
					Queries: []Query{{Expr: sumRate("reason", "sonde_packet_drops_total", ""), Legend: "{{reason}}", Quiet: true}},
				},
			}},
		},
	}
}

func dns() Dashboard {
	return Dashboard{
		UID: "sonde-dns", Title: "sonde / DNS",
		Description: "Lookups: how many, how slow, which fail.",
		Rows: []Row{
			{Title: "Lookups", Panels: []Panel{
				{
					Kind: Lines, Title: "Rate", Unit: "ops",
					Queries: []Query{{Expr: sumRate("service_name", dnsLookup+"_count", ""), Legend: "{{service_name}}"}},
				},
				{
					Kind: Lines, Title: "Failed, by error", Unit: "ops",
					Queries: []Query{{Expr: sumRate("service_name, error_type", dnsLookup+"_count", `{error_type!=""}`), Legend: "{{service_name}} {{error_type}}", Quiet: true}},
				},
				{Kind: Lines, Title: "Duration", Unit: "s", Exemplars: true, Queries: percentiles("", "", dnsLookup, "")},
			}},
			{Title: "Names", Panels: []Panel{
				{
					Kind: Table, Title: "Most asked", Unit: "ops",
					Queries: []Query{{Expr: "topk(20, " + sumRate("dns_question_name", dnsLookup+"_count", "") + ")"}},
				},
				{
					Kind: Table, Title: "Slowest, p95", Unit: "s",
					Queries: []Query{{Expr: "topk(20, " + quantile("0.95", "dns_question_name", dnsLookup, "") + ")"}},
				},
				{
					Kind: Table, Title: "Failing most", Unit: "ops",
					Queries: []Query{{Expr: "topk(20, " + sumRate("dns_question_name, error_type", dnsLookup+"_count", `{error_type!=""}`) + ")", Quiet: true}},
				},
			}},
		},
	}
}

func databases() Dashboard {
	return Dashboard{
		UID: "sonde-databases", Title: "sonde / Databases",
		Description: "Operations as the clients saw them. Query summaries hold no values.",
		Rows: []Row{
			{Title: "Operations", Panels: []Panel{
				{
					Kind: Lines, Title: "Rate", Unit: "ops",
					Queries: []Query{{Expr: sumRate("service_name, db_system_name", dbClient+"_count", ""), Legend: "{{service_name}} {{db_system_name}}"}},
				},
				{
					Kind: Lines, Title: "Errors", Unit: "ops",
					Queries: []Query{{Expr: sumRate("service_name, db_system_name, error_type", dbClient+"_count", `{error_type!=""}`), Legend: "{{service_name}} {{db_system_name}} {{error_type}}", Quiet: true}},
				},
				{
					Kind: Lines, Title: "Duration, p95", Unit: "s", Exemplars: true,
					Queries: []Query{{Expr: quantile("0.95", "service_name, db_system_name", dbClient, ""), Legend: "{{service_name}} {{db_system_name}}"}},
				},
			}},
			{Title: "Queries", Panels: []Panel{
				{
					Kind: Table, Title: "Most frequent", Unit: "ops",
					Queries: []Query{{Expr: "topk(20, " + sumRate("db_system_name, db_query_summary, db_operation_name", dbClient+"_count", "") + ")"}},
				},
				{
					Kind: Table, Title: "Slowest, p95", Unit: "s",
					Queries: []Query{{Expr: "topk(20, " + quantile("0.95", "db_system_name, db_query_summary, db_operation_name", dbClient, "") + ")"}},
				},
			}},
		},
	}
}

const meanRun = "sum by (program) (rate(sonde_ebpf_program_run_time_seconds_total[5m])) / sum by (program) (rate(sonde_ebpf_program_runs_total[5m]))"

func agent() Dashboard {
	return Dashboard{
		UID: "sonde-agent", Title: "sonde / Agent",
		Description: "What sonde costs, what it lost, and how complete the other dashboards are.",
		Rows: []Row{
			{Title: "Completeness", Height: 6, Panels: []Panel{
				{
					Kind: Stat, Title: "Bytes parsed of bytes acknowledged", Unit: "percentunit", Description: "Payload that reached the parsers, held against the kernel's own counters.",
					Queries: []Query{{Expr: "sum(sonde_conn_io_parsed_bytes_total) / sum(sonde_conn_io_acked_bytes_total)"}},
				},
				{
					Kind: Stat, Title: "Requests lost", Unit: "reqps", Description: "Requests whose records found the ring full.",
					Queries: []Query{{Expr: "sum(rate(sonde_requests_lost_total" + rate + "))"}},
				},
				{Kind: Stat, Title: "Records lost", Unit: "ops", Queries: []Query{{Expr: "sum(rate(sonde_ebpf_ring_lost_total" + rate + "))"}}},
				{Kind: Stat, Title: "Dropped on the way out", Unit: "ops", Queries: []Query{{Expr: "sum(rate(sonde_queue_dropped_total" + rate + "))"}}},
			}},
			{Title: "Cost", Panels: []Panel{
				{
					Kind: Lines, Title: "eBPF time, by program", Unit: "percentunit", Description: "Share of one core. The observed applications pay this.",
					Queries: []Query{{Expr: sumRate("program", "sonde_ebpf_program_run_time_seconds_total", ""), Legend: "{{program}}"}},
				},
				{
					Kind: Lines, Title: "Mean run of a program", Unit: "s", Description: "The kernel measures half a second in thirty: without traffic in these there is nothing to show.",
					Queries: []Query{{Expr: meanRun, Legend: "{{program}}", Quiet: true}},
				},
				{
					Kind: Lines, Title: "Agent's CPU", Unit: "percentunit", Description: "Of one core.",
					Queries: []Query{{Expr: `rate(process_cpu_seconds_total{job="sonde"}` + rate + ")", Legend: "{{instance}}"}},
				},
				{
					Kind: Lines, Title: "Agent's memory", Unit: "bytes",
					Queries: []Query{{Expr: `process_resident_memory_bytes{job="sonde"}`, Legend: "{{instance}} resident"}, {Expr: "sum by (subsystem) (sonde_memory_bytes)", Legend: "{{subsystem}}"}},
				},
			}},
			{Title: "Traces", Panels: []Panel{
				{
					Kind: Lines, Title: "Spans, by how their parent was found", Unit: "ops", Description: "none: roots, and requests whose cause was not told.",
					Queries: []Query{{Expr: sumRate("sonde_parent_evidence", "sonde_trace_spans_total", ""), Legend: "{{sonde_parent_evidence}}"}},
				},
				{
					Kind: Lines, Title: "Causes that were not told, by why", Unit: "ops",
					Queries: []Query{{Expr: sumRate("reason", "sonde_trace_unresolved_total", ""), Legend: "{{reason}}"}},
				},
				{
					Kind: Lines, Title: "Spans exported, and not", Unit: "ops", Description: "error_type says why a span did not arrive.",
					Queries: []Query{{Expr: sumRate("otel_component_name, error_type", "otel_sdk_exporter_span_exported_total", ""), Legend: "{{otel_component_name}} {{error_type}}"}},
				},
			}},
			{Title: "Inside", Panels: []Panel{
				{Kind: Lines, Title: "Records", Unit: "ops", Queries: []Query{{Expr: sumRate("ring", "sonde_ebpf_ring_records_total", ""), Legend: "{{ring}}"}}},
				{Kind: Lines, Title: "Queues", Unit: "percentunit", Max: 1, Queries: []Query{{Expr: "sonde_queue_depth / sonde_queue_capacity", Legend: "{{queue}}"}}},
				{Kind: Lines, Title: "Connections tracked", Unit: "short", Queries: []Query{{Expr: "sum by (instance) (sonde_conn_tracked)", Legend: "{{instance}}"}}},
				{Kind: Lines, Title: "Parsers out of step", Unit: "ops", Queries: []Query{{Expr: sumRate("network_protocol_name", "sonde_parser_resyncs_total", ""), Legend: "{{network_protocol_name}}", Quiet: true}}},
			}},
		},
	}
}
