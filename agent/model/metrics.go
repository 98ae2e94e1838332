// SPDX-License-Identifier: Apache-2.0

package model

import "time"

// Metric identifies a metric without naming it: the names, units and descriptions are in exporters/semconv.
type Metric uint8

// The metrics that sonde keeps. A new one needs a row in the table of exporters/semconv; a test holds them together.
const (
	MetricHTTPServerDuration Metric = iota
	MetricHTTPClientDuration
	MetricHTTPServerRequestBody
	MetricHTTPServerResponseBody
	MetricHTTPClientRequestBody
	MetricHTTPClientResponseBody
	MetricRPCServerDuration
	MetricRPCClientDuration
	MetricRPCServerDurationOld // names of the conventions up to 1.37, beside the new ones on demand
	MetricRPCClientDurationOld
	MetricDBClientDuration
	MetricDBClientRows
	MetricDBServerDuration
	MetricMessagingClientDuration
	MetricMessagingSent
	MetricMessagingConsumed
	MetricMessagingProcess
	MetricMessagingServerDuration
	MetricDNSLookup
	MetricDNSServer
	MetricTLSHandshake
	MetricWebSocketSession
	MetricGraphRequests
	MetricGraphFailed
	MetricGraphServer
	MetricGraphClient
	MetricTraceSpans
	MetricTraceUnresolved
	MetricFlowIO
	MetricFlowPackets
	MetricTCPConnections
	MetricTCPOpen
	MetricTCPFailures
	MetricTCPRetransmits
	MetricTCPRTT
	MetricTCPDuration
	MetricPacketDrops
	MetricRequestsLost
	MetricRequestsUnaggregated
	MetricRingLost
	MetricRingRecords
	MetricRingIO
	MetricMapFull
	MetricUndecodable
	MetricProgramRunTime
	MetricProgramRuns
	MetricConnParsed
	MetricConnAcked
	MetricConnTracked
	MetricConnJoined
	MetricResyncs
	MetricQueueDepth
	MetricQueueCapacity
	MetricQueueDropped
	MetricSpansExported
	MetricPointsExported
	MetricSelfExport
	MetricMemory
	MetricProcessCPU
	MetricProcessMemory
	MetricProcessUptime
	MetricGoMemory
	MetricGoAllocated
	MetricGoroutines
	MetricBuildInfo

	MetricCount // the number of metrics, not one of them
)

// Attr identifies an attribute of a series. Its key is in exporters/semconv.
type Attr uint8

// The attributes that tell series apart.
const (
	AttrService       Attr = iota
	AttrMethod             // known methods and "_OTHER"
	AttrScheme             // "http", "https"
	AttrStatus             // three digits
	AttrErrorType          // status code, errno name or reason; absent on success
	AttrVersion            // "1.0", "1.1"
	AttrServerAddress      // of the server that was asked, client metrics only
	AttrServerPort
	AttrDirection // "transmit", "receive"
	AttrTransport
	AttrView
	AttrInterface
	AttrRole
	AttrOutcome // FlowState of a connection that ended
	AttrReason
	AttrRing
	AttrMap
	AttrProgram
	AttrProtocol
	AttrQueue
	AttrSubsystem
	AttrBuildVersion
	AttrBuildRevision
	AttrGoVersion
	AttrRoute         // template of the path, server metrics only
	AttrRPCSystem     // "grpc"
	AttrRPCMethod     // "package.Service/Method", or "_OTHER"; in the old metrics the method alone
	AttrRPCStatus     // name of the status code
	AttrRPCSystemOld  // the old names of the conventions up to 1.37
	AttrRPCServiceOld // "package.Service"
	AttrRPCStatusOld  // number of the status code
	AttrDBSystem      // "postgresql"
	AttrDBOperation   // "GET", "find"
	AttrDBCollection
	AttrDBNamespace
	AttrDBSummary       // "SELECT orders"
	AttrDBStatus        // SQLSTATE, error number, error prefix
	AttrMessagingSystem // "kafka"
	AttrMessagingOp     // "send", "poll"
	AttrMessagingType   // "send", "receive", "settle", "process"
	AttrDestination     // topic, queue, subject
	AttrConsumerGroup
	AttrDNSName        // as queried
	AttrTLSVersion     // "1.2", "1.3"
	AttrClient         // service at the client's end of an edge of the service graph
	AttrServer         // service at the server's end
	AttrConnectionType // "database", "messaging_system", "virtual_node"; absent for two observed services
	AttrEvidence       // how the parent of a span was found, "none" for a root
	AttrComponentType  // "otlp_grpc_span_exporter"
	AttrComponentName  // "otlp_grpc_span_exporter/0"
	AttrCPUMode        // "user", "system"
	AttrGoMemoryType   // "stack", "other"
	AttrSignal         // "traces", "metrics"
	AttrOverflow       // "true" on the series that takes what is over the limit

	AttrCount // the number of attributes, not one of them
)

