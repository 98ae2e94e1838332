// SPDX-License-Identifier: Apache-2.0

package semconv

import "sonde/agent/model"

var flowAttributes = []model.Attr{
	model.AttrService, model.AttrView, model.AttrInterface, model.AttrTransport, model.AttrDirection,
}

var (
	httpServer = []model.Attr{
		model.AttrService, model.AttrMethod, model.AttrRoute, model.AttrScheme, model.AttrStatus, model.AttrErrorType,
		model.AttrVersion,
	}
	httpClient = []model.Attr{
		model.AttrService, model.AttrMethod, model.AttrServerAddress, model.AttrServerPort, model.AttrStatus,
		model.AttrErrorType, model.AttrVersion,
	}
	dbClient = []model.Attr{
		model.AttrService, model.AttrDBSystem, model.AttrDBOperation, model.AttrDBCollection, model.AttrDBNamespace,
		model.AttrDBSummary, model.AttrServerAddress, model.AttrServerPort, model.AttrDBStatus, model.AttrErrorType,
	}
	messagingClient = []model.Attr{
		model.AttrService, model.AttrMessagingSystem, model.AttrMessagingOp, model.AttrMessagingType, model.AttrDestination,
		model.AttrConsumerGroup, model.AttrServerAddress, model.AttrServerPort, model.AttrErrorType,
	}
	messagesOf = []model.Attr{ // the kind of operation is in the name of the metric
		model.AttrService, model.AttrMessagingSystem, model.AttrMessagingOp, model.AttrDestination, model.AttrConsumerGroup,
		model.AttrServerAddress, model.AttrServerPort, model.AttrErrorType,
	}
	graph = []model.Attr{model.AttrClient, model.AttrServer, model.AttrConnectionType}
)

