// SPDX-License-Identifier: Apache-2.0

package semconv

import "sonde/agent/model"

// OpenTelemetry's rule: a name holds no unit. The unit column gives Prometheus its suffix.
var metrics = [model.MetricCount]Metric{
	model.MetricHTTPServerDuration: {
		Name: "http.server.request.duration", Unit: "s", Kind: Histogram, Stability: Stable,
		Description: "Duration of HTTP server requests, from the first byte of the request to the last byte of the response.",
		Attributes:  httpServer,
	},
	model.MetricHTTPClientDuration: {
		Name: "http.client.request.duration", Unit: "s", Kind: Histogram, Stability: Stable,
		Description: "Duration of HTTP client requests, from the first byte of the request to the last byte of the response.",
		Attributes:  httpClient,
	},
	model.MetricHTTPServerRequestBody: {
		Name: "http.server.request.body.size", Unit: "By", Kind: Histogram, Stability: Development,
		Description: "Bytes of the bodies of HTTP requests to servers, as on the wire.",
		Attributes:  httpServer,
	},
	model.MetricHTTPServerResponseBody: {
		Name: "http.server.response.body.size", Unit: "By", Kind: Histogram, Stability: Development,
		Description: "Bytes of the bodies of HTTP responses of servers, as on the wire. Exchanges without a status are left out.",
		Attributes:  httpServer,
	},
	model.MetricHTTPClientRequestBody: {
		Name: "http.client.request.body.size", Unit: "By", Kind: Histogram, Stability: Development,
		Description: "Bytes of the bodies of HTTP requests of clients, as on the wire.",
		Attributes:  httpClient,
	},
	model.MetricHTTPClientResponseBody: {
		Name: "http.client.response.body.size", Unit: "By", Kind: Histogram, Stability: Development,
		Description: "Bytes of the bodies of HTTP responses to clients, as on the wire. Exchanges without a status are left out.",
		Attributes:  httpClient,
	},
	model.MetricRPCServerDuration: {
		Name: "rpc.server.call.duration", Unit: "s", Kind: Histogram, Stability: ReleaseCandidate,
		Description: "Duration of gRPC calls to servers, streams from their first to their last byte.",
		Attributes:  []model.Attr{model.AttrService, model.AttrRPCSystem, model.AttrRPCMethod, model.AttrRPCStatus, model.AttrErrorType},
	},
	model.MetricRPCClientDuration: {
		Name: "rpc.client.call.duration", Unit: "s", Kind: Histogram, Stability: ReleaseCandidate,
		Description: "Duration of gRPC calls of clients, streams from their first to their last byte.",
		Attributes: []model.Attr{
			model.AttrService, model.AttrRPCSystem, model.AttrRPCMethod, model.AttrServerAddress, model.AttrServerPort,
			model.AttrRPCStatus, model.AttrErrorType,
		},
	},
	model.MetricRPCServerDurationOld: {
		Name: "rpc.server.duration", Unit: "ms", Kind: Histogram, Stability: Development,
		Description: "Duration of gRPC calls to servers under the old name, with OTEL_SEMCONV_STABILITY_OPT_IN=rpc/dup.",
		Attributes: []model.Attr{
			model.AttrService, model.AttrRPCSystemOld, model.AttrRPCServiceOld, model.AttrRPCMethod, model.AttrRPCStatusOld,
			model.AttrErrorType,
		},
	},
	model.MetricRPCClientDurationOld: {
		Name: "rpc.client.duration", Unit: "ms", Kind: Histogram, Stability: Development,
		Description: "Duration of gRPC calls of clients under the old name, with OTEL_SEMCONV_STABILITY_OPT_IN=rpc/dup.",
		Attributes: []model.Attr{
			model.AttrService, model.AttrRPCSystemOld, model.AttrRPCServiceOld, model.AttrRPCMethod, model.AttrServerAddress,
			model.AttrServerPort, model.AttrRPCStatusOld, model.AttrErrorType,
		},
	},
	model.MetricDBClientDuration: {
		Name: "db.client.operation.duration", Unit: "s", Kind: Histogram, Stability: Stable,
		Description: "Duration of database operations, seen at their clients.",
		Attributes:  dbClient,
	},
	model.MetricDBClientRows: {
		Name: "db.client.response.returned_rows", Unit: "{row}", Kind: Histogram, Stability: Development,
		Description: "Rows that database operations returned, where the protocol tells.",
		Attributes:  dbClient,
	},
	model.MetricDBServerDuration: {
		Name: "sonde.db.server.operation.duration", Unit: "s", Kind: Histogram,
		Description: "Duration of database operations, seen at their servers.",
		Attributes: []model.Attr{
			model.AttrService, model.AttrDBSystem, model.AttrDBOperation, model.AttrDBCollection, model.AttrDBNamespace,
			model.AttrDBSummary, model.AttrDBStatus, model.AttrErrorType,
		},
	},
	model.MetricMessagingClientDuration: {
		Name: "messaging.client.operation.duration", Unit: "s", Kind: Histogram, Stability: Development,
		Description: "Duration of operations of messaging clients: send, receive, settle.",
		Attributes:  messagingClient,
	},
	model.MetricMessagingSent: {
		Name: "messaging.client.sent.messages", Unit: "{message}", Kind: Counter, Stability: Development,
		Description: "Messages that producers tried to send, where the protocol tells how many.",
		Attributes:  messagesOf,
	},
	model.MetricMessagingConsumed: {
		Name: "messaging.client.consumed.messages", Unit: "{message}", Kind: Counter, Stability: Development,
		Description: "Messages that were delivered to consumers, where the protocol tells how many.",
		Attributes:  messagesOf,
	},
	model.MetricMessagingProcess: {
		Name: "messaging.process.duration", Unit: "s", Kind: Histogram, Stability: Development,
		Description: "Time from the delivery of a message to the reply to it.",
		Attributes:  messagesOf,
	},
	model.MetricMessagingServerDuration: {
		Name: "sonde.messaging.server.operation.duration", Unit: "s", Kind: Histogram,
		Description: "Duration of messaging operations, seen at the broker.",
		Attributes: []model.Attr{
			model.AttrService, model.AttrMessagingSystem, model.AttrMessagingOp, model.AttrMessagingType, model.AttrDestination,
			model.AttrConsumerGroup, model.AttrErrorType,
		},
	},
	model.MetricDNSLookup: {
		Name: "dns.lookup.duration", Unit: "s", Kind: Histogram, Stability: Development,
		Description: "Duration of DNS queries, seen at their clients.",
		Attributes:  []model.Attr{model.AttrService, model.AttrDNSName, model.AttrErrorType},
	},
	model.MetricDNSServer: {
		Name: "sonde.dns.server.lookup.duration", Unit: "s", Kind: Histogram,
		Description: "Duration of DNS queries, seen at the server.",
		Attributes:  []model.Attr{model.AttrService, model.AttrDNSName, model.AttrErrorType},
	},
	model.MetricTLSHandshake: {
		Name: "sonde.tls.handshake.duration", Unit: "s", Kind: Histogram,
		Description: "Duration of TLS and QUIC handshakes, as far as they are in the clear.",
		Attributes:  []model.Attr{model.AttrService, model.AttrRole, model.AttrProtocol, model.AttrTLSVersion, model.AttrErrorType},
	},
	model.MetricWebSocketSession: {
		Name: "sonde.websocket.session.duration", Unit: "s", Kind: Histogram,
		Description: "Duration of WebSocket sessions, from the upgrade to the close.",
		Attributes:  []model.Attr{model.AttrService, model.AttrRole, model.AttrErrorType},
	},
	model.MetricGraphRequests: {
		Name: "traces_service_graph_request_total", Kind: Counter, Stability: Adopted,
		Description: "Requests from one service to another: counted at the server, at the client only where the server is not observed. " +
			"A service's requests to itself are left out.",
		Attributes: graph,
	},
	model.MetricGraphFailed: {
		Name: "traces_service_graph_request_failed_total", Kind: Counter, Stability: Adopted,
		Description: "Those of the requests between services that have an error.type.",
		Attributes:  graph,
	},
	model.MetricGraphServer: {
		Name: "traces_service_graph_request_server", Unit: "s", Kind: Histogram, Stability: Adopted,
		Description: "Duration of requests between services, seen at the server.",
		Attributes:  graph,
	},
	model.MetricGraphClient: {
		Name: "traces_service_graph_request_client", Unit: "s", Kind: Histogram, Stability: Adopted,
		Description: "Duration of requests to services that are not observed, seen at the client.",
		Attributes:  graph,
	},
	model.MetricTraceSpans: {
		Name: "sonde.trace.spans", Unit: "{span}", Kind: Counter,
		Description: "Spans, exported or not, by how their parent was found.",
		Attributes:  []model.Attr{model.AttrRole, model.AttrEvidence},
	},
	model.MetricTraceUnresolved: {
		Name: "sonde.trace.unresolved", Unit: "{request}", Kind: Counter,
		Description: "Requests whose cause was not told, by why: several were possible (ambiguous), threads have not shown yet that " +
			"they stay with a request (unproven), or were seen to work for several (shared), it became known after the trace " +
			"was told (late), there was no room (full), or the request was open for too long (expired).",
		Attributes: []model.Attr{model.AttrReason},
	},
	model.MetricFlowIO: {
		Name: "sonde.flow.io", Unit: "By", Kind: Counter,
		Description: "Bytes of network flows. Views count the same packets at different places: never add them up.",
		Attributes:  flowAttributes,
	},
	model.MetricFlowPackets: {
		Name: "sonde.flow.packets", Unit: "{packet}", Kind: Counter,
		Description: "Packets of network flows. Views count the same packets at different places: never add them up.",
		Attributes:  flowAttributes,
	},
	model.MetricTCPConnections: {
		Name: "sonde.tcp.connections", Unit: "{connection}", Kind: Counter,
		Description: "TCP connections that ended, by how they ended.",
		Attributes:  []model.Attr{model.AttrService, model.AttrRole, model.AttrOutcome},
	},
	model.MetricTCPOpen: {
		Name: "sonde.tcp.connections.open", Unit: "{connection}", Kind: UpDownCounter,
		Description: "TCP connections that are open now.",
		Attributes:  []model.Attr{model.AttrService, model.AttrRole},
	},
	model.MetricTCPFailures: {
		Name: "sonde.tcp.connection.failures", Unit: "{connection}", Kind: Counter,
		Description: "TCP connections that were refused, timed out or failed otherwise, by error.",
		Attributes:  []model.Attr{model.AttrService, model.AttrRole, model.AttrErrorType},
	},
	model.MetricTCPRetransmits: {
		Name: "sonde.tcp.retransmits", Unit: "{segment}", Kind: Counter,
		Description: "TCP segments that were sent again.",
		Attributes:  []model.Attr{model.AttrService, model.AttrRole},
	},
	model.MetricTCPRTT: {
		Name: "sonde.tcp.rtt", Unit: "s", Kind: Histogram,
		Description: "Smoothed round trip time of TCP connections, one value for each report of a connection that moved bytes.",
		Attributes:  []model.Attr{model.AttrService, model.AttrRole},
	},
	model.MetricTCPDuration: {
		Name: "sonde.tcp.connection.duration", Unit: "s", Kind: Histogram,
		Description: "Life of established TCP connections whose beginning and end were both seen.",
		Attributes:  []model.Attr{model.AttrService, model.AttrRole},
	},
	model.MetricPacketDrops: {
		Name: "sonde.packet.drops", Unit: "{packet}", Kind: Counter,
		Description: "Packets that the kernel dropped, by its reason.",
		Attributes:  []model.Attr{model.AttrReason},
	},
	model.MetricRequestsLost: {
		Name: "sonde.requests.lost", Unit: "{request}", Kind: Counter,
		Description: "Requests that are missing from the other metrics because their records were lost in the kernel.",
		Attributes:  []model.Attr{model.AttrRole},
	},
	model.MetricRequestsUnaggregated: {
		Name: "sonde.requests.unaggregated", Unit: "{request}", Kind: Counter,
		Description: "Requests that were seen and have no metric: the protocol has none, or the observed end is not known.",
		Attributes:  []model.Attr{model.AttrProtocol, model.AttrRole},
	},
	model.MetricRingLost: {
		Name: "sonde.ebpf.ring.lost", Unit: "{record}", Kind: Counter,
		Description: "Records that the kernel could not write because the ring buffer was full.",
		Attributes:  []model.Attr{model.AttrRing},
	},
	model.MetricRingRecords: {
		Name: "sonde.ebpf.ring.records", Unit: "{record}", Kind: Counter,
		Description: "Records read from the ring buffer.",
		Attributes:  []model.Attr{model.AttrRing},
	},
	model.MetricRingIO: {
		Name: "sonde.ebpf.ring.io", Unit: "By", Kind: Counter,
		Description: "Bytes read from the ring buffer.",
		Attributes:  []model.Attr{model.AttrRing},
	},
	model.MetricMapFull: {
		Name: "sonde.ebpf.map.full", Unit: "{insert}", Kind: Counter,
		Description: "Entries that an eBPF map had no room for.",
		Attributes:  []model.Attr{model.AttrMap},
	},
	model.MetricUndecodable: {
		Name: "sonde.events.undecodable", Unit: "{record}", Kind: Counter,
		Description: "Records from the kernel that could not be decoded.",
	},
	model.MetricProgramRunTime: {
		Name: "sonde.ebpf.program.run.time", Unit: "s", Kind: Counter,
		Description: "Time spent in sonde's eBPF programs, which the observed applications pay, as sampled: the kernel measures half a second in thirty (always with kernel.bpf_stats_enabled=1). By runs it is the mean cost of a run.",
		Attributes:  []model.Attr{model.AttrProgram},
	},
	model.MetricProgramRuns: {
		Name: "sonde.ebpf.program.runs", Unit: "{run}", Kind: Counter,
		Description: "Runs of sonde's eBPF programs while the kernel measured them.",
		Attributes:  []model.Attr{model.AttrProgram},
	},
	model.MetricConnParsed: {
		Name: "sonde.conn.io.parsed", Unit: "By", Kind: Counter,
		Description: "Payload bytes of TCP connections that reached sonde's streams. Divided by the acknowledged bytes: completeness.",
		Attributes:  []model.Attr{model.AttrDirection},
	},
	model.MetricConnAcked: {
		Name: "sonde.conn.io.acked", Unit: "By", Kind: Counter,
		Description: "Payload bytes of the same connections as the kernel counted them (bytes_acked, bytes_received).",
		Attributes:  []model.Attr{model.AttrDirection},
	},
	model.MetricConnTracked: {
		Name: "sonde.conn.tracked", Unit: "{connection}", Kind: UpDownCounter,
		Description: "Connections in the connection table.",
	},
	model.MetricConnJoined: {
		Name: "sonde.conn.joined", Unit: "{connection}", Kind: Counter,
		Description: "Connections that are older than the agent and were joined in the middle.",
	},
	model.MetricResyncs: {
		Name: "sonde.parser.resyncs", Unit: "{resync}", Kind: Counter,
		Description: "Times that a parser lost step with a connection and started again at the next turn.",
		Attributes:  []model.Attr{model.AttrProtocol},
	},
	model.MetricQueueDepth: {
		Name: "sonde.queue.depth", Unit: "{entry}", Kind: UpDownCounter,
		Description: "Entries that wait in a queue of the agent.",
		Attributes:  []model.Attr{model.AttrQueue},
	},
	model.MetricQueueCapacity: {
		Name: "sonde.queue.capacity", Unit: "{entry}", Kind: UpDownCounter,
		Description: "Entries that a queue of the agent has room for.",
		Attributes:  []model.Attr{model.AttrQueue},
	},
	model.MetricQueueDropped: {
		Name: "sonde.queue.dropped", Unit: "{entry}", Kind: Counter,
		Description: "Entries that were dropped because a queue of the agent was full.",
		Attributes:  []model.Attr{model.AttrQueue},
	},
	model.MetricSpansExported: {
		Name: "otel.sdk.exporter.span.exported", Unit: "{span}", Kind: Counter, Stability: Development,
		Description: "Spans that an exporter was done with, the receiver took them or error_type says why not.",
		Attributes:  exporterAttributes,
	},
	model.MetricPointsExported: {
		Name: "otel.sdk.exporter.metric_data_point.exported", Unit: "{data_point}", Kind: Counter, Stability: Development,
		Description: "Data points of metrics that an exporter was done with, the receiver took them or error_type says why not.",
		Attributes:  exporterAttributes,
	},
	model.MetricSelfExport: {
		Name: "sonde.selfexport.processes", Unit: "{process}", Kind: UpDownCounter,
		Description: "Processes that were seen to export telemetry of their own. Spans of those that export traces are left out, unless --silence-self-exporting=false.",
		Attributes:  []model.Attr{model.AttrSignal},
	},
	model.MetricMemory: {
		Name: "sonde.memory", Unit: "By", Kind: UpDownCounter,
		Description: "Memory held by a part of the agent.",
		Attributes:  []model.Attr{model.AttrSubsystem},
	},
	model.MetricProcessCPU: {
		Name: "process.cpu.time", Unit: "s", Kind: Counter, Stability: ReleaseCandidate, PushOnly: true,
		Description: "CPU time of the agent.",
		Attributes:  []model.Attr{model.AttrCPUMode},
	},
	model.MetricProcessMemory: {
		Name: "process.memory.usage", Unit: "By", Kind: UpDownCounter, Stability: ReleaseCandidate, PushOnly: true,
		Description: "Physical memory of the agent.",
	},
	model.MetricProcessUptime: {
		Name: "process.uptime", Unit: "s", Kind: Gauge, Stability: ReleaseCandidate, PushOnly: true,
		Description: "Time since the agent was started.",
	},
	model.MetricGoMemory: {
		Name: "go.memory.used", Unit: "By", Kind: UpDownCounter, Stability: Development, PushOnly: true,
		Description: "Memory of the agent's Go runtime.",
		Attributes:  []model.Attr{model.AttrGoMemoryType},
	},
	model.MetricGoAllocated: {
		Name: "go.memory.allocated", Unit: "By", Kind: Counter, Stability: Development, PushOnly: true,
		Description: "Memory that the agent has allocated on its heap.",
	},
	model.MetricGoroutines: {
		Name: "go.goroutine.count", Unit: "{goroutine}", Kind: UpDownCounter, Stability: Development, PushOnly: true,
		Description: "Goroutines of the agent.",
	},
	model.MetricBuildInfo: {
		Name: "sonde.build.info", Kind: Gauge,
		Description: "Always 1; the labels say which build is running.",
		Attributes:  []model.Attr{model.AttrBuildVersion, model.AttrBuildRevision, model.AttrGoVersion},
	},
}

var exporterAttributes = []model.Attr{model.AttrComponentType, model.AttrComponentName, model.AttrErrorType}
