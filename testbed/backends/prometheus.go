// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// RunningPrometheus is a Prometheus that scrapes.
type RunningPrometheus struct {
	*Process
	URL string // "http://127.0.0.1:9090"
}

// ScrapeConfig says what a Prometheus scrapes, once a second.
type ScrapeConfig struct {
	Targets []string // "127.0.0.1:9464"
	Native  bool     // native histograms, as Prometheus wants to be asked for them since 3.9; older ones refuse the key
}

const prometheusConfig = `global: {scrape_interval: 1s, scrape_timeout: 1s%s}
storage: {exemplars: {max_exemplars: 10000}}
scrape_configs:
  - job_name: sonde
    static_configs: [{targets: [%s]}]
`

// DebianPrometheus returns the path of Debian's Prometheus.
func DebianPrometheus() (string, error) {
	bin, err := exec.LookPath("prometheus")
	if err != nil {
		return "", fmt.Errorf("not installed: apt-get install prometheus: %w", err)
	}
	return bin, nil
}

// StartPrometheus starts the program in dir; it keeps exemplars. Further flags are passed on.
func StartPrometheus(bin, dir string, c ScrapeConfig, flags ...string) (*RunningPrometheus, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "prometheus.yaml")
	native := ""
	if c.Native {
		native = ", scrape_native_histograms: true"
	}
	if err := os.WriteFile(config, fmt.Appendf(nil, prometheusConfig, native, strings.Join(c.Targets, ", ")), 0o644); err != nil {
		return nil, err
	}
	p := &RunningPrometheus{URL: "http://" + addr}
	argv := append([]string{
		bin, "--config.file=" + config, "--web.listen-address=" + addr, "--storage.tsdb.path=" + filepath.Join(dir, "tsdb"),
		"--log.level=warn", "--enable-feature=exemplar-storage",
	}, flags...)
	p.Process, err = start(dir, []string{p.URL + "/-/ready"}, argv...)
	return p, err
}

// Sample is one series of an answer, at one time.
type Sample struct {
	Labels map[string]string
	Value  float64
	// Histogram is the number of observations of a native histogram; Value is the same then.
	Histogram bool
}

// Query evaluates PromQL now.
func (p *RunningPrometheus) Query(expr string) ([]Sample, error) {
	var answer struct {
		Data struct {
			Result []struct {
				Metric    map[string]string
				Value     [2]any
				Histogram []any
			}
		}
	}
	if err := getJSON(p.URL, "/api/v1/query", url.Values{"query": {expr}}, &answer); err != nil {
		return nil, err
	}
	var samples []Sample
	for _, r := range answer.Data.Result {
		s := Sample{Labels: r.Metric}
		text, _ := r.Value[1].(string)
		if len(r.Histogram) == 2 {
			native, _ := r.Histogram[1].(map[string]any)
			text, _ = native["count"].(string)
			s.Histogram = true
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", expr, err)
		}
		s.Value = v
		samples = append(samples, s)
	}
	return samples, nil
}

// Sum is the sum of all series of an answer.
func (p *RunningPrometheus) Sum(expr string) (float64, error) {
	samples, err := p.Query(expr)
	var sum float64
	for _, s := range samples {
		sum += s.Value
	}
	return sum, err
}

// Exemplar is an example of what was measured.
type Exemplar struct {
	Series, Labels map[string]string
	Value          float64
}

// Exemplars returns those that were scraped in the last minutes for the series that expr names.
func (p *RunningPrometheus) Exemplars(expr string) ([]Exemplar, error) {
	var answer struct {
		Data []struct {
			SeriesLabels map[string]string
			Exemplars    []struct {
				Labels map[string]string
				Value  float64 `json:",string"`
			}
		}
	}
	now := time.Now()
	query := url.Values{"query": {expr}, "start": {stamp(now.Add(-10 * time.Minute))}, "end": {stamp(now.Add(time.Minute))}}
	if err := getJSON(p.URL, "/api/v1/query_exemplars", query, &answer); err != nil {
		return nil, err
	}
	var exemplars []Exemplar
	for _, series := range answer.Data {
		for _, e := range series.Exemplars {
			exemplars = append(exemplars, Exemplar{Series: series.SeriesLabels, Labels: e.Labels, Value: e.Value})
		}
	}
	return exemplars, nil
}

func stamp(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }
