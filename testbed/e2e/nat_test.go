// SPDX-License-Identifier: Apache-2.0

//go:build kernel

package e2e

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"sonde/testbed/e2e/harness"
)

// TestEndsOfTranslatedConnectionsAreJoined sends requests through NAT between two namespaces of a node, as a service of Kubernetes
// does: each server's span has the client's as its parent, though they disagree about addresses.
func TestEndsOfTranslatedConnectionsAreJoined(t *testing.T) {
	l := newLab(t)
	const requests, concurrent, port, virtual = 200, 20, 8091, "10.96.77.1"
	for i, nat := range []struct {
		name, rules string
		calls, sees string // the server's address at the client, the client's at the server; "": the real one
		callsAtPort int
	}{
		{"DNAT", "add chain ip t pre { type nat hook prerouting priority -100; }; " +
			"add rule ip t pre ip daddr " + virtual + " tcp dport 80 dnat to HERE:8091", virtual, "", 80},
		{"SNAT", "add chain ip t in { type nat hook input priority 100; }; " +
			"add rule ip t in tcp dport 8091 snat to 198.51.100.9", "", "198.51.100.9", port},
	} {
		t.Run(nat.name, func(t *testing.T) {
			w := newWire(t, 71+i)
			command(t, "ip", "route", "add", virtual+"/32", "via", w.there, "dev", w.near)
			w.inside(t, "ip", "route", "add", "default", "via", w.here) // answers are routed before they are translated back
			w.inside(t, "nft", "add table ip t; "+strings.ReplaceAll(nat.rules, "HERE", w.there))
			var ln net.Listener
			w.within(t, func() (err error) { ln, err = net.Listen("tcp", fmt.Sprintf("%s:%d", w.there, port)); return err })
			served := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), ReadHeaderTimeout: time.Minute}
			go func() { _ = served.Serve(ln) }()
			defer served.Close()

			ob := l.observeWith(t, harness.Options{Env: []string{roomyRing}}, port, nat.callsAtPort)
			callee := w.there
			if nat.calls != "" {
				callee = nat.calls
			}
			getMany(t, fmt.Sprintf("http://%s:%d", callee, nat.callsAtPort), requests, concurrent)
			judgeTranslated(t, ob.finish(2*requests), requests, callee, nat.sees)
		})
	}
}

// getMany asks for /0 to /n-1 once each, so many at a time.
func getMany(t *testing.T, url string, n, concurrent int) {
	t.Helper()
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: concurrent}}
	defer client.CloseIdleConnections()
	var askers sync.WaitGroup
	for asker := range concurrent {
		askers.Go(func() {
			for i := asker; i < n; i += concurrent {
				resp, err := client.Get(fmt.Sprintf("%s/%d", url, i))
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
			}
		})
	}
	askers.Wait()
}

// judgeTranslated holds the parents of the server's spans against the paths of their requests.
func judgeTranslated(t *testing.T, events []harness.Event, requests int, callee, sees string) {
	t.Helper()
	clients := map[string]harness.Event{}
	for _, e := range events {
		if e.Type == "request" && e.Role == "client" && e.Server.Address == callee {
			clients[e.SpanID] = e
		}
	}
	right := 0
	for _, e := range events {
		if e.Type != "request" || e.Role != "server" {
			continue
		}
		p, found := clients[e.ParentID]
		switch {
		case sees != "" && e.Client.Address != sees:
			t.Errorf("the server was called by %s, not through NAT", e.Client.Address)
		case !found || p.Attributes.Path != e.Attributes.Path || p.TraceID != e.TraceID || e.Evidence != "connection":
			t.Errorf("%s has the parent %q of %q by %q", e.Attributes.Path, e.ParentID, p.Attributes.Path, e.Evidence)
		default:
			right++
		}
	}
	if len(clients) != requests || right != requests {
		t.Errorf("%d clients' spans and %d servers' with their parent, want %d", len(clients), right, requests)
	}
}
