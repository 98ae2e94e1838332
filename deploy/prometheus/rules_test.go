// SPDX-License-Identifier: Apache-2.0

// Package prometheus tests the rules beside it; there is nothing else in it.
package prometheus

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"sonde/agent/model"
	"sonde/exporters/semconv"
)

func TestPromtoolAcceptsConfigurationAndRules(t *testing.T) {
	path, err := exec.LookPath("promtool")
	if err != nil {
		t.Skip("no promtool: apt-get install prometheus")
	}
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"}, // and the rules that it names
		{"check", "rules", "--lint=all", "--lint-fatal", "sonde-recording.yaml", "sonde-alerts.yaml"},
		{"test", "rules", "sonde-tests.yaml"},
	} {
		if out, err := exec.Command(path, args...).CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

var (
	metricName  = regexp.MustCompile(`\b(?:sonde|otel|http|rpc|db|dns|messaging|traces)_[a-z0-9_]+`)
	selected    = regexp.MustCompile(`\b([a-z0-9_]+)(?:\{([^}]*)\})?\[`)
	matcherName = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)`)
	alertName   = regexp.MustCompile(`- alert: (\w+)`)
)

// metrics returns the labels of all metrics of sonde by name.
func metrics() map[string][]string {
	out := map[string][]string{}
	for id := range model.MetricCount {
		m := semconv.Of(id)
		labels := []string{semconv.OfAttr(model.AttrOverflow).Prometheus}
		for _, a := range m.Attributes {
			labels = append(labels, semconv.OfAttr(a).Prometheus)
		}
		if m.Kind != semconv.Histogram {
			out[m.Prometheus] = labels
			continue
		}
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			out[m.Prometheus+suffix] = labels
		}
	}
	return out
}

func TestRulesAskForMetricsThatSondeHas(t *testing.T) {
	known := metrics()
	for _, file := range []string{"sonde-recording.yaml", "sonde-alerts.yaml"} {
		text := read(t, file)
		found := 0
		for _, m := range selected.FindAllStringSubmatch(text, -1) {
			if !metricName.MatchString(m[1]) || strings.HasPrefix(m[1], "rate") {
				continue
			}
			found++
			labels, ok := known[m[1]]
			if !ok {
				t.Errorf("%s: sonde has no metric %s", file, m[1])
			}
			for _, l := range matcherName.FindAllStringSubmatch(m[2], -1) {
				if ok && !strings.Contains(" "+strings.Join(labels, " ")+" ", " "+l[1]+" ") {
					t.Errorf("%s: %s has no label %s", file, m[1], l[1])
				}
			}
		}
		if found < 5 {
			t.Errorf("%s: %d metrics found: the pattern is wrong", file, found)
		}
	}
}

func TestEveryAlertIsTested(t *testing.T) {
	tests := read(t, "sonde-tests.yaml")
	for _, m := range alertName.FindAllStringSubmatch(read(t, "sonde-alerts.yaml"), -1) {
		if !regexp.MustCompile(`alertname: ` + m[1] + `\n +exp_alerts:\n +- exp_labels`).MatchString(tests) {
			t.Errorf("no test sees %s fire", m[1])
		}
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
