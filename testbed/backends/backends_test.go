// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestBuildsOfOneProgramShareOneCompilation builds the command of this folder, which is the quickest.
func TestBuildsOfOneProgramShareOneCompilation(t *testing.T) {
	modules, err := run("go", "env", "GOCACHE")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(modules)) // else it would go by the next line
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var progress locked
	var builders sync.WaitGroup
	for range 4 {
		builders.Go(func() {
			bin, err := Build(t.Context(), Program{Name: "itself", module: "build", pkg: "."}, &progress)
			if err != nil {
				t.Error(err)
			} else if _, err := os.Stat(bin); err != nil {
				t.Error(err)
			}
		})
	}
	builders.Wait()
	if n := strings.Count(progress.text.String(), "built in"); n != 1 {
		t.Errorf("built %d times:\n%s", n, &progress.text)
	}
}

type locked struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func TestCacheKeyChangesWithTheSums(t *testing.T) {
	dir, p := t.TempDir(), Program{Name: "x"}
	keys := map[string]bool{}
	for _, sums := range []string{"", "a", "b"} {
		if err := os.WriteFile(filepath.Join(dir, "go.sum"), []byte(sums), 0o600); err != nil {
			t.Fatal(err)
		}
		key, err := p.key(dir)
		if err != nil {
			t.Fatal(err)
		}
		keys[key] = true
	}
	p.tags = "netgo"
	key, err := p.key(dir)
	if keys[key] = true; err != nil || len(keys) != 4 {
		t.Errorf("4 different programs have %d keys: %v", len(keys), err)
	}
}

// message is what an OTLP exporter sends, in JSON.
const message = `{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"cart"}}]},
"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","parentSpanId":"eee19b7ec3c1b173",
"name":"GET","kind":3,"startTimeUnixNano":"1544712660000000000","endTimeUnixNano":"1544712660000000005","status":{"code":2},
"attributes":[{"key":"http.response.status_code","value":{"intValue":"404"}},{"key":"list","value":{"arrayValue":{"values":[
{"stringValue":"a"},{"stringValue":"b"}]}}}]}]}],"schemaUrl":"https://example.org/1"}]}`

func TestCollectorWritesTheSpansItReceives(t *testing.T) {
	c, err := StartCollector(cached(t, Collector), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	resp, err := http.Post("http://"+c.HTTP+"/v1/traces", "application/json", strings.NewReader(message))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v: %v", resp, err)
	}
	_ = resp.Body.Close()
	c.Stop()
	spans, err := c.Spans()
	if err != nil || len(spans) != 1 {
		t.Fatalf("%d spans: %v", len(spans), err)
	}
	s := spans[0]
	got := fmt.Sprintln(s.TraceID, s.SpanID, s.ParentID, s.Service, s.Name, s.Kind, s.Status, s.Duration, s.Attributes, s.SchemaURL)
	const want = "5b8efff798038103d269b633813fc60c eee19b7ec3c1b174 eee19b7ec3c1b173 cart GET client error 5ns " +
		"map[http.response.status_code:404 list:a,b] https://example.org/1\n"
	if got != want {
		t.Errorf("the collector's file says\n%s, want\n%s", got, want)
	}
}

// cached skips the test where the program was never built: `go test` alone shall not take minutes.
func cached(t *testing.T, p Program) string {
	t.Helper()
	source, err := folder(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	bin, err := p.cached(source)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(bin); err != nil {
		t.Skip("not built yet: make backends")
	}
	return bin
}

// exposition is a page of a target in OpenMetrics.
const exposition = `# TYPE work_seconds histogram
work_seconds_bucket{le="1.0"} 3 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.5
work_seconds_bucket{le="+Inf"} 4
work_seconds_sum 9
work_seconds_count 4
# EOF
`

func TestPrometheusTellsWhatItScraped(t *testing.T) {
	bin, err := DebianPrometheus()
	if err != nil {
		t.Skip(err)
	}
	target := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openmetrics-text; version=1.0.0")
		_, _ = io.WriteString(w, exposition)
	}))
	defer target.Close()
	p, err := StartPrometheus(bin, t.TempDir(), ScrapeConfig{Targets: []string{target.Listener.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	var sum float64
	for end := time.Now().Add(20 * time.Second); sum != 4 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if sum, err = p.Sum("work_seconds_count"); err != nil {
			t.Fatal(err)
		}
	}
	exemplars, err := p.Exemplars("work_seconds_bucket")
	if err != nil || sum != 4 || len(exemplars) != 1 || exemplars[0].Labels["trace_id"] != "0af7651916cd43dd8448eb211c80319c" || exemplars[0].Value != 0.5 {
		t.Errorf("sum %v, exemplars %+v: %v", sum, exemplars, err)
	}
}
