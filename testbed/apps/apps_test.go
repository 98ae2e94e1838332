// SPDX-License-Identifier: Apache-2.0

package apps

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
	"testing"
	"time"

	"sonde/testbed/apps/load"
	"sonde/testbed/apps/nginx"
	"sonde/testbed/apps/rawclient"
)

// need skips a test whose programs are not installed; the kernel tests of testbed/e2e insist on all of them.
func need(t *testing.T, programs ...string) {
	for _, p := range programs {
		if _, err := exec.LookPath(p); err != nil {
			t.Skipf("%s is not installed", p)
		}
	}
}

func newKit(t *testing.T) *Kit {
	k, err := NewKit()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func program(kind Kind) string {
	switch kind {
	case Node:
		return "node"
	case HTTPServer, Uvicorn:
		return debianPython
	case Nginx:
		return "nginx"
	}
	return "go"
}

var routes = []struct {
	method, path string
	body, status int
}{
	{"GET", "/ok", 0, 200}, {"HEAD", "/ok", 0, 200}, {"OPTIONS", "/ok", 0, 200}, {"GET", "/any/thing", 0, 200},
	{"DELETE", "/any/thing", 0, 200}, {"GET", "/status/204", 0, 204}, {"GET", "/status/404", 0, 404},
	{"GET", "/status/500", 0, 500}, {"GET", "/sleep/20", 0, 200}, {"GET", "/bytes/10000", 0, 200},
	{"GET", "/chunked/10000", 0, 200}, {"POST", "/echo", 3000, 200}, {"GET", "/nowhere", 0, 404},
}

func TestEveryServerAnswersEveryRouteToEveryClient(t *testing.T) {
	k := newKit(t)
	for _, kind := range Kinds() {
		for _, host := range []string{"127.0.0.1", "::1"} {
			t.Run(string(kind)+" "+host, func(t *testing.T) {
				need(t, program(kind), "node", "curl", debianPython)
				s, err := k.Start(kind, host)
				if err != nil {
					t.Fatal(err)
				}
				defer s.Stop()
				for _, c := range ClientKinds() {
					exerciseRoutes(t, k, c, s)
				}
			})
		}
	}
}

func exerciseRoutes(t *testing.T, k *Kit, kind ClientKind, s *Server) {
	c, err := k.StartClient(kind, s.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, r := range routes {
		got, err := c.Do(r.method, r.path, r.body)
		if err != nil || got != r.status {
			t.Errorf("%s client, %s %s: status %d, want %d: %v", kind, r.method, r.path, got, r.status, err)
		}
	}
}

func TestLoadClientAgreesWithAccessLog(t *testing.T) {
	need(t, "nginx")
	k := newKit(t)
	s, err := k.StartNginx(nginx.Config{AccessLog: true}, "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	out, err := exec.Command(k.Path("loadclient"), "-addr", s.Addr, "-conns", "64", "-n", "20000",
		"-mix", "GET /ok,POST /echo 100,HEAD /ok,GET /status/404,GET /chunked/1000").Output()
	if err != nil {
		t.Fatal(err)
	}
	var res load.Result
	if err := json.Unmarshal(out, &res); err != nil {
		t.Fatal(err)
	}
	logged, err := logged(filepath.Join(s.Dir, "access.log"), 20000)
	if err != nil || res.Total != 20000 || fmt.Sprint(res.Sent) != fmt.Sprint(logged) {
		t.Errorf("client sent %v\nnginx logged %v\n%v", res.Sent, logged, err)
	}
}

// logged counts the lines of an access log once it has n of them: nginx writes the line after the answer.
func logged(path string, n int) (map[string]int, error) {
	for range 100 {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		lines := strings.Split(strings.TrimSpace(string(b)), "\n")
		if len(lines) >= n {
			counts := map[string]int{}
			for _, l := range lines {
				counts[l]++
			}
			return counts, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return nil, errors.New("the access log stays short")
}

func TestExchangeProgramServesAndAsksByEveryCall(t *testing.T) {
	need(t, "gcc")
	k := newKit(t)
	for _, mode := range ExchangeModes() {
		t.Run(mode, func(t *testing.T) {
			s, err := k.StartExchange(mode, "127.0.0.1")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Stop()
			c, err := k.StartExchangeClient(mode, s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for i := range 20 {
				if got, err := c.Do("POST", "/any/thing", i*1000); err != nil || got != 200 {
					t.Fatalf("request %d: status %d: %v", i, got, err)
				}
			}
		})
	}
}

func TestActorsAnswerFromTheProcessThatTheModeSays(t *testing.T) {
	need(t, debianPython)
	k := newKit(t)
	for mode, own := range map[string]bool{"prefork": false, "forkeach": false, "dup": true, "scm": false} {
		s, err := k.StartActors(mode, "127.0.0.1")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Stop()
		pids := map[string]bool{}
		for range 10 {
			c, err := rawclient.Dial(s.Addr)
			if err != nil {
				t.Fatal(err)
			}
			body, err := c.Body(rawclient.Request("GET", "/pid"))
			_ = c.Close()
			if err != nil {
				t.Fatal(err)
			}
			pids[strings.TrimSpace(body)] = true
		}
		if pids[fmt.Sprint(s.PID)] != own {
			t.Errorf("%s: answered by %v, listening process is %d", mode, sortedKeys(pids), s.PID)
		}
	}
}

func sortedKeys(m map[string]bool) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
