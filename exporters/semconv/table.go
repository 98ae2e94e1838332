// SPDX-License-Identifier: Apache-2.0

package semconv

import "sonde/agent/model"

// OpenTelemetry's rule: a name holds no unit. The unit column gives Prometheus its suffix.
var metrics = [model.MetricCount]Metric{
	model.MetricHTTPServerDuration: {
		Name: "http.server.request.duration", Unit: "s", Kind: Histogram, Stability: Stable,
		Description: "Duration of HTTP server requests, from the first byte of the request to the last byte of the response.",
		Attributes: []model.Attr{
			model.AttrService, model.AttrMethod, model.AttrScheme, model.AttrStatus, model.AttrErrorType, model.AttrVersion,
		},
	},
	model.MetricHTTPClientDuration: {
		Name: "http.client.request.duration", Unit: "s", Kind: Histogram, Stability: Stable,
		Description: "Duration of HTTP client requests, from the first byte of the request to the last byte of the response.",
		Attributes: []model.Attr{
			model.AttrService, model.AttrMethod, model.AttrServerAddress, model.AttrServerPort, model.AttrStatus,
			model.AttrErrorType, model.AttrVersion,
		},
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
	model.MetricMemory: {
		Name: "sonde.memory", Unit: "By", Kind: UpDownCounter,
		Description: "Memory held by a part of the agent.",
		Attributes:  []model.Attr{model.AttrSubsystem},
	},
	model.MetricBuildInfo: {
		Name: "sonde.build.info", Kind: Gauge,
		Description: "Always 1; the labels say which build is running.",
		Attributes:  []model.Attr{model.AttrBuildVersion, model.AttrBuildRevision, model.AttrGoVersion},
	},
}

var flowAttributes = []model.Attr{
	model.AttrService, model.AttrView, model.AttrInterface, model.AttrTransport, model.AttrDirection,
}

var attributes = [model.AttrCount]Attribute{
	model.AttrService: {Key: "service.name", Stability: Stable,
		Description: "Name of the observed process's service."},
	model.AttrMethod: {Key: "http.request.method", Stability: Stable,
		Description: "Method; `_OTHER` when it is not one of the known methods."},
	model.AttrScheme: {Key: "url.scheme", Stability: Stable,
		Description: "`http`; `https` when the bytes come from a TLS library."},
	model.AttrStatus: {Key: "http.response.status_code", Stability: Stable,
		Description: "Status code; absent when the exchange did not complete."},
	model.AttrErrorType: {Key: "error.type", Stability: Stable,
		Description: "Status code of a failed request (server: 5xx, client: 4xx and 5xx), why an exchange did not complete " +
			"(`connection_reset`), or the errno name of a failed connection; absent on success."},
	model.AttrVersion: {Key: "network.protocol.version", Stability: Stable,
		Description: "HTTP version: `1.0`, `1.1`, `2`, `3`."},
	model.AttrServerAddress: {Key: "server.address", Stability: Stable,
		Description: "Host that was asked: from the request target or the Host field, else the peer's address."},
	model.AttrServerPort: {Key: "server.port", Stability: Stable,
		Description: "Port that was asked; without one in the request, the default port of the scheme."},
	model.AttrDirection: {Key: "network.io.direction", Stability: Development,
		Description: "`transmit` or `receive`, seen from the observed socket or interface."},
	model.AttrTransport: {Key: "network.transport", Stability: Stable,
		Description: "`tcp`, `udp`, `icmp`, `ipv6-icmp`."},
	model.AttrView: {Key: "view",
		Description: "Where the flow was counted: `socket` or `interface`."},
	model.AttrInterface: {Key: "network.interface.name", Stability: Development,
		Description: "Name of the interface, in the interface view."},
	model.AttrRole: {Key: "role",
		Description: "Side of the observed socket: `client` or `server`; `wire` or `unknown` where there is none."},
	model.AttrOutcome: {Key: "outcome",
		Description: "`closed`, `reset`, `refused`, `timed_out` or `failed`."},
	model.AttrReason: {Key: "reason",
		Description: "The kernel's name of the drop reason."},
	model.AttrRing: {Key: "ring",
		Description: "Name of the ring buffer."},
	model.AttrMap: {Key: "map",
		Description: "Name of the eBPF map."},
	model.AttrProgram: {Key: "program",
		Description: "Name of the eBPF program."},
	model.AttrProtocol: {Key: "network.protocol.name", Stability: Stable,
		Description: "Application protocol."},
	model.AttrQueue: {Key: "queue",
		Description: "Name of the queue."},
	model.AttrSubsystem: {Key: "subsystem",
		Description: "Part of the agent."},
	model.AttrBuildVersion: {Key: "version",
		Description: "Version of sonde."},
	model.AttrBuildRevision: {Key: "revision",
		Description: "Commit that sonde was built from."},
	model.AttrGoVersion: {Key: "goversion",
		Description: "Go release that sonde was built with."},
	model.AttrOverflow: {Key: "otel.metric.overflow", Stability: Stable,
		Description: "`true` on the series that takes what is over the limit of series, so that sums stay exact."},
}
