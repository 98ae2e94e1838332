// SPDX-License-Identifier: Apache-2.0

package semconv

import (
	"fmt"
	"strconv"
	"strings"

	"sonde/agent/model"
)

//go:generate go test -run ^TestMetricsDocumentationIsFresh$ -update

const docsHead = `# Metrics

<!-- Generated from exporters/semconv/table.go by "go generate ./exporters/semconv". Do not edit. -->

sonde serves these metrics on ` + "`/metrics`" + ` (` + "`--prometheus-listen`" + `, by default ` + "`localhost:9464`" + `), beside the ` +
	"`go_*`, `process_*`" + `
and ` + "`promhttp_*`" + ` metrics of the Prometheus client library, which are about the agent itself.
Names are OpenTelemetry's where a convention exists (stable, or in development); the rest is ` + "`sonde.*`" + `.
The Prometheus names are derived from the OpenTelemetry names, units and kinds.

- An attribute that has no value is left out of a series.
- A metric has at most 2000 series. The last of them takes what is over the limit, so that sums stay exact; it carries
  ` + "`otel_metric_overflow=\"true\"`" + ` in place of other labels (flows keep their direction).
- A series that was idle for 5 minutes is no longer shown; if it comes back soon, it goes on where it was.
- The request path is never a label. A route is: ` + "`{id}`" + ` stands for a segment that names one of many by its looks, ` + "`{*}`" + ` for one
  with too many values. Requests that were refused (4xx) teach no routes.
- Every request is in exactly one metric of durations, or in ` + "`sonde_requests_unaggregated_total`" + `. The conventions' metrics of
  databases, messaging and DNS are for clients; what is seen at a server has a metric of its own, ` + "`sonde.*.server.*`" + `.
- Durations also have exponential buckets (at most 160, each 9 % wider than the one before as long as they suffice) and
  exemplars: for each bucket the newest exported span, renewed once a second at most.
- The service graph counts a request at its server, and at its client only where the server is not observed. Nothing is
  counted for DNS, for handshakes, and for what a service asks of itself.
- There is no ` + "`http.*.active_requests`" + `: how many requests are under way is not known of connections that are older than the
  agent, and a gauge that is wrong by a constant is worse than none.
`

// Markdown returns the documentation of all metrics and attributes, the content of docs/metrics.md.
func Markdown() string {
	var b strings.Builder
	b.WriteString(docsHead)
	b.WriteString("\n## Metrics\n")
	for i := range model.MetricCount {
		writeMetric(&b, i)
	}
	b.WriteString("\n## Attributes\n\n| attribute | label | from | meaning |\n|---|---|---|---|\n")
	for i := range model.AttrCount {
		a := OfAttr(i)
		fmt.Fprintf(&b, "| `%s` | `%s` | %s | %s |\n", a.Key, a.Prometheus, a.Stability, a.Description)
	}
	return b.String()
}

func writeMetric(b *strings.Builder, id model.Metric) {
	m := Of(id)
	heading, description := m.Prometheus, m.Description
	if m.PushOnly {
		heading, description = m.Name, description+" Over OTLP alone."
	}
	fmt.Fprintf(b, "\n### `%s`\n\n%s\n\n", heading, description)
	b.WriteString("| OpenTelemetry name | kind | unit | from |\n|---|---|---|---|\n")
	unit := "-"
	if m.Unit != "" {
		unit = "`" + m.Unit + "`"
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", m.Name, m.Kind, unit, m.Stability)
	if bounds := id.Bounds(); bounds != nil {
		b.WriteString("\nBuckets (" + m.Unit + "):")
		for _, v := range bounds {
			b.WriteString(" " + strconv.FormatFloat(v, 'g', -1, 64))
		}
		b.WriteString("\n")
	}
	if len(m.Attributes) == 0 {
		return
	}
	labels := make([]string, len(m.Attributes))
	for i, a := range m.Attributes {
		labels[i] = "`" + OfAttr(a).Prometheus + "`"
	}
	b.WriteString("\nLabels: " + strings.Join(labels, ", ") + "\n")
}
