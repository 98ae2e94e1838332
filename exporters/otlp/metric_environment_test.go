// SPDX-License-Identifier: Apache-2.0

package otlp

import (
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// metricsFromEnvironment makes a configuration as cmd/sonde does, with short times.
func metricsFromEnvironment(t *testing.T, variables map[string]string) MetricsConfig {
	t.Helper()
	for name, value := range variables {
		t.Setenv(name, value)
	}
	c := metricsConfig(HTTPProtobuf, "")
	if err := c.Env(os.Getenv); err != nil {
		t.Fatal(err)
	}
	c.ExportTimeout = 2 * time.Second
	return c
}

func TestMetricsOverMutualTLSByTheEnvironment(t *testing.T) {
	for _, protocol := range []Protocol{GRPC, HTTPProtobuf} {
		for _, certificate := range []string{"client", ""} {
			t.Run(string(protocol)+"/"+certificate, func(t *testing.T) {
				a := newAuthority(t)
				a.issue("client")
				r := receiveMetricsTLS(t, protocol, a.mutual(), nil)
				variables := map[string]string{
					"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL": string(protocol), "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": r.url,
					"OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE": a.path("ca.pem"),
				}
				if certificate != "" {
					variables["OTEL_EXPORTER_OTLP_METRICS_CLIENT_CERTIFICATE"] = a.path(certificate + ".pem")
					variables["OTEL_EXPORTER_OTLP_METRICS_CLIENT_KEY"] = a.path(certificate + ".key")
				}
				s := run(t, metricsFromEnvironment(t, variables), &snapshots{one(1)}, silent())
				if reached := len(r.ResourceMetrics()) == 1; reached != (certificate != "") || reached != (s.Points == 1) || reached == (s.Failed == 1) {
					t.Errorf("%d received, %+v", len(r.ResourceMetrics()), s)
				}
			})
		}
	}
}

func TestMetricsAreCompressedAndAuthorizedByTheEnvironment(t *testing.T) {
	r := receiveMetrics(t, HTTPProtobuf, nil)
	s := run(t, metricsFromEnvironment(t, map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": strings.TrimSuffix(r.url, "/v1/metrics"), "OTEL_EXPORTER_OTLP_METRICS_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20secret",
	}), &snapshots{one(1)}, silent())
	if h := r.Headers()[0].Get("User-Agent"); !strings.HasPrefix(h, "sonde/1.2.3 OTel-OTLP-Exporter-Go/") {
		t.Errorf("user agent %q", h)
	}
	if s.Points != 1 || len(r.Headers()) != 1 || r.Headers()[0].Get("Content-Encoding") != "gzip" || r.Headers()[0].Get("Authorization") != "Bearer secret" {
		t.Errorf("%+v, headers %v", s, r.Headers())
	}
}

func TestServiceNameOfTheEnvironmentIsForWhatIsNotObserved(t *testing.T) {
	r := receiveMetrics(t, HTTPProtobuf, nil)
	c := metricsFromEnvironment(t, map[string]string{"OTEL_SERVICE_NAME": "strangers"})
	c.Endpoint = r.url
	run(t, c, &snapshots{everything()}, silent()) // with overflow series, which are of nobody
	var got []string
	for _, rm := range r.ResourceMetrics() {
		for _, kv := range rm.Resource.Attributes {
			if kv.Key == "service.name" {
				got = append(got, kv.Value.GetStringValue())
			}
		}
	}
	if !slices.Equal(got, []string{"cart", "sonde", "strangers"}) {
		t.Errorf("services %q", got)
	}
}

func TestMetricsWaitAsLongAsRetryAfterSays(t *testing.T) {
	r := receiveMetrics(t, HTTPProtobuf, func(n int) verdict {
		if n == 0 {
			return verdict{Status: http.StatusTooManyRequests, RetryAfter: "1"}
		}
		return verdict{}
	})
	began := time.Now()
	s := run(t, metricsConfig(HTTPProtobuf, r.url), &snapshots{one(1)}, silent())
	if took := time.Since(began); took < time.Second || s.Points != 1 || r.Requests() != 2 {
		t.Errorf("%v, %+v, %d requests", took, s, r.Requests())
	}
}

func TestReceiverThatIsDownCostsItsExportsAlone(t *testing.T) {
	for _, protocol := range []Protocol{GRPC, HTTPProtobuf} {
		t.Run(string(protocol), func(t *testing.T) {
			down := true
			r := receiveMetrics(t, protocol, func(int) verdict {
				if down {
					return verdict{Status: http.StatusServiceUnavailable, Code: errUnavailable}
				}
				return verdict{}
			})
			c := metricsConfig(protocol, r.url)
			c.ExportTimeout, c.Temporality = 100*time.Millisecond, Delta
			m, err := NewMetrics(c, &snapshots{one(1), one(2), one(5)}, bootClock, silent())
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				down = i < 2
				m.export(t.Context())
			}
			if s := m.Stats(); s.Failed != 2 || s.Points != 1 || s.Exports != 1 {
				t.Errorf("%+v", s)
			}
			taken := r.ResourceMetrics()
			if len(taken) != 1 || taken[0].ScopeMetrics[0].Metrics[0].GetSum().DataPoints[0].GetAsDouble() != 3 {
				t.Errorf("received %v", taken)
			}
		})
	}
}
