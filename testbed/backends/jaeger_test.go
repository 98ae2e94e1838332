// SPDX-License-Identifier: Apache-2.0

package backends

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestJaegerTellsTheSpansItReceives(t *testing.T) {
	j, err := StartJaeger(cached(t, Jaeger), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Stop()
	resp, err := http.Post("http://"+j.HTTP+"/v1/traces", "application/json", strings.NewReader(recent(message)))
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v: %v", resp, err)
	}
	_ = resp.Body.Close()
	var services []string
	for end := time.Now().Add(10 * time.Second); len(services) == 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if services, err = j.Services(); err != nil {
			t.Fatal(err)
		}
	}
	spans, err := j.Spans("cart")
	if err != nil || len(spans) != 1 || !slices.Equal(services, []string{"cart"}) {
		t.Fatalf("services %v, %d spans: %v", services, len(spans), err)
	}
	s := spans[0]
	got := fmt.Sprintln(s.TraceID, s.SpanID, s.ParentID, s.Service, s.Name, s.Kind, s.Status, s.Attributes["http.response.status_code"])
	const want = "5b8efff798038103d269b633813fc60c eee19b7ec3c1b174 eee19b7ec3c1b173 cart GET client error 404\n"
	if got != want {
		t.Errorf("Jaeger says\n%s, want\n%s", got, want)
	}
}

// recent moves the span of message to now: Jaeger searches by time.
func recent(message string) string {
	return strings.ReplaceAll(message, "1544712660000000", fmt.Sprint(time.Now().UnixMicro()))
}
