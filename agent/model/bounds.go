// SPDX-License-Identifier: Apache-2.0

package model

// Upper bounds of buckets, in the unit of the metric.
var (
	// OpenTelemetry's conventions for HTTP (stable), RPC, messaging and DNS.
	requestBounds    = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
	oldRequestBounds = []float64{5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000} // ms
	// Its conventions for databases: db.client.operation.duration (stable) and db.client.response.returned_rows.
	dbBounds  = []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}
	rowBounds = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000}
	// There is no advice for sizes of bodies: from none to a download, by four.
	bodyBounds = []float64{0, 64, 256, 1 << 10, 1 << 12, 1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 22, 1 << 24, 1 << 26, 1 << 28, 1 << 30}
	// The same as OpenTelemetry's eBPF instrumentation uses, from a rack to a bad mobile link.
	rttBounds = []float64{0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1}
	// The conventions' advice for the life of connections, which sessions share.
	connBounds = []float64{0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300}
)

// Bounds returns the bucket bounds of a histogram in the metric's unit, nil for other metrics. Never change the result.
func (m Metric) Bounds() []float64 {
	switch m {
	case MetricHTTPServerDuration, MetricHTTPClientDuration, MetricRPCServerDuration, MetricRPCClientDuration,
		MetricMessagingClientDuration, MetricMessagingProcess, MetricMessagingServerDuration,
		MetricDNSLookup, MetricDNSServer, MetricTLSHandshake, MetricGraphServer, MetricGraphClient:
		return requestBounds
	case MetricRPCServerDurationOld, MetricRPCClientDurationOld:
		return oldRequestBounds
	case MetricHTTPServerRequestBody, MetricHTTPServerResponseBody, MetricHTTPClientRequestBody, MetricHTTPClientResponseBody:
		return bodyBounds
	case MetricDBClientDuration, MetricDBServerDuration:
		return dbBounds
	case MetricDBClientRows:
		return rowBounds
	case MetricTCPRTT:
		return rttBounds
	case MetricTCPDuration, MetricWebSocketSession:
		return connBounds
	}
	return nil
}