var attributes = [model.AttrCount]Attribute{
	model.AttrService: {
		Key: "service.name", Stability: Stable,
		Description: "Name of the observed process's service.",
	},
	model.AttrMethod: {
		Key: "http.request.method", Stability: Stable,
		Description: "Method; `_OTHER` when it is not one of the known methods.",
	},
	model.AttrScheme: {
		Key: "url.scheme", Stability: Stable,
		Description: "`http`; `https` when the bytes come from a TLS library.",
	},
	model.AttrStatus: {
		Key: "http.response.status_code", Stability: Stable,
		Description: "Status code; absent when the exchange did not complete.",
	},
	model.AttrErrorType: {
		Key: "error.type", Stability: Stable,
		Description: "Status code of a failed request (server: 5xx, client: 4xx and 5xx), why an exchange did not complete " +
			"(`connection_reset`), or the errno name of a failed connection; absent on success.",
	},
	model.AttrVersion: {
		Key: "network.protocol.version", Stability: Stable,
		Description: "HTTP version: `1.0`, `1.1`, `2`, `3`.",
	},
	model.AttrServerAddress: {
		Key: "server.address", Stability: Stable,
		Description: "Host that was asked: from the request target or the Host field, else the peer's address.",
	},
	model.AttrServerPort: {
		Key: "server.port", Stability: Stable,
		Description: "Port that was asked; without one in the request, the default port of the scheme.",
	},
	model.AttrDirection: {
		Key: "network.io.direction", Stability: Development,
		Description: "`transmit` or `receive`, seen from the observed socket or interface.",
	},
	model.AttrTransport: {
		Key: "network.transport", Stability: Stable,
		Description: "`tcp`, `udp`, `icmp`, `ipv6-icmp`.",
	},
	model.AttrView: {
		Key:         "view",
		Description: "Where the flow was counted: `socket` or `interface`.",
	},
	model.AttrInterface: {
		Key: "network.interface.name", Stability: Development,
		Description: "Name of the interface, in the interface view.",
	},
	model.AttrRole: {
		Key:         "role",
		Description: "Side of the observed socket: `client` or `server`; `wire` or `unknown` where there is none.",
	},
	model.AttrOutcome: {
		Key:         "outcome",
		Description: "`closed`, `reset`, `refused`, `timed_out` or `failed`.",
	},
	model.AttrReason: {
		Key:         "reason",
		Description: "Why: the kernel's name of a drop reason, or why the cause of a request was not told.",
	},
	model.AttrRing: {
		Key:         "ring",
		Description: "Name of the ring buffer.",
	},
	model.AttrMap: {
		Key:         "map",
		Description: "Name of the eBPF map.",
	},
	model.AttrProgram: {
		Key:         "program",
		Description: "Name of the eBPF program.",
	},
	model.AttrProtocol: {
		Key: "network.protocol.name", Stability: Stable,
		Description: "Application protocol.",
	},
	model.AttrQueue: {
		Key:         "queue",
		Description: "Name of the queue.",
	},
	model.AttrSubsystem: {
		Key:         "subsystem",
		Description: "Part of the agent.",
	},
	model.AttrBuildVersion: {
		Key:         "version",
		Description: "Version of sonde.",
	},
	model.AttrBuildRevision: {
		Key:         "revision",
		Description: "Commit that sonde was built from.",
	},
	model.AttrGoVersion: {
		Key:         "goversion",
		Description: "Go release that sonde was built with.",
	},
	model.AttrRoute: {
		Key: "http.route", Stability: Stable,
		Description: "Template of the path, learnt from the paths that were answered: `/users/{id}`; `{*}` stands for a segment " +
			"with too many values. Absent where none was learnt, as for 404. Never the path of one request alone.",
	},
	model.AttrRPCSystem: {
		Key: KeyRPCSystem, Stability: ReleaseCandidate,
		Description: "`grpc`.",
	},
	model.AttrRPCMethod: {
		Key: KeyRPCMethod, Stability: ReleaseCandidate,
		Description: "Method with its service, `package.Service/Method`; `_OTHER` for one that the server does not have. " +
			"Under the old names: the method without its service.",
	},
	model.AttrRPCStatus: {
		Key: KeyRPCStatus, Stability: ReleaseCandidate,
		Description: "Name of the gRPC status: `OK`, `UNAVAILABLE`.",
	},
	model.AttrRPCSystemOld: {
		Key: "rpc.system", Stability: Development,
		Description: "`grpc`, under the old name.",
	},
	model.AttrRPCServiceOld: {
		Key: "rpc.service", Stability: Development,
		Description: "Service of the method, under the old name.",
	},
	model.AttrRPCStatusOld: {
		Key: "rpc.grpc.status_code", Stability: Development,
		Description: "Number of the gRPC status, under the old name.",
	},
	model.AttrDBSystem: {
		Key: KeyDBSystem, Stability: Stable,
		Description: "`postgresql`, `mysql`, `mariadb`, `redis`, `memcached`, `mongodb`.",
	},
	model.AttrDBOperation: {
		Key: KeyDBOperation, Stability: Stable,
		Description: "Command; of SQL only what the protocol says, never from the text of a query.",
	},
	model.AttrDBCollection: {
		Key: KeyDBCollection, Stability: Stable,
		Description: "Collection, where the protocol says it.",
	},
	model.AttrDBNamespace: {
		Key: KeyDBNamespace, Stability: Stable,
		Description: "Database, with its schema in PostgreSQL.",
	},
	model.AttrDBSummary: {
		Key: KeyDBSummary, Stability: Stable,
		Description: "Operations and targets of a query: `SELECT orders`.",
	},
	model.AttrDBStatus: {
		Key: KeyDBStatus, Stability: Stable,
		Description: "SQLSTATE, error number or error prefix that the server gave.",
	},
	model.AttrMessagingSystem: {
		Key: KeyMessagingSys, Stability: Development,
		Description: "`kafka`, `rabbitmq`, `nats`, `mqtt`.",
	},
	model.AttrMessagingOp: {
		Key: KeyMessagingOp, Stability: Development,
		Description: "Operation as the system calls it: `send`, `poll`, `commit`, `publish`.",
	},
	model.AttrMessagingType: {
		Key: KeyMessagingType, Stability: Development,
		Description: "`send`, `receive`, `settle`, `process`, `create`.",
	},
	model.AttrDestination: {
		Key: KeyDestination, Stability: Development,
		Description: "Topic, queue or subject; `(temporary)` for those that live as long as a reply or a connection.",
	},
	model.AttrConsumerGroup: {
		Key: KeyConsumerGroup, Stability: Development,
		Description: "Consumer group.",
	},
	model.AttrDNSName: {
		Key: KeyDNSName, Stability: Development,
		Description: "Name as queried; the names of reverse lookups are folded to their zone.",
	},
	model.AttrTLSVersion: {
		Key: KeyTLSVersion, Stability: Development,
		Description: "Version that was chosen: `1.2`, `1.3`.",
	},
	model.AttrClient: {
		Key: "client", Stability: Adopted,
		Description: "Service that asked; for one that is not observed its address, or `user` when it is not of a private network.",
	},
	model.AttrServer: {
		Key: "server", Stability: Adopted,
		Description: "Service that was asked; for one that is not observed the host that was asked.",
	},
	model.AttrConnectionType: {
		Key: "connection_type", Stability: Adopted,
		Description: "`database`, `messaging_system`; `virtual_node` where one end is not observed; absent otherwise.",
	},
	model.AttrEvidence: {
		Key: "sonde.parent.evidence",
		Description: "How the parent of a span was found: `header`, `connection`, `thread`, `parent_thread`, `goroutine`, " +
			"`parent_goroutine`; `none` for a root.",
	},
	model.AttrComponentType: {
		Key: "otel.component.type", Stability: Development,
		Description: "Kind of an exporter: `otlp_grpc_span_exporter`, `otlp_http_metric_exporter`.",
	},
	model.AttrCPUMode: {
		Key: "cpu.mode", Stability: ReleaseCandidate,
		Description: "`user` or `system`.",
	},
	model.AttrGoMemoryType: {
		Key: "go.memory.type", Stability: Development,
		Description: "`stack` or `other`.",
	},
	model.AttrComponentName: {
		Key: "otel.component.name", Stability: Development,
		Description: "The same with a number, which tells exporters of one kind apart.",
	},
	model.AttrSignal: {
		Key:         "signal",
		Description: "What a process exports: `traces`, `metrics`.",
	},
	model.AttrOverflow: {
		Key: "otel.metric.overflow", Stability: Stable,
		Description: "`true` on the series that takes what is over the limit of series, so that sums stay exact.",
	},
}
