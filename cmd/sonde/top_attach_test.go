// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"sonde/agent/view"
	"sonde/exporters/socket"
)

// watchedAgent is an agent that somebody has watched for a while.
type watchedAgent struct {
	answered
	covered time.Duration
	asked   atomic.Int64
}

// Snapshot implements view.World.
func (a *watchedAgent) Snapshot(_ context.Context, q view.Query) (*view.Snapshot, error) {
	a.asked.Add(1)
	return &view.Snapshot{
		Page: q.Page, Mode: "live", Time: time.Now(), Window: q.Window, Covered: a.covered, Overview: view.Overview{Total: 42}, Notes: []string{q.Filter},
	}, nil
}

// serveAgent serves a world for as long as the test does, and returns the path of its socket.
func serveAgent(t *testing.T, w view.World) (path string, end func()) {
	t.Helper()
	c := socket.Default()
	c.Path, c.Group = filepath.Join(t.TempDir(), "sonde.sock"), ""
	ln, err := socket.Listen(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- socket.New(c, w, "test", slog.New(slog.DiscardHandler)).Serve(ctx, ln) }()
	end = func() {
		cancel()
		<-done
	}
	t.Cleanup(cancel)
	return c.Path, end
}

func TestTopShowsWhatAnAgentSees(t *testing.T) {
	agent := &watchedAgent{covered: time.Minute}
	path, end := serveAgent(t, agent)
	defer end()
	for _, c := range []struct {
		how      string
		args     []string
		variable string
	}{{"--attach", []string{"--attach", path}, ""}, {socketVariable, nil, path}} {
		var out, errs bytes.Buffer
		e := env{stdout: &out, stderr: &errs, getenv: func(name string) string {
			return map[string]string{socketVariable: c.variable}[name]
		}}
		began := time.Now()
		code := execute(context.Background(), e, append([]string{"top", "--once", "-o", "json", "--page", "map", "--port", "80"}, c.args...))
		s := view.Snapshot{}
		if err := json.Unmarshal(out.Bytes(), &s); code != exitOK || err != nil || errs.Len() > 0 {
			t.Fatalf("%s: exit code %d, %v, stderr %q", c.how, code, err, errs.String())
		}
		if s.Page != view.PageMap || s.Mode != "attached" || s.Source != path || s.Overview.Total != 42 || s.Notes[0] != "--port 80" {
			t.Errorf("%s: %+v", c.how, s)
		}
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("%s: it took %v, although the agent was watched before", c.how, took)
		}
	}
}

func TestTopWaitsForAnAgentThatNobodyWatched(t *testing.T) {
	agent := &watchedAgent{covered: 100 * time.Millisecond}
	path, end := serveAgent(t, agent)
	defer end()
	began := time.Now()
	r := sonde(t, "top", "--once", "--attach", path, "--duration", "600ms")
	if took := time.Since(began); r.code != exitOK || took < 500*time.Millisecond || agent.asked.Load() != 2 {
		t.Errorf("exit code %d after %v and %d questions, stderr %q", r.code, took, agent.asked.Load(), r.stderr)
	}
}

func TestTopDoesNotWaitForAnAgentThatHangs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sonde.sock")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	tp := &top{topFlags: &topFlags{}, agent: path}
	began := time.Now()
	_, err = tp.find(t.Context())
	if took := time.Since(began); err == nil || err.Error() != "the agent at "+path+" does not answer" || took > 2*agentPatience {
		t.Errorf("after %v: %v", took, err)
	}
}

func TestTopWithoutTheAgentThatItIsToAttachToFails(t *testing.T) {
	path, end := serveAgent(t, &watchedAgent{})
	end()
	r := sonde(t, "top", "--once", "--attach", path)
	if want := "sonde: no agent "; r.code != exitFailure || r.stdout != "" || len(r.stderr) < len(want) || r.stderr[:len(want)] != want {
		t.Errorf("exit code %d, stdout %q, stderr %q", r.code, r.stdout, r.stderr)
	}
}