// Label is one attribute of a series. Value is valid UTF-8 and never empty: an attribute without a value is left out.
type Label struct {
	Attr  Attr
	Value string
}

// Snapshot is a copy of all metrics at one moment. It belongs to the caller and nobody changes it afterwards.
type Snapshot struct {
	Time     time.Duration // since boot: of the last event or tick
	Families []Family      // ascending by Metric, each at most once, none empty
}

// Family holds the series of one metric. No two of them have equal labels.
type Family struct {
	Metric Metric
	Series []Series
}

// Series is one value, or one histogram, with its labels. Labels are shared between snapshots: never change them.
type Series struct {
	Labels    []Label
	Value     float64    // in the metric's unit; counters count from the start of the series
	Histogram *Histogram // nil unless the metric is a histogram, Value is unused then

	// Start is when the series began to count, since boot. It changes when a series was forgotten and comes back.
	Start time.Duration
}

// Histogram counts values, in the unit of its metric, in buckets with explicit upper bounds.
type Histogram struct {
	Bounds []float64 // inclusive upper bounds, ascending; shared, never change them
	Counts []uint64  // one for each bound and one for what is above the last; not cumulative
	Sum    float64   // of all values

	// Exponential holds the same values in buckets of equal relative width, nil where they are not kept.
	Exponential *Exponential
	// Exemplars are requests that stand for the values: at most one for each bucket of Counts, in their order. Only sampled
	// spans are (OTEL_METRICS_EXEMPLAR_FILTER trace_based).
	Exemplars []Exemplar
}

// Exponential is OpenTelemetry's exponential histogram and Prometheus's native histogram: bucket i of Counts holds the values
// in (2^((Offset+i)/2^Scale), 2^((Offset+i+1)/2^Scale)]. There are no negative values.
type Exponential struct {
	Scale     int8
	Offset    int32
	Counts    []uint64
	ZeroCount uint64 // values of 0
	Min, Max  float64
}

// Exemplar is one request that a histogram counted.
type Exemplar struct {
	Value   float64
	Time    time.Duration // end of the request, since boot
	TraceID TraceID
	SpanID  SpanID
}

// Count returns the number of values observed.
func (h *Histogram) Count() uint64 {
	var n uint64
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// FlowDelta is what a flow added since it was last reported, seen from the observed socket or interface.
//
// The counters of Flow are totals of its life and grow with every report; adding them up would count the same bytes
// again. Whoever reports a flow knows what it reported before and hands over the difference.
type FlowDelta struct {
	BytesTransmitted, BytesReceived     uint64 // TCP: payload acknowledged; others and interfaces: IP bytes
	PacketsTransmitted, PacketsReceived uint64
	Retransmits                         uint64 // TCP segments

	// Final marks the last report of a flow. Each flow has exactly one: it counts the connection under the state that it
	// ended in.
	Final bool
}
