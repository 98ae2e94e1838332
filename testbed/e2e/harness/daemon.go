// SPDX-License-Identifier: Apache-2.0

package harness

import (
	"fmt"
	"io"
	"net/http"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Daemon is a running `sonde run`.
type Daemon struct {
	*Sonde
	URL string // "http://127.0.0.1:40000"
}

// Run starts `sonde run` with its endpoint on addr and waits until /readyz says yes.
func Run(o Options, addr string) (*Daemon, error) {
	s, err := start(o, append([]string{"run", "--prometheus-listen", addr}, o.Args...))
	if err != nil {
		return nil, err
	}
	d := &Daemon{Sonde: s, URL: "http://" + addr}
	for end := time.Now().Add(readyLimit); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if code, _, err := d.Get("/readyz"); err == nil && code == http.StatusOK {
			return d, nil
		}
		if !d.Alive() {
			return nil, fmt.Errorf("sonde ended before it was ready: %w\n%s", d.exit(), d.Stderr())
		}
	}
	d.Kill()
	return nil, fmt.Errorf("sonde was not ready after %v\n%s", readyLimit, d.Stderr())
}

// Get reads a page of the endpoint.
func (d *Daemon) Get(path string) (int, string, error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(d.URL + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// Metrics is one scrape, by family name.
type Metrics map[string]*dto.MetricFamily

// Scrape reads /metrics.
func (d *Daemon) Scrape() (Metrics, error) {
	client := http.Client{Timeout: 10 * time.Second}
	resp, err := client.Get(d.URL + "/metrics")
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(resp.Body)
}

// Sum adds up the samples of a family whose labels contain all of want; of a histogram, the counts. An absent family is 0.
func (m Metrics) Sum(name string, want map[string]string) float64 {
	var sum float64
	family, ok := m[name]
	if !ok {
		return 0
	}
	for _, metric := range family.GetMetric() {
		if !hasLabels(metric, want) {
			continue
		}
		switch {
		case metric.Histogram != nil:
			sum += float64(metric.Histogram.GetSampleCount())
		case metric.Counter != nil:
			sum += metric.Counter.GetValue()
		case metric.Gauge != nil:
			sum += metric.Gauge.GetValue()
		default:
			sum += metric.GetUntyped().GetValue()
		}
	}
	return sum
}

func hasLabels(metric *dto.Metric, want map[string]string) bool {
	found := 0
	for _, l := range metric.GetLabel() {
		if v, ok := want[l.GetName()]; ok && v == l.GetValue() {
			found++
		}
	}
	return found == len(want)
}
