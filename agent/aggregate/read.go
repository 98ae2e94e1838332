// SPDX-License-Identifier: Apache-2.0

package aggregate

import "sonde/agent/model"

// Functions that make families of tables. What they keep of a cell is a copy, made while the lock is held.

// series is one in the making: the histogram of a cell, copied.
func (c *cell[K, V]) series(r *reading, h *histogram, l *layout) model.Series {
	to := &r.slabs.histograms.take(1)[0]
	h.copyTo(to, l, &r.slabs)
	return model.Series{Labels: c.labels, Start: c.began, Histogram: to}
}

func (c *cell[K, V]) sizes(r *reading, s *sizes, l *layout) model.Series {
	to := &r.slabs.histograms.take(1)[0]
	s.copyTo(to, l, &r.slabs)
	return model.Series{Labels: c.labels, Start: c.began, Histogram: to}
}

func (c *cell[K, V]) count(n uint64) model.Series {
	return model.Series{Labels: c.labels, Start: c.began, Value: float64(n)}
}

func counters[K comparable](r *reading, t *table[K, uint64]) []model.Series {
	n := t.len(r)
	out := make([]model.Series, 0, n)
	t.each(r, n, func(c *cell[K, uint64]) { out = append(out, c.count(c.value)) })
	return out
}

func histograms[K comparable](r *reading, t *table[K, histogram], l *layout) []model.Series {
	n := t.len(r)
	out := make([]model.Series, 0, n)
	t.each(r, n, func(c *cell[K, histogram]) { out = append(out, c.series(r, &c.value, l)) })
	return out
}

func (a *Aggregator) readHTTP(r *reading, f *families) {
	read := func(t *table[httpKey, httpSeries], duration, request, response model.Metric) {
		n := t.len(r)
		f.expect(n, duration, request, response)
		t.each(r, n, func(c *cell[httpKey, httpSeries]) {
			f.put(duration, c.series(r, &c.value.duration, a.requestLayout))
			f.put(request, c.sizes(r, &c.value.requestBody, a.bodyLayout))
			if !c.value.response.empty() {
				f.put(response, c.sizes(r, &c.value.response, a.bodyLayout))
			}
		})
	}
	read(&a.httpServers, model.MetricHTTPServerDuration, model.MetricHTTPServerRequestBody, model.MetricHTTPServerResponseBody)
	read(&a.httpClients, model.MetricHTTPClientDuration, model.MetricHTTPClientRequestBody, model.MetricHTTPClientResponseBody)
}

func (a *Aggregator) readRPC(r *reading, f *families) {
	read := func(t *table[rpcKey, rpcSeries], m, old model.Metric) {
		n := t.len(r)
		f.expect(n, m)
		var oldNames [][]model.Label
		t.each(r, n, func(c *cell[rpcKey, rpcSeries]) {
			f.put(m, c.series(r, &c.value.duration, a.requestLayout))
			if a.cfg.OldRPC {
				oldNames = append(oldNames, oldLabels(c))
			}
		})
		f.expect(len(oldNames), old)
		for i, labels := range oldNames {
			s := f.series[m][i]
			s.Labels, s.Histogram = labels, milliseconds(s.Histogram, old.Bounds())
			f.put(old, s)
		}
	}
	read(&a.rpcServers, model.MetricRPCServerDuration, model.MetricRPCServerDurationOld)
	read(&a.rpcClients, model.MetricRPCClientDuration, model.MetricRPCClientDurationOld)
}

func (a *Aggregator) readDB(r *reading, f *families) {
	n := a.dbClients.len(r)
	f.expect(n, model.MetricDBClientDuration)
	a.dbClients.each(r, n, func(c *cell[dbKey, dbSeries]) {
		f.put(model.MetricDBClientDuration, c.series(r, &c.value.duration, a.dbLayout))
		if c.value.rows != nil {
			f.put(model.MetricDBClientRows, c.sizes(r, c.value.rows, a.rowLayout))
		}
	})
	f.set(model.MetricDBServerDuration, histograms(r, &a.dbServers, a.dbLayout))
}

func (a *Aggregator) readMessaging(r *reading, f *families) {
	read := func(t *table[messagingKey, messagingSeries], m model.Metric) {
		n := t.len(r)
		f.expect(n, m)
		t.each(r, n, func(c *cell[messagingKey, messagingSeries]) {
			s := c.series(r, &c.value.duration, a.requestLayout)
			if m == model.MetricMessagingProcess {
				s.Labels = untyped(s.Labels)
			}
			f.put(m, s)
			for kind, messages := range c.value.messages {
				if messages.known {
					s := c.count(messages.count)
					s.Labels = untyped(s.Labels)
					f.put(messageMetrics[kind], s)
				}
			}
		})
	}
	read(&a.messagingClients, model.MetricMessagingClientDuration)
	read(&a.processes, model.MetricMessagingProcess)
	f.set(model.MetricMessagingServerDuration, histograms(r, &a.messagingServers, a.requestLayout))
}

func (a *Aggregator) readEdges(r *reading, f *families) {
	n := a.edges.len(r)
	f.expect(n, model.MetricGraphRequests, model.MetricGraphFailed)
	a.edges.each(r, n, func(c *cell[edgeKey, edgeSeries]) {
		e := &c.value
		f.put(model.MetricGraphRequests, c.count(e.total))
		f.put(model.MetricGraphFailed, c.count(e.failed))
		if e.server != nil {
			f.put(model.MetricGraphServer, c.series(r, e.server, a.requestLayout))
		}
		if e.client != nil {
			f.put(model.MetricGraphClient, c.series(r, e.client, a.requestLayout))
		}
	})
}

// readSpans shows what was counted: without a tracer nothing.
func (a *Aggregator) readSpans(r *reading, f *families) {
	r.mu.Lock()
	spans := a.spans
	r.mu.Unlock()
	for evidence, roles := range spans {
		name := model.Evidence(evidence).String()
		if name == "" {
			name = "none"
		}
		for role, n := range roles {
			if n > 0 {
				f.add(model.MetricTraceSpans, float64(n), named(model.AttrRole, model.Role(role).String()), named(model.AttrEvidence, name))
			}
		}
	}
}

func (a *Aggregator) readFlows(r *reading, f *families) {
	n := a.flows.len(r)
	f.expect(2*n, model.MetricFlowIO, model.MetricFlowPackets)
	a.flows.each(r, n, func(c *cell[flowKey, flowCounters]) {
		v := &c.value
		// The overflow series keeps its direction too: so the sums of both directions stay exact.
		sent, received := with(c.labels, transmit), with(c.labels, receive)
		f.put(model.MetricFlowIO, model.Series{Labels: sent, Start: c.began, Value: float64(v.bytesTransmitted)})
		f.put(model.MetricFlowIO, model.Series{Labels: received, Start: c.began, Value: float64(v.bytesReceived)})
		f.put(model.MetricFlowPackets, model.Series{Labels: sent, Start: c.began, Value: float64(v.packetsTransmitted)})
		f.put(model.MetricFlowPackets, model.Series{Labels: received, Start: c.began, Value: float64(v.packetsReceived)})
	})
	f.set(model.MetricTCPConnections, counters(r, &a.ended))
	f.set(model.MetricTCPFailures, counters(r, &a.failures))
	f.set(model.MetricTCPRetransmits, counters(r, &a.retransmits))
	f.set(model.MetricTCPRTT, histograms(r, &a.rtt, a.rttLayout))
	f.set(model.MetricTCPDuration, histograms(r, &a.lifetime, a.lifetimeLayout))
}
