// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"sonde/testbed/apps"
	"sonde/testbed/e2e/harness"
	"sonde/testbed/receiver"
)

// exitLimit is the time that an agent has to flush, and a second for what comes before and after.
const exitLimit = 6 * time.Second

// terminate sends SIGTERM and returns how long the daemon took to end.
func terminate(t *testing.T, d *harness.Daemon) time.Duration {
	t.Helper()
	began := time.Now()
	if err := syscall.Kill(d.PID(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for end := began.Add(exitLimit + 5*time.Second); d.Alive() && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond)
	}
	took := time.Since(began)
	if _, err := d.Stop(); err != nil { // it has ended: this is about its exit code
		t.Error(err)
	}
	return took
}

// unsent finds in the log how many spans of how many were not exported.
var unsent = regexp.MustCompile(`spans were not exported.* spans=(\d+) of=(\d+)`)

func TestStopWithADeadReceiverIsQuickAndSaysWhatIsLost(t *testing.T) {
	l := newLab(t)
	hangs := func(int) receiver.Verdict { return receiver.Verdict{Hang: make(chan struct{})} }
	busy := func(int) receiver.Verdict { return receiver.Busy() }
	for _, c := range []struct {
		name   string
		p      receiver.Protocol
		behave func(int) receiver.Verdict // nil: it is down
	}{
		{"hangs", receiver.GRPC, hangs}, {"hangs", receiver.HTTP, hangs}, {"down", receiver.GRPC, nil}, {"503", receiver.HTTP, busy},
	} {
		t.Run(c.name+" "+string(c.p), func(t *testing.T) {
			t.Parallel()
			r, f := listen(t, c.p), newFence(t)
			if r.Behave(c.behave); c.behave == nil {
				r.Down()
			}
			d := l.runWith(t, harness.Options{Env: append(to(r, c.p), usualRing), Args: f.only()})
			s := l.serverAs(t, f, "unheard", apps.Go)
			sent := l.loadAs(t, f, "unheard-client", s.Addr, "-conns", "4", "-n", "500").Total
			checkServed(t, d, "unheard", sent)
			took := terminate(t, d)
			t.Logf("ended after %v", took)
			if took > exitLimit {
				t.Errorf("the daemon took %v to end, want %v at most", took, exitLimit)
			}
			want := []string{strconv.Itoa(2 * sent), strconv.Itoa(2 * sent)}
			if m := unsent.FindStringSubmatch(d.Stderr()); m == nil || m[1] != want[0] || m[2] != want[1] {
				t.Errorf("want %v of %v spans unsent in the log:\n%s", want[0], want[1], d.Stderr())
			}
			spansOnce(t, r)
		})
	}
}

// TestStopSendsWhatIsQueued fills queues from which nothing is sent by itself for an hour.
func TestStopSendsWhatIsQueued(t *testing.T) {
	l := newLab(t)
	for _, p := range []receiver.Protocol{receiver.GRPC, receiver.HTTP} {
		t.Run(string(p), func(t *testing.T) {
			t.Parallel()
			r, f, file := listen(t, p), newFence(t), filepath.Join(t.TempDir(), "spans")
			d := l.runWith(t, harness.Options{
				Env: to(r, p, "OTEL_BSP_SCHEDULE_DELAY=3600000", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE=20000",
					"OTEL_METRICS_EXPORTER=prometheus,otlp", "OTEL_METRIC_EXPORT_INTERVAL=3600000"),
				Args: append(f.only(), "--traces-file", file),
			})
			s := l.serverAs(t, f, "late", apps.Go)
			// Less than the two MiB that a batch may have.
			sent := l.loadAs(t, f, "late-client", s.Addr, "-conns", "8", "-n", "1500").Total
			checkServed(t, d, "late", sent)
			if n := len(r.Spans()); n > 0 {
				t.Fatalf("%d spans were sent before the stop", n)
			}
			if took := terminate(t, d); took > exitLimit {
				t.Errorf("the daemon took %v to end", took)
			}
			if n := spansOnce(t, r); n != 2*sent {
				t.Errorf("%d spans were received, want %d", n, 2*sent)
			}
			server := spansByKind(r.ResourceSpans(), "late")[tracepb.Span_SPAN_KIND_SERVER]
			if len(server) != sent {
				t.Errorf("%d spans of the server, want %d: %v", len(server), sent, spansByService(r.ResourceSpans()))
			}
			t.Log(spansByService(r.ResourceSpans())) // the client is gone before its environment is read, now and then
			if n := spansInFile(t, file); n != 2*sent {
				t.Errorf("%d spans in the file, want %d", n, 2*sent)
			}
			pointsOnce(t, r)
			conventions(t, r)
		})
	}
}

// spansInFile counts the spans of a file of OTLP/JSON lines, each of which must be whole.
func spansInFile(t *testing.T, name string) int {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasSuffix(b, []byte("}\n")) {
		t.Errorf("the last line of %s is cut", name)
	}
	return bytes.Count(b, []byte(`"spanId":`)) - bytes.Count(b, []byte(`"links":[{`))
}
